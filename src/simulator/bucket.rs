//! One token bucket. Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

const SECONDS_PER_MINUTE: f64 = 60.0;
/// What may be missing, as a part of the capacity: sums of fractions are a little off, and a wait
/// that was told must be enough.
const TOLERANCE: f64 = 1e-9;

/// A bucket that refills continuously. What is taken may exceed what is there: the level then goes
/// below zero, and the debt is paid off by waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    capacity: f64,
    per_second: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket of `per_minute`, that holds what comes in during `burst` (at least one).
    pub(super) fn new(per_minute: u32, burst: Duration, now: Instant) -> Self {
        let per_second = f64::from(per_minute) / SECONDS_PER_MINUTE;
        let capacity = (per_second * burst.as_secs_f64()).max(1.0);
        Self {
            capacity,
            per_second,
            level: capacity,
            at: now,
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.capacity);
        self.at = self.at.max(now);
    }

    /// What is there now; below zero in debt.
    pub(super) fn level(&mut self, now: Instant) -> f64 {
        self.refill(now);
        self.level
    }

    /// How long until `amount` is there; zero if it is. What exceeds the capacity waits for a full
    /// bucket, for more there will never be.
    pub(super) fn wait_for(&mut self, amount: f64, now: Instant) -> Duration {
        // What is larger than the bucket goes when it is full, and leaves a debt.
        let wanted = amount.min(self.capacity);
        self.time_to(wanted, now)
    }

    /// How long until the bucket is full.
    pub(super) fn full_in(&mut self, now: Instant) -> Duration {
        self.time_to(self.capacity, now)
    }

    fn time_to(&mut self, wanted: f64, now: Instant) -> Duration {
        self.refill(now);
        let missing = wanted - self.level;
        if missing <= TOLERANCE * self.capacity {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(missing / self.per_second).unwrap_or(Duration::MAX)
    }

    /// Takes `amount` out, into debt if need be.
    pub(super) fn take(&mut self, amount: f64, now: Instant) {
        self.refill(now);
        self.level -= amount;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn it_refills_continuously_up_to_its_capacity() {
        let start = Instant::now();
        let mut bucket = Bucket::new(600, Duration::from_secs(2), start);
        bucket.take(20.0, start);
        assert!(close(bucket.level(start), 0.0));
        assert!(close(bucket.level(start + Duration::from_millis(250)), 2.5));
        assert!(close(bucket.level(start + Duration::from_mins(1)), 20.0));
    }

    #[test]
    fn a_wait_is_exactly_long_enough() {
        let start = Instant::now();
        let mut bucket = Bucket::new(60, Duration::from_secs(10), start);
        bucket.take(10.0, start);
        let wait = bucket.wait_for(3.0, start);
        assert_eq!(wait, Duration::from_secs(3));
        assert_eq!(bucket.full_in(start), Duration::from_secs(10));
        assert_eq!(bucket.wait_for(3.0, start + wait), Duration::ZERO);
    }

    #[test]
    fn more_than_the_capacity_waits_for_a_full_bucket() {
        let start = Instant::now();
        let mut bucket = Bucket::new(60, Duration::from_secs(10), start);
        assert_eq!(bucket.wait_for(500.0, start), Duration::ZERO);
        bucket.take(500.0, start);
        assert_eq!(bucket.wait_for(1.0, start), Duration::from_secs(491));
    }

    #[test]
    fn time_that_runs_backwards_gives_nothing() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut bucket = Bucket::new(60, Duration::from_secs(10), start);
        bucket.take(10.0, start);
        assert!(close(bucket.level(start - Duration::from_secs(50)), 0.0));
        assert!(close(bucket.level(start), 0.0));
    }

    proptest! {
        #[test]
        fn never_more_passes_than_the_burst_and_the_rate_allow(
            gaps in prop::collection::vec(0_u64..2_000, 1..200),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(120, Duration::from_secs(5), start);
            let (mut now, mut passed) = (start, 0_u32);
            for gap in gaps {
                now += Duration::from_millis(gap);
                if bucket.wait_for(1.0, now).is_zero() {
                    bucket.take(1.0, now);
                    passed += 1;
                }
            }
            let allowed = 10.0 + 2.0 * (now - start).as_secs_f64();
            prop_assert!(f64::from(passed) <= allowed + 1e-6);
        }
    }
}
