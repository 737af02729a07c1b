//! The durable truth: every run, job, attempt and result.
//!
//! Two traits, cut at the verbs of a queue, which take and return batches: [`Store`] is what a
//! loader and a dispatcher do, [`Reader`] what reports and exports read in short pages. No SQL
//! and no type of a database crosses this line. Every write is one transaction, is idempotent,
//! and is durable when its call returns; a call that returned an error may still have happened.
//! `tests/conformance.rs` holds a store to what the traits promise.

mod batches;
mod error;
mod health;
mod lesser;
pub mod sqlite;
mod verbs;
mod verify;

use std::future::Future;

use jiff::Timestamp;

use crate::model::{AttemptId, DispatchOptions, JobId, Pico, Run, RunId};

pub use batches::{
    AnswerCosts, BatchEntry, BatchQueue, BatchRow, BatchStore, Fill, Filled, NewBatch, OpenItem,
    RESULTS_KEPT_FOR, RouteRule, Routed, Unroute, Warmer,
};
pub use error::StoreError;
pub use health::{MinuteGroup, Place, StoreHealth};
pub use verbs::{
    AttemptGroup, AttemptRow, CancelFilter, CanceledJobs, Claim, Claimed, DayGroup, DuplicateId,
    EstimateKind, EstimateSums, Finish, HourOfDay, JobEnd, MaybeBilled, NewRun, Next, Only,
    OpenRequest, QueueLoad, Recovered, Replayed, ResultBody, ResultRow, RetryFilter, RunSnapshot,
    StatusChange, Unbounded, Waiting,
};

pub use verify::{Check, Verification};

