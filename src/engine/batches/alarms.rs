//! Answers of the Batches API that no batch can get past, and when they are believed. One of them may
//! pass, or be about the one batch: where calls have gone well it is tried again, and the run halts
//! when several in a row say so. A limit that lets nothing through is waited for, but not for ever.

use std::time::Duration;

use jiff::Timestamp;

use super::planner::Planner;
use crate::clock::add;
use crate::engine::outcome::halt_for;
use crate::model::{BatchId, Budget, ErrorClass, Halt, OnHalt};
use crate::policy::CONFIRM_AFTER;
use crate::provider::Failure;

/// So many in a row are believed where calls have gone well.
const BELIEVED_AFTER: u32 = 3;

/// A limit at which no batch has been created since the start is waited for so long, times the retry
/// scale: no window of requests is longer than some minutes.
const HOPELESS_AFTER: Duration = Duration::from_mins(15);

/// The same of a full queue: what others have in it is processed, or expires, within a day.
const FULL_FOR_EVER_AFTER: Duration = Duration::from_hours(24);

/// What the calls have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Alarms {
    in_row: u32,
    went_well: bool,
}

impl Alarms {
    /// A call went well.
    pub(super) fn calmed(&mut self) {
        *self = Self {
            in_row: 0,
            went_well: true,
        };
    }

    /// A call was refused for what concerns all. Whether that is believed.
    pub(super) fn raised(&mut self) -> bool {
        self.in_row += 1;
        let believed = !self.went_well || self.in_row >= BELIEVED_AFTER;
        if believed {
            *self = Self::default();
        }
        believed
    }
}

impl Planner {
    /// A create call was refused for what no batch can get past. What may be about the way of this one
    /// alone is narrowed down to the entry at fault.
    pub(super) fn on_alarm_at_create(
        &mut self,
        batch: BatchId,
        failure: Box<Failure>,
        now: Timestamp,
    ) {
        if self.alarms.went_well && failure.class == ErrorClass::WrongEndpoint {
            return self.on_unnamed(batch, failure, now);
        }
        if self.alarms.raised() {
            return self.halt(halt_for(failure.class, &failure.evidence, now), now);
        }
        self.create_due = add(now, CONFIRM_AFTER.mul_f64(self.view.scale));
        self.tell_waiting(batch, &failure, self.create_due);
    }

    /// The reason to halt for a limit at which no batch has been created for too long. As long as
    /// batches of ours are processed, they may be what fills it.
    pub(super) fn hopeless_limit(&mut self, failure: &Failure, now: Timestamp) -> Option<Halt> {
        let class = failure.class;
        let patience = match class {
            ErrorClass::BatchQueueFull => FULL_FOR_EVER_AFTER,
            _ => HOPELESS_AFTER,
        };
        let is_limit = class.budget() == Budget::RateLimits || class == ErrorClass::BatchQueueFull;
        if !is_limit || self.on_halt == OnHalt::Wait || self.remote_batches() > 0 {
            self.limited_since = None;
            return None;
        }
        let since = *self.limited_since.get_or_insert(now);
        if add(since, patience.mul_f64(self.view.scale)) > now {
            return None;
        }
        let said = failure.evidence.message.as_deref();
        let said = said.unwrap_or(class.info().meaning);
        let waited = now.duration_since(since).as_secs_f64();
        let message = format!(
            "no batch could be created for {waited:.0} s, because of a limit: {said}. `claude-run resume {} --lane live` sends the jobs live, at the full price",
            self.run
        );
        Some(Halt::new(class, message, now))
    }
}

#[cfg(test)]
mod tests {
    use super::Alarms;

    #[test]
    fn one_alarm_is_enough_where_nothing_went_well_and_three_in_a_row_where_something_did() {
        let mut alarms = Alarms::default();
        assert!(alarms.raised());
        alarms.calmed();
        assert_eq!([(); 3].map(|()| alarms.raised()), [false, false, true]);
        assert!(alarms.raised(), "after a halt one is enough");
        alarms.calmed();
        assert_eq!([(); 2].map(|()| alarms.raised()), [false; 2]);
        alarms.calmed();
        assert!(!alarms.raised(), "what went well between ends the row");
    }
}
