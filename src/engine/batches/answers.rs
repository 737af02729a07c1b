//! What the planner makes of answers: the store's, and the API's.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::planner::{Effect, Planner};
use super::refusal::{EntryName, Refusal, refusal};
use super::track::Track;
use crate::clock::add;
use crate::engine::outcome::halt_for;
use crate::model::{
    BatchId, BatchState, CancelReason, ErrorClass, EventKind, Halt, Lane, OnHalt, RemoteBatch,
    RemoteStatus, ResultLines, Treatment,
};
use crate::policy::halt::next_try;
use crate::provider::{Failure, Polled};
use crate::store::{BatchQueue, BatchRow, Filled};

/// A create call that is refused for want of room is tried again after twice the time, and so on.
const MOST_DOUBLINGS: u32 = 10;

/// What a call of the API brought.
pub(super) type Told<T> = Result<T, Box<Failure>>;

/// How an effect ended.
#[derive(Debug)]
pub(super) enum Answer {
    Asked(BatchQueue),
    /// Jobs changed their queue.
    Routed,
    Begun(Box<BatchRow>),
    Filled(BatchId, Filled),
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
    /// The download was whole, but some requests had no line.
    Incomplete,
    /// It broke off.
    Cut(Box<Failure>),
    /// We are leaving.
    Stopped,
}

impl Planner {
    pub(super) fn on_answer(&mut self, answer: Answer, now: Timestamp, rng: &mut Rng) {
        self.ended();
        match answer {
            Answer::Asked(queue) => self.intake.counted(queue, now),
            Answer::Routed => self.intake.stepped(),
            Answer::Begun(row) => {
                self.intake.stepped();
                self.tracks.insert(row.id, Track::new(*row));
            }
            Answer::Filled(batch, filled) => self.on_filled(batch, filled),
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
            Answer::Dissolved(batch) => {
                self.tracks.remove(&batch);
                self.intake.changed();
            }
        }
    }

    /// The batch, with which nothing is being done any more.
    fn freed(&mut self, batch: BatchId) -> Option<&mut Track> {
        let track = self.tracks.get_mut(&batch)?;
        track.busy = false;
        Some(track)
    }

