//! The one place that says what an answer is: a message, or a failure of some class.
//!
//! Pure: time and answer are arguments, and no input makes it panic. The evidence that leads to a
//! class stands in `rules`; this module puts it in order, keeps the facts and bounds them.

use jiff::Timestamp;

use super::error_body::{ErrorBody, aws_name, read_text};
use super::judge::{classify_error, judge, revision, without_words};
use super::model_output::ModelOutput;
use super::text::{describe_body, is_html, one_line};
use super::tidy::Altered;
use super::transport::{Broken, PROXY_LOGIN};
use super::usage::{is_free, read_usage};
use super::wire::{Body, WireMessage, read_body};
use super::{ErrorFacts, Failure, HeaderView, Message, Redactor, retry_after, rules, should_retry};
use crate::model::{ErrorClass, Evidence, Treatment};

/// Most bytes of an error's message that are kept: the API's are a few hundred, and the ledger
/// holds one per attempt.
pub const MAX_ERROR_TEXT: usize = 2_000;

/// Most bytes of an error object that are kept raw. Real ones are below 1 kB; a longer one quotes
/// the request.
pub const MAX_RAW_ERROR: usize = 16 * 1024;

/// Most bytes of an answer that are kept if it cannot be read: the longest output of most models.
pub const MAX_UNREADABLE: usize = 256 * 1024;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Most bytes of an identifier (request id, error type) that are kept.
const MAX_ID: usize = 200;

/// Classifies a complete plain (not streamed) answer. `now` is what an HTTP date in `retry-after`
/// is compared with. Whatever looks like a key is masked in what is kept of a failure.
pub fn classify_response(
    status: u16,
    headers: HeaderView<'_>,
    body: &[u8],
    now: Timestamp,
) -> Result<Message, Box<Failure>> {
    let redactor = &Redactor::default();
    Answer {
        status,
        headers,
        body,
        now,
        redactor,
        altered: Altered::default(),
    }
    .classify()
}

/// Classifies the error in a body whose status nobody knows; none if nothing in it tells.
#[must_use]
pub fn classify_pasted(body: &str) -> Option<ErrorClass> {
    let (Body::Error(error) | Body::Foreign(error)) = read_body(body.as_bytes()) else {
        return None;
    };
    let class = classify_error(&ErrorFacts {
        status: error.status,
        kind: error.kind.as_deref(),
        code: error.code.as_deref(),
        message: error.message.as_deref(),
        is_error_object: true,
        is_wrapped: error.is_wrapped,
        pasted: true,
    });
    Some(class).filter(|class| *class != ErrorClass::Unknown)
}

/// Classifies an exchange that broke before an answer began; `message` says why.
#[must_use]
pub fn classify_transport(broken: Broken, message: &str) -> Box<Failure> {
    Box::new(Failure {
        class: broken.class(),
        evidence: Evidence {
            message: Some(kept_text(message, &Redactor::default())),
            ..Evidence::default()
        },
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    })
}

/// An answer, whole or as far as it came.
#[derive(Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) headers: HeaderView<'a>,
    pub(super) body: &'a [u8],
    pub(super) now: Timestamp,
    pub(super) redactor: &'a Redactor,
    /// What was altered before the body was put together.
    pub(super) altered: Altered,
}

