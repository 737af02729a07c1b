//! Cuts a stream into lines, in bounded memory.

use std::io::{self, BufRead, Read};

use super::error::ReadError;
use super::line_error::{ARRAY_HINT, LineError, REQUESTS_HINT};
use super::source::Source;

/// Longest line that is read, without its end: what the Messages API takes as one request
/// (32 MB, <https://platform.claude.com/docs/en/api/errors>).
pub const MAX_LINE_BYTES: usize = 32 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How far a line is read in search of its end: a longest line, a byte order mark, CR and LF.
const READ_LIMIT: u64 = (MAX_LINE_BYTES + 5) as u64;

/// The lines of a source. One line is held at a time, and its buffer is used again for the next.
pub(super) struct Lines {
    source: Source,
    buffer: Vec<u8>,
    number: u64,
}

/// A line that is not blank.
pub(super) struct Line<'a> {
    /// Its physical number, from 1.
    pub(super) number: u64,
    /// Its text, without byte order mark and line end.
    pub(super) text: &'a str,
}

impl Lines {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            number: 0,
        }
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The text of the line that was read last, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        str::from_utf8(&self.buffer).ok()
    }

    /// The number of the line that was read last; 0 before the first.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The memory that the line buffer holds.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// The next line that is not blank; none at the end. A line that is too long or not UTF-8 is
    /// a bad line, and the next call goes on after it.
    pub(super) fn next(&mut self) -> Result<Option<Result<Line<'_>, LineError>>, ReadError> {
        loop {
            let more = self
                .fill()
                .map_err(|cause| self.source.read_error(self.number + 1, cause))?;
            if !more {
                return Ok(None);
            }
            self.number += 1;
            // Empty lines are tolerated, and keep their number.
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(self.check()));
            }
        }
    }

    /// Reads one line into the buffer, without its end; false at the end of the input. Of a line
    /// that is too long only the start is kept, which is longer than the limit.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        let mut limited = (&mut self.source).take(READ_LIMIT);
        if limited.read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(false);
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if self.buffer.len() as u64 == READ_LIMIT {
            // The rest of a line that is too long must not pass for lines of its own.
            self.source.skip_until(b'\n')?;
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        // A byte order mark is one at the start of the file only.
        if self.number == 0 && self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.buffer.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(true)
    }

    fn check(&self) -> Result<Line<'_>, LineError> {
        let bad = |column, reason| {
            Err(LineError {
                line: self.number,
                column,
                reason,
            })
        };
        if self.buffer.len() > MAX_LINE_BYTES {
            let most = MAX_LINE_BYTES / (1024 * 1024);
            let remedy = match self.buffer.trim_ascii_start() {
                [b'[', ..] => format!("it is an array: {ARRAY_HINT}"),
                start if start.starts_with(b"{\"requests\"") => REQUESTS_HINT.to_owned(),
                _ => "split the request".to_owned(),
            };
            return bad(
                1,
                format!("the line is longer than {most} MB, the most the API takes: {remedy}"),
            );
        }
        match str::from_utf8(&self.buffer) {
            Ok(text) => Ok(Line {
                number: self.number,
                text,
            }),
            Err(error) => {
                let (valid, rest) = self.buffer.split_at(error.valid_up_to());
                let column = String::from_utf8_lossy(valid).chars().count() + 1;
                let byte = rest.first().copied().unwrap_or_default();
                bad(
                    column,
                    format!("not valid UTF-8 (byte 0x{byte:02X}): save the file as UTF-8"),
                )
            }
        }
    }
}
