//! What came of a stream: a message, or a failure of some class.
//!
//! Owns the verdict; the framing is `sse`'s and the message `fold`'s. Promises that a whole stream
//! is judged by the very code that judges a plain answer.

use jiff::Timestamp;

use super::assemble::{Assembly, DONE, End};
use super::classify::Answer;
use super::sse::{Frame, SseReader};
use super::tidy::Altered;
use super::{Failure, HeaderView, Message, Redactor};
use crate::model::ErrorClass;

/// Classifies the stream of an answer with status 200, in pieces cut anywhere. `now` is what an
/// HTTP date in `retry-after` is compared with.
pub fn classify_stream<'a>(
    headers: HeaderView<'_>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    now: Timestamp,
) -> Result<Message, Box<Failure>> {
    let mut stream = EventStream::default();
    for piece in pieces {
        stream.feed(piece);
    }
    stream.finish();
    let answer = Answer {
        status: 200,
        headers,
        body: &[],
        now,
        redactor: &Redactor::default(),
        altered: Altered::default(),
    };
    stream.classify(answer, None)
}

/// A stream as far as it has come.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    reader: SseReader,
    fold: Assembly,
    /// Why the bytes could not be read on.
    fault: Option<String>,
}

impl EventStream {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.has_ended() {
            return;
        }
        let Self { reader, fold, .. } = self;
        let read = reader.feed(bytes, &mut |frame| fold.take(frame));
        self.fault = read.err().map(|fault| fault.to_string());
    }

    /// There are no more bytes, for whatever reason.
    pub(super) fn finish(&mut self) {
        if self.has_ended() {
            return;
        }
        let Self { reader, fold, .. } = self;
        // A last frame without its end counts if it is whole; half a frame is what a cut leaves.
        reader.finish(&mut |frame| {
            if is_json(&frame) {
                fold.take(frame);
            }
        });
    }

    /// Whether it is decided what came of it.
    pub(super) fn has_ended(&self) -> bool {
        self.fault.is_some() || self.fold.end().is_some()
    }

    /// Whether nothing of the message is missing; its last event may not have come yet.
    pub(super) fn is_whole(&self) -> bool {
        self.fold.end() == Some(&End::Complete) || self.fold.is_whole()
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn held(&self) -> usize {
        self.reader.held() + self.fold.held()
    }

    /// How many frames have come that tell anything: all but pings.
    pub(super) fn life(&self) -> u64 {
        self.fold.life()
    }

    /// Whether the model is thinking. What is not shown of that brings pings alone.
    pub(super) fn is_thinking(&self) -> bool {
        self.fold.is_thinking()
    }

    /// Kinds of events and deltas that were passed over because they are not known.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.fold.unknown()
    }

    /// Judges what came. `answer` tells the head; `broken` says why the bytes ended, if not by
    /// themselves. A message or an error that came whole stands, whatever broke after it.
    pub(super) fn classify(
        &self,
        answer: Answer<'_>,
        broken: Option<&str>,
    ) -> Result<Message, Box<Failure>> {
        let mut failure = match self.fold.end() {
            Some(End::Error(text)) => {
                let body = text.as_bytes();
                (Answer { body, ..answer }).classify_event()
            }
            Some(End::Nonsense(why)) => self.nonsense(&answer, why),
            // A whole message whose last event was cut counts as answered: it was paid for.
            None if !self.fold.is_whole() => {
                let why = self.fault.as_deref().or(broken);
                let why = why.unwrap_or("the stream ended before its message was whole");
                answer.failure(ErrorClass::StreamCut, why)
            }
            Some(End::Complete) | None => match self.whole(answer) {
                Ok(message) => return Ok(message),
                Err(failure) => failure,
            },
        };
        // What came before the break was billed, so its usage is kept with the failure.
        if failure.message.is_none() {
            failure.partial = self.fold.partial();
        }
        Err(failure)
    }

    /// Judges the message as a plain one. A receipt that lacks the output is none.
    fn whole(&self, answer: Answer<'_>) -> Result<Message, Box<Failure>> {
        let lacks_output = self.fold.lacks_output();
        let mut judged = self.whole_as_told(answer);
        let message = match &mut judged {
            Ok(message) => Some(message),
            Err(failure) => failure.message.as_mut(),
        };
        if let Some(message) = message {
            message.usage.missing |= lacks_output;
        }
        judged
    }

    fn whole_as_told(&self, answer: Answer<'_>) -> Result<Message, Box<Failure>> {
        let text = self.fold.message().unwrap_or_default();
        let characters = self.reader.broken_characters();
        let plain = Answer {
            body: text.as_bytes(),
            altered: Altered {
                characters,
                ..Altered::default()
            },
            ..answer
        };
        plain.classify()
    }

    /// A stream that contradicts itself. What came until then is kept: it was paid for, and the next
    /// try may go the same way.
    fn nonsense(&self, answer: &Answer<'_>, why: &str) -> Box<Failure> {
        let mut failure = answer.failure(ErrorClass::StreamCut, why);
        let came = self.fold.message();
        failure.evidence.unreadable = came.map(|text| answer.kept_answer(text.as_bytes()));
        failure
    }
}

fn is_json(frame: &Frame) -> bool {
    let (Frame::Event { data: text, .. } | Frame::Bare(text)) = frame;
    text == DONE || serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests;
