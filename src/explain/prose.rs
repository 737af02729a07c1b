//! Texts without a body: messages, exceptions, lines of logs.

use super::reading::{Recognised, as_word};
use super::word::{error_name, one_word, stop_reason};
use super::{exceptions, status, transport};
use crate::model::ErrorClass;
use crate::provider::{Broken, ErrorFacts, classify_error, status_of};

/// What the API says under a status that says the rest, so that a message without its status still
/// finds its class. Compared in lower case and without quotes. Sources: as in `provider::rules`.
const MESSAGES: &[(u16, &[&str])] = &[
    (
        429,
        &[
            "rate limit",
            "rate limited",
            "acceleration limit",
            "usage increase rate",
            "concurrent connections",
            "extra usage is required",
            "usage credits are required",
            "too many requests",
        ],
    ),
    (
        401,
        &[
            "invalid x-api-key",
            "api key is invalid",
            "invalid api key",
            "incorrect api key",
            "x-api-key header is required",
            "oauth token has expired",
            "oauth authentication is currently not supported",
            "cors requests are not allowed",
            "invalid bearer token",
            "could not resolve authentication method",
        ],
    ),
    (
        403,
        &[
            "does not have permission",
            "api key authentication is disabled",
            "request not allowed",
            "oauth authentication is currently not allowed",
        ],
    ),
    (
        413,
        &["request exceeds the maximum size", "request_too_large"],
    ),
    (
        503,
        &[
            "no healthy upstream",
            "upstream connect error",
            "service unavailable",
        ],
    ),
    (502, &["bad gateway"]),
    (504, &["gateway time-out", "gateway timeout"]),
    (529, &["overloaded"]),
    (500, &["internal server error"]),
    (
        404,
        &[
            "has no available results",
            "message batch msgbatch_",
            "message batch not found",
        ],
    ),
    (
        400,
        &[
            "field required",
            "extra inputs are not permitted",
            "input should be",
            "must be greater than",
            "should have at",
            "should match pattern",
            "may only be set to",
            "cannot be modified",
            "must be non-empty",
            "must have non-empty content",
            "at least one message is required",
            "roles must alternate",
            "is not valid json",
            "header is required",
            "unexpected value(s)",
            "is not supported in the message batches api",
            "is not supported on this model",
            "cannot be deleted",
        ],
    ),
];

/// How the messages about the list of a new batch begin.
const BATCH_LIST: &[&str] = &["requests:", "requests."];

/// Reads a text by the status it names, its words, or the names in it.
pub(super) fn read(text: &str) -> Option<Recognised> {
    // A status is the surest sign, a name among other words the weakest.
    with_status(text)
        .or_else(|| by_words(text))
        .or_else(|| by_transport(text))
        .or_else(|| by_message(text))
        .or_else(|| by_exception(text))
        .or_else(|| by_names(text))
        .or_else(|| by_row(text))
}

/// A text that names its status, or an error type or exception that stands for one.
fn with_status(text: &str) -> Option<Recognised> {
    let kind = names(text).find(|name| status_of(name).is_some());
    let status = status::in_text(text)
        .or_else(|| exceptions::status_in(text))
        .or_else(|| status_of(kind?))?;
    if !status::says_more(text) {
        return status::explain(status);
    }
    let facts = ErrorFacts {
        status: Some(status),
        kind,
        message: Some(text),
        pasted: true,
        ..ErrorFacts::default()
    };
    let reading = format!("a text with HTTP status {status}");
    Some(Recognised::new(reading, [classify_error(&facts)]))
}

/// A message whose words make a class by themselves.
fn by_words(text: &str) -> Option<Recognised> {
    let class = class_of(None, text);
    (class != ErrorClass::Unknown).then(|| Recognised::new("a message of the API", [class]))
}

/// A message that comes with a status that it does not name.
fn by_message(text: &str) -> Option<Recognised> {
    let lower = text
        .to_ascii_lowercase()
        // Messages quote names, and logs quote messages.
        .replace(['`', '"', '\'', '\\'], "");
    let start = lower.trim_start();
    if BATCH_LIST.iter().any(|begin| start.starts_with(begin)) {
        let classes = [ErrorClass::BatchRejected, ErrorClass::InvalidRequest];
        return Some(Recognised::new(
            "a message of the Batches API (HTTP 400)",
            classes,
        ));
    }
    let known = MESSAGES
        .iter()
        .find(|(_, fragments)| fragments.iter().any(|part| lower.contains(part)));
    let status = match known {
        Some((status, _)) => *status,
        // The whole message is `model: ID`.
        None if start.starts_with("model:") => 404,
        // `messages.0.content: ...` and other paths into the request.
        None if start.starts_with("messages:") || start.starts_with("messages.") => 400,
        None => return None,
    };
    let reading = format!("a message of the API that comes with HTTP status {status}");
    Some(Recognised::new(reading, [class_of(Some(status), text)]))
}

fn class_of(status: Option<u16>, message: &str) -> ErrorClass {
    classify_error(&ErrorFacts {
        status,
        message: Some(message),
        pasted: true,
        ..ErrorFacts::default()
    })
}

fn by_transport(text: &str) -> Option<Recognised> {
    let broken = transport::find(&text.to_ascii_lowercase())?;
    let what = match broken {
        Broken::Certificate => "a certificate that was not accepted",
        Broken::Alert => "a secure connection that the server refused",
        Broken::ProxyLogin => "a proxy that asks for a login",
        Broken::Dns => "a host name that was not resolved",
        Broken::Connect => "a connection that was not opened",
        Broken::Timeout => "an answer that did not come in time",
        Broken::OutOfFiles => "too many open files",
        Broken::Cut | Broken::Undecodable | Broken::NotHttp | Broken::Unsendable => {
            "a connection that broke"
        }
    };
    Some(Recognised::new(what, [broken.class()]))
}

/// An exception: what follows its name says more than the name.
fn by_exception(text: &str) -> Option<Recognised> {
    let line = text.lines().next().unwrap_or_default();
    let (name, rest) = line.split_once(": ").unwrap_or((line, ""));
    let is_exception = name.ends_with("Error") || name.ends_with("Exception");
    let told = is_exception.then(|| as_word(rest)).flatten();
    told.and_then(|word| one_word(&word))
        .or_else(|| exceptions::find_in(text))
}

/// The first word of the text that is somebody's name for an error. Only words that no prose has:
/// with an underscore, or as long as an exception's name. A stop reason is none: `tool_use` and
/// `max_tokens` are words of many errors.
fn by_names(text: &str) -> Option<Recognised> {
    names(text)
        .filter(|name| name.contains('_') || name.ends_with("Exception"))
        .find_map(|name| {
            let word = name.to_ascii_lowercase();
            let class = word.parse().ok();
            class
                .map(|class| Recognised::new("error class", [class]))
                .or_else(|| error_name(&word))
        })
}

/// A row of `claude-run attempts`, or a line of its log: the class follows a fixed word. So does a
/// stop reason.
fn by_row(text: &str) -> Option<Recognised> {
    let words: Vec<_> = names(text).collect();
    let mut reasons = words.windows(2).filter(|pair| pair[0] == "stop_reason");
    if let Some(found) = reasons.find_map(|pair| stop_reason(pair[1])) {
        return Some(found);
    }
    let mut pairs = words.windows(2).filter(|pair| {
        matches!(
            pair[0],
            "errored" | "succeeded" | "halted" | "by" | "class" | "failed"
        )
    });
    let class = pairs.find_map(|pair| pair[1].parse().ok())?;
    Some(Recognised::new("a line of claude-run", [class]))
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|name| !name.is_empty())
}
