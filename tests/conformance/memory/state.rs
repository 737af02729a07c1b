//! What the reference remembers.

use std::collections::{BTreeMap, HashSet};

use claude_run::model::{
    Amendment, AttemptId, BatchId, BatchState, ErrorClass, JobHistory, JobId, JobState, Lane,
    NewJob, Run, RunId,
};
use claude_run::store::{
    AttemptRow, BatchRow, EstimateSums, Result, ResultBody, StatusChange, Waiting,
};
use jiff::{SignedDuration, Timestamp};

use super::refused;

#[derive(Clone, Default)]
pub struct State {
    /// In the order in which they were begun.
    pub runs: Vec<StoredRun>,
    /// In the order in which they were begun.
    pub batches: Vec<BatchRow>,
    pub marks: Option<Marks>,
}

/// What was really sent, while somebody keeps marks of it.
#[derive(Clone)]
pub struct Marks {
    pub run: RunId,
    pub sent: HashSet<AttemptId>,
    /// Those of them whose end is not recorded.
    pub unrecorded: HashSet<AttemptId>,
}

#[derive(Clone)]
pub struct StoredRun {
    /// From 1; the number of a run that was swept away is free again if it was the last.
    pub number: i64,
    /// Its counts and its cost are not kept here: they are counted when somebody asks.
    pub run: Run,
    pub fingerprint: Option<[u8; 32]>,
    /// By line.
    pub jobs: BTreeMap<u64, Job>,
    pub estimates: Vec<EstimateSums>,
    pub status_changes: Vec<StatusChange>,
}

#[derive(Clone)]
pub struct Job {
    pub id: JobId,
    pub new: NewJob,
    /// The model of its next attempt.
    pub model: String,
    pub state: JobState,
    /// The queue it stands in, or stood in last.
    pub queue: Lane,
    pub not_before: Option<Timestamp>,
    /// What is told of it when it has ended.
    pub class: Option<ErrorClass>,
    pub history: JobHistory,
    pub attempts: Vec<Attempt>,
    /// How many attempts it had when it was last put back by hand.
    pub fresh_since: usize,
    /// It was amended since it was last put back by hand.
    pub amended: bool,
    pub amendment: Option<Amendment>,
    pub put_aside: Option<(u32, String)>,
    /// The attempt that brought it, and what it brought.
    pub result: Option<(u32, ResultBody)>,
    pub live_only: bool,
}

#[derive(Clone)]
pub struct Attempt {
    pub row: AttemptRow,
    pub batch: Option<BatchId>,
    /// The wait after it, as it was planned, once a clock that was set back has moved its end.
    pub planned: Option<SignedDuration>,
}

impl Attempt {
    pub fn is_open(&self) -> bool {
        self.row.ended_at.is_none()
    }
}

impl Job {
    pub fn new(number: i64, new: NewJob) -> Self {
        Self {
            id: job_id(number, new.line),
            model: new.model.clone(),
            live_only: new.live_only,
            new,
            state: JobState::Queued,
            queue: Lane::Live,
            not_before: None,
            class: None,
            history: JobHistory::default(),
            attempts: Vec::new(),
            fresh_since: 0,
            amended: false,
            amendment: None,
            put_aside: None,
            result: None,
        }
    }

    pub fn next_attempt(&self) -> AttemptId {
        let n = u32::try_from(self.attempts.len()).unwrap() + 1;
        AttemptId { job: self.id, n }
    }

    pub fn waits_for(&self, lane: Lane) -> bool {
        self.state == JobState::Queued && self.queue == lane
    }

