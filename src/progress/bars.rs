//! Bars on a terminal.
//!
//! Everything is drawn at ticks alone; an event only moves the tally, so a fast run is not slowed by
//! its terminal. What is drawn is one progress bar of indicatif with several lines of text, for two
//! reasons: it appears in one piece, and a group of bars would panic when the terminal goes away
//! while a log line is written.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use jiff::Timestamp;

use super::behind::Behind;
use super::lines;
use super::log_writer::LogWriter;
use super::screen::{Screen, width};
use super::tally::Tally;
use super::wrapped::wrapped;
use crate::model::Observer;
use crate::model::{Event, EventKind, printable};

/// The text is ours; redrawing, clearing and stepping aside are indicatif's.
const TEMPLATE: &str = "{msg}";

/// Frames a second, at most.
const FRAMES: u8 = 20;

/// Draws a bar, counts, spending and reasons for waiting to standard error, until the run ends.
#[derive(Debug)]
pub struct Bars {
    tally: Tally,
    bar: ProgressBar,
    visible: bool,
    /// Columns of the terminal.
    width: fn() -> u16,
}

impl Bars {
    /// Bars on `out`, the way to standard error; nothing is drawn before a run starts. Only where
    /// [`Bars::fit`] is true. `all_digits`: of money.
    #[must_use]
    pub fn on_screen(out: Behind, all_digits: bool) -> Self {
        let screen = Box::new(Screen::on(out));
        let target = ProgressDrawTarget::term_like_with_hz(screen, FRAMES);
        let mut bars = Self::on(target, width);
        bars.tally.all_digits = all_digits;
        bars
    }

    /// Whether standard error is a terminal that bars can be drawn on. Where it is not,
    /// [`super::Plain`] is the observer to use.
    #[must_use]
    pub fn fit() -> bool {
        !ProgressDrawTarget::stderr().is_hidden()
    }

    fn on(target: ProgressDrawTarget, width: fn() -> u16) -> Self {
        let style = ProgressStyle::with_template(TEMPLATE)
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(style)
            .with_finish(ProgressFinish::AndClear);
        Self {
            tally: Tally::default(),
            bar,
            visible: false,
            width,
        }
    }

    /// A writer for log lines and notes: the bars step aside for each line.
    #[must_use]
    pub fn log_writer(&self, out: Behind) -> LogWriter<Behind> {
        LogWriter::new(self.bar.clone(), out)
    }

    fn draw(&self, now: Timestamp) {
        let panel = lines::panel(&self.tally, now);
        let shown = printable(&panel);
        self.bar.set_message(wrapped(&shown, (self.width)().into()));
    }

    fn hide(&mut self) {
        self.visible = false;
        self.bar.finish_and_clear();
    }
}

impl Observer for Bars {
    fn observe(&mut self, event: &Event) {
        self.tally.observe(event);
        match event.kind {
            EventKind::RunStarted { .. } => {
                self.visible = true;
                self.draw(event.at);
                if self.bar.is_finished() {
                    // Cleared at the end of the run before.
                    self.bar.reset();
                }
            }
            EventKind::RunEnded { .. } => self.hide(),
            _ => {}
        }
    }

    fn tick(&mut self, now: Timestamp) {
        if self.visible {
            self.draw(now);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.hide();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::{Bars, LogWriter};
    use crate::model::Observer;
    use crate::progress::samples::{at, busy_run, run_ended, run_started};

    /// Keeps what is written to it; once unplugged, every write fails.
    #[derive(Clone, Debug, Default)]
    struct Terminal(Arc<Mutex<(String, bool)>>);

    impl Terminal {
        fn taken(&self) -> String {
            std::mem::take(&mut self.0.lock().unwrap().0)
        }

        fn unplug(&self) {
            self.0.lock().unwrap().1 = true;
        }

        fn put(&self, text: &str) -> io::Result<()> {
            let mut inner = self.0.lock().unwrap();
            if inner.1 {
                return Err(io::Error::other("the terminal is gone"));
            }
            inner.0.push_str(text);
            Ok(())
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, n: usize) -> io::Result<()> {
            self.put(&"<up>".repeat(n))
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            self.put("")
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            self.put("")
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            self.put("")
        }
        fn write_line(&self, line: &str) -> io::Result<()> {
            self.put(&format!("{line}\n"))
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.put(text)
        }
        fn clear_line(&self) -> io::Result<()> {
            self.put("<clear>")
        }
        fn flush(&self) -> io::Result<()> {
            self.put("")
        }
    }

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.put(std::str::from_utf8(bytes).unwrap())?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bars() -> (Bars, Terminal) {
        let terminal = Terminal::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        (Bars::on(target, || 100), terminal)
    }

    #[test]
    fn nothing_is_drawn_before_a_run_starts_or_after_it_ends() {
        let (mut bars, terminal) = bars();
        bars.tick(at(0));
        assert_eq!(terminal.taken(), "");
        bars.observe(&run_started(5));
        assert!(terminal.taken().contains("SIMULATED ["));
        bars.observe(&run_ended(100));
        terminal.taken();
        bars.tick(at(200));
        assert_eq!(terminal.taken(), "");
    }

    #[test]
    fn events_move_the_tally_and_ticks_draw_it() {
        let (mut bars, terminal) = bars();
        let events = busy_run();
        bars.observe(&events[0]);
        terminal.taken();
        for event in &events[1..] {
            bars.observe(event);
        }
        assert_eq!(terminal.taken(), "");
        bars.tick(at(10_000));
        let drawn = terminal.taken();
        for part in [
            "120/200 60%",
            "in flight 64",
            "waiting: 529 overloaded: next try in 12s",
        ] {
            assert!(drawn.contains(part), "{drawn}");
        }
    }

    #[test]
    fn a_second_run_is_drawn_again() {
        let (mut bars, terminal) = bars();
        for event in [run_started(5), run_ended(100), run_started(7)] {
            bars.observe(&event);
        }
        assert!(terminal.taken().contains("0/7 0%"));
    }

    #[test]
    fn a_log_line_stands_alone_and_the_bar_comes_back_below_it() {
        let (mut bars, terminal) = bars();
        bars.observe(&run_started(5));
        terminal.taken();
        let mut log = LogWriter::new(bars.bar.clone(), terminal.clone());
        log.write_all(b"half").unwrap();
        assert_eq!(terminal.taken(), "");
        log.write_all(b" a line\nrest").unwrap();
        let written = terminal.taken();
        let line = written.find("half a line\n").unwrap();
        assert!(written[..line].contains("<clear>"), "{written}");
        assert!(!written[..line].contains("0/5"), "{written}");
        assert!(written[line..].contains("0/5 0%"), "{written}");
        drop(log);
        assert!(terminal.taken().contains("rest"));
    }

    #[test]
    fn a_terminal_that_goes_away_harms_nothing() {
        let (mut bars, terminal) = bars();
        bars.observe(&run_started(5));
        terminal.unplug();
        let mut log = LogWriter::new(bars.bar.clone(), terminal.clone());
        log.write_all(b"lost\n").unwrap();
        bars.tick(at(1_000));
        bars.observe(&run_ended(2_000));
        log.write_all(b"lost too\n").unwrap();
        assert!(terminal.taken().contains("0/5 0%"));
    }
}
