//! The Messages API, live: one request, one classified reply.
//!
//! Owns the exchange: what is sent, how much is read, how long it may take. What the answer means
//! is for `classify` to say.

mod models;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Url};
use tokio::time::Instant;

use super::classify::{Answer, is_event_stream, is_success};
use super::http::{build_client, redactor_of, request_headers};
use super::payload::Payload;
use super::stream::EventStream;
use super::transport::{Broken, describe_transport};
use super::{
    BaseUrl, ClientError, ClientSettings, Failure, HeaderView, Message, Provider, Redactor, Reply,
    Request, classify_transport, rate_limits,
};
use crate::clock::Clock;
use crate::model::duration::format_duration;
use crate::model::{RateLimits, RequestBody};

pub use models::ModelsReply;

/// Most bytes of an answer that are read. The longest output of any model is a few MB; generated
/// files and search results may come with it.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// A stream may take so many times the timeout of a plain answer: with the default of ten minutes an
/// hour, in which the longest output of any model (128,000 tokens) is said to be done.
pub const STREAM_TIMEOUTS: u32 = 6;

/// How long the end of a stream is waited for once its message is whole.
const LINGER: Duration = Duration::from_secs(1);

/// A client of `POST /v1/messages`. Cheap to share behind an `Arc`.
pub struct MessagesClient {
    client: Client,
    base: BaseUrl,
    url: Url,
    headers: HeaderMap,
    redactor: Redactor,
    clock: Clock,
    idle_timeout: Duration,
    max_response_bytes: usize,
}

impl MessagesClient {
    /// A client of these settings. Opens no connection yet.
    ///
    /// # Errors
    /// If the settings cannot be used: base URL, a header, a credential, certificates.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        let base = BaseUrl::parse(&settings.base_url)?;
        let headers = request_headers(settings)?;
        Ok(Self {
            client: build_client(settings, &base)?,
            url: base.endpoint("/v1/messages"),
            base,
            redactor: redactor_of(&headers),
            headers,
            clock: settings.clock,
            idle_timeout: settings.idle_timeout,
            max_response_bytes: MAX_RESPONSE_BYTES,
        })
    }

    /// The endpoint in use, and what of it was corrected ([`BaseUrl::note`]).
    #[must_use]
    pub fn base_url(&self) -> &BaseUrl {
        &self.base
    }

    async fn post(&self, request: Request, seen: &mut Seen) -> Result<(), Break> {
        let terms = Terms {
            timeout: request.timeout,
            stream: request.stream,
        };
        let body = Bytes::from_owner(BodyBytes(wire_body(&request)?));
        let post = self.client.post(self.url.clone()).body(body);
        self.exchange(post, terms, seen).await
    }

    /// Sends the request and takes in what comes, until there is no more to come.
    async fn exchange(
        &self,
        request: RequestBuilder,
        terms: Terms,
        seen: &mut Seen,
    ) -> Result<(), Break> {
        let opening = request.headers(self.headers.clone()).send();
        let mut response = within(terms.timeout, opening, timeout_words).await?;
        let headers = std::mem::take(response.headers_mut());
        seen.begin(response.status().as_u16(), headers, terms, self);
        let idle = self.idle_timeout.min(terms.timeout);
        while !seen.payload.is_decided() {
            let next = response.chunk();
            let chunk = if seen.is_stream {
                within(idle, next, silence_words).await?
            } else {
                next.await.map_err(|error| describe_transport(&error))?
            };
            match chunk {
                Some(chunk) => seen.payload.take(&chunk),
                None => return Ok(()),
            }
        }
        // Read to its end, the connection can be used again; but the message is here.
        if seen.payload.events().is_some_and(EventStream::is_complete) {
            while let Ok(Some(_)) = within(LINGER, response.chunk(), silence_words).await {}
        }
        Ok(())
    }

    fn result(&self, seen: &Seen, broken: Option<Break>) -> Result<Message, Box<Failure>> {
        let Some((status, headers)) = &seen.head else {
            let (broken, why) = broken.unwrap_or((Broken::Cut, String::new()));
            return Err(classify_transport(broken, &self.redactor.redact(&why)));
        };
        let answer = Answer {
            status: *status,
            headers: HeaderView::new(headers),
            body: seen.payload.bytes(),
            now: self.clock.now(),
            redactor: &self.redactor,
        };
        if let Some(stream) = seen.payload.events() {
            tell_unknown(stream);
            return stream.classify(answer, self.why_cut(seen, broken).as_deref());
        }
        match broken {
            None if seen.payload.is_oversized() => {
                Err(answer.classify_oversized(self.max_response_bytes))
            }
            None => answer.classify(),
            Some((broken, why)) => Err(answer.classify_broken(broken, &why)),
        }
    }

    fn why_cut(&self, seen: &Seen, broken: Option<Break>) -> Option<String> {
        let limit = self.max_response_bytes;
        seen.payload
            .is_oversized()
            .then(|| format!("the stream is longer than {limit} bytes"))
            .or(broken.map(|(_, why)| why))
    }
}

