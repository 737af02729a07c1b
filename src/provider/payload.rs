//! The body of an answer while it comes: bytes to be kept, or events to be folded.
//!
//! Owns the question which of the two it is, and the bound on both.

use super::stream::EventStream;

const BOM: &[u8] = b"\xEF\xBB\xBF";

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
    /// Announced as events, but nothing has come yet that tells them from JSON.
    Undecided(Vec<u8>),
    Events(Box<EventStream>),
}

impl Default for Payload {
    /// The body of an answer that has not begun.
    fn default() -> Self {
        Self::new(false, 0)
    }
}

impl Payload {
    /// A body of at most `limit` bytes. `announced`: its head says that it is a stream of events.
    pub(super) fn new(announced: bool, limit: usize) -> Self {
        let kind = if announced {
            Kind::Undecided(Vec::new())
        } else {
            Kind::Whole(Vec::new())
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
        let bytes = &bytes[..bytes.len().min(room)];
        self.taken += bytes.len();
        match &mut self.kind {
            Kind::Whole(body) => body.extend_from_slice(bytes),
            Kind::Events(stream) => stream.feed(bytes),
            Kind::Undecided(start) => {
                start.extend_from_slice(bytes);
                self.decide();
            }
        }
    }

    /// Some gateways announce events and answer in JSON or HTML all the same. No event begins with
    /// a bracket.
    fn decide(&mut self) {
        let Kind::Undecided(start) = &mut self.kind else {
            return;
        };
        let text = start.strip_prefix(BOM).unwrap_or(start);
        match text.trim_ascii_start().first() {
            None => {}
            Some(_) if BOM.starts_with(start) => {}
            Some(b'{' | b'[' | b'<') => self.kind = Kind::Whole(std::mem::take(start)),
            Some(_) => {
                let mut stream = Box::<EventStream>::default();
                stream.feed(start);
                self.kind = Kind::Events(stream);
            }
        }
    }

    /// There are no more bytes, for whatever reason.
    pub(super) fn finish(&mut self) {
        if let Kind::Undecided(_) = self.kind {
            self.kind = Kind::Events(Box::default());
        }
        if let Kind::Events(stream) = &mut self.kind {
            stream.finish();
        }
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
            Kind::Whole(bytes) | Kind::Undecided(bytes) => bytes,
            Kind::Events(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Payload;

    fn payload(announced: bool, pieces: &[&[u8]]) -> Payload {
        let mut payload = Payload::new(announced, 20);
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
                let kept = payload(true, &pieces);
                assert!(kept.events().is_none());
                assert_eq!(kept.bytes(), text);
            }
        }
        assert_eq!(payload(false, &[b"data: ", b"1"]).bytes(), b"data: 1");
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
                assert!(payload(true, &pieces).events().is_some(), "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let kept = payload(false, &[&[b'x'; 15], &[b'x'; 15]]);
        assert_eq!(kept.bytes().len(), 20);
        assert!(kept.is_oversized() && kept.is_decided());
        assert!(!payload(false, &[&[b'x'; 20]]).is_oversized());
        assert!(payload(true, &[b"data: ", &[b'x'; 15]]).is_oversized());
    }
}
