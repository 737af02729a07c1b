//! What the driver of the batch lane is to do.

use super::refusal::EntryName;
use super::search::Search;
use super::short::{Missing, ResultDoubts};
use crate::model::{BatchId, BatchState, CancelReason, EventKind, Halt, JobId, Lane, RemoteBatch};
use crate::provider::Failure;
use crate::store::{BatchRow, Fill, NewBatch, RouteRule, Unroute};

/// Something the driver is to do. Each but the last four ends with one answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// Count what waits for a batch.
    Ask,
    /// Send jobs of the live lane to the queue.
    Spill(RouteRule),
    /// Send jobs of the queue to the live lane.
    Unroute(Unroute),
    /// Begin a batch.
    Begin(NewBatch),
    /// See how the jobs stand that went first.
    AskWarmers(Vec<JobId>),
    /// Put a page of jobs into a batch.
    Fill(Fill),
    /// Write down that a batch stands there.
    Move(BatchId, BatchState),
    /// Create a batch at the API, with these prefixes marked for the cache. `bytes` are those of the
    /// call without marks.
    Send {
        batch: BatchId,
        bytes: u64,
        marks: Vec<u64>,
    },
    /// Look at a batch.
    Poll { batch: BatchId, remote_id: String },
    /// Look for a batch among the remote ones.
    Find { batch: BatchId, search: Search },
    /// See by its results whether a remote batch is this one.
    Confirm {
        batch: BatchId,
        nonce: String,
        remote: RemoteBatch,
    },
    /// Cancel a batch at the API.
    Cancel {
        batch: BatchId,
        remote_id: String,
        reason: CancelReason,
    },
    /// Fetch the results of a batch. After `downloads` whole ones a line that is missing stays so.
    Harvest {
        row: Box<BatchRow>,
        cancel: Option<CancelReason>,
        downloads: u32,
        doubts: ResultDoubts,
    },
    /// End what is open of a batch whose results are gone, and for none of which anything was paid.
    Expire {
        row: Box<BatchRow>,
        missing: Missing,
    },
    /// Fail the entry that the API refused a batch for.
    FailEntry {
        row: Box<BatchRow>,
        entry: EntryName,
        failure: Box<Failure>,
    },
    /// Take a batch apart.
    Disband {
        batch: BatchId,
        lane: Lane,
        keep_attempts: bool,
    },
    /// Nothing is held for a batch any more.
    Freed(BatchId),
    /// Nothing more comes of a batch, but it may be billed.
    Kept(BatchId),
    /// Tell those who watch.
    Tell(EventKind),
    /// The jobs of a model wait for a repair; what the run reports if nothing else is left.
    Held(Halt),
    /// No job can succeed: the run is left.
    Halt(Halt),
}

impl Effect {
    /// Something to be told, which nobody waits for.
    pub(super) fn is_told(&self) -> bool {
        matches!(
            self,
            Self::Tell(_) | Self::Freed(_) | Self::Kept(_) | Self::Held(_) | Self::Halt(_)
        )
    }
}
