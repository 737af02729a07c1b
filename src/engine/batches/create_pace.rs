//! When the next batch may be created after one was refused for want of room, and for how long that is
//! hoped for. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::view::View;
use crate::clock::add;
use crate::model::{Budget, ErrorClass};
use crate::policy::{CONFIRM_AFTER, LONGEST_HINT, patience};

/// A create call that is refused for want of room is tried again after twice the time, and so on.
const MOST_DOUBLINGS: u32 = 10;

/// A limit at which no batch has been created since the start is waited for so long, times the retry
/// scale: no window of requests is longer than some minutes.
const HOPELESS_AFTER: Duration = Duration::from_mins(15);

/// The same of a full queue: what others have in it is processed, or expires, within a day.
const FULL_FOR_EVER_AFTER: Duration = Duration::from_hours(24);

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct CreatePace {
    /// No batch is created before.
    pub(super) due: Timestamp,
    refusals: u32,
    /// Since when a limit has been reached that lets no batch be created.
    limited_since: Option<Timestamp>,
}

impl CreatePace {
    pub(super) fn new() -> Self {
        Self {
            due: Timestamp::MIN,
            refusals: 0,
            limited_since: None,
        }
    }

    /// A batch was created.
    pub(super) fn accepted(&mut self) {
        (self.refusals, self.limited_since) = (0, None);
    }

    /// There is no room for it, or no way to the API. When the next one is tried, at least `hint` from
    /// now.
    pub(super) fn refused(
        &mut self,
        view: &View,
        hint: Option<Duration>,
        now: Timestamp,
    ) -> Timestamp {
        let settings = &view.settings;
        let doublings = 2_u32.pow(self.refusals.min(MOST_DOUBLINGS));
        let own = settings.poll_min.saturating_mul(doublings);
        let own = own.min(settings.poll_max).mul_f64(view.scale);
        self.refusals += 1;
        self.due = add(now, own.max(hint.unwrap_or_default().min(LONGEST_HINT)));
        self.due
    }

    /// What no batch can get past was said once, where calls have gone well. When it is asked again.
    pub(super) fn doubted(&mut self, view: &View, now: Timestamp) -> Timestamp {
        self.due = add(now, CONFIRM_AFTER.mul_f64(view.scale));
        self.due
    }

    /// For how long a limit has let no batch be created, if that is too long. While `may_be_ours`,
    /// batches of ours may be what fills it, and nothing is said.
    pub(super) fn hopeless_for(
        &mut self,
        class: ErrorClass,
        may_be_ours: bool,
        view: &View,
        now: Timestamp,
    ) -> Option<Duration> {
        let unscaled = match class {
            ErrorClass::BatchQueueFull => FULL_FOR_EVER_AFTER,
            _ => HOPELESS_AFTER,
        };
        let is_limit = class.budget() == Budget::RateLimits || class == ErrorClass::BatchQueueFull;
        if !is_limit || may_be_ours {
            self.limited_since = None;
            return None;
        }
        let since = *self.limited_since.get_or_insert(now);
        let is_too_long = add(since, patience(unscaled, view.scale)) <= now;
        is_too_long.then(|| Duration::try_from(now.duration_since(since)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::CreatePace;
    use crate::clock::add;
    use crate::engine::batches::testing::{start, view};
    use crate::model::ErrorClass;

    #[test]
    fn each_refusal_doubles_the_wait_and_a_hint_is_kept_to() {
        let (mut pace, view) = (CreatePace::new(), view());
        let least = view.settings.poll_min;
        for wait in [least, least * 2, least * 4] {
            assert_eq!(pace.refused(&view, None, start()), add(start(), wait));
        }
        let hint = view.settings.poll_max * 2;
        assert_eq!(pace.refused(&view, Some(hint), start()), add(start(), hint));
        pace.accepted();
        assert_eq!(pace.refused(&view, None, start()), add(start(), least));
    }

    #[test]
    fn a_limit_is_hopeless_after_a_quarter_of_an_hour_and_a_full_queue_after_a_day() {
        let view = view();
        for (class, minutes, is_hopeless) in [
            (ErrorClass::RateLimited, 14, false),
            (ErrorClass::RateLimited, 15, true),
            (ErrorClass::BatchQueueFull, 23 * 60, false),
            (ErrorClass::BatchQueueFull, 24 * 60, true),
            (ErrorClass::Connect, 48 * 60, false),
        ] {
            let mut pace = CreatePace::new();
            assert_eq!(pace.hopeless_for(class, false, &view, start()), None);
            let waited = Duration::from_mins(minutes);
            let then = add(start(), waited);
            let found = pace.hopeless_for(class, false, &view, then);
            assert_eq!(found, is_hopeless.then_some(waited), "{class:?} {minutes}");
            assert_eq!(pace.hopeless_for(class, true, &view, then), None, "ours");
            assert_eq!(pace.hopeless_for(class, false, &view, then), None, "anew");
        }
    }
}
