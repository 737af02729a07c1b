//! What the scheduler makes of a second endpoint.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Effect, QueueChange, Scheduler};
use crate::engine::outcome::Unfit;

impl Scheduler {
    /// Tells which models' requests go another way than when it was looked last.
    pub(super) fn plan_diversions(
        &mut self,
        effects: &mut Vec<Effect>,
        looked_at: &BTreeSet<usize>,
        now: Timestamp,
    ) {
        for at in looked_at {
            let queue = self.queues.noting(*at);
            let turned = queue.routes.turned(now);
            effects.extend(turned.map(|to| Effect::Divert(queue.model.clone(), to)));
        }
    }

    /// Whether the requests of some model go to the second endpoint, as of the last plan.
    pub(super) fn is_diverted(&self) -> bool {
        self.queues.is_diverted()
    }

    /// The second endpoint cannot serve this model, or none: the first is probed as if there were
    /// no second. Told once.
    pub(super) fn switch_second_off(&mut self, model: &str, unfit: &Unfit) -> QueueChange {
        let mut was_on = false;
        if unfit.any_model {
            self.queues
                .each(|queue| was_on |= queue.routes.switch_second_off());
            self.second = None;
        } else if let Some(mut queue) = self.queues.of_mut(model) {
            was_on = queue.routes.switch_second_off();
        }
        if was_on {
            QueueChange::SecondOff(unfit.clone())
        } else {
            QueueChange::None
        }
    }

    /// When the first endpoint is called unreachable, unless it answers before: not while the second
    /// serves in its place, nor before that could take over.
    pub(super) fn unreachable_at(&self) -> Option<Timestamp> {
        if self.is_diverted() {
            return None;
        }
        let second = self.second.as_ref().map(|second| second.after);
        self.gate.unreachable_at(second.unwrap_or_default())
    }
}
