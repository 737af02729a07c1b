//! Numbers as people read them.

use std::time::Duration;

use crate::model::{Pico, thousands};

/// Dollars with all their digits: `$0.0123`.
#[must_use]
pub fn dollars(amount: Pico) -> String {
    format!("${amount}")
}

/// A sum that leaves something out, if this many attempts have no known price: what was billed is
/// never called zero.
#[must_use]
pub(super) fn dollars_or_unknown(sum: Pico, unknown: u64, all_digits: bool) -> String {
    let shown = format!("${}", sum.shown(all_digits));
    match (unknown, sum) {
        (0, _) => shown,
        (_, Pico::ZERO) => "unknown".to_owned(),
        _ => format!("{shown} + unknown"),
    }
}

/// The two largest units of a duration, cut off rather than rounded: `450ms`, `4.2s`, `13s`,
/// `2m05s`, `1h02m`, `3d04h`.
#[must_use]
pub fn short_duration(duration: Duration) -> String {
    let (seconds, tenths) = (duration.as_secs(), duration.subsec_millis() / 100);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0 if duration.is_zero() => "0s".to_owned(),
        0 => format!("{}ms", duration.subsec_millis()),
        1..10 if tenths > 0 => format!("{seconds}.{tenths}s"),
        1..100 => format!("{seconds}s"),
        100..6_000 => format!("{minutes}m{:02}s", seconds % 60),
        6_000..172_800 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// Jobs per second, or per minute where that says more: `6.1 jobs/s`, `3.0 jobs/min`.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        r if r >= 99.95 => format!("{r:.0} jobs/s"),
        r if r >= 0.95 || r <= 0.0 => format!("{r:.1} jobs/s"),
        r => format!("{:.1} jobs/min", r * 60.0),
    }
}

/// A count for arithmetic on rates, where more than `u32::MAX` is just "very many".
pub(super) fn approximate(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// How few requests a budget allows to be at one `place` ("open", "in batches") at once, and how many
/// it would with a smaller `max_tokens`.
#[must_use]
pub fn allowed_at_once(place: &str, most: u64, shorter: Option<(u64, u64)>) -> String {
    let allows = format!("the budget allows {} {place} at once", thousands(most));
    match shorter {
        Some((max_tokens, more)) => {
            let more = thousands(more);
            format!("{allows}; `--max-tokens` {max_tokens} would allow {more}")
        }
        None => allows,
    }
}

#[cfg(test)]
mod tests {
    use super::{dollars, rate, short_duration};
    use crate::model::Pico;
    use std::time::Duration;

    #[test]
    fn durations_show_their_two_largest_units() {
        let cases = [
            (0, "0s"),
            (450, "450ms"),
            (1_000, "1s"),
            (4_280, "4.2s"),
            (13_900, "13s"),
            (99_000, "99s"),
            (125_000, "2m05s"),
            (3_720_000, "62m00s"),
            (6_120_000, "1h42m"),
            (273_600_000, "3d04h"),
        ];
        for (ms, text) in cases {
            assert_eq!(short_duration(Duration::from_millis(ms)), text);
        }
        assert!(short_duration(Duration::MAX).ends_with('h'));
    }

    #[test]
    fn a_slow_rate_is_told_by_the_minute() {
        let cases = [
            (0.0, "0.0 jobs/s"),
            (0.05, "3.0 jobs/min"),
            (1.0, "1.0 jobs/s"),
            (6.13, "6.1 jobs/s"),
            (1234.5, "1234 jobs/s"),
        ];
        for (per_second, text) in cases {
            assert_eq!(rate(per_second), text);
        }
    }

    #[test]
    fn money_keeps_all_its_digits() {
        assert_eq!(dollars(Pico(12_300_000_000)), "$0.0123");
        assert_eq!(dollars(Pico(5_500)), "$0.0000000055");
    }
}
