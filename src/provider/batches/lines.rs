//! The lines of a results file, out of pieces cut anywhere.
//!
//! Owns the framing and the bound on a line. At most one line is held, and the piece at hand.

use serde::de::IgnoredAny;

use super::item::{Read, read_line, too_long};
use super::{ItemResult, ResultLine};
use crate::provider::Redactor;

/// Lines as they become whole.
pub(super) struct Lines<'a> {
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// Most bytes of a line that are kept. A line holds one answer, so its bound is an answer's.
    limit: usize,
    /// The line at hand is longer than that; its rest is passed over.
    over: bool,
    redactor: &'a Redactor,
}

/// What came of some bytes.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) lines: Vec<ResultLine>,
    /// The bytes show that the file is not whole, and why.
    pub(super) cut: Option<String>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(limit: usize, redactor: &'a Redactor) -> Self {
        Self {
            begun: Vec::new(),
            limit,
            over: false,
            redactor,
        }
    }

    /// Bytes of the line that has not ended yet.
    pub(super) fn held(&self) -> usize {
        self.begun.len()
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> Taken {
        let mut taken = Taken::default();
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let (end, after) = (&rest[..at], &rest[at + 1..]);
            self.add(end);
            rest = after;
            taken.add(self.line());
        }
        self.add(rest);
        taken
    }

    /// There are no more bytes. A last line without its line break counts if it is whole; half a
    /// line is what a cut leaves.
    pub(super) fn finish(&mut self) -> Taken {
        let mut taken = Taken::default();
        // The last line may lack its line end and be whole all the same.
        let is_whole = serde_json::from_slice::<IgnoredAny>(self.begun.trim_ascii()).is_ok();
        match self.line() {
            Some(Read::Line(line))
                if !is_whole && matches!(line.result, ItemResult::Unreadable(_)) =>
            {
                taken.cut = Some("the results end in the middle of a line".to_owned());
            }
            read => taken.add(read),
        }
        taken
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = self.limit - self.begun.len();
        self.over |= bytes.len() > room;
        self.begun
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The line that is whole now; none if it is blank.
    fn line(&mut self) -> Option<Read> {
        let over = std::mem::take(&mut self.over);
        let line = self.begun.trim_ascii();
        let read = match line {
            [] => None,
            line if over => Some(Read::Line(too_long(line, self.limit, self.redactor))),
            line => Some(read_line(line, self.redactor)),
        };
        self.begun.clear();
        // What one huge line took is not kept for all that follow.
        self.begun.shrink_to(KEPT_BUFFER);
        read
    }
}

/// Most bytes of the buffer that are kept between two lines: ordinary lines fit without a new one.
const KEPT_BUFFER: usize = 1024 * 1024;

impl Taken {
    fn add(&mut self, read: Option<Read>) {
        match read {
            Some(Read::Line(line)) => self.lines.push(line),
            Some(Read::Error(why)) => self.cut = Some(why),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Taken};
    use crate::provider::{ItemResult, Redactor};

    fn taken(text: &[u8], size: usize, limit: usize) -> Taken {
        let redactor = Redactor::default();
        let mut lines = Lines::new(limit, &redactor);
        let mut all = Taken::default();
        let pieces = text.chunks(size);
        for part in pieces.map(|piece| lines.take(piece)).collect::<Vec<_>>() {
            all.lines.extend(part.lines);
            all.cut = all.cut.or(part.cut);
        }
        let last = lines.finish();
        all.lines.extend(last.lines);
        all.cut = all.cut.or(last.cut);
        all
    }

    fn ids(taken: &Taken) -> Vec<&str> {
        let ids = taken.lines.iter();
        ids.map(|line| line.custom_id.as_deref().unwrap_or("-"))
            .collect()
    }

    const A: &str = r#"{"custom_id":"a","result":{"type":"expired"}}"#;
    const B: &str = r#"{"custom_id":"b","result":{"type":"canceled"}}"#;

    #[test]
    fn lines_are_the_same_wherever_they_are_cut() {
        let whole = format!("{A}\n{B}\r\n\n  \n{A}");
        for size in 1..whole.len() {
            let taken = taken(whole.as_bytes(), size, 1000);
            assert_eq!(ids(&taken), ["a", "b", "a"], "{size}");
            assert_eq!(taken.cut, None);
        }
    }

    #[test]
    fn a_file_that_ends_within_a_line_is_cut() {
        let half = format!("{A}\n{}", &B[..20]);
        let taken = taken(half.as_bytes(), 7, 1000);
        assert_eq!(ids(&taken), ["a"]);
        assert!(taken.cut.unwrap().contains("middle of a line"));
    }

    #[test]
    fn an_error_in_the_file_means_that_it_is_not_whole() {
        let error = r#"{"type":"error","error":{"type":"api_error","message":"gone"}}"#;
        let taken = taken(format!("{A}\n{error}\n").as_bytes(), 9, 1000);
        assert_eq!(ids(&taken), ["a"]);
        assert!(taken.cut.unwrap().contains("gone"));
    }

    #[test]
    fn a_line_that_is_too_long_is_told_and_the_next_is_read() {
        let long = format!(
            r#"{{"custom_id":"long","result":{{"type":"succeeded","message":"{}"}}}}"#,
            "x".repeat(500)
        );
        for size in [1, 10, 10_000] {
            let text = format!("{A}\n{long}\n{B}\n");
            let taken = taken(text.as_bytes(), size, 200);
            assert_eq!(ids(&taken), ["a", "long", "b"]);
            let ItemResult::Unreadable(words) = &taken.lines[1].result else {
                panic!("{taken:?}");
            };
            assert!(words.contains("longer than 200 bytes"), "{words}");
        }
    }
}
