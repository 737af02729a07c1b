//! The exceptions of Anthropic's SDKs, by name.

use super::reading::Recognised;
use super::status;
use crate::model::ErrorClass as C;

/// What a name stands for.
#[derive(Clone, Copy)]
enum Means {
    /// An answer with this status.
    Status(u16),
    /// One of these classes.
    Classes(&'static [C]),
}

/// Names in lower case (the Python, TypeScript, Java and Ruby SDKs share most of them).
const EXCEPTIONS: &[(&str, Means)] = &[
    ("badrequesterror", Means::Status(400)),
    ("badrequestexception", Means::Status(400)),
    ("authenticationerror", Means::Status(401)),
    ("unauthorizedexception", Means::Status(401)),
    ("permissiondeniederror", Means::Status(403)),
    ("permissiondeniedexception", Means::Status(403)),
    ("notfounderror", Means::Status(404)),
    ("notfoundexception", Means::Status(404)),
    ("conflicterror", Means::Status(409)),
    ("requesttoolargeerror", Means::Status(413)),
    ("unprocessableentityerror", Means::Status(422)),
    ("unprocessableentityexception", Means::Status(422)),
    ("ratelimiterror", Means::Status(429)),
    ("ratelimitexception", Means::Status(429)),
    (
        "internalservererror",
        Means::Classes(&[
            C::ServerError,
            C::Overloaded,
            C::Unavailable,
            C::BadGateway,
            C::GatewayTimeout,
            C::EdgeError,
        ]),
    ),
    (
        "internalserverexception",
        Means::Classes(&[C::ServerError, C::Overloaded, C::Unavailable]),
    ),
    ("serviceunavailableerror", Means::Status(503)),
    ("deadlineexceedederror", Means::Status(504)),
    ("overloadederror", Means::Status(529)),
    (
        "apiconnectionerror",
        Means::Classes(&[C::Connect, C::ConnectionCut, C::Dns, C::Tls]),
    ),
    ("apitimeouterror", Means::Classes(&[C::Timeout, C::Connect])),
    (
        "apiconnectiontimeouterror",
        Means::Classes(&[C::Timeout, C::Connect]),
    ),
    ("apiuseraborterror", Means::Classes(&[C::Interrupted])),
    (
        "apiresponsevalidationerror",
        Means::Classes(&[C::BadResponse]),
    ),
    ("jsondecodeerror", Means::Classes(&[C::BadResponse])),
];

/// The name alone.
pub(super) fn find(word: &str) -> Option<Recognised> {
    let (name, means) = EXCEPTIONS.iter().find(|(name, _)| *name == word)?;
    let reading = format!("exception `{name}` of an SDK");
    match means {
        Means::Status(status) => {
            let reading = format!("{reading} (HTTP {status})");
            Some(Recognised::new(reading, status::classes(*status)?))
        }
        Means::Classes(classes) => Some(Recognised::new(reading, *classes)),
    }
}

/// The status of the first such name in a text.
pub(super) fn status_in(text: &str) -> Option<u16> {
    match named_in(text)?.1 {
        Means::Status(status) => Some(status),
        Means::Classes(_) => None,
    }
}

/// The first such name in a text, as if it stood alone.
pub(super) fn find_in(text: &str) -> Option<Recognised> {
    find(named_in(text)?.0)
}

fn named_in(text: &str) -> Option<(&'static str, Means)> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        // Only what is written as a class name: `overloaded` in a sentence is another matter.
        .filter(|word| word.ends_with("Error") || word.ends_with("Exception"))
        .find_map(|word| {
            let known = EXCEPTIONS.iter();
            let mut known = known.filter(|(name, _)| word.eq_ignore_ascii_case(name));
            known.next().copied()
        })
}
