//! What a single value may be: one rule for the flag, the environment and the config file.
//!
//! A rule takes text or a number and returns the value or a sentence that says what would have been
//! right. None of the sentences repeats a value that could hold a credential.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock;
use crate::model::Pico;
use crate::model::batch::MAX_BATCH_REQUESTS;
use crate::model::duration::parse_duration;
use crate::policy::{Hours, HoursError};
use crate::provider::unquoted;

/// Most requests that may be open at once: more would run out of ports and files first.
pub const MAX_CONCURRENCY: u32 = 10_000;

/// Requests open at the same time: 1 to [`MAX_CONCURRENCY`].
pub fn concurrency(number: i64) -> Result<u32, String> {
    u32::try_from(number)
        .ok()
        .filter(|n| (1..=MAX_CONCURRENCY).contains(n))
        .ok_or_else(|| format!("must be from 1 to {MAX_CONCURRENCY}"))
}

/// An amount of dollars above zero.
pub fn budget(text: &str) -> Result<Pico, String> {
    let amount: Pico = text.parse()?;
    if amount > Pico::ZERO {
        Ok(amount)
    } else {
        Err("must be more than 0 dollars".to_owned())
    }
}

/// A ceiling by the minute: at least one.
pub fn per_minute(number: i64) -> Result<u64, String> {
    u64::try_from(number)
        .ok()
        .filter(|n| *n >= 1)
        .ok_or_else(|| "must be a whole number of at least 1".to_owned())
}

/// A window of hours with its time zone.
pub fn hours(text: &str) -> Result<Hours, String> {
    text.parse().map_err(|error: HoursError| error.to_string())
}

/// A count of at least one.
pub fn at_least_one(number: i64) -> Result<u32, String> {
    u32::try_from(number)
        .ok()
        .filter(|n| *n >= 1)
        .ok_or_else(|| format!("must be from 1 to {}", u32::MAX))
}

/// Requests in one batch: 1 to what the API takes.
pub fn batch_size(number: i64) -> Result<u32, String> {
    u32::try_from(number)
        .ok()
        .filter(|n| (1..=MAX_BATCH_REQUESTS).contains(n))
        .ok_or_else(|| format!("must be from 1 to {MAX_BATCH_REQUESTS}"))
}

/// A deadline: a time, or a duration from now on. Later than now, because nothing can be done by a
/// time that is past.
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

/// The largest factor for waits: the longest of ours, a day, then takes three years.
pub const MAX_SCALE: f64 = 1_000.0;

/// A factor for waits. Zero means not to wait at all.
pub fn scale(number: f64) -> Result<f64, String> {
    if (0.0..=MAX_SCALE).contains(&number) {
        Ok(number)
    } else {
        Err(format!(
            "must be a number of at least 0 and at most {MAX_SCALE}, such as 0.5 or 2"
        ))
    }
}

/// The id of a model: one word. Whether there is such a model only the API knows.
pub fn model_id(text: &str) -> Result<String, String> {
    let id = text.trim();
    if id.is_empty() || id.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("must be the id of one model, such as claude-haiku-5-5".to_owned());
    }
    Ok(id.to_owned())
}

/// A duration that is not zero.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration.is_zero() {
        return Err("must be longer than 0s".to_owned());
    }
    Ok(duration)
}

/// The value of an HTTP header: visible ASCII characters and spaces, on one line.
pub fn header_value(text: &str) -> Result<String, String> {
    let value = text.trim();
    if value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Ok(value.to_owned())
    } else {
        Err("holds a character that no HTTP header may carry (a line break or a letter outside ASCII)".to_owned())
    }
}

/// The name of an HTTP header that a user may add. What the protocol needs is ours to write.
pub fn header_name(text: &str) -> Result<String, String> {
    // `origin` is none of ours: with it, the API takes us for a browser and may refuse the key.
    const OURS: [&str; 7] = [
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "origin",
        "transfer-encoding",
    ];
    let name = text.trim();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("a header's name may hold letters, digits and hyphens".to_owned());
    }
    if OURS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!(
            "the header `{}` belongs to claude-run itself",
            name.to_ascii_lowercase()
        ));
    }
    Ok(name.to_owned())
}

/// The name of an environment variable that holds a key: in capitals as is the custom, since what
/// is no such name may be a key that was written in its place; and named as keys are, so that no
/// other variable's value is sent by mistake.
pub fn key_variable(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let begins_well = text.starts_with(|c: char| !c.is_ascii_digit());
    if !begins_well || !text.bytes().all(fits) {
        return Err("must be the name of an environment variable in capitals, such as OTHER_API_KEY, and not the key itself".to_owned());
    }
    if !["_KEY", "_TOKEN"].iter().any(|end| text.ends_with(end)) {
        return Err("must be a name that ends in _KEY or _TOKEN, such as OTHER_API_KEY, so that no other variable is sent by mistake".to_owned());
    }
    Ok(text.to_owned())
}

