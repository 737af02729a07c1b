//! Which evidence makes which class: how the tables are read. `names` has the types and codes,
//! `fragments` the wordings; statuses are here.
//!
//! Order of evidence: a known code or message fragment, then the HTTP status, then `error.type`.
//! Fragments are compared in lower case and without quotes, because clients and gateways change both.
//! A message may quote its request, so words that would stop more than their job count only where an
//! API says them: at the beginning, under a status and a type that fit, and not if the request has them.

mod fragments;
mod names;

use self::fragments::{FRAGMENTS, Fragment, Scope};
use self::names::{At, CODES, FOREIGN_TYPES, TYPES};
use crate::model::ErrorClass as C;

/// What an error told, from whichever way it came. A stream event or a batch item has no status.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorFacts<'a> {
    /// The HTTP status.
    pub status: Option<u16>,
    /// `error.type`.
    pub kind: Option<&'a str>,
    /// `error.details.error_code`, or the `error.code` of a gateway.
    pub code: Option<&'a str>,
    /// The message, or the text of a body that is no error object.
    pub message: Option<&'a str>,
    /// It came as JSON that is an error, and not as a page or a text.
    pub is_error_object: bool,
    /// It stood inside another error: `status` is its own, or its wrapper's.
    pub is_wrapped: bool,
    /// A person pasted it, and it may be any part of an answer: words count wherever they stand.
    pub pasted: bool,
}

/// Statuses that mean the same whatever the body says. 520 to 527 and 530 are Cloudflare's.
#[rustfmt::skip]
const STATUSES: &[(u16, u16, C)] = &[
    (300, 399, C::WrongEndpoint),
    (401, 401, C::Authentication),
    (402, 402, C::Billing),
    (403, 403, C::Permission),
    // No request of ours has another method, proxy or host than its neighbour.
    (405, 405, C::WrongEndpoint),
    (407, 407, C::WrongEndpoint),
    (421, 421, C::WrongEndpoint),
    (408, 408, C::RequestTimeout),
    (409, 409, C::Conflict),
    (413, 413, C::RequestTooLarge),
    (422, 422, C::InvalidRequest),
    (429, 429, C::RateLimited),
    (500, 501, C::ServerError),
    (502, 502, C::BadGateway),
    (503, 503, C::Unavailable),
    (504, 504, C::GatewayTimeout),
    (505, 519, C::ServerError),
    (520, 527, C::EdgeError),
    (528, 528, C::ServerError),
    (529, 529, C::Overloaded),
    (530, 530, C::EdgeError),
    (531, 599, C::ServerError),
];

/// Statuses that speak of the address alone, when no error object comes with them.
const ADDRESS: &[u16] = &[404, 405, 407, 410, 421, 426];

/// How an API begins what its rules know only the rest of.
const LEAD_INS: &[&str] = &["your ", "youre ", "you are ", "this ", "the ", "output "];

/// Most bytes of the word before the words, where one may stand: a model's name, an ARN.
const MAX_NAME: usize = 200;

/// A class by words or by a name, and what it rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) class: C,
    /// The words, where they would stop more than their job: if the job's own request holds them all,
    /// nobody said them but the request.
    pub(super) words: Option<&'static [&'static str]>,
}

/// The class that code or fragments make, if any does.
pub(super) fn by_words(facts: &ErrorFacts<'_>) -> Option<Told> {
    let by_code = by_codes(facts).map(|class| Told { class, words: None });
    let by_fragment = || {
        let rule = fragment(facts)?;
        Some(Told {
            class: rule.class,
            words: rule.scope.is_beginning().then_some(rule.needles),
        })
    };
    match by_code {
        // Of limits the words say more: which one, and whether a minute is enough.
        Some(told) if told.class == C::RateLimited => by_fragment().or(Some(told)),
        Some(told) => Some(told),
        None => by_fragment(),
    }
}

fn by_codes(facts: &ErrorFacts<'_>) -> Option<C> {
    let is_failing = facts.status.is_some_and(|status| status >= 500);
    let mut codes = [facts.code, facts.kind].into_iter().flatten();
    codes.find_map(|code| {
        let mut rows = CODES.iter();
        let (_, at, class) = rows.find(|(known, _, _)| known.eq_ignore_ascii_case(code))?;
        (*at == At::Any || !is_failing).then_some(*class)
    })
}

