//! A limit on calls alone, as token counting and the batch endpoints have it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;
use super::dice::whole;
use super::errors::ApiError;
use super::limits::{Headers, ORGANIZATION, grouped, whole_seconds};
use super::reply::Reply;
use super::time::{Epoch, rfc3339_seconds};

/// How much quiet time it saves up.
const BURST: Duration = Duration::from_mins(1);

/// This many calls a minute.
#[derive(Debug)]
pub(super) struct RequestLimit {
    per_minute: u32,
    bucket: Mutex<Option<Bucket>>,
}

impl RequestLimit {
    pub(super) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            bucket: Mutex::default(),
        }
    }

    pub(super) fn reset(&self) {
        *self.bucket.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How long a call has to wait (zero lets it in), and the headers of the requests family.
    fn enter(&self, epoch: &Epoch) -> (Duration, Headers) {
        let now = Instant::now();
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = bucket.get_or_insert_with(|| Bucket::new(self.per_minute, BURST, now));
        let wait = bucket.wait_for(1.0, now);
        if wait.is_zero() {
            bucket.take(1.0, now);
        }
        let full = now.checked_add(bucket.full_in(now)).unwrap_or(now);
        let remaining = whole(bucket.level(now)).to_string();
        let reset = rfc3339_seconds(epoch.wall_at(full));
        let headers = vec![
            (
                "anthropic-ratelimit-requests-limit",
                self.per_minute.to_string(),
            ),
            ("anthropic-ratelimit-requests-remaining", remaining),
            ("anthropic-ratelimit-requests-reset", reset),
        ];
        (wait, headers)
    }
}

/// Lets a call in, with the headers of its answer, or says when to come back in a reply that is
/// given the id which `request_id` draws.
pub(super) fn admit(
    limit: Option<&RequestLimit>,
    epoch: &Epoch,
    request_id: impl FnOnce() -> String,
) -> Result<Headers, Box<Reply>> {
    let Some(limit) = limit else {
        return Ok(Headers::new());
    };
    let (wait, mut headers) = limit.enter(epoch);
    if wait.is_zero() {
        return Ok(headers);
    }
    let error = ApiError::rate_limited(format!(
        "This request would exceed your organization's rate limit of {} requests per minute (org: {ORGANIZATION}). For details, refer to: https://platform.claude.com/docs/en/api/rate-limits.",
        grouped(limit.per_minute)
    ));
    headers.push(("retry-after", whole_seconds(wait).to_string()));
    let mut reply = Reply::error(&error, request_id());
    reply.headers = headers;
    Err(Box::new(reply))
}
