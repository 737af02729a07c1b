//! How densely requests may leave, so that none leave in a burst.
//!
//! The API says that a limit by the minute may be enforced over shorter spans. Where the limit is
//! large and the bucket is full, starts may run ahead of the mean rate some times over; where it is
//! small, or where the server has shown that it counts shorter spans, they keep to the rate.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::numbers::seconds_between;
use crate::clock::add;

/// How many times the mean rate a full bucket may be spent with.
const HASTE: f64 = 4.0;
/// Below this many requests per minute starts keep to the rate: there a second is a short span.
const LEAST_HASTY: f64 = 300.0;
/// A start is drawn by up to this much of its distance to both sides.
const JITTER: f64 = 0.2;
/// Where starts keep to the rate, the server may save up a single one: what comes early is refused.
/// There a start is only ever drawn to be later.
const LATE_JITTER: f64 = 0.04;
/// What a late wake-up may make good.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Keeps the distance between starts.
#[derive(Clone, Debug, Default)]
pub(super) struct Pacer {
    next: Option<Timestamp>,
    /// Parts of a millisecond that the times above cannot hold.
    rest_s: f64,
    even: bool,
}

impl Pacer {
    /// The server refused although it says that enough was left: it counts shorter spans.
    pub(super) fn keep_to_the_rate(&mut self) {
        self.even = true;
    }

    /// When the next start may be.
    pub(super) fn next(&self, now: Timestamp) -> Timestamp {
        self.next.unwrap_or(now)
    }

    /// The least distance between starts at this many requests per minute.
    pub(super) fn interval_s(&self, per_minute: f64) -> f64 {
        let haste = if self.is_hasty(per_minute) {
            HASTE
        } else {
            1.0
        };
        60.0 / per_minute / haste
    }

    fn is_hasty(&self, per_minute: f64) -> bool {
        !self.even && per_minute >= LEAST_HASTY
    }

    /// By what the distance to the next start is multiplied.
    fn draw(&self, per_minute: f64, rng: &mut Rng) -> f64 {
        if self.is_hasty(per_minute) {
            1.0 + JITTER * (2.0 * rng.f64() - 1.0)
        } else {
            1.0 + LATE_JITTER * rng.f64()
        }
    }

    pub(super) fn started(&mut self, per_minute: f64, now: Timestamp, rng: &mut Rng) {
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        let from = match self.next {
            // A late wake-up of the loop is made good, or the rate would never be reached.
            Some(next) if !self.even => next.max(earliest),
            // A server that counts short spans takes no start before its time.
            Some(next) => next.max(now),
            None => now,
        };
        let wait_s = self.interval_s(per_minute) * self.draw(per_minute, rng) + self.rest_s;
        // The clock of the loop has milliseconds; what is cut off is added to the next wait.
        let whole_ms = (wait_s * 1_000.0).floor() / 1_000.0;
        self.rest_s = wait_s - whole_ms;
        self.next = Some(add(from, Duration::from_secs_f64(whole_ms)));
    }

    /// How many starts fit within this many seconds.
    pub(super) fn times(&self, per_minute: f64, within_s: f64, now: Timestamp) -> f64 {
        let until_next = seconds_between(now, self.next(now));
        (within_s - until_next).max(0.0) / self.interval_s(per_minute) + 1.0
    }
}
