//! HTTP statuses: where a text names one, and which classes it may be.

use super::reading::{Recognised, answer};
use crate::model::ErrorClass as C;
use crate::provider::{ErrorFacts, classify_error};

/// Statuses that say too little by themselves, with the classes that they come with, the most
/// likely first. Every other status has the one class that the classifier gives it.
const AMBIGUOUS: &[(u16, &[C])] = &[
    (
        200,
        &[
            C::Truncated,
            C::Refused,
            C::BadResponse,
            C::Paused,
            C::ContextWindowExceeded,
            C::StreamCut,
        ],
    ),
    (
        400,
        &[
            C::InvalidRequest,
            C::PromptTooLong,
            C::Billing,
            C::SpendLimit,
            C::MaxTokensTooLarge,
            C::ToolPairing,
            C::Image,
            C::CacheControl,
            C::ToolSchema,
            C::ThinkingUnsupported,
            C::PrefillUnsupported,
            C::ContentFiltered,
            C::FileMissing,
            C::OrganizationDisabled,
            C::Permission,
        ],
    ),
    (
        403,
        &[
            C::Permission,
            C::EdgeError,
            C::OrganizationDisabled,
            C::ModelNotFound,
            C::SpendLimit,
        ],
    ),
    (
        404,
        &[
            C::ModelNotFound,
            C::WrongEndpoint,
            C::FileMissing,
            C::InvalidRequest,
        ],
    ),
    (413, &[C::RequestTooLarge, C::PromptTooLong]),
    (422, &[C::InvalidRequest, C::ToolSchema]),
    (
        429,
        &[
            C::RateLimited,
            C::AccelerationLimited,
            C::ConcurrencyLimited,
            C::SpendLimit,
            C::BatchQueueFull,
        ],
    ),
];

/// Words before a number that make it a status.
const INTRODUCTIONS: &[&str] = &[
    "http",
    "http/1.0",
    "http/1.1",
    "http/2",
    "status",
    "code",
    "error",
    "response",
    "statuscode",
    "status_code",
    "returned",
    "failed",
];

/// Words that say no more than the status itself.
const EMPTY_WORDS: &[&str] = &[
    "http",
    "http/1.1",
    "http/2",
    "status",
    "code",
    "error",
    "response",
    "client",
    "server",
    "the",
    "too",
    "many",
    "requests",
    "bad",
    "request",
    "unauthorized",
    "payment",
    "required",
    "forbidden",
    "not",
    "found",
    "conflict",
    "payload",
    "entity",
    "content",
    "large",
    "unprocessable",
    "internal",
    "gateway",
    "service",
    "unavailable",
    "timeout",
    "time-out",
    "ok",
    "for",
    "url",
];

/// Reads a number that is an HTTP status.
pub(super) fn parse(text: &str) -> Option<u16> {
    let status = text.parse().ok()?;
    (text.len() == 3 && (200..600).contains(&status)).then_some(status)
}

/// The classes that a status may be, the most likely first.
pub(super) fn classes(status: u16) -> Option<Vec<C>> {
    if let Some((_, classes)) = AMBIGUOUS.iter().find(|(known, _)| *known == status) {
        return Some(classes.to_vec());
    }
    if status < 400 {
        return answer(status, "").map(|class| vec![class]);
    }
    let facts = ErrorFacts {
        status: Some(status),
        ..ErrorFacts::default()
    };
    Some(vec![classify_error(&facts)])
}

/// A status that stands alone.
pub(super) fn explain(status: u16) -> Option<Recognised> {
    let found = Recognised::new(format!("HTTP status {status}"), classes(status)?);
    Some(match status {
        200..=299 => {
            found.with_note("this is success, unless the stop reason or the body says otherwise")
        }
        _ => found,
    })
}

/// The status that a text names: at its beginning, or after a word such as `HTTP` or `code:`.
pub(super) fn in_text(text: &str) -> Option<u16> {
    let mut before = None;
    for word in words(text) {
        let introduced = match before {
            None => true,
            Some(word) => introduces(word),
        };
        let number = word.trim_end_matches([':', ',', '.']);
        if introduced && let Some(status) = parse(number) {
            return Some(status);
        }
        before = Some(word);
    }
    None
}

/// Whether the text says anything besides the status that it names.
pub(super) fn says_more(text: &str) -> bool {
    words(text).any(|word| {
        let word = word
            .trim_matches([':', ',', '.', '-', '/'])
            .to_ascii_lowercase();
        let is_empty = word.is_empty()
            || parse(&word).is_some()
            || EMPTY_WORDS.contains(&word.as_str())
            || word.ends_with("error")
            || word.starts_with("http");
        !is_empty
    })
}

fn introduces(word: &str) -> bool {
    let word = word.trim_end_matches([':', '=']).to_ascii_lowercase();
    // `RateLimitError: 429` and `HTTPError: 429`.
    INTRODUCTIONS.contains(&word.as_str()) || word.ends_with("error")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "'\"`()[]{}=|".contains(c))
        .filter(|word| !word.is_empty())
}
