//! Filling: a page of jobs goes into the batch, until it is complete.

use super::Life;
use crate::engine::batches::signals::News;
use crate::model::batch::MAX_BATCH_BYTES;
use crate::model::{BatchState, Lane};
use crate::provider::BatchApi;
use crate::store::{BatchStore, Fill, Filled, Result};

impl<S: BatchStore, B: BatchApi> Life<S, B> {
    pub(super) async fn fill(&mut self) -> Result<()> {
        let fill = self.next_page();
        let (filled, is_short) = match self.io().settings.limits.budget {
            Some(_) => self.fill_within_budget(fill).await?,
            None => (self.io().store.fill_batch(fill).await?, false),
        };
        if filled.too_large > 0 {
            self.io().tell(News::JobsForLive).await;
        }
        self.shared.update(|it, _| {
            it.intake.short |= is_short;
            it.intake.changed();
        });
        (self.batch.row.requests, self.batch.row.bytes) = (filled.requests, filled.bytes);
        if !filled.complete {
            return Ok(());
        }
        if filled.requests == 0 {
            self.batch.disband(Lane::Batch, false);
            return Ok(());
        }
        self.move_to(BatchState::Ready).await
    }

    fn next_page(&self) -> Fill {
        let (batch, only) = (self.id(), self.batch.only.clone());
        let now = self.now();
        self.shared.read(|it| {
            let room = u32::try_from(it.room()).unwrap_or(u32::MAX).max(1);
            let max_requests = it.intake.most_requests().min(room);
            Fill {
                batch,
                max_requests,
                // The store counts the bytes without marks.
                max_bytes: MAX_BATCH_BYTES - it.warm_up.most_bytes(max_requests),
                now,
                only,
            }
        })
    }

    /// The jobs at the head of the queue as far as the budget has room for them. True if it stops
    /// there for want of money.
    async fn fill_within_budget(&self, fill: Fill) -> Result<(Filled, bool)> {
        let (io, batch) = (self.io(), fill.batch);
        let next = io
            .store
            .next_for_batch(io.run, fill.now, fill.max_requests)
            .await?;
        let fits = io.room_for(Some(batch), &next).await;
        let jobs: Vec<_> = next[..fits].iter().map(|entry| entry.attempt.job).collect();
        let (mut filled, taken) = io.store.fill_batch_with(fill, jobs.clone()).await?;
        let unused: Vec<_> = { jobs }
            .extract_if(.., |job| !taken.contains(job))
            .collect();
        // Jobs that found no place leave their money, so want of it is not why the page ends.
        let is_short = fits < next.len() && unused.is_empty();
        if !unused.is_empty() {
            io.tell(News::Unused(batch, unused)).await;
        }
        filled.complete |= is_short;
        Ok((filled, is_short))
    }
}
