//! What the others must know of one batch: how much of the API's queue it takes, what of it is left to
//! do, and whether somebody must stay for it. Pure.

use super::batch::{LocalBatch, Sight};
use crate::model::BatchState;

/// Whether somebody must stay here for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// It needs something done.
    Always,
    /// The API has it, or is asked again within hours: only who waits for batches.
    ToWait,
    /// Nothing more is done about it in this dispatch.
    Never,
}

/// One batch as the others see it, as of its last turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Footprint {
    pub(super) state: BatchState,
    /// Something is being done about it. It ends once all that came of it has been told, so whoever
    /// sees a batch at rest has heard of it.
    pub(super) is_acting: bool,
    pub(super) remote_id: Option<String>,
    /// Requests of it that wait in the API's queue, as far as we know.
    pub(super) in_remote_queue: u64,
    /// Requests of it that the live lane would have to do if it were given up now.
    pub(super) unprocessed: u64,
    /// Its results came short, and are asked for again.
    pub(super) awaits_results: bool,
    pub(super) stay: Stay,
}

impl Footprint {
    pub(super) fn of(batch: &LocalBatch) -> Self {
        let row = &batch.row;
        let awaits_results =
            row.state == BatchState::Ended && row.short.is_some() && !batch.given_up;
        let requests = u64::from(row.requests);
        let is_counted = row.counts.total() > 0;
        Self {
            state: row.state,
            is_acting: false,
            remote_id: row.remote_id.clone(),
            in_remote_queue: match row.state {
                BatchState::Sending
                | BatchState::Uncertain
                | BatchState::Open
                | BatchState::Canceling => requests,
                _ => 0,
            },
            unprocessed: match row.state {
                BatchState::Open | BatchState::Canceling if is_counted => row.counts.processing,
                BatchState::Ended | BatchState::Harvested | BatchState::Lost => 0,
                _ => requests,
            },
            awaits_results,
            stay: match row.state {
                _ if batch.given_up || row.state.is_over() => Stay::Never,
                BatchState::Open | BatchState::Canceling if batch.sight != Sight::None => {
                    Stay::ToWait
                }
                BatchState::Uncertain
                    if batch.candidates.as_ref().is_some_and(|it| !it.is_empty()) =>
                {
                    Stay::ToWait
                }
                BatchState::Ended if batch.was_asked && awaits_results => Stay::ToWait,
                _ => Stay::Always,
            },
        }
    }

    /// It needs somebody here: a batch that the API works on does not, if nobody waits for it.
    pub(super) fn keeps_us(&self, no_wait: bool) -> bool {
        let stays = match self.stay {
            Stay::Always => true,
            Stay::ToWait => !no_wait,
            Stay::Never => false,
        };
        self.is_acting || stays
    }

    /// It is being filled, or is to be sent.
    pub(super) fn is_unsent(&self) -> bool {
        matches!(self.state, BatchState::Filling | BatchState::Ready)
    }

    /// The API works on it, or may, or has results of it that have not all come.
    pub(super) fn is_remote(&self) -> bool {
        self.in_remote_queue > 0 || self.awaits_results
    }
}
