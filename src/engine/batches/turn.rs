//! What a batch may do now, given how it and the others stand, or when it is to ask again. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::batch::{Disband, LocalBatch, Want};
use super::coordinator::Coordinator;
use super::suspects::Judgement;
use crate::model::{BatchState, CancelReason};
use crate::provider::Failure;

/// Results fetched at the same time; each holds some hundred lines in memory.
const MOST_HARVESTS: usize = 2;

/// What is decided, or when it is to be asked again.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decision<T> {
    Now(T),
    /// After the next change, and at this time.
    Later(Option<Timestamp>),
}

/// What a batch does in its turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum BatchTurn {
    /// What its state asks for.
    Act,
    Cancel(CancelReason),
    Disband(Disband),
    /// It holds one entry, which is at fault, and fails for this.
    FailEntry(Box<Failure>),
    /// The API takes no batch at all, for this reason.
    Halt(Box<Failure>),
    /// Nothing more: the run is being left, or nothing can be done about it in this dispatch.
    Leave,
}

impl Coordinator {
    /// The next turn of a batch with which nothing is being done. While it has its turn, the others see
    /// that something is.
    pub(super) fn turn(&mut self, batch: &mut LocalBatch, now: Timestamp) -> Decision<BatchTurn> {
        self.show(batch);
        let decision = self.decide(batch, now);
        if let Decision::Now(turn) = &decision
            && *turn != BatchTurn::Leave
        {
            self.show_acting(batch.row.id);
        }
        decision
    }

    fn decide(&mut self, batch: &LocalBatch, now: Timestamp) -> Decision<BatchTurn> {
        // What is over is told of, whatever else is so.
        if batch.row.state.is_over() {
            return Decision::Now(BatchTurn::Act);
        }
        if self.is_leaving() {
            return Decision::Now(BatchTurn::Leave);
        }
        if !self.gate.wait_is_over(now) {
            return Decision::Later(self.gate.waiting());
        }
        self.reckon(now);
        match batch.want(&self.view, now) {
            Want::Nothing => Decision::Now(BatchTurn::Leave),
            Want::Disband(disband) => Decision::Now(BatchTurn::Disband(disband)),
            Want::Cancel(reason) => Decision::Now(BatchTurn::Cancel(reason)),
            Want::Act => self.turn_to_act(batch, now),
        }
    }

    /// Whether it is time for what the state of a batch asks for, and there is room for it.
    fn turn_to_act(&mut self, batch: &LocalBatch, now: Timestamp) -> Decision<BatchTurn> {
        let may_act = match batch.row.state {
            BatchState::Ready => return self.turn_to_create(batch, now),
            // Nothing of the API's is waited for.
            BatchState::Filling | BatchState::Sending => true,
            BatchState::Ended => batch.due <= now && self.acting(BatchState::Ended) < MOST_HARVESTS,
            _ => batch.due <= now,
        };
        if may_act {
            Decision::Now(BatchTurn::Act)
        } else {
            Decision::Later(batch.wakes_at(&self.view, now))
        }
    }

    fn turn_to_create(&mut self, batch: &LocalBatch, now: Timestamp) -> Decision<BatchTurn> {
        let later = batch.wakes_at(&self.view, now);
        let (is_proven, nothing_else) = (self.intake.narrowing.is_proven(), self.is_last_word());
        let suspects = &mut self.suspects;
        match suspects.judge(batch.row.id, is_proven, nothing_else) {
            Judgement::Waits => return Decision::Later(later),
            Judgement::AtFault(failure) => return Decision::Now(BatchTurn::FailEntry(failure)),
            Judgement::NoneAccepted(failure) => return Decision::Now(BatchTurn::Halt(failure)),
            Judgement::Free => {}
        }
        // A create call buys work, so it keeps to the hours; polls and results do not.
        self.gate.hours().look(now, Duration::ZERO);
        let closed_until = self.gate.closed_until();
        let is_due = self.pace.due <= now && closed_until.is_none();
        // One at a time: each is as large as the API's queue allows, and may be refused for what the next
        // one would be refused for, too.
        let is_free = self.acting(BatchState::Ready) == 0 && self.has_room_for(batch);
        if is_due && is_free {
            return Decision::Now(BatchTurn::Act);
        }
        let pace = Some(self.pace.due).filter(|at| *at > now);
        Decision::Later([later, pace, closed_until].into_iter().flatten().min())
    }

    /// Batches in that state with which something is being done: of one that is `Ready` it is its create
    /// call, or takes no longer than a call of the store.
    fn acting(&self, state: BatchState) -> usize {
        let acting = self.footprints.values().filter(|it| it.is_acting);
        acting.filter(|it| it.state == state).count()
    }

    /// One that is too large for the whole queue is for the API to refuse.
    fn has_room_for(&self, batch: &LocalBatch) -> bool {
        let room = self.room();
        u64::from(batch.row.requests) <= room || room == self.view.settings.queue_limit
    }

    /// No job waits for a batch, and none is on its way into one: nothing else will tell whether a
    /// suspect is at fault.
    fn is_last_word(&self) -> bool {
        let is_sent = |state| matches!(state, BatchState::Sending | BatchState::Uncertain);
        let mut batches = self.footprints.values();
        let is_on_its_way = batches.any(|it| is_sent(it.state) || it.is_acting);
        let is_empty = self.intake.jobs() == Some(0) && !self.intake.is_stale();
        is_empty && !is_on_its_way && !self.is_one_pending()
    }
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
