//! The words after a case's name that change it.
//!
//! | word | effect |
//! |---|---|
//! | `retry-after=3` | that header, sent as written: `0.5`, `-1` and `garbage` are fine |
//! | `retry-after=date:+2s` | that header as an HTTP date from now |
//! | `retry-after=none` | without that header |
//! | `retry-after-ms=250` | that header |
//! | `clock=+2h` | with that much of an error in its clock: in `date`, and in a date of `retry-after` |
//! | `should-retry=true` | the header `x-should-retry` |
//! | `no-request-id` | no request id, in headers or body |
//! | `details` | an `error.details` object |
//! | `delay=200ms` | waits that long before it answers |
//! | `regain=2026-12-01` | the day in spend-limit messages |
//! | `model=ID` | the step is there only for requests to this model, by id or alias |
//! | `max-tokens=N` | the step is there only for requests with this `max_tokens` |
//! | `takes=2h` | a batch takes that long (time of [`BatchSettings`]) |
//! | `stall=0.4` | a batch stops at that share |
//! | `hidden=2m` | a batch is not found for that long after its creation |
//! | `unlisted=2m` | and is left out of the list |
//! | `cuts=2` | its first downloads break off, this many |
//!
//! [`BatchSettings`]: crate::simulator::BatchSettings

use std::time::Duration;

use jiff::SignedDuration;

use crate::simulator::models::Model;
use crate::simulator::time::parse_duration;

/// What the options of one step say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::simulator) struct CaseOptions {
    pub(in crate::simulator) retry_after: Option<RetryAfter>,
    pub(in crate::simulator) retry_after_ms: Option<String>,
    pub(in crate::simulator) clock: Option<SignedDuration>,
    pub(in crate::simulator) should_retry: Option<bool>,
    pub(in crate::simulator) no_request_id: bool,
    pub(in crate::simulator) details: bool,
    pub(in crate::simulator) delay: Option<Duration>,
    pub(in crate::simulator) regain: Option<String>,
    pub(in crate::simulator) model: Option<String>,
    pub(in crate::simulator) max_tokens: Option<u32>,
    pub(in crate::simulator) batch: BatchFaultOptions,
}

/// What they say about a batch that is created; what is left out is as the settings have it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::simulator) struct BatchFaultOptions {
    pub(in crate::simulator) takes: Option<Duration>,
    pub(in crate::simulator) stall: Option<f64>,
    pub(in crate::simulator) hidden: Option<Duration>,
    pub(in crate::simulator) unlisted: Option<Duration>,
    pub(in crate::simulator) cuts: Option<u32>,
}

/// A `retry-after` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum RetryAfter {
    /// Sent as it is, sense or nonsense.
    Text(String),
    /// An HTTP date this far from now.
    Date(SignedDuration),
    /// Not sent at all.
    Absent,
}

impl CaseOptions {
    /// Whether a step with these options is there for such a request.
    pub(in crate::simulator) fn holds_for(&self, model: &Model, max_tokens: u32) -> bool {
        self.model
            .as_deref()
            .is_none_or(|name| model.is_named(name))
            && self.max_tokens.is_none_or(|wanted| wanted == max_tokens)
    }

    /// Takes one more word in. The error says what is wrong with it.
    pub(super) fn add(&mut self, word: &str) -> Result<(), String> {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "retry-after" => self.retry_after = Some(retry_after(value)?),
            "retry-after-ms" => self.retry_after_ms = Some(header_text(word, value)?),
            "clock" => self.clock = Some(signed(word, value)?),
            "should-retry" => self.should_retry = Some(flag(word, value)?),
            "no-request-id" if value.is_empty() => self.no_request_id = true,
            "details" if value.is_empty() => self.details = true,
            "delay" => self.delay = Some(duration(word, value)?),
            "regain" => self.regain = Some(header_text(word, value)?),
            "model" => self.model = Some(header_text(word, value)?),
            "max-tokens" => self.max_tokens = Some(count(word, value)?),
            "takes" => self.batch.takes = Some(duration(word, value)?),
            "stall" => self.batch.stall = Some(share(word, value)?),
            "hidden" => self.batch.hidden = Some(duration(word, value)?),
            "unlisted" => self.batch.unlisted = Some(duration(word, value)?),
            "cuts" => self.batch.cuts = Some(count(word, value)?),
            _ => return Err(format!("there is no option `{word}`")),
        }
        Ok(())
    }
}

fn retry_after(value: &str) -> Result<RetryAfter, String> {
    if value == "none" {
        return Ok(RetryAfter::Absent);
    }
    let Some(offset) = value.strip_prefix("date:") else {
        return header_text("retry-after", value).map(RetryAfter::Text);
    };
    signed("retry-after", offset).map(RetryAfter::Date)
}

fn signed(word: &str, offset: &str) -> Result<SignedDuration, String> {
    let (sign, amount) = match offset.strip_prefix('-') {
        Some(amount) => (-1, amount),
        None => (1, offset.strip_prefix('+').unwrap_or(offset)),
    };
    let amount = SignedDuration::try_from(duration(word, amount)?)
        .map_err(|_| format!("`{offset}` is too long"))?;
    Ok(amount * sign)
}

fn header_text(word: &str, value: &str) -> Result<String, String> {
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("`{word}` needs a value"));
    }
    Ok(value.to_owned())
}

fn flag(word: &str, value: &str) -> Result<bool, String> {
    value
        .parse()
        .map_err(|_| format!("`{word}` must be `true` or `false`"))
}

fn share(word: &str, value: &str) -> Result<f64, String> {
    value
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("`{word}` must be a share between 0 and 1"))
}

fn count(word: &str, value: &str) -> Result<u32, String> {
    value
        .parse()
        .map_err(|_| format!("`{word}` must be a whole number"))
}

fn duration(word: &str, value: &str) -> Result<Duration, String> {
    parse_duration(value).ok_or_else(|| format!("`{word}` needs a duration such as `200ms`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &str) -> Result<CaseOptions, String> {
        let mut options = CaseOptions::default();
        options.add(word).map(|()| options)
    }

    #[test]
    fn retry_after_is_sent_as_written() {
        for text in ["3", "0.5", "-1", "garbage", "3600"] {
            let options = read(&format!("retry-after={text}")).unwrap();
            assert_eq!(options.retry_after, Some(RetryAfter::Text(text.into())));
        }
    }

    #[test]
    fn retry_after_can_be_a_date_from_now() {
        for (word, seconds) in [("date:+2s", 2), ("date:2s", 2), ("date:-5s", -5)] {
            let options = read(&format!("retry-after={word}")).unwrap();
            let expected = RetryAfter::Date(SignedDuration::from_secs(seconds));
            assert_eq!(options.retry_after, Some(expected), "{word}");
        }
    }

    #[test]
    fn a_wrong_word_is_named() {
        for word in [
            "retry-after=",
            "should-retry=maybe",
            "delay=soon",
            "speed=3",
            "details=1",
            "model=",
            "max-tokens=many",
            "stall=2",
            "cuts=-1",
        ] {
            assert!(read(word).unwrap_err().contains('`'), "{word}");
        }
    }
}
