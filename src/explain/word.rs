//! A single word: a class, a status, an error type or code, a stop reason, a synonym, an exception.

use serde_json::json;

use super::reading::{Recognised, answer};
use super::{exceptions, status, synonyms};
use crate::model::ErrorClass;
use crate::provider::{ErrorFacts, classify_error, status_of};

/// The stop reasons that are known (Messages API).
const STOP_REASONS: &[&str] = &[
    "end_turn",
    "stop_sequence",
    "tool_use",
    "max_tokens",
    "model_context_window_exceeded",
    "pause_turn",
    "compaction",
    "refusal",
];

/// The readings of a single word, already normalised.
pub(super) fn one_word(word: &str) -> Option<Recognised> {
    if let Ok(class) = word.parse::<ErrorClass>() {
        return Some(Recognised::new("error class", [class]));
    }
    let bare = ["http_", "status_code_", "status_", "error_code_", "error_"]
        .iter()
        .find_map(|start| word.strip_prefix(start))
        .unwrap_or(word);
    if let Some(status) = status::parse(bare) {
        return status::explain(status);
    }
    stop_reason(word).or_else(|| error_name(word))
}

/// A name of an error: a type, a code, a synonym, an exception.
pub(super) fn error_name(word: &str) -> Option<Recognised> {
    error_type(word)
        // A synonym says whose word it is.
        .or_else(|| synonyms::find(word))
        .or_else(|| error_code(word))
        .or_else(|| exceptions::find(word))
}

/// An `error.type` of the API. Where the type alone says as little as its status, all classes of
/// the status are told.
fn error_type(word: &str) -> Option<Recognised> {
    let status = status_of(word)?;
    let facts = ErrorFacts {
        kind: Some(word),
        ..ErrorFacts::default()
    };
    let classes = match status {
        400 | 404 | 429 => status::classes(status)?,
        _ => vec![classify_error(&facts)],
    };
    let reading = format!("error type `{word}` (HTTP {status})");
    Some(Recognised::new(reading, classes))
}

/// An `error.details.error_code` that makes a class by itself.
fn error_code(word: &str) -> Option<Recognised> {
    let class = classify_error(&ErrorFacts {
        code: Some(word),
        ..ErrorFacts::default()
    });
    let known = class != ErrorClass::Unknown;
    known.then(|| Recognised::new(format!("error code `{word}`"), [class]))
}

/// A stop reason, as the classifier treats a message that has it.
pub(super) fn stop_reason(word: &str) -> Option<Recognised> {
    if !STOP_REASONS.contains(&word) {
        return None;
    }
    let message = json!({ "type": "message", "content": [], "stop_reason": word }).to_string();
    let reading = format!("stop reason `{word}` (HTTP 200)");
    let classes = answer(200, &message).into_iter().collect::<Vec<_>>();
    let found = Recognised::new(reading, classes);
    Some(match word {
        "max_tokens" => found.with_note(
            "a number beside it, as in `max_tokens: 128001 > 128000`, would be max_tokens_too_large",
        ),
        _ => found,
    })
}
