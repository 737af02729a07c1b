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

use super::classify::Answer;
use super::http::{build_client, redactor_of, request_headers};
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

/// A client of `POST /v1/messages`. Cheap to share behind an `Arc`.
pub struct MessagesClient {
    client: Client,
    base: BaseUrl,
    url: Url,
    headers: HeaderMap,
    redactor: Redactor,
    clock: Clock,
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
            max_response_bytes: MAX_RESPONSE_BYTES,
        })
    }

    /// The endpoint in use, and what of it was corrected ([`BaseUrl::note`]).
    #[must_use]
    pub fn base_url(&self) -> &BaseUrl {
        &self.base
    }

    async fn exchange(
        &self,
        request: RequestBuilder,
        seen: &mut Seen,
    ) -> Result<(), reqwest::Error> {
        let mut response = request.headers(self.headers.clone()).send().await?;
        let headers = std::mem::take(response.headers_mut());
        seen.head = Some((response.status().as_u16(), headers));
        while let Some(chunk) = response.chunk().await? {
            let room = self.max_response_bytes - seen.body.len();
            seen.oversized = chunk.len() > room;
            seen.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if seen.oversized {
                break;
            }
        }
        Ok(())
    }

    fn result(
        &self,
        seen: &Seen,
        broken: Option<(Broken, String)>,
    ) -> Result<Message, Box<Failure>> {
        let answer = seen.head.as_ref().map(|(status, headers)| Answer {
            status: *status,
            headers: HeaderView::new(headers),
            body: &seen.body,
            now: self.clock.now(),
            redactor: &self.redactor,
        });
        match (answer, broken) {
            (Some(answer), None) if seen.oversized => {
                Err(answer.classify_oversized(self.max_response_bytes))
            }
            (Some(answer), None) => answer.classify(),
            (Some(answer), Some((broken, why))) => Err(answer.classify_broken(broken, &why)),
            (None, broken) => {
                let (broken, why) = broken.unwrap_or((Broken::Cut, String::new()));
                Err(classify_transport(broken, &self.redactor.redact(&why)))
            }
        }
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
        let body = Bytes::from_owner(BodyBytes(request.body));
        let post = self.client.post(self.url.clone()).body(body);
        let exchange = self.exchange(post, &mut seen);
        let broken = match tokio::time::timeout(request.timeout, exchange).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(describe_transport(&error)),
            Err(_) => Some((Broken::Timeout, timeout_words(request.timeout))),
        };
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

/// What has come of an answer; it outlives an exchange that is dropped at its timeout.
#[derive(Default)]
struct Seen {
    head: Option<(u16, HeaderMap)>,
    body: Vec<u8>,
    oversized: bool,
}

impl Seen {
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
