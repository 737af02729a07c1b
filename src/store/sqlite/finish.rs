//! Finishing: the end of an attempt and what becomes of its job, in one transaction.

use jiff::Timestamp;
use rusqlite::params;

use super::amend::{self, PackedAmended};
use super::blob::pack;
use super::tx::Tx;
use crate::model::{AttemptId, AttemptRecord, ErrorClass, JobHistory, JobState, Pico, RunId};
use crate::store::{Finish, JobEnd, Next, Result, ResultBody, StoreError};

/// A finish with its result packed beforehand, off the writer's thread.
pub(super) struct PackedFinish {
    record: AttemptRecord,
    history: JobHistory,
    next: Next,
    message: Option<Vec<u8>>,
    error: Option<Vec<u8>>,
    amended: Option<PackedAmended>,
}

impl TryFrom<Finish> for PackedFinish {
    type Error = StoreError;

    fn try_from(mut finish: Finish) -> Result<Self> {
        let amended = match &mut finish.next {
            Next::Amend { amended, .. } => Some(PackedAmended::pack(amended)?),
            _ => None,
        };
        let (message, error) = match &mut finish.next {
            Next::End(end) => pack_result(std::mem::replace(&mut end.result, ResultBody::Nothing)),
            _ => (None, None),
        };
        Ok(Self {
            record: finish.record,
            history: finish.history,
            next: finish.next,
            message,
            error,
            amended,
        })
    }
}

fn pack_result(result: ResultBody) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    match result {
        ResultBody::Message(message) => (Some(pack(&message)), None),
        ResultBody::Error(error) => (None, Some(pack(&error))),
        ResultBody::Refusal { error, message } => (Some(pack(&message)), Some(pack(&error))),
        ResultBody::Nothing => (None, None),
    }
}

pub(super) fn finish(tx: &mut Tx, run: RunId, finishes: &[PackedFinish]) -> Result<()> {
    let run = tx.run_row(run)?;
    let mut ended = Vec::with_capacity(finishes.len());
    for finish in finishes {
        if end_attempt(tx, finish)? {
            move_job(tx, run, finish)?;
            keep_result(tx, finish)?;
            ended.push(&finish.record);
        }
    }
    add_to_run(tx, run, &ended)
}

/// What the run as a whole knows of its attempts.
fn add_to_run(tx: &Tx, run: i64, ended: &[&AttemptRecord]) -> Result<()> {
    let answered = ended
        .iter()
        .any(|record| record.evidence.http_status.is_some());
    let cost: Pico = ended.iter().map(|record| record.cost.total).sum();
    tx.execute(
        "UPDATE runs SET answered = max(answered, ?2), cost_pico = cost_pico + ?3 WHERE id = ?1",
        params![run, answered, pico(cost.0)?],
    )?;
    Ok(())
}

