//! What each effect does: straight lines of store and API, each in an order that a crash cannot
//! spoil. Nothing here decides or tries again.

use std::collections::HashSet;

use tokio::sync::oneshot;

use super::answer::{Answer, Told};
use super::batch_io::{BatchIo, Context};
use super::effect::Effect;
use super::harvest::{Harvester, confirm};
use super::refusal::{EntryName, Refusal, refusal};
use super::search::Search;
use super::signals::News;
use super::upload::{bytes_marked, feed, take_back_quotes, upload};
use crate::engine::batch_money::{Grant, Item, Wish};
use crate::model::{
    AttemptId, BatchId, BatchState, CancelReason, ErrorClass, Evidence, Lane, RemoteBatch,
};
use crate::policy::Marker;
use crate::provider::{BatchApi, Failure};
use crate::store::{
    BatchEntry, BatchRow, BatchStore, Fill, Filled, NewBatch, Result, RouteRule, Unroute,
};

/// Pages of the list of batches that one search reads, of 100 batches each; a list that is longer than
/// this within some hours is none that we could choose from.
const MOST_PAGES: usize = 100;

/// The list of batches cannot be read back to a time: nobody can tell by it what it lacks.
fn endless(why: &str) -> Box<Failure> {
    Box::new(Failure {
        class: ErrorClass::BadResponse,
        evidence: Evidence {
            http_status: Some(200),
            message: Some(format!(
                "the list of batches does not end, {why}, so a batch whose create answer was lost cannot be looked up in it; `claude-run batches adopt` says which one it is, `claude-run batches forget` gives it up"
            )),
            ..Evidence::default()
        },
        message: None,
        partial: None,
        unsent: false,
    })
}

impl<S: BatchStore, B: BatchApi> BatchIo<S, B> {
    /// Does it. Effects that are only told are none of its business.
    pub(super) async fn carry_out(&self, effect: Effect, context: Context) -> Result<Answer> {
        let now = self.clock.now();
        match effect {
            Effect::Ask => Ok(Answer::Asked(self.store.batch_queue(self.run, now).await?)),
            Effect::Spill(rule) => self.spill(rule).await,
            Effect::Unroute(which) => self.unroute(which).await,
            Effect::Begin(batch) => self.begin(batch).await,
            Effect::Fill(fill) => self.fill(fill).await,
            Effect::Move(batch, to) => {
                let state = self.store.move_batch(batch, to, now).await?;
                let row = Box::new(self.row(batch).await?);
                Ok(Answer::Moved(batch, state, row))
            }
            Effect::AskWarmers(jobs) => {
                let found = self.store.warmers(jobs, now).await?;
                Ok(Answer::Warmers(found))
            }
            Effect::Send {
                batch,
                bytes,
                marks,
            } => self.send(batch, bytes, &Marker::of(marks)).await,
            Effect::Poll { batch, remote_id } => self.look(batch, &remote_id).await,
            Effect::Find { batch, search } => Ok(Answer::Found(batch, self.find(search).await)),
            Effect::Confirm {
                batch,
                nonce,
                remote,
            } => self.confirm(batch, &nonce, remote).await,
            Effect::Cancel {
                batch,
                remote_id,
                reason,
            } => self.cancel(batch, &remote_id, reason).await,
            Effect::Harvest {
                row,
                cancel,
                downloads,
                doubts,
            } => {
                let mut harvester = Harvester::new(self, &row, cancel, context);
                let done = harvester.run(downloads, doubts).await?;
                Ok(Answer::Harvested(row.id, done))
            }
            Effect::Expire { row, missing } => {
                let mut harvester = Harvester::new(self, &row, row.cancel_reason, context);
                Ok(Answer::Expired(row.id, harvester.expire(missing).await?))
            }
            Effect::FailEntry {
                row,
                entry,
                failure,
            } => self.fail_entry(&row, entry, failure, context).await,
            Effect::Disband {
                batch,
                lane,
                keep_attempts,
            } => self.disband(batch, lane, keep_attempts).await,
            Effect::Tell(_)
            | Effect::Freed(_)
            | Effect::Kept(_)
            | Effect::Held(_)
            | Effect::Halt(_) => Ok(Answer::Routed),
        }
    }

