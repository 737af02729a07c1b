//! What the scheduler makes of the status page.

use jiff::Timestamp;

use super::{Effect, Scheduler};
use crate::engine::model_queue::ModelQueue;
use crate::model::{Endpoint, PageStatus};

impl Scheduler {
    /// Whether nothing works for this model, and the status page says so too: the first endpoint
    /// keeps failing, and no second serves in its place.
    pub(super) fn is_confirmed_outage(&self, queue: &ModelQueue, now: Timestamp) -> bool {
        let circuit = &queue.routes.to(Endpoint::First).circuit;
        self.page.confirms_outage_of(circuit, now) && !queue.routes.second_serves(now)
    }

    /// A look at the status page came back; true if the page's indicator changed. A page that
    /// confirms the outage makes probes rarer; what it does not know changes nothing.
    pub(in crate::engine) fn on_status(&mut self, status: PageStatus, now: Timestamp) -> bool {
        let changed = self.page.hear(status, now);
        let (page, scale) = (&self.page, self.retry.scale);
        self.queues.each_failing(|queue| {
            let first = queue.routes.to_mut(Endpoint::First);
            page.slow_down(&mut first.circuit, scale, now);
        });
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
        let is_failing = self.queues.is_failing();
        self.page.next_look().filter(|_| is_failing)
    }
}
