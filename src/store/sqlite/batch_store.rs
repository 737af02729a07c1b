//! The verbs of the batch lane, each handed to the file that does it. Texts are packed and unpacked
//! here, on the caller's thread.

use jiff::Timestamp;

use super::tx::line_of;
use super::{SqliteStore, batches, blob, disband, fill, harvest, queue, requests};
use crate::model::{
    AttemptId, BatchId, BatchState, CancelReason, JobId, Lane, RemoteBatch, RequestBody, RunId,
    ShortResults,
};
use crate::store::{
    AnswerCosts, BatchEntry, BatchQueue, BatchRow, BatchStore, Fill, Filled, NewBatch, OpenItem,
    Result, RouteRule, Routed, StoreError, Unroute, Warmer,
};

impl BatchStore for SqliteStore {
    async fn route(&self, run: RunId, rule: RouteRule, after_line: u64) -> Result<Routed> {
        self.writer
            .call(move |tx| queue::route(tx, run, &rule, after_line))
            .await
    }

    async fn batch_queue(&self, run: RunId, now: Timestamp) -> Result<BatchQueue> {
        self.writer
            .call(move |tx| queue::batch_queue(tx, run, now))
            .await
    }

    async fn unroute(&self, run: RunId, which: Unroute) -> Result<bool> {
        self.writer
            .call(move |tx| queue::unroute(tx, run, &which))
            .await
    }

    async fn begin_batch(&self, batch: NewBatch) -> Result<BatchId> {
        self.writer.call(move |tx| batches::begin(tx, &batch)).await
    }

    async fn fill_batch(&self, fill: Fill) -> Result<Filled> {
        let filled = self.writer.call(move |tx| fill::fill(tx, &fill, None));
        filled.await.map(|(filled, _)| filled)
    }

    async fn next_for_batch(
        &self,
        run: RunId,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<BatchEntry>> {
        let packed = self
            .writer
            .call(move |tx| fill::next(tx, run, now, most))
            .await?;
        // Money is asked for them; a damaged one does not get into the batch.
        let entries = packed.iter().filter(|entry| blob::is_sound(&entry.body));
        entries.map(|entry| self.unpack_entry(entry)).collect()
    }

    async fn fill_batch_with(&self, fill: Fill, jobs: Vec<JobId>) -> Result<(Filled, Vec<JobId>)> {
        self.writer
            .call(move |tx| fill::fill(tx, &fill, Some(&jobs)))
            .await
    }

    async fn batch_entries(
        &self,
        batch: BatchId,
        after: Option<AttemptId>,
    ) -> Result<Vec<BatchEntry>> {
        let packed = self
            .writer
            .call(move |tx| fill::entries(tx, batch, after))
            .await?;
        let entries = packed.iter();
        entries.map(|entry| self.unpack_entry(entry)).collect()
    }

    async fn move_batch(
        &self,
        batch: BatchId,
        to: BatchState,
        now: Timestamp,
    ) -> Result<BatchState> {
        self.writer
            .call(move |tx| batches::advance(tx, batch, to, now))
            .await
    }

    async fn note_remote(&self, batch: BatchId, remote: RemoteBatch, now: Timestamp) -> Result<()> {
        self.writer
            .call(move |tx| batches::note_remote(tx, batch, &remote, now))
            .await
    }

    async fn cancel_batch(&self, batch: BatchId, reason: CancelReason) -> Result<()> {
        self.writer
            .call(move |tx| batches::cancel(tx, batch, reason))
            .await
    }

    async fn note_short(&self, batch: BatchId, short: Option<ShortResults>) -> Result<()> {
        self.writer
            .call(move |tx| batches::note_short(tx, batch, short))
            .await
    }

    async fn disband_batch(
        &self,
        batch: BatchId,
        lane: Lane,
        keep_attempts: bool,
        now: Timestamp,
    ) -> Result<bool> {
        self.writer
            .call(move |tx| disband::disband(tx, batch, lane, keep_attempts, now))
            .await
    }

    async fn open_items(&self, batch: BatchId, attempts: Vec<AttemptId>) -> Result<Vec<OpenItem>> {
        let items = self
            .writer
            .call(move |tx| harvest::open_items(tx, batch, &attempts))
            .await?;
        let items = items.into_iter().map(harvest::PackedItem::unpack);
        Ok(items.collect())
    }

    async fn missing_items(&self, batch: BatchId) -> Result<Vec<AttemptId>> {
        self.writer
            .call(move |tx| harvest::missing(tx, batch))
            .await
    }

    async fn warmers(&self, jobs: Vec<JobId>, now: Timestamp) -> Result<Vec<Warmer>> {
        self.writer
            .call(move |tx| requests::warmers(tx, &jobs, now.as_millisecond()))
            .await
    }

    async fn answer_costs(&self, run: RunId) -> Result<Vec<AnswerCosts>> {
        self.writer
            .call(move |tx| batches::answer_costs(tx, run))
            .await
    }

    async fn batches(&self, run: RunId) -> Result<Vec<BatchRow>> {
        self.writer.call(move |tx| batches::list(tx, run)).await
    }
}

impl SqliteStore {
    fn unpack_entry(&self, packed: &fill::PackedEntry) -> Result<BatchEntry> {
        let line = line_of(packed.attempt.job.0);
        let body = blob::unpack(&packed.body).map_err(|why| StoreError::Damaged {
            path: self.file.named.clone(),
            what: format!("the request of line {line}"),
            why,
        })?;
        Ok(BatchEntry {
            attempt: packed.attempt,
            body: RequestBody::from_json(body),
        })
    }
}
