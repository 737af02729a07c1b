//! Loading: a run is invisible until its last line has been checked.

use rusqlite::params;
use serde::Serialize;

use super::blob::pack;
use super::tx::{Tx, ids_of, job_id, line_of};
use crate::model::{JobState, NewJob, RunId};
use crate::store::{DuplicateId, NewRun, Result, StoreError};

/// Rows that one sweep deletes, so that a running dispatcher never waits long for the lock.
const SWEEP_ROWS: u32 = 1_000;

/// A job as it is written: texts packed beforehand, off the writer's thread.
pub(super) struct PackedJob {
    line: u64,
    custom_id: String,
    model: String,
    body_bytes: usize,
    body: Vec<u8>,
    metadata: Option<Vec<u8>>,
    lane: Option<&'static str>,
    deadline_ms: Option<i64>,
    live_only: bool,
}

impl From<NewJob> for PackedJob {
    fn from(job: NewJob) -> Self {
        Self {
            line: job.line,
            custom_id: job.custom_id,
            model: job.model,
            body_bytes: job.body.len(),
            body: pack(job.body.as_str()),
            metadata: job.metadata.as_deref().map(pack),
            lane: job.lane.map(crate::model::Lane::as_str),
            deadline_ms: job.deadline.map(jiff::Timestamp::as_millisecond),
            live_only: job.live_only,
        }
    }
}

pub(super) fn begin(tx: &mut Tx, run: &NewRun) -> Result<()> {
    tx.execute(
        "INSERT INTO runs (uuid, name, file, state, simulated, shaping, options, created_at_ms)
         VALUES (?1, ?2, ?3, 'loading', ?4, ?5, ?6, ?7) ON CONFLICT (uuid) DO NOTHING",
        params![
            run.id.as_bytes(),
            run.name,
            run.file,
            run.simulated,
            json(&run.shaping)?,
            json(&run.options)?,
            run.created_at.as_millisecond(),
        ],
    )?;
    Ok(())
}

/// A value as the store keeps it.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::IllegalTransition(format!("options are no JSON: {error}")))
}

pub(super) fn add(tx: &mut Tx, run: RunId, jobs: &[PackedJob]) -> Result<Vec<DuplicateId>> {
    let row = tx.run_row(run)?;
    if !is_loading(tx, row)? {
        return Err(StoreError::IllegalTransition(format!(
            "run {run} is not loading"
        )));
    }
    let mut duplicates = Vec::new();
    for job in jobs {
        if !insert(tx, row, job)? {
            duplicates.extend(duplicate(tx, row, job)?);
        }
    }
    Ok(duplicates)
}

fn is_loading(tx: &Tx, run: i64) -> Result<bool> {
    let state = "SELECT state = 'loading' FROM runs WHERE id = ?1";
    let found = tx.query(state, [run], |row| row.get(0))?;
    Ok(found.unwrap_or(false))
}

/// False if the run already has the line or the `custom_id`.
fn insert(tx: &mut Tx, run: i64, job: &PackedJob) -> Result<bool> {
    let (id, model) = (job_id(run, job.line), tx.model_row(&job.model)?);
    let inserted = tx.execute(
        "INSERT INTO jobs (id, run_id, custom_id, model_id, state, body_bytes, lane, deadline_ms, live_only)
         VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        params![
            id,
            run,
            job.custom_id,
            model,
            job.body_bytes,
            job.lane,
            job.deadline_ms,
            job.live_only
        ],
    )?;
    if inserted == 0 {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO bodies (job_id, body_blob, metadata_blob) VALUES (?1, ?2, ?3)",
        params![id, job.body, job.metadata],
    )?;
    tx.moved(run, model, None, Some(JobState::Queued.into()));
    Ok(true)
}

/// Who has the `custom_id`; none if it is the very same line, stored by an earlier call.
fn duplicate(tx: &Tx, run: i64, job: &PackedJob) -> Result<Option<DuplicateId>> {
    let first: Option<i64> = tx.query(
        "SELECT id FROM jobs WHERE run_id = ?1 AND custom_id = ?2",
        params![run, job.custom_id],
        |row| row.get(0),
    )?;
    Ok(first
        .map(line_of)
        .filter(|first_line| *first_line != job.line)
        .map(|first_line| DuplicateId {
            line: job.line,
            custom_id: job.custom_id.clone(),
            first_line,
        }))
}

pub(super) fn finish(tx: &mut Tx, run: RunId, fingerprint: &[u8; 32]) -> Result<()> {
    let row = tx.run_row(run)?;
    let changed = tx.execute(
        "UPDATE runs SET state = 'ready', fingerprint = ?2 WHERE id = ?1 AND state = 'loading'",
        params![row, fingerprint],
    )?;
    if changed == 1 {
        return Ok(());
    }
    let already = tx
        .query("SELECT fingerprint FROM runs WHERE id = ?1", [row], |row| {
            row.get::<_, Option<Vec<u8>>>(0)
        })?
        .flatten();
    if already.as_deref() == Some(fingerprint.as_slice()) {
        return Ok(());
    }
    Err(StoreError::IllegalTransition(format!(
        "run {run} is not loading"
    )))
}

/// Finishes the load unless another run has its content; says which.
pub(super) fn finish_once(
    tx: &mut Tx,
    run: RunId,
    fingerprint: &[u8; 32],
) -> Result<Option<RunId>> {
    let row = tx.run_row(run)?;
    let known = tx.query(
        "SELECT known.uuid FROM runs AS known JOIN runs AS own ON own.id = ?1
         WHERE own.state = 'loading' AND known.fingerprint = ?2 AND known.state <> 'loading'
           AND (known.state <> 'ended' OR known.ended_at_ms >= own.created_at_ms)
         ORDER BY known.id DESC LIMIT 1",
        params![row, fingerprint],
        |row| row.get(0).map(RunId::from_bytes),
    )?;
    match known {
        Some(known) => Ok(Some(known)),
        None => finish(tx, run, fingerprint).map(|()| None),
    }
}

/// Runs that are loading, or whose load was broken off.
pub(super) fn loading(tx: &Tx) -> Result<Vec<RunId>> {
    tx.query_all("SELECT uuid FROM runs WHERE state = 'loading'", [], |row| {
        row.get(0).map(RunId::from_bytes)
    })
}

/// Deletes a page of a run that is loading, and in the end the run; true while there is more.
pub(super) fn sweep(tx: &mut Tx, run: RunId) -> Result<bool> {
    let row: Option<i64> = tx.query(
        "SELECT id FROM runs WHERE uuid = ?1 AND state = 'loading'",
        params![run.as_bytes()],
        |row| row.get(0),
    )?;
    let Some(row) = row else { return Ok(false) };
    let (first, last) = ids_of(row);
    let page = "IN (SELECT id FROM jobs WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)";
    tx.execute(
        &format!("DELETE FROM bodies WHERE job_id {page}"),
        params![first, last, SWEEP_ROWS],
    )?;
    let models: Vec<i64> = tx.query_all(
        &format!("DELETE FROM jobs WHERE id {page} RETURNING model_id"),
        params![first, last, SWEEP_ROWS],
        |row| row.get(0),
    )?;
    let deleted = !models.is_empty();
    for model in models {
        tx.moved(row, model, Some(JobState::Queued.into()), None);
    }
    if deleted {
        return Ok(true);
    }
    tx.execute("DELETE FROM tallies WHERE run_id = ?1", [row])?;
    tx.execute("DELETE FROM runs WHERE id = ?1", [row])?;
    tx.forget_run(run);
    Ok(false)
}
