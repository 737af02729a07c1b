//! One exchange with the API: what every client of an endpoint shares.
//!
//! Owns the HTTP client, the headers and the redactor, how much of an answer is read and how long
//! it may take. What is asked is for the clients of the endpoints to say, what the answer means for
//! `classify`. Nothing here repeats a request.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response};
use tokio::time::Instant;

use super::classify::{Answer, is_event_stream, is_success};
use super::http::{build_client, redactor_of, request_headers};
use super::paced::Upload;
use super::patience::Patience;
use super::payload::{Form, Payload};
use super::read_budget::Reading;
use super::roots;
use super::stream::EventStream;
use super::tidy::Altered;
use super::transport::{Broken, describe_transport};
use super::{
    BaseUrl, ClientError, ClientSettings, Failure, HeaderView, MAX_RESPONSE_BYTES, Message,
    ReadBudget, Redactor, Reserved, classify_transport, rate_limits,
};
use crate::clock::{self, Clock};
use crate::model::duration::format_duration;
use crate::model::{ErrorClass, RateLimits};

/// How long the end of a stream is waited for once its message is whole.
const LINGER: Duration = Duration::from_secs(1);

/// The way to one endpoint root with one set of credentials.
pub(super) struct ApiClient {
    client: Client,
    base: BaseUrl,
    headers: HeaderMap,
    redactor: Redactor,
    clock: Clock,
    idle_timeout: Duration,
    /// What to know of the trusted certificates when the server's was not accepted.
    roots: Option<String>,
    pub(super) max_response_bytes: usize,
    read_budget: ReadBudget,
}

