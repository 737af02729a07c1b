//! What the scheduler makes of a second endpoint.

use jiff::Timestamp;

use super::{Effect, LaneChange, Scheduler};
use crate::engine::outcome::Unfit;

impl Scheduler {
    /// Tells which models' requests go another way than when it was looked last.
    pub(super) fn plan_diversions(&mut self, effects: &mut Vec<Effect>, now: Timestamp) {
        for lane in &mut self.lanes {
            let turned = lane.roads.turned(now);
            effects.extend(turned.map(|to| Effect::Divert(lane.model.clone(), to)));
        }
    }

    /// Whether the requests of some model go to the second endpoint, as of the last plan.
    pub(super) fn is_diverted(&self) -> bool {
        let mut lanes = self.lanes.iter();
        lanes.any(|lane| lane.roads.is_diverted(self.planned_at))
    }

    /// The second endpoint cannot serve this model, or none: the first is probed as if there were
    /// no second. Told once.
    pub(super) fn switch_second_off(&mut self, model: &str, unfit: &Unfit) -> LaneChange {
        let mut was_on = false;
        for lane in &mut self.lanes {
            if unfit.any_model || lane.model == model {
                was_on |= lane.roads.switch_second_off();
            }
        }
        if unfit.any_model {
            self.second = None;
        }
        if was_on {
            LaneChange::SecondOff(unfit.clone())
        } else {
            LaneChange::None
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
