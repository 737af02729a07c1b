//! Standard error: notes, warnings and errors for people.
//!
//! Whatever writes there (this console, the log) goes through one [`Stderr`], so that lines never
//! mix, and progress bars can take the place over while they are on the screen.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anstyle::{AnsiColor, Style};
use tracing_subscriber::fmt::MakeWriter;

use super::failure::Failure;
use super::values::ColorChoice;
use crate::model::printable;
use crate::progress::{Behind, PATIENCE};

const NOTE: Style = AnsiColor::Cyan.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// What waits for a standard error that is slow, at most.
const ROOM: usize = 256 * 1024;

/// A shared way to standard error. Copies write to the same place, one whole write at a time. One
/// that nobody reads is waited for once, and then no more: nothing hangs by it.
#[derive(Clone)]
pub struct Stderr(Arc<Place>);

struct Place {
    writer: Mutex<Box<dyn Write + Send>>,
    /// The queue to the process's standard error, if it is that.
    behind: Option<Behind>,
    /// Each write is waited for, so that it stands in its place among those to standard output.
    waits: AtomicBool,
}

/// One queue for the whole process, so that its lines keep their order.
static SYSTEM: OnceLock<Option<Behind>> = OnceLock::new();

impl Stderr {
    /// The process's standard error.
    #[must_use]
    pub fn system() -> Self {
        let start = || Behind::start(ROOM, || Ok(io::stderr())).ok();
        match SYSTEM.get_or_init(start) {
            Some(behind) => Self::of(Box::new(behind.clone()), Some(behind.clone())),
            // A machine that gives no thread still takes a last word.
            None => Self::to(Box::new(io::stderr())),
        }
    }

    /// Any other place.
    #[must_use]
    pub fn to(writer: Box<dyn Write + Send>) -> Self {
        Self::of(writer, None)
    }

    fn of(writer: Box<dyn Write + Send>, behind: Option<Behind>) -> Self {
        Self(Arc::new(Place {
            writer: Mutex::new(writer),
            behind,
            waits: AtomicBool::new(true),
        }))
    }

    /// Sends everything to `writer` from now on (one that prints above progress bars, say), and
    /// returns the writer that was in use.
    #[expect(
        clippy::must_use_candidate,
        reason = "giving the place back needs no result"
    )]
    pub fn redirect(&self, writer: Box<dyn Write + Send>) -> Box<dyn Write + Send> {
        std::mem::replace(&mut *self.lock(), writer)
    }

    /// The queue to the process's standard error.
    #[must_use]
    pub fn behind(&self) -> Option<&Behind> {
        self.0.behind.as_ref()
    }

    /// Whether each write is waited for. Whoever waits no more lets a slow reader hold up nothing;
    /// whoever waits again waits for what was written meanwhile.
    pub fn wait_for_writes(&self, waits: bool) {
        self.0.waits.store(waits, Ordering::Relaxed);
        self.settle();
    }

    fn settle(&self) {
        if self.0.waits.load(Ordering::Relaxed)
            && let Some(behind) = &self.0.behind
        {
            behind.settle(PATIENCE);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Box<dyn Write + Send>> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.lock().write(bytes);
        self.settle();
        written
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.lock().write_all(bytes);
        self.settle();
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Writes notes, warnings and errors. Cheap to copy; a standard error that is gone is ignored,
/// because there is nobody left to tell.
#[derive(Clone)]
pub struct Console {
    stderr: Stderr,
    color: bool,
    quiet: bool,
}

impl Console {
    /// A console on `stderr`.
    #[must_use]
    pub fn new(stderr: Stderr, color: bool, quiet: bool) -> Self {
        Self {
            stderr,
            color,
            quiet,
        }
    }

    /// Whether to write in colour.
    #[must_use]
    pub fn color(&self) -> bool {
        self.color
    }

    /// Whether notes are dropped; bars and other comforts should be too.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The way to standard error, for logs and bars.
    #[must_use]
    pub fn stderr(&self) -> &Stderr {
        &self.stderr
    }

    /// Tells something good to know; dropped by `--quiet`.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.write(NOTE, "note", &text);
        }
    }

    /// Tells what the user must not miss: a note that is dropped only if its caller says so.
    pub fn insist(&self, text: impl Display) {
        self.write(NOTE, "note", &text);
    }

    /// Writes lines as they are (a summary, say); dropped by `--quiet`.
    pub fn plain(&self, text: impl Display) {
        if !self.quiet {
            let mut stderr = self.stderr.clone();
            let _ = stderr.write_all(printable(&text.to_string()).as_bytes());
        }
    }

    /// Tells something that may need attention; dropped by `--quiet`.
    pub fn warn(&self, text: impl Display) {
        if !self.quiet {
            self.write(WARNING, "warning", &text);
        }
    }

    /// Tells what nobody but the user can mend; never dropped.
    pub fn urgent(&self, text: impl Display) {
        self.write(WARNING, "warning", &text);
    }

    /// Tells a failure; never dropped.
    pub fn error(&self, failure: &Failure) {
        if !failure.is_quiet() {
            self.write(ERROR, "error", failure);
        }
    }

    /// In one write, so that nothing comes in between.
    fn write(&self, style: Style, label: &str, text: &dyn Display) {
        let text = text.to_string();
        let text = printable(&text);
        let line = if self.color {
            format!("{style}{label}:{style:#} {text}\n")
        } else {
            format!("{label}: {text}\n")
        };
        let _ = self.stderr.clone().write_all(line.as_bytes());
    }
}

