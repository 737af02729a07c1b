//! A request as it arrives: its head, its body and its credentials.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use secrecy::ExposeSecret;

use super::errors::ApiError;
use super::log::LoggedRequest;
use super::reply::{Dropped, Reply};
use super::world::World;

/// Largest body of a Messages request that the API takes.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// What a log never shows.
const CREDENTIALS: [header::HeaderName; 3] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::HeaderName::from_static("x-api-key"),
];

/// The head of a request.
#[derive(Debug)]
pub(super) struct Arrival {
    at_ms: u64,
    pub(super) method: Method,
    pub(super) path: String,
    query: String,
    host: String,
    headers: HeaderMap,
    pub(super) too_large: bool,
}

impl Arrival {
    pub(super) fn new(parts: Parts, at_ms: u64) -> Self {
        Self {
            at_ms,
            host: host(&parts.uri, &parts.headers),
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            too_large: false,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The key, from either header; an empty one is none.
    pub(super) fn key(&self) -> Option<&str> {
        let bearer = || self.header("authorization")?.strip_prefix("Bearer ");
        self.header("x-api-key")
            .or_else(bearer)
            .map(str::trim)
            .filter(|key| !key.is_empty())
    }

    /// What the query says of `name`, if it does.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .next_back()
    }

    /// Where the client thinks it is: host and port.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// A log entry of what the head tells.
    pub(super) fn entry(&self, world: &World) -> LoggedRequest {
        LoggedRequest {
            at_ms: self.at_ms,
            method: self.method.as_str().to_owned(),
            path: self.path.clone(),
            body_hash: String::new(),
            prompt: String::new(),
            model: String::new(),
            stream: false,
            attempt: 0,
            status: None,
            case: "other".to_owned(),
            open: 0,
            request_id: None,
            headers: world.settings.log_bodies.then(|| self.safe_headers()),
            body: None,
        }
    }

    fn safe_headers(&self) -> BTreeMap<String, String> {
        self.headers
            .iter()
            .filter(|(name, _)| !CREDENTIALS.contains(name))
            .map(|(name, value)| {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), text)
            })
            .collect()
    }
}

/// Checks the credentials: any key will do unless keys are named or it contains `invalid`.
pub(super) fn authenticate(world: &World, arrival: &Arrival) -> Result<(), ApiError> {
    let settings = &world.settings;
    if !settings.check_auth {
        return Ok(());
    }
    let key = arrival
        .key()
        .ok_or_else(|| ApiError::authentication("x-api-key header is required"))?;
    let accepted = if settings.accepted_keys.is_empty() {
        !key.contains("invalid")
    } else {
        let same = |accepted: &secrecy::SecretString| accepted.expose_secret() == key;
        settings.accepted_keys.iter().any(same)
    };
    if accepted {
        Ok(())
    } else {
        Err(ApiError::authentication("invalid x-api-key"))
    }
}

pub(super) fn record(world: &World, arrival: &Arrival, reply: &Reply) {
    world.records.count_other();
    if world.settings.log_requests {
        let entry = LoggedRequest {
            status: reply.told_status(),
            request_id: reply.request_id.clone(),
            ..arrival.entry(world)
        };
        world.records.log(entry, world.settings.log_capacity);
    }
}

/// Reads a body to its end. One that is too large is read on and thrown away: closing with unread
/// bytes would reset the connection and take the 413 with it.
pub(super) async fn collect(body: Body) -> Result<Option<Bytes>, Dropped> {
    let mut stream = body.into_data_stream();
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut length = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Dropped)?;
        length += chunk.len();
        // Most bodies come in one piece, which need not be copied.
        if first.is_empty() {
            first = chunk;
        } else if length <= MAX_BODY {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&chunk);
        }
    }
    if length > MAX_BODY {
        return Ok(None);
    }
    Ok(Some(if all.is_empty() { first } else { all.freeze() }))
}

/// In HTTP/2 it is part of the address, in HTTP/1 a header.
fn host(uri: &Uri, headers: &HeaderMap) -> String {
    let in_header = || headers.get(header::HOST)?.to_str().ok();
    uri.authority()
        .map(Authority::as_str)
        .or_else(in_header)
        .unwrap_or("127.0.0.1")
        .to_owned()
}
