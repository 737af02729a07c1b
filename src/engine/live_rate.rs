//! How fast the live lane works: what a deadline is reckoned with.

use std::time::Duration;

use crate::policy::LiveSpeed;

/// What is older counts less and less: by half after about this many looks.
const KEPT: f64 = 0.98;
/// With fewer looks nothing is said.
const ENOUGH: f64 = 5.0;

/// Jobs that the live lane answers a second while it has all it can do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LiveRate {
    answered: f64,
    looks: f64,
    since_look: u32,
    longest_latency: Duration,
}

impl LiveRate {
    /// A job succeeded.
    pub(super) fn succeeded(&mut self, latency: Option<Duration>) {
        self.longest_latency = self.longest_latency.max(latency.unwrap_or_default());
        self.since_look += 1;
    }

    /// A second has passed. A lane that has nothing to wait for shows nothing of what it could do.
    pub(super) fn look(&mut self, has_backlog: bool) {
        let answered = std::mem::take(&mut self.since_look);
        if has_backlog {
            self.answered = self.answered.mul_add(KEPT, f64::from(answered));
            self.looks = self.looks.mul_add(KEPT, 1.0);
        }
    }

    /// How fast it is, once that is known.
    pub(super) fn speed(&self) -> Option<LiveSpeed> {
        let is_known = self.looks >= ENOUGH && self.answered > 0.0;
        is_known.then(|| LiveSpeed {
            jobs_per_s: self.answered / self.looks,
            longest_latency: self.longest_latency,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::LiveRate;

    fn seconds(rate: &mut LiveRate, count: u32, answers: u32, has_backlog: bool) {
        for _ in 0..count {
            (0..answers).for_each(|_| rate.succeeded(Some(Duration::from_secs(3))));
            rate.look(has_backlog);
        }
    }

    #[test]
    fn a_lane_is_measured_while_it_has_more_to_do_than_it_can() {
        let mut rate = LiveRate::default();
        seconds(&mut rate, 20, 30, true);
        seconds(&mut rate, 100, 100, false);
        let speed = rate.speed().unwrap();
        assert!((speed.jobs_per_s - 30.0).abs() < 0.01, "{speed:?}");
        assert_eq!(speed.longest_latency, Duration::from_secs(3));
    }

    #[test]
    fn the_rate_follows_and_says_nothing_too_early() {
        let mut rate = LiveRate::default();
        seconds(&mut rate, 1, 1, true);
        assert_eq!(rate.speed(), None);
        seconds(&mut rate, 100, 50, true);
        seconds(&mut rate, 300, 10, true);
        let speed = rate.speed().unwrap();
        assert!((speed.jobs_per_s - 10.0).abs() < 0.5, "{speed:?}");
    }
}
