//! What a store tells of its own health, and of the hours that went badly.

use jiff::Timestamp;

use crate::model::{AttemptOutcome, ErrorClass};

/// What an inspection of a readable store found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// The version of its schema.
    pub schema_version: i64,
    /// The size of its database, the write-ahead log left aside.
    pub bytes: u64,
    /// What the integrity check complains about; nothing if the file is sound. Bounded.
    pub complaints: Vec<String>,
}

/// Attempts that ended alike within one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinuteGroup {
    /// The beginning of the minute.
    pub minute: Timestamp,
    /// How they ended.
    pub outcome: AttemptOutcome,
    /// What went wrong, or what marks the successes.
    pub error_class: Option<ErrorClass>,
    /// How many.
    pub attempts: u64,
}

/// What the system says of the folder that a store lies in, or would lie in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The folder exists.
    pub exists: bool,
    /// This process may make files in it; true where the system cannot be asked.
    pub writable: bool,
    /// Room left for this user; none where the system cannot be asked.
    pub free_bytes: Option<u64>,
    /// The kind of network file system it lies on, if it does.
    pub network: Option<String>,
}