impl Answer<'_> {
    /// Classifies the answer as a complete one.
    pub(super) fn classify(&self) -> Result<Message, Box<Failure>> {
        let body = read_body(self.body);
        match body {
            // A message under an error status was never accepted by the API.
            Body::Message(message) if self.is_success() => self.success(message),
            Body::Error(error) => Err(self.api_error(&error)),
            // Gateways put their errors under 200, which would look like a broken answer.
            Body::Foreign(error) if self.is_success() => Err(self.error_in_success(&error)),
            body if self.is_success() => Err(self.bad_response(&body)),
            Body::Foreign(error) => Err(self.foreign_error(Some(error))),
            _ => Err(self.foreign_error(None)),
        }
    }

    /// Classifies an answer that broke off in its body. What came whole stands: JSON shows its own
    /// end. Else a status that says all by itself says more than the break: one that asks for another
    /// try, or that the request is too large (a server that says so often closes before the request
    /// has come whole). Any other needs its body, so the break is what happened.
    pub(super) fn classify_broken(
        &self,
        broken: Broken,
        message: &str,
    ) -> Result<Message, Box<Failure>> {
        if matches!(read_body(self.body), Body::Message(_) | Body::Error(_)) {
            return self.classify();
        }
        let told = rules::by_status(self.status);
        let says_all = told.is_some_and(|class| {
            class.treatment() == Treatment::Retry || class == ErrorClass::RequestTooLarge
        });
        if !self.is_success()
            && says_all
            && let Err(failure) = self.classify()
        {
            return Err(failure);
        }
        Err(self.failure(broken.class(), message))
    }

    /// Classifies an answer that was longer than we read.
    pub(super) fn classify_oversized(&self, limit: usize) -> Box<Failure> {
        let message = format!("the answer is longer than {limit} bytes");
        match self.classify() {
            // An error page of any length is classified by its status.
            Err(failure) if !self.is_success() => failure,
            _ => self.failure(ErrorClass::BadResponse, &message),
        }
    }

    fn is_success(&self) -> bool {
        is_success(self.status)
    }

    fn success(&self, wire: WireMessage) -> Result<Message, Box<Failure>> {
        let is_free = is_free(&wire.usage) && wire.written == ModelOutput::default();
        let refusal = refusal(&wire);
        let mut message = Message {
            mark: mark(wire.stop_reason.as_deref()),
            usage: read_usage(&wire.usage, &wire.written),
            request_id: self.request_id(None),
            note: self.altered.and(wire.altered).words(),
            raw: wire.text,
            model: wire
                .model
                .map(|model| self.redactor.redact(&model).into_owned()),
            stop_reason: wire.stop_reason,
        };
        if message.stop_reason.as_deref() != Some("refusal") {
            return Ok(message);
        }
        // What was refused before any output is not billed, and its receipt says so.
        message.usage.missing &= !is_free;
        let mut failure = self.failure(ErrorClass::Refused, &refusal);
        failure.evidence.error_type = Some("refused".to_owned());
        failure.message = Some(message);
        Err(failure)
    }

    fn api_error(&self, error: &ErrorBody) -> Box<Failure> {
        let (class, revision) = judge(&self.facts(error));
        let mut failure = self.failure(class, &self.words_of(error));
        let raw = self.body.trim_ascii();
        // Longer ones quote the request, which is no evidence and not ours to keep twice.
        failure.evidence.raw_error = (raw.len() <= MAX_RAW_ERROR).then(|| {
            let raw = String::from_utf8_lossy(raw);
            self.redactor.redact(&raw).into_owned()
        });
        failure.evidence.error_type = error.kind.as_deref().map(|kind| self.kept_id(kind));
        failure.evidence.request_id = self.request_id(error.request_id.as_deref());
        failure.revision = revision;
        failure
    }

    fn facts<'e>(&self, error: &'e ErrorBody) -> ErrorFacts<'e> {
        ErrorFacts {
            // An error object under a success status was put there by something that had sent its
            // status already: only the type tells, or a code that is a status.
            status: self.told_status(error),
            kind: error.kind.as_deref(),
            code: error.code.as_deref(),
            message: error.message.as_deref(),
            is_error_object: true,
            is_wrapped: error.is_wrapped,
            pasted: false,
        }
    }

    /// The status that says what the error is: the HTTP status, unless that is a wrapper's or says
    /// success.
    fn told_status(&self, error: &ErrorBody) -> Option<u16> {
        let own = error.status.filter(|_| error.is_wrapped);
        if own.is_some() || !self.is_success() {
            return own.or(Some(self.status));
        }
        let told = error.code.as_deref()?.parse().ok();
        // A code below that is a number of another kind.
        told.filter(|status| (400..600).contains(status))
    }

    /// The message of an error object. Under a success status its code is all that tells more.
    fn words_of(&self, error: &ErrorBody) -> String {
        let message = error.message.as_deref().or(error.kind.as_deref());
        let message = message.unwrap_or("an error");
        match &error.code {
            Some(code) if self.is_success() => with_code(message, code),
            _ => message.to_owned(),
        }
    }

    /// An error of another shape than the API's under a success status: known words or its code tell
    /// what it is.
    fn error_in_success(&self, error: &ErrorBody) -> Box<Failure> {
        let facts = self.facts(error);
        let by_status = || match facts.status {
            Some(status) => self.class_of_page(status, false),
            None => ErrorClass::BadResponse,
        };
        let (class, revision) = match rules::by_words(&facts) {
            Some(told) => (told.class, revision(told, by_status)),
            None => (by_status(), None),
        };
        if class == ErrorClass::BadResponse && error.code.is_none() {
            return self.bad_response(&Body::Foreign(error.clone()));
        }
        let message = error.message.as_deref().unwrap_or("an error");
        let words = match error.code.as_ref().or(error.kind.as_ref()) {
            Some(code) => with_code(message, code),
            None => message.to_owned(),
        };
        let mut failure = self.failure(
            class,
            &format!("HTTP {} with an error: {words}", self.status),
        );
        failure.revision = revision;
        failure
    }

    /// An error that came as an event of a stream, `body` being its data. Without the API's shape,
    /// only known words say more than that the stream broke.
    pub(super) fn classify_event(&self) -> Box<Failure> {
        let text = match read_body(self.body) {
            Body::Error(error) => return self.api_error(&error),
            Body::Foreign(error) => {
                let failure = self.error_in_success(&error);
                // Known words or a status say more than that the stream broke.
                if failure.class != ErrorClass::BadResponse {
                    return failure;
                }
                error.words().unwrap_or_default().to_owned()
            }
            _ => self.describe(),
        };
        let words = rules::by_words(&ErrorFacts {
            message: Some(&text),
            ..ErrorFacts::default()
        });
        let message = format!("the stream ended with an error: {text}");
        let class = words.map_or(ErrorClass::StreamCut, |told| told.class);
        self.failure(class, &message)
    }

    /// A success status without a message: a login page, a broken proxy, a cut body.
    fn bad_response(&self, body: &Body) -> Box<Failure> {
        let what = match body {
            Body::Foreign(error) => {
                let said = error.words().unwrap_or_default();
                format!("the body is JSON, but not what was asked for: {said}")
            }
            Body::OtherJson => "the body is JSON, but not what was asked for".to_owned(),
            Body::NotJson(_) if is_html(self.headers, self.body) => {
                format!("the body is {}", self.describe())
            }
            Body::NotJson(_) if self.body.trim_ascii().is_empty() => "the body is empty".to_owned(),
            Body::NotJson(_) if is_event_stream(self.headers) => {
                "the body is an event stream, which was not asked for".to_owned()
            }
            Body::NotJson(reason) => format!("the body is no message: {reason}"),
            Body::Message(_) | Body::Error(_) => String::new(),
        };
        let message = format!("HTTP {}, but {what}", self.status);
        let mut failure = self.failure(ErrorClass::BadResponse, &message);
        let begins = self.body.strip_prefix(BOM).unwrap_or(self.body);
        let is_json = matches!(begins.trim_ascii_start().first(), Some(b'{' | b'['));
        // In another encoding, or packed: no page of a proxy comes so, but a paid answer may.
        let is_text = std::str::from_utf8(self.body).is_ok() && !self.body.contains(&0);
        if is_json || !(is_text || is_html(self.headers, self.body)) {
            failure.evidence.unreadable = Some(self.kept_answer(self.body));
        }
        failure
    }

    /// What is kept of an answer that cannot be read: as much as may be needed to read it by hand.
    pub(super) fn kept_answer(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        let text = self.redactor.redact(text.trim());
        let end = text.floor_char_boundary(MAX_UNREADABLE);
        text[..end].to_owned()
    }

    /// An error that has not the API's shape: made by a cloud, a gateway, a proxy, or another program.
    fn foreign_error(&self, error: Option<ErrorBody>) -> Box<Failure> {
        let html = is_html(self.headers, self.body);
        let error = error.or_else(|| self.error_in_text(html));
        let error = self.with_aws_name(error);
        let text = match error.as_ref().and_then(ErrorBody::words) {
            Some(words) => words.to_owned(),
            None => self.describe(),
        };
        // A cloud's name of the error says whose words they are.
        let shown = match error.as_ref().and_then(|error| error.kind.as_deref()) {
            Some(kind) if !text.contains(kind) => format!("{kind}: {text}"),
            _ => text.clone(),
        };
        // What names a type, a code or a status is an API's answer, though it is not of the shape that is
        // asked for; it is judged as the API's own are.
        let is_api = error.as_ref().is_some_and(ErrorBody::is_named);
        let facts = match &error {
            Some(error) => self.facts(error),
            None => ErrorFacts {
                status: Some(self.status),
                message: Some(&text),
                ..ErrorFacts::default()
            },
        };
        let without = || {
            if is_api && self.headers.get("cf-mitigated").is_none() {
                without_words(&facts)
            } else {
                self.class_of_page(self.status, html)
            }
        };
        // The words of an HTML page are nobody's error message.
        let told = rules::by_words(&facts).filter(|_| !html);
        let class = told.map_or_else(without, |told| told.class);
        // What words made falls back, if the request holds them, on what it would be without.
        let by_words = told.is_some_and(|told| told.class != ErrorClass::WrongEndpoint);
        let fallback = if by_words { without() } else { class };
        let has_reason =
            error.is_some() && told.is_none_or(|_| by_words) && !rules::names_the_path(&text);
        let message = self.foreign_message(&shown, told.is_none() && !is_api);
        let mut failure = self.failure(class, &message);
        failure.evidence.error_type = error
            .as_ref()
            .and_then(|error| error.kind.as_deref())
            .map(|kind| self.kept_id(kind));
        failure.revision = told.and_then(|told| revision(told, without));
        if let Some(class) = rules::once_proven(fallback, self.status, has_reason) {
            failure.revision.get_or_insert_default().once_proven = Some(class);
        }
        failure
    }

    /// The error of a body that is no JSON: what the wrappers of gateways hold.
    fn error_in_text(&self, html: bool) -> Option<ErrorBody> {
        let text = std::str::from_utf8(self.body).ok().filter(|_| !html)?;
        read_text(text)
    }

    /// AWS names its error in a header.
    fn with_aws_name(&self, error: Option<ErrorBody>) -> Option<ErrorBody> {
        let Some(told) = self.headers.get("x-amzn-errortype") else {
            return error;
        };
        let mut error = error.unwrap_or_default();
        // What stood inside of another error has a name of its own.
        if !error.is_wrapped && error.kind.is_none() {
            error.kind = Some(aws_name(told).to_owned());
        }
        Some(error)
    }

    fn foreign_message(&self, text: &str, explained: bool) -> String {
        let message = match self.redirect_target() {
            Some(target) => format!("HTTP {}, which redirects to {target}", self.status),
            None => format!("HTTP {} with {text}", self.status),
        };
        match meaning_of_foreign(self.status).filter(|_| explained) {
            Some(meaning) => format!("{}; {meaning}", cut(&message)),
            None => message,
        }
    }

    fn class_of_page(&self, status: u16, html: bool) -> ErrorClass {
        // "Just a moment...": the edge wants to see a browser, the API was never asked.
        if status == 403 && (html || self.headers.get("cf-mitigated").is_some()) {
            return ErrorClass::EdgeError;
        }
        // No job of ours can get past what is said instead of an answer of the API.
        rules::by_status(status).unwrap_or(match status {
            400..=499 => ErrorClass::WrongEndpoint,
            _ => ErrorClass::Unknown,
        })
    }

    fn describe(&self) -> String {
        describe_body(self.headers, self.body, MAX_ERROR_TEXT)
    }

    /// Where a redirect leads, without its query: that may carry a token.
    fn redirect_target(&self) -> Option<&str> {
        let location = self.headers.get("location")?;
        (300..400)
            .contains(&self.status)
            .then(|| location.split(['?', '#']).next().unwrap_or_default())
    }

    pub(super) fn failure(&self, class: ErrorClass, message: &str) -> Box<Failure> {
        Box::new(Failure {
            class,
            evidence: Evidence {
                http_status: Some(self.status),
                error_type: None,
                message: Some(kept_text(message, self.redactor)),
                request_id: self.request_id(None),
                retry_after: retry_after(self.headers, self.now),
                should_retry: should_retry(self.headers),
                raw_error: None,
                unreadable: None,
            },
            message: None,
            partial: None,
            unsent: false,
            revision: None,
        })
    }

    /// The header's request id, else the body's.
    fn request_id(&self, of_body: Option<&str>) -> Option<String> {
        let id = self.headers.get("request-id").or(of_body)?;
        Some(self.kept_id(id)).filter(|id| !id.is_empty())
    }

    fn kept_id(&self, id: &str) -> String {
        one_line(&self.redactor.redact(id), MAX_ID)
    }
}

