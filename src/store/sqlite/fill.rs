//! Filling: jobs leave the queue for batches together with the rows of their next attempts, page by
//! page; and the entries of a filled batch, as they go over the wire.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::batches::{Stored, batch_row, empty_bytes};
use super::blob;
use super::queue::change_queue;
use super::tally::{Route, Tally};
use super::tx::Tx;
use crate::model::batch::{entry_bytes, item_id};
use crate::model::{AttemptId, BatchId, BatchState, JobId, JobState, RunId};
use crate::store::{Fill, Filled, Result, StoreError};

/// Jobs that one call puts into a batch: some ten milliseconds of the writer's time.
const FILLED_JOBS: u32 = 1_000;
/// Entries that are read at once.
const ENTRIES: usize = 500;
/// Bytes of bodies that are read at once; a single larger one is read alone.
const ENTRY_BYTES: u64 = 4 * 1024 * 1024;

/// A job that may go into the batch.
struct Candidate {
    id: i64,
    model: i64,
    attempt: u32,
    body_bytes: u64,
    deadline_ms: Option<i64>,
    /// Its line asks for a batch, so no deadline takes it out of one.
    is_forced: bool,
}

/// What fits, counted from the start of the page.
#[derive(Default)]
struct Page {
    jobs: u32,
    taken: Vec<JobId>,
    bytes: u64,
    /// What no batch can take: a job that is too large, or one whose request is damaged, which then fails
    /// by itself when it is claimed.
    unfit: Vec<(i64, i64)>,
    deadline_ms: Option<i64>,
    undated: bool,
    is_full: bool,
    /// The next in line is none of those that are wanted.
    stopped: bool,
}

/// Puts a page of jobs into a batch, and tells which: of the first in line, or of those of them that
/// are the next of `wanted`.
pub(super) fn fill(
    tx: &mut Tx,
    fill: &Fill,
    wanted: Option<&[JobId]>,
) -> Result<(Filled, Vec<JobId>)> {
    let batch = batch_row(tx, fill.batch)?;
    match batch.state {
        BatchState::Filling => {}
        BatchState::Lost => {
            let nothing = Filled {
                complete: true,
                ..Filled::default()
            };
            return Ok((nothing, Vec::new()));
        }
        state => return Err(not_filling(fill.batch, state)),
    }
    let now = fill.now.as_millisecond();
    let only = fill.only.as_deref().map(ids);
    let candidates = candidates(tx, batch.run, now, FILLED_JOBS, only.as_deref())?;
    let exhausted = candidates.len() < FILLED_JOBS as usize;
    let page = choose(tx, &batch, fill, candidates, wanted)?;
    for (job, model) in &page.unfit {
        leave_for_good(tx, batch.run, *job, *model)?;
    }
    start_attempts(tx, &batch, now, page.jobs, only.as_deref())?;
    grow(tx, &batch, &page)?;
    let filled = Filled {
        requests: batch.requests + page.jobs,
        bytes: batch.bytes + page.bytes,
        too_large: u32::try_from(page.unfit.len()).unwrap_or(u32::MAX),
        complete: page.is_full || (exhausted && !page.stopped),
    };
    Ok((filled, page.taken))
}

/// The ids as a JSON array, which a query can look into.
fn ids(jobs: &[JobId]) -> String {
    let ids: Vec<_> = jobs.iter().map(|job| job.0.to_string()).collect();
    format!("[{}]", ids.join(","))
}

fn not_filling(batch: BatchId, state: BatchState) -> StoreError {
    StoreError::IllegalTransition(format!("batch {} is {state}, not filling", batch.0))
}

