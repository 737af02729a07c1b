//! The verbs of a loader and of a dispatcher.

use std::collections::HashSet;

use claude_run::model::{
    AttemptId, BatchState, ClaimedJob, Cost, DispatchOptions, Endpoint, ErrorClass, Halt, JobState,
    Lane, NewJob, Pico, Run, RunId, RunState, Tokens,
};
use claude_run::store::{
    AttemptRow, CancelFilter, CanceledJobs, Claim, Claimed, DuplicateId, EstimateSums, Finish,
    MaybeBilled, NewRun, Recovered, Result, RetryFilter, RunSnapshot, StatusChange, Store,
    Unbounded,
};
use jiff::Timestamp;

use super::ends::{cancel_job, give_back};
use super::state::{Attempt, Job, Marks, State, StoredRun};
use super::{Memory, refused};

impl Store for Memory {
    async fn begin_load(&self, run: NewRun) -> Result<()> {
        self.write(|state| {
            if state.run(run.id).is_err() {
                let number = state.runs.last().map_or(1, |last| last.number + 1);
                state.runs.push(loading(number, run));
            }
            Ok(())
        })
    }

    async fn add_jobs(&self, run: RunId, jobs: Vec<NewJob>) -> Result<Vec<DuplicateId>> {
        self.write(|state| {
            let stored = state.run_mut(run)?;
            if stored.run.state != RunState::Loading {
                return Err(refused("it is not loading"));
            }
            Ok(jobs
                .into_iter()
                .filter_map(|job| add_job(stored, job))
                .collect())
        })
    }

    async fn finish_load(&self, run: RunId, fingerprint: [u8; 32]) -> Result<()> {
        self.write(|state| {
            let stored = state.run_mut(run)?;
            if stored.run.state == RunState::Loading {
                stored.run.state = RunState::Ready;
                stored.fingerprint = Some(fingerprint);
            }
            if stored.fingerprint == Some(fingerprint) {
                Ok(())
            } else {
                Err(refused("it is not loading"))
            }
        })
    }

    async fn finish_load_once(&self, run: RunId, fingerprint: [u8; 32]) -> Result<Option<RunId>> {
        let known = self.write(|state| {
            let own = state.run_mut(run)?.run.clone();
            let known = state.runs.iter().rev().find(|stored| {
                own.state == RunState::Loading
                    && stored.run.state != RunState::Loading
                    && stored.fingerprint == Some(fingerprint)
                    && stored
                        .run
                        .ended_at
                        .is_none_or(|ended| ended >= own.created_at)
            });
            Ok(known.map(|stored| stored.run.id))
        })?;
        match known {
            Some(known) => Ok(Some(known)),
            None => self.finish_load(run, fingerprint).await.map(|()| None),
        }
    }

    async fn sweep_load(&self, run: RunId) -> Result<bool> {
        self.write(|state| {
            let swept = |it: &StoredRun| it.run.id == run && it.run.state == RunState::Loading;
            state.runs.retain(|stored| !swept(stored));
            Ok(false)
        })
    }

    async fn start_run(&self, run: RunId, now: Timestamp, most: u32) -> Result<Recovered> {
        self.write(|state| {
            let stored = state.run_mut(run)?;
            if stored.run.state != RunState::Loading {
                stored.run.state = RunState::Running;
                stored.run.started_at.get_or_insert(now);
                stored.run.ended_at = None;
                stored.run.halt = None;
            }
            let unsent = state.give_back_unsent(run)?;
            let stored = state.run_mut(run)?;
            for job in stored.jobs.values_mut() {
                if job.state == JobState::Held {
                    job.state = JobState::Queued;
                    job.not_before = Some(now);
                }
            }
            for batch in state.unfinished(run, &[BatchState::Filling, BatchState::Ready]) {
                let row = state.batch(batch)?;
                let (was_sent, requests) = (row.sent_at.is_some(), u64::from(row.requests));
                if row.state == BatchState::Ready && state.open_in(batch) == requests {
                    continue;
                }
                state.take_apart(batch, Some(Lane::Batch), was_sent, now)?;
            }
            let of_run = state.batches.iter_mut().filter(|batch| batch.run == run);
            for batch in of_run.filter(|batch| batch.state == BatchState::Sending) {
                batch.state = BatchState::Uncertain;
            }
            let interrupted = state.interrupt(run, now, most)?;
            let stored = state.run_mut(run)?;
            for job in stored.jobs.values_mut() {
                job.follow_the_clock_back(now);
            }
            Ok(Recovered {
                unsent,
                waiting: stored.waiting(now),
                ..interrupted
            })
        })
    }

