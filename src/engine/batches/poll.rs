//! What the planner makes of looks at batches, and of their cancelling.

use fastrand::Rng;
use jiff::Timestamp;

use super::answer::Told;
use super::planner::Planner;
use super::track::Sight;
use crate::model::{
    BatchId, BatchState, CancelReason, ErrorClass, EventKind, Halt, Lane, RemoteBatch,
};
use crate::provider::{Failure, Polled, is_missing};

impl Planner {
    pub(super) fn on_polled(
        &mut self,
        batch: BatchId,
        told: Told<Polled>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        let polled = match told {
            Ok(polled) => polled,
            Err(failure) if is_missing(&failure) => {
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
        self.tell_stuck(batch, now);
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
        let (view, simulated) = (self.view, self.simulated);
        let Some(track) = self.freed(batch) else {
            return;
        };
        track.not_found_since.get_or_insert(now);
        let remote_id = track.row.remote_id.clone();
        let went_with_its_simulator = simulated && track.sight == Sight::None;
        if track.is_archived(now) {
            self.on_gone(batch, now);
        } else if went_with_its_simulator {
            self.lose(batch, remote_id, "it ended with the simulator that had it");
        } else if track.may_yet_be_found(&view, now) {
            track.back_off(&view, failure.evidence.retry_after, now, rng);
        } else if track.sight == Sight::Created {
            self.lose(
                batch,
                remote_id,
                "the API created it and never knew it afterwards",
            );
        } else {
            let message = unknown_batch(remote_id.as_deref().unwrap_or("?"));
            let halt = Halt::new(ErrorClass::Permission, message, now);
            track.back_off(&view, None, now, rng);
            self.halt(halt, now);
        }
    }

    /// It came to nothing: its jobs go again.
    fn lose(&mut self, batch: BatchId, remote_id: Option<String>, why: &str) {
        if let Some(track) = self.tracks.get_mut(&batch) {
            track.take_apart(Lane::Batch, true);
        }
        self.tell(EventKind::BatchLost {
            batch: batch.0,
            remote_id,
            error_class: ErrorClass::ResultMissing,
            message: format!("{why}: its jobs go again"),
        });
    }

    pub(super) fn on_canceled(
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
}

fn unknown_batch(remote_id: &str) -> String {
    format!(
        "the API knows no batch {remote_id}, which it has created: a key of another workspace sees none of ours; if it was deleted, `claude-run batches forget {remote_id}` puts its jobs back"
    )
}
