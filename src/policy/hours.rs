//! The hours in which requests may be sent: `18:00-08:00@America/Los_Angeles`.
//!
//! A window is a span of local time of day; its end does not belong to it, and it may reach over
//! midnight. It is open whenever the local clock shows a time in it: on the day when the clock is put
//! forward it opens with the first moment after the gap, and an hour that comes twice counts twice.
//! Names of time zones are found in the system's database, else in the one that is built in.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

/// A daily window of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    from: Time,
    to: Time,
    zone: TimeZone,
    text: String,
}

/// Why a text is no window of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// It is not of the form.
    #[error(
        "`{0}` is no window of time: write from, to and the time zone, as 18:00-08:00@America/Los_Angeles"
    )]
    Form(String),
    /// A time of day that no clock shows.
    #[error("`{0}` is no time of day: write 00:00 to 23:59")]
    Time(String),
    /// From a time to the same time.
    #[error("the window begins and ends at {0}: leave it out to send at any time")]
    Empty(String),
    /// No time zone has that name.
    #[error("`{0}` is no time zone: write one of the IANA names, such as Europe/Berlin or UTC")]
    Zone(String),
}

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let form = || HoursError::Form(text.to_owned());
        let (span, zone) = text.trim().split_once('@').ok_or_else(form)?;
        let (from, to) = span.split_once('-').ok_or_else(form)?;
        let (from, to) = (time(from.trim())?, time(to.trim())?);
        if from == to {
            return Err(HoursError::Empty(from.strftime("%H:%M").to_string()));
        }
        let name = zone.trim();
        let zone = TimeZone::get(name).map_err(|_| HoursError::Zone(name.to_owned()))?;
        Ok(Self {
            from,
            to,
            zone,
            text: text.trim().to_owned(),
        })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Hours {
    /// Whether requests may be sent now.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let time = now.to_zoned(self.zone.clone()).time();
        // Else the window spans midnight, and is open on both sides of it.
        if self.from < self.to {
            self.from <= time && time < self.to
        } else {
            time >= self.from || time < self.to
        }
    }

    /// When requests may be sent next: now, if they may.
    #[must_use]
    pub fn next_open(&self, now: Timestamp) -> Timestamp {
        if self.is_open(now) {
            return now;
        }
        let today = now.to_zoned(self.zone.clone()).date();
        // A window may be lost in the gap of one day, so that two days ahead are not enough.
        let days = (0..4).filter_map(|day| today.checked_add(Span::new().days(day)).ok());
        let starts = days.flat_map(|day| {
            let start = self.zone.to_ambiguous_zoned(day.to_datetime(self.from));
            // Where the clock is put back the start comes twice; either may be the next.
            [start.clone().earlier(), start.later()]
        });
        let starts = starts.flatten().map(|start| start.timestamp());
        // Where the clock is put forward or back, a window may open without its start being shown.
        let changes = self
            .zone
            .following(now)
            .take(1)
            .map(|change| change.timestamp());
        starts
            .chain(changes)
            // A start in a gap is shifted, and may then lie outside of the window.
            .filter(|at| *at > now && self.is_open(*at))
            .min()
            // No start within four days is a zone that we do not foresee: look again in an hour.
            .unwrap_or_else(|| now.checked_add(1.hour()).unwrap_or(Timestamp::MAX))
    }
}

