//! How the effects of the batch lane end.

use super::short::Lack;
use crate::model::{
    BatchId, BatchState, CancelReason, Halt, RemoteBatch, ResultLines, ShortResults,
};
use crate::provider::{Failure, Polled};
use crate::store::{BatchQueue, BatchRow, Filled, Warmer};

/// What a call of the API brought.
pub(super) type Told<T> = Result<T, Box<Failure>>;

/// How an effect ended.
#[derive(Debug)]
pub(super) enum Answer {
    Asked(BatchQueue),
    /// How the jobs stand that went first.
    Warmers(Vec<Warmer>),
    /// Jobs changed their queue.
    Routed,
    Begun(Box<BatchRow>),
    /// The budget has no room for the first job of a batch.
    Short,
    /// True: the budget had no room for the next job.
    Filled(BatchId, Filled, bool),
    /// It stands there now.
    Moved(BatchId, BatchState, Box<BatchRow>),
    /// Created, or not; none if it was taken apart before.
    Sent(BatchId, Option<Told<RemoteBatch>>),
    Polled(BatchId, Told<Polled>),
    /// Remote batches that may be it.
    Found(BatchId, Told<Vec<RemoteBatch>>),
    /// Whether its results are those of this batch; none if they say nothing.
    Confirmed(BatchId, RemoteBatch, Told<Option<bool>>),
    Canceled(BatchId, CancelReason, Told<RemoteBatch>),
    Harvested(BatchId, Harvested),
    /// Its results are gone, and what was open of it has ended.
    Expired(BatchId, Harvested),
    /// The entry at fault has failed; false if there is no such entry.
    EntryFailed(BatchId, Box<Failure>, bool),
    Disbandd(BatchId),
}

/// What a download of results brought.
#[derive(Debug, Default)]
pub(super) struct Harvested {
    pub(super) end: HarvestEnd,
    pub(super) lines: ResultLines,
    /// Lines of this batch, recorded or not.
    pub(super) ours: u64,
    /// It came short, and so often.
    pub(super) short: Option<ShortResults>,
    /// The API says that it has removed the results.
    pub(super) archived: bool,
    /// The whole run must stop, for this reason.
    pub(super) halt: Option<Halt>,
    /// The jobs of some model must wait, for this reason.
    pub(super) hold: Option<Halt>,
}

/// How a download ended.
#[derive(Debug, Default)]
pub(super) enum HarvestEnd {
    /// Every request of the batch has its end.
    #[default]
    Complete,
    /// The download was whole. Some requests had no line, which may be so; one more will tell.
    Incomplete,
    /// The download was whole, but some requests had no end in it whose answers may be paid for.
    Short(Lack),
    /// The download was whole, but not everything of it could be held.
    Postponed,
    /// It broke off, or there was none.
    Cut(Box<Failure>),
    /// We are leaving.
    Stopped,
}