fn fragment(facts: &ErrorFacts<'_>) -> Option<&'static Fragment> {
    let text = normalise(facts.message?);
    let text = text.trim_start();
    FRAGMENTS
        .iter()
        .filter(|rule| in_scope(rule.scope, facts))
        .find(|rule| {
            let said = rule.needles.iter().all(|needle| text.contains(needle));
            let anywhere = facts.pasted && rule.scope != Scope::Passing;
            said && (anywhere || !rule.scope.is_beginning() || begins(text, rule.needles))
        })
}

/// Whether the text begins with the first of these words, or with what an API says before them.
fn begins(text: &str, needles: &[&str]) -> bool {
    match needles {
        // One word of whatever it likes, and then the second.
        ["", second, ..] => {
            let (name, rest) = text.split_once(' ').unwrap_or_default();
            name.len() <= MAX_NAME && rest.starts_with(second)
        }
        [first, ..] => {
            let lead_ins = LEAD_INS.iter().filter_map(|lead| text.strip_prefix(lead));
            lead_ins.chain([text]).any(|text| text.starts_with(first))
        }
        [] => false,
    }
}

/// Whether the request holds all of these words.
pub(super) fn holds(request: &str, words: &[&str]) -> bool {
    let request = lower(request);
    words.iter().all(|word| request.contains(word))
}

/// The class that the status alone makes. 400, 404 and whatever has no row say too little.
pub(super) fn by_status(status: u16) -> Option<C> {
    let row = STATUSES
        .iter()
        .find(|(from, to, _)| (*from..=*to).contains(&status));
    row.map(|(_, _, class)| *class)
}

/// The status that an `error.type` stands for, if it is one of the API's, of AWS or of Google.
#[must_use]
pub fn status_of(kind: &str) -> Option<u16> {
    // AWS writes its exceptions with a small letter where they come inside a stream.
    let is_same = |known: &str| {
        let same_first = known.bytes().next().zip(kind.bytes().next());
        known.get(1..) == kind.get(1..)
            && same_first.is_some_and(|(one, other)| one.eq_ignore_ascii_case(&other))
    };
    let own = TYPES.iter().find(|(known, _)| *known == kind);
    let foreign = || {
        let mut rows = FOREIGN_TYPES.iter();
        rows.find(|(known, _)| *known == kind || known.ends_with("Exception") && is_same(known))
    };
    own.or_else(foreign).map(|(_, status)| *status)
}

/// What the class is once a job has succeeded here, if that tells more. `has_reason`: the refusal is no
/// error object of an API, but gives its reason in JSON.
pub(super) fn once_proven(class: C, status: u16, has_reason: bool) -> Option<C> {
    if class != C::WrongEndpoint || !(400..500).contains(&status) {
        return None;
    }
    match status {
        // It let others past, so this is about what the request names.
        400 | 404 | 412 if has_reason => Some(C::InvalidRequest),
        // The address of one request is no other than its neighbour's.
        _ if ADDRESS.contains(&status) => None,
        // A port that wants TLS, a missing certificate, a gateway that knows no such key: a fault on the
        // way, and none of the job's.
        _ => Some(C::BadGateway),
    }
}

/// Whether a 404 is about the path rather than about something the request names. The path never
/// changes, so then the base URL is wrong.
pub(super) fn names_the_path(message: &str) -> bool {
    let text = normalise(message);
    let bare = text.trim_end_matches('.').trim();
    matches!(
        bare,
        "" | "not found"
            | "not_found"
            | "not_found_error"
            | "resource not found"
            | "404 page not found"
    ) || [
        "/v1",
        "invalid url",
        "unknown url",
        "unrecognized request url",
        "cannot post",
        "no route",
        "unknown route",
        "route not found",
        "unknown endpoint",
        "no such endpoint",
        "endpoint not found",
        "invalid endpoint",
        "wrong api endpoint",
        "path not found",
    ]
    .iter()
    .any(|needle| text.contains(needle))
}

/// Fragments stand at the beginning of a message; what follows may be the quoted request.
const MAX_SEARCHED: usize = 16 * 1024;

fn normalise(message: &str) -> String {
    let end = message.floor_char_boundary(MAX_SEARCHED);
    lower(&message[..end])
}

fn lower(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '`' | '"' | '\'' | '\\' | '\u{2018}'..='\u{201d}'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

impl Scope {
    /// Whether the words must begin the message.
    fn is_beginning(self) -> bool {
        !matches!(self, Self::Request | Self::NotFound | Self::RateLimit)
    }
}

fn in_scope(scope: Scope, facts: &ErrorFacts<'_>) -> bool {
    let of_kind = facts.kind.and_then(status_of);
    let status = facts.status.or(of_kind);
    let refuses = |status| matches!(status, 400..=499);
    // A type that nobody knows, or none, is as good as the status beside it, where an API speaks.
    let kind_refuses = of_kind.map_or(facts.is_error_object && facts.status.is_some(), refuses);
    let is_refusal = kind_refuses && facts.status.is_none_or(refuses) || facts.pasted;
    let is_of_request = |status| refuses(status) && !matches!(status, 401..=403 | 407..=409 | 429);
    match scope {
        Scope::Account => is_refusal,
        Scope::Quota => is_refusal || matches!(status, Some(402 | 403 | 429)),
        Scope::Model => match status {
            Some(status) => {
                refuses(status) && !matches!(status, 407..=409 | 429) || facts.is_wrapped
            }
            None => facts.pasted || facts.is_wrapped,
        },
        Scope::Denied => match status {
            Some(status) => matches!(status, 400..=404 | 500) || facts.is_wrapped,
            None => facts.pasted || facts.is_wrapped,
        },
        Scope::Way => status == Some(400),
        Scope::Passing => status.is_none_or(refuses) && (status.is_some() || facts.pasted),
        Scope::Output => {
            (facts.kind.is_some() || facts.is_error_object || facts.pasted)
                && facts.status.is_none_or(|it| it < 500)
        }
        Scope::Request => status.is_none_or(is_of_request),
        Scope::NotFound => status == Some(404),
        Scope::RateLimit => status == Some(429),
    }
}
