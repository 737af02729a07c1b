//! What the planner makes of create calls: made, refused, or lost and looked for.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::answer::Told;
use super::effect::Effect;
use super::planner::Planner;
use super::refusal::{EntryName, Refusal, refusal};
use super::track::Sight;
use crate::clock::add;
use crate::engine::outcome::halt_for;
use crate::model::{
    BatchId, BatchState, Budget, ErrorClass, EventKind, Halt, Lane, RemoteBatch, RemoteStatus,
};
use crate::policy::{CONFIRM_AFTER, LONGEST_HINT};
use crate::provider::Failure;

/// A create call that is refused for want of room is tried again after twice the time, and so on.
const MOST_DOUBLINGS: u32 = 10;

/// A limit at which no batch has been created since the start is waited for so long, times the retry
/// scale: no window of requests is longer than some minutes.
const HOPELESS_AFTER: Duration = Duration::from_mins(15);

/// The same of a full queue: what others have in it is processed, or expires, within a day.
const FULL_FOR_EVER_AFTER: Duration = Duration::from_hours(24);

impl Planner {
    pub(super) fn on_sent(
        &mut self,
        batch: BatchId,
        told: Option<Told<RemoteBatch>>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        self.creating = false;
        let Some(told) = told else {
            self.forget(batch);
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
            Refusal::Wait => match self.hopeless_limit(&failure, now) {
                Some(halt) => self.halt(halt, now),
                None => self.wait_to_create(batch, &failure, now),
            },
            Refusal::TooLarge if requests > 1 => {
                track.take_apart(Lane::Batch, false);
                self.intake.halve(requests);
            }
            Refusal::TooLarge => self.fail_entry(batch, EntryName::Place(0), failure),
            Refusal::Entry(entry) => self.fail_entry(batch, entry, failure),
            Refusal::Unnamed => self.on_unnamed(batch, failure, now),
            Refusal::NoBatches => self.on_no_batches(batch, &failure, now),
            Refusal::Halt => self.on_alarm_at_create(batch, failure, now),
        }
    }

    fn on_created(&mut self, batch: BatchId, remote: &RemoteBatch, now: Timestamp, rng: &mut Rng) {
        self.note_reach(None, now);
        self.refusals = 0;
        self.limited_since = None;
        self.absence.seen();
        self.intake.accepted();
        let view = self.view;
        let Some(track) = self.freed(batch) else {
            return;
        };
        track.noted(remote, now);
        track.sight = Sight::Created;
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

    /// A create call was refused for what no batch can get past. What may be about the way of this one
    /// alone is narrowed down to the entry at fault.
    fn on_alarm_at_create(&mut self, batch: BatchId, failure: Box<Failure>, now: Timestamp) {
        if self.alarms.is_calm() && failure.class == ErrorClass::WrongEndpoint {
            return self.on_unnamed(batch, failure, now);
        }
        if self.alarms.raised() {
            return self.halt(halt_for(failure.class, &failure.evidence, now), now);
        }
        self.create_due = add(now, CONFIRM_AFTER.mul_f64(self.view.scale));
        self.tell_waiting(batch, &failure, self.create_due);
    }

    /// The reason to halt for a limit at which no batch has been created for too long. As long as
    /// batches of ours are processed, they may be what fills it.
    fn hopeless_limit(&mut self, failure: &Failure, now: Timestamp) -> Option<Halt> {
        let class = failure.class;
        let patience = match class {
            ErrorClass::BatchQueueFull => FULL_FOR_EVER_AFTER,
            _ => HOPELESS_AFTER,
        };
        let is_limit = class.budget() == Budget::RateLimits || class == ErrorClass::BatchQueueFull;
        if !is_limit || self.gate.waits_when_halted() || self.remote_batches() > 0 {
            self.limited_since = None;
            return None;
        }
        let since = *self.limited_since.get_or_insert(now);
        if add(since, patience.mul_f64(self.view.scale)) > now {
            return None;
        }
        let said = failure.evidence.message.as_deref();
        let said = said.unwrap_or(class.info().meaning);
        let waited = now.duration_since(since).as_secs_f64();
        let message = format!(
            "no batch could be created for {waited:.0} s, because of a limit: {said}. `claude-run resume {} --lane live` sends the jobs live, at the full price",
            self.run
        );
        Some(Halt::new(class, message, now))
    }

    /// There is no room for it, or no way to the API.
    pub(super) fn wait_to_create(&mut self, batch: BatchId, failure: &Failure, now: Timestamp) {
        let settings = &self.view.settings;
        let doublings = 2_u32.pow(self.refusals.min(MOST_DOUBLINGS));
        let own = settings.poll_min.saturating_mul(doublings);
        let own = own.min(settings.poll_max).mul_f64(self.view.scale);
        let hint = failure.evidence.retry_after.unwrap_or_default();
        let hint = hint.min(LONGEST_HINT);
        self.refusals += 1;
        self.create_due = add(now, own.max(hint));
        let until = self.create_due;
        self.tell_waiting(batch, failure, until);
    }

    pub(super) fn fail_entry(&mut self, batch: BatchId, entry: EntryName, failure: Box<Failure>) {
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

    pub(super) fn on_entry_failed(
        &mut self,
        batch: BatchId,
        failure: &Failure,
        found: bool,
        now: Timestamp,
    ) {
        if let Some(track) = self.freed(batch)
            && found
        {
            track.take_apart(Lane::Batch, false);
        } else {
            self.halt(halt_for(failure.class, &failure.evidence, now), now);
        }
    }

    /// Nobody knows whether the create call was heard.
    pub(super) fn doubt(&mut self, batch: BatchId, now: Timestamp) {
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

    pub(super) fn on_found(
        &mut self,
        batch: BatchId,
        told: Told<Vec<RemoteBatch>>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        let found = match told {
            Ok(found) => found,
            Err(failure) if self.absence.is_proved_by(&failure) => {
                return self.on_no_list(batch, &failure, now);
            }
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

    pub(super) fn on_confirmed(
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
}
