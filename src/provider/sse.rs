//! Server-sent events out of bytes that come in pieces.
//!
//! Owns the framing: lines, fields, the empty line that ends an event (HTML standard, section
//! 9.2.6). Promises that cutting the bytes differently changes nothing, that line ends of all three
//! kinds, comments, a byte order mark and unknown fields are taken in stride, and that memory is
//! bounded. It departs from the standard in three points, because a paid answer hangs on them: text
//! that is no UTF-8 is mended, but counted, JSON outside of any field is handed on (some
//! gateways report their errors so), and an event that only lacks its empty line at the very end is
//! handed on too. What events mean is `fold`'s.

use super::tidy::lossy;

/// Most bytes of one event: one may carry nearly the whole answer (a generated file).
pub const MAX_EVENT_BYTES: usize = super::MAX_RESPONSE_BYTES;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What the bytes said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// An event.
    Event {
        /// Its name; empty if it had none.
        name: String,
        /// Its data, the lines joined.
        data: String,
    },
    /// JSON text that stood outside of any field.
    Bare(String),
}

/// Why the bytes are no event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("an event of the stream is longer than {MAX_EVENT_BYTES} bytes")]
    TooLong,
}

/// Reads frames out of bytes.
#[derive(Debug, Default)]
pub(super) struct SseReader {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The line feed of a CR LF may still come.
    after_cr: bool,
    /// The first line is over, so no byte order mark can come.
    begun: bool,
    name: String,
    data: Option<String>,
    bare: String,
    broken: usize,
}

impl SseReader {
    /// How many characters were none, and are U+FFFD now.
    pub(super) fn broken_characters(&self) -> usize {
        self.broken
    }

    /// Bytes of the event that has not ended yet.
    pub(super) fn held(&self) -> usize {
        self.line.len() + self.bare.len() + self.data.as_ref().map_or(0, String::len)
    }

