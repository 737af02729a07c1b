//! What the planner does at an endpoint without Message Batches (`absence`): what may go live does, and
//! the run halts for the rest.

use jiff::Timestamp;

use super::effect::Effect;
use super::planner::Planner;
use super::track::Track;
use crate::model::{BatchId, EventKind, Halt, HaltReason, Lane};
use crate::provider::Failure;

impl Planner {
    /// A create call was refused as if there were no Message Batches.
    pub(super) fn on_no_batches(&mut self, batch: BatchId, failure: &Failure, now: Timestamp) {
        if self.absence.is_refused_for_good(failure.class) {
            self.go_without(failure, now);
        } else {
            self.wait_to_create(batch, failure, now);
        }
    }

    /// The list of batches was refused so, while a batch was looked for whose create call had no
    /// answer. Its jobs go again; that the call was billed all the same is unlikely, and told.
    pub(super) fn on_no_list(&mut self, batch: BatchId, failure: &Failure, now: Timestamp) {
        self.note_reach(Some(failure), now);
        if let Some(track) = self.freed(batch) {
            track.take_apart(Lane::Batch, true);
        }
        self.go_without(failure, now);
    }

    fn go_without(&mut self, failure: &Failure, now: Timestamp) {
        self.view.ways.no_batches = true;
        let said = said(failure);
        self.tell(EventKind::NoBatches {
            error_class: failure.class,
            message: said.clone(),
        });
        self.absence.learned(Halt::new(failure.class, said, now));
    }

    /// When nothing is left in the queue but what only a batch may do: the run halts when the live
    /// lane is done, or waits and tries again.
    pub(super) fn strand(&mut self, now: Timestamp) {
        let is_settled = !self.intake.is_stale() && !self.tracks.values().any(Track::is_pending);
        let is_left = self.view.ways.no_batches && self.intake.holds_only_forced(&self.view);
        let Some(said) = self.absence.to_say().filter(|_| is_settled && is_left) else {
            return;
        };
        let halt = Halt {
            reason: HaltReason::NoBatches,
            ..Halt::new(said.class, self.words(&said.message), now)
        };
        if self.gate.waits_when_halted() {
            self.view.ways.no_batches = false;
            self.absence.forgive();
            self.halt(halt, now);
        } else {
            self.absence.is_being_told();
            self.ready.push(Effect::Held(halt));
        }
    }

    /// The dispatcher was told what the run halts for in the end.
    pub(super) fn on_held_told(&mut self) {
        self.absence.was_told();
    }

    fn words(&self, said: &str) -> String {
        let jobs = match self.intake.jobs().unwrap_or_default() {
            1 => "1 job".to_owned(),
            many => format!("{many} jobs"),
        };
        if self.view.ways.forced == Some(Lane::Batch) {
            Halt::no_batches(&format!(
                "{said}. Left for a batch, by `--lane batch`: {jobs}; `claude-run resume {} --lane live` sends them live, at the full price",
                self.run
            ))
        } else {
            Halt::no_batches(&format!(
                "{said}. Left for a batch, by `\"lane\": \"batch\"` in their lines: {jobs}; `claude-run resume {} --base-url URL` goes on where there are Message Batches; without that key in its lines the file can be submitted anew and goes live",
                self.run
            ))
        }
    }
}

/// What the endpoint answered.
fn said(failure: &Failure) -> String {
    let status = failure.evidence.http_status.unwrap_or_default();
    match failure.evidence.message.as_deref().map(str::trim) {
        None | Some("") => format!("it answered {status}"),
        Some(message) => format!("it answered {status}: {message}"),
    }
}