impl ApiClient {
    /// A client of these settings. Opens no connection yet.
    pub(super) fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        let base = BaseUrl::parse(&settings.base_url)?;
        let headers = request_headers(settings)?;
        Ok(Self {
            client: build_client(settings, &base)?,
            base,
            redactor: redactor_of(&headers),
            headers,
            clock: settings.clock,
            idle_timeout: settings.idle_timeout,
            roots: roots::told(&settings.network),
            max_response_bytes: MAX_RESPONSE_BYTES,
            read_budget: settings.read_budget.clone(),
        })
    }

    pub(super) fn http(&self) -> &Client {
        &self.client
    }

    pub(super) fn base(&self) -> &BaseUrl {
        &self.base
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn read_budget(&self) -> &ReadBudget {
        &self.read_budget
    }

    /// The longest silence within an answer of these terms.
    pub(super) fn idle(&self, timeout: Duration) -> Duration {
        self.idle_timeout.min(timeout)
    }

    /// Sends the request and waits for the head of its answer.
    pub(super) async fn open(
        &self,
        request: RequestBuilder,
        terms: ExchangeTerms,
        seen: &mut Seen,
    ) -> Result<Response, Break> {
        let opening = request.headers(self.headers.clone()).send();
        let mut response = within(terms.timeout, opening, timeout_words).await?;
        // Taken and not copied: the body alone is read from here.
        let headers = std::mem::take(response.headers_mut());
        seen.begin(
            response.status().as_u16(),
            headers,
            terms,
            self.max_response_bytes,
        );
        Ok(response)
    }

    /// Takes in the body of an answer, until there is no more to come.
    pub(super) async fn drain(
        &self,
        mut response: Response,
        terms: ExchangeTerms,
        seen: &mut Seen,
    ) -> Result<(), Break> {
        let mut patience = Patience::new(self.idle(terms.timeout));
        while !seen.payload.is_decided() {
            let limit = patience.limit(&seen.payload, seen.is_stream);
            let chunk = match at_most(limit, response.chunk()).await {
                Some(chunk) => chunk.map_err(|error| broken_body(&error))?,
                // A server that leaves the connection open is no fault of a message that has come
                // whole.
                None if seen.payload.is_whole() => return Ok(()),
                // A stream sends pings, so silence is a fault; a plain answer is silent while it is
                // made.
                None if seen.payload.events().is_some() || seen.is_stream => {
                    return Err((Broken::Timeout, patience.words()));
                }
                None => {
                    patience.not_whole();
                    continue;
                }
            };
            let Some(chunk) = chunk else {
                return Ok(());
            };
            // Asked for before the piece is taken, so that the budget bounds what is in memory.
            let room = seen.payload.held() + chunk.len();
            let reading = seen
                .reading
                .get_or_insert_with(|| self.read_budget.answer());
            reading.grow(room).await;
            seen.payload.take(&chunk);
            patience.heard(&seen.payload);
        }
        // Read to its end, the connection can be used again; but the message is here.
        if seen.payload.events().is_some_and(EventStream::is_whole) {
            let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
            let _ = tokio::time::timeout(LINGER, rest).await;
        }
        Ok(())
    }

    /// Sends the request and takes in the whole answer within `limit`; says where it broke.
    pub(super) async fn exchange(
        &self,
        request: RequestBuilder,
        terms: ExchangeTerms,
        limit: Duration,
        seen: &mut Seen,
    ) -> Option<Break> {
        let reading = seen.reading.insert(self.read_budget.answer());
        let stall = reading.stall();
        let both = async {
            let response = self.open(request, terms, seen).await?;
            self.drain(response, terms, seen).await
        };
        let mut both = Box::pin(both);
        let (mut left, mut excused) = (limit, Duration::ZERO);
        let broken = loop {
            if let Ok(ended) = clock::timeout(left, both.as_mut()).await {
                break ended.err();
            }
            // Time in which it was we who did not read counts for nothing.
            let waited = stall.waited();
            // Only what was waited since the last extension; the rest was granted before.
            left = waited.saturating_sub(excused);
            excused = waited;
            if left.is_zero() {
                break Some((Broken::Timeout, timeout_words(limit)));
            }
        };
        // It borrows what has come.
        drop(both);
        seen.payload.finish();
        broken
    }

    /// What came of an exchange that should bring a message.
    pub(super) fn result(
        &self,
        seen: &Seen,
        broken: Option<Break>,
    ) -> Result<Message, Box<Failure>> {
        self.judge(seen, broken).map_err(|mut failure| {
            failure.unsent = seen.upload.is_cut();
            failure
        })
    }

    fn judge(&self, seen: &Seen, broken: Option<Break>) -> Result<Message, Box<Failure>> {
        let Some((status, headers)) = &seen.head else {
            let (broken, mut why) = broken.unwrap_or((Broken::Cut, String::new()));
            if broken == Broken::Certificate
                && let Some(roots) = &self.roots
            {
                why = format!("{why}; {roots}");
            }
            return Err(classify_transport(broken, &self.redactor.redact(&why)));
        };
        let answer = Answer {
            status: *status,
            headers: HeaderView::new(headers),
            body: seen.payload.bytes(),
            now: self.now(),
            redactor: &self.redactor,
            altered: Altered::default(),
        };
        // A stream is judged even when it broke: what came of it may be billed.
        if let Some(stream) = seen.payload.events() {
            tell_unknown(stream);
            return stream.classify(answer, self.why_cut(seen, broken).as_deref());
        }
        match broken {
            // Reading ended at our bound, so this is no break of the connection.
            None if seen.payload.is_oversized() => {
                Err(answer.classify_oversized(self.max_response_bytes))
            }
            None => answer.classify(),
            Some((broken, why)) => answer.classify_broken(broken, &why),
        }
    }

    /// What came of an exchange that should bring something else, which `read` makes of the body
    /// of a success.
    pub(super) fn result_of<T>(
        &self,
        seen: &Seen,
        broken: Option<Break>,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, Box<Failure>> {
        let is_whole = broken.is_none() && seen.is_success() && !seen.payload.is_oversized();
        if is_whole && let Some(value) = read(seen.payload.bytes()) {
            return Ok(value);
        }
        match self.result(seen, broken) {
            Err(failure) => Err(failure),
            Ok(message) => Err(Box::new(Failure {
                class: ErrorClass::BadResponse,
                evidence: crate::model::Evidence {
                    http_status: seen.status(),
                    message: Some("the answer is a message that nobody asked for".to_owned()),
                    request_id: message.request_id,
                    ..Default::default()
                },
                message: None,
                partial: None,
                unsent: false,
                revision: None,
            })),
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

impl fmt::Debug for ApiClient {
    /// Shows the endpoint alone: the HTTP client may know a proxy's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiClient")
            .field("base_url", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Where a body broke, and why. The connection was good when its head came, so an alert is one more
/// way of breaking off.
fn broken_body(error: &reqwest::Error) -> Break {
    match describe_transport(error) {
        (Broken::Alert, why) => (Broken::Cut, why),
        broken => broken,
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

/// How an exchange goes: the time until its answer begins, and whether that is to be a message,
/// which may come as events whether it was asked for so or not.
#[derive(Clone, Copy)]
pub(super) struct ExchangeTerms {
    timeout: Duration,
    brings_message: bool,
}

impl ExchangeTerms {
    /// A plain answer that begins within that time.
    pub(super) fn plain(timeout: Duration) -> Self {
        Self {
            timeout,
            brings_message: false,
        }
    }

    /// A message that begins within that time.
    pub(super) fn message(timeout: Duration) -> Self {
        Self {
            timeout,
            brings_message: true,
        }
    }
}

/// Where an exchange broke, and why.
pub(super) type Break = (Broken, String);

/// Waits for a step of the exchange, but not for ever.
pub(super) async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, reqwest::Error>>,
    words: fn(Duration) -> String,
) -> Result<T, Break> {
    match clock::timeout(limit, step).await {
        Ok(done) => done.map_err(|error| describe_transport(&error)),
        Err(_) => Err((Broken::Timeout, words(limit))),
    }
}

fn timeout_words(timeout: Duration) -> String {
    let limit = format_duration(timeout);
    format!("no complete answer came within {limit}")
}

/// Waits for something, if there is a limit no longer than that; none when it is over.
async fn at_most<T>(limit: Option<Duration>, step: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => clock::timeout(limit, step).await.ok(),
        None => Some(step.await),
    }
}

/// What has come of an answer, and gone of its request; it outlives an exchange that is dropped at its timeout.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) head: Option<(u16, HeaderMap)>,
    began: Option<Instant>,
    pub(super) payload: Payload,
    /// How much of the request has left.
    pub(super) upload: Upload,
    /// The room for what has come.
    reading: Option<Reading>,
    /// The head announces the events of a message.
    is_stream: bool,
}

impl Seen {
    fn begin(&mut self, status: u16, headers: HeaderMap, terms: ExchangeTerms, limit: usize) {
        let view = HeaderView::new(&headers);
        let form = match (
            terms.brings_message && is_success(status),
            is_event_stream(view),
        ) {
            // The head decides and not what was asked for: gateways stream unasked, or do not
            // stream.
            (true, true) => Form::Events,
            (true, false) => Form::Message,
            (false, _) => Form::Plain,
        };
        self.is_stream = form == Form::Events;
        self.payload = Payload::new(form, limit);
        self.head = Some((status, headers));
        self.began = Some(Instant::now());
    }

    /// Lets go of what came, but for the message that was made of it: that keeps its room until it is
    /// recorded.
    pub(super) fn keep(self, result: &Result<Message, Box<Failure>>) -> Reserved {
        let message = match result {
            Ok(message) => Some(message),
            Err(failure) => failure.message.as_ref(),
        };
        let bytes = message.map_or(0, |message| message.raw.len());
        self.reading
            .map_or_else(Reserved::default, |reading| reading.keep(bytes))
    }

    /// The headers of the answer; none before it begins.
    pub(super) fn headers(&self) -> HeaderView<'_> {
        let head = self.head.as_ref();
        head.map_or_else(HeaderView::none, |(_, headers)| HeaderView::new(headers))
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|(status, _)| *status)
    }

    pub(super) fn is_success(&self) -> bool {
        self.status().is_some_and(is_success)
    }

    /// What the answer told of limits; `now` is when it is looked at.
    pub(super) fn limits(&self, now: Timestamp) -> RateLimits {
        let since = self.began.map(|began| began.elapsed());
        let since = SignedDuration::try_from(since.unwrap_or_default()).unwrap_or_default();
        rate_limits(self.headers(), now.saturating_sub(since).unwrap_or(now))
    }

    /// What the server's clock said, to the second.
    pub(super) fn date(&self) -> Option<Timestamp> {
        self.headers().date()
    }
}
