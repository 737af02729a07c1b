//! All batches.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::batch::Batch;
use super::records::{BatchItemRecord, BatchRecord};
use crate::simulator::world::World;

/// Requests that are done in one go, before others get a turn at the processor.
const AT_ONCE: u32 = 200;

/// The batches, oldest first.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Board {
    batches: Mutex<Vec<Arc<Batch>>>,
    /// Calls that could have created one.
    calls: AtomicU32,
}

/// A part of the list.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The newest first.
    pub(super) batches: Vec<Arc<Batch>>,
    pub(super) has_more: bool,
}

/// Where a page of the list begins or ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cursor<'a> {
    Newest,
    After(&'a str),
    Before(&'a str),
}

impl Board {
    /// One more valid call that creates a batch; the first is 0.
    pub(super) fn next_call(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a batch that is made when there is room for it: `make` gets its number. The error is
    /// how many requests wait already.
    pub(super) fn add(
        &self,
        count: u32,
        limit: Option<u32>,
        make: impl FnOnce(u32) -> Batch,
    ) -> Result<Arc<Batch>, u32> {
        // One lock for limit and number: two calls at once must not both take the last room.
        let mut batches = self.lock();
        let waiting = batches.iter().map(|batch| batch.waiting()).sum::<u32>();
        if limit.is_some_and(|limit| waiting.saturating_add(count) > limit) {
            return Err(waiting);
        }
        let number = u32::try_from(batches.len()).unwrap_or(u32::MAX);
        let batch = Arc::new(make(number));
        batches.push(Arc::clone(&batch));
        Ok(batch)
    }

    /// Requests of all batches that are not done.
    pub(super) fn waiting(&self) -> u32 {
        self.lock().iter().map(|batch| batch.waiting()).sum()
    }

    /// The batch of this id, unless it was deleted.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Batch>> {
        let batches = self.lock();
        let batch = batches.iter().find(|batch| batch.id == id)?;
        (!batch.state().deleted).then(|| Arc::clone(batch))
    }

    /// A page of the list; none if the cursor's batch is not in it.
    pub(super) fn page(&self, cursor: Cursor<'_>, limit: usize, now: Instant) -> Option<Page> {
        let mut listed: Vec<_> = self
            .lock()
            .iter()
            .rev()
            .filter(|batch| !batch.timing.is_unlisted(now) && !batch.state().deleted)
            .cloned()
            .collect();
        let place = |id: &str| listed.iter().position(|batch| batch.id == id);
        let (from, to) = match cursor {
            Cursor::Newest => (0, limit),
            Cursor::After(id) => {
                let from = place(id)? + 1;
                (from, from.saturating_add(limit))
            }
            Cursor::Before(id) => {
                let to = place(id)?;
                (to.saturating_sub(limit), to)
            }
        };
        let has_more = match cursor {
            Cursor::Before(_) => from > 0,
            Cursor::Newest | Cursor::After(_) => to < listed.len(),
        };
        listed.truncate(to);
        listed.drain(..from);
        Some(Page {
            batches: listed,
            has_more,
        })
    }

    /// Does everything that was due by `now`.
    pub(in crate::simulator) fn catch_up(&self, world: &World, now: Instant) {
        for batch in self.all() {
            batch.advance(world, now, u32::MAX);
        }
    }

    /// The same, with pauses for others.
    pub(super) async fn catch_up_gently(&self, world: &World, now: Instant) {
        for batch in self.all() {
            while batch.advance(world, now, AT_ONCE) {
                // A batch of 100,000 requests must not hold up every other answer.
                tokio::task::yield_now().await;
            }
        }
    }

    pub(in crate::simulator) fn records(&self, world: &World) -> Vec<BatchRecord> {
        self.catch_up(world, Instant::now());
        self.all().iter().map(|batch| batch.record(world)).collect()
    }

    pub(in crate::simulator) fn item_records(&self, world: &World) -> Vec<BatchItemRecord> {
        self.catch_up(world, Instant::now());
        let batches = self.all();
        let items = batches.iter().map(|batch| batch.item_records(world));
        items.flatten().collect()
    }

    pub(in crate::simulator) fn clear(&self) {
        self.lock().clear();
        self.calls.store(0, Ordering::Relaxed);
    }

    fn all(&self) -> Vec<Arc<Batch>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Batch>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
