//! What the store's verbs take and return.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::model::{
    Amended, AttemptId, AttemptOutcome, AttemptRecord, ClaimedJob, Cost, CostBasis,
    DispatchOptions, ErrorClass, EstimateErrors, JobCounts, JobHistory, JobId, JobState, Lane,
    PageStatus, Pico, RequestBody, RunId, Shaping, Tokens, WaitRule,
};

/// A run that is about to be loaded.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// The user's name for it.
    pub name: Option<String>,
    /// The input it comes from, as the user wrote it.
    pub file: String,
    /// It is for the simulator.
    pub simulated: bool,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// What shapes its requests.
    pub shaping: Shaping,
    /// How it is dispatched.
    pub options: DispatchOptions,
}

/// A request of a job that has not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenRequest {
    /// The job.
    pub job: JobId,
    /// The model that it asks.
    pub model: String,
    /// The request of its input line.
    pub body: RequestBody,
}

/// An attempt that may have been billed without an answer, and of which it is not written down how
/// much it may have cost at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Unbounded {
    /// The attempt.
    pub attempt: AttemptId,
    /// The model that it asked.
    pub model: String,
    /// The lane that it took.
    pub lane: Lane,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// Its request, with what the job asks differently by now laid over it. None if the store's text
    /// of it is damaged: then nothing bounds what it cost.
    pub body: Option<RequestBody>,
}

/// What attempts of a run that may have been billed may have cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaybeBilled {
    /// How many they are.
    pub attempts: u64,
    /// Those of them that nothing bounds.
    pub unbounded: u64,
    /// The most that the others may have cost, together.
    pub at_most: Pico,
    /// What of that is in the run's cost already: what broken streams told.
    pub counted: Pico,
}

/// An input line whose `custom_id` the run already has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateId {
    /// The line that was left out.
    pub line: u64,
    /// The id.
    pub custom_id: String,
    /// The line that has it.
    pub first_line: u64,
}

/// What taking up a run found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Attempts without an end whose request may have left, now `interrupted`.
    pub interrupted: u64,
    /// Claims whose request never left, given back: their attempts are taken out again.
    pub unsent: u64,
    /// Jobs that failed for having been interrupted too often in a row.
    pub failed: u64,
    /// Jobs that ended for the same reason with the answer that was put aside.
    pub put_aside: u64,
    /// What was recorded before that, because an earlier process had to leave it in the spool.
    pub replayed: Replayed,
    /// Jobs that an earlier dispatch put back until a time that is still to come.
    pub waiting: Option<Waiting>,
}

/// Jobs that wait for a time, on the live lane or to go into a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub jobs: u64,
    /// When the first of them is tried again.
    pub next_try_at: Timestamp,
    /// What went wrong with that one.
    pub class: Option<ErrorClass>,
    /// The HTTP status, if there was one.
    pub http_status: Option<u16>,
    /// What the API or the network said.
    pub message: Option<String>,
}

/// What the spool brought to a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Jobs whose attempt has its end now, by where they stand with it.
    pub jobs: JobCounts,
    /// What those attempts cost.
    pub cost: Pico,
}

/// A wish for work on one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// The model whose jobs are wanted.
    pub model: String,
    /// At most so many jobs.
    pub max_jobs: u32,
    /// At most so many bytes of request bodies; the first job is given whatever its size.
    pub max_bytes: u64,
    /// Jobs that have not been tried come first, and then those whose try is the longest ago. Else
    /// what is due again comes first.
    pub new_first: bool,
    /// The time: what is due by now may be claimed, and the attempts start now.
    pub now: Timestamp,
}

/// What a claim brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claimed {
    /// Jobs to send, each with its started attempt.
    pub jobs: Vec<ClaimedJob>,
    /// When the earliest job of this model that waits for a retry is due, if one waits.
    pub next_due: Option<Timestamp>,
    /// More jobs of this model may be had now: certainly if fewer than asked for were given.
    pub more: bool,
}

/// The end of an attempt, and what becomes of its job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finish {
    /// The end of the attempt.
    pub record: AttemptRecord,
    /// What becomes of the job.
    pub next: Next,
    /// The lane of its next attempt, if it has one. What batches alone need is left out of the spool,
    /// which older processes read.
    #[serde(default = "live", skip_serializing_if = "is_live")]
    pub lane: Lane,
    /// What its tries have used up by now.
    pub history: JobHistory,
}

