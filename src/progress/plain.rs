//! Plain lines, for a standard error that is no terminal: a log file, a pipe, a CI job.

use std::io::Write;

use jiff::{SignedDuration, Timestamp};

use super::tally::Tally;
use super::{batches, lines};
use crate::model::Observer;
use crate::model::{Event, EventKind, printable};

const INTERVAL: SignedDuration = SignedDuration::from_secs(10);

/// Writes one line when a run starts, one every ten seconds, one when it is asked to stop or
/// halts, and one at its end. What cannot be written is dropped.
#[derive(Debug)]
pub struct Plain<W> {
    tally: Tally,
    /// None while no run goes on.
    last_line_at: Option<Timestamp>,
    out: W,
}

impl<W: Write> Plain<W> {
    /// Lines to that writer.
    pub fn to(out: W) -> Self {
        Self::with_digits(out, false)
    }

    /// The same; `all_digits`: money is shown with all of them.
    pub fn with_digits(out: W, all_digits: bool) -> Self {
        let mut tally = Tally::default();
        tally.all_digits = all_digits;
        Self {
            tally,
            last_line_at: None,
            out,
        }
    }

    /// One write for the whole line, so that lines of several writers do not mix.
    fn say(&mut self, line: impl AsRef<str>) {
        // One write for a line and its end: two processes may share the terminal.
        let mut line = printable(line.as_ref()).into_owned();
        line.push('\n');
        let _ = self.out.write_all(line.as_bytes());
        let _ = self.out.flush();
    }
}

impl<W: Write + Send> Observer for Plain<W> {
    fn observe(&mut self, event: &Event) {
        self.tally.observe(event);
        match &event.kind {
            EventKind::RunStarted { .. } => {
                self.last_line_at = Some(event.at);
                self.say(lines::start(&event.run_id, &self.tally));
            }
            EventKind::RunEnded { .. } => {
                self.last_line_at = None;
                self.say(lines::plain(&self.tally, event.at));
            }
            kind => {
                if let Some(line) = news(kind, &self.tally, event.at) {
                    self.say(line);
                }
            }
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let is_due = |last| now.duration_since(last) >= INTERVAL;
        if self.last_line_at.is_some_and(is_due) {
            self.last_line_at = Some(now);
            self.say(lines::plain(&self.tally, now));
        }
    }
}

/// What is said as soon as it happens; none of most events, which the next line counts.
fn news(kind: &EventKind, tally: &Tally, now: Timestamp) -> Option<String> {
    match kind {
        EventKind::HoursOpened {} => Some("the hours of --only-between have begun".to_owned()),
        EventKind::CircuitClosed {
            model,
            endpoint: None,
        } => Some(format!("{model} works again")),
        EventKind::CircuitClosed {
            model,
            endpoint: Some(endpoint),
        } => Some(format!("{model} works again at {endpoint}")),
        EventKind::EndpointOff { .. } => {
            lines::endpoint_off(tally).map(|line| format!("warning: {line}"))
        }
        EventKind::RunHalted { .. }
        | EventKind::Draining { .. }
        | EventKind::HoursClosed { .. }
        | EventKind::CircuitOpened { .. }
        | EventKind::EndpointSwitched {
            endpoint: Some(_), ..
        }
        | EventKind::HaltWaiting { .. } => lines::phase(tally, now),
        EventKind::BudgetWarning { .. } => lines::budget(tally),
        EventKind::BudgetTight { .. } => lines::tight(tally),
        EventKind::StatusPage { .. } => lines::page(tally),
        EventKind::StoreSilent { .. } => lines::store(tally, now),
        EventKind::StoreAnswers {} => Some("the store answers again".to_owned()),
        EventKind::StillWaiting { .. } => Some(lines::plain(tally, now)),
        EventKind::AttemptStarted { .. }
        | EventKind::AttemptEnded { .. }
        | EventKind::JobEnded { .. }
        | EventKind::CircuitProbed { .. }
        | EventKind::Pace { .. }
        // Told by a note, which bars have no line for either.
        | EventKind::LongWait { .. }
        | EventKind::RequestOverLimit { .. }
        | EventKind::FilesExhausted { .. }
        | EventKind::StoodStill { .. }
        | EventKind::ClockSet { .. }
        // The circuit that closed has told it.
        | EventKind::EndpointSwitched { endpoint: None, .. } => None,
        of_batch => batches::line(of_batch),
    }
}

#[cfg(test)]
mod tests {
    use super::Plain;
    use crate::model::Observer;
    use crate::model::{ErrorClass, EventKind, Indicator};
    use crate::progress::samples::{
        at, busy_run, circuit_opened, event, halted, page_says, run_ended, run_started,
    };

    fn text(plain: &Plain<Vec<u8>>) -> &str {
        std::str::from_utf8(&plain.out).unwrap()
    }

    #[test]
    fn a_line_comes_at_the_start_every_ten_seconds_and_at_the_end() {
        let mut plain = Plain::to(Vec::new());
        plain.tick(at(0));
        for event in busy_run() {
            plain.observe(&event);
        }
        for ms in (0..=20_000).step_by(200) {
            plain.tick(at(ms));
        }
        plain.observe(&run_ended(20_400));
        plain.tick(at(90_000));
        insta::assert_snapshot!(text(&plain), @r"
        SIMULATED run r-1: 200 jobs
        SIMULATED 120/200 done, 2 failed, 64 in flight, 3 waiting (529 overloaded: next try in 12s), 12.0 jobs/s, $0.00407
        SIMULATED 120/200 done, 2 failed, 64 in flight, 3 waiting (529 overloaded: next try in 2s), 0.0 jobs/s, $0.00407
        SIMULATED 120/200 done, 2 failed, 64 in flight, 3 waiting (529 overloaded: next try in 2s), $0.00407
        ");
    }

    #[test]
    fn a_stop_is_told_at_once() {
        let mut plain = Plain::to(Vec::new());
        plain.observe(&run_started(5));
        plain.observe(&event(1, EventKind::Draining { in_flight: 0 }));
        plain.observe(&halted(ErrorClass::Billing, "no credit"));
        insta::assert_snapshot!(text(&plain), @r"
        SIMULATED run r-1: 5 jobs
        stopping: waiting for 0 requests in flight
        halted: billing: no credit
        ");
    }

    #[test]
    fn each_word_of_the_status_page_is_told_at_once() {
        let mut plain = Plain::to(Vec::new());
        plain.observe(&run_started(5));
        plain.observe(&circuit_opened(1));
        plain.observe(&page_says(2, Indicator::Major, Some("Elevated errors")));
        plain.observe(&page_says(3, Indicator::None, None));
        insta::assert_snapshot!(text(&plain), @r"
        SIMULATED run r-1: 5 jobs
        nothing succeeds at claude-haiku-5-5 (overloaded): next probe in 10s, the rest waits
        status page: major outage: Elevated errors
        status page: no known problem
        ");
    }

    #[test]
    fn a_pipe_that_breaks_harms_nothing() {
        let mut room = [0_u8; 12];
        let mut plain = Plain::to(&mut room[..]);
        plain.observe(&run_started(5));
        plain.observe(&run_ended(100));
        assert_eq!(plain.tally.total, 5);
        assert_eq!(&room, b"SIMULATED ru");
    }
}
