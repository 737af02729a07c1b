//! Jobs that are left in the queue of an endpoint without Message Batches (`absence`). Pure.

use jiff::Timestamp;

use super::coordinator::Coordinator;
use crate::model::{Halt, HaltReason, Lane};

impl Coordinator {
    /// Why the run halts, when nothing is left in the queue but what only a batch may do, and that was
    /// not said yet.
    pub(super) fn stranded(&self, now: Timestamp) -> Option<Halt> {
        let is_settled = !self.intake.is_stale() && !self.is_one_pending();
        let is_left = self.view.ways.no_batches && self.intake.holds_only_forced(&self.view);
        let said = self.absence.to_say().filter(|_| is_settled && is_left)?;
        Some(Halt {
            reason: HaltReason::NoBatches,
            ..Halt::new(said.class, self.words(&said.message), now)
        })
    }

    /// Whether there are Message Batches is tried again, from the next create call on.
    pub(super) fn try_batches_again(&mut self) {
        self.view.ways.no_batches = false;
        self.absence.forgive();
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