/// What a status means that the API did not send, where that is not what it means at the API.
fn meaning_of_foreign(status: u16) -> Option<&'static str> {
    Some(match status {
        401 => {
            "that is no answer of the API: something in front of it asks for a login of its own, so the key may be good (a gateway's credential goes into ANTHROPIC_CUSTOM_HEADERS)"
        }
        407 => PROXY_LOGIN,
        413 => {
            "that is no answer of the API: something in front of it takes only smaller requests, perhaps far below the API's 32 MB"
        }
        422 => {
            "that is no answer of the API: something in front of it checks requests by rules of its own"
        }
        _ => return None,
    })
}

/// This much of a page's words that ours have room after them.
fn cut(message: &str) -> String {
    one_line(message, MAX_ERROR_TEXT / 2)
}

fn with_code(message: &str, code: &str) -> String {
    if message.contains(code) {
        message.to_owned()
    } else {
        format!("{message} (code {code})")
    }
}

/// Takes back what words made of a failure that its own request holds: a message may quote it, and
/// nobody's credit is at an end because a prompt says so.
pub fn take_back_what_it_quotes(failure: &mut Failure, request: &str) {
    let revision = failure.revision.as_deref();
    let quoted = revision.and_then(|revision| revision.quoted);
    if let Some((words, without)) = quoted
        && rules::holds(request, words)
    {
        failure.class = without;
    }
}