/// False if the attempt had ended already: an earlier call did this, and its word stands.
fn end_attempt(tx: &Tx, finish: &PackedFinish) -> Result<bool> {
    let PackedFinish { record, next, .. } = finish;
    let AttemptId { job, n } = record.attempt;
    let (evidence, tokens, cost) = (&record.evidence, &record.usage.tokens, &record.cost);
    let ended = tx.execute(
        "UPDATE attempts SET ended_at_ms = ?3, outcome = ?4, error_class = ?5, http_status = ?6,
           error_type = ?7, message = ?8, request_id = ?9, retry_after_ms = ?10, next_try_at_ms = ?11,
           answered_by = ?12, input_tokens = ?13, output_tokens = ?14, cache_read_tokens = ?15,
           cache_write_5m_tokens = ?16, cache_write_1h_tokens = ?17, web_searches = ?18,
           cost_pico = ?19, saved_by_batch_pico = ?20, saved_by_cache_pico = ?21,
           unknown_price = ?22, maybe_billed = ?23, latency_ms = ?24, endpoint = ?25
         WHERE job_id = ?1 AND n = ?2 AND ended_at_ms IS NULL",
        params![
            job.0,
            n,
            record.ended_at.as_millisecond(),
            record.outcome.as_str(),
            record.error_class.map(ErrorClass::as_str),
            evidence.http_status,
            evidence.error_type,
            evidence.message,
            evidence.request_id,
            evidence.retry_after.map(millis),
            next.next_try_at().map(Timestamp::as_millisecond),
            record.answered_by,
            tokens.input,
            tokens.output,
            tokens.cache_read,
            tokens.cache_write_5m,
            tokens.cache_write_1h,
            record.usage.web_searches,
            pico(cost.total.0)?,
            pico(cost.saved_by_batch.0)?,
            pico(cost.saved_by_cache.0)?,
            cost.unknown_price,
            record.maybe_billed,
            record.latency.map(millis),
            record.endpoint,
        ],
    )?;
    if ended == 1 {
        return Ok(true);
    }
    let known = tx.query(
        "SELECT 1 FROM attempts WHERE job_id = ?1 AND n = ?2",
        params![job.0, n],
        |_| Ok(()),
    )?;
    known.map(|()| false).ok_or_else(|| {
        StoreError::IllegalTransition(format!("attempt {n} of job {} was never started", job.0))
    })
}

fn move_job(tx: &mut Tx, run: i64, finish: &PackedFinish) -> Result<()> {
    let (to, history) = (state_after(&finish.next), &finish.history);
    let AttemptId { job, n } = finish.record.attempt;
    let class = match finish.next {
        Next::EndTruncated => Some(ErrorClass::Truncated),
        _ => finish.record.error_class,
    };
    let moved = tx.query(
        "UPDATE jobs SET state = ?3, not_before_ms = ?4, error_class = ?5, counted = ?6,
           faults_in_row = ?7, rate_limits_in_row = ?8, interruptions_in_row = ?9
         WHERE id = ?1 AND attempts = ?2 AND state IN (1, 2) RETURNING model_id, amended",
        params![
            job.0,
            n,
            to.code(),
            finish
                .next
                .next_try_at()
                .map_or(0, Timestamp::as_millisecond),
            class.map(ErrorClass::as_str),
            history.counted,
            history.faults_in_row,
            history.rate_limits_in_row,
            history.interruptions_in_row,
        ],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (model, amended) = moved.ok_or_else(|| {
        StoreError::IllegalTransition(format!(
            "job {} cannot become {to}: it is not in flight",
            job.0
        ))
    })?;
    tx.moved(run, model, Some(JobState::InFlight), Some(to));
    if let Some(packed) = &finish.amended {
        amend::keep(tx, run, job.0, n, model, packed)?;
    }
    if amended && finish.next.is_end() {
        amend::settle(tx, job.0, matches!(finish.next, Next::EndTruncated))?;
    }
    Ok(())
}

fn keep_result(tx: &Tx, finish: &PackedFinish) -> Result<()> {
    if finish.message.is_none() && finish.error.is_none() {
        return Ok(());
    }
    let AttemptId { job, n } = finish.record.attempt;
    tx.execute(
        "INSERT INTO results (job_id, n, message_blob, error_blob) VALUES (?1, ?2, ?3, ?4)",
        params![job.0, n, finish.message, finish.error],
    )?;
    Ok(())
}

fn state_after(next: &Next) -> JobState {
    match next {
        Next::RetryAt(_) | Next::Requeue | Next::Amend { .. } => JobState::Queued,
        Next::Hold => JobState::Held,
        Next::End(JobEnd { state, .. }) => *state,
        Next::EndTruncated => JobState::Succeeded,
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// SQLite's integers hold nine million dollars an attempt; more is a bug, not a bill.
fn pico(amount: i128) -> Result<i64> {
    i64::try_from(amount).map_err(|_| {
        StoreError::IllegalTransition(format!("{amount} pico-USD is no cost of one attempt"))
    })
}