    async fn begin_marks(&self, run: RunId) -> Result<()> {
        self.write(|state| {
            state.run(run)?;
            state.marks = Some(Marks {
                run,
                sent: HashSet::new(),
                unrecorded: HashSet::new(),
            });
            Ok(())
        })
    }

    fn mark_sent(&self, attempt: AttemptId) {
        let marked = self.write(|state| {
            if let Some(marks) = &mut state.marks {
                marks.sent.insert(attempt);
                marks.unrecorded.insert(attempt);
            }
            Ok(())
        });
        marked.unwrap();
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed> {
        self.write(|state| {
            let stored = state.run_mut(claim.run)?;
            let mut jobs: Vec<_> = stored
                .jobs
                .values_mut()
                .filter(|job| job.waits_for(Lane::Live) && job.model == claim.model)
                .collect();
            let later = |job: &&mut Job| job.not_before.filter(|time| *time > claim.now);
            let next_due = jobs.iter().filter_map(later).min();
            jobs.retain(|job| job.is_due(claim.now));
            // Retries come first and new jobs then, or the other way round.
            let later = |job: &Job| job.not_before.is_none() != claim.new_first;
            jobs.sort_by_key(|job| (later(job), job.place()));
            let mut claimed = Claimed {
                next_due,
                ..Claimed::default()
            };
            let (mut bytes, most) = (0, claim.max_jobs as usize);
            for job in jobs {
                bytes += job.new.body.len() as u64;
                let first = claimed.jobs.is_empty();
                if claimed.jobs.len() == most || (!first && bytes > claim.max_bytes) {
                    claimed.more = true;
                    break;
                }
                claimed.jobs.push(start_attempt(job, claim.now));
            }
            Ok(claimed)
        })
    }

    async fn finish(&self, run: RunId, finishes: Vec<Finish>) -> Result<Vec<Finish>> {
        self.write(|state| {
            for finish in finishes {
                let attempt = finish.record.attempt;
                state.end(run, finish)?;
                if let Some(marks) = &mut state.marks {
                    marks.unrecorded.remove(&attempt);
                }
            }
            // It can hold whatever there is.
            Ok(Vec::new())
        })
    }

    async fn reserve_spool(&self, _: u32) -> Result<()> {
        Ok(())
    }

    /// It has no room for any.
    async fn spool(&self, _: RunId, finishes: Vec<Finish>) -> Vec<Finish> {
        finishes
    }

    async fn release_spool(&self) {}

    async fn release(&self, run: RunId, attempts: Vec<AttemptId>) -> Result<()> {
        self.write(|state| {
            for job in state.run_mut(run)?.jobs.values_mut() {
                let last = job.attempts.last();
                let given_back = last.is_some_and(|last| {
                    last.is_open() && last.batch.is_none() && attempts.contains(&last.row.attempt)
                });
                if given_back {
                    give_back(job);
                }
            }
            Ok(())
        })
    }

    async fn without_bound(&self, run: RunId, after: Option<AttemptId>) -> Result<Vec<Unbounded>> {
        self.read(|state| {
            let mut found = Vec::new();
            for job in state.run(run)?.jobs.values() {
                for row in job.attempts.iter().map(|it| &it.row) {
                    let id = (row.attempt.job, row.attempt.n);
                    let is_open = row.ended_at.is_none() && row.lane == Lane::Live;
                    let is_wanted = row.at_most.is_none() && (row.maybe_billed || is_open);
                    if is_wanted && after.is_none_or(|after| id > (after.job, after.n)) {
                        found.push(without_bound(job, row));
                    }
                }
            }
            Ok(found)
        })
    }

    async fn keep_bounds(&self, run: RunId, bounds: Vec<(AttemptId, Pico)>) -> Result<()> {
        self.write(|state| {
            for job in state.run_mut(run)?.jobs.values_mut() {
                for row in job.attempts.iter_mut().map(|it| &mut it.row) {
                    let bound = bounds.iter().find(|(id, _)| *id == row.attempt);
                    let bound = bound.filter(|_| row.ended_at.is_none() || row.maybe_billed);
                    row.at_most = bound.map(|(_, most)| *most).or(row.at_most);
                }
            }
            Ok(())
        })
    }

    async fn maybe_billed(&self, run: RunId) -> Result<MaybeBilled> {
        self.read(|state| {
            let mut sums = MaybeBilled::default();
            let jobs = state.run(run)?.jobs.values();
            let rows = jobs.flat_map(|job| job.attempts.iter().map(|it| &it.row));
            for row in rows.filter(|row| row.maybe_billed && row.ended_at.is_some()) {
                sums.attempts += 1;
                match row.at_most {
                    None => sums.unbounded += 1,
                    Some(most) => {
                        sums.at_most += most;
                        sums.counted += row.cost.total;
                    }
                }
            }
            Ok(sums)
        })
    }

    async fn keep_options(&self, run: RunId, options: DispatchOptions) -> Result<()> {
        self.write(|state| {
            state.run_mut(run)?.run.options = options;
            Ok(())
        })
    }

    async fn name_run(&self, run: RunId, name: String) -> Result<()> {
        self.write(|state| {
            state.run_mut(run)?.run.name = Some(name);
            Ok(())
        })
    }

    async fn snapshot(&self, run: RunId) -> Result<RunSnapshot> {
        self.read(|state| state.snapshot(run))
    }

    async fn note_estimates(&self, run: RunId, sums: Vec<EstimateSums>) -> Result<()> {
        self.write(|state| {
            let kept = &mut state.run_mut(run)?.estimates;
            for sum in sums {
                let alike = |it: &&mut EstimateSums| (&it.model, it.kind) == (&sum.model, sum.kind);
                match kept.iter_mut().find(alike) {
                    Some(before) => before.errors.merge(&sum.errors),
                    None => kept.push(sum),
                }
            }
            Ok(())
        })
    }

    async fn note_status(&self, run: RunId, change: StatusChange) -> Result<()> {
        self.write(|state| {
            let kept = &mut state.run_mut(run)?.status_changes;
            if kept.iter().all(|before| before.at != change.at) {
                kept.push(change);
            }
            Ok(())
        })
    }

    async fn leave_run(&self, run: RunId, now: Timestamp, halt: Option<Halt>) -> Result<()> {
        self.write(|state| {
            let stored = state.run_mut(run)?;
            let has_ended = stored.jobs.values().all(|job| job.state.is_ended());
            let halt = halt.filter(|_| !has_ended);
            if stored.run.state == RunState::Loading {
                return Ok(());
            }
            stored.run.state = match (has_ended, &halt) {
                (true, _) => RunState::Ended,
                (false, Some(_)) => RunState::Halted,
                (false, None) => RunState::Ready,
            };
            stored.run.ended_at = has_ended.then_some(now);
            stored.run.halt = halt;
            // They are of no use to a run that has nothing open.
            state.marks = state.marks.take().filter(|it| !it.unrecorded.is_empty());
            Ok(())
        })
    }

    async fn cancel(&self, run: RunId, now: Timestamp) -> Result<bool> {
        self.write(|state| {
            state.run_mut(run)?.run.cancel_requested = true;
            for batch in state.unfinished(run, &[BatchState::Filling, BatchState::Ready]) {
                let was_sent = state.batch(batch)?.sent_at.is_some();
                state.take_apart(batch, None, was_sent, now)?;
            }
            let jobs = state.run_mut(run)?.jobs.values_mut();
            jobs.filter(|job| matches!(job.state, JobState::Queued | JobState::Held))
                .for_each(cancel_job);
            Ok(false)
        })
    }

    async fn cancel_jobs(
        &self,
        run: RunId,
        filter: CancelFilter,
        after_line: u64,
        now: Timestamp,
    ) -> Result<CanceledJobs> {
        self.write(|state| {
            for batch in state.unfinished(run, &[BatchState::Filling, BatchState::Ready]) {
                let jobs = state.run_mut(run)?.jobs.values();
                let is_meant = |job: &Job| job.new.line > after_line && is_meant(job, &filter);
                if jobs.filter(|job| job.is_in(batch)).any(is_meant) {
                    let was_sent = state.batch(batch)?.sent_at.is_some();
                    state.take_apart(batch, Some(Lane::Batch), was_sent, now)?;
                }
            }
            let mut done = CanceledJobs::default();
            let jobs = state.run_mut(run)?.jobs.values_mut();
            for job in jobs.filter(|job| job.new.line > after_line && is_meant(job, &filter)) {
                match job.state {
                    JobState::Queued | JobState::Held => {
                        cancel_job(job);
                        done.canceled += 1;
                    }
                    JobState::InFlight => done.in_flight += 1,
                    JobState::InBatch => done.in_batch += 1,
                    _ => done.ended += 1,
                }
            }
            Ok(done)
        })
    }

    async fn retry(
        &self,
        run: RunId,
        filter: RetryFilter,
        after_line: u64,
    ) -> Result<(u64, Option<u64>)> {
        self.write(|state| {
            let stored = state.run_mut(run)?;
            let mut count = 0;
            for job in stored.jobs.values_mut() {
                if job.new.line > after_line && is_wanted(job, &filter) {
                    put_back(job);
                    count += 1;
                }
            }
            if count > 0 {
                if stored.run.state == RunState::Ended {
                    stored.run.state = RunState::Ready;
                }
                stored.run.cancel_requested = false;
            }
            Ok((count, None))
        })
    }
}

fn loading(number: i64, new: NewRun) -> StoredRun {
    StoredRun {
        number,
        run: Run {
            id: new.id,
            name: new.name,
            file: new.file,
            state: RunState::Loading,
            simulated: new.simulated,
            created_at: new.created_at,
            started_at: None,
            ended_at: None,
            shaping: new.shaping,
            options: new.options,
            halt: None,
            cancel_requested: false,
            answered: false,
            jobs: claude_run::model::JobCounts::default(),
            cost: Pico::ZERO,
        },
        fingerprint: None,
        jobs: std::collections::BTreeMap::new(),
        estimates: Vec::new(),
        status_changes: Vec::new(),
    }
}

fn add_job(stored: &mut StoredRun, job: NewJob) -> Option<DuplicateId> {
    let same_id = |it: &&Job| it.new.custom_id == job.custom_id;
    if let Some(first) = stored.jobs.values().find(same_id) {
        return (first.new.line != job.line).then(|| DuplicateId {
            line: job.line,
            custom_id: job.custom_id.clone(),
            first_line: first.new.line,
        });
    }
    let number = stored.number;
    stored.jobs.insert(job.line, Job::new(number, job));
    None
}

fn is_meant(job: &Job, filter: &CancelFilter) -> bool {
    let of_class =
        filter.classes.is_empty() || job.class.is_some_and(|it| filter.classes.contains(&it));
    let of_id = filter.custom_ids.is_empty() || filter.custom_ids.contains(&job.new.custom_id);
    let of_model = filter.models.is_empty() || filter.models.contains(&job.model);
    of_class && of_id && of_model
}

fn is_wanted(job: &Job, filter: &RetryFilter) -> bool {
    let of_class =
        filter.classes.is_empty() || job.class.is_some_and(|it| filter.classes.contains(&it));
    let of_id = filter.custom_ids.is_empty() || filter.custom_ids.contains(&job.new.custom_id);
    matches!(job.state, JobState::Failed | JobState::Canceled) && of_class && of_id
}

/// It asks as its line does again, and has used up nothing.
fn put_back(job: &mut Job) {
    if let Some(last) = job.attempts.last_mut() {
        last.row.next_try_at = None;
        last.row.wait_rule = None;
    }
    *job = Job {
        queue: job.queue,
        live_only: job.live_only,
        fresh_since: job.attempts.len(),
        attempts: std::mem::take(&mut job.attempts),
        id: job.id,
        ..Job::new(0, job.new.clone())
    };
}

/// Starts an attempt of a job that leaves the queue.
pub fn begin_attempt(job: &mut Job, lane: Lane, now: Timestamp) {
    let row = AttemptRow {
        attempt: job.next_attempt(),
        line: job.new.line,
        custom_id: job.new.custom_id.clone(),
        lane,
        model: job.model.clone(),
        endpoint: None,
        answered_by: None,
        started_at: now,
        ended_at: None,
        outcome: None,
        error_class: None,
        http_status: None,
        error_type: None,
        message: None,
        request_id: None,
        retry_after: None,
        next_try_at: None,
        wait_rule: None,
        tokens: Tokens::default(),
        cost: Cost::default(),
        cost_basis: None,
        price_row: None,
        at_most: None,
        maybe_billed: false,
        latency: None,
    };
    job.attempts.push(Attempt {
        row,
        batch: None,
        planned: None,
    });
}

fn without_bound(job: &Job, row: &AttemptRow) -> Unbounded {
    let amendment = job.amendment.as_ref();
    let body = match amendment.filter(|_| row.lane == Lane::Live) {
        Some(amendment) => amendment.applied_to(&job.new.body).unwrap(),
        None => job.new.body.clone(),
    };
    Unbounded {
        attempt: row.attempt,
        model: row.model.clone(),
        lane: row.lane,
        started_at: row.started_at,
        body: Some(body),
    }
}

fn start_attempt(job: &mut Job, now: Timestamp) -> ClaimedJob {
    begin_attempt(job, Lane::Live, now);
    job.state = JobState::InFlight;
    let mut claimed = as_claimed(job);
    if let Some(amendment) = &job.amendment {
        claimed.body = amendment.applied_to(&job.new.body).unwrap();
        claimed.amendment = Some(Box::new(amendment.clone()));
    }
    claimed
}

/// What is told of a job whose last attempt is open; its request is that of its line.
pub fn as_claimed(job: &Job) -> ClaimedJob {
    let (last, before) = job.attempts.split_last().unwrap();
    let before = before.last().map(|attempt| &attempt.row);
    ClaimedJob {
        attempt: last.row.attempt,
        custom_id: job.new.custom_id.clone(),
        model: job.model.clone(),
        body: job.new.body.clone(),
        amendment: None,
        history: job.history,
        last_class: before.and_then(|row| row.error_class),
        last_message: before
            .filter(|row| {
                let bad = [ErrorClass::BadResponse, ErrorClass::StreamCut];
                row.error_class.is_some_and(|class| bad.contains(&class))
            })
            .and_then(|row| row.message.clone()),
        started_at: last.row.started_at,
        first_started_at: job.attempts[job.fresh_since].row.started_at,
        previous_ended_at: before.and_then(|row| row.ended_at),
        endpoint: Endpoint::First,
    }
}

impl State {
    fn snapshot(&self, run: RunId) -> Result<RunSnapshot> {
        let stored = self.run(run)?;
        let mut lanes: Vec<claude_run::store::QueueLoad> = Vec::new();
        let mut batch_jobs = 0;
        for job in stored.jobs.values() {
            let at = lanes.iter().position(|lane| lane.model == job.model);
            let at = at.unwrap_or_else(|| {
                lanes.push(claude_run::store::QueueLoad {
                    model: job.model.clone(),
                    queued: 0,
                    in_flight: 0,
                    held: 0,
                });
                lanes.len() - 1
            });
            match (job.state, job.queue) {
                (JobState::Queued, Lane::Live) => lanes[at].queued += 1,
                (JobState::InFlight, _) => lanes[at].in_flight += 1,
                (JobState::Held, _) => lanes[at].held += 1,
                (JobState::Queued, Lane::Batch) | (JobState::InBatch, _) => batch_jobs += 1,
                _ => {}
            }
        }
        Ok(RunSnapshot {
            cancel_requested: stored.run.cancel_requested,
            answered: stored.run.answered,
            queues: lanes,
            batch_jobs,
        })
    }
}
