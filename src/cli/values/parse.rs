//! Rules of flags that are no type: text in, value or sentence out.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;

use crate::clock::Clock;
use crate::model::{ErrorClass, LaneChoice, StreamMode};

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "must be a number".to_owned())
}

/// A whole number from 0: a seed, a limit.
pub(in crate::cli) fn natural(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "must be a whole number of at least 0".to_owned())
}

/// A count of at most four billion.
pub(in crate::cli) fn count(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("must be a whole number from 0 to {}", u32::MAX))
}

/// A port of this machine; 0 means any free one.
pub(in crate::cli) fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| "must be a port from 0 to 65535".to_owned())
}

/// A number above 0.
pub(in crate::cli) fn factor(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err("must be a number above 0".to_owned())
    }
}

/// A number from 0 to 1.
pub(in crate::cli) fn share(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err("must be a share between 0 and 1".to_owned())
    }
}

/// A duration counts from now: the moment of the submit (or the resume) that names it.
pub(in crate::cli) fn deadline(text: &str) -> Result<Timestamp, String> {
    super::deadline(text, Clock::system().now())
}

/// The names of the lanes, and `auto`.
pub(in crate::cli) fn lane() -> impl TypedValueParser<Value = LaneChoice> {
    PossibleValuesParser::new(LaneChoice::ALL.map(LaneChoice::as_str))
        .try_map(|name| name.parse::<LaneChoice>())
}

/// The API refuses what a model does not take; here only what is no number in any case.
pub(in crate::cli) fn temperature(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err("must be a number of at least 0, such as 0.7".to_owned())
    }
}

/// A run's name must not be mistaken for another way to say which run.
pub(in crate::cli) fn run_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match name {
        "" => Err("a name cannot be empty".to_owned()),
        "latest" => Err("`latest` always means the latest run: take another name".to_owned()),
        _ if name.contains(char::is_control) => {
            Err("a name cannot hold line breaks or other control characters".to_owned())
        }
        _ => Ok(name.to_owned()),
    }
}

/// The names of the error classes: clap lists them and suggests the nearest.
pub(in crate::cli) fn error_class() -> impl TypedValueParser<Value = ErrorClass> {
    PossibleValuesParser::new(ErrorClass::all().map(ErrorClass::as_str))
        .try_map(|name| name.parse::<ErrorClass>())
}

/// The names of the stream modes.
pub(in crate::cli) fn stream_mode() -> impl TypedValueParser<Value = StreamMode> {
    PossibleValuesParser::new(StreamMode::ALL.map(StreamMode::as_str))
        .try_map(|name| name.parse::<StreamMode>())
}
