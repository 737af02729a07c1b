//! What a text is: the readings, from the surest to the vaguest.

use jiff::Timestamp;
use serde_json::json;

use super::{exceptions, html, json as body, prose, status, synonyms};
use crate::model::ErrorClass;
use crate::provider::{ErrorFacts, HeaderView, classify_error, classify_response, status_of};

/// What a text was taken to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// What it was read as, such as `HTTP status 529`.
    pub reading: String,
    /// The classes that it may be, the most likely first. Empty if nothing went wrong, as with the
    /// stop reason `end_turn`.
    pub classes: Vec<ErrorClass>,
    /// Whose word it is, or what else is to be known.
    pub note: Option<String>,
}

impl Recognised {
    pub(super) fn new(reading: impl Into<String>, classes: impl Into<Vec<ErrorClass>>) -> Self {
        Self {
            reading: reading.into(),
            classes: classes.into(),
            note: None,
        }
    }

    pub(super) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// Longer texts are no single word, whatever they are.
const MAX_WORD: usize = 60;

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

/// Says what the text is; nothing if no reading fits.
#[must_use]
pub fn recognise(text: &str) -> Option<Recognised> {
    let text = text.trim();
    if let Some(word) = as_word(text)
        && let Some(found) = one_word(&word)
    {
        return Some(found);
    }
    html::page(text)
        .or_else(|| body::in_text(text))
        .or_else(|| prose::read(text))
}

/// The class, error type or synonym that a misspelt word most likely meant.
#[must_use]
pub fn closest_word(text: &str) -> Option<&'static str> {
    /// Below this likeness the words have little in common.
    const LIKE: f64 = 0.88;
    let word = as_word(text.trim())?;
    ErrorClass::all()
        .map(ErrorClass::as_str)
        .map(|known| (strsim::jaro_winkler(&word, known), known))
        .filter(|(likeness, _)| *likeness >= LIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// A short text in the form in which words are compared: `Rate-Limited.` is `rate_limited`.
pub(super) fn as_word(text: &str) -> Option<String> {
    let bare = text.trim_matches(|c: char| c.is_whitespace() || "`'\".,;:!?()".contains(c));
    let is_word = !bare.is_empty()
        && bare.len() <= MAX_WORD
        && bare
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_- ".contains(c));
    is_word.then(|| bare.to_ascii_lowercase().replace(['-', ' '], "_"))
}

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
    error_type(word)
        .or_else(|| error_code(word))
        .or_else(|| stop_reason(word))
        .or_else(|| synonyms::find(word))
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

/// The class of a whole answer; none for a message that is complete.
pub(super) fn answer(status: u16, body: &str) -> Option<ErrorClass> {
    // The time matters only to a `retry-after` header, and there is none.
    let now = Timestamp::UNIX_EPOCH;
    match classify_response(status, HeaderView::none(), body.as_bytes(), now) {
        Ok(message) => message.mark,
        Err(failure) => Some(failure.class),
    }
}