    pub fn is_due(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|time| time <= now)
    }

    /// The queue that it may stand in if it is sent to that of `lane`.
    pub fn queue_for(&self, lane: Lane) -> Lane {
        if self.live_only || self.amended {
            Lane::Live
        } else {
            lane
        }
    }

    pub fn open_attempt(&mut self) -> Option<&mut Attempt> {
        self.attempts.last_mut().filter(|last| last.is_open())
    }

    pub fn is_in(&self, batch: BatchId) -> bool {
        let last = self.attempts.last();
        last.is_some_and(|last| last.is_open() && last.batch == Some(batch))
    }

    /// The order in which due jobs are taken: new ones first, or last.
    pub fn place(&self) -> (i64, u64) {
        let time = self.not_before.map_or(0, Timestamp::as_millisecond);
        (time, self.new.line)
    }

    /// It waits no longer than was planned, whatever the clock says.
    pub fn follow_the_clock_back(&mut self, now: Timestamp) {
        let Some((last, due)) = self.attempts.last_mut().zip(self.not_before) else {
            return;
        };
        let (Some(ended), Some(next)) = (last.row.ended_at, last.row.next_try_at) else {
            return;
        };
        let planned = last.planned.unwrap_or(next.duration_since(ended));
        let latest = now + planned;
        if self.state == JobState::Queued && !planned.is_negative() && due > latest {
            self.not_before = Some(latest);
            last.row.next_try_at = Some(latest);
            last.planned = Some(planned);
        }
    }

    pub fn contradiction(&self) -> Option<String> {
        let is_open = self.attempts.last().is_some_and(Attempt::is_open);
        let under_way = matches!(self.state, JobState::InFlight | JobState::InBatch);
        let has_result = matches!(self.state, JobState::Succeeded | JobState::Failed);
        let wrong = is_open != under_way || has_result != self.result.is_some();
        wrong.then(|| format!("line {} is {}", self.new.line, self.state))
    }
}

/// The id of a line's job, as the store that is compared makes it: ids are part of the bytes of a
/// batch.
pub fn job_id(number: i64, line: u64) -> JobId {
    JobId((number << 40) + i64::try_from(line).unwrap())
}

impl StoredRun {
    /// What waits for a time after `now`, on either lane.
    pub fn waiting(&self, now: Timestamp) -> Option<Waiting> {
        let jobs = self.jobs.values();
        let waits: Vec<_> = jobs
            .filter(|job| {
                [Lane::Live, Lane::Batch]
                    .iter()
                    .any(|lane| job.waits_for(*lane))
            })
            .filter(|job| !job.is_due(now))
            .collect();
        let first = waits.iter().min_by_key(|job| (job.not_before, job.id))?;
        let last = first.attempts.last().map(|attempt| &attempt.row);
        Some(Waiting {
            jobs: waits.len() as u64,
            next_try_at: first.not_before?,
            class: last.and_then(|row| row.error_class),
            http_status: last.and_then(|row| row.http_status),
            message: last.and_then(|row| row.message.clone()),
        })
    }

    /// What may go into a batch now, in the order in which it is taken.
    pub fn queue_for_batches(&mut self, now: Timestamp) -> Vec<&mut Job> {
        let jobs = self.jobs.values_mut();
        let mut queue: Vec<_> = jobs
            .filter(|job| job.waits_for(Lane::Batch) && job.is_due(now))
            .collect();
        queue.sort_by_key(|job| job.place());
        queue
    }
}

impl State {
    pub fn run(&self, id: RunId) -> Result<&StoredRun> {
        let found = self.runs.iter().find(|stored| stored.run.id == id);
        found.ok_or_else(|| refused("there is no such run"))
    }

    pub fn run_mut(&mut self, id: RunId) -> Result<&mut StoredRun> {
        let found = self.runs.iter_mut().find(|stored| stored.run.id == id);
        found.ok_or_else(|| refused("there is no such run"))
    }

    pub fn batch(&self, id: BatchId) -> Result<&BatchRow> {
        let found = self.batches.iter().find(|batch| batch.id == id);
        found.ok_or_else(|| refused("there is no such batch"))
    }

    pub fn batch_mut(&mut self, id: BatchId) -> Result<&mut BatchRow> {
        let found = self.batches.iter_mut().find(|batch| batch.id == id);
        found.ok_or_else(|| refused("there is no such batch"))
    }

    pub fn job_mut(&mut self, id: JobId) -> Option<&mut Job> {
        let jobs = self.runs.iter_mut().flat_map(|run| run.jobs.values_mut());
        jobs.into_iter().find(|job| job.id == id)
    }

    /// The batches of a run that are in one of these states, or half taken apart.
    pub fn unfinished(&self, run: RunId, states: &[BatchState]) -> Vec<BatchId> {
        let found = self.batches.iter().filter(|batch| {
            let half_taken_apart = batch.state == BatchState::Lost && self.open_in(batch.id) > 0;
            batch.run == run && (states.contains(&batch.state) || half_taken_apart)
        });
        found.map(|batch| batch.id).collect()
    }

    /// Requests of a batch whose end is not recorded.
    pub fn open_in(&self, batch: BatchId) -> u64 {
        let jobs = self.runs.iter().flat_map(|run| run.jobs.values());
        jobs.filter(|job| job.is_in(batch)).count() as u64
    }
}
