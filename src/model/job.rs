//! Jobs: what one input line asks for, and where it stands.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::amendment::Amendment;
use super::body::RequestBody;
use super::endpoint::Endpoint;
use super::error_class::ErrorClass;
use super::ids::{AttemptId, JobId};

/// The lane that a request takes.
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
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Lane {
    /// The Messages API: an answer within seconds, at full price.
    Live,
    /// The Message Batches API: an answer within 24 h, at half the price.
    Batch,
}

impl Lane {
    /// The name used in the store, flags and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl FromStr for Lane {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "live" => Ok(Self::Live),
            "batch" => Ok(Self::Batch),
            other => Err(format!("unknown lane `{other}`: write `live` or `batch`")),
        }
    }
}

/// Where a job stands. The numbers are what the store keeps; they never change their meaning.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum JobState {
    /// Waiting for a slot or for the time of its next try.
    Queued = 0,
    /// An attempt of it is open: about to be sent, on the wire, or answered but not yet recorded.
    #[strum(to_string = "in flight")]
    InFlight = 1,
    /// Part of a remote batch.
    #[strum(to_string = "in a batch")]
    InBatch = 2,
    /// Put aside until something outside is repaired (its model is unknown, say).
    Held = 3,
    /// Ended with a message.
    Succeeded = 4,
    /// Ended with an error.
    Failed = 5,
    /// Ended by the user.
    Canceled = 6,
}

impl JobState {
    /// Every state, in the order of its number.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::InFlight,
        Self::InBatch,
        Self::Held,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
    ];

    /// Whether the job will never be tried again by itself.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }

    /// The number that the store keeps.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The state with that number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// A checked input line, ready to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Line number in the input, from 1; results are exported in this order.
    pub line: u64,
    /// The user's own id, unique in the run.
    pub custom_id: String,
    /// The model asked for; jobs of one model share limits.
    pub model: String,
    /// The complete request body.
    pub body: RequestBody,
    /// The lane that the line itself asks for, if it does.
    pub lane: Option<Lane>,
    /// When the answer is wanted, if the line says so.
    pub deadline: Option<Timestamp>,
    /// The Batches API refuses what its body asks for, so it can only go live.
    pub live_only: bool,
    /// The line's `metadata`, as raw JSON; carried to the export untouched.
    pub metadata: Option<String>,
}

/// What the tries of a job have used up so far. Stored with the job, so that a retry schedule goes
/// on after a crash where it stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobHistory {
    /// Failures that count towards the attempt limit.
    pub counted: u32,
    /// Server and network failures in a row: the place in the retry schedule.
    pub faults_in_row: u32,
    /// Rate-limit answers in a row: the place in the 429 schedule.
    pub rate_limits_in_row: u32,
    /// Interruptions (our own crashes) in a row.
    pub interruptions_in_row: u32,
}

/// A job whose next attempt is recorded as started: it may be sent now, exactly once.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedJob {
    /// The attempt that was recorded.
    pub attempt: AttemptId,
    /// The user's id of the job.
    pub custom_id: String,
    /// The model this attempt asks for.
    pub model: String,
    /// The complete request body, with the amendment laid over it.
    pub body: RequestBody,
    /// What this attempt asks differently than the input line.
    pub amendment: Option<Box<Amendment>>,
    /// What earlier tries have used up.
    pub history: JobHistory,
    /// The class of the attempt before, if it ended with one.
    pub last_class: Option<ErrorClass>,
    /// What the attempt before said, if its answer was bad.
    pub last_message: Option<String>,
    /// When this attempt was claimed.
    pub started_at: Timestamp,
    /// When its first attempt began (since it was last put back by hand).
    pub first_started_at: Timestamp,
    /// When its previous attempt ended, if there was one.
    pub previous_ended_at: Option<Timestamp>,
    /// Where its request goes; settled when it is sent.
    pub endpoint: Endpoint,
}

impl ClaimedJob {
    /// The job that is tried.
    #[must_use]
    pub fn job(&self) -> JobId {
        self.attempt.job
    }
}