    fn tell(&mut self, kind: EventKind) {
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
            state if state.is_over() => {
                self.tracks.remove(&batch);
                self.intake.changed();
            }
            _ => {}
        }
    }

    fn on_sent(
        &mut self,
        batch: BatchId,
        told: Option<Told<RemoteBatch>>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        self.creating = false;
        let Some(told) = told else {
            self.tracks.remove(&batch);
            self.intake.changed();
            return;
        };
        let failure = match told {
            Ok(remote) => return self.on_created(batch, &remote, now, rng),
            Err(failure) => failure,
        };
        self.note_reach(Some(&failure), now);
        let Some(track) = self.freed(batch) else {
            return;
        };
        track.moved(BatchState::Ready);
        let requests = track.row.requests;
        match refusal(&failure) {
            Refusal::Uncertain => {
                track.moved(BatchState::Uncertain);
                self.doubt(batch, now);
            }
            Refusal::Wait => self.wait_to_create(batch, &failure, now),
            Refusal::TooLarge if requests > 1 => {
                track.take_apart(Lane::Batch, false);
                self.intake.halve(requests);
            }
            Refusal::TooLarge => self.fail_entry(batch, EntryName::Place(0), failure),
            Refusal::Entry(entry) => self.fail_entry(batch, entry, failure),
            Refusal::Halt => self.halt(halt_for(failure.class, &failure.evidence, now), now),
        }
    }

    fn on_created(&mut self, batch: BatchId, remote: &RemoteBatch, now: Timestamp, rng: &mut Rng) {
        self.note_reach(None, now);
        self.refusals = 0;
        let view = self.view;
        let Some(track) = self.freed(batch) else {
            return;
        };
        track.noted(remote, now);
        track.just_created = true;
        track.again_at_once();
        if track.row.state != BatchState::Ended {
            track.back_off(&view, None, now, rng);
        }
        let requests = track.row.requests;
        self.tell(EventKind::BatchCreated {
            batch: batch.0,
            remote_id: remote.id.clone(),
            requests,
            expires_at: remote.expires_at,
        });
    }

    /// There is no room for it, or no way to the API.
    fn wait_to_create(&mut self, batch: BatchId, failure: &Failure, now: Timestamp) {
        let settings = &self.view.settings;
        let doublings = 2_u32.pow(self.refusals.min(MOST_DOUBLINGS));
        let own = settings.poll_min.saturating_mul(doublings);
        let own = own.min(settings.poll_max).mul_f64(self.view.scale);
        let hint = failure.evidence.retry_after.unwrap_or_default();
        self.refusals += 1;
        self.create_due = add(now, own.max(hint));
        let until = self.create_due;
        self.tell_waiting(batch, failure, until);
    }

    fn fail_entry(&mut self, batch: BatchId, entry: EntryName, failure: Box<Failure>) {
        let Some(track) = self.tracks.get_mut(&batch) else {
            return;
        };
        track.busy = true;
        self.ready.push(Effect::FailEntry {
            row: Box::new(track.row.clone()),
            entry,
            failure,
        });
    }

    fn on_entry_failed(&mut self, batch: BatchId, failure: &Failure, found: bool, now: Timestamp) {
        if let Some(track) = self.freed(batch)
            && found
        {
            track.take_apart(Lane::Batch, false);
        } else {
            self.halt(halt_for(failure.class, &failure.evidence, now), now);
        }
    }

    /// Nobody knows whether the create call was heard.
    fn doubt(&mut self, batch: BatchId, now: Timestamp) {
        let Some(track) = self.tracks.get_mut(&batch) else {
            return;
        };
        track.lost_at = Some(now);
        track.candidates = None;
        let requests = track.row.requests;
        self.tell(EventKind::BatchUncertain {
            batch: batch.0,
            requests,
            candidates: Vec::new(),
        });
    }

    fn on_found(
        &mut self,
        batch: BatchId,
        told: Told<Vec<RemoteBatch>>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        let found = match told {
            Ok(found) => found,
            Err(failure) => return self.on_failure(batch, &failure, now, rng),
        };
        self.note_reach(None, now);
        let (view, late_lane) = (self.view, Lane::Live);
        let Some(track) = self.freed(batch) else {
            return;
        };
        // A batch that was taken up uncertain is missed from the first look on.
        track.lost_at.get_or_insert(now);
        let candidates: Vec<_> = found.iter().map(|remote| remote.id.clone()).collect();
        let is_news = track
            .candidates
            .replace(candidates.clone())
            .unwrap_or_default()
            != candidates;
        let requests = track.row.requests;
        if let Some(ended) = found
            .into_iter()
            .find(|it| it.status == RemoteStatus::Ended)
        {
            track.busy = true;
            let nonce = track.row.nonce.clone();
            self.ready.push(Effect::Confirm {
                batch,
                nonce,
                remote: ended,
            });
        } else if candidates.is_empty() && track.was_never_heard(&view, now) {
            // Nothing was bought. It is sent anew, or given up if its time is over.
            track.moved(BatchState::Ready);
            track.lost_at = None;
            if view.canceling || track.rescue_at(&view).is_some_and(|at| at <= now) {
                track.take_apart(late_lane, false);
            }
        } else {
            track.back_off(&view, None, now, rng);
            track.not_after_patience(&view, now);
        }
        if is_news {
            self.tell(EventKind::BatchUncertain {
                batch: batch.0,
                requests,
                candidates,
            });
        }
    }

    fn on_confirmed(
        &mut self,
        batch: BatchId,
        remote: RemoteBatch,
        told: Told<Option<bool>>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        let view = self.view;
        match told {
            Err(failure) => self.on_failure(batch, &failure, now, rng),
            Ok(Some(true)) => {
                let Some(track) = self.freed(batch) else {
                    return;
                };
                track.noted(&remote, now);
                track.again_at_once();
                let requests = track.row.requests;
                self.tell(EventKind::BatchAdopted {
                    batch: batch.0,
                    remote_id: remote.id,
                    requests,
                });
            }
            Ok(Some(false)) => {
                if let Some(track) = self.freed(batch) {
                    track.others.insert(remote.id);
                }
            }
            Ok(None) => {
                if let Some(track) = self.freed(batch) {
                    track.back_off(&view, None, now, rng);
                }
            }
        }
    }

    fn on_looked(&mut self, batch: BatchId, told: Told<Polled>, now: Timestamp, rng: &mut Rng) {
        let polled = match told {
            Ok(polled) => polled,
            Err(failure) if failure.evidence.http_status == Some(404) => {
                return self.on_not_found(batch, &failure, now, rng);
            }
            Err(failure) => return self.on_failure(batch, &failure, now, rng),
        };
        self.note_reach(None, now);
        let view = self.view;
        let Some(track) = self.freed(batch) else {
            return;
        };
        let is_news = track.noted(&polled.batch, now);
        track.just_created = false;
        let has_ended = track.row.state == BatchState::Ended;
        if has_ended {
            track.again_at_once();
        } else {
            track.back_off(&view, polled.retry_after, now, rng);
        }
        let RemoteBatch {
            id: remote_id,
            status,
            counts,
            ..
        } = polled.batch;
        let batch = batch.0;
        if has_ended {
            self.tell(EventKind::BatchEnded {
                batch,
                remote_id,
                counts,
            });
        } else if is_news {
            self.tell(EventKind::BatchProgress {
                batch,
                remote_id,
                status,
                counts,
            });
        }
    }

    /// The API says that it knows no such batch. Minutes after its creation that means nothing, and
    /// after 29 days it means that the results are gone; in between it is a batch that came to
    /// nothing, or somebody else's eyes: a key of another workspace sees none of ours.
    fn on_not_found(&mut self, batch: BatchId, failure: &Failure, now: Timestamp, rng: &mut Rng) {
        self.note_reach(Some(failure), now);
        let view = self.view;
        let Some(track) = self.freed(batch) else {
            return;
        };
        track.not_found_since.get_or_insert(now);
        let remote_id = track.row.remote_id.clone();
        if track.is_archived(now) {
            track.busy = true;
            let row = Box::new(track.row.clone());
            self.ready.push(Effect::Expire(row));
        } else if track.may_yet_be_found(&view, now) {
            track.back_off(&view, failure.evidence.retry_after, now, rng);
        } else if track.just_created {
            track.take_apart(Lane::Batch, true);
            self.tell(EventKind::BatchLost {
                batch: batch.0,
                remote_id,
                error_class: ErrorClass::ResultMissing,
                message:
                    "the API created this batch and never knew it afterwards: its jobs go again"
                        .to_owned(),
            });
        } else {
            let halt = Halt {
                class: ErrorClass::Permission,
                message: unknown_batch(remote_id.as_deref().unwrap_or("?")),
                at: now,
            };
            track.back_off(&view, None, now, rng);
            self.halt(halt, now);
        }
    }

    fn on_canceled(
        &mut self,
        batch: BatchId,
        reason: CancelReason,
        told: Told<RemoteBatch>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        let view = self.view;
        let failure = match told {
            Err(failure) => failure,
            Ok(remote) => {
                self.note_reach(None, now);
                let Some(track) = self.freed(batch) else {
                    return;
                };
                track.row.cancel_reason = Some(reason);
                track.noted(&remote, now);
                track.cancel_taken = true;
                track.again_at_once();
                if track.row.state != BatchState::Ended {
                    track.back_off(&view, None, now, rng);
                }
                self.tell(EventKind::BatchCanceling {
                    batch: batch.0,
                    remote_id: remote.id,
                    reason,
                });
                return;
            }
        };
        // Perhaps it has ended meanwhile; a look shows it.
        self.on_failure(batch, &failure, now, rng);
        if let Some(track) = self.tracks.get_mut(&batch) {
            track.row.cancel_reason = Some(reason);
            track.row.state = BatchState::Canceling;
            track.cancel_due = track.due;
            track.due = now;
        }
    }

    fn on_harvested(
        &mut self,
        batch: BatchId,
        harvested: Harvested,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        self.harvests -= 1;
        self.intake.changed();
        let view = self.view;
        self.ready.extend(harvested.hold.map(Effect::Held));
        let Some(track) = self.freed(batch) else {
            return;
        };
        let remote_id = track.row.remote_id.clone().unwrap_or_default();
        track.lines = sum(&track.lines, &harvested.lines);
        let lines = track.lines;
        match harvested.end {
            HarvestEnd::Complete => {
                self.tracks.remove(&batch);
                self.tell(EventKind::BatchHarvested {
                    batch: batch.0,
                    remote_id,
                    lines,
                });
            }
            HarvestEnd::Incomplete if harvested.ours == 0 && lines.unknown > 0 => {
                track.back_off(&view, None, now, rng);
                let halt = Halt {
                    class: ErrorClass::ResultMissing,
                    message: not_ours(&remote_id),
                    at: now,
                };
                self.halt(halt, now);
            }
            HarvestEnd::Incomplete => {
                track.downloads += 1;
                track.back_off(&view, None, now, rng);
            }
            HarvestEnd::Cut(failure) => self.on_cut(batch, &failure, now, rng),
            HarvestEnd::Stopped => {}
        }
        if let Some(halt) = harvested.halt {
            self.halt(halt, now);
        }
    }

    fn on_cut(&mut self, batch: BatchId, failure: &Failure, now: Timestamp, rng: &mut Rng) {
        let Some(track) = self.tracks.get_mut(&batch) else {
            return;
        };
        let is_gone = failure.evidence.http_status == Some(404) && track.is_archived(now);
        if is_gone {
            track.busy = true;
            let row = Box::new(track.row.clone());
            self.ready.push(Effect::Expire(row));
        } else {
            self.on_failure(batch, failure, now, rng);
        }
    }

    fn on_expired(&mut self, batch: BatchId, harvested: Harvested, now: Timestamp) {
        let Some(track) = self.freed(batch) else {
            return;
        };
        track.take_apart(Lane::Live, true);
        let remote_id = track.row.remote_id.clone();
        let class = ErrorClass::ResultsExpired;
        self.tell(EventKind::BatchLost {
            batch: batch.0,
            remote_id,
            error_class: class,
            message: format!("{} {}", class.info().meaning, class.info().remedy),
        });
        if let Some(halt) = harvested.halt {
            self.halt(halt, now);
        }
    }

    /// A call of the API failed: the batch waits, or the run if it concerns all of it.
    fn on_failure(&mut self, batch: BatchId, failure: &Failure, now: Timestamp, rng: &mut Rng) {
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
        if concerns_all {
            self.halt(halt_for(failure.class, &failure.evidence, now), now);
        } else {
            self.tell_waiting(batch, failure, until);
        }
    }

    fn tell_waiting(&mut self, batch: BatchId, failure: &Failure, next_try_at: Timestamp) {
        let message = failure.evidence.message.clone();
        self.tell(EventKind::BatchWaiting {
            batch: batch.0,
            error_class: failure.class,
            message: message.unwrap_or_else(|| failure.class.info().meaning.to_owned()),
            next_try_at,
        });
    }

    /// An endpoint that has never answered in this run is given some time, as in the live lane.
    fn note_reach(&mut self, failure: Option<&Failure>, now: Timestamp) {
        let Some(silent) = failure.filter(|failure| failure.evidence.http_status.is_none()) else {
            self.reach.answered = true;
            return;
        };
        let since = *self.reach.silent_since.get_or_insert(now);
        if !self.reach.answered && add(since, self.reach.patience) <= now {
            self.reach.silent_since = None;
            let halt = halt_for(ErrorClass::Unreachable, &silent.evidence, now);
            self.halt(halt, now);
        }
    }

    /// No job can succeed: the run is left, or the lane waits.
    fn halt(&mut self, halt: Halt, now: Timestamp) {
        if self.on_halt == OnHalt::Exit {
            self.ready.push(Effect::Halt(halt));
            self.leave();
            return;
        }
        let until = next_try(&halt.message, self.view.scale, now);
        self.waiting = Some(until);
        self.tell(EventKind::HaltWaiting {
            error_class: halt.class,
            message: halt.message,
            next_try_at: until,
        });
    }
}

fn unknown_batch(remote_id: &str) -> String {
    format!(
        "the API knows no batch {remote_id}, which it has created: a key of another workspace sees none of ours; if it was deleted, `claude-run batches forget {remote_id}` puts its jobs back"
    )
}

fn not_ours(remote_id: &str) -> String {
    format!(
        "the results of batch {remote_id} are those of other requests than ours: if it was adopted by mistake, `claude-run batches forget {remote_id}` puts the jobs back"
    )
}

fn sum(a: &ResultLines, b: &ResultLines) -> ResultLines {
    ResultLines {
        recorded: a.recorded + b.recorded,
        repeated: a.repeated + b.repeated,
        unknown: a.unknown + b.unknown,
        unreadable: a.unreadable + b.unreadable,
        missing: a.missing + b.missing,
    }
}
