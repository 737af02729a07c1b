//! What the planner makes of a batch that is refused for an entry that nobody names: the search goes
//! on, or the entries that it has cornered are judged.

use jiff::Timestamp;

use super::planner::Planner;
use super::refusal::EntryName;
use super::track::Track;
use crate::engine::outcome::halt_for;
use crate::model::{BatchId, BatchState, Lane};
use crate::provider::Failure;

/// Entries refused one by one while nothing at all is accepted: then it is no entry's fault.
const MOST_SUSPECTS: usize = 10;

impl Planner {
    /// A batch was refused, and nothing says for which of its entries.
    pub(super) fn on_unnamed(&mut self, batch: BatchId, failure: Box<Failure>, now: Timestamp) {
        let Some(track) = self.tracks.get_mut(&batch) else {
            return;
        };
        let narrowing = &mut self.intake.narrowing;
        match track.row.requests {
            0 | 1 if narrowing.is_proven() => {
                narrowing.found();
                self.fail_entry(batch, EntryName::Place(0), failure);
            }
            0 | 1 => {
                narrowing.refused(1);
                track.suspect = Some(failure);
            }
            requests => {
                narrowing.refused(requests);
                track.take_apart(Lane::Batch, false);
                self.tell_waiting(batch, &failure, now);
            }
        }
    }

    /// Judges what was put aside, as soon as there is something to judge it by.
    pub(super) fn judge_suspects(&mut self, now: Timestamp) {
        let suspects = self.suspects();
        let last = suspects.last().and_then(|batch| self.tracks.get(batch));
        let Some(failure) = last.and_then(|track| track.suspect.clone()) else {
            return;
        };
        if self.intake.narrowing.is_proven() {
            self.send_again(&suspects);
        } else if suspects.len() >= MOST_SUSPECTS {
            self.send_again(&suspects);
            self.halt(halt_for(failure.class, &failure.evidence, now), now);
        } else if self.nothing_else_can_tell() {
            for batch in suspects {
                let track = self.tracks.get_mut(&batch);
                if let Some(failure) = track.and_then(|track| track.suspect.take()) {
                    self.fail_entry(batch, EntryName::Place(0), failure);
                }
            }
        }
    }

    fn suspects(&self) -> Vec<BatchId> {
        let tracks = self.tracks.iter().filter(|(_, track)| !track.busy);
        let suspects = tracks.filter(|(_, track)| track.suspect.is_some());
        suspects.map(|(batch, _)| *batch).collect()
    }

    fn send_again(&mut self, suspects: &[BatchId]) {
        for batch in suspects {
            if let Some(track) = self.tracks.get_mut(batch) {
                track.suspect = None;
            }
        }
    }

    /// No job waits for a batch, and none is on its way into one.
    fn nothing_else_can_tell(&self) -> bool {
        let on_its_way = |track: &Track| {
            let state = track.row.state;
            let is_sent = matches!(state, BatchState::Sending | BatchState::Uncertain);
            is_sent || track.is_pending() || track.busy
        };
        let is_empty = self.intake.jobs() == Some(0) && !self.intake.is_stale();
        is_empty && !self.tracks.values().any(on_its_way)
    }
}
