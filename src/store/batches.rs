//! The verbs of the batch lane: what becomes of jobs that are answered together.
//!
//! A batch is written down with all its jobs and their attempts before its create call leaves, and
//! everything that is learned of it is written down before it is acted upon. Ids in, states out:
//! when a batch is sent, polled, cancelled or given up is for the engine to say.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use super::{Result, Store};
use crate::model::{
    AttemptId, BatchId, BatchState, CancelReason, JobId, Lane, Pico, RemoteBatch, RequestBody,
    RequestCounts, RunId, ShortResults,
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
    /// There may be more to route: go on after this line.
    pub next: Option<u64>,
}

/// Which jobs leave the queue for batches. Those whose line names the batch lane itself stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unroute {
    /// Only jobs whose deadline is earlier; none: all.
    pub before: Option<Timestamp>,
    /// The deadline of jobs whose line names none.
    pub deadline: Option<Timestamp>,
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
    /// The earliest deadline that a line of theirs names.
    pub earliest_deadline: Option<Timestamp>,
    /// Some of their lines name no deadline: the run's holds for them.
    pub undated: bool,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The batch, which is filling.
    pub batch: BatchId,
    /// At most so many requests in the whole batch.
    pub max_requests: u32,
    /// At most so many bytes of the whole create call.
    pub max_bytes: u64,
    /// The time: what is due by now may be taken, and the attempts start now.
    pub now: Timestamp,
    /// Only these jobs, if they wait for a batch; none: all that do.
    pub only: Option<Vec<JobId>>,
}

/// What one page of filling did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Requests in the batch by now.
    pub requests: u32,
    /// Bytes of its create call by now, envelope and commas included.
    pub bytes: u64,
    /// Jobs of this page that went to the live queue for good: the entry of one alone would have
    /// more bytes than a whole batch may have.
    pub too_large: u32,
    /// Nothing more goes in, or nothing more is due. Also told of a batch that was taken apart
    /// meanwhile (by a cancel in another process, say), which has no requests then.
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
    /// The earliest deadline that a line of its jobs names. Lines that ask for the batch lane
    /// themselves do not count, here and below: they stay in a batch.
    pub deadline: Option<Timestamp>,
    /// Some of its jobs' lines name no deadline: the run's holds for them.
    pub undated: bool,
    /// Its results came short, and are asked for again.
    pub short: Option<ShortResults>,
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
    /// The job as if it had been claimed for the live lane.
    pub job: crate::model::ClaimedJob,
    /// The deadline that the job's line names.
    pub deadline: Option<Timestamp>,
    /// The lane that the job's line names.
    pub lane: Option<Lane>,
}

/// What answers of a run to requests for one model have cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerCosts {
    /// The model that was asked for.
    pub model: String,
    /// Answers.
    pub answers: u64,
    /// What they cost together, to a thousand picodollars each.
    pub cost: Pico,
}

/// A job whose request may write what others read from the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warmer {
    /// The job.
    pub job: JobId,
    /// It may be put into a batch now.
    pub waits: bool,
    /// The batch that it is in.
    pub batch: Option<BatchId>,
    /// When the last batch was sent in which it was answered and used the cache.
    pub warmed_at: Option<Timestamp>,
}

/// The verbs of the batch lane.
pub trait BatchStore: Store {
    /// Sends queued jobs of the run, from the one or the other queue, to the queue of the lane that
    /// the rule names; one page of lines a call, after the given line (0 at first). Jobs that a
    /// batch cannot take stay with the live lane, and so do those that are amended.
    fn route(
        &self,
        run: RunId,
        rule: RouteRule,
        after_line: u64,
    ) -> impl Future<Output = Result<Routed>> + Send;

    /// What waits for a batch now.
    fn batch_queue(
        &self,
        run: RunId,
        now: Timestamp,
    ) -> impl Future<Output = Result<BatchQueue>> + Send;

    /// Moves jobs that wait for a batch to the live queue; one page a call, true while there may be
    /// more.
    fn unroute(&self, run: RunId, which: Unroute) -> impl Future<Output = Result<bool>> + Send;

    /// Begins a batch, empty and filling. A nonce that the run has begun a batch with gives that one.
    fn begin_batch(&self, batch: NewBatch) -> impl Future<Output = Result<BatchId>> + Send;

