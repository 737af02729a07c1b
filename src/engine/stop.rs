//! How a run is told to stop.

use tokio::sync::watch;

/// How urgently to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Not at all.
    #[default]
    No,
    /// Start nothing new, wait for what is in flight, record it, leave.
    Drain,
    /// Leave at once; what is in flight is found `interrupted` at the next start.
    Now,
}

/// The side that tells.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<Stop>);

/// The side that is told.
#[derive(Clone, Debug)]
pub struct StopSignal(watch::Receiver<Stop>);

impl Stopper {
    /// A stopper and the signal that listens to it.
    #[must_use]
    pub fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(Stop::No);
        (Self(sender), StopSignal(receiver))
    }

    /// One step more urgent: the first call drains, the second leaves at once.
    pub fn escalate(&self) {
        self.0.send_modify(|stop| {
            *stop = match *stop {
                Stop::No => Stop::Drain,
                Stop::Drain | Stop::Now => Stop::Now,
            };
        });
    }
}

impl StopSignal {
    /// How urgent it is now.
    #[must_use]
    pub fn current(&self) -> Stop {
        *self.0.borrow()
    }

    /// Waits until it becomes more urgent; for ever if nobody can say so any more.
    pub async fn changed(&mut self) -> Stop {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.0.borrow_and_update()
    }
}
