//! What a text is: the readings, from the surest to the vaguest.

use super::reading::{Recognised, as_word};
use super::word::one_word;
use super::{html, json as body, prose};
use crate::model::ErrorClass;

/// Says what the text is; nothing if no reading fits.
#[must_use]
pub fn recognise(text: &str) -> Option<Recognised> {
    let found = reading_of(text.trim())?;
    Some(Recognised {
        said: text.to_owned(),
        ..found
    })
}

fn reading_of(text: &str) -> Option<Recognised> {
    // One word is a name, and not a text with a name in it.
    if let Some(word) = as_word(text)
        && let Some(found) = one_word(&word)
    {
        return Some(found);
    }
    // A page may hold JSON and prose; JSON may hold prose.
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