fn live() -> Lane {
    Lane::Live
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_live(lane: &Lane) -> bool {
    *lane == Lane::Live
}

/// What becomes of a job after an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// It goes again, not before this time.
    RetryAt(Timestamp),
    /// It goes again as soon as the run does (interruptions).
    Requeue,
    /// It goes again, not before this time, and asks a little differently.
    Amend {
        /// The time.
        at: Timestamp,
        /// What it asks then. Names another model: the job moves to that one's lane.
        amended: Box<Amended>,
    },
    /// It waits until something outside is repaired.
    Hold,
    /// It has ended.
    End(JobEnd),
    /// It has succeeded with the answer that was put aside ([`Amended::put_aside`]), with the mark of
    /// the attempt that brought it: no later attempt brought a better one.
    #[serde(alias = "end_truncated")]
    EndPutAside,
}

impl Next {
    /// When the job goes again, if it has a time.
    #[must_use]
    pub fn next_try_at(&self) -> Option<Timestamp> {
        match self {
            Self::RetryAt(at) | Self::Amend { at, .. } => Some(*at),
            Self::Requeue | Self::Hold | Self::End(_) | Self::EndPutAside => None,
        }
    }

    /// Whether the job has ended.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self, Self::End(_) | Self::EndPutAside)
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobEnd {
    /// `Succeeded`, `Failed` or `Canceled`.
    pub state: JobState,
    /// What is exported for it.
    pub result: ResultBody,
}

/// The stored result of a job, as raw JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultBody {
    /// The message as the API sent it.
    Message(String),
    /// The error object: `{"type":"error","error":{...},"request_id":...}`.
    Error(String),
    /// An error that a message came with (a refusal).
    Refusal {
        /// The error object.
        error: String,
        /// The message as the API sent it.
        message: String,
    },
    /// Nothing (a cancelled job).
    Nothing,
}

/// What a dispatcher must know of its run now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSnapshot {
    /// Somebody asked to end what has not ended.
    pub cancel_requested: bool,
    /// The endpoint has answered at least once in this run.
    pub answered: bool,
    /// The models of the run, and what is left of each.
    pub queues: Vec<QueueLoad>,
    /// Jobs that wait for a batch or are in one; the model queues do not count them.
    pub batch_jobs: u64,
}

/// What is left of one model's jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLoad {
    /// The model.
    pub model: String,
    /// Jobs that wait for the live lane, for a slot or for their time.
    pub queued: u64,
    /// Jobs with an open attempt.
    pub in_flight: u64,
    /// Jobs put aside.
    pub held: u64,
}

/// Which jobs `retry` puts back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryFilter {
    /// Only jobs that failed with one of these; empty means any.
    pub classes: Vec<ErrorClass>,
    /// Only these jobs; empty means any.
    pub custom_ids: Vec<String>,
}

/// Which jobs `cancel` takes out. What is empty means any; all that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelFilter {
    /// Only jobs that last failed with one of these.
    pub classes: Vec<ErrorClass>,
    /// Only these jobs.
    pub custom_ids: Vec<String>,
    /// Only jobs that ask one of these models.
    pub models: Vec<String>,
}

/// What became of a page of jobs that were to be cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CanceledJobs {
    /// Jobs that ended cancelled.
    pub canceled: u64,
    /// Jobs that are in flight, and stay.
    pub in_flight: u64,
    /// Jobs that are in a batch which the API may have, and stay.
    pub in_batch: u64,
    /// Jobs that had ended before.
    pub ended: u64,
    /// The line after which to go on; none at the end.
    pub next: Option<u64>,
}

/// Which ended jobs a reader wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Only {
    /// Succeeded ones.
    Succeeded,
    /// Failed and cancelled ones.
    Failed,
    /// All.
    #[default]
    All,
}

