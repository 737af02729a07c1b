//! Time that passed without us: the process was stopped, the machine slept, or its clock was set.

use std::time::Duration;

use jiff::Timestamp;

use super::Dispatcher;
use crate::clock::add;
use crate::model::EventKind;
use crate::provider::Provider;
use crate::store::Store;

/// So many ticks the loop never waits.
const LATE_TICKS: u32 = 3;
/// What lasted no longer is not worth a word.
const REMARKABLE: Duration = Duration::from_secs(2);

impl<S: Store, P: Provider> Dispatcher<'_, S, P> {
    /// The loop has waited since then. If that was longer than it ever waits, the process stood
    /// still: what lies in the sockets comes first, so the grace goes on by that much.
    pub(super) fn notice_standstill(&mut self, since: Timestamp) {
        let now = self.clock.now();
        let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        if waited < self.settings.heartbeat.tick * LATE_TICKS {
            return;
        }
        if let Some(at) = &mut self.abandon_at {
            *at = add(*at, waited);
        }
        if waited >= REMARKABLE {
            let for_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            self.tell(now, EventKind::StoodStill { for_ms });
        }
    }

    /// Follows a wall that was set, and tells of it.
    pub(super) fn follow_wall(&mut self) {
        if let Some(step) = self.clock.follow_wall(&mut self.wall_behind) {
            let by_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
            self.tell(self.clock.now(), EventKind::ClockSet { by_ms });
        }
    }
}
