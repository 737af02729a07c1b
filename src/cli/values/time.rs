//! Durations, windows of hours and deadlines.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::model::duration::{format_duration, parse_duration};
use crate::policy::{Hours, HoursError};

/// How a duration is written.
const PATTERN: &str = "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$";
const EXAMPLES: [&str; 4] = ["200ms", "90s", "15m", "6h"];

/// A duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("pattern" = PATTERN, "examples" = EXAMPLES))]
pub struct Wait(pub Duration);

/// A duration that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("pattern" = PATTERN, "examples" = EXAMPLES))]
pub struct PositiveWait(pub Duration);

/// The least that can be written. (Clap asks for a value of what has no flag, and never uses it.)
impl Default for PositiveWait {
    fn default() -> Self {
        Self(Duration::from_millis(1))
    }
}

/// Waits before the first, second, ... retry; at least one, and the last one repeats.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "Vec<Wait>", into = "Vec<Wait>")]
#[schemars(inline, extend("minItems" = 1))]
pub struct WaitList(pub Vec<Duration>);

/// A window of hours with its time zone.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend(
    "pattern" = "^[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}@.+$",
    "examples" = ["18:00-08:00@America/Los_Angeles"]
))]
pub struct Window(pub Hours);

impl FromStr for Wait {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse_duration(text).map(Self)
    }
}

impl FromStr for PositiveWait {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let duration = parse_duration(text)?;
        if duration.is_zero() {
            return Err("must be longer than 0s".to_owned());
        }
        Ok(Self(duration))
    }
}

impl FromStr for Window {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error: HoursError| error.to_string())
    }
}

from_text!(Wait, PositiveWait, Window);

impl TryFrom<Vec<Wait>> for WaitList {
    type Error = String;
    fn try_from(waits: Vec<Wait>) -> Result<Self, String> {
        if waits.is_empty() {
            return Err("must name at least one wait".to_owned());
        }
        Ok(Self(waits.into_iter().map(|wait| wait.0).collect()))
    }
}

/// As text that reads back as the same: what is finer than a millisecond is written in seconds.
fn written(duration: Duration) -> String {
    if duration.subsec_nanos().is_multiple_of(1_000_000) {
        format_duration(duration)
    } else {
        format!("{}s", duration.as_secs_f64())
    }
}

impl From<Wait> for String {
    fn from(wait: Wait) -> Self {
        written(wait.0)
    }
}

impl From<PositiveWait> for String {
    fn from(wait: PositiveWait) -> Self {
        written(wait.0)
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.0.to_string()
    }
}

impl From<WaitList> for Vec<Wait> {
    fn from(waits: WaitList) -> Self {
        waits.0.into_iter().map(Wait).collect()
    }
}

/// A deadline: a time, or a duration from now on. Later than now, because nothing can be done by a
/// time that is past.
///
/// # Errors
///
/// It is neither, or it is over.
pub fn deadline(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let at = match (parse_duration(text), text.parse::<Timestamp>()) {
        (Ok(wait), _) => clock::add(now, wait),
        (Err(_), Ok(at)) => at,
        (Err(why), Err(_)) if looks_like_a_duration(text) => return Err(why),
        (Err(_), Err(_)) => {
            let forms = "write a duration such as 6h or a time such as 2027-01-31T18:00:00Z";
            return Err(forms.to_owned());
        }
    };
    if at <= now {
        return Err("is over already: give a later one".to_owned());
    }
    Ok(at)
}

/// A number and the letter of a unit.
fn looks_like_a_duration(text: &str) -> bool {
    let number = text.trim().trim_end_matches(['s', 'm', 'h', 'd']);
    number != text.trim() && number.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_positive_wait_is_longer_than_nothing() {
        assert!("0s".parse::<PositiveWait>().is_err());
        assert_eq!("0s".parse(), Ok(Wait(Duration::ZERO)));
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        for text in ["0s", "100ms", "90s", "6h", "0.0001s", "1.000000001s"] {
            let wait: Wait = text.parse().unwrap();
            assert_eq!(String::from(wait), text);
        }
    }

    #[test]
    fn a_deadline_is_a_time_to_come() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("6h", Some("2026-11-22T18:00:00Z")),
            ("2027-01-31T18:00:00Z", Some("2027-01-31T18:00:00Z")),
            ("2026-11-22T14:00:00+01:00", Some("2026-11-22T13:00:00Z")),
            ("0s", None),
            ("2026-11-22T12:00:00Z", None),
            ("tomorrow", None),
            ("6", None),
        ] {
            let read = deadline(text, now).ok().map(|at| at.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
