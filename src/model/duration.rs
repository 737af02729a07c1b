//! Durations as users write them: `200ms`, `90s`, `15m`, `6h`, `2d`.

use std::time::Duration;

/// Reads `200ms`, `1.5s`, `90s`, `15m`, `6h` or `2d`. A number without a unit is refused, because
/// it would be a guess.
///
/// ```
/// use claude_run::model::duration::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1_500)));
/// assert!(parse_duration("90").is_err());
/// ```
///
/// # Errors
///
/// Says what was wrong and what would have been right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let hint = || {
        format!("`{text}` is no duration: write a number and a unit, such as 200ms, 90s, 15m or 6h")
    };
    let value: f64 = number.parse().map_err(|_| hint())?;
    let seconds = match unit.trim() {
        "ms" => value / 1e3,
        "s" => value,
        "m" => value * 60.0,
        "h" => value * 3_600.0,
        "d" => value * 86_400.0,
        _ => return Err(hint()),
    };
    // Infinite and huge numbers parse as floats.
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| too_long(text))?;
    if duration > LONGEST {
        return Err(too_long(text));
    }
    Ok(duration)
}

/// No run lasts longer than this, and what is added to it or multiplied with it can still be counted.
const LONGEST: Duration = Duration::from_hours(24 * 3_650);

fn too_long(text: &str) -> String {
    format!("`{text}` is too long: write at most 3650d, such as 90s, 15m or 6h")
}

/// Writes a duration in the largest unit that divides it: `200ms`, `90s`, `15m`, `6h`.
///
/// ```
/// use claude_run::model::duration::format_duration;
/// use std::time::Duration;
///
/// assert_eq!(format_duration(Duration::from_mins(15)), "15m");
/// assert_eq!(format_duration(Duration::from_secs(90)), "90s");
/// ```
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::{format_duration, parse_duration};
    use std::time::Duration;

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [
            ("200ms", 200),
            ("90s", 90_000),
            ("15m", 900_000),
            ("6h", 21_600_000),
        ] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse_duration(text), Ok(duration));
            assert_eq!(format_duration(duration), text);
        }
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(parse_duration("2d"), Ok(Duration::from_hours(48)));
    }

    #[test]
    fn nonsense_is_refused_with_a_hint() {
        for text in [
            "",
            "5",
            "s",
            "-3s",
            "1x",
            "1..5s",
            "99999999999999999999999h",
            "3651d",
        ] {
            assert!(
                parse_duration(text).is_err_and(|why| why.contains("90s")),
                "{text}"
            );
        }
    }
}