/// What a store's verbs return.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The verbs of a loader and of a dispatcher.
pub trait Store: Send + Sync + 'static {
    /// Opens a run for loading. It is invisible until [`Store::finish_load`].
    fn begin_load(&self, run: NewRun) -> impl Future<Output = Result<()>> + Send;

    /// Adds checked jobs to a run that is loading; any other is refused. Jobs whose `custom_id` the
    /// run already has are left out and returned.
    fn add_jobs(
        &self,
        run: RunId,
        jobs: Vec<crate::model::NewJob>,
    ) -> impl Future<Output = Result<Vec<DuplicateId>>> + Send;

    /// Makes a loaded run visible and runnable, in one step. `fingerprint` is the hash of content
    /// and shaping by which a second submit of the same is recognised.
    fn finish_load(
        &self,
        run: RunId,
        fingerprint: [u8; 32],
    ) -> impl Future<Output = Result<()>> + Send;

    /// As [`Store::finish_load`], unless a run of the same fingerprint is there which is unfinished, or
    /// has ended since this load began: that one is returned, and nothing is changed. Looking and
    /// finishing are one step, so of several that are loaded at once one becomes visible.
    fn finish_load_once(
        &self,
        run: RunId,
        fingerprint: [u8; 32],
    ) -> impl Future<Output = Result<Option<RunId>>> + Send;

    /// Deletes at most one page of a run that was never finished loading; true while there is more.
    fn sweep_load(&self, run: RunId) -> impl Future<Output = Result<bool>> + Send;

    /// Takes up a run: records what the spool holds, marks the run running, closes every live attempt
    /// without an end as `interrupted` (possibly billed) and puts its job back in the queue. Where marks
    /// of the last dispatch are there ([`Store::begin_marks`]), claims of it that were never sent are given
    /// back first, as by [`Store::release`], of whichever run they are. A job
    /// that would wait longer from now on than was planned, since the wall clock was set back, waits
    /// as long as was planned, and its attempt tells the new time. Remote batches live on: of those that
    /// nothing was bought for, a filling one is taken apart, as is a ready one of which an entry has
    /// ended, and any other ready one stays; one whose create call may have left is `Uncertain`.
    fn start_run(
        &self,
        run: RunId,
        now: Timestamp,
        max_interruptions: u32,
    ) -> impl Future<Output = Result<Recovered>> + Send;

    /// Begins to keep marks of what is sent from this run, in place of all earlier ones; nothing of
    /// the run may be open. It is a help and no duty: where marks cannot be kept, or are lost, the next
    /// [`Store::start_run`] takes every open attempt for sent. Whoever calls this marks every attempt
    /// ([`Store::mark_sent`]) before its request leaves, and holds the dispatch lock.
    fn begin_marks(&self, run: RunId) -> impl Future<Output = Result<()>> + Send;

    /// The request of this claimed attempt is about to leave. Outlives the process when it returns, if not
    /// the machine, and waits for no disk. It cannot fail: what cannot be marked ends the keeping of marks.
    fn mark_sent(&self, attempt: AttemptId);

    /// Picks jobs that are due and records their next attempt as started, in one transaction.
    /// Retries that are due come first, then new jobs in input order.
    fn claim(&self, claim: Claim) -> impl Future<Output = Result<Claimed>> + Send;

    /// Records how attempts of either lane ended and what becomes of their jobs, which go again by the
    /// lane that each end names, in one transaction. An attempt that has ended already is left as it
    /// is. A thousand or two a call are quick and hold nobody up.
    ///
    /// An end that the store works for and cannot hold (a text too long) spoils no other: it is kept
    /// aside, and a lesser form of it is recorded and returned ([`Finish::held_back`]). Numbers that are too
    /// large are cut.
    fn finish(
        &self,
        run: RunId,
        finishes: Vec<Finish>,
    ) -> impl Future<Output = Result<Vec<Finish>>> + Send;

    /// Makes room beside the store for ends of attempts that it may not take one day: for what a
    /// dispatch with so many slots has open at once, within bounds. Whoever calls this holds the
    /// dispatch lock.
    fn reserve_spool(&self, slots: u32) -> impl Future<Output = Result<()>> + Send;

    /// Puts ends that [`Store::finish`] would not take into the spool, from where the next
    /// [`Store::start_run`] records them, and returns those for which there was no room. What is
    /// not returned is durable.
    fn spool(&self, run: RunId, finishes: Vec<Finish>) -> impl Future<Output = Vec<Finish>> + Send;

    /// Gives back the room that was made for the spool, unless something is in it. Whoever calls
    /// this holds the dispatch lock.
    fn release_spool(&self) -> impl Future<Output = ()> + Send;

    /// Gives back claimed jobs whose request never left: their attempts are taken out again.
    fn release(
        &self,
        run: RunId,
        attempts: Vec<AttemptId>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// A page of attempts of the run that may have been billed without an answer, and of which it is
    /// not known how much they may have cost at most: ended ones, and live ones without an end, which
    /// the next [`Store::start_run`] closes. In the order of job and `n`, after the given one; empty
    /// at the end. Pages are bounded in attempts and bytes, but one is given whatever its size.
    fn without_bound(
        &self,
        run: RunId,
        after: Option<AttemptId>,
    ) -> impl Future<Output = Result<Vec<Unbounded>>> + Send;

    /// Writes down how much attempts may have cost at most. Whoever ends such an attempt with an
    /// answer takes that back.
    fn keep_bounds(
        &self,
        run: RunId,
        bounds: Vec<(AttemptId, Pico)>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// What attempts of the run that have ended and may have been billed may have cost.
    fn maybe_billed(&self, run: RunId) -> impl Future<Output = Result<MaybeBilled>> + Send;

    /// Keeps other dispatch options with the run.
    fn keep_options(
        &self,
        run: RunId,
        options: DispatchOptions,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Gives the run this name in place of the one it has.
    fn name_run(&self, run: RunId, name: String) -> impl Future<Output = Result<()>> + Send;

    /// What the dispatcher must know of the run now: control changes by other processes included.
    fn snapshot(&self, run: RunId) -> impl Future<Output = Result<RunSnapshot>> + Send;

    /// Adds to the sums of how far the run's estimates of tokens were off. It is the one write that
    /// is not idempotent: after an error it is given up, since a statistic may miss a part.
    fn note_estimates(
        &self,
        run: RunId,
        sums: Vec<EstimateSums>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Writes down what the API's status page said. Said again of the same moment, it changes
    /// nothing.
    fn note_status(
        &self,
        run: RunId,
        change: StatusChange,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Writes down that the dispatcher leaves the run, and why.
    fn leave_run(
        &self,
        run: RunId,
        now: Timestamp,
        halt: Option<crate::model::Halt>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Ends at most one page of jobs that wait, for a slot or for a batch, or that are in a batch
    /// which has not been sent, as cancelled, and asks a dispatcher to end the rest; true while there
    /// may be more. Jobs in a batch that the API may have are left to whoever can ask the API.
    fn cancel(&self, run: RunId, now: Timestamp) -> impl Future<Output = Result<bool>> + Send;

    /// Ends those jobs of at most one page that wait as cancelled, as far as `filter` means them, and
    /// counts the others that it means. A batch that has not been sent is taken apart for them; what
    /// is in flight, or in a batch that the API may have, stays. Goes on after the line that it
    /// returns, until there is none.
    fn cancel_jobs(
        &self,
        run: RunId,
        filter: CancelFilter,
        after_line: u64,
        now: Timestamp,
    ) -> impl Future<Output = Result<CanceledJobs>> + Send;

    /// Puts at most one page of failed or cancelled jobs back in the queue, with a fresh history
    /// (their attempts stay in the ledger, without a time of a next try). Returns how many, and the line to go on after, or none
    /// at the end.
    fn retry(
        &self,
        run: RunId,
        filter: RetryFilter,
        after_line: u64,
    ) -> impl Future<Output = Result<(u64, Option<u64>)>> + Send;
}

/// The verbs of whoever only reads. Each is one short transaction, so that a long export never
/// holds back the writer.
pub trait Reader: Send + 'static {
    /// Every run that is not loading, oldest first.
    fn runs(&self) -> impl Future<Output = Result<Vec<Run>>>;

    /// The unfinished run with this fingerprint, if there is one.
    fn unfinished_run(&self, fingerprint: &[u8; 32]) -> impl Future<Output = Result<Option<Run>>>;

    /// A page of the attempt ledger in the order of line and `n`, after the given line, of one
    /// job alone if `custom_id` is given.
    fn attempts(
        &self,
        run: RunId,
        custom_id: Option<&str>,
        after_line: u64,
    ) -> impl Future<Output = Result<Vec<AttemptRow>>>;

    /// A page of ended jobs in the order of line, after the given line.
    fn results(
        &self,
        run: RunId,
        only: Only,
        after_line: u64,
    ) -> impl Future<Output = Result<Vec<ResultRow>>>;

    /// A page of the requests of jobs that have not ended, in the order of line, after the given
    /// job; empty at the end. Pages are bounded in jobs and in bytes, but one body is given whatever
    /// its size.
    fn open_requests(
        &self,
        run: RunId,
        after: JobId,
    ) -> impl Future<Output = Result<Vec<OpenRequest>>>;

    /// The attempts of the run by the hour of day in which they began; hours without any are left
    /// out.
    fn hours_of_day(&self, run: RunId) -> impl Future<Output = Result<Vec<HourOfDay>>>;

    /// How far the run's estimates of tokens were off, by model and kind.
    fn estimates(&self, run: RunId) -> impl Future<Output = Result<Vec<EstimateSums>>>;

    /// What the status page said during the run, oldest first: one change after the other.
    fn status_changes(&self, run: RunId) -> impl Future<Output = Result<Vec<StatusChange>>>;

    /// The jobs of the live lane that wait for a time after `now`; none if there are none.
    fn waiting(&self, run: RunId, now: Timestamp) -> impl Future<Output = Result<Option<Waiting>>>;

    /// All attempts of the run, summed up by what tells them apart.
    fn attempt_groups(&self, run: RunId) -> impl Future<Output = Result<Vec<AttemptGroup>>>;

    /// The same by the day on which they ended.
    fn day_groups(&self, run: RunId) -> impl Future<Output = Result<Vec<DayGroup>>>;

    /// The remote batches of the run, oldest first; all of them, also those that are over.
    fn batches(&self, run: RunId) -> impl Future<Output = Result<Vec<BatchRow>>>;
}