/// Whether `choice` means colour on this process's standard error.
#[must_use]
pub fn wants_color(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let stderr = io::stderr();
            // A file or a pipe gets no control sequences.
            stderr.is_terminal()
                && anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    /// Keeps what is written.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Captured;
    use super::*;

    fn written(color: bool, quiet: bool, write: impl Fn(&Console)) -> String {
        let captured = Captured::default();
        let stderr = Stderr::to(Box::new(captured.clone()));
        write(&Console::new(stderr, color, quiet));
        captured.text()
    }

    fn everything(console: &Console) {
        console.note("n");
        console.warn("w");
        console.error(&Failure::usage("e", "x").because("y"));
    }

    #[test]
    fn quiet_drops_notes_and_never_errors() {
        assert_eq!(
            written(false, false, everything),
            "note: n\nwarning: w\nerror: e\n  because: y\n  next: x\n"
        );
        assert_eq!(
            written(false, true, everything),
            "error: e\n  because: y\n  next: x\n"
        );
    }

    #[test]
    fn colour_marks_the_label_alone() {
        let text = written(true, false, |console| console.note("n"));
        assert_eq!(text, "\u{1b}[1m\u{1b}[36mnote:\u{1b}[0m n\n");
    }

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        let text = written(false, false, |console| {
            console.plain("a\u{9b}2J\n");
            console.error(&Failure::usage("\u{1b}[2Jgone", "\u{202e}x"));
        });
        let expected = "a\\u009b2J\nerror: \\u001b[2Jgone\n  next: \\u202ex\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_quiet_failure_prints_nothing() {
        let gone = Failure::from_output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!(written(false, false, |console| console.error(&gone)), "");
    }

    #[test]
    fn bars_can_take_the_place_over_and_give_it_back() {
        let (screen, bars) = (Captured::default(), Captured::default());
        let stderr = Stderr::to(Box::new(screen.clone()));
        let console = Console::new(stderr.clone(), false, false);
        let before = stderr.redirect(Box::new(bars.clone()));
        console.note("above the bars");
        stderr.redirect(before);
        console.note("after");
        assert_eq!(bars.text(), "note: above the bars\n");
        assert_eq!(screen.text(), "note: after\n");
    }

    #[test]
    fn an_explicit_choice_of_colour_needs_no_terminal() {
        assert!(wants_color(ColorChoice::Always));
        assert!(!wants_color(ColorChoice::Never));
    }
}