    /// Takes the next bytes, and hands each frame that they complete to `each`.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        each: &mut impl FnMut(Frame),
    ) -> Result<(), Fault> {
        while let Some(&first) = bytes.first() {
            // CR LF is one line end, and a piece may end between the two.
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.extend_line(bytes);
            };
            self.extend_line(&bytes[..end])?;
            self.after_cr = bytes[end] == b'\r';
            self.end_line(each);
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    /// There are no more bytes: hands on what only lacked its end.
    pub(super) fn finish(&mut self, each: &mut impl FnMut(Frame)) {
        if !self.line.is_empty() {
            self.end_line(each);
        }
        self.end_event(each);
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        // Without a bound a stream without line ends would take all memory.
        if self.held() + bytes.len() > MAX_EVENT_BYTES {
            return Err(Fault::TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, each: &mut impl FnMut(Frame)) {
        let line = std::mem::take(&mut self.line);
        // A byte order mark is one at the very beginning only.
        let has_bom = !std::mem::replace(&mut self.begun, true);
        let line = match line.strip_prefix(BOM) {
            Some(rest) if has_bom => rest,
            _ => &line,
        };
        let (line, broken) = lossy(line);
        self.broken += broken;
        if line.is_empty() {
            self.end_event(each);
        } else if self.is_bare(&line) {
            self.bare_line(&line, each);
        } else {
            self.field_line(&line);
        }
    }

    /// No field's name begins with a brace, so such a line is JSON that lost its `data:`, or never
    /// had it; what follows belongs to it until something else begins.
    fn is_bare(&self, line: &str) -> bool {
        let goes_on = !line.starts_with("event:") && !line.starts_with("data:");
        (self.data.is_none() && line.starts_with('{')) || (!self.bare.is_empty() && goes_on)
    }

    fn bare_line(&mut self, line: &str, each: &mut impl FnMut(Frame)) {
        let is_first = self.bare.is_empty();
        self.bare.push_str(line);
        self.bare.push('\n');
        // A whole error on one line: nothing more of it is to come, and the connection may stay
        // open.
        if is_first && line.trim_ascii_end().ends_with('}') {
            each(Frame::Bare(std::mem::take(&mut self.bare)));
        }
    }

    fn field_line(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        // One blank after the colon belongs to the format, any more to the value.
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.name),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none) => *none = Some(value.to_owned()),
            // A comment (without a name), `id`, `retry`, or what is yet to be invented.
            _ => {}
        }
    }

    fn end_event(&mut self, each: &mut impl FnMut(Frame)) {
        let name = std::mem::take(&mut self.name);
        // An event without data is none, by the standard.
        if let Some(data) = self.data.take() {
            each(Frame::Event { name, data });
        }
        if !self.bare.is_empty() {
            each(Frame::Bare(std::mem::take(&mut self.bare)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fault, Frame, MAX_EVENT_BYTES, SseReader};

    fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Frame>, Fault> {
        let (mut reader, mut frames) = (SseReader::default(), Vec::new());
        for chunk in chunks {
            reader.feed(chunk, &mut |frame| frames.push(frame))?;
        }
        reader.finish(&mut |frame| frames.push(frame));
        Ok(frames)
    }

    fn event(name: &str, data: &str) -> Frame {
        Frame::Event {
            name: name.to_owned(),
            data: data.to_owned(),
        }
    }

    fn bare(text: &str) -> Frame {
        Frame::Bare(text.to_owned())
    }

    #[test]
    fn frames_of_every_spelling_are_read() {
        let cases = [
            ("event: a\ndata: 1\n\n", vec![event("a", "1")]),
            ("event:a\r\ndata:1\r\n\r\n", vec![event("a", "1")]),
            (
                "event: a\rdata: 1\r\rdata: 2\r\r",
                vec![event("a", "1"), event("", "2")],
            ),
            ("data: 1\ndata:  2\n\n", vec![event("", "1\n 2")]),
            ("data\n\n", vec![event("", "")]),
            // An event without data is none, and its name does not stick to the next.
            ("event: a\n\ndata: 1\n\n", vec![event("", "1")]),
            (
                ": hello\nid: 7\nretry: 10\nfoo: bar\ndata: 1\n\n",
                vec![event("", "1")],
            ),
            ("\u{feff}data: 1\n\n", vec![event("", "1")]),
            // Only the first line may begin with a mark.
            ("\n\u{feff}data: 1\n\n", vec![]),
            ("\n\n\n", vec![]),
            // The end took the last line end or the empty line with it.
            ("event: a\ndata: 1\n", vec![event("a", "1")]),
            ("data: 1", vec![event("", "1")]),
            (
                "data: 1\n\n{\"a\":1}\n",
                vec![event("", "1"), bare("{\"a\":1}\n")],
            ),
            ("{\"a\":1}", vec![bare("{\"a\":1}\n")]),
            (
                "event: error\n{\"a\":1}\n\ndata: 2\n\n",
                vec![bare("{\"a\":1}\n"), event("", "2")],
            ),
            ("{\n \"a\": {}\n}\n\n", vec![bare("{\n \"a\": {}\n}\n")]),
            (
                "{\"a\":\ndata: 1\n\n",
                vec![event("", "1"), bare("{\"a\":\n")],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(read([text.as_bytes()]), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_utf8_is_mended_and_counted() {
        let mut reader = SseReader::default();
        let mut frames = Vec::new();
        let text = b"data: a\xFFb \xE2\x82\n\n";
        reader.feed(text, &mut |frame| frames.push(frame)).unwrap();
        assert_eq!(frames, [event("", "a\u{fffd}b \u{fffd}")]);
        assert_eq!(reader.broken_characters(), 2);
    }

    #[test]
    fn an_event_is_bounded_however_it_grows() {
        let long = vec![b'x'; MAX_EVENT_BYTES / 4];
        let line = [b"data: ", &long[..], b"\n"].concat();
        assert_eq!(read(vec![&line[..]; 4]), Err(Fault::TooLong));
        assert_eq!(read(vec![&long[..]; 5]), Err(Fault::TooLong));
        let bare = [b"{", &long[..], b"\n"].concat();
        assert_eq!(read(vec![&bare[..]; 4]), Err(Fault::TooLong));
        assert_eq!(read(vec![&line[..]; 3]).map(|frames| frames.len()), Ok(1));
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_matter(
            lines in prop::collection::vec("(data|event|id|:|\\{|)[:]? ?[a-zé{}]{0,5}(\r\n|\n|\r|)", 0..12),
            size in 1_usize..9,
        ) {
            let text = lines.concat();
            prop_assert_eq!(read(text.as_bytes().chunks(size)), read([text.as_bytes()]));
        }
    }
}
