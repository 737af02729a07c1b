//! How fast jobs end: counts by time over a sliding window.

use std::collections::VecDeque;

use jiff::Timestamp;

/// What the window looks back on: long enough to be calm, short enough to show a stall.
const WINDOW_MS: i64 = 10_000;
/// Ends within one slot count as one time, so the window holds a hundred slots at most.
const SLOT_MS: i64 = 100;

/// Remembers when jobs ended within the last ten seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct RateWindow {
    slots: VecDeque<(i64, u64)>,
}

impl RateWindow {
    /// Counts one end. Times are expected in order; an earlier one counts as the latest.
    pub(super) fn record(&mut self, at: Timestamp) {
        let slot = at.as_millisecond().div_euclid(SLOT_MS) * SLOT_MS;
        match self.slots.back_mut() {
            // A clock that was set back counts into the last slot, so that slots stay in order.
            Some((last, count)) if slot <= *last => *count += 1,
            _ => self.slots.push_back((slot, 1)),
        }
        while self
            .slots
            .front()
            .is_some_and(|(first, _)| slot - first > WINDOW_MS)
        {
            self.slots.pop_front();
        }
    }

    /// How many ended in the ten seconds before `now`, and over how many seconds that was: fewer
    /// than ten when the run is younger, but never less than one.
    pub(super) fn look_back(&self, started: Timestamp, now: Timestamp) -> (u64, f64) {
        let now_ms = now.as_millisecond();
        let oldest = now_ms - WINDOW_MS;
        let ended = self.slots.iter().rev();
        let count = ended
            .take_while(|(slot, _)| *slot > oldest - SLOT_MS)
            .map(|(_, count)| count)
            .sum();
        // At least a second: the first answers would show as thousands a second.
        let age_ms = (now_ms - started.as_millisecond()).clamp(1_000, WINDOW_MS);
        let seconds = f64::from(i32::try_from(age_ms).unwrap_or(i32::MAX)) / 1e3;
        (count, seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::RateWindow;
    use jiff::Timestamp;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    #[test]
    fn what_is_older_than_ten_seconds_no_longer_counts() {
        let mut window = RateWindow::default();
        for ms in [0, 50, 5_000, 9_000] {
            window.record(at(ms));
        }
        assert_eq!(window.look_back(at(0), at(9_000)), (4, 9.0));
        assert_eq!(window.look_back(at(0), at(12_000)), (2, 10.0));
        assert_eq!(window.look_back(at(0), at(60_000)), (0, 10.0));
    }

    #[test]
    fn a_young_run_is_measured_over_its_own_age() {
        let mut window = RateWindow::default();
        window.record(at(100));
        assert_eq!(window.look_back(at(0), at(100)), (1, 1.0));
        assert_eq!(window.look_back(at(0), at(4_000)), (1, 4.0));
    }

    #[test]
    fn the_window_stays_small_whatever_the_rate() {
        let mut window = RateWindow::default();
        for ms in 0..60_000 {
            window.record(at(ms));
        }
        assert!(window.slots.len() <= 102, "{}", window.slots.len());
        let (count, seconds) = window.look_back(at(0), at(60_000));
        assert_eq!((count / 1_000, seconds), (10, 10.0));
    }

    #[test]
    fn a_time_that_steps_back_is_counted_and_breaks_nothing() {
        let mut window = RateWindow::default();
        window.record(at(500));
        window.record(at(-500));
        assert_eq!(window.look_back(at(0), at(600)).0, 2);
    }
}
