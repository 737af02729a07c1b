//! What the scheduler makes of the status page.

use jiff::Timestamp;

use super::{Effect, Scheduler};
use crate::model::PageStatus;

impl Scheduler {
    /// A look at the status page came back; true if the page's indicator changed. A page that
    /// confirms the outage makes probes rarer; what it does not know changes nothing.
    pub(in crate::engine) fn on_status(&mut self, status: PageStatus, now: Timestamp) -> bool {
        let changed = self.page.hear(status, now);
        for lane in &mut self.lanes {
            self.page
                .slow_down(&mut lane.circuit, self.retry.scale, now);
        }
        changed
    }

    /// Asks the page while a circuit is open, as often as it may be asked.
    pub(super) fn plan_look(&mut self, effects: &mut Vec<Effect>, now: Timestamp) {
        if self.next_look().is_some_and(|at| at <= now) {
            self.page.asked(now);
            effects.push(Effect::AskPage);
        }
    }

    /// When the page is to be asked next, if things stay as they are.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        let failing = self.lanes.iter().any(|lane| lane.circuit.open().is_some());
        self.page.next_look().filter(|_| failing)
    }
}
