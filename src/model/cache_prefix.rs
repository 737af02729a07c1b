//! Prefixes that requests share, and that are marked for the prompt cache.

use serde::{Deserialize, Serialize};

/// A prefix that jobs of a run share and that is worth a mark. Chosen once and kept with the run,
/// so that every later dispatch sends the same requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedPrefix {
    /// Names its text, and what else the cache goes by.
    pub hash: u64,
    /// The model of its jobs.
    pub model: String,
    /// Its tokens, estimated.
    pub tokens: u64,
    /// Jobs that are marked at its end.
    pub jobs: u64,
    /// The rows of some of them, the first ones: any of these can warm the cache for a batch.
    #[serde(default)]
    pub first: Vec<i64>,
}
