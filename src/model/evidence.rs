//! What an answer showed: the facts that a decision rests on and that the attempt ledger keeps.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything worth keeping of an answer that was no success, or of an exchange that broke.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The HTTP status, if an answer began at all.
    pub http_status: Option<u16>,
    /// `error.type` of the body, if it had one.
    pub error_type: Option<String>,
    /// The API's message, or ours for a broken exchange; bounded, and free of secrets.
    pub message: Option<String>,
    /// The API's request id: what its support asks for.
    pub request_id: Option<String>,
    /// The server's hint how long to wait.
    pub retry_after: Option<Duration>,
    /// The server's `x-should-retry`, if it sent one.
    pub should_retry: Option<bool>,
    /// The whole error object as the API sent it, if it was one.
    pub raw_error: Option<String>,
    /// The answer itself, if it came whole and cannot be read; bounded, and free of secrets. It was
    /// paid for, so it is not bought again and again.
    #[serde(default)]
    pub unreadable: Option<String>,
}

/// How a message begins that tells that this process may open no more files or connections.
pub const OUT_OF_FILES: &str = "this process may open no more files";

impl Evidence {
    /// Whether the exchange never began, because this machine lets the process open no more files:
    /// that says nothing of the endpoint.
    #[must_use]
    pub fn is_out_of_files(&self) -> bool {
        let said = self.message.as_deref();
        self.http_status.is_none() && said.is_some_and(|said| said.starts_with(OUT_OF_FILES))
    }
}

/// One limit as the `anthropic-ratelimit-*` headers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bucket size, which is also the refill per minute.
    pub limit: u64,
    /// What is left now; token counts are rounded to thousands by the server.
    pub remaining: u64,
    /// When the bucket will be full again (not: when the next request may go).
    pub full_at: Option<Timestamp>,
}

/// The limits that an answer told, each if its headers were there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests per minute.
    pub requests: Option<Limit>,
    /// Input tokens per minute; cache reads do not count.
    pub input_tokens: Option<Limit>,
    /// Output tokens per minute.
    pub output_tokens: Option<Limit>,
}
