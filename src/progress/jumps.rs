//! Words for time that passed without us.

use std::time::Duration;

use super::numbers::short_duration;
use crate::model::{Event, EventKind, Observer};

/// Tells of a process that stood still and of a clock that was set, with the help of whoever writes
/// notes: bars have no line for what is over when it is told.
pub struct Jumps<F>(F);

impl<F: FnMut(String) + Send> Jumps<F> {
    /// Gives each note to `tell`.
    pub fn new(tell: F) -> Self {
        Self(tell)
    }
}

impl<F: FnMut(String) + Send> Observer for Jumps<F> {
    fn observe(&mut self, event: &Event) {
        if let Some(words) = words(&event.kind) {
            (self.0)(words);
        }
    }
}

fn words(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::StoodStill { for_ms } => Some(format!(
            "claude-run stood still for {} (it was stopped, or the machine slept): what was due meanwhile is due now; requests in flight keep the time they have left",
            in_words(*for_ms)
        )),
        EventKind::ClockSet { by_ms } if *by_ms > 0 => Some(format!(
            "the clock was set forward by {}: waits, deadlines and hours follow it",
            in_words(by_ms.unsigned_abs())
        )),
        EventKind::ClockSet { by_ms } => Some(format!(
            "the clock was set back by {}: waits, deadlines and hours go on by the time before; stop and resume to go by the new one",
            in_words(by_ms.unsigned_abs())
        )),
        _ => None,
    }
}

fn in_words(ms: u64) -> String {
    short_duration(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_jump_is_told_with_its_length_and_what_it_means() {
        let hour = 3_600_000;
        let told = |kind| words(&kind).unwrap();
        let stood = told(EventKind::StoodStill { for_ms: 6 * hour });
        assert!(
            stood.starts_with("claude-run stood still for 6h"),
            "{stood}"
        );
        let forward = told(EventKind::ClockSet { by_ms: 3_600_000 });
        assert!(forward.contains("forward by 60m00s"), "{forward}");
        let back = told(EventKind::ClockSet { by_ms: -3_600_000 });
        assert!(back.contains("back by 60m00s"), "{back}");
        assert_eq!(words(&EventKind::HoursOpened {}), None);
    }
}
