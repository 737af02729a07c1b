//! What every task of the lane holds: the way to the store, the API and the dispatcher, and the
//! coordinator behind a lock.
//!
//! The lock is held for a decision, never over a wait. Whoever must wait asks again after each change.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};

use super::batch_io::BatchIo;
use super::coordinator::Coordinator;
use super::signals::{News, Status};
use super::turn::Decision;
use crate::model::{EventKind, Halt};
use crate::provider::{BatchApi, Failure};
use crate::store::BatchStore;

/// See the module's documentation.
pub(super) struct SharedLane<S, B> {
    pub(super) io: BatchIo<S, B>,
    coordinator: Mutex<Coordinator>,
    /// Told of every change. It wakes those who wait in the order in which they began to, which a
    /// `watch` does not: one seed stays one run.
    changed: Notify,
    status: watch::Sender<Status>,
}

impl<S: BatchStore, B: BatchApi> SharedLane<S, B> {
    pub(super) fn new(
        io: BatchIo<S, B>,
        coordinator: Coordinator,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            io,
            coordinator: Mutex::new(coordinator),
            changed: Notify::new(),
            status,
        }
    }

    /// Changes what the batches share, and lets all who wait for it ask again.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Coordinator, Timestamp) -> T) -> T {
        let now = self.io.clock.now();
        let mut coordinator = self.lock();
        let result = change(&mut coordinator, now);
        coordinator.take_news();
        self.publish(&coordinator);
        drop(coordinator);
        self.changed.notify_waiters();
        result
    }

    /// Reads what the batches share, as it is now.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Coordinator) -> T) -> T {
        read(&self.lock())
    }

    /// Waits until it is decided what to do: asks now, after each change, and at the time that was named.
    pub(super) async fn decided<T>(
        &self,
        mut decide: impl FnMut(&mut Coordinator, Timestamp) -> Decision<T>,
    ) -> T {
        loop {
            // Listens before it asks, so that no change is missed in between.
            let changed = self.changed.notified();
            match self.ask(&mut decide) {
                Decision::Now(decision) => return decision,
                Decision::Later(at) => self.change_or_time(changed, at).await,
            }
        }
    }

    fn ask<T>(
        &self,
        decide: &mut impl FnMut(&mut Coordinator, Timestamp) -> Decision<T>,
    ) -> Decision<T> {
        let now = self.io.clock.now();
        let mut coordinator = self.lock();
        let decision = decide(&mut coordinator, now);
        let is_news = coordinator.take_news();
        self.publish(&coordinator);
        drop(coordinator);
        if is_news {
            self.changed.notify_waiters();
        }
        decision
    }

    /// The one wait of the lane's tasks, beside those for store and API.
    async fn change_or_time(&self, changed: Notified<'_>, at: Option<Timestamp>) {
        let time = async {
            match at {
                Some(at) => self.io.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = changed => {}
            () = time => {}
        }
    }

    /// A call of the API was answered as it should be.
    pub(super) fn answered(&self) {
        self.update(|coordinator, _| coordinator.answered());
    }

    /// A call of the API failed: the run halts if the endpoint has never answered in it.
    pub(super) async fn failed(&self, failure: &Failure) {
        let halt = self.update(|coordinator, now| coordinator.failed(failure, now));
        if let Some(halt) = halt {
            self.halt(halt).await;
        }
    }

    /// No job can succeed: the run is left, or the lane waits.
    pub(super) async fn halt(&self, halt: Halt) {
        match self.update(|coordinator, now| coordinator.halted(&halt, now)) {
            None => self.io.tell(News::Halted(halt)).await,
            Some(next_try_at) => {
                self.io
                    .observe(EventKind::HaltWaiting {
                        error_class: halt.class,
                        message: halt.message,
                        next_try_at,
                    })
                    .await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Coordinator> {
        // A task that panicked ends the lane: what it left half done decides nothing any more.
        self.coordinator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the dispatcher how the lane stands, under the lock, so that what was true last stays.
    fn publish(&self, coordinator: &Coordinator) {
        if coordinator.is_leaving() {
            self.io.leave();
        }
        let status = coordinator.status();
        self.status.send_if_modified(|current| {
            let is_new = *current != status;
            *current = status;
            is_new
        });
    }
}