/// Whether an answer of this status should hold a message.
pub(super) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Whether the head announces server-sent events.
pub(super) fn is_event_stream(headers: HeaderView<'_>) -> bool {
    headers
        .get("content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/event-stream"))
}

/// Masked first and cut then, so that no half of a secret stays at the cut.
fn kept_text(text: &str, redactor: &Redactor) -> String {
    one_line(&redactor.redact(text), MAX_ERROR_TEXT)
}

/// What marks a success (Messages API, stop reasons). A reason that is not known yet is marked, not
/// refused: the answer was paid for.
fn mark(stop_reason: Option<&str>) -> Option<ErrorClass> {
    match stop_reason {
        Some("end_turn" | "stop_sequence" | "tool_use" | "refusal") => None,
        Some("max_tokens") => Some(ErrorClass::Truncated),
        Some("model_context_window_exceeded") => Some(ErrorClass::ContextWindowExceeded),
        // A compaction (beta) pauses the turn in the same way.
        Some("pause_turn" | "compaction") => Some(ErrorClass::Paused),
        _ => Some(ErrorClass::Unknown),
    }
}

fn refusal(wire: &WireMessage) -> String {
    let detail = |name: &str| wire.stop_details[name].as_str();
    match (detail("category"), detail("explanation")) {
        (Some(category), Some(why)) => format!("the model declined to answer ({category}): {why}"),
        (None, Some(why)) => format!("the model declined to answer: {why}"),
        (Some(category), None) => format!("the model declined to answer ({category})"),
        (None, None) => "the model declined to answer".to_owned(),
    }
}

#[cfg(test)]
mod odd_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod texts;
