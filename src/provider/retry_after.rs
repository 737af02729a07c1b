//! The server's hints about trying again: `retry-after-ms`, `retry-after`, `x-should-retry`.
//!
//! The order of the hints is that of the official SDKs. Garbage is as good as no hint: the
//! schedule of the class then applies.

use std::time::Duration;

use jiff::Timestamp;

use super::HeaderView;
use super::headers::http_date;

/// The longest hint that is kept; what is made of it is `policy`'s. The longest window of the API is
/// a day, and a spend limit names its end in words, not here.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// How long the server asks to wait, at most [`MAX_RETRY_AFTER`]. Negative values, dates in the
/// past and whatever is no number or date are ignored; zero is a hint. A date is read by the answer's
/// own `date`, so that a clock that is wrong, ours or theirs, makes no wait longer or shorter.
#[must_use]
pub fn retry_after(headers: HeaderView<'_>, now: Timestamp) -> Option<Duration> {
    let wait = headers
        .get("retry-after-ms")
        .and_then(|text| parse_number(text, 1000.0))
        .or_else(|| {
            let text = headers.get("retry-after")?;
            parse_number(text, 1.0).or_else(|| {
                let theirs = headers.date().unwrap_or(now);
                Duration::try_from(http_date(text)?.duration_since(theirs)).ok()
            })
        })?;
    Some(wait.min(MAX_RETRY_AFTER))
}

/// The server's own word on whether trying again makes sense, if it gave one.
#[must_use]
pub fn should_retry(headers: HeaderView<'_>) -> Option<bool> {
    let text = headers.get("x-should-retry")?;
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn parse_number(text: &str, per_second: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    // Capped before the conversion: a finite float can be longer than any `Duration`.
    let seconds = (number / per_second).min(MAX_RETRY_AFTER.as_secs_f64());
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{HeaderView, MAX_RETRY_AFTER, retry_after, should_retry};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn hint(pairs: &[(&'static str, &'static str)]) -> Option<Duration> {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        retry_after(HeaderView::new(&headers(pairs)), now)
    }

    #[test]
    fn hints_are_read_in_every_documented_form() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let cases: &[(&'static str, &'static str, Option<Duration>)] = &[
            ("retry-after", "7", ms(7_000)),
            ("retry-after", "0", ms(0)),
            ("retry-after", "1.5", ms(1_500)),
            ("retry-after", " 3 ", ms(3_000)),
            ("retry-after", "3600", ms(3_600_000)),
            ("retry-after", "Sun, 22 Nov 2026 10:00:30 GMT", ms(30_000)),
            ("retry-after", "22 Nov 2026 10:00:30 +0000", ms(30_000)),
            // Some proxies compute the day of the week wrongly.
            ("retry-after", "Mon, 22 Nov 2026 10:00:30 GMT", ms(30_000)),
            ("retry-after", "Sun, 22 Nov 2026 09:59:59 GMT", None),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
            ("retry-after", "inf", None),
            ("retry-after", "-inf", None),
            ("retry-after", "soon", None),
            ("retry-after", "", None),
            ("retry-after", "1e300", Some(MAX_RETRY_AFTER)),
            ("retry-after", "86401", Some(MAX_RETRY_AFTER)),
            (
                "retry-after",
                "Fri, 22 Nov 2126 10:00:00 GMT",
                Some(MAX_RETRY_AFTER),
            ),
            ("retry-after-ms", "250", ms(250)),
            ("retry-after-ms", "0.5", Some(Duration::from_micros(500))),
            ("retry-after-ms", "1e99", Some(MAX_RETRY_AFTER)),
            ("retry-after-ms", "-5", None),
            ("other", "5", None),
        ];
        for (name, value, expected) in cases {
            assert_eq!(hint(&[(name, value)]), *expected, "{name}: {value}");
        }
    }

    #[test]
    fn a_date_is_read_by_the_date_of_its_own_answer() {
        let wait = |date| {
            hint(&[
                ("date", date),
                ("retry-after", "Sun, 22 Nov 2026 12:00:30 GMT"),
            ])
        };
        let half_a_minute = Some(Duration::from_secs(30));
        assert_eq!(wait("Sun, 22 Nov 2026 12:00:00 GMT"), half_a_minute);
        let of_a_clock_behind = [
            ("date", "Sun, 22 Nov 2026 08:00:00 GMT"),
            ("retry-after", "Sun, 22 Nov 2026 08:00:30 GMT"),
        ];
        assert_eq!(hint(&of_a_clock_behind), half_a_minute);
        assert_eq!(
            wait("no date"),
            Some(Duration::from_secs(7_230)),
            "then by our own"
        );
    }

    #[test]
    fn milliseconds_win_over_seconds_unless_they_are_garbage() {
        let both = [("retry-after-ms", "100"), ("retry-after", "9")];
        assert_eq!(hint(&both), Some(Duration::from_millis(100)));
        let garbage = [("retry-after-ms", "x"), ("retry-after", "9")];
        assert_eq!(hint(&garbage), Some(Duration::from_secs(9)));
    }

    #[test]
    fn only_true_and_false_are_an_answer_to_whether_to_retry() {
        let read = |value| should_retry(HeaderView::new(&headers(&[("x-should-retry", value)])));
        assert_eq!(read("true"), Some(true));
        assert_eq!(read("FALSE"), Some(false));
        assert_eq!(read("1"), None);
        assert_eq!(should_retry(HeaderView::none()), None);
    }
}
