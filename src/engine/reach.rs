//! Whether the endpoint answers at all.

use std::time::Duration;

use jiff::Timestamp;

use super::outcome::Outcome;
use crate::clock::add;
use crate::model::Evidence;

/// What is known of the endpoint: an address that never answers is a mistake of the settings and
/// not an outage.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// It has answered at least once in this run, whatever it said.
    pub(super) answered: bool,
    /// How the last exchange failed that brought no answer.
    pub(super) last_failure: Option<Evidence>,
    first_start: Option<Timestamp>,
}

impl Reach {
    pub(super) fn new(answered: bool) -> Self {
        Self {
            answered,
            ..Self::default()
        }
    }

    /// A request left.
    pub(super) fn started(&mut self, now: Timestamp) {
        self.first_start.get_or_insert(now);
    }

    /// A request was answered, or broke.
    pub(super) fn note(&mut self, outcome: &Outcome) {
        if outcome.answered {
            self.answered = true;
        } else {
            self.last_failure = Some(outcome.finish.record.evidence.clone());
        }
    }

    /// It is given another chance, from the next request on.
    pub(super) fn forgive(&mut self) {
        self.first_start = None;
    }

    /// When it is called unreachable, unless it answers before; `patience` runs from the first
    /// request.
    pub(super) fn unreachable_at(&self, patience: Duration) -> Option<Timestamp> {
        let silent = !self.answered && self.last_failure.is_some();
        let first = self.first_start.filter(|_| silent)?;
        Some(add(first, patience))
    }
}