fn time(text: &str) -> Result<Time, HoursError> {
    let bad = || HoursError::Time(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let is_number =
        |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    // `+8:00` and `8:5` would parse as numbers, and be somebody's slip.
    if !is_number(hour) || !is_number(minute) || minute.len() != 2 {
        return Err(bad());
    }
    let number = |part: &str| part.parse().map_err(|_| bad());
    Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{Hours, HoursError};
    use crate::clock::add;

    fn hours(text: &str) -> Hours {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_opens_and_closes_by_the_local_clock() {
        let night = "18:00-08:00@America/Los_Angeles";
        let noon = "12:00-13:30@Europe/Berlin";
        for (window, now, next) in [
            // Over midnight, in winter (UTC-8) and in summer (UTC-7).
            (night, "2026-01-10T01:59:59Z", "2026-01-10T02:00:00Z"),
            (night, "2026-01-10T02:00:00Z", "2026-01-10T02:00:00Z"),
            (night, "2026-01-10T15:59:59Z", "2026-01-10T15:59:59Z"),
            (night, "2026-01-10T16:00:00Z", "2026-01-11T02:00:00Z"),
            (night, "2026-07-10T00:59:59Z", "2026-07-10T01:00:00Z"),
            (night, "2026-07-10T15:00:00Z", "2026-07-11T01:00:00Z"),
            // Within a day.
            (noon, "2026-01-10T10:00:00Z", "2026-01-10T11:00:00Z"),
            (noon, "2026-01-10T12:29:59Z", "2026-01-10T12:29:59Z"),
            (noon, "2026-01-10T12:30:00Z", "2026-01-11T11:00:00Z"),
            (
                "0:00-6:30@UTC",
                "2026-01-10T06:30:00Z",
                "2026-01-11T00:00:00Z",
            ),
            (
                " 22:00 - 23:00 @ Asia/Kolkata ",
                "2026-01-10T16:00:00Z",
                "2026-01-10T16:30:00Z",
            ),
        ] {
            let window_is = hours(window);
            assert_eq!(window_is.next_open(at(now)), at(next), "{window} at {now}");
            assert_eq!(window_is.is_open(at(now)), now == next, "{window} at {now}");
        }
    }

    #[test]
    fn it_is_right_on_the_days_when_the_clock_is_put_forward_or_back() {
        // 2026-03-08: 02:00 becomes 03:00 at 10:00 UTC. 2026-11-01: 02:00 becomes 01:00 at 09:00 UTC.
        for (window, now, next) in [
            // The night is an hour shorter, or longer.
            (
                "18:00-08:00",
                "2026-03-08T14:59:59Z",
                "2026-03-08T14:59:59Z",
            ),
            (
                "18:00-08:00",
                "2026-03-08T15:00:00Z",
                "2026-03-09T01:00:00Z",
            ),
            (
                "18:00-08:00",
                "2026-11-01T15:59:59Z",
                "2026-11-01T15:59:59Z",
            ),
            (
                "18:00-08:00",
                "2026-11-01T16:00:00Z",
                "2026-11-02T02:00:00Z",
            ),
            // It begins in the gap: so after it.
            (
                "02:30-04:00",
                "2026-03-08T09:59:59Z",
                "2026-03-08T10:00:00Z",
            ),
            // It lies in the gap: so not on this day.
            (
                "02:15-02:45",
                "2026-03-08T09:00:00Z",
                "2026-03-09T09:15:00Z",
            ),
            // It lies in the hour that comes twice: so it opens twice.
            (
                "01:15-01:45",
                "2026-11-01T08:00:00Z",
                "2026-11-01T08:15:00Z",
            ),
            (
                "01:15-01:45",
                "2026-11-01T08:45:00Z",
                "2026-11-01T09:15:00Z",
            ),
            (
                "01:15-01:45",
                "2026-11-01T09:45:00Z",
                "2026-11-02T09:15:00Z",
            ),
            // It ends in it, and what was over is not over yet.
            (
                "00:30-01:30",
                "2026-11-01T08:30:00Z",
                "2026-11-01T09:00:00Z",
            ),
        ] {
            let name = format!("{window}@America/Los_Angeles");
            assert_eq!(
                hours(&name).next_open(at(now)),
                at(next),
                "{window} at {now}"
            );
        }
    }

    #[test]
    fn what_is_no_window_is_refused_with_the_reason() {
        for (text, error) in [
            ("18:00-08:00", HoursError::Form("18:00-08:00".to_owned())),
            ("18:00@UTC", HoursError::Form("18:00@UTC".to_owned())),
            ("", HoursError::Form(String::new())),
            ("18:00-18:00@UTC", HoursError::Empty("18:00".to_owned())),
            ("24:00-08:00@UTC", HoursError::Time("24:00".to_owned())),
            ("18-08@UTC", HoursError::Time("18".to_owned())),
            ("18:60-08:00@UTC", HoursError::Time("18:60".to_owned())),
            ("18:5-08:00@UTC", HoursError::Time("18:5".to_owned())),
            ("+1:00-08:00@UTC", HoursError::Time("+1:00".to_owned())),
            (
                "18:00-08:00@Mars/Olympus",
                HoursError::Zone("Mars/Olympus".to_owned()),
            ),
            ("18:00-08:00@", HoursError::Zone(String::new())),
        ] {
            assert_eq!(text.parse::<Hours>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_zone_is_found_without_the_system_database() {
        let bundled = jiff::tz::TimeZoneDatabase::bundled();
        for zone in ["America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata"] {
            assert!(bundled.get(zone).is_ok(), "{zone}");
        }
    }

    proptest! {
        #[test]
        fn it_is_closed_until_the_next_opening_and_open_then(
            from in 0_u32..1_440, length in 1_u32..1_440, minute in 0_u64..527_040,
        ) {
            let to = (from + length) % 1_440;
            let text = format!(
                "{:02}:{:02}-{:02}:{:02}@America/Los_Angeles",
                from / 60, from % 60, to / 60, to % 60,
            );
            let window = hours(&text);
            let minutes = |n: u64| std::time::Duration::from_mins(n);
            let now = add(at("2026-01-01T00:00:00Z"), minutes(minute));
            let next = window.next_open(now);
            prop_assert!(window.is_open(next), "{text} {now} {next}");
            let mut between = now;
            while between < next {
                prop_assert!(!window.is_open(between), "{text} {between}");
                between = add(between, minutes(5));
            }
        }
    }
}
