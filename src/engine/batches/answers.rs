//! What the planner makes of answers: the store's, and the API's.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::planner::{Effect, Planner};
use super::short::Lack;
use super::track::Track;
use crate::engine::outcome::halt_for;
use crate::model::{
    BatchId, BatchState, CancelReason, ErrorClass, EventKind, Halt, Lane, RemoteBatch, ResultLines,
    ShortResults, Treatment,
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
    Looked(BatchId, Told<Polled>),
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
    Dissolved(BatchId),
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
            Answer::Looked(batch, told) => self.on_looked(batch, told, now, rng),
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
            Answer::Dissolved(batch) => self.forget(batch),
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
