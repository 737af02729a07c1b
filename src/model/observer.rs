//! The seam between a dispatcher and whoever watches it.

use jiff::Timestamp;

use super::event::Event;

/// Watches a run. Called by the dispatcher itself, so an implementation must be quick, must not
/// wait, and must not fail: what goes wrong in it stays in it.
pub trait Observer: Send {
    /// One thing happened. Called for each event, in order.
    fn observe(&mut self, event: &Event);

    /// Time has passed: called about five times a second, also when nothing happens.
    fn tick(&mut self, now: Timestamp) {
        let _ = now;
    }
}

/// Several observers, told in order.
impl Observer for Vec<Box<dyn Observer>> {
    fn observe(&mut self, event: &Event) {
        for observer in self {
            observer.observe(event);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        for observer in self {
            observer.tick(now);
        }
    }
}
