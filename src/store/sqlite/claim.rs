//! Claiming: a job leaves the queue together with the row of its next attempt.

use rusqlite::{Row, params};

use super::amend;
use super::tx::Tx;
use crate::model::{AttemptId, ErrorClass, JobHistory, JobId, JobState, RunId};
use crate::store::{Claim, Result, StoreError};

/// A claimed job as it is read: its body still packed, to be unpacked off the writer's thread.
pub(super) struct PackedClaim {
    pub(super) attempt: AttemptId,
    pub(super) custom_id: String,
    pub(super) history: JobHistory,
    pub(super) last_class: Option<ErrorClass>,
    pub(super) last_message: Option<String>,
    pub(super) started_at_ms: i64,
    pub(super) first_started_at_ms: i64,
    pub(super) previous_ended_at_ms: Option<i64>,
    pub(super) body: Vec<u8>,
    pub(super) amendment: Option<Vec<u8>>,
}

/// What a claim read and wrote.
pub(super) struct PackedClaims {
    pub(super) jobs: Vec<PackedClaim>,
    pub(super) next_due_ms: Option<i64>,
    pub(super) more: bool,
}

struct Candidate {
    id: i64,
    attempts: u32,
    body_bytes: u64,
    custom_id: String,
    history: JobHistory,
    last_class: Option<ErrorClass>,
    first_started_at_ms: Option<i64>,
    amended: bool,
}

const COLUMNS: &str = "id, attempts, body_bytes, custom_id, counted, faults_in_row, rate_limits_in_row, interruptions_in_row, error_class, first_started_at_ms, amended";

pub(super) fn claim(tx: &mut Tx, claim: &Claim) -> Result<PackedClaims> {
    let (run, model) = (tx.run_row(claim.run)?, tx.model_row(&claim.model)?);
    let now = claim.now.as_millisecond();
    let candidates = candidates(tx, run, model, claim)?;
    let found = candidates.len();
    let chosen = within_bytes(candidates, claim.max_bytes);
    let more = chosen.len() < found || found >= claim.max_jobs as usize;
    let jobs = chosen
        .into_iter()
        .map(|job| start_attempt(tx, run, model, now, job))
        .collect::<Result<_>>()?;
    let next_due_ms = next_due(tx, run, model, now)?;
    Ok(PackedClaims {
        jobs,
        next_due_ms,
        more,
    })
}

/// Retries that are due, the earliest first, and new jobs in input order; which of them come first is
/// for the claim to say.
fn candidates(tx: &Tx, run: i64, model: i64, claim: &Claim) -> Result<Vec<Candidate>> {
    // Both take the same parameters, so that either can come first.
    const DUE: &str = "not_before_ms > 0 AND not_before_ms <= ?3 ORDER BY not_before_ms, id";
    const NEW: &str = "not_before_ms = 0 AND ?3 IS NOT NULL ORDER BY id";
    let now = claim.now.as_millisecond();
    let kinds = if claim.new_first {
        [NEW, DUE]
    } else {
        [DUE, NEW]
    };
    let mut found = Vec::new();
    for kind in kinds {
        let rest = claim.max_jobs - u32::try_from(found.len()).unwrap_or(claim.max_jobs);
        if rest > 0 {
            let wanted = format!(
                "SELECT {COLUMNS} FROM jobs INDEXED BY jobs_due
                 WHERE run_id = ?1 AND model_id = ?2 AND state = 0 AND route = 0 AND {kind} LIMIT ?4"
            );
            found.extend(tx.query_all(&wanted, params![run, model, now, rest], read_candidate)?);
        }
    }
    Ok(found)
}

fn read_candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        id: row.get(0)?,
        attempts: row.get(1)?,
        body_bytes: row.get(2)?,
        custom_id: row.get(3)?,
        history: JobHistory {
            counted: row.get(4)?,
            faults_in_row: row.get(5)?,
            rate_limits_in_row: row.get(6)?,
            interruptions_in_row: row.get(7)?,
        },
        // A class of a later version is no reason not to try the job.
        last_class: row
            .get_ref(8)?
            .as_str_or_null()?
            .and_then(|name| name.parse().ok()),
        first_started_at_ms: row.get(9)?,
        amended: row.get(10)?,
    })
}

/// The first candidates whose bodies fit; the very first one whatever its size, so that a body
/// larger than the whole allowance is not left for ever.
fn within_bytes(candidates: Vec<Candidate>, max_bytes: u64) -> Vec<Candidate> {
    let mut taken: u64 = 0;
    candidates
        .into_iter()
        .enumerate()
        .take_while(|(index, job)| {
            taken = taken.saturating_add(job.body_bytes);
            *index == 0 || taken <= max_bytes
        })
        .map(|(_, job)| job)
        .collect()
}