    async fn spill(&self, rule: RouteRule) -> Result<Answer> {
        let mut after_line = Some(0);
        while let Some(line) = after_line {
            after_line = self.store.route(self.run, rule, line).await?.next;
        }
        Ok(Answer::Routed)
    }

    async fn unroute(&self, which: Unroute) -> Result<Answer> {
        while self.store.unroute(self.run, which).await? {}
        self.tell(News::JobsForLive).await;
        Ok(Answer::Routed)
    }

    /// No batch is begun into which not even the first job would go.
    async fn begin(&self, new: NewBatch) -> Result<Answer> {
        if self.settings.limits.budget.is_some() {
            let first = self.store.next_for_batch(self.run, new.now, 1).await?;
            if !first.is_empty() && self.room_for(None, &first).await == 0 {
                return Ok(Answer::Short);
            }
        }
        let id = self.store.begin_batch(new).await?;
        Ok(Answer::Begun(Box::new(self.row(id).await?)))
    }

    async fn fill(&self, fill: Fill) -> Result<Answer> {
        let batch = fill.batch;
        let (filled, short) = match self.settings.limits.budget {
            Some(_) => self.fill_within_budget(fill).await?,
            None => (self.store.fill_batch(fill).await?, false),
        };
        if filled.too_large > 0 {
            self.tell(News::JobsForLive).await;
        }
        Ok(Answer::Filled(batch, filled, short))
    }

    /// The jobs at the head of the queue as far as the budget has room for them. True if it stops
    /// there for want of money.
    async fn fill_within_budget(&self, fill: Fill) -> Result<(Filled, bool)> {
        let (batch, most) = (fill.batch, fill.max_requests);
        let next = self.store.next_for_batch(self.run, fill.now, most).await?;
        let fits = self.room_for(Some(batch), &next).await;
        let jobs: Vec<_> = next[..fits].iter().map(|entry| entry.attempt.job).collect();
        let wanted = jobs.clone();
        let (mut filled, taken) = self.store.fill_batch_with(fill, wanted).await?;
        let unused: Vec<_> = { jobs }
            .extract_if(.., |job| !taken.contains(job))
            .collect();
        let short = fits < next.len() && unused.is_empty();
        if !unused.is_empty() {
            self.tell(News::Unused(batch, unused)).await;
        }
        filled.complete |= short;
        Ok((filled, short))
    }

    /// How many of these, from the first one on, the budget has room for. It is held for the batch,
    /// if there is one.
    async fn room_for(&self, batch: Option<BatchId>, entries: &[BatchEntry]) -> usize {
        let (answer, granted) = oneshot::channel();
        let items = entries.iter().map(Item::read).collect();
        let wish = Wish {
            batch,
            items,
            answer,
        };
        self.tell(News::Wish(wish)).await;
        let Grant { fits } = granted.await.unwrap_or_default();
        fits.min(entries.len())
    }

    /// That the call leaves is written down before it does, and what came of it right after. If this
    /// stops anywhere in between, the next start finds it `Sending`, and looks before it sends.
    async fn send(&self, batch: BatchId, bytes: u64, marker: &Marker) -> Result<Answer> {
        let bytes = bytes_marked(&*self.store, batch, bytes, marker).await?;
        let now = self.clock.now();
        let state = self
            .store
            .move_batch(batch, BatchState::Sending, now)
            .await?;
        if state != BatchState::Sending {
            return Ok(Answer::Sent(batch, None));
        }
        fail::fail_point!("batch-before-create", |_| std::process::abort());
        let row = self.row(batch).await?;
        let (upload, chunks) = upload(bytes);
        let feeding = feed(&*self.store, batch, &row.nonce, marker, chunks);
        let (mut told, fed) = tokio::join!(self.api.create(upload), feeding);
        fail::fail_point!("batch-after-create", |_| std::process::abort());
        if let Err(failure) = &mut told {
            take_back_quotes(&*self.store, batch, failure).await?;
        }
        let now = self.clock.now();
        match &told {
            Ok(remote) => self.store.note_remote(batch, remote.clone(), now).await?,
            Err(failure) => {
                let known = match refusal(failure) {
                    Refusal::Uncertain => BatchState::Uncertain,
                    _ => BatchState::Ready,
                };
                self.store.move_batch(batch, known, now).await?;
            }
        }
        fed?;
        Ok(Answer::Sent(batch, Some(told)))
    }

