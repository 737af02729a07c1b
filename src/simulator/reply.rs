//! From what is to be answered to bytes on the wire, broken ones included.
//!
//! A [`Reply`] says what; [`Reply::deliver`] does it. How a reply comes about is not known here.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

use super::errors::ApiError;
use super::limits::{Headers, ORGANIZATION};
use super::sse::{self, After};
use super::wire::Cutter;

const WORKSPACE: &str = "wrkspc_01SIMULATED";
const JSON: &str = "application/json";

/// How much more a broken reply promises than it sends.
const MISSING_BYTES: usize = 64;
/// Between the last byte and a cut: long enough for what was written to be flushed first.
pub(super) const BEFORE_CUT: Duration = Duration::from_millis(5);

/// Between the pings of a stream that has nothing else to tell; real ones come more rarely.
const BETWEEN_PINGS: Duration = Duration::from_millis(20);

/// What is answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// `request-id`; its presence says that the API itself answers.
    pub(super) request_id: Option<String>,
    /// Whether something in front of the API answers.
    pub(super) edge: bool,
    pub(super) headers: Headers,
    pub(super) body: ReplyBody,
}

/// The body of a reply, and how well it arrives.
#[derive(Debug)]
pub(super) enum ReplyBody {
    Whole(Bytes),
    /// Fewer bytes than `content-length` says, and then the end of the connection.
    Short(Bytes),
    /// Some bytes, and then a reset.
    Cut(Bytes),
    /// All bytes, and then nothing: the connection stays open.
    Open(Bytes),
    /// A body that knows by itself how it ends.
    Ready(Body),
    /// A stream of events, with this pause before each.
    Stream(sse::Script, Duration),
    /// No answer but a reset.
    Reset,
    /// No answer at all.
    Silence,
}

/// The answer that is none: the connection (the stream, in HTTP/2) is reset.
#[derive(Debug)]
pub(super) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulator cut this connection on purpose")
    }
}

impl Error for Dropped {}

impl Reply {
    /// JSON from the API.
    pub(super) fn json(status: u16, body: Bytes, request_id: String) -> Self {
        Self {
            status,
            content_type: JSON,
            request_id: Some(request_id),
            edge: false,
            headers: Headers::new(),
            body: ReplyBody::Whole(body),
        }
    }

    pub(super) fn value(value: &Value, request_id: String) -> Self {
        Self::json(200, Bytes::from(value.to_string()), request_id)
    }

    pub(super) fn error(error: &ApiError, request_id: String) -> Self {
        Self::json(error.status, error.body(Some(&request_id)), request_id)
    }

    /// From something in front of the API.
    pub(super) fn edge(status: u16, content_type: &'static str, body: Bytes) -> Self {
        Self {
            status,
            content_type,
            request_id: None,
            edge: true,
            headers: Headers::new(),
            body: ReplyBody::Whole(body),
        }
    }

    /// An HTML page from something in front of the API.
    pub(super) fn page(status: u16, title: &str) -> Self {
        let html = format!(
            "<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body>\n<center><h1>{title}</h1></center>\n<hr><center>cloudflare</center>\n</body>\n</html>\n"
        );
        Self::edge(status, "text/html; charset=UTF-8", Bytes::from(html))
    }

    /// The status that the client gets to see.
    pub(super) fn told_status(&self) -> Option<u16> {
        match self.body {
            ReplyBody::Reset | ReplyBody::Silence => None,
            _ => Some(self.status),
        }
    }

