//! The `anthropic-ratelimit-*` headers as values.
//!
//! Source: the API's rate-limit page. Values are decimal strings, resets are RFC 3339 times. The
//! combined `tokens` family is left aside: it repeats whichever of the other two binds.

use jiff::{SignedDuration, Timestamp};

use super::HeaderView;
use crate::model::{Limit, RateLimits};

/// Clocks that agree so far are taken to agree: the server's is told in whole seconds.
const TOLERATED_SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Counts of tokens are rounded to thousands, so a full bucket may seem to hold a little more than it does.
const TOKEN_ROUNDING: u64 = 1_000;

/// The limits that these headers tell, of an answer that began at `began` by our clock. A reset is
/// read by the answer's own `date`, should its clock and ours disagree. A family counts only if both its limit and what remains are
/// numbers; a limit of zero, or one that is smaller than what is left of it, tells nothing that could be paced
/// by.
#[must_use]
pub fn rate_limits(headers: HeaderView<'_>, began: Timestamp) -> RateLimits {
    let ahead = headers.date().map(|date| date.duration_since(began));
    // Times of the headers are the server's; a clock that is off here would shift every wait.
    let skew = ahead.filter(|ahead| ahead.abs() > TOLERATED_SKEW);
    let family = |name, rounding| family(headers, name, rounding, skew.unwrap_or_default());
    RateLimits {
        requests: family("requests", 0),
        input_tokens: family("input-tokens", TOKEN_ROUNDING),
        output_tokens: family("output-tokens", TOKEN_ROUNDING),
    }
}

fn family(
    headers: HeaderView<'_>,
    name: &str,
    rounding: u64,
    skew: SignedDuration,
) -> Option<Limit> {
    let field = |suffix| headers.get(&format!("anthropic-ratelimit-{name}-{suffix}"));
    let number = |suffix| field(suffix)?.parse::<u64>().ok();
    let (limit, remaining) = (number("limit")?, number("remaining")?);
    // A limit of zero would mean to wait for ever, and one of ten of which a thousand are left is none.
    if limit == 0 || remaining > limit.saturating_add(rounding) {
        return None;
    }
    Some(Limit {
        limit,
        remaining,
        full_at: field("reset")
            .and_then(|text| text.parse::<Timestamp>().ok())
            .and_then(|at| at.checked_sub(skew).ok()),
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{HeaderView, rate_limits};
    use crate::model::{Limit, RateLimits};

    fn read(pairs: &[(&str, &str)]) -> RateLimits {
        let map: HeaderMap = pairs
            .iter()
            .map(|(name, value)| {
                let name = format!("anthropic-ratelimit-{name}");
                (
                    name.parse::<HeaderName>().unwrap(),
                    value.parse::<HeaderValue>().unwrap(),
                )
            })
            .collect();
        let began = "2026-05-18T11:42:00Z".parse().unwrap();
        rate_limits(HeaderView::new(&map), began)
    }

    #[test]
    fn a_reset_is_read_by_the_answers_own_clock() {
        for (date, expected) in [
            ("Mon, 18 May 2026 13:42:00 GMT", "2026-05-18T11:42:30Z"),
            ("Mon, 18 May 2026 13:41:58 GMT", "2026-05-18T11:42:32Z"),
            ("Mon, 18 May 2026 11:41:58 GMT", "2026-05-18T13:42:30Z"),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in [
                ("date", date),
                ("anthropic-ratelimit-requests-limit", "10"),
                ("anthropic-ratelimit-requests-remaining", "9"),
                ("anthropic-ratelimit-requests-reset", "2026-05-18T13:42:30Z"),
            ] {
                map.insert(name, HeaderValue::from_static(value));
            }
            let began = "2026-05-18T11:42:00Z".parse().unwrap();
            let limits = rate_limits(HeaderView::new(&map), began);
            assert_eq!(
                limits.requests.unwrap().full_at,
                Some(expected.parse().unwrap()),
                "{date}"
            );
        }
    }

    #[test]
    fn all_three_families_are_read() {
        let limits = read(&[
            ("requests-limit", "1000"),
            ("requests-remaining", "999"),
            ("requests-reset", "2026-05-18T11:42:16Z"),
            ("input-tokens-limit", "2000000"),
            ("input-tokens-remaining", "1998000"),
            ("input-tokens-reset", "2026-05-18T11:42:16.5Z"),
            ("output-tokens-limit", "400000"),
            ("output-tokens-remaining", "0"),
            ("tokens-limit", "2400000"),
            ("tokens-remaining", "1"),
        ]);
        let requests = Limit {
            limit: 1000,
            remaining: 999,
            full_at: Some("2026-05-18T11:42:16Z".parse().unwrap()),
        };
        assert_eq!(limits.requests, Some(requests));
        assert_eq!(limits.input_tokens.unwrap().remaining, 1_998_000);
        let output = limits.output_tokens.unwrap();
        assert_eq!((output.remaining, output.full_at), (0, None));
    }

    #[test]
    fn garbage_tells_nothing() {
        for pairs in [
            [("requests-limit", "many"), ("requests-remaining", "9")],
            [("requests-limit", "10"), ("requests-remaining", "-1")],
            [("requests-limit", "10"), ("requests-remaining", "1.5")],
            [("requests-limit", "0"), ("requests-remaining", "0")],
            [("requests-limit", "10"), ("requests-reset", "1")],
            [("requests-remaining", "9"), ("requests-reset", "1")],
            [("requests-limit", "-1"), ("requests-remaining", "9")],
            [("requests-limit", "1e3"), ("requests-remaining", "9")],
            [("requests-limit", ""), ("requests-remaining", "9")],
            [("requests-limit", "10"), ("requests-remaining", "11")],
            [
                ("input-tokens-limit", "1500"),
                ("input-tokens-remaining", "3000"),
            ],
            [
                ("requests-limit", "99999999999999999999"),
                ("requests-remaining", "9"),
            ],
        ] {
            assert_eq!(read(&pairs), RateLimits::default(), "{pairs:?}");
        }
        let kept = read(&[
            ("requests-limit", "10"),
            ("requests-remaining", "9"),
            ("requests-reset", "tomorrow"),
        ]);
        assert_eq!(kept.requests.unwrap().full_at, None);
        let rounded = read(&[
            ("output-tokens-limit", "1500"),
            ("output-tokens-remaining", "2000"),
        ]);
        assert_eq!(rounded.output_tokens.unwrap().remaining, 2_000);
    }
}
