//! What a text was read as, and what every reading needs.

use jiff::Timestamp;

use crate::model::ErrorClass;
use crate::provider::{HeaderView, classify_response};

/// Longer texts are no single word, whatever they are.
const MAX_WORD: usize = 60;

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
    /// The text itself: what to do may depend on whose words it has.
    pub said: String,
}

impl Recognised {
    pub(super) fn new(reading: impl Into<String>, classes: impl Into<Vec<ErrorClass>>) -> Self {
        Self {
            reading: reading.into(),
            classes: classes.into(),
            note: None,
            said: String::new(),
        }
    }

    pub(super) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
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

/// The class of a whole answer; none for a message that is complete.
pub(super) fn answer(status: u16, body: &str) -> Option<ErrorClass> {
    // The time matters only to a `retry-after` header, and there is none.
    let now = Timestamp::UNIX_EPOCH;
    match classify_response(status, HeaderView::none(), body.as_bytes(), now) {
        Ok(message) => message.mark,
        Err(failure) => Some(failure.class),
    }
}
