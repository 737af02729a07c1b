//! Whoever watches a run: bars or plain lines, the log, the events file, notes.
//!
//! Whatever happens to them, the run goes on: they write behind queues, and one that panics is let go.

use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use jiff::Timestamp;

use crate::cli::console::Console;
use crate::cli::failure::{Failure, in_plain_words};
use crate::model::{Event, EventKind, Observer};
use crate::progress::{Bars, EventsFile, Log, Notes, Plain};

/// The observers, and the place on standard error that the bars have taken.
pub(super) struct Watch {
    pub(super) observers: Vec<Box<dyn Observer>>,
    barred: bool,
}

impl Watch {
    /// Begins to watch. Until [`Watch::end`] nothing waits for standard error.
    pub(super) fn start(
        console: &Console,
        verbosity: u8,
        events: Option<&Path>,
    ) -> Result<Self, Failure> {
        let mut watch = Self {
            observers: Vec::new(),
            barred: false,
        };
        if let Some(path) = events {
            watch.add(events_file(console, path)?);
        }
        if verbosity > 0 {
            watch.add(Log);
        }
        let noted = console.clone();
        watch.add(Notes::new(move |words| noted.warn(words)));
        if console.is_quiet() {
            watch.add(Repairs::new(console));
        } else {
            watch.show(console, verbosity > 0);
        }
        // A terminal that stands still (Ctrl-S) must not hold up the dispatcher.
        console.stderr().wait_for_writes(false);
        Ok(watch)
    }

    fn show(&mut self, console: &Console, all_digits: bool) {
        match console.stderr().behind() {
            // Bars need a terminal that takes control sequences; anything else gets lines.
            Some(out) if Bars::fit() => {
                let bars = Bars::on_screen(out.clone(), all_digits);
                // Whatever else is written goes above the bars, which would be torn up otherwise.
                let above = bars.log_writer(out.clone());
                console.stderr().redirect(Box::new(above));
                self.add(bars);
                self.barred = true;
            }
            Some(out) => self.add(Plain::with_digits(out.clone(), all_digits)),
            None => self.add(Plain::with_digits(io::stderr(), all_digits)),
        }
    }

    fn add(&mut self, observer: impl Observer + 'static) {
        self.observers.push(Box::new(Guarded(Some(observer))));
    }

    /// Ends it; what was written is waited for once more.
    pub(super) fn end(self, console: &Console) {
        // The bars clear themselves away when they are dropped.
        drop(self.observers);
        let stderr = console.stderr();
        if let Some(out) = stderr.behind().filter(|_| self.barred) {
            stderr.redirect(Box::new(out.clone()));
        }
        stderr.wait_for_writes(true);
    }
}

fn events_file(console: &Console, path: &Path) -> Result<EventsFile, Failure> {
    let console = console.clone();
    EventsFile::open(path, move |warning| console.warn(warning)).map_err(|error| {
        Failure::usage(
            format!("the events file {} cannot be written", path.display()),
            "make its folder if there is none, or name another file with --events",
        )
        .because(in_plain_words(&error))
    })
}

/// An observer until it panics, which is told when it happens: paid answers are on their way, and it
/// only looks.
struct Guarded<O>(Option<O>);

impl<O: Observer> Guarded<O> {
    fn with(&mut self, look: impl FnOnce(&mut O)) {
        if let Some(mut observer) = self.0.take()
            && catch_unwind(AssertUnwindSafe(|| look(&mut observer))).is_ok()
        {
            self.0 = Some(observer);
        }
    }
}

impl<O: Observer> Observer for Guarded<O> {
    fn observe(&mut self, event: &Event) {
        self.with(|observer| observer.observe(event));
    }

    fn tick(&mut self, now: Timestamp) {
        self.with(|observer| observer.tick(now));
    }
}

/// What a quiet run still says: that it waits for a repair which only the user can make.
struct Repairs {
    console: Console,
    told: HashSet<String>,
}

impl Repairs {
    fn new(console: &Console) -> Self {
        Self {
            console: console.clone(),
            told: HashSet::new(),
        }
    }
}

impl Observer for Repairs {
    fn observe(&mut self, event: &Event) {
        if let EventKind::HaltWaiting {
            error_class,
            message,
            ..
        } = &event.kind
        {
            let words = format!(
                "run {} waits for a repair: {error_class}: {message}",
                event.run_id
            );
            if self.told.insert(words.clone()) {
                self.console.urgent(words);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Stderr;
    use crate::cli::console::testing::Captured;
    use crate::model::ErrorClass;

    /// Counts the ticks, and panics at the second one.
    struct Fragile(std::sync::Arc<std::sync::atomic::AtomicU32>);

    impl Observer for Fragile {
        fn observe(&mut self, _: &Event) {}
        fn tick(&mut self, _: Timestamp) {
            let before = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            assert!(before == 0, "as it was told to");
        }
    }

    #[test]
    fn an_observer_that_panics_is_let_go() {
        let ticks = std::sync::Arc::default();
        let mut guarded = Guarded(Some(Fragile(std::sync::Arc::clone(&ticks))));
        for _ in 0..5 {
            guarded.tick(Timestamp::UNIX_EPOCH);
        }
        assert_eq!(ticks.load(std::sync::atomic::Ordering::Relaxed), 2);
    }

    #[test]
    fn a_quiet_run_says_once_each_that_it_waits_for_a_repair() {
        let captured = Captured::default();
        let console = Console::new(Stderr::to(Box::new(captured.clone())), false, true);
        let mut repairs = Repairs::new(&console);
        for message in ["no credit", "no credit", "still none"] {
            repairs.observe(&Event {
                at: Timestamp::UNIX_EPOCH,
                run_id: "r-1".to_owned(),
                kind: EventKind::HaltWaiting {
                    error_class: ErrorClass::Billing,
                    message: message.to_owned(),
                    next_try_at: Timestamp::UNIX_EPOCH,
                },
            });
        }
        assert_eq!(
            captured.text(),
            "warning: run r-1 waits for a repair: billing: no credit\nwarning: run r-1 waits for a repair: billing: still none\n"
        );
    }
}
