//! When the requests of a batch are due, and when it closes. Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::{BatchProgress, BatchSettings};
use crate::simulator::dice::whole;
use crate::simulator::faults::BatchFaultOptions;

/// The timetable of one batch, in real time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) created: Instant,
    takes: Duration,
    cancel_takes: Duration,
    lifetime: Duration,
    archive_after: Duration,
    hidden_for: Duration,
    unlisted_for: Duration,
    progress: BatchProgress,
    /// All requests.
    count: u32,
    /// Those that get done before it stalls.
    reachable: u32,
}

impl Timing {
    pub(super) fn new(
        settings: &BatchSettings,
        options: BatchFaultOptions,
        count: u32,
        created: Instant,
    ) -> Self {
        let stall = options.stall.or(settings.stall_at);
        Self {
            created,
            takes: settings.real(options.takes.unwrap_or(settings.takes)),
            cancel_takes: settings.real(settings.cancel_takes),
            lifetime: settings.real(settings.lifetime),
            archive_after: settings.real(settings.archive_after),
            hidden_for: settings.real(options.hidden.unwrap_or(settings.hidden_for)),
            unlisted_for: settings.real(options.unlisted.unwrap_or(settings.unlisted_for)),
            progress: settings.progress,
            count,
            reachable: stall.map_or(count, |share| {
                whole(f64::from(count) * share.clamp(0.0, 1.0))
            }),
        }
    }

    /// How many requests are due by `at`.
    pub(super) fn due(&self, at: Instant) -> u32 {
        let (mut low, mut high) = (0, self.reachable);
        while low < high {
            // Searched by `due_at` and not computed backwards, so that the two always agree.
            let middle = low + (high - low) / 2;
            if self.due_at(middle) <= at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// When the request at `index` is due, unless the batch stalls before it.
    pub(super) fn due_at(&self, index: u32) -> Instant {
        let share = match self.progress {
            BatchProgress::Steady => f64::from(index + 1) / f64::from(self.count),
            BatchProgress::AtEnd => 1.0,
        };
        after(self.created, self.takes.mul_f64(share.min(1.0)))
    }

    /// When what is not done expires.
    pub(super) fn expires(&self) -> Instant {
        after(self.created, self.lifetime)
    }

    /// When a batch that is cancelled at `at` ends at the latest.
    pub(super) fn canceled(&self, at: Instant) -> Instant {
        after(at, self.cancel_takes)
    }

    pub(super) fn archived(&self) -> Instant {
        after(self.created, self.archive_after)
    }

    pub(super) fn is_hidden(&self, at: Instant) -> bool {
        at < after(self.created, self.hidden_for)
    }

    pub(super) fn is_unlisted(&self, at: Instant) -> bool {
        at < after(self.created, self.unlisted_for)
    }
}

/// What is too far away to be told comes in a century.
fn after(start: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 36_525);
    // An `Instant` cannot hold any sum.
    start + wait.min(FAR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timing(count: u32, change: impl FnOnce(&mut BatchSettings)) -> Timing {
        let mut settings = BatchSettings {
            takes: Duration::from_secs(100),
            ..BatchSettings::default()
        };
        change(&mut settings);
        Timing::new(
            &settings,
            BatchFaultOptions::default(),
            count,
            Instant::now(),
        )
    }

    fn at(timing: &Timing, seconds: u64) -> Instant {
        timing.created + Duration::from_secs(seconds)
    }

    #[test]
    fn requests_get_done_evenly() {
        let timing = timing(10, |_| ());
        let due: Vec<u32> = [0, 9, 10, 55, 99, 100, 1_000]
            .map(|seconds| timing.due(at(&timing, seconds)))
            .into();
        assert_eq!(due, [0, 0, 1, 5, 9, 10, 10]);
    }

    #[test]
    fn a_stall_is_never_passed() {
        let timing = timing(10, |settings| settings.stall_at = Some(0.4));
        assert_eq!(timing.due(at(&timing, 39)), 3);
        assert_eq!(timing.due(at(&timing, 1_000_000)), 4);
    }

    #[test]
    fn all_may_be_done_in_the_last_moment() {
        let timing = timing(10, |settings| settings.progress = BatchProgress::AtEnd);
        assert_eq!(timing.due(at(&timing, 99)), 0);
        assert_eq!(timing.due(at(&timing, 100)), 10);
    }

    #[test]
    fn a_faster_clock_shortens_everything() {
        let timing = timing(1, |settings| settings.clock = 100.0);
        assert_eq!(timing.due(at(&timing, 1)), 1);
        assert_eq!(timing.expires(), at(&timing, 864));
    }

    proptest! {
        #[test]
        fn what_is_due_was_due_at_its_time(count in 1_u32..1_000, ms in 0_u64..200_000) {
            let timing = timing(count, |_| ());
            let now = timing.created + Duration::from_millis(ms);
            let due = timing.due(now);
            prop_assert!(due == 0 || timing.due_at(due - 1) <= now);
            prop_assert!(due == count || timing.due_at(due) > now);
        }
    }
}