    /// Puts a page of waiting jobs into a batch, new ones in input order, then retries that are due,
    /// and records their attempts as started. Call again until it is complete.
    fn fill_batch(&self, fill: Fill) -> impl Future<Output = Result<Filled>> + Send;

    /// The jobs that a batch would take first now, in that order, each as the entry that it would
    /// be: at most so many, and at most a few megabytes of them, but one is given whatever its size.
    fn next_for_batch(
        &self,
        run: RunId,
        now: Timestamp,
        most: u32,
    ) -> impl Future<Output = Result<Vec<BatchEntry>>> + Send;

    /// As [`BatchStore::fill_batch`], of these jobs alone: it stops before the first in line that
    /// is not the next of them, since the queue may have changed. Tells which of them went in.
    fn fill_batch_with(
        &self,
        fill: Fill,
        jobs: Vec<JobId>,
    ) -> impl Future<Output = Result<(Filled, Vec<JobId>)>> + Send;

    /// A page of a batch's entries in the order of their ids, after the given attempt; empty at the
    /// end. Pages are bounded in jobs and in bytes, but one body is given whatever its size.
    fn batch_entries(
        &self,
        batch: BatchId,
        after: Option<AttemptId>,
    ) -> impl Future<Output = Result<Vec<BatchEntry>>> + Send;

    /// Writes down that a batch now stands there, and tells where it stands: there, or `Lost` if it
    /// was taken apart meanwhile (by a cancel in another process, say; nothing of it may be sent).
    ///
    /// `Ready` follows `Filling`, or `Sending` when the create call certainly bought nothing.
    /// `Sending` follows `Ready` or `Uncertain`, before the create call leaves; `sent_at` becomes
    /// `now`. `Uncertain` follows `Sending`, `Ended` follows `Open` or `Canceling`, and `Harvested`
    /// follows `Ended` when no request of it is open. Anything else is an illegal transition.
    fn move_batch(
        &self,
        batch: BatchId,
        to: BatchState,
        now: Timestamp,
    ) -> impl Future<Output = Result<BatchState>> + Send;

    /// Writes down what the API said of a batch: its id, its counts, its times. A batch that was
    /// `Sending` or `Uncertain` is then `Open`, or `Canceling` if the API says so or we had written
    /// that down; one whose remote status is `Ended` is `Ended`. A batch that is over stays as it
    /// is. Refused: an id other than the one that is known, and the id of another batch of the run.
    fn note_remote(
        &self,
        batch: BatchId,
        remote: RemoteBatch,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Writes down that the API is asked to cancel a batch, and why; before it is asked. An open
    /// batch is `Canceling` then; one whose create call is under way or in doubt becomes so when
    /// the API's word is noted. The user's wish outweighs a deadline. What has ended stays.
    fn cancel_batch(
        &self,
        batch: BatchId,
        reason: CancelReason,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Writes down whether the results of an ended batch came short, and since when; before they are
    /// waited for. A batch that has not ended, or is over, stays as it is.
    fn note_short(
        &self,
        batch: BatchId,
        short: Option<ShortResults>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Takes a batch apart that no request was bought for (filling, ready, refused, lost): its
    /// attempts are taken out again (`keep_attempts`: ended as interrupted) and its jobs go to the
    /// queue of `lane` (of the live lane, if a batch cannot take them); one page a call, true while
    /// there is more. The batch is `Lost` from the first page on; what a crash leaves of the rest
    /// is done by the next start of the run. A harvested batch stays as it is.
    fn disband_batch(
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

    /// How these jobs stand; those that there are not are left out.
    fn warmers(
        &self,
        jobs: Vec<JobId>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Warmer>>> + Send;

    /// What answers of the run have cost, by model, on whichever lane; of a large run some ten
    /// thousand of them, which tell as much as all.
    fn answer_costs(&self, run: RunId) -> impl Future<Output = Result<Vec<AnswerCosts>>> + Send;

    /// The batches of a run, oldest first; all of them, also those that are over.
    fn batches(&self, run: RunId) -> impl Future<Output = Result<Vec<BatchRow>>> + Send;
}

/// How long after its creation a batch's results can be fetched (documented: 29 days).
pub const RESULTS_KEPT_FOR: Duration = Duration::from_hours(29 * 24);
