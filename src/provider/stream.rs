//! What came of a stream: a message, or a failure of some class.
//!
//! Owns the verdict; the framing is `sse`'s and the message `fold`'s. Promises that a whole stream
//! is judged by the very code that judges a plain answer.

use jiff::Timestamp;

use super::classify::Answer;
use super::fold::{End, Fold};
use super::sse::{Frame, SseReader};
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
    };
    stream.classify(answer, None)
}

/// A stream as far as it has come.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    reader: SseReader,
    fold: Fold,
    /// Why the bytes could not be read on.
    fault: Option<String>,
}

impl EventStream {
    /// Takes the next bytes.
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
        let read = reader.finish(&mut |frame| {
            if is_whole(&frame) {
                fold.take(frame);
            }
        });
        self.fault = read.err().map(|fault| fault.to_string());
    }

    /// Whether it is decided what came of it.
    pub(super) fn has_ended(&self) -> bool {
        self.fault.is_some() || self.fold.end().is_some()
    }

    /// Whether the whole message is there.
    pub(super) fn is_complete(&self) -> bool {
        self.fold.end() == Some(&End::Complete)
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
        let cut = |why: &str| answer.failure(ErrorClass::StreamCut, why);
        let mut failure = match (self.fold.end(), &self.fault) {
            (Some(End::Complete), _) => {
                let text = self.fold.message().unwrap_or_default();
                let body = text.as_bytes();
                match (Answer { body, ..answer }).classify() {
                    Ok(message) => return Ok(message),
                    Err(failure) => failure,
                }
            }
            (Some(End::Error(text)), _) => {
                let body = text.as_bytes();
                (Answer { body, ..answer }).classify_event()
            }
            (Some(End::Nonsense(why)), _) | (None, Some(why)) => cut(why),
            (None, None) => cut(broken.unwrap_or("the stream ended before its message was whole")),
        };
        if failure.message.is_none() {
            failure.partial = self.fold.partial();
        }
        Err(failure)
    }
}

fn is_whole(frame: &Frame) -> bool {
    let (Frame::Event { data: text, .. } | Frame::Bare(text)) = frame;
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests;
