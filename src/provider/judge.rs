//! What the facts of an error make of it: a class, and how what its reader knows besides revises that.
//!
//! Pure; the evidence stands in the tables of `rules`, the facts come from `classify`.

use super::Revision;
use super::rules::{self, ErrorFacts, Told};
use crate::model::ErrorClass;

/// Classifies an error of the API, from whichever way it came.
#[must_use]
pub fn classify_error(facts: &ErrorFacts<'_>) -> ErrorClass {
    judge(facts).0
}

/// The class, and how the request revises it.
pub(super) fn judge(facts: &ErrorFacts<'_>) -> (ErrorClass, Option<Box<Revision>>) {
    // Words first: one type or status stands for several faults, and only the message tells them
    // apart.
    match rules::by_words(facts) {
        Some(told) => (told.class, revision(told, || without_words(facts))),
        None => (without_words(facts), None),
    }
}

pub(super) fn revision(told: Told, without: impl FnOnce() -> ErrorClass) -> Option<Box<Revision>> {
    let words = told.words?;
    Some(Box::new(Revision {
        quoted: Some((words, without())),
        once_proven: None,
    }))
}

/// The class that status and type make.
pub(super) fn without_words(facts: &ErrorFacts<'_>) -> ErrorClass {
    let by_type = || facts.kind.and_then(rules::status_of);
    match facts.status {
        // The API names the path it does not have; else 404 is a model or a batch that does not
        // exist.
        Some(404) if rules::names_the_path(facts.message.unwrap_or_default()) => {
            ErrorClass::WrongEndpoint
        }
        Some(status) => class_of_status(status)
            .or_else(|| by_type().and_then(class_of_status))
            .unwrap_or(match status {
                // A status that we do not know keeps the meaning of its hundred.
                400..=499 => ErrorClass::InvalidRequest,
                _ => ErrorClass::Unknown,
            }),
        None => by_type()
            .and_then(class_of_status)
            .unwrap_or(ErrorClass::Unknown),
    }
}

/// What a status means beside an error object: 400 and 404 then speak of the request.
fn class_of_status(status: u16) -> Option<ErrorClass> {
    match status {
        400 | 404 => Some(ErrorClass::InvalidRequest),
        _ => rules::by_status(status),
    }
}
