//! The batch verbs of the store that stops working when it is told to.

use std::future::Future;

use claude_run::model::{
    AttemptId, BatchId, BatchState, CancelReason, JobId, Lane, RemoteBatch, RunId, ShortResults,
};
use claude_run::store::{
    AnswerCosts, BatchEntry, BatchQueue, BatchRow, BatchStore, Fill, Filled, NewBatch, OpenItem,
    Result, RouteRule, Routed, Unroute, Warmer,
};
use jiff::Timestamp;

use super::flaky::Flaky;

impl<S> Flaky<S> {
    async fn batch<T>(&self, verb: impl Future<Output = Result<T>>) -> Result<T> {
        self.verb(self.batch_moment, verb).await
    }
}

impl<S: BatchStore> BatchStore for Flaky<S> {
    async fn route(&self, run: RunId, rule: RouteRule, after_line: u64) -> Result<Routed> {
        self.batch(self.store.route(run, rule, after_line)).await
    }

    async fn batch_queue(&self, run: RunId, now: Timestamp) -> Result<BatchQueue> {
        self.batch(self.store.batch_queue(run, now)).await
    }

    async fn unroute(&self, run: RunId, which: Unroute) -> Result<bool> {
        self.batch(self.store.unroute(run, which)).await
    }

    async fn begin_batch(&self, batch: NewBatch) -> Result<BatchId> {
        self.batch(self.store.begin_batch(batch)).await
    }

    async fn fill_batch(&self, fill: Fill) -> Result<Filled> {
        self.batch(self.store.fill_batch(fill)).await
    }

    async fn next_for_batch(
        &self,
        run: RunId,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<BatchEntry>> {
        self.batch(self.store.next_for_batch(run, now, most)).await
    }

    async fn fill_batch_with(&self, fill: Fill, jobs: Vec<JobId>) -> Result<(Filled, Vec<JobId>)> {
        self.batch(self.store.fill_batch_with(fill, jobs)).await
    }

    async fn batch_entries(
        &self,
        batch: BatchId,
        after: Option<AttemptId>,
    ) -> Result<Vec<BatchEntry>> {
        self.batch(self.store.batch_entries(batch, after)).await
    }

    async fn move_batch(
        &self,
        batch: BatchId,
        to: BatchState,
        now: Timestamp,
    ) -> Result<BatchState> {
        self.batch(self.store.move_batch(batch, to, now)).await
    }

    async fn note_remote(&self, batch: BatchId, remote: RemoteBatch, now: Timestamp) -> Result<()> {
        self.batch(self.store.note_remote(batch, remote, now)).await
    }

    async fn cancel_batch(&self, batch: BatchId, reason: CancelReason) -> Result<()> {
        self.batch(self.store.cancel_batch(batch, reason)).await
    }

    async fn note_short(&self, batch: BatchId, short: Option<ShortResults>) -> Result<()> {
        self.batch(self.store.note_short(batch, short)).await
    }

    async fn disband_batch(
        &self,
        batch: BatchId,
        lane: Lane,
        keep_attempts: bool,
        now: Timestamp,
    ) -> Result<bool> {
        self.batch(self.store.disband_batch(batch, lane, keep_attempts, now))
            .await
    }

    async fn open_items(&self, batch: BatchId, attempts: Vec<AttemptId>) -> Result<Vec<OpenItem>> {
        self.batch(self.store.open_items(batch, attempts)).await
    }

    async fn missing_items(&self, batch: BatchId) -> Result<Vec<AttemptId>> {
        self.batch(self.store.missing_items(batch)).await
    }

    async fn warmers(&self, jobs: Vec<JobId>, now: Timestamp) -> Result<Vec<Warmer>> {
        self.batch(self.store.warmers(jobs, now)).await
    }

    async fn answer_costs(&self, run: RunId) -> Result<Vec<AnswerCosts>> {
        self.batch(self.store.answer_costs(run)).await
    }

    async fn batches(&self, run: RunId) -> Result<Vec<BatchRow>> {
        self.batch(BatchStore::batches(&self.store, run)).await
    }
}