fn start_attempt(
    tx: &mut Tx,
    run: i64,
    model: i64,
    now: i64,
    job: Candidate,
) -> Result<PackedClaim> {
    let n = job.attempts + 1;
    tx.execute(
        "INSERT INTO attempts (job_id, n, lane, model_id, started_at_ms) VALUES (?1, ?2, 'live', ?3, ?4)",
        params![job.id, n, model, now],
    )?;
    // Not RETURNING: for that SQLite opens a temporary table and a statement journal each time.
    let first_started_at_ms = job.first_started_at_ms.unwrap_or(now);
    let claimed = tx.execute(
        "UPDATE jobs SET state = 1, attempts = ?2, first_started_at_ms = ?3
         WHERE id = ?1 AND state = 0 AND route = 0 AND attempts = ?2 - 1",
        params![job.id, n, first_started_at_ms],
    )?;
    if claimed != 1 {
        let job = job.id;
        return Err(StoreError::IllegalTransition(format!(
            "job {job} is not queued"
        )));
    }
    let (previous_ended_at_ms, last_message) = previous_end(tx, &job)?;
    tx.moved(
        run,
        model,
        Some(JobState::Queued.into()),
        Some(JobState::InFlight.into()),
    );
    let body = tx
        .query(
            "SELECT body_blob FROM bodies WHERE job_id = ?1",
            [job.id],
            |row| row.get(0),
        )?
        .ok_or_else(|| StoreError::IllegalTransition(format!("job {} has no body", job.id)))?;
    let amendment = if job.amended {
        amend::amendment_of(tx, job.id)?
    } else {
        None
    };
    Ok(PackedClaim {
        attempt: AttemptId {
            job: JobId(job.id),
            n,
        },
        custom_id: job.custom_id,
        history: job.history,
        last_class: job.last_class,
        last_message,
        started_at_ms: now,
        first_started_at_ms,
        previous_ended_at_ms,
        body,
        amendment,
    })
}

/// When the job's previous attempt ended, and what it said of a bad answer.
fn previous_end(tx: &Tx, job: &Candidate) -> Result<(Option<i64>, Option<String>)> {
    if job.attempts == 0 {
        return Ok((None, None));
    }
    let ended = tx.query(
        "SELECT ended_at_ms, iif(error_class IN ('bad_response', 'stream_cut'), message, NULL)
         FROM attempts WHERE job_id = ?1 AND n = ?2",
        params![job.id, job.attempts],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(ended.unwrap_or_default())
}

fn next_due(tx: &Tx, run: i64, model: i64, now: i64) -> Result<Option<i64>> {
    Ok(tx
        .query(
            "SELECT min(not_before_ms) FROM jobs INDEXED BY jobs_due
             WHERE run_id = ?1 AND model_id = ?2 AND state = 0 AND route = 0 AND not_before_ms > ?3",
            params![run, model, now],
            |row| row.get(0),
        )?
        .flatten())
}

/// Undoes claims whose request never left. The attempt's row goes with it: the ledger tells of
/// requests, and there was none. An attempt that has ended is left alone.
pub(super) fn release(tx: &mut Tx, run: RunId, attempts: &[AttemptId]) -> Result<()> {
    let run = tx.run_row(run)?;
    for AttemptId { job, n } in attempts {
        let started_at_ms: Option<i64> = tx.query(
            "DELETE FROM attempts WHERE job_id = ?1 AND n = ?2 AND ended_at_ms IS NULL AND batch_id IS NULL
             RETURNING started_at_ms",
            params![job.0, n],
            |row| row.get(0),
        )?;
        if let Some(started_at_ms) = started_at_ms {
            back_to_queue(tx, run, (job.0, *n), started_at_ms)?;
        }
    }
    Ok(())
}

/// Puts the job back as it was before attempt `n` began: if that was its first one, it has had none.
fn back_to_queue(tx: &mut Tx, run: i64, (job, n): (i64, u32), started_at_ms: i64) -> Result<()> {
    let model = tx.query(
        "UPDATE jobs SET state = 0, attempts = ?2 - 1, first_started_at_ms = nullif(first_started_at_ms, ?3)
         WHERE id = ?1 AND state = 1 AND attempts = ?2
         RETURNING model_id",
        params![job, n, started_at_ms],
        |row| row.get(0),
    )?;
    let model = model
        .ok_or_else(|| StoreError::IllegalTransition(format!("job {job} is not in flight")))?;
    tx.moved(
        run,
        model,
        Some(JobState::InFlight.into()),
        Some(JobState::Queued.into()),
    );
    Ok(())
}