/// The root of the API. Shows itself without user info and query, which may hold credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Reads an `http` or `https` URL with a host. A slash at the end is dropped.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the URL without repeating it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = unquoted(text);
        let no_scheme = "must begin with https:// (or http://) and name a host";
        let url = reqwest::Url::parse(text).map_err(|why| {
            if text.contains("://") {
                format!("is no URL ({why}): write something like https://host/path")
            } else {
                no_scheme.to_owned()
            }
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(no_scheme.to_owned());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// The whole URL, credentials included: for the HTTP client and for nothing that is shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it holds something that must not be stored or shown.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        shown_url(&self.0) != self.0
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_url(&self.0))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

/// A URL as it may be shown: without user info, query and fragment. Works on text, so that what is
/// no valid URL (a proxy written `user:password@host:3128`) is covered too.
#[must_use]
pub fn shown_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (visible, hidden) = url.split_at(end);
    let (scheme, rest) = visible
        .split_once("://")
        .map_or(("", visible), |(scheme, rest)| (scheme, rest));
    // What seems to be a query or a fragment may be the rest of a password that was written as it is.
    let may_be_user_info = hidden.contains('@') && !rest.contains('@');
    if may_be_user_info && (hidden.starts_with('#') || rest.contains(':')) {
        let scheme = if scheme.is_empty() {
            ""
        } else {
            &visible[..scheme.len() + 3]
        };
        return format!("{scheme}…");
    }
    // The last `@`, wherever it stands: a password may hold an unescaped slash.
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() {
        host.to_owned()
    } else {
        format!("{scheme}://{host}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_holds_a_key_is_named_so_and_is_no_key() {
        for name in ["OTHER_API_KEY", "_KEY", "A1_TOKEN"] {
            assert_eq!(key_variable(name).as_deref(), Ok(name));
        }
        for text in [
            "",
            "1A_KEY",
            "sk-ant-hidden",
            "a_key",
            "A KEY",
            "$A_KEY",
            "A=B_KEY",
            "HOME",
            "PGPASSWORD",
            "TOKENS",
            "A_KEYS",
            "A_KEY_ID",
        ] {
            let why = key_variable(text).unwrap_err();
            assert!(text.is_empty() || !why.contains(text), "{why}");
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

    #[test]
    fn bounds_are_inclusive_on_both_sides() {
        for (n, fits) in [
            (-1, false),
            (0, false),
            (1, true),
            (10_000, true),
            (10_001, false),
        ] {
            assert_eq!(concurrency(n).is_ok(), fits, "{n}");
        }
        assert!(at_least_one(0).is_err());
        assert!(at_least_one(i64::from(u32::MAX) + 1).is_err());
        assert_eq!(at_least_one(1), Ok(1));
        for (x, fits) in [
            (0.0, true),
            (2.5, true),
            (-0.1, false),
            (f64::NAN, false),
            (f64::INFINITY, false),
            (1_000.0, true),
            (1_000.1, false),
            (1e18, false),
        ] {
            assert_eq!(scale(x).is_ok(), fits, "{x}");
        }
        assert!(positive_duration("0s").is_err());
    }

    #[test]
    fn a_shown_url_has_neither_user_info_nor_query() {
        for (url, shown) in [
            ("https://api.anthropic.com", "https://api.anthropic.com"),
            (
                "https://me:pa/ss@gate.test:8443/v?k=1#x",
                "https://gate.test:8443/v",
            ),
            ("me:pass@proxy:3128", "proxy:3128"),
            ("http://h?token=a@b", "http://h"),
            ("http://me:pa#ss@h:1", "http://…"),
            ("http://to#ken@h:1", "http://…"),
            ("http://me:1234?x@h:1", "http://…"),
            ("me:pa#ss@h:1", "…"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }

    #[test]
    fn base_urls_are_checked_and_lose_their_last_slash() {
        assert_eq!(
            BaseUrl::parse(" https://h.test/a/ ").unwrap().expose(),
            "https://h.test/a"
        );
        // As copying leaves it, and as a file with Windows' line ends does.
        for quoted in [
            "\"https://h.test\"\r",
            "'https://h.test/'",
            "\u{201c}https://h.test\u{201d}",
        ] {
            assert_eq!(BaseUrl::parse(quoted).unwrap().expose(), "https://h.test");
        }
        for bad in [
            "",
            "api.anthropic.com",
            "ftp://h.test",
            "file:///etc",
            "http://",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
        let secret = BaseUrl::parse("https://me:hunter2@h.test").unwrap();
        assert!(secret.has_secret());
        assert_eq!(
            format!("{secret:?} {secret}"),
            "BaseUrl(https://h.test) https://h.test"
        );
    }

    #[test]
    fn header_names_and_values_cannot_break_the_request() {
        assert_eq!(header_name(" X-Team ").as_deref(), Ok("X-Team"));
        for bad in ["", "a b", "a:b", "ä", "Content-Length", "ORIGIN"] {
            assert!(header_name(bad).is_err(), "{bad}");
        }
        assert_eq!(header_value(" a b ").as_deref(), Ok("a b"));
        for bad in ["a\nb", "a\r\nb", "ä", "a\0"] {
            assert!(header_value(bad).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_password_survives_in_a_shown_url(
            password in "[A-Z/:@%]{1,12}",
            query in "[A-Z@/]{0,9}",
        ) {
            let shown = shown_url(&format!("https://me:{password}@h.test/v1?{query}"));
            proptest::prop_assert_eq!(shown, "https://h.test/v1");
        }
    }
}
