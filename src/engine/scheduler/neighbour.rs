//! What the live lane and the batch lane know of each other.

use jiff::Timestamp;

use super::{Leave, Scheduler};
use crate::model::{Halt, Tokens};
use crate::policy::Estimator;

impl Scheduler {
    /// Whether the batch lane has work.
    pub(in crate::engine) fn on_beside(&mut self, busy: bool) {
        self.beside = busy;
    }

    /// What guesses rest on.
    pub(in crate::engine) fn estimator(&self) -> &Estimator {
        self.throttles.estimator()
    }

    /// A request of a batch, whose prompt was counted so, used so much.
    pub(in crate::engine) fn learn(&mut self, model: &str, tokens: f64, used: &Tokens) {
        self.throttles.learn(model, tokens, used);
    }

    /// No job can succeed, as the batch lane found.
    pub(in crate::engine) fn on_halt(&mut self, halt: Halt) {
        self.leave(Leave::Halted(halt));
    }

    /// Jobs of some model were put aside by the batch lane.
    pub(in crate::engine) fn on_held(&mut self, because: Halt) {
        self.held_because.get_or_insert(because);
    }

    /// Why the run is being left, if it is.
    pub(in crate::engine) fn leaving(&self) -> Option<&Leave> {
        self.leaving.as_ref()
    }

    /// Jobs that wait for the live lane.
    pub(in crate::engine) fn queued(&self) -> u64 {
        self.queues.queued()
    }

    /// Since when every model with jobs to do has been failing.
    pub(in crate::engine) fn down_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.queues.down_since(now)
    }
}
