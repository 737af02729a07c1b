//! One line of a batch's results: what became of one entry.
//!
//! Pure, and no input makes it panic. An answer is judged by the very code that judges a live one;
//! an error has no HTTP status here, so its type decides (and known words before it).

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{ItemResult, ResultLine};
use crate::model::{ErrorClass, Evidence};
use crate::provider::classify::Answer;
use crate::provider::text::one_line;
use crate::provider::tidy::{Altered, tidy};
use crate::provider::wire::{Body, read_body};
use crate::provider::{
    ErrorFacts, Failure, HeaderView, MAX_ERROR_TEXT, Message, Redactor, Reserved, classify_error,
};

/// Most bytes of an unreadable line that are shown.
const SHOWN: usize = 200;

/// Most bytes of a `custom_id`: ours are shorter, the API takes 64.
const MAX_ID: usize = 256;

#[derive(Deserialize)]
struct WireLine<'a> {
    #[serde(borrow, default)]
    custom_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireResult<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// A line, as it is read.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// A result, whatever it is.
    Line(ResultLine),
    /// An error in the place of a result: the API gave up in the middle of the file.
    Error(String),
}

/// Reads one line of a results file. Never fails: what cannot be read is a line that says so.
#[must_use]
pub fn read_result_line(line: &[u8]) -> ResultLine {
    match read_line(line, &Redactor::default()) {
        Read::Line(line) => line,
        Read::Error(why) => unreadable(None, why),
    }
}

/// Reads a line that is not blank.
pub(super) fn read_line(line: &[u8], redactor: &Redactor) -> Read {
    let tidy = tidy(line);
    let text = &*tidy.text;
    let shown = || show(line, redactor);
    let Ok(wire) = serde_json::from_str::<WireLine<'_>>(text) else {
        let words = format!("the line is no result: {}", shown());
        // Half a line still tells whose it is.
        // A whole line of another shape may begin with an id that is none.
        let is_half = serde_json::from_str::<IgnoredAny>(text).is_err();
        let id = is_half.then(|| leading_id(text.as_bytes())).flatten();
        return Read::Line(unreadable(id, words));
    };
    let custom_id = wire.custom_id.and_then(id_of);
    if custom_id.is_none()
        && let Body::Error(error) = read_body(text.as_bytes())
    {
        let message = error.words().unwrap_or_default();
        let why = format!("the results end with an error: {message}");
        return Read::Error(one_line(&redactor.redact(&why), MAX_ERROR_TEXT));
    }
    let result = wire
        .result
        .and_then(|raw| item(raw, tidy.altered, redactor));
    let result = result.unwrap_or_else(|| {
        ItemResult::Unreadable(format!("the result is of an unknown kind: {}", shown()))
    });
    Read::Line(ResultLine {
        custom_id,
        result,
        reserved: Reserved::default(),
    })
}

/// What is said of a line that is longer than is read; its beginning mostly tells whose it is.
pub(super) fn too_long(beginning: &[u8], limit: usize, redactor: &Redactor) -> ResultLine {
    let shown = show(beginning, redactor);
    let words = format!("the line is longer than {limit} bytes: {shown}");
    unreadable(leading_id(beginning), words)
}

/// The `custom_id` that a line begins with, where it does.
fn leading_id(beginning: &[u8]) -> Option<String> {
    let after = beginning.strip_prefix(b"{\"custom_id\":\"")?;
    let id = after.split(|byte| *byte == b'"').next()?;
    let id = std::str::from_utf8(id).ok()?;
    (id.len() <= MAX_ID && !id.contains('\\')).then(|| id.to_owned())
}

fn id_of(raw: &RawValue) -> Option<String> {
    let id: String = serde_json::from_str(raw.get()).ok()?;
    (id.len() <= MAX_ID).then_some(id)
}

fn unreadable(custom_id: Option<String>, words: String) -> ResultLine {
    ResultLine {
        custom_id,
        result: ItemResult::Unreadable(words),
        reserved: Reserved::default(),
    }
}

fn show(line: &[u8], redactor: &Redactor) -> String {
    let beginning = &line[..line.len().min(4 * SHOWN)];
    let text = String::from_utf8_lossy(beginning);
    one_line(&redactor.redact(&text), SHOWN)
}

/// The result; none if its kind is unknown.
fn item(raw: &RawValue, altered: Altered, redactor: &Redactor) -> Option<ItemResult> {
    let wire: WireResult<'_> = serde_json::from_str(raw.get()).ok()?;
    let part = |part: Option<&RawValue>| part.map_or("null", RawValue::get).to_owned();
    Some(match wire.kind.as_deref()? {
        "succeeded" => answered(&part(wire.message), altered, redactor),
        "errored" => ItemResult::Errored(failed(&part(wire.error), redactor)),
        "canceled" => ItemResult::Canceled,
        "expired" => ItemResult::Expired,
        _ => return None,
    })
}

/// Judges a message as a live one is.
fn answered(message: &str, altered: Altered, redactor: &Redactor) -> ItemResult {
    match judge(message, altered, redactor) {
        Ok(message) => ItemResult::Succeeded(Box::new(message)),
        // Paid for, and none that can be used: the next one would be paid for too.
        Err(failure) if failure.class == ErrorClass::BadResponse && failure.message.is_none() => {
            let words = failure.evidence.message.unwrap_or_default();
            ItemResult::Unreadable(format!("the answer cannot be read: {words}"))
        }
        Err(failure) => ItemResult::Errored(failure),
    }
}

/// The classifier's verdict on a body. An entry of a batch has no HTTP status, so none is kept; a
/// success is what lets the type of an error decide.
fn judge(body: &str, altered: Altered, redactor: &Redactor) -> Result<Message, Box<Failure>> {
    let answer = Answer {
        status: 200,
        headers: HeaderView::none(),
        body: body.as_bytes(),
        // Only an HTTP date in a header is compared with it.
        now: Timestamp::UNIX_EPOCH,
        redactor,
        altered,
    };
    answer.classify().map_err(|mut failure| {
        // A result has no status of its own; the 200 is ours.
        failure.evidence.http_status = None;
        failure
    })
}

/// Classifies the error of an entry. It is an error response in its envelope (seen live, official
/// SDKs); several samples of the documents show the inner object alone.
fn failed(error: &str, redactor: &Redactor) -> Box<Failure> {
    // The API nests the error object, gateways leave the envelope out.
    for text in [Cow::Borrowed(error), Cow::Owned(in_envelope(error))] {
        if let Body::Error(_) = read_body(text.as_bytes())
            && let Err(failure) = judge(&text, Altered::default(), redactor)
        {
            return failure;
        }
    }
    let value: Value = serde_json::from_str(error).unwrap_or_default();
    let text = value.as_str().or_else(|| value["message"].as_str());
    let words = text.unwrap_or("the entry failed, and its result does not say why");
    Box::new(Failure {
        class: classify_error(&ErrorFacts {
            message: text,
            ..ErrorFacts::default()
        }),
        evidence: Evidence {
            message: Some(one_line(&redactor.redact(words), MAX_ERROR_TEXT)),
            ..Evidence::default()
        },
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    })
}

fn in_envelope(error: &str) -> String {
    format!(r#"{{"type":"error","error":{error}}}"#)
}

#[cfg(test)]
mod tests;
