//! From a case to a reply.
//!
//! Cases are rows of a table; here stands what each kind of row means.

use std::time::Duration;

use bytes::Bytes;

use super::answer::{self, Question};
use super::canned::Canned;
use super::faults::{Act, Break, Case, CaseOptions, Extra, Oddity, StreamTwist, Twist};
use super::message::Message;
use super::oddity;
use super::reply::{Reply, ReplyBody};
use super::sse;
use super::time::Epoch;

const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
/// What stands behind a status 200 that is none.
pub(super) const ERROR_AT_200: Act = Act::Error {
    status: 200,
    kind: "overloaded_error",
    message: "Overloaded",
    extra: Extra::Nothing,
};

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
        Act::Odd(oddity) => scene.odd(oddity),
        act => scene.canned_reply(act),
    };
    scene.canned().apply_options(&mut rendered.reply);
    rendered
}

fn only(reply: Reply) -> Rendered {
    Rendered {
        reply,
        message: None,
    }
}

impl Scene<'_> {
    fn canned(&self) -> Canned<'_> {
        Canned {
            options: self.options,
            epoch: self.epoch,
            model: self.question.ask.model.id,
            max_tokens: self.question.ask.max_tokens,
        }
    }

    /// What is no error either (cases of batches) was turned away before: it is answered plainly.
    fn canned_reply(&self, act: Act) -> Rendered {
        self.canned()
            .reply(act, &self.request_id)
            .map_or_else(|| self.answer(Twist::Plain, None), only)
    }

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

    fn broken(&self, broken: Break) -> Rendered {
        match broken {
            Break::Reset => only(self.without_body(ReplyBody::Reset)),
            Break::Hang => only(self.without_body(ReplyBody::Silence)),
            Break::EmptyBody => only(self.without_body(ReplyBody::Whole(Bytes::new()))),
            Break::ErrorBodyAt200 => self.canned_reply(ERROR_AT_200),
            Break::TruncatedJson => self.half_an_answer(ReplyBody::Whole),
            Break::WrongLength => self.half_an_answer(ReplyBody::Short),
            Break::ResetMidBody => self.half_an_answer(ReplyBody::Cut),
        }
    }

    fn odd(&self, oddity: Oddity) -> Rendered {
        let message = answer::message(self.question, Twist::Plain);
        let body = Bytes::from(oddity::written(&message, oddity));
        let mut reply = Reply::json(200, Bytes::new(), self.request_id.clone());
        if oddity == Oddity::Events {
            reply.content_type = EVENT_STREAM;
        }
        reply.body = match oddity {
            Oddity::OpenEnd => ReplyBody::Open(body),
            _ => ReplyBody::Whole(body),
        };
        Rendered {
            reply,
            message: Some((message, oddity != Oddity::TrailingText)),
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
}
