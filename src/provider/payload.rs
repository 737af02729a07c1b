//! The body of an answer while it comes: bytes to be kept, or events to be folded.
//!
//! Owns the question which of the two it is, and the bound on both.

use super::stream::EventStream;
use super::wire::{Body, read_body};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How a line of an event stream begins. No other text that is an answer begins so.
const FIELDS: [&[u8]; 5] = [b"event:", b"data:", b"id:", b"retry:", b":"];

/// A body as far as it has come.
#[derive(Debug)]
pub(super) struct Payload {
    kind: Kind,
    taken: usize,
    limit: usize,
    oversized: bool,
}

#[derive(Debug)]
enum Kind {
    /// Kept as it is: plain answers, and everything that is no success.
    Whole(Vec<u8>),
    /// It may be events, but nothing has come yet that tells them from JSON.
    Undecided {
        start: Vec<u8>,
        announced: bool,
    },
    Events(Box<EventStream>),
}

/// What a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Only what is kept as it is.
    Plain,
    /// A message, in whichever way it comes; its head does not announce events.
    Message,
    /// The same, and its head announces events.
    Events,
}

impl Default for Payload {
    /// The body of an answer that has not begun.
    fn default() -> Self {
        Self::new(Form::Plain, 0)
    }
}

impl Payload {
    /// A body of at most `limit` bytes.
    pub(super) fn new(form: Form, limit: usize) -> Self {
        let undecided = |announced| Kind::Undecided {
            start: Vec::new(),
            announced,
        };
        let kind = match form {
            Form::Plain => Kind::Whole(Vec::new()),
            Form::Message => undecided(false),
            Form::Events => undecided(true),
        };
        Self {
            kind,
            taken: 0,
            limit,
            oversized: false,
        }
    }

