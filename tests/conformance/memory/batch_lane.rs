//! The verbs of the batch lane.

use claude_run::model::batch::{ENVELOPE, entry_bytes, item_id};
use claude_run::model::{
    AttemptId, AttemptOutcome, BatchId, BatchState, CancelReason, JobId, JobState, Lane, Pico,
    RemoteBatch, RemoteStatus, RequestCounts, RunId, ShortResults,
};
use claude_run::store::{
    AnswerCosts, BatchEntry, BatchQueue, BatchRow, BatchStore, Fill, Filled, NewBatch, OpenItem,
    Result, RouteRule, Routed, Unroute, Warmer,
};
use jiff::Timestamp;

use super::live_lane::{as_claimed, begin_attempt};
use super::state::{Job, State};
use super::{Memory, refused};

fn envelope_bytes() -> u64 {
    (ENVELOPE.0.len() + ENVELOPE.1.len()) as u64
}

impl BatchStore for Memory {
    async fn route(&self, run: RunId, rule: RouteRule, after_line: u64) -> Result<Routed> {
        self.write(|state| {
            let mut routed = Routed::default();
            for job in state.run_mut(run)?.jobs.values_mut() {
                let to = job.queue_for(lane_by_rule(job, &rule));
                let waits = job.state == JobState::Queued && job.new.line > after_line;
                if waits && job.queue != to {
                    job.queue = to;
                    match to {
                        Lane::Live => routed.to_live += 1,
                        Lane::Batch => routed.to_batch += 1,
                    }
                }
            }
            Ok(routed)
        })
    }

    async fn batch_queue(&self, run: RunId, now: Timestamp) -> Result<BatchQueue> {
        self.read(|state| {
            let jobs = state.run(run)?.jobs.values();
            let jobs: Vec<_> = jobs.filter(|job| job.waits_for(Lane::Batch)).collect();
            let due = jobs.iter().filter(|job| job.is_due(now)).count();
            let later = jobs.iter().filter(|job| !job.is_due(now));
            Ok(BatchQueue {
                due: due as u64,
                waiting: (jobs.len() - due) as u64,
                next_due: later.filter_map(|job| job.not_before).min(),
                earliest_deadline: jobs.iter().filter_map(|job| job.new.deadline).min(),
                undated: jobs.iter().any(|job| job.new.deadline.is_none()),
            })
        })
    }

    async fn unroute(&self, run: RunId, which: Unroute) -> Result<bool> {
        self.write(|state| {
            for job in state.run_mut(run)?.jobs.values_mut() {
                let deadline = job.new.deadline.or(which.deadline);
                let early = which
                    .before
                    .is_none_or(|before| deadline.is_some_and(|deadline| deadline < before));
                let stays = job.new.lane == Some(Lane::Batch);
                if job.waits_for(Lane::Batch) && early && !stays {
                    job.queue = Lane::Live;
                }
            }
            Ok(false)
        })
    }

    async fn begin_batch(&self, batch: NewBatch) -> Result<BatchId> {
        self.write(|state| {
            state.run(batch.run)?;
            if let Some(begun) = state.batches.iter().find(|it| it.nonce == batch.nonce) {
                let ours = begun.run == batch.run;
                return ours
                    .then_some(begun.id)
                    .ok_or_else(|| refused("the nonce is another run's"));
            }
            let id = BatchId(i64::try_from(state.batches.len()).unwrap() + 1);
            state.batches.push(filling(id, batch));
            Ok(id)
        })
    }

    async fn fill_batch(&self, fill: Fill) -> Result<Filled> {
        self.write(|state| Ok(state.fill(&fill, None)?.0))
    }

