//! Response headers as the pure functions see them.
//!
//! Owns the tolerant look-up: the first value counts, and a value that is no visible ASCII is
//! treated as absent.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::HeaderMap;

/// The headers of an answer, or none at all (a stream event or a batch item has none).
#[derive(Clone, Copy, Debug, Default)]
pub struct HeaderView<'a>(Option<&'a HeaderMap>);

impl<'a> HeaderView<'a> {
    /// The headers of an HTTP answer.
    #[must_use]
    pub fn new(headers: &'a HeaderMap) -> Self {
        Self(Some(headers))
    }

    /// No headers.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// The first value of that name, trimmed, if it is visible ASCII and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let text = self.0?.get(name)?.to_str().ok()?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// What the clock of whoever answered said when the answer began, to the second.
    #[must_use]
    pub fn date(&self) -> Option<Timestamp> {
        http_date(self.get("date")?)
    }
}

/// Reads a date as headers have it. Some proxies compute the day of the week wrongly.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let parser = DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(text).ok()
}
