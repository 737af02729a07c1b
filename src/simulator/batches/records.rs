//! What tests may know about batches.

use serde::Serialize;

/// What became of a request in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemOutcome {
    /// It was answered, which costs money.
    Succeeded,
    /// It failed.
    Errored,
    /// It was cancelled before it was done.
    Canceled,
    /// Time ran out before it was done.
    Expired,
}

impl ItemOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Succeeded,
        Self::Errored,
        Self::Canceled,
        Self::Expired,
    ];

    /// The API's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Errored => "errored",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }
}

/// A batch that was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchRecord {
    /// Its id.
    pub id: String,
    /// Milliseconds from the simulator's start to its creation.
    pub created_at_ms: u64,
    /// And to its end, if it has ended.
    pub ended_at_ms: Option<u64>,
    /// `in_progress`, `canceling` or `ended`.
    pub processing_status: String,
    /// Its requests.
    pub requests: u32,
    /// Those that succeeded so far.
    pub succeeded: u32,
    /// Those that failed so far.
    pub errored: u32,
    /// Those that were cancelled.
    pub canceled: u32,
    /// Those that expired.
    pub expired: u32,
    /// How often its results were asked for while there were some.
    pub downloads: u32,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Bytes of the body that created it.
    pub bytes: u64,
    /// The `anthropic-version` that it was created with.
    pub version: String,
    /// The `anthropic-beta` that it was created with; empty without one.
    pub beta: String,
}

/// A request in a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchItemRecord {
    /// The id of its batch.
    pub batch_id: String,
    /// Its `custom_id`.
    pub custom_id: String,
    /// Sixteen hex digits that stand for its parameters, as in the log: the same for the same body
    /// sent to Messages.
    pub body_hash: String,
    /// The first characters of its last user message; empty if there is none.
    pub prompt: String,
    /// What became of it; none while it waits.
    pub outcome: Option<ItemOutcome>,
    /// Milliseconds from the simulator's start to that; none while it waits.
    pub at_ms: Option<u64>,
}