/// What the API added since: nothing is lost by it, but whoever looks for it finds it.
fn tell_unknown(stream: &EventStream) {
    let kinds: Vec<&str> = stream.unknown().collect();
    if !kinds.is_empty() {
        tracing::debug!(
            ?kinds,
            "a stream had events of unknown kinds; they were passed over"
        );
    }
}

/// The body as it is sent: how the answer travels is the only thing added to it.
fn wire_body(request: &Request) -> Result<RequestBody, Break> {
    if !request.stream {
        return Ok(request.body.clone());
    }
    let streamed = request.body.with_member("stream", &true.into());
    streamed.map_err(|error| (Broken::Unsendable, error.to_string()))
}

/// How an exchange goes: the time until its answer begins, and whether events may come.
#[derive(Clone, Copy)]
struct Terms {
    timeout: Duration,
    stream: bool,
}

/// Where an exchange broke, and why.
type Break = (Broken, String);

/// Waits for a step of the exchange, but not for ever.
async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, reqwest::Error>>,
    words: fn(Duration) -> String,
) -> Result<T, Break> {
    match tokio::time::timeout(limit, step).await {
        Ok(done) => done.map_err(|error| describe_transport(&error)),
        Err(_) => Err((Broken::Timeout, words(limit))),
    }
}

impl fmt::Debug for MessagesClient {
    /// Shows the endpoint alone: the HTTP client may know a proxy's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagesClient")
            .field("base_url", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Provider for MessagesClient {
    async fn send(&self, request: Request) -> Reply {
        let started = Instant::now();
        let mut seen = Seen::default();
        let times = if request.stream { STREAM_TIMEOUTS } else { 1 };
        let limit = request.timeout.saturating_mul(times);
        let exchange = self.post(request, &mut seen);
        let broken = match tokio::time::timeout(limit, exchange).await {
            Ok(ended) => ended.err(),
            Err(_) => Some((Broken::Timeout, timeout_words(limit))),
        };
        seen.payload.finish();
        let latency = started.elapsed();
        Reply {
            limits: seen.limits(),
            result: self.result(&seen, broken),
            latency,
        }
    }
}

fn timeout_words(timeout: Duration) -> String {
    let limit = format_duration(timeout);
    format!("no complete answer came within {limit}")
}

fn silence_words(idle: Duration) -> String {
    let limit = format_duration(idle);
    format!("the stream was silent for {limit}")
}

/// What has come of an answer; it outlives an exchange that is dropped at its timeout.
#[derive(Default)]
struct Seen {
    head: Option<(u16, HeaderMap)>,
    payload: Payload,
    /// The head announces events, as it was asked for.
    is_stream: bool,
}

impl Seen {
    fn begin(&mut self, status: u16, headers: HeaderMap, terms: Terms, to: &MessagesClient) {
        let view = HeaderView::new(&headers);
        self.is_stream = terms.stream && is_success(status) && is_event_stream(view);
        self.payload = Payload::new(self.is_stream, to.max_response_bytes);
        self.head = Some((status, headers));
    }

    fn limits(&self) -> RateLimits {
        let headers = self.head.as_ref().map(|(_, headers)| headers);
        headers.map_or_else(RateLimits::default, |headers| {
            rate_limits(HeaderView::new(headers))
        })
    }
}

/// Lends the request's text to the HTTP client: a body of 32 MB is never copied.
struct BodyBytes(RequestBody);

impl AsRef<[u8]> for BodyBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.as_str().as_bytes()
    }
}

#[cfg(test)]
mod tests;