    /// Takes the next bytes; those beyond the limit are dropped.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let room = self.limit - self.taken;
        self.oversized |= bytes.len() > room;
        // What fits is kept: it may show what the answer is.
        let bytes = &bytes[..bytes.len().min(room)];
        self.taken += bytes.len();
        match &mut self.kind {
            Kind::Whole(body) => body.extend_from_slice(bytes),
            Kind::Events(stream) => stream.feed(bytes),
            Kind::Undecided { start, .. } => {
                start.extend_from_slice(bytes);
                self.decide();
            }
        }
        // Thousands of small events may take more room than their bytes do.
        self.oversized |= self.held() > self.limit;
    }

    /// Bytes of memory that it takes, about. Most bytes of a stream are wrapping, and are not kept.
    pub(super) fn held(&self) -> usize {
        match &self.kind {
            Kind::Whole(bytes) | Kind::Undecided { start: bytes, .. } => bytes.len(),
            Kind::Events(stream) => stream.held(),
        }
    }

    /// Some gateways announce events and answer in JSON or HTML all the same; others send events
    /// without a word. No event begins with a bracket.
    fn decide(&mut self) {
        let Kind::Undecided { start, announced } = &mut self.kind else {
            return;
        };
        let text = start.strip_prefix(BOM).unwrap_or(start).trim_ascii_start();
        let is_event = FIELDS.iter().any(|field| text.starts_with(field));
        let may_be_event = FIELDS.iter().any(|field| field.starts_with(text));
        match text.first() {
            // White space says nothing, and to look at it again and again would take for ever.
            None => {
                let kept = start.len() - start.strip_prefix(BOM).unwrap_or(start).len();
                start.truncate(kept);
            }
            Some(_) if BOM.starts_with(start) => {}
            // JSON or a page, whatever the head announced.
            Some(b'{' | b'[' | b'<') => self.kind = Kind::Whole(std::mem::take(start)),
            Some(_) if is_event || *announced => {
                let mut stream = Box::<EventStream>::default();
                stream.feed(start);
                self.kind = Kind::Events(stream);
            }
            // The name of a field may be cut between two pieces: wait for the next.
            Some(_) if may_be_event => {}
            Some(_) => self.kind = Kind::Whole(std::mem::take(start)),
        }
    }

    /// There are no more bytes, for whatever reason.
    pub(super) fn finish(&mut self) {
        if let Kind::Undecided { start, announced } = &mut self.kind {
            self.kind = if *announced {
                let mut stream = Box::<EventStream>::default();
                stream.feed(start);
                Kind::Events(stream)
            } else {
                Kind::Whole(std::mem::take(start))
            };
        }
        if let Kind::Events(stream) = &mut self.kind {
            stream.finish();
        }
    }

    /// Whether nothing is missing, though its end may not have come: a message that tells its own
    /// end, or JSON.
    pub(super) fn is_whole(&self) -> bool {
        match &self.kind {
            Kind::Events(stream) => stream.is_whole(),
            Kind::Whole(bytes) => {
                let end = bytes.trim_ascii_end().last();
                // The last byte is a cheap test before the whole is parsed.
                matches!(end, Some(b'}'))
                    && matches!(read_body(bytes), Body::Message(_) | Body::Error(_))
            }
            Kind::Undecided { .. } => false,
        }
    }

    /// How many bytes have been taken.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Whether nothing that still comes can change what came of it.
    pub(super) fn is_decided(&self) -> bool {
        self.oversized || self.events().is_some_and(EventStream::has_ended)
    }

    /// Whether more came than is read.
    pub(super) fn is_oversized(&self) -> bool {
        self.oversized
    }

    /// The stream, if it is one.
    pub(super) fn events(&self) -> Option<&EventStream> {
        match &self.kind {
            Kind::Events(stream) => Some(stream),
            _ => None,
        }
    }

    /// The bytes that were kept; none of a stream.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.kind {
            Kind::Whole(bytes) | Kind::Undecided { start: bytes, .. } => bytes,
            Kind::Events(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Payload};

    fn payload(form: Form, pieces: &[&[u8]]) -> Payload {
        let mut payload = Payload::new(form, 20);
        for piece in pieces {
            payload.take(piece);
        }
        payload.finish();
        payload
    }

    #[test]
    fn json_and_html_are_kept_whatever_the_head_says() {
        for text in [&b" \n{\"a\":1}"[..], b"<html>", b"[1]", b"\xEF\xBB\xBF{}"] {
            for size in 1..5 {
                let pieces: Vec<&[u8]> = text.chunks(size).collect();
                for form in [Form::Plain, Form::Message, Form::Events] {
                    let kept = payload(form, &pieces);
                    assert!(kept.events().is_none());
                    assert_eq!(kept.bytes().trim_ascii(), text.trim_ascii());
                }
            }
        }
        assert_eq!(payload(Form::Plain, &[b"data: ", b"1"]).bytes(), b"data: 1");
    }

    #[test]
    fn events_are_known_without_being_announced() {
        for (text, is_stream) in [
            (&b"event: a\ndata: 1\n\n"[..], true),
            (b"\n\ndata: 1", true),
            (b": ping", true),
            (b"\xEF\xBB\xBFevent:a", true),
            (b"eventually", false),
            (b"even", false),
            (b"", false),
        ] {
            for size in 1..5 {
                let pieces: Vec<&[u8]> = text.chunks(size).collect();
                let kept = payload(Form::Message, &pieces);
                assert_eq!(kept.events().is_some(), is_stream, "{text:?}");
                assert!(is_stream || kept.bytes() == text, "{text:?}");
            }
        }
    }

    #[test]
    fn an_announced_stream_is_one_even_if_nothing_comes() {
        for text in [
            &b"data: 1\n\n"[..],
            b": ping",
            b"\xEF\xBB\xBFdata: 1",
            b"",
            b"\n\n",
        ] {
            for size in 1..5 {
                let pieces: Vec<&[u8]> = text.chunks(size).collect();
                assert!(
                    payload(Form::Events, &pieces).events().is_some(),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let kept = payload(Form::Plain, &[&[b'x'; 15], &[b'x'; 15]]);
        assert_eq!(kept.bytes().len(), 20);
        assert!(kept.is_oversized() && kept.is_decided());
        assert!(!payload(Form::Plain, &[&[b'x'; 20]]).is_oversized());
        assert!(payload(Form::Events, &[b"data: ", &[b'x'; 15]]).is_oversized());
    }
}
