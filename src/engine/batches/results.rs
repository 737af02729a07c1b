//! What the planner makes of results: recorded, asked for again, or gone.

use fastrand::Rng;
use jiff::Timestamp;

use super::answer::{HarvestEnd, Harvested};
use super::effect::Effect;
use super::planner::Planner;
use super::short::{Lack, Missing, ResultDoubts, Seen, missing, next_download};
use super::track::Track;
use crate::model::{BatchId, ErrorClass, EventKind, Halt, Lane, ResultLines, ShortResults};
use crate::provider::{Failure, is_missing};

impl Planner {
    pub(super) fn on_harvested(
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
        track.row.short = harvested.short;
        track.was_asked = true;
        let lines = track.lines;
        match harvested.end {
            HarvestEnd::Complete => {
                self.forget(batch);
                self.tell(EventKind::BatchHarvested {
                    batch: batch.0,
                    remote_id,
                    lines,
                });
            }
            HarvestEnd::Incomplete => {
                track.downloads += 1;
                track.back_off(&view, None, now, rng);
            }
            HarvestEnd::Postponed => {
                track.downloads += 1;
                track.doubts.contradicted = false;
                track.again_at_once();
            }
            HarvestEnd::Short(lack) => {
                track.downloads += 1;
                track.doubts.contradicted = lack.contradicted;
                let words = words_of(track, lack);
                self.on_short(batch, harvested.short, (&words, lack.unreadable), now);
            }
            HarvestEnd::Cut(failure) => {
                let is_gone =
                    is_missing(&failure) && (harvested.archived || track.is_archived(now));
                if is_gone {
                    self.on_gone(batch, now);
                } else if harvested.short.is_some() {
                    self.note_reach(Some(&failure), now);
                    let lack = unusable(&remote_id, &failure);
                    self.on_short(batch, harvested.short, (&lack, 0), now);
                } else {
                    self.on_failure(batch, &failure, now, rng);
                }
            }
            HarvestEnd::Stopped => {}
        }
        if let Some(halt) = harvested.halt {
            self.halt(halt, now);
        }
    }

    /// What was paid for may still come: it is asked for again, and nothing is bought again. After
    /// hours the batch is left as it is, and the run halts when nothing else is left of it.
    fn on_short(
        &mut self,
        batch: BatchId,
        short: Option<ShortResults>,
        (lack, unreadable): (&str, u64),
        now: Timestamp,
    ) {
        let (view, waits) = (self.view, self.gate.waits_when_halted());
        let Some((track, short)) = self.tracks.get_mut(&batch).zip(short) else {
            return;
        };
        let again = next_download(short, waits, &view, now);
        let remote_id = track.row.remote_id.clone().unwrap_or_default();
        let since = short.since;
        let Some(next_try_at) = again else {
            if unreadable > 0 {
                // What stays unreadable may be paid for, and fails its job; then the rest is looked at.
                track.doubts = ResultDoubts {
                    over: true,
                    ..track.doubts
                };
                return track.again_at_once();
            }
            let message = given_up(&remote_id, lack, since);
            return self.give_up(batch, ErrorClass::ResultMissing, message, now);
        };
        track.due = next_try_at;
        self.tell(EventKind::BatchWaiting {
            batch: batch.0,
            error_class: ErrorClass::ResultMissing,
            message: format!(
                "{lack}: they are downloaded again, which costs nothing, and nothing is bought again"
            ),
            next_try_at,
        });
    }

    /// The API has removed the results. What was not paid for goes again.
    pub(super) fn on_gone(&mut self, batch: BatchId, now: Timestamp) {
        let Some(track) = self.tracks.get_mut(&batch) else {
            return;
        };
        let open = track.row.open_requests.saturating_sub(track.lines.recorded);
        let is_untouched = open == u64::from(track.row.requests);
        let missing = missing(&track.row.counts, &Seen::default(), open);
        if is_untouched && missing != Missing::Answers {
            track.busy = true;
            let row = Box::new(track.row.clone());
            self.ready.push(Effect::Expire { row, missing });
            return;
        }
        let remote_id = track.row.remote_id.clone().unwrap_or_default();
        let message = gone(&remote_id, open);
        self.give_up(batch, ErrorClass::ResultsExpired, message, now);
    }

    /// Nothing more is done about the batch in this dispatch. What is held for it stays held.
    fn give_up(&mut self, batch: BatchId, class: ErrorClass, message: String, now: Timestamp) {
        if let Some(track) = self.tracks.get_mut(&batch) {
            track.given_up = true;
        }
        self.ready.push(Effect::Kept(batch));
        self.ready
            .push(Effect::Held(Halt::new(class, message, now)));
    }

    /// Its results are gone and nothing was paid for them: what was open of it has ended.
    pub(super) fn on_expired(&mut self, batch: BatchId, harvested: Harvested, now: Timestamp) {
        let Some(track) = self.freed(batch) else {
            return;
        };
        track.take_apart(Lane::Live, true);
        let remote_id = track.row.remote_id.clone();
        self.tell(EventKind::BatchLost {
            batch: batch.0,
            remote_id,
            error_class: ErrorClass::ResultsExpired,
            message: "its results were kept for 29 days and are gone; nothing was paid for them, so its jobs go again".to_owned(),
        });
        if let Some(halt) = harvested.halt {
            self.halt(halt, now);
        }
    }
}

fn words_of(track: &Track, lack: Lack) -> String {
    let remote_id = track.row.remote_id.as_deref().unwrap_or("?");
    let (open, requests) = (lack.open, track.row.requests);
    if lack.strange {
        return format!(
            "the results of batch {remote_id} are those of other requests than ours (it may have been adopted by mistake)"
        );
    }
    if lack.contradicted {
        return format!(
            "the results of batch {remote_id} contradict its counts, which call more of its {requests} requests succeeded ({open} of them have no answer there)"
        );
    }
    if lack.unreadable > 0 {
        let unreadable = lack.unreadable;
        return format!(
            "the results of batch {remote_id} have no line that can be read for {open} of its {requests} requests, and one that cannot for {unreadable} of those"
        );
    }
    format!(
        "the results of batch {remote_id} have no line for {open} of its {requests} requests, although its counts do not call them unpaid"
    )
}

fn unusable(remote_id: &str, failure: &Failure) -> String {
    let words = failure.evidence.message.as_deref();
    let words = words.unwrap_or(failure.class.info().meaning);
    format!("the results of batch {remote_id} cannot be had: {words}")
}

fn given_up(remote_id: &str, lack: &str, since: Timestamp) -> String {
    format!(
        "{lack}; they were asked for since {since:.0}. Nothing is bought again by itself: `claude-run resume` asks again, `claude-run batches forget {remote_id}` gives the batch up and buys what is missing anew"
    )
}

fn gone(remote_id: &str, open: u64) -> String {
    format!(
        "the results of batch {remote_id} were kept for 29 days and are gone, and with them what was paid for {open} requests. Nothing is bought again by itself: `claude-run batches forget {remote_id}` gives the batch up and sends its jobs again"
    )
}

fn sum(a: &ResultLines, b: &ResultLines) -> ResultLines {
    ResultLines {
        recorded: a.recorded + b.recorded,
        repeated: a.repeated + b.repeated,
        unknown: a.unknown + b.unknown,
        unreadable: a.unreadable + b.unreadable,
        missing: a.missing + b.missing,
        canceled_elsewhere: a.canceled_elsewhere + b.canceled_elsewhere,
    }
}
