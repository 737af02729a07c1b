//! The outside world: one request in, one classified reply out.
//!
//! Everything that knows HTTP, headers or the API's JSON lives here. Nothing here retries: one
//! call of [`Provider::send`] is one request on the wire, because every attempt is a row of the
//! ledger.
//!
//! `classify`, `rules`, `wire`, `tidy`, `usage`, `retry_after`, `rate_limits`, `base_url`, `proxy` and
//! `redact` are pure, and so is the reading of streams: `sse` cuts bytes into events, `fold` makes a
//! message of events, `stream` says what came of it. `http`, `exchange` (what `messages` and
//! `batches` share, with `paced`, `patience`, `payload` and `read_budget`), `status_page` and `reach` are the only places that touch the network.
//! `roots` reads files of certificates.

mod assemble;
mod assemble_block;
mod assemble_content;
mod base_url;
mod batches;
mod classify;
mod client_error;
mod connect_limit;
mod credentials;
mod error_body;
mod exchange;
mod headers;
mod http;
mod json_object;
mod json_text;
mod judge;
mod messages;
mod model_output;
mod paced;
mod pair;
mod patience;
mod payload;
mod proxy;
mod python_literal;
mod rate_limits;
mod reach;
mod read_budget;
mod redact;
mod retry_after;
mod roots;
mod rules;
mod settings;
mod sse;
mod status_page;
mod stream;
mod text;
mod tidy;
mod transport;
mod usage;
mod wire;
mod wrappers;

pub use base_url::BaseUrl;
pub use batches::{
    BatchApi, BatchPage, BatchUpload, BatchesClient, ItemResult, Polled, ResultLine,
    has_no_batches, is_missing, may_have_been_created, read_result_line, rejected_entry,
    take_back_what_a_request_holds,
};
pub use classify::{
    MAX_ERROR_TEXT, MAX_RAW_ERROR, MAX_UNREADABLE, classify_pasted, classify_response,
    classify_transport, take_back_what_it_quotes,
};
pub use client_error::ClientError;
pub use credentials::{Credentials, clean_secret, unquoted};
pub use headers::HeaderView;
pub use judge::classify_error;
pub use messages::{MessagesClient, ModelsReply, STREAM_TIMEOUTS};
pub use pair::Pair;
pub use proxy::{ProxyRules, ProxyServer};
pub use python_literal::to_json as python_to_json;
pub use rate_limits::rate_limits;
pub use reach::{connect, resolve};
pub use read_budget::{ReadBudget, Reserved};
pub use redact::{Redactor, redact};
pub use retry_after::{MAX_RETRY_AFTER, retry_after, should_retry};
pub use rules::{ErrorFacts, status_of};
pub use settings::{
    ClientSettings, DEFAULT_BASE_URL, DEFAULT_IDLE_TIMEOUT, DEFAULT_VERSION, Http,
    MAX_RESPONSE_BYTES, Network,
};
pub use sse::MAX_EVENT_BYTES;
pub use status_page::{PAGE_TIMEOUT, STATUS_PAGES, StatusPage};
pub use stream::classify_stream;
pub use transport::Broken;

use std::future::Future;
use std::time::Duration;

use crate::model::{Endpoint, ErrorClass, Evidence, PageStatus, RateLimits, RequestBody, Usage};

/// Sends requests of the live lane.
pub trait Provider: Send + Sync + 'static {
    /// Sends one request, once, and classifies what comes back. Never fails: what goes wrong is
    /// part of the reply. Dropping the future abandons the request; it may be billed all the same.
    fn send(&self, request: Request) -> impl Future<Output = Reply> + Send;
}

/// Tells what the API's public status page says.
pub trait StatusSource: Send + Sync + 'static {
    /// Looks once. Never fails: what cannot be read is `Indicator::Unknown`. Bounded in time.
    fn ask(&self) -> impl Future<Output = PageStatus> + Send;
}

/// One request of the live lane.
#[derive(Clone, Debug)]
pub struct Request {
    /// The complete Messages API body.
    pub body: RequestBody,
    /// Time allowed from the first byte sent to the last byte read. Of a stream: until it begins;
    /// as a whole it may take [`STREAM_TIMEOUTS`] times as long.
    pub timeout: Duration,
    /// Ask for the answer as a stream of events. What comes of it is the same message.
    pub stream: bool,
    /// Which endpoint it is for; a provider of one endpoint does not look at it.
    pub endpoint: Endpoint,
}

/// What came back, and what its headers told of the limits.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The message, or what went wrong.
    pub result: Result<Message, Box<Failure>>,
    /// The limits that the headers told, success or not.
    pub limits: RateLimits,
    /// From the first byte sent to the last byte read (or to the break).
    pub latency: Duration,
    /// The room that the message holds until it is recorded.
    pub reserved: Reserved,
}

/// A complete message of HTTP status 200.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The message object, byte for byte as the API sent it; put together out of its events if it
    /// was streamed. What not every reader of JSON would take is altered, and `note` says so.
    pub raw: String,
    /// The model that answered (an alias is resolved to its dated id).
    pub model: Option<String>,
    /// `stop_reason`, whatever it is.
    pub stop_reason: Option<String>,
    /// What marks the success: `truncated`, `context_window_exceeded`, `paused`, or `unknown` for
    /// a stop reason that is not known.
    pub mark: Option<ErrorClass>,
    /// What it used.
    pub usage: Usage,
    /// The API's request id.
    pub request_id: Option<String>,
    /// What had to be altered in it to make it valid.
    pub note: Option<String>,
}

/// Anything but a complete, accepted message.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What went wrong.
    pub class: ErrorClass,
    /// The facts that say so.
    pub evidence: Evidence,
    /// A message that came all the same: a refusal is one, and may have been paid for.
    pub message: Option<Message>,
    /// What a stream told of its usage before it broke. Some of it may have been billed.
    pub partial: Option<Partial>,
    /// The request had not left whole when it broke: nothing of it can have been billed.
    pub unsent: bool,
    /// How the class changes with what only its reader knows; none where it does not.
    pub revision: Option<Box<Revision>>,
}

impl Failure {
    /// What the class is once a job has succeeded at the endpoint, if that tells more: then a refusal
    /// without an error object is about this request, or a fault on the way.
    #[must_use]
    pub fn class_once_proven(&self) -> ErrorClass {
        let revision = self.revision.as_ref();
        let revised = revision.and_then(|revision| revision.once_proven);
        // What its words made of it is revised by the request alone.
        revised
            .filter(|_| self.class == ErrorClass::WrongEndpoint)
            .unwrap_or(self.class)
    }
}

/// How the class of a failure changes with what is known besides the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Revision {
    /// The words that made the class, and the class if the job's own request holds them all.
    pub quoted: Option<(&'static [&'static str], ErrorClass)>,
    /// The class once a job has succeeded here.
    pub once_proven: Option<ErrorClass>,
}

/// What is known of a message that was begun and never came whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partial {
    /// The model that was answering.
    pub model: Option<String>,
    /// What it had used, as far as it told. Output is counted at the end, so it is mostly too low.
    pub usage: Usage,
}