/// A row of the attempt ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// Which attempt.
    pub attempt: AttemptId,
    /// The job's input line.
    pub line: u64,
    /// The user's id of the job.
    pub custom_id: String,
    /// The lane that it took.
    pub lane: Lane,
    /// The model asked.
    pub model: String,
    /// The base URL of the second endpoint if it was sent there; none is the first.
    pub endpoint: Option<String>,
    /// The model that answered.
    pub answered_by: Option<String>,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// When it ended; none while it is open.
    pub ended_at: Option<Timestamp>,
    /// How it ended; none while it is open.
    pub outcome: Option<AttemptOutcome>,
    /// What went wrong, or what marks the success.
    pub error_class: Option<ErrorClass>,
    /// The HTTP status.
    pub http_status: Option<u16>,
    /// `error.type`.
    pub error_type: Option<String>,
    /// What the API or the network said; of a success what was altered in it, if anything was.
    pub message: Option<String>,
    /// The API's request id.
    pub request_id: Option<String>,
    /// The server's hint how long to wait.
    pub retry_after: Option<Duration>,
    /// When the job was to be tried again.
    pub next_try_at: Option<Timestamp>,
    /// Which rule set that time, if one did; none of an attempt that an older version recorded.
    pub wait_rule: Option<WaitRule>,
    /// What it used.
    pub tokens: Tokens,
    /// What it cost.
    pub cost: Cost,
    /// What the cost rests on, if not on the answer's usage at the price of its model.
    pub cost_basis: Option<CostBasis>,
    /// The row of the price table that the cost was made with, if it is known.
    pub price_row: Option<String>,
    /// The most that its request allows, if it may have been billed or told no usage, and if anything
    /// bounds it.
    pub at_most: Option<Pico>,
    /// It may have been billed although no answer says so.
    pub maybe_billed: bool,
    /// Time on the wire.
    pub latency: Option<Duration>,
}

/// An ended job with everything that an export shows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultRow {
    /// Input line, from 1.
    pub line: u64,
    /// The user's id.
    pub custom_id: String,
    /// `Succeeded`, `Failed` or `Canceled`.
    pub state: JobState,
    /// The result, as raw JSON.
    pub result: ResultBody,
    /// How many attempts it took.
    pub attempts: u32,
    /// The lane of the last attempt.
    pub lane: Lane,
    /// The model that answered, else the one asked.
    pub model: String,
    /// What went wrong, or what marks the success.
    pub error_class: Option<ErrorClass>,
    /// What all its attempts used together.
    pub tokens: Tokens,
    /// What all its attempts cost together.
    pub cost: Cost,
    /// What the cost of one of them rests on, if not on its usage at the price of its model; where
    /// several differ, what is the worst.
    pub cost_basis: Option<CostBasis>,
    /// Time on the wire of the last attempt.
    pub latency: Option<Duration>,
    /// The input line's `metadata`, as raw JSON.
    pub metadata: Option<String>,
    /// What is to be said of the message: that it was altered to be valid, say.
    pub note: Option<String>,
    /// Which of its texts is not what was stored, and how that shows. It is left out above.
    pub damaged: Option<String>,
}

/// Attempts of one hour of the day, over all days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourOfDay {
    /// 0 to 23, UTC.
    pub hour: u8,
    /// Attempts that began in it.
    pub attempts: u64,
    /// Those that the service failed: HTTP 5xx, 529 included.
    pub service_failures: u64,
}

/// A change of what the API's status page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusChange {
    /// When it was noticed.
    pub at: Timestamp,
    /// What the page said from then on.
    pub status: PageStatus,
}

/// What an estimate was of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EstimateKind {
    /// Tokens of the prompt.
    Input,
    /// Tokens of the answer.
    Output,
}

impl EstimateKind {
    /// The name that the store keeps.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// How far estimates of one kind were off for one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstimateSums {
    /// The model asked.
    pub model: String,
    /// What was estimated.
    pub kind: EstimateKind,
    /// By how much it was off.
    pub errors: EstimateErrors,
}

/// Attempts that are alike and ended on the same day, summed up.
#[derive(Clone, Debug, PartialEq)]
pub struct DayGroup {
    /// The day (UTC) on which they ended, or began while they are open.
    pub day: Date,
    /// The attempts.
    pub group: AttemptGroup,
}

/// Attempts that are alike, summed up.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptGroup {
    /// The model asked.
    pub model: String,
    /// The model that answered, if one did.
    pub answered_by: Option<String>,
    /// The road they took.
    pub lane: Lane,
    /// How they ended; none while open.
    pub outcome: Option<AttemptOutcome>,
    /// What went wrong, or what marks the successes.
    pub error_class: Option<ErrorClass>,
    /// They may have been billed although no answer says so.
    pub maybe_billed: bool,
    /// They brought their job's result (not a try that was followed by another).
    pub is_result: bool,
    /// The price of their model is not known.
    pub unknown_price: bool,
    /// What their cost rests on, if not on the answers' usage at the price of their model.
    pub cost_basis: Option<CostBasis>,
    /// The row of the price table that their cost was made with, if it is known.
    pub price_row: Option<String>,
    /// How many.
    pub attempts: u64,
    /// What they used together.
    pub tokens: Tokens,
    /// What they cost together.
    pub cost: Cost,
    /// If they may have been billed: the most that those which something bounds may have cost.
    pub at_most: Pico,
    /// If they may have been billed: those that nothing bounds.
    pub unbounded: u64,
}