    /// Sends it. `done` is kept while bytes are to be sent and called when the last one has been
    /// handed over; it is dropped uncalled when the client leaves early.
    pub(super) async fn deliver<F>(
        mut self,
        cutter: &Cutter,
        done: F,
    ) -> Result<Response<Body>, Dropped>
    where
        F: FnOnce() + Send + 'static,
    {
        let body = std::mem::replace(&mut self.body, ReplyBody::Reset);
        let (body, length) = match body {
            ReplyBody::Whole(bytes) => {
                done();
                (Body::from(bytes), None)
            }
            ReplyBody::Ready(body) => {
                done();
                (body, None)
            }
            ReplyBody::Short(bytes) => {
                let promised = bytes.len() + MISSING_BYTES;
                let sending = Sending::new([bytes].into(), End::Short, cutter, done);
                (sending.into_body(), Some(promised))
            }
            ReplyBody::Cut(bytes) => {
                let promised = bytes.len() + MISSING_BYTES;
                let sending = Sending::new([bytes].into(), End::Cut, cutter, done);
                (sending.into_body(), Some(promised))
            }
            ReplyBody::Open(bytes) => {
                done();
                let sending = Sending::new([bytes].into(), End::Never, cutter, || ());
                (sending.into_body(), None)
            }
            ReplyBody::Stream(script, pause) => {
                let end = match script.after {
                    After::End => End::Clean,
                    After::Silence => End::Never,
                    After::Pings => End::Pings,
                };
                let mut sending = Sending::new(script.chunks.into(), end, cutter, done);
                sending.pause = pause;
                (sending.into_body(), None)
            }
            ReplyBody::Reset => {
                cutter.reset_on_close();
                return Err(Dropped);
            }
            ReplyBody::Silence => std::future::pending().await,
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        self.write_headers(response.headers_mut(), length);
        Ok(response)
    }

    fn write_headers(self, map: &mut axum::http::HeaderMap, length: Option<usize>) {
        map.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.content_type),
        );
        map.insert(header::SERVER, HeaderValue::from_static("cloudflare"));
        if self.edge {
            map.insert(
                HeaderName::from_static("cf-ray"),
                HeaderValue::from_static("8c51a17ab1e00000-SIM"),
            );
        } else {
            map.insert(
                HeaderName::from_static("anthropic-organization-id"),
                HeaderValue::from_static(ORGANIZATION),
            );
            map.insert(
                HeaderName::from_static("anthropic-workspace-id"),
                HeaderValue::from_static(WORKSPACE),
            );
        }
        if let Some(length) = length {
            map.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let id = self.request_id.map(|id| ("request-id", id));
        for (name, value) in id.into_iter().chain(self.headers) {
            if let Ok(value) = HeaderValue::try_from(value) {
                map.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Clean,
    Short,
    Cut,
    Never,
    Pings,
}

/// A body on its way.
struct Sending<F> {
    chunks: VecDeque<Bytes>,
    pause: Duration,
    end: End,
    cutter: Cutter,
    done: Option<F>,
}

impl<F: FnOnce() + Send + 'static> Sending<F> {
    fn new(chunks: VecDeque<Bytes>, end: End, cutter: &Cutter, done: F) -> Self {
        Self {
            chunks,
            pause: Duration::ZERO,
            end,
            cutter: cutter.clone(),
            done: Some(done),
        }
    }

    fn into_body(self) -> Body {
        Body::from_stream(stream::unfold(self, |mut sending| async move {
            let chunk = sending.next().await?;
            Some((chunk, sending))
        }))
    }

    async fn next(&mut self) -> Option<Result<Bytes, Dropped>> {
        if let Some(chunk) = self.chunks.pop_front() {
            if !self.pause.is_zero() {
                tokio::time::sleep(self.pause).await;
            }
            if self.chunks.is_empty()
                && let Some(done) = self.done.take_if(|_| self.end != End::Never)
            {
                done();
            }
            return Some(Ok(chunk));
        }
        match self.end {
            End::Clean => None,
            End::Short => {
                tokio::time::sleep(BEFORE_CUT).await;
                None
            }
            End::Cut => {
                tokio::time::sleep(BEFORE_CUT).await;
                self.cutter.reset_on_close();
                Some(Err(Dropped))
            }
            End::Never => std::future::pending().await,
            End::Pings => {
                tokio::time::sleep(BETWEEN_PINGS).await;
                Some(Ok(Bytes::from_static(sse::PING.as_bytes())))
            }
        }
    }
}