    async fn next_for_batch(
        &self,
        run: RunId,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<BatchEntry>> {
        self.write(|state| {
            let queue = state.run_mut(run)?.queue_for_batches(now);
            let entries = queue.into_iter().take(most as usize);
            Ok(entries
                .map(|job| BatchEntry {
                    attempt: job.next_attempt(),
                    body: job.new.body.clone(),
                })
                .collect())
        })
    }

    async fn fill_batch_with(&self, fill: Fill, jobs: Vec<JobId>) -> Result<(Filled, Vec<JobId>)> {
        self.write(|state| state.fill(&fill, Some(&jobs)))
    }

    async fn batch_entries(
        &self,
        batch: BatchId,
        after: Option<AttemptId>,
    ) -> Result<Vec<BatchEntry>> {
        self.read(|state| {
            let entries = state.jobs_in(batch).map(|job| BatchEntry {
                attempt: job.attempts.last().unwrap().row.attempt,
                body: job.new.body.clone(),
            });
            Ok(entries
                .filter(|entry| after.is_none_or(|after| entry.attempt.job > after.job))
                .collect())
        })
    }

    async fn move_batch(
        &self,
        batch: BatchId,
        to: BatchState,
        now: Timestamp,
    ) -> Result<BatchState> {
        self.write(|state| {
            let open = state.open_in(batch);
            let row = state.batch_mut(batch)?;
            if row.state == BatchState::Lost {
                return Ok(BatchState::Lost);
            }
            if !may_move(row, to, open) {
                return Err(refused("it cannot go there"));
            }
            row.state = to;
            match to {
                BatchState::Sending => row.sent_at = Some(now),
                BatchState::Ready => row.sent_at = None,
                _ => {}
            }
            Ok(to)
        })
    }

    async fn note_remote(&self, batch: BatchId, remote: RemoteBatch, now: Timestamp) -> Result<()> {
        self.write(|state| {
            let row = state.batch(batch)?;
            if row.state.is_over() {
                return Ok(());
            }
            let other_id = row.remote_id.as_ref().is_some_and(|id| *id != remote.id);
            let others = state
                .batches
                .iter()
                .filter(|it| it.run == row.run && it.id != batch);
            if other_id
                || others
                    .into_iter()
                    .any(|it| it.remote_id.as_ref() == Some(&remote.id))
            {
                return Err(refused("it is another batch"));
            }
            note(state.batch_mut(batch)?, remote, now)
        })
    }

    async fn cancel_batch(&self, batch: BatchId, reason: CancelReason) -> Result<()> {
        use BatchState::{Canceling, Ended, Filling, Harvested, Lost, Open, Ready};
        self.write(|state| {
            let row = state.batch_mut(batch)?;
            match row.state {
                Ended | Harvested | Lost => return Ok(()),
                Filling | Ready => return Err(refused("there is nothing to cancel")),
                Open => row.state = Canceling,
                _ => {}
            }
            if row.cancel_reason != Some(CancelReason::User) {
                row.cancel_reason = Some(reason);
            }
            Ok(())
        })
    }

    async fn note_short(&self, batch: BatchId, short: Option<ShortResults>) -> Result<()> {
        self.write(|state| {
            let row = state.batch_mut(batch)?;
            if row.state == BatchState::Ended {
                row.short = short;
            }
            Ok(())
        })
    }

    async fn disband_batch(
        &self,
        batch: BatchId,
        lane: Lane,
        keep_attempts: bool,
        now: Timestamp,
    ) -> Result<bool> {
        self.write(|state| {
            if state.batch(batch)?.state != BatchState::Harvested {
                state.take_apart(batch, Some(lane), keep_attempts, now)?;
            }
            Ok(false)
        })
    }

    async fn open_items(&self, batch: BatchId, attempts: Vec<AttemptId>) -> Result<Vec<OpenItem>> {
        self.read(|state| {
            let item = |id: AttemptId| {
                let job = state.jobs_in(batch).find(|job| job.id == id.job)?;
                let is_last = job.attempts.last().unwrap().row.attempt == id;
                is_last.then(|| OpenItem {
                    job: as_claimed(job),
                    deadline: job.new.deadline,
                    lane: job.new.lane,
                })
            };
            Ok(attempts.into_iter().filter_map(item).collect())
        })
    }

    async fn missing_items(&self, batch: BatchId) -> Result<Vec<AttemptId>> {
        self.read(|state| {
            let open = state.jobs_in(batch);
            Ok(open
                .map(|job| job.attempts.last().unwrap().row.attempt)
                .collect())
        })
    }

    async fn warmers(&self, jobs: Vec<JobId>, now: Timestamp) -> Result<Vec<Warmer>> {
        self.read(|state| {
            let known = state.runs.iter().flat_map(|run| run.jobs.values());
            let known: Vec<_> = known.collect();
            let of = |id: JobId| known.iter().find(|job| job.id == id);
            let found = jobs.into_iter().filter_map(of);
            Ok(found.map(|job| state.warmer(job, now)).collect())
        })
    }

    async fn answer_costs(&self, run: RunId) -> Result<Vec<AnswerCosts>> {
        self.read(|state| {
            let mut costs = std::collections::BTreeMap::<String, (u64, i128)>::new();
            let jobs = state.run(run)?.jobs.values();
            for attempt in jobs.flat_map(|job| &job.attempts) {
                if attempt.row.outcome == Some(AttemptOutcome::Succeeded) {
                    let (answers, cost) = costs.entry(attempt.row.model.clone()).or_default();
                    *answers += 1;
                    *cost += attempt.row.cost.total.0 / 1_000 * 1_000;
                }
            }
            let costs = costs
                .into_iter()
                .map(|(model, (answers, cost))| AnswerCosts {
                    model,
                    answers,
                    cost: Pico(cost),
                });
            Ok(costs.collect())
        })
    }

    async fn batches(&self, run: RunId) -> Result<Vec<BatchRow>> {
        self.read(|state| state.batches_of(run))
    }
}

/// What its line says, then what the user said, then its deadline.
fn lane_by_rule(job: &Job, rule: &RouteRule) -> Lane {
    let deadline = job.new.deadline.or(rule.deadline);
    let by_deadline = match deadline {
        Some(deadline) if deadline >= rule.batch_from => Lane::Batch,
        _ => Lane::Live,
    };
    job.new.lane.or(rule.lane).unwrap_or(by_deadline)
}

fn filling(id: BatchId, new: NewBatch) -> BatchRow {
    BatchRow {
        id,
        run: new.run,
        nonce: new.nonce,
        state: BatchState::Filling,
        remote_id: None,
        requests: 0,
        bytes: envelope_bytes(),
        open_requests: 0,
        created_at: new.now,
        sent_at: None,
        remote_created_at: None,
        expires_at: None,
        ended_at: None,
        counts: RequestCounts::default(),
        polled_at: None,
        cancel_reason: None,
        deadline: None,
        undated: false,
        short: None,
    }
}

fn may_move(row: &BatchRow, to: BatchState, open: u64) -> bool {
    use BatchState::{Canceling, Ended, Filling, Harvested, Open, Ready, Sending, Uncertain};
    match (row.state, to) {
        (Filling | Sending, Ready) => row.requests > 0,
        (Ready | Uncertain, Sending) | (Sending, Uncertain) | (Open | Canceling, Ended) => true,
        (Ended, Harvested) => open == 0,
        (from, to) => from == to && [Ready, Sending, Uncertain, Ended, Harvested].contains(&to),
    }
}

fn note(row: &mut BatchRow, remote: RemoteBatch, now: Timestamp) -> Result<()> {
    use BatchState::{Canceling, Ended, Filling, Harvested, Lost, Open, Ready, Sending, Uncertain};
    let canceling = remote.status == RemoteStatus::Canceling || row.cancel_reason.is_some();
    row.state = match row.state {
        Filling | Ready => return Err(refused("the API cannot know of it")),
        Sending | Uncertain | Open | Canceling if remote.status == RemoteStatus::Ended => Ended,
        Sending | Uncertain | Open if canceling => Canceling,
        Sending | Uncertain | Open => Open,
        Canceling => Canceling,
        Ended => Ended,
        Harvested | Lost => return Ok(()),
    };
    row.remote_id = Some(remote.id);
    row.remote_created_at = remote.created_at.or(row.remote_created_at);
    row.expires_at = remote.expires_at.or(row.expires_at);
    row.ended_at = remote.ended_at.or(row.ended_at);
    row.polled_at = Some(now);
    row.counts = remote.counts;
    Ok(())
}

impl State {
    fn jobs_in(&self, batch: BatchId) -> impl Iterator<Item = &Job> {
        let jobs = self.runs.iter().flat_map(|run| run.jobs.values());
        jobs.filter(move |job| job.is_in(batch))
    }

