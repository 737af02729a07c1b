//! What the live lane and the batch lane know of each other.

use jiff::Timestamp;

use super::{Leave, Scheduler};
use crate::engine::batch_money::{Item, Recorded, Wish};
use crate::model::{BatchId, Halt, JobId};
use crate::store::AnswerCosts;

impl Scheduler {
    /// Whether the batch lane has work.
    pub(in crate::engine) fn on_beside(&mut self, busy: bool) {
        self.beside = busy;
    }

    /// The batch lane asks for room in the budget; while the run is being left there is none.
    pub(in crate::engine) fn on_wish(&mut self, wish: Wish, now: Timestamp) {
        if self.leaving.is_none() {
            self.throttles.answer(wish, now);
        }
    }

    /// Jobs are in a remote batch since an earlier dispatch.
    pub(in crate::engine) fn on_found_batch(
        &mut self,
        batch: BatchId,
        items: &[Item],
        now: Timestamp,
    ) {
        self.throttles.found_batch(batch, items, now);
    }

    /// What answers of the run have cost until now.
    pub(in crate::engine) fn on_answer_costs(&mut self, costs: &[AnswerCosts]) {
        self.throttles.answer_costs(costs);
    }

    /// Nothing more comes of a batch, but it may be billed.
    pub(in crate::engine) fn on_batch_kept(&mut self, batch: BatchId) {
        self.throttles.keep_batch(batch);
    }

    /// Attempts of the batch lane ended: what they cost counts against the budget.
    pub(in crate::engine) fn on_batch_recorded(&mut self, recorded: &Recorded) {
        self.throttles.batch_recorded(recorded);
    }

    /// These jobs did not go into the batch that room was asked for.
    pub(in crate::engine) fn on_unused(&mut self, batch: BatchId, jobs: &[JobId]) {
        self.throttles.unused(batch, jobs);
    }

    /// A batch is over, or came to nothing.
    pub(in crate::engine) fn on_batch_freed(&mut self, batch: BatchId) {
        self.throttles.freed(batch);
    }

    /// Nothing in flight, on either lane, could free any of the budget.
    pub(in crate::engine) fn holds_nothing(&self) -> bool {
        self.throttles.holds_nothing()
    }

    /// No job can succeed, as the batch lane found.
    pub(in crate::engine) fn on_halt(&mut self, halt: Halt) {
        self.leave(Leave::Halted(halt));
    }

    /// Jobs of some model were put aside by the batch lane.
    pub(in crate::engine) fn on_held(&mut self, because: Halt) {
        self.held_because.get_or_insert(because);
    }

    /// Why the run is being left, if it is.
    pub(in crate::engine) fn leaving(&self) -> Option<&Leave> {
        self.leaving.as_ref()
    }

    /// Jobs that wait for the live lane.
    pub(in crate::engine) fn queued(&self) -> u64 {
        self.queues.queued()
    }

    /// Since when every model with jobs to do has been failing.
    pub(in crate::engine) fn down_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.queues.down_since(now)
    }
}
