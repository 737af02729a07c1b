//! Log lines that do not tear the bars.

use std::io::{self, Write};

use indicatif::ProgressBar;

/// Writes whole lines to standard error while the bars step aside. A line without an end is kept
/// back until its end, a flush or the drop.
///
/// Errors of the terminal are swallowed: a log line must not end a run.
#[derive(Debug)]
pub struct LogWriter<W: Write> {
    bar: ProgressBar,
    out: W,
    pending: Vec<u8>,
}

impl<W: Write> LogWriter<W> {
    pub(super) fn new(bar: ProgressBar, out: W) -> Self {
        Self {
            bar,
            out,
            pending: Vec::new(),
        }
    }

    /// Writes the first `n` bytes that are kept back.
    fn emit(&mut self, n: usize) {
        let Self { bar, out, pending } = self;
        if n > 0 {
            bar.suspend(|| {
                let _ = out.write_all(&pending[..n]);
                let _ = out.flush();
            });
            pending.drain(..n);
        }
    }
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if let Some(end) = self.pending.iter().rposition(|b| *b == b'\n') {
            self.emit(end + 1);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.emit(self.pending.len());
        Ok(())
    }
}

impl<W: Write> Drop for LogWriter<W> {
    fn drop(&mut self) {
        self.emit(self.pending.len());
    }
}
