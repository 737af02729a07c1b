//! What the dispatcher and the batch lane say to each other.

use jiff::Timestamp;

use crate::engine::batch_money::{Recorded, Wish};
use crate::model::{BatchId, Event, Halt, JobId};
use crate::policy::LiveSpeed;
use crate::store::StoreError;

/// How urgent it is. What was said once is never taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// Work.
    #[default]
    Run,
    /// The user cancelled the run: cancel at the API, keep what was done.
    Cancel,
    /// Begin nothing new, end what is under way, leave the remote batches to the next start.
    Leave,
    /// Leave at once.
    Abandon,
}

/// How the live lane does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LiveView {
    /// How fast it is, once that is known.
    pub(crate) speed: Option<LiveSpeed>,
    /// Jobs that wait for it.
    pub(crate) queued: u64,
    /// It has been failing since.
    pub(crate) down_since: Option<Timestamp>,
    /// Nothing in flight, on either lane, holds any of the budget.
    pub(crate) holds_nothing: bool,
}

/// What the dispatcher says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Orders {
    pub(crate) mode: Mode,
    pub(crate) live: LiveView,
}

/// What the batch lane tells.
#[derive(Debug)]
pub(crate) enum News {
    /// Something for those who watch.
    Events(Vec<Event>),
    /// Room in the budget is asked for.
    Wish(Wish),
    /// Results are recorded.
    Recorded(Recorded),
    /// These jobs did not go into the batch that room was asked for.
    Unused(BatchId, Vec<JobId>),
    /// A batch is over, or came to nothing: nothing is held for it any more.
    Freed(BatchId),
    /// Nothing more comes of a batch, but it may be billed: what is held for it is kept.
    Kept(BatchId),
    /// Jobs came to the live queue.
    JobsForLive,
    /// The jobs of some model wait for a repair.
    Held(Halt),
    /// No job can succeed.
    Halted(Halt),
    /// The store does not work.
    Broken(StoreError),
    /// The loop has ended.
    Left,
}

/// How the batch lane stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// It has work, or waits here for the API.
    pub(crate) busy: bool,
    /// Batches that the API works on, or may.
    pub(crate) remote_batches: u64,
}
