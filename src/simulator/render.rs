//! From a case to a reply.
//!
//! Cases are rows of a table; here stands what each kind of row means.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::answer::{self, Question};
use super::errors::ApiError;
use super::faults::{Act, Break, Case, CaseOptions, Extra, RetryAfter, StreamTwist, Twist};
use super::limits::ORGANIZATION;
use super::message::Message;
use super::reply::{Reply, ReplyBody};
use super::sse;
use super::time::{Epoch, first_of_next_month, http_date};

const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// A reply and the message behind it, if one was generated.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) reply: Reply,
    /// What was generated, and whether the client gets it whole.
    pub(super) message: Option<(Message, bool)>,
}

/// What is asked, and with which words the answer is changed.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) options: &'a CaseOptions,
    pub(super) request_id: String,
    pub(super) epoch: &'a Epoch,
    /// How long a stream takes from its first event to its last.
    pub(super) streaming: Duration,
}

/// Makes the reply of `case`.
pub(super) fn render(case: Case, scene: &Scene<'_>) -> Rendered {
    let mut rendered = match case.act() {
        Act::Answer(twist) => scene.answer(twist, None),
        Act::Stream(twist) => scene.answer(Twist::Plain, Some(twist)),
        Act::Break(broken) => scene.broken(broken),
        Act::Error {
            status,
            kind,
            message,
            extra,
        } => only(scene.error(status, kind, message, extra)),
        Act::Edge {
            status,
            content_type,
            body,
        } => only(Reply::edge(
            status,
            content_type,
            Bytes::from_static(body.as_bytes()),
        )),
        Act::Page { status, title } => only(Reply::page(status, title)),
    };
    scene.apply_options(&mut rendered.reply);
    rendered
}

fn only(reply: Reply) -> Rendered {
    Rendered {
        reply,
        message: None,
    }
}

impl Scene<'_> {
    fn streams(&self) -> bool {
        self.question.ask.stream
    }

    /// The id as bodies show it.
    fn shown_id(&self) -> Option<&str> {
        (!self.options.no_request_id).then_some(self.request_id.as_str())
    }

    fn answer(&self, twist: Twist, flaw: Option<StreamTwist>) -> Rendered {
        let message = answer::message(self.question, twist);
        if !self.streams() {
            let body = serde_json::to_vec(&message).unwrap_or_default();
            let reply = Reply::json(200, Bytes::from(body), self.request_id.clone());
            return Rendered {
                reply,
                message: Some((message, true)),
            };
        }
        let script = match flaw {
            None => sse::plain(&message),
            Some(flaw) => sse::twisted(&message, flaw, self.shown_id()),
        };
        let whole = script.complete;
        let generated = script.generated;
        Rendered {
            reply: self.stream(script),
            message: generated.then_some((message, whole)),
        }
    }

    fn stream(&self, script: sse::Script) -> Reply {
        let count = u32::try_from(script.chunks.len()).unwrap_or(u32::MAX);
        let pause = self.streaming / count.max(1);
        let mut reply = Reply::json(200, Bytes::new(), self.request_id.clone());
        reply.content_type = EVENT_STREAM;
        reply.body = ReplyBody::Stream(script, pause);
        reply
    }

    fn error(&self, status: u16, kind: &'static str, message: &str, extra: Extra) -> Reply {
        let mut error = ApiError::new(status, kind, self.fill_in(message));
        if extra == Extra::SpendCap {
            error.details = Some(json!({"error_code": "enforced_spend_limit_reached"}));
        } else if self.options.details {
            error.details = Some(json!({"error_visibility": "user_facing"}));
        }
        let mut reply = Reply::error(&error, self.request_id.clone());
        reply.body = ReplyBody::Whole(error.body(self.shown_id()));
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
        let ask = self.question.ask;
        let regain = self
            .options
            .regain
            .clone()
            .unwrap_or_else(|| first_of_next_month(self.epoch.wall_now()));
        message
            .replace("{org}", ORGANIZATION)
            .replace("{model}", ask.model.id)
            .replace("{max_tokens}", &ask.max_tokens.to_string())
            .replace("{regain}", &regain)
    }

    fn broken(&self, broken: Break) -> Rendered {
        match broken {
            Break::Reset => only(self.without_body(ReplyBody::Reset)),
            Break::Hang => only(self.without_body(ReplyBody::Silence)),
            Break::EmptyBody => only(self.without_body(ReplyBody::Whole(Bytes::new()))),
            Break::ErrorBodyAt200 => {
                only(self.error(200, "overloaded_error", "Overloaded", Extra::Nothing))
            }
            Break::TruncatedJson => self.half_an_answer(ReplyBody::Whole),
            Break::WrongLength => self.half_an_answer(ReplyBody::Short),
            Break::ResetMidBody => self.half_an_answer(ReplyBody::Cut),
        }
    }

    fn without_body(&self, body: ReplyBody) -> Reply {
        let mut reply = Reply::json(200, Bytes::new(), self.request_id.clone());
        if self.streams() {
            reply.content_type = EVENT_STREAM;
        }
        reply.body = body;
        reply
    }

    /// Half of the bytes of a good answer, streamed or not; the message was generated all the same.
    fn half_an_answer(&self, end: fn(Bytes) -> ReplyBody) -> Rendered {
        let message = answer::message(self.question, Twist::Plain);
        let mut bytes = if self.streams() {
            sse::plain(&message).chunks.concat()
        } else {
            serde_json::to_vec(&message).unwrap_or_default()
        };
        bytes.truncate(bytes.len() / 2);
        Rendered {
            reply: self.without_body(end(Bytes::from(bytes))),
            message: Some((message, false)),
        }
    }

    fn apply_options(&self, reply: &mut Reply) {
        let options = self.options;
        let retry_after = match &options.retry_after {
            Some(RetryAfter::Text(text)) => Some(text.clone()),
            Some(RetryAfter::Date(offset)) => {
                let at = self.epoch.wall_now().checked_add(*offset);
                at.ok().map(http_date)
            }
            Some(RetryAfter::Absent) | None => None,
        };
        let should_retry = options.should_retry.map(|retry| retry.to_string());
        let extra = [
            ("retry-after", retry_after),
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
