//! The one door to standard output: data, and nothing else.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::failure::Failure;

/// Large enough that an export is written in few calls.
const BUFFER_BYTES: usize = 64 * 1024;

/// Where data goes. Buffered: call [`Out::finish`] at the end, or the last lines may be lost
/// without an error. A reader that goes away ends the command quietly (see
/// [`Failure::from_output`]).
pub struct Out(BufWriter<Box<dyn Write + Send>>);

impl Out {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(Box::new(io::stdout()))
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

#[cfg(test)]
mod tests {
    use super::*;
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