    async fn look(&self, batch: BatchId, remote_id: &str) -> Result<Answer> {
        let told = self.api.retrieve(remote_id).await;
        if let Ok(polled) = &told {
            let now = self.clock.now();
            self.store
                .note_remote(batch, polled.batch.clone(), now)
                .await?;
        }
        Ok(Answer::Polled(batch, told))
    }

    /// Reads the list of batches back to the time at which this one can have been created.
    async fn find(&self, mut search: Search) -> Told<Vec<RemoteBatch>> {
        let (mut found, mut after) = (Vec::new(), None);
        let mut known = HashSet::new();
        for _ in 0..MOST_PAGES {
            let page = self.api.list(after.as_deref()).await?;
            let before = known.len();
            known.extend(page.batches.iter().map(|it| it.id.clone()));
            let is_new = known.len() > before;
            if let Some(server) = page.server_time {
                search.by_the_server_s_clock(server, self.clock.now());
            }
            let is_over = page
                .batches
                .last()
                .is_none_or(|last| search.ends_with(last));
            let fitting = page.batches.into_iter().filter(|it| search.fits(it));
            found.extend(fitting);
            after = page.next;
            if is_over || after.is_none() {
                return Ok(found);
            }
            if !is_new {
                return Err(endless("a page repeats what stood on pages before it"));
            }
        }
        Err(endless("there is no end of its pages"))
    }

    async fn confirm(&self, batch: BatchId, nonce: &str, remote: RemoteBatch) -> Result<Answer> {
        let told = confirm(&*self.api, &remote.id, nonce).await;
        if matches!(told, Ok(Some(true))) {
            let now = self.clock.now();
            self.store.note_remote(batch, remote.clone(), now).await?;
        }
        Ok(Answer::Confirmed(batch, remote, told))
    }

    async fn cancel(
        &self,
        batch: BatchId,
        remote_id: &str,
        reason: CancelReason,
    ) -> Result<Answer> {
        self.store.cancel_batch(batch, reason).await?;
        let told = self.api.cancel(remote_id).await;
        if let Ok(remote) = &told {
            let now = self.clock.now();
            self.store.note_remote(batch, remote.clone(), now).await?;
        }
        Ok(Answer::Canceled(batch, reason, told))
    }

    async fn fail_entry(
        &self,
        row: &BatchRow,
        entry: EntryName,
        failure: Box<Failure>,
        context: Context,
    ) -> Result<Answer> {
        let attempt = match entry {
            EntryName::Attempt(attempt) => Some(attempt),
            EntryName::Place(place) => self.attempt_at(row.id, place).await?,
        };
        let found = match attempt {
            Some(attempt) => {
                let mut harvester = Harvester::new(self, row, None, context);
                harvester.refuse(attempt, &failure).await?
            }
            None => false,
        };
        Ok(Answer::EntryFailed(row.id, failure, found))
    }

    /// The entry at that place of the create call.
    async fn attempt_at(&self, batch: BatchId, place: usize) -> Result<Option<AttemptId>> {
        let (mut passed, mut after) = (0, None);
        loop {
            let page = self.store.batch_entries(batch, after).await?;
            if let Some(entry) = page.get(place - passed) {
                return Ok(Some(entry.attempt));
            }
            let Some(last) = page.last() else {
                return Ok(None);
            };
            passed += page.len();
            after = Some(last.attempt);
        }
    }

    async fn disband(&self, batch: BatchId, lane: Lane, keep_attempts: bool) -> Result<Answer> {
        let now = self.clock.now();
        while self
            .store
            .disband_batch(batch, lane, keep_attempts, now)
            .await?
        {}
        if lane == Lane::Live {
            self.tell(News::JobsForLive).await;
        }
        Ok(Answer::Disbandd(batch))
    }
}
