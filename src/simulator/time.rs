//! The simulator's own sense of time.
//!
//! It reads the wall once and then follows the runtime's monotonic clock, so that buckets, caches
//! and headers agree with each other (and with virtual time in tests). It shares nothing with the
//! rest of the crate, its clock included.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::time::Instant;

/// When the simulator was started, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch {
    wall: Timestamp,
    started: Instant,
}

impl Epoch {
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulator may not see the crate's clock; this is its one reading of the wall"
    )]
    pub(super) fn begin() -> Self {
        Self {
            wall: Timestamp::now(),
            started: Instant::now(),
        }
    }

    /// Whole milliseconds since the start.
    pub(super) fn elapsed_ms(&self) -> u64 {
        self.ms_at(Instant::now())
    }

    /// Whole milliseconds from the start to `at`.
    pub(super) fn ms_at(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    /// The wall time of `at`.
    pub(super) fn wall_at(&self, at: Instant) -> Timestamp {
        SignedDuration::try_from(at.duration_since(self.started))
            .ok()
            .and_then(|since| self.wall.checked_add(since).ok())
            .unwrap_or(self.wall)
    }

    pub(super) fn wall_now(&self) -> Timestamp {
        self.wall_at(Instant::now())
    }
}

/// RFC 3339 in whole seconds, rounded up: a reset told too early would be a lie.
pub(super) fn rfc3339_seconds(at: Timestamp) -> String {
    let seconds = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    Timestamp::from_second(seconds).unwrap_or(at).to_string()
}

/// RFC 3339 with microseconds, as objects carry it.
pub(super) fn rfc3339_micros(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// An HTTP date (RFC 9110, section 5.6.7). It has whole seconds: parts of one are cut off.
pub(super) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The first day of the month after `at` in UTC: when spend limits end.
pub(super) fn first_of_next_month(at: Timestamp) -> String {
    let today = at.to_zoned(TimeZone::UTC).date();
    let next = today.last_of_month().tomorrow().unwrap_or(today);
    next.to_string()
}

/// Reads `200ms`, `1.5s`, `2m`, `1h`; a bare number is seconds.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_reset_is_rounded_up_to_the_second() {
        assert_eq!(
            rfc3339_seconds(at("2026-05-18T11:42:15.2Z")),
            "2026-05-18T11:42:16Z"
        );
        assert_eq!(
            rfc3339_seconds(at("2026-05-18T11:42:16Z")),
            "2026-05-18T11:42:16Z"
        );
    }

    #[test]
    fn an_http_date_has_the_fixed_form() {
        assert_eq!(
            http_date(at("2026-11-06T08:49:37.9Z")),
            "Fri, 06 Nov 2026 08:49:37 GMT"
        );
    }

    #[test]
    fn spend_limits_end_with_the_month() {
        assert_eq!(
            first_of_next_month(at("2026-12-31T23:59:59Z")),
            "2027-01-01"
        );
        assert_eq!(
            first_of_next_month(at("2026-02-01T00:00:00Z")),
            "2026-03-01"
        );
    }

    #[test]
    fn durations_have_units() {
        let cases = [
            ("200ms", Some(200)),
            ("1.5s", Some(1500)),
            ("2", Some(2000)),
            ("1m", Some(60_000)),
            ("-1s", None),
            ("fast", None),
            ("3d", None),
        ];
        for (text, ms) in cases {
            assert_eq!(
                parse_duration(text),
                ms.map(Duration::from_millis),
                "{text}"
            );
        }
    }
}
