//! The loop of the batch lane: starts a task for each batch and one for the queue, hears orders, and
//! ends when all of them have. It decides nothing.

use std::sync::Arc;

use fastrand::Rng;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::batch::LocalBatch;
use super::life::Life;
use super::queue::next_batch;
use super::shared::SharedLane;
use super::signals::{Mode, News, Orders};
use crate::provider::BatchApi;
use crate::store::{BatchStore, StoreError};

/// The loop and all that it owns.
pub(super) struct Driver<S, B> {
    shared: Arc<SharedLane<S, B>>,
    rng: Rng,
    orders: watch::Receiver<Orders>,
    tasks: JoinSet<TaskResult>,
}

/// How a task ended: the queue's with a batch that was begun, a batch's with `None`.
type TaskResult = Result<Option<LocalBatch>, StoreError>;

impl<S: BatchStore, B: BatchApi> Driver<S, B> {
    pub(super) fn new(
        shared: Arc<SharedLane<S, B>>,
        seed: Option<u64>,
        orders: watch::Receiver<Orders>,
    ) -> Self {
        Self {
            shared,
            // Not the stream of the live lane: how the two mix depends on the machine.
            rng: seed.map_or_else(Rng::new, |seed| Rng::with_seed(!seed)),
            orders,
            tasks: JoinSet::new(),
        }
    }

    /// Takes these batches up, and begins others, until the run is left.
    pub(super) async fn run(mut self, found: Vec<LocalBatch>) {
        for batch in found {
            self.take_up(batch);
        }
        self.await_next_batch();
        loop {
            tokio::select! {
                biased;
                changed = self.orders.changed() => {
                    if changed.is_err() {
                        // Nobody gives orders any more, and nobody wants to know.
                        return;
                    }
                    if self.hear_orders() == Mode::Abandon {
                        break;
                    }
                }
                ended = self.tasks.join_next() => match ended.map(flat) {
                    Some(Ok(Some(batch))) => {
                        self.take_up(batch);
                        self.await_next_batch();
                    }
                    Some(Ok(None)) => {}
                    Some(Err(error)) => {
                        self.shared.io.tell(News::Broken(error)).await;
                        break;
                    }
                    // Only one that is leaving ends the queue's task without a batch.
                    None => break,
                },
            }
        }
        self.shared.io.tell(News::Left).await;
    }

    fn hear_orders(&mut self) -> Mode {
        let Orders { mode, live } = *self.orders.borrow_and_update();
        self.shared
            .update(|coordinator, _| coordinator.on_orders(mode, live));
        mode
    }

    fn take_up(&mut self, batch: LocalBatch) {
        let life = Life::new(batch, Arc::clone(&self.shared), self.rng.fork());
        self.tasks.spawn(async move {
            life.run().await?;
            Ok(None)
        });
    }

    fn await_next_batch(&mut self) {
        let (shared, rng) = (Arc::clone(&self.shared), self.rng.fork());
        self.tasks
            .spawn(async move { next_batch(&shared, rng).await });
    }
}

fn flat(ended: Result<TaskResult, JoinError>) -> TaskResult {
    // What it panicked with was told when it happened; it may quote what is secret.
    let lost = |_| StoreError::IllegalTransition("a task of the batch lane was lost".to_owned());
    ended.unwrap_or_else(|error| Err(lost(error)))
}
