//! Errors that are rows of the table of cases: their words, their headers, and who answers with them.

use bytes::Bytes;
use serde_json::json;

use super::errors::ApiError;
use super::faults::{Act, CaseOptions, Extra, RetryAfter};
use super::limits::ORGANIZATION;
use super::reply::{Reply, ReplyBody};
use super::time::{Epoch, first_of_next_month, http_date};

/// Where AWS's front door says which of its services had what error.
const AWS_SPACE: &str = "http://internal.amazon.com/coral/com.amazon.bedrock/";

/// An error of Amazon Bedrock: no `retry-after`, and no request id of the API.
fn aws(status: u16, name: &str, message: &str) -> Reply {
    let body = json!({ "message": message }).to_string();
    let mut reply = Reply::edge(status, "application/json", Bytes::from(body));
    reply.headers.extend([
        ("x-amzn-errortype", format!("{name}:{AWS_SPACE}")),
        (
            "x-amzn-requestid",
            "a1b2c3d4-0000-4000-8000-000000000000".to_owned(),
        ),
    ]);
    reply
}

/// What fills the names in a canned error, and the options that change it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canned<'a> {
    pub(super) options: &'a CaseOptions,
    pub(super) epoch: &'a Epoch,
    pub(super) model: &'a str,
    pub(super) max_tokens: u32,
}

impl Canned<'_> {
    /// The reply of a case that is an error or comes from something in front of the API.
    pub(super) fn reply(&self, act: Act, request_id: &str) -> Option<Reply> {
        match act {
            Act::Error { extra, .. } => {
                let error = self.error(act)?;
                Some(self.error_reply(&error, extra, request_id))
            }
            Act::Edge {
                status,
                content_type,
                body,
            } => {
                let body = Bytes::from_static(body.as_bytes());
                Some(Reply::edge(status, content_type, body))
            }
            Act::Aws {
                status,
                name,
                message,
            } => Some(aws(status, name, message)),
            Act::Page { status, title } => Some(Reply::page(status, title)),
            _ => None,
        }
    }

    /// The error object of a case that is an error of the API.
    pub(super) fn error(&self, act: Act) -> Option<ApiError> {
        let Act::Error {
            status,
            kind,
            message,
            extra,
        } = act
        else {
            return None;
        };
        let mut error = ApiError::new(status, kind, self.fill_in(message));
        if extra == Extra::SpendCap {
            error.details = Some(json!({"error_code": "enforced_spend_limit_reached"}));
        } else if self.options.details {
            error.details = Some(json!({"error_visibility": "user_facing"}));
        }
        Some(error)
    }

    fn error_reply(&self, error: &ApiError, extra: Extra, request_id: &str) -> Reply {
        let mut reply = Reply::error(error, request_id.to_owned());
        let shown = (!self.options.no_request_id).then_some(request_id);
        reply.body = ReplyBody::Whole(error.body(shown));
        if extra == Extra::RetryAfter && self.options.retry_after.is_none() {
            reply.headers.push(("retry-after", "1".to_owned()));
        }
        reply
    }

    /// Replaces the names in a canned message by what they stand for.
    fn fill_in(&self, message: &str) -> String {
        if !message.contains('{') {
            return message.to_owned();
        }
        let regain = self
            .options
            .regain
            .clone()
            .unwrap_or_else(|| first_of_next_month(self.epoch.wall_now()));
        message
            .replace("{org}", ORGANIZATION)
            .replace("{model}", self.model)
            .replace("{max_tokens}", &self.max_tokens.to_string())
            .replace("{regain}", &regain)
    }

    /// Adds the headers that the options ask for, and takes away what they do not want.
    pub(super) fn apply_options(&self, reply: &mut Reply) {
        let options = self.options;
        let wrong = options.clock.unwrap_or_default();
        let theirs = self.epoch.wall_now().saturating_add(wrong);
        let theirs = theirs.unwrap_or(self.epoch.wall_now());
        let date = options.clock.map(|_| http_date(theirs));
        let retry_after = match &options.retry_after {
            Some(RetryAfter::Text(text)) => Some(text.clone()),
            Some(RetryAfter::Date(offset)) => {
                let at = theirs.checked_add(*offset);
                at.ok().map(http_date)
            }
            Some(RetryAfter::Absent) | None => None,
        };
        let should_retry = options.should_retry.map(|retry| retry.to_string());
        let extra = [
            ("retry-after", retry_after),
            ("date", date),
            ("retry-after-ms", options.retry_after_ms.clone()),
            ("x-should-retry", should_retry),
        ];
        let given = |(name, value): (_, Option<String>)| value.map(|value| (name, value));
        reply.headers.extend(extra.into_iter().filter_map(given));
        if options.no_request_id {
            reply.request_id = None;
        }
    }
}
