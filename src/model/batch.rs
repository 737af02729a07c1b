//! Remote batches: many requests that the Message Batches API answers together, at half the price.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{AttemptId, JobId};

/// Most requests in one batch (documented).
pub const MAX_BATCH_REQUESTS: u32 = 100_000;
/// Most bytes in the body of one create call (documented: 256 MB).
pub const MAX_BATCH_BYTES: u64 = 256 * 1024 * 1024;

/// What stands around the entries of a create call.
pub const ENVELOPE: (&str, &str) = ("{\"requests\":[", "]}");
/// What stands around the parts of one entry: before the id, between id and body, after the body.
pub const ENTRY: (&str, &str, &str) = ("{\"custom_id\":\"", "\",\"params\":", "}");

/// One batch, as a row number of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub i64);

/// Where a batch stands with us. What the API says of it is [`RemoteStatus`].
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum BatchState {
    /// Jobs are being put into it; after a crash they go back to the queue.
    Filling,
    /// Complete, and not yet sent: nothing outside knows of it.
    Ready,
    /// The create call is about to leave or has left; after a crash it is uncertain.
    Sending,
    /// Nobody knows whether the create call was heard: the API is asked before anything is sent again.
    Uncertain,
    /// The API has it.
    Open,
    /// The API was asked to cancel it.
    Canceling,
    /// The API is done with it; its results are being fetched.
    Ended,
    /// Every result is recorded.
    Harvested,
    /// It can no longer be fetched, or the user said so; its jobs went back to the queue.
    Lost,
}

impl BatchState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Filling,
        Self::Ready,
        Self::Sending,
        Self::Uncertain,
        Self::Open,
        Self::Canceling,
        Self::Ended,
        Self::Harvested,
        Self::Lost,
    ];

    /// The name used in the store and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// Nothing will happen to it any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Harvested | Self::Lost)
    }
}

/// Why a batch is called stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StuckBatch {
    /// It should have run out of time an hour ago.
    Expired,
    /// It has been cancelled for an hour.
    Canceling,
    /// The deadline of some of its jobs has passed.
    DeadlineMissed,
}

/// Why we asked the API to cancel a batch: what becomes of its unprocessed jobs depends on it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CancelReason {
    /// The user cancelled the run: its jobs end cancelled.
    User,
    /// The deadline is near: its jobs are finished live.
    Deadline,
}

impl CancelReason {
    /// The name used in the store and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The reason of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// What the API says of a batch's processing. Completion is told by this alone, never by counts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RemoteStatus {
    /// It is being worked on. A status that is not known is read as this one.
    #[default]
    InProgress,
    /// It was cancelled, and what had begun is being finished.
    Canceling,
    /// Nothing more will change; its results can be fetched.
    Ended,
}

/// How many requests of a batch stand where, as the API tells it. Completion is never read from
/// them; once the batch has ended, they say what of its results may be missing.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(default)]
pub struct RequestCounts {
    /// Not done yet.
    pub processing: u64,
    /// Answered.
    pub succeeded: u64,
    /// Failed.
    pub errored: u64,
    /// Cancelled before they were processed.
    pub canceled: u64,
    /// Out of time before they were processed.
    pub expired: u64,
}

impl RequestCounts {
    /// All requests of the batch.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.processing + self.succeeded + self.errored + self.canceled + self.expired
    }
}

/// Results of an ended batch that lack what its counts call done. The API keeps them for weeks, so
/// they are asked for again before anything is bought again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortResults {
    /// Since when they have brought nothing new.
    pub since: Timestamp,
    /// Downloads in a row that brought nothing new, the first one included.
    pub downloads: u32,
}

/// A batch as the API describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteBatch {
    /// The API's id (`msgbatch_...`).
    pub id: String,
    /// What it says of its processing.
    pub status: RemoteStatus,
    /// Its counts.
    pub counts: RequestCounts,
    /// When the API created it, by the API's clock.
    pub created_at: Option<Timestamp>,
    /// When it runs out of time.
    pub expires_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When its results were (or are) removed.
    pub archived_at: Option<Timestamp>,
}

/// Our own `custom_id` of an entry: the nonce of its batch, the job and the attempt, in the
/// characters that the API allows. `nonce` has letters and digits only.
#[must_use]
pub fn item_id(nonce: &str, attempt: AttemptId) -> String {
    format!("{nonce}-{}-{}", attempt.job.0, attempt.n)
}

/// The nonce and the attempt behind an entry's `custom_id`; none if it is not one of ours.
#[must_use]
pub fn parse_item_id(id: &str) -> Option<(&str, AttemptId)> {
    let (rest, n) = id.rsplit_once('-')?;
    let (nonce, job) = rest.rsplit_once('-')?;
    let attempt = AttemptId {
        job: JobId(job.parse().ok()?),
        n: n.parse().ok()?,
    };
    (item_id(nonce, attempt) == id).then_some((nonce, attempt))
}

/// Bytes of one entry of a create call, exactly; a comma stands between two entries.
#[must_use]
pub fn entry_bytes(item_id: &str, body_bytes: u64) -> u64 {
    (ENTRY.0.len() + item_id.len() + ENTRY.1.len() + ENTRY.2.len()) as u64 + body_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_id_is_read_back_and_a_foreign_one_is_not() {
        let attempt = AttemptId {
            job: JobId((7 << 40) + 250_000),
            n: 12,
        };
        let id = item_id("k3x9z0", attempt);
        assert!(id.len() <= 64, "{id}");
        assert_eq!(parse_item_id(&id), Some(("k3x9z0", attempt)));
        for foreign in ["", "row-1", "a-b-c", "k-01-1", "k-1-+1", "k-1-1-"] {
            assert_eq!(parse_item_id(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn every_state_is_read_back_from_its_name() {
        for state in BatchState::ALL {
            assert_eq!(BatchState::parse(state.as_str()), Some(state));
        }
    }
}
