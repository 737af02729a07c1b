//! The Messages API, live: one request, one classified reply.
//!
//! Owns what is sent. How the exchange goes is for `exchange`, what the answer means for `classify`
//! to say.

mod count_tokens;
mod models;

use std::fmt;

use bytes::Bytes;
use reqwest::Url;
use tokio::time::Instant;

use super::exchange::{ApiClient, Break, ExchangeTerms, Seen};
use super::paced;
use super::transport::Broken;
use super::{BaseUrl, ClientError, ClientSettings, Provider, Reply, Request};
use crate::model::RequestBody;

pub use models::ModelsReply;

/// A stream may take this many times the timeout of a plain answer: with the default of ten minutes an
/// hour, in which the longest output of any model (128,000 tokens) is said to be done.
pub const STREAM_TIMEOUTS: u32 = 6;

/// A client of `POST /v1/messages`. Cheap to share behind an `Arc`.
pub struct MessagesClient {
    api: ApiClient,
    url: Url,
}

impl MessagesClient {
    /// A client of these settings. Opens no connection yet.
    ///
    /// # Errors
    /// If the settings cannot be used: base URL, a header, a credential, certificates.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        let api = ApiClient::new(settings)?;
        Ok(Self {
            url: api.base().endpoint("/v1/messages"),
            api,
        })
    }

    /// The endpoint in use, and what of it was corrected ([`BaseUrl::note`]).
    #[must_use]
    pub fn base_url(&self) -> &BaseUrl {
        self.api.base()
    }

    async fn post(&self, request: Request, seen: &mut Seen) -> Option<Break> {
        let terms = ExchangeTerms::message(request.timeout);
        let times = if request.stream { STREAM_TIMEOUTS } else { 1 };
        let body = match wire_body(&request) {
            Ok(body) => Bytes::from_owner(BodyBytes(body)),
            Err(broken) => return Some(broken),
        };
        let post = self.api.http().post(self.url.clone());
        let post = paced::attach(post, body, &seen.upload);
        let limit = request.timeout.saturating_mul(times);
        self.api.exchange(post, terms, limit, seen).await
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

impl fmt::Debug for MessagesClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessagesClient").field(&self.api).finish()
    }
}

impl Provider for MessagesClient {
    async fn send(&self, request: Request) -> Reply {
        let started = Instant::now();
        let mut seen = Seen::default();
        let broken = self.post(request, &mut seen).await;
        let latency = started.elapsed();
        let limits = seen.limits(self.api.now());
        let result = self.api.result(&seen, broken);
        Reply {
            reserved: seen.keep(&result),
            limits,
            result,
            latency,
        }
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
mod early_tests;
#[cfg(test)]
mod tests;
