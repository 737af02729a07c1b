//! What the planner makes of answers: the store's, and the API's.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::answer::Answer;
use super::effect::Effect;
use super::planner::Planner;
use super::track::Track;
use crate::engine::outcome::halt_for;
use crate::model::{BatchId, BatchState, ErrorClass, EventKind, Halt, Lane, Treatment};
use crate::provider::Failure;
use crate::store::{BatchRow, Filled};

impl Planner {
    pub(super) fn on_answer(&mut self, answer: Answer, now: Timestamp, rng: &mut Rng) {
        self.ended();
        match answer {
            Answer::Asked(queue) => self.intake.counted(queue, now),
            Answer::Warmers(found) => self.warm_up.told(&found),
            Answer::Routed => self.intake.stepped(),
            Answer::Begun(row) => {
                self.intake.stepped();
                let mut track = Track::new(*row);
                track.only = self.warm_up.begun(track.row.id, now);
                self.tracks.insert(track.row.id, track);
            }
            Answer::Short => {
                self.intake.short = true;
                self.intake.stepped();
            }
            Answer::Filled(batch, filled, short) => {
                self.intake.short |= short;
                self.on_filled(batch, filled);
            }
            Answer::Moved(batch, state, row) => self.on_moved(batch, state, *row, now),
            Answer::Sent(batch, told) => self.on_sent(batch, told, now, rng),
            Answer::Polled(batch, told) => self.on_polled(batch, told, now, rng),
            Answer::Found(batch, told) => self.on_found(batch, told, now, rng),
            Answer::Confirmed(batch, remote, told) => {
                self.on_confirmed(batch, remote, told, now, rng);
            }
            Answer::Canceled(batch, reason, told) => {
                self.on_canceled(batch, reason, told, now, rng);
            }
            Answer::Harvested(batch, harvested) => self.on_harvested(batch, harvested, now, rng),
            Answer::Expired(batch, harvested) => self.on_expired(batch, harvested, now),
            Answer::EntryFailed(batch, failure, found) => {
                self.on_entry_failed(batch, &failure, found, now);
            }
            Answer::Disbandd(batch) => self.forget(batch),
        }
    }

    /// The batch, with which nothing is being done any more.
    pub(super) fn freed(&mut self, batch: BatchId) -> Option<&mut Track> {
        let track = self.tracks.get_mut(&batch)?;
        track.busy = false;
        Some(track)
    }

    /// A batch is over, or was taken apart: what was held for it is free, so there may be room for
    /// another.
    pub(super) fn forget(&mut self, batch: BatchId) {
        let track = self.tracks.remove(&batch);
        self.intake.changed();
        self.intake.short = false;
        let may_be_billed = track.is_some_and(|track| track.is_lost());
        self.ready.push(if may_be_billed {
            Effect::Kept(batch)
        } else {
            Effect::Freed(batch)
        });
    }

    pub(super) fn tell(&mut self, kind: EventKind) {
        self.ready.push(Effect::Tell(kind));
    }

    fn on_filled(&mut self, batch: BatchId, filled: Filled) {
        self.intake.changed();
        let Some(track) = self.freed(batch) else {
            return;
        };
        track.row.requests = filled.requests;
        track.row.bytes = filled.bytes;
        track.filled = filled.complete;
        if filled.complete && filled.requests == 0 {
            track.take_apart(Lane::Batch, false);
        }
    }

    fn on_moved(&mut self, batch: BatchId, state: BatchState, row: BatchRow, now: Timestamp) {
        let Some(track) = self.freed(batch) else {
            return;
        };
        track.row = row;
        track.moved(state);
        match state {
            BatchState::Uncertain => self.doubt(batch, now),
            state if state.is_over() => self.forget(batch),
            _ => {}
        }
    }

    /// A call of the API failed: the batch waits, or the run if it concerns all of it.
    pub(super) fn on_failure(
        &mut self,
        batch: BatchId,
        failure: &Failure,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        self.note_reach(Some(failure), now);
        let view = self.view;
        let Some(track) = self.freed(batch) else {
            return;
        };
        track.back_off(&view, failure.evidence.retry_after, now, rng);
        let until = track.due;
        let concerns_all = matches!(
            failure.class.treatment(),
            Treatment::Halt | Treatment::HoldModel
        );
        if concerns_all && self.alarms.raised() {
            self.halt(halt_for(failure.class, &failure.evidence, now), now);
        } else {
            self.tell_waiting(batch, failure, until);
        }
    }

    pub(super) fn tell_waiting(
        &mut self,
        batch: BatchId,
        failure: &Failure,
        next_try_at: Timestamp,
    ) {
        let message = failure.evidence.message.clone();
        self.tell(EventKind::BatchWaiting {
            batch: batch.0,
            error_class: failure.class,
            message: message.unwrap_or_else(|| failure.class.info().meaning.to_owned()),
            next_try_at,
        });
    }

    /// An endpoint that has never answered in this run is given some time, as in the live lane.
    pub(super) fn note_reach(&mut self, failure: Option<&Failure>, now: Timestamp) {
        if failure.is_none() {
            self.alarms.calmed();
        }
        let Some(silent) = failure.filter(|failure| failure.evidence.http_status.is_none()) else {
            self.gate.connectivity().answered();
            return;
        };
        let connectivity = self.gate.connectivity();
        connectivity.waits_from(now);
        connectivity.failed(&silent.evidence);
        let unreachable_at = self.gate.unreachable_at(Duration::ZERO);
        if unreachable_at.is_some_and(|at| at <= now) {
            let halt = halt_for(ErrorClass::Unreachable, &silent.evidence, now);
            self.halt(halt, now);
        }
    }

    /// No job can succeed: the run is left, or the lane waits.
    pub(super) fn halt(&mut self, halt: Halt, now: Timestamp) {
        let Some(until) = self.gate.halted(&halt, now) else {
            self.ready.push(Effect::Halt(halt));
            self.leave();
            return;
        };
        self.gate.wait_until(until);
        self.tell(EventKind::HaltWaiting {
            error_class: halt.class,
            message: halt.message,
            next_try_at: until,
        });
    }
}
