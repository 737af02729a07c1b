//! The verbs of the batch lane: what becomes of jobs that are answered together.
//!
//! A batch is written down with all its jobs and their attempts before its create call leaves, and
//! everything that is learned of it is written down before it is acted upon. Ids in, states out:
//! when a batch is sent, polled, cancelled or given up is for the engine to say.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use super::Result;
use super::verbs::Finish;
use crate::model::{
    AttemptId, BatchId, BatchState, CancelReason, Lane, RemoteBatch, RequestBody, RequestCounts,
    RunId,
};

/// Which queued jobs go to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRule {
    /// The lane that the user forced for jobs whose line names none; none: their deadline decides.
    pub lane: Option<Lane>,
    /// The deadline of jobs whose line names none.
    pub deadline: Option<Timestamp>,
    /// Without a forced lane, jobs whose deadline is at this time or later go to a batch.
    pub batch_from: Timestamp,
}

/// What one page of routing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Routed {
    /// Jobs that now wait for a batch.
    pub to_batch: u64,
    /// Jobs that now wait for the live lane.
    pub to_live: u64,
    /// There is more to route: call again.
    pub more: bool,
}

/// What waits for a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchQueue {
    /// Jobs that may be put into a batch now.
    pub due: u64,
    /// Jobs that wait for a retry.
    pub waiting: u64,
    /// When the earliest of those is due.
    pub next_due: Option<Timestamp>,
    /// The earliest deadline of all of them.
    pub earliest_deadline: Option<Timestamp>,
}

/// A batch that is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBatch {
    /// The run.
    pub run: RunId,
    /// Letters and digits that no other batch has: part of every entry's `custom_id`.
    pub nonce: String,
    /// When it was begun.
    pub now: Timestamp,
}

/// One page of filling a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The batch, which is filling.
    pub batch: BatchId,
    /// At most so many requests in the whole batch.
    pub max_requests: u32,
    /// At most so many bytes of the whole create call.
    pub max_bytes: u64,
    /// The time: what is due by now may be taken, and the attempts start now.
    pub now: Timestamp,
}

/// What one page of filling did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Requests in the batch by now.
    pub requests: u32,
    /// Bytes of its create call by now, envelope and commas included.
    pub bytes: u64,
    /// Nothing more goes in, or nothing more waits.
    pub complete: bool,
}

/// A stored batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchRow {
    /// Its row.
    pub id: BatchId,
    /// Its run.
    pub run: RunId,
    /// Part of every entry's `custom_id`.
    pub nonce: String,
    /// Where it stands with us.
    pub state: BatchState,
    /// The API's id, once known.
    pub remote_id: Option<String>,
    /// Requests in it.
    pub requests: u32,
    /// Bytes of its create call.
    pub bytes: u64,
    /// Requests of it whose end is not recorded.
    pub open_requests: u64,
    /// When we began it.
    pub created_at: Timestamp,
    /// When its create call left for the last time.
    pub sent_at: Option<Timestamp>,
    /// When the API says that it created it.
    pub remote_created_at: Option<Timestamp>,
    /// When it runs out of time, as the API says.
    pub expires_at: Option<Timestamp>,
    /// When the API ended it, as the API says.
    pub ended_at: Option<Timestamp>,
    /// What the API last said of its requests.
    pub counts: RequestCounts,
    /// When it was looked at last.
    pub polled_at: Option<Timestamp>,
    /// Why we asked to cancel it, if we did.
    pub cancel_reason: Option<CancelReason>,
    /// The earliest deadline of its jobs.
    pub deadline: Option<Timestamp>,
}

/// An entry of a batch, for the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchEntry {
    /// The attempt that it is.
    pub attempt: AttemptId,
    /// The complete Messages API body.
    pub body: RequestBody,
}

/// What of an entry's job must be known when its result comes.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenItem {
    /// The job as if it had been claimed for the live lane, but for its body, which is empty (`{}`).
    pub job: crate::model::ClaimedJob,
    /// The deadline of the job.
    pub deadline: Option<Timestamp>,
}

/// The verbs of the batch lane.
pub trait BatchStore: Send + Sync + 'static {
    /// Sends queued jobs of the run to the queue of the lane that the rule names; one page a call.
    /// Jobs that a batch cannot take stay with the live lane.
    fn route(&self, run: RunId, rule: RouteRule) -> impl Future<Output = Result<Routed>> + Send;

    /// What waits for a batch now.
    fn batch_queue(
        &self,
        run: RunId,
        now: Timestamp,
    ) -> impl Future<Output = Result<BatchQueue>> + Send;

    /// Moves jobs that wait for a batch to the live queue; one page a call, true while there is
    /// more. `before`: only jobs whose deadline is earlier.
    fn unroute(
        &self,
        run: RunId,
        before: Option<Timestamp>,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Begins a batch, empty and filling.
    fn begin_batch(&self, batch: NewBatch) -> impl Future<Output = Result<BatchId>> + Send;

    /// Puts a page of waiting jobs into a batch, and records their attempts as started.
    fn fill_batch(&self, fill: Fill) -> impl Future<Output = Result<Filled>> + Send;

    /// A page of a batch's entries in the order of their ids, after the given attempt.
    fn batch_entries(
        &self,
        batch: BatchId,
        after: Option<AttemptId>,
    ) -> impl Future<Output = Result<Vec<BatchEntry>>> + Send;

    /// Writes down that a batch now stands there: `Ready`, `Sending` (before its create call
    /// leaves; `sent_at` becomes `now`), `Uncertain`, `Ended`, `Harvested`.
    fn move_batch(
        &self,
        batch: BatchId,
        to: BatchState,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Writes down what the API said of a batch: its id, its counts, its times. A batch that was
    /// `Sending` or `Uncertain` is then `Open`; one whose remote status is `Ended` is `Ended`.
    fn note_remote(
        &self,
        batch: BatchId,
        remote: RemoteBatch,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Writes down that the API is asked to cancel a batch, and why; before it is asked.
    fn cancel_batch(
        &self,
        batch: BatchId,
        reason: CancelReason,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Takes a batch apart that no request was bought for (filling, ready, refused, lost): its
    /// attempts are taken out again (`keep_attempts`: ended as interrupted) and its jobs go to the
    /// queue of `lane`; one page a call, true while there is more. The batch is `Lost` then.
    fn dissolve_batch(
        &self,
        batch: BatchId,
        lane: Lane,
        keep_attempts: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// What must be known of these attempts of a batch to record their ends; those that have ended
    /// already, or are not of this batch, are left out.
    fn open_items(
        &self,
        batch: BatchId,
        attempts: Vec<AttemptId>,
    ) -> impl Future<Output = Result<Vec<OpenItem>>> + Send;

    /// A page of the attempts of a batch that have no end.
    fn missing_items(&self, batch: BatchId) -> impl Future<Output = Result<Vec<AttemptId>>> + Send;

    /// Records how attempts of a batch ended, each with the lane of the job's next attempt, in one
    /// transaction. Attempts that have ended already are left as they are.
    fn harvest(
        &self,
        run: RunId,
        items: Vec<(Finish, Lane)>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// The batches of a run, oldest first; all of them, also those that are over.
    fn batches(&self, run: RunId) -> impl Future<Output = Result<Vec<BatchRow>>> + Send;
}

/// How long after its creation a batch's results can be fetched (documented: 29 days).
pub const RESULTS_KEPT_FOR: Duration = Duration::from_hours(29 * 24);
