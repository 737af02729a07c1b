//! The one door to standard output: data, and nothing else.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};

use serde::Serialize;

use super::failure::Failure;
use crate::model::printable;
use crate::report::USUAL_WIDTH;

/// Large enough that an export is written in few calls.
const BUFFER_BYTES: usize = 64 * 1024;

/// Where data goes. Buffered: call [`Out::finish`] at the end, or the last lines may be lost
/// without an error. A reader that goes away ends the command quietly (see
/// [`Failure::from_output`]).
pub struct Out(BufWriter<Box<dyn Write + Send>>);

/// The columns of the terminal that standard output is; elsewhere the usual ones, so that what is
/// piped can be read anywhere.
#[must_use]
pub fn width() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
        && size.ws_col > 0
    {
        return size.ws_col.into();
    }
    USUAL_WIDTH
}

impl Out {
    /// Standard output. A terminal gets what it would obey written out (see [`printable()`]);
    /// everything else gets every byte as it is.
    #[must_use]
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        // A program that reads the output gets it byte for byte.
        if stdout.is_terminal() {
            return Self::to(Box::new(Printable::to(stdout)));
        }
        Self::to(Box::new(stdout))
    }

    /// Any other place.
    #[must_use]
    pub fn to(writer: Box<dyn Write + Send>) -> Self {
        Self(BufWriter::with_capacity(BUFFER_BYTES, writer))
    }

    /// Writes one line.
    pub fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.0, "{line}").map_err(|error| Failure::from_output(&error))
    }

    /// Writes one JSON value on one line.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.0, value)
            .map_err(io::Error::from)
            .and_then(|()| self.0.write_all(b"\n"))
            .map_err(|error| Failure::from_output(&error))
    }

    /// Hands the last bytes over.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(|error| Failure::from_output(&error))
    }
}

/// For writers of whole formats; turn their errors into [`Failure::from_output`].
impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Text for a terminal, in pieces that may end within a character.
struct Printable<W> {
    out: W,
    /// The beginning of a character whose end is yet to come.
    tail: Vec<u8>,
}

impl<W: Write> Printable<W> {
    fn to(out: W) -> Self {
        Self {
            out,
            tail: Vec::new(),
        }
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(printable(text).as_bytes())
    }
}

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = std::mem::take(&mut self.tail);
        text.extend_from_slice(bytes);
        let mut rest = text.as_slice();
        while let Some(chunk) = rest.utf8_chunks().next() {
            self.put(chunk.valid())?;
            let (bad, read) = (chunk.invalid(), chunk.valid().len() + chunk.invalid().len());
            rest = &rest[read..];
            let may_go_on = std::str::from_utf8(bad).is_err_and(|why| why.error_len().is_none());
            // A character may be cut between two writes.
            if rest.is_empty() && may_go_on {
                self.tail = bad.to_vec();
            } else if !bad.is_empty() {
                // Alone such a byte may be a control of its own.
                self.put("\u{fffd}")?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_however_the_text_is_cut() {
        let text = "a\u{1b}[2J naïve \u{9b}1m \u{202e}日本🦀\n";
        let expected = "a\\u001b[2J naïve \\u009b1m \\u202e日本🦀\n";
        for size in 1..=text.len() {
            let captured = Captured::default();
            let mut out = Printable::to(captured.clone());
            for piece in text.as_bytes().chunks(size) {
                out.write_all(piece).unwrap();
            }
            assert_eq!(captured.text(), expected, "{size}");
        }
        let captured = Captured::default();
        let mut out = Printable::to(captured.clone());
        out.write_all(b"x\x9b2J\xffy").unwrap();
        assert_eq!(captured.text(), "x\u{fffd}2J\u{fffd}y");
    }
    use crate::cli::console::testing::Captured;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_and_json_arrive_in_order() {
        let captured = Captured::default();
        let mut out = Out::to(Box::new(captured.clone()));
        out.line("a").unwrap();
        out.json(&["b"]).unwrap();
        out.write_all(b"c\n").unwrap();
        out.finish().unwrap();
        assert_eq!(captured.text(), "a\n[\"b\"]\nc\n");
    }

    #[test]
    fn a_reader_that_went_away_ends_the_command_quietly() {
        let mut out = Out::to(Box::new(Closed));
        out.line("a").unwrap();
        assert!(out.finish().unwrap_err().is_quiet());

        let mut out = Out::to(Box::new(Closed));
        let long = "x".repeat(BUFFER_BYTES + 1);
        assert!(out.line(&long).unwrap_err().is_quiet());
        assert!(out.json(&long).unwrap_err().is_quiet());
    }
}
