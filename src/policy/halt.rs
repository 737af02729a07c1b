//! When a halted run may try again by itself.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::add;

/// A halt that names no time is tried again so often, with one request.
const PROBE_EVERY: Duration = Duration::from_mins(5);

/// When to try again: at the time that the message names, else after five minutes, scaled.
#[must_use]
pub fn next_try(message: &str, scale: f64, now: Timestamp) -> Timestamp {
    regain_time(message)
        .filter(|regain| *regain > now)
        .unwrap_or_else(|| add(now, PROBE_EVERY.mul_f64(scale)))
}

/// The time in "You will regain access on 2026-12-01 at 00:00 UTC": how the API words its spend
/// limits. None if there is no such time in the text.
#[must_use]
pub fn regain_time(message: &str) -> Option<Timestamp> {
    let (_, after) = message.split_once("regain access on ")?;
    let date: Date = after.get(..10)?.parse().ok()?;
    let clock = after.get(10..).and_then(|rest| rest.strip_prefix(" at "));
    let (hour, minute) = clock.and_then(hour_and_minute).unwrap_or((0, 0));
    let at = date.at(hour, minute, 0, 0).to_zoned(TimeZone::UTC).ok()?;
    Some(at.timestamp())
}

fn hour_and_minute(text: &str) -> Option<(i8, i8)> {
    let hour: i8 = text.get(..2)?.parse().ok()?;
    let minute: i8 = text.get(2..5)?.strip_prefix(':')?.parse().ok()?;
    ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some((hour, minute))
}

#[cfg(test)]
mod tests {
    use super::{next_try, regain_time};

    #[test]
    fn the_time_of_regain_is_read_from_the_message() {
        let read = |text: &str| regain_time(text).map(|at| at.to_string());
        for (text, at) in [
            (
                "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
                Some("2026-12-01T00:00:00Z"),
            ),
            (
                "... regain access on 2027-01-01 at 13:30 UTC.",
                Some("2027-01-01T13:30:00Z"),
            ),
            ("regain access on 2026-12-01.", Some("2026-12-01T00:00:00Z")),
            ("regain access on 2026-13-45 at 00:00 UTC", None),
            ("regain access on soon", None),
            ("regain access on é2026-12-0", None),
            ("Your credit balance is too low", None),
        ] {
            assert_eq!(read(text).as_deref(), at, "{text}");
        }
    }

    #[test]
    fn a_halt_without_a_time_is_tried_again_in_five_minutes() {
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        assert_eq!(
            next_try("no credit", 1.0, now).to_string(),
            "2026-11-22T00:05:00Z"
        );
        assert_eq!(
            next_try("no credit", 0.1, now).to_string(),
            "2026-11-22T00:00:30Z"
        );
        let past = "regain access on 2026-11-01 at 00:00 UTC";
        assert_eq!(next_try(past, 1.0, now).to_string(), "2026-11-22T00:05:00Z");
    }
}