/// The jobs that are due, in the order in which they are taken.
fn candidates(
    tx: &Tx,
    run: i64,
    now: i64,
    most: u32,
    only: Option<&str>,
) -> Result<Vec<Candidate>> {
    tx.query_all(
        &format!(
            "SELECT id, model_id, attempts + 1, body_bytes, deadline_ms, lane IS 'batch' {DUE}"
        ),
        params![run, now, most, only],
        |row| {
            Ok(Candidate {
                id: row.get(0)?,
                model: row.get(1)?,
                attempt: row.get(2)?,
                body_bytes: row.get(3)?,
                deadline_ms: row.get(4)?,
                is_forced: row.get(5)?,
            })
        },
    )
}

/// The first jobs of the queue, all or those named: new ones, whose time is zero, then retries that
/// are due.
const DUE: &str = "FROM jobs INDEXED BY jobs_for_batch
    WHERE run_id = ?1 AND state = 0 AND route = 1 AND not_before_ms <= ?2
      AND (?4 IS NULL OR id IN (SELECT value FROM json_each(?4)))
    ORDER BY not_before_ms, id LIMIT ?3";

/// Takes candidates until one does not fit any more.
fn choose(
    tx: &Tx,
    batch: &Stored,
    fill: &Fill,
    candidates: Vec<Candidate>,
    wanted: Option<&[JobId]>,
) -> Result<Page> {
    let mut page = Page {
        is_full: batch.requests >= fill.max_requests,
        ..Page::default()
    };
    let mut wanted = wanted.map(<[JobId]>::iter);
    for job in candidates {
        page.stopped = wanted
            .as_mut()
            .is_some_and(|wanted| wanted.next() != Some(&JobId(job.id)));
        if page.stopped {
            break;
        }
        let attempt = AttemptId {
            job: JobId(job.id),
            n: job.attempt,
        };
        let entry = entry_bytes(&item_id(&batch.nonce, attempt), job.body_bytes);
        if empty_bytes() + entry > fill.max_bytes {
            page.unfit.push((job.id, job.model));
            continue;
        }
        let comma = u64::from(batch.requests + page.jobs > 0);
        page.is_full |= batch.requests + page.jobs >= fill.max_requests
            || batch.bytes + page.bytes + comma + entry > fill.max_bytes;
        if page.is_full {
            break;
        }
        if !blob::is_sound(&entry_of(tx, attempt)?.body) {
            page.unfit.push((job.id, job.model));
            continue;
        }
        page.jobs += 1;
        page.taken.push(attempt.job);
        page.bytes += comma + entry;
        page.undated |= job.deadline_ms.is_none() && !job.is_forced;
        let deadline_ms = job.deadline_ms.filter(|_| !job.is_forced);
        page.deadline_ms = match (page.deadline_ms, deadline_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    page.is_full |= batch.requests + page.jobs >= fill.max_requests;
    Ok(page)
}

/// A job that no batch can take goes live, now and after every retry.
fn leave_for_good(tx: &mut Tx, run: i64, job: i64, model: i64) -> Result<()> {
    tx.execute(
        "UPDATE jobs SET live_only = 1, route = 0 WHERE id = ?1 AND state = 0 AND route = 1",
        [job],
    )?;
    change_queue(tx, run, model, Route::Live);
    Ok(())
}

/// Records the attempts of the first `jobs` jobs of the queue.
fn start_attempts(
    tx: &mut Tx,
    batch: &Stored,
    now: i64,
    jobs: u32,
    only: Option<&str>,
) -> Result<()> {
    if jobs == 0 {
        return Ok(());
    }
    tx.execute(
        &format!(
            "INSERT INTO attempts (job_id, n, lane, model_id, started_at_ms, batch_id)
             SELECT id, attempts + 1, 'batch', model_id, ?2, ?5 {DUE}"
        ),
        params![batch.run, now, jobs, only, batch.id],
    )?;
    let models: Vec<i64> = tx.query_all(
        &format!(
            "UPDATE jobs SET state = 2, attempts = attempts + 1,
               first_started_at_ms = coalesce(first_started_at_ms, ?2)
             WHERE id IN (SELECT id {DUE}) RETURNING model_id"
        ),
        params![batch.run, now, jobs, only],
        |row| row.get(0),
    )?;
    for model in &models {
        let queued = Tally::of(JobState::Queued, Route::Batch);
        tx.moved(
            batch.run,
            *model,
            Some(queued),
            Some(JobState::InBatch.into()),
        );
    }
    if models.len() == jobs as usize {
        return Ok(());
    }
    Err(StoreError::IllegalTransition(format!(
        "{} of {jobs} jobs went into batch {}",
        models.len(),
        batch.id
    )))
}

/// Writes down what the batch has grown by.
fn grow(tx: &Tx, batch: &Stored, page: &Page) -> Result<()> {
    tx.execute(
        "UPDATE batches SET requests = requests + ?2, open_requests = open_requests + ?2, bytes = bytes + ?3,
           deadline_ms = min(coalesce(deadline_ms, ?4), coalesce(?4, deadline_ms)), undated = max(undated, ?5)
         WHERE id = ?1",
        params![batch.id, page.jobs, page.bytes, page.deadline_ms, page.undated],
    )?;
    Ok(())
}

/// An entry with its body still packed, to be unpacked off the writer's thread.
pub(super) struct PackedEntry {
    pub(super) attempt: AttemptId,
    pub(super) body: Vec<u8>,
}

/// A page of the open attempts of a batch with their bodies.
pub(super) fn entries(
    tx: &Tx,
    batch: BatchId,
    after: Option<AttemptId>,
) -> Result<Vec<PackedEntry>> {
    let after = after.map_or(0, |attempt| attempt.job.0);
    let page: Vec<(AttemptId, u64)> = tx.query_all(
        "SELECT job_id, n, body_bytes FROM attempts INDEXED BY attempts_open_in_batch
         JOIN jobs ON jobs.id = job_id
         WHERE batch_id = ?1 AND ended_at_ms IS NULL AND job_id > ?2 ORDER BY job_id LIMIT ?3",
        params![batch.0, after, ENTRIES],
        |row| Ok((read_attempt(row)?, row.get(2)?)),
    )?;
    bodies(tx, page)
}

/// The entries that the first jobs of the queue would be.
pub(super) fn next(tx: &mut Tx, run: RunId, now: Timestamp, most: u32) -> Result<Vec<PackedEntry>> {
    let run = tx.run_row(run)?;
    let first = candidates(tx, run, now.as_millisecond(), most.min(FILLED_JOBS), None)?;
    let attempt = |job: Candidate| AttemptId {
        job: JobId(job.id),
        n: job.attempt,
    };
    let first = first.into_iter().map(|job| {
        let bytes = job.body_bytes;
        (attempt(job), bytes)
    });
    bodies(tx, first.collect())
}

/// Entries with their bodies, as many as are read at once.
fn bodies(tx: &Tx, page: Vec<(AttemptId, u64)>) -> Result<Vec<PackedEntry>> {
    let mut bytes: u64 = 0;
    let mut entries = Vec::with_capacity(page.len());
    for (attempt, body_bytes) in page {
        bytes = bytes.saturating_add(body_bytes);
        if bytes > ENTRY_BYTES && !entries.is_empty() {
            break;
        }
        entries.push(entry_of(tx, attempt)?);
    }
    Ok(entries)
}

fn entry_of(tx: &Tx, attempt: AttemptId) -> Result<PackedEntry> {
    let body = tx.query(
        "SELECT body_blob FROM bodies WHERE job_id = ?1",
        [attempt.job.0],
        |row| row.get(0),
    )?;
    let no_body = || StoreError::IllegalTransition(format!("job {} has no body", attempt.job.0));
    Ok(PackedEntry {
        attempt,
        body: body.ok_or_else(no_body)?,
    })
}

/// Reads the first two columns.
pub(super) fn read_attempt(row: &Row<'_>) -> rusqlite::Result<AttemptId> {
    Ok(AttemptId {
        job: JobId(row.get(0)?),
        n: row.get(1)?,
    })
}