    pub fn batches_of(&self, run: RunId) -> Result<Vec<BatchRow>> {
        self.run(run)?;
        let of_run = self.batches.iter().filter(|batch| batch.run == run);
        let counted = of_run.map(|batch| BatchRow {
            open_requests: self.open_in(batch.id),
            ..batch.clone()
        });
        Ok(counted.collect())
    }

    fn warmer(&self, job: &Job, now: Timestamp) -> Warmer {
        let used_the_cache = job.attempts.iter().filter(|it| {
            let tokens = it.row.tokens;
            let good = it.row.outcome == Some(AttemptOutcome::Succeeded);
            good && tokens.cache_write_1h + tokens.cache_read > 0
        });
        let batches = used_the_cache.filter_map(|it| self.batch(it.batch?).ok());
        let last = job.attempts.last().filter(|last| last.is_open());
        Warmer {
            job: job.id,
            waits: job.waits_for(Lane::Batch) && job.is_due(now),
            batch: last.and_then(|last| last.batch),
            warmed_at: batches.filter_map(|batch| batch.sent_at).max(),
        }
    }

    fn fill(&mut self, fill: &Fill, wanted: Option<&[JobId]>) -> Result<(Filled, Vec<JobId>)> {
        let mut row = self.batch(fill.batch)?.clone();
        match row.state {
            BatchState::Filling => {}
            BatchState::Lost => {
                let nothing = Filled {
                    complete: true,
                    ..Filled::default()
                };
                return Ok((nothing, Vec::new()));
            }
            _ => return Err(refused("it is not filling")),
        }
        let mut jobs = self.run_mut(row.run)?.queue_for_batches(fill.now);
        let is_meant = |id| fill.only.as_ref().is_none_or(|only| only.contains(&id));
        jobs.retain(|job| is_meant(job.id));
        let (mut too_large, mut taken, mut complete) = (0, Vec::new(), true);
        for (place, job) in jobs.into_iter().enumerate() {
            if wanted.is_some_and(|wanted| wanted.get(place) != Some(&job.id)) {
                complete = row.requests >= fill.max_requests;
                break;
            }
            let id = item_id(&row.nonce, job.next_attempt());
            let entry = entry_bytes(&id, job.new.body.len() as u64);
            if envelope_bytes() + entry > fill.max_bytes {
                job.live_only = true;
                job.queue = Lane::Live;
                too_large += 1;
                continue;
            }
            let bytes = row.bytes + u64::from(row.requests > 0) + entry;
            if row.requests >= fill.max_requests || bytes > fill.max_bytes {
                break;
            }
            row.requests += 1;
            row.bytes = bytes;
            put_in(job, &mut row, fill.now);
            taken.push(job.id);
        }
        let filled = Filled {
            requests: row.requests,
            bytes: row.bytes,
            too_large,
            complete,
        };
        *self.batch_mut(fill.batch)? = row;
        Ok((filled, taken))
    }
}

fn put_in(job: &mut Job, row: &mut BatchRow, now: Timestamp) {
    begin_attempt(job, Lane::Batch, now);
    job.attempts.last_mut().unwrap().batch = Some(row.id);
    job.state = JobState::InBatch;
    if job.new.lane != Some(Lane::Batch) {
        row.undated |= job.new.deadline.is_none();
        row.deadline = row.deadline.into_iter().chain(job.new.deadline).min();
    }
}
