//! How attempts end, and what becomes of their jobs.

use claude_run::model::{
    AttemptOutcome, BatchId, BatchState, ErrorClass, JobState, Lane, RunId, error_object,
};
use claude_run::store::{Finish, Next, Recovered, Result, ResultBody};
use jiff::Timestamp;

use super::refused;
use super::state::{Attempt, Job, State};

impl State {
    /// Records an end; one that is recorded already stays as it is.
    pub fn end(&mut self, run: RunId, finish: Finish) -> Result<()> {
        let id = finish.record.attempt;
        let never = || refused("it was never started");
        let job = self.job_mut(id.job).ok_or_else(never)?;
        let attempt = job.attempts.iter_mut().find(|it| it.row.attempt == id);
        let attempt = attempt.ok_or_else(never)?;
        if !attempt.is_open() {
            return Ok(());
        }
        let answered = finish.record.evidence.http_status.is_some();
        write_end(attempt, &finish);
        become_what_follows(job, finish)?;
        self.run_mut(run)?.run.answered |= answered;
        Ok(())
    }

    /// Gives back claims that were never sent, and lets go of the marks that tell.
    pub fn give_back_unsent(&mut self, run: RunId) -> Result<u64> {
        let Some(marks) = self.marks.take() else {
            return Ok(0);
        };
        let mut given_back = 0;
        for job in self.run_mut(marks.run)?.jobs.values_mut() {
            let is_sent = |it: &Attempt| marks.sent.contains(&it.row.attempt);
            if job.state == JobState::InFlight && !job.attempts.last().is_some_and(is_sent) {
                give_back(job);
                given_back += 1;
            }
        }
        Ok(if marks.run == run { given_back } else { 0 })
    }

    /// Ends what a crash left open of the live lane.
    pub fn interrupt(&mut self, run: RunId, now: Timestamp, most: u32) -> Result<Recovered> {
        let mut recovered = Recovered::default();
        for job in self.run_mut(run)?.jobs.values_mut() {
            if job.state == JobState::InFlight {
                interrupt_job(job, now, most, &mut recovered);
            }
        }
        Ok(recovered)
    }

    /// Takes a batch apart.
    pub fn take_apart(
        &mut self,
        batch: BatchId,
        to: Option<Lane>,
        keep_attempts: bool,
        now: Timestamp,
    ) -> Result<()> {
        self.batch_mut(batch)?.state = BatchState::Lost;
        let jobs = self.runs.iter_mut().flat_map(|run| run.jobs.values_mut());
        for job in jobs.filter(|job| job.is_in(batch)) {
            if keep_attempts {
                interrupt_attempt(job, now);
                job.class = Some(ErrorClass::Interrupted);
            } else {
                job.attempts.pop();
            }
            match to {
                Some(lane) => {
                    job.state = JobState::Queued;
                    job.queue = job.queue_for(lane);
                }
                None => cancel_job(job),
            }
        }
        Ok(())
    }
}

/// Undoes a claim.
pub fn give_back(job: &mut Job) {
    job.attempts.pop();
    job.state = JobState::Queued;
}

fn write_end(attempt: &mut Attempt, finish: &Finish) {
    let Finish { record, next, .. } = finish.clone();
    let row = &mut attempt.row;
    row.ended_at = Some(record.ended_at.max(row.started_at));
    row.outcome = Some(record.outcome);
    row.error_class = record.error_class;
    row.http_status = record.evidence.http_status;
    row.error_type = record.evidence.error_type;
    row.message = record.evidence.message;
    row.request_id = record.evidence.request_id;
    row.retry_after = record.evidence.retry_after;
    row.next_try_at = next.next_try_at();
    row.wait_rule = record.wait_rule;
    row.endpoint = record.endpoint;
    row.answered_by = record.answered_by;
    row.tokens = record.usage.tokens;
    row.cost = record.cost;
    row.cost_basis = record.cost_basis;
    row.price_row = record.price_row;
    row.at_most = record.at_most;
    row.maybe_billed = record.maybe_billed;
    row.latency = record.latency;
}

fn become_what_follows(job: &mut Job, finish: Finish) -> Result<()> {
    let n = finish.record.attempt.n;
    job.history = finish.history;
    job.class = finish.record.error_class;
    job.not_before = finish.next.next_try_at();
    match finish.next {
        Next::RetryAt(_) | Next::Requeue => {
            job.state = JobState::Queued;
            job.queue = job.queue_for(finish.lane);
        }
        Next::Hold => {
            job.state = JobState::Held;
            job.queue = job.queue_for(finish.lane);
        }
        Next::Amend { amended, .. } => {
            job.state = JobState::Queued;
            job.queue = Lane::Live;
            job.amended = true;
            amended.amendment.model().clone_into(&mut job.model);
            job.amendment = Some(amended.amendment);
            if let Some(message) = amended.put_aside {
                job.put_aside = Some((n, message));
            }
        }
        Next::End(end) => {
            job.state = end.state;
            if end.result != ResultBody::Nothing {
                job.result = Some((n, end.result));
            }
            let_go(job);
        }
        Next::EndPutAside => {
            let put_aside = job.put_aside.take();
            let (n, message) = put_aside.ok_or_else(|| refused("nothing was put aside"))?;
            job.state = JobState::Succeeded;
            job.class = Some(mark_of(job, n));
            job.result = Some((n, ResultBody::Message(message)));
            let_go(job);
        }
    }
    Ok(())
}

/// What the attempt was marked with whose answer was put aside.
fn mark_of(job: &Job, n: u32) -> ErrorClass {
    let attempt = &job.attempts[usize::try_from(n).unwrap() - 1];
    let paused = attempt.row.error_class == Some(ErrorClass::Paused);
    if paused {
        ErrorClass::Paused
    } else {
        ErrorClass::Truncated
    }
}

/// An ended job keeps nothing of its amendment.
fn let_go(job: &mut Job) {
    job.amendment = None;
    job.put_aside = None;
}

pub fn cancel_job(job: &mut Job) {
    job.state = JobState::Canceled;
    job.class = Some(ErrorClass::Canceled);
    job.not_before = None;
    let_go(job);
}

fn interrupt_attempt(job: &mut Job, now: Timestamp) {
    let class = ErrorClass::Interrupted;
    let row = &mut job.open_attempt().unwrap().row;
    row.ended_at = Some(now.max(row.started_at));
    row.outcome = Some(AttemptOutcome::Interrupted);
    row.error_class = Some(class);
    row.message = Some(class.info().meaning.to_owned());
    row.maybe_billed = true;
}

fn interrupt_job(job: &mut Job, now: Timestamp, most: u32, recovered: &mut Recovered) {
    interrupt_attempt(job, now);
    recovered.interrupted += 1;
    job.history.interruptions_in_row += 1;
    job.not_before = None;
    job.class = Some(ErrorClass::Interrupted);
    job.state = JobState::Queued;
    if job.history.interruptions_in_row < most {
        return;
    }
    if let Some((n, message)) = job.put_aside.take() {
        recovered.put_aside += 1;
        job.state = JobState::Succeeded;
        job.class = Some(mark_of(job, n));
        job.result = Some((n, ResultBody::Message(message)));
    } else {
        recovered.failed += 1;
        let class = ErrorClass::Interrupted;
        let error = error_object(class.api_type(), class.info().meaning, None);
        let n = u32::try_from(job.attempts.len()).unwrap();
        job.state = JobState::Failed;
        job.result = Some((n, ResultBody::Error(error)));
    }
    let_go(job);
}
