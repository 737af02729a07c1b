//! Batches that are taken apart: their attempts go, or end as interrupted, and their jobs go back
//! to a queue, or end cancelled.
//!
//! The batch is `lost` from the first page on, so that nobody sends what is half taken apart. What
//! a crash leaves of the rest is taken up by [`recover`].

use jiff::Timestamp;
use rusqlite::params;

use super::batches::{Stored, batch_row};
use super::tally::{Route, Tally};
use super::tx::Tx;
use crate::model::{BatchId, BatchState, ErrorClass, JobState, Lane};
use crate::store::{Result, StoreError};

/// Jobs that one call takes out of a batch.
const PAGE: u32 = 1_000;

/// The jobs of a page: the first ones that are open.
const JOBS: &str = "SELECT job_id FROM attempts INDEXED BY attempts_open_in_batch
    WHERE batch_id = ?1 AND ended_at_ms IS NULL ORDER BY job_id LIMIT ?2";

/// What becomes of the jobs of a batch and of their attempts in it.
#[derive(Clone, Copy)]
struct Fate {
    jobs: Jobs,
    /// The attempts end as interrupted, instead of vanishing.
    keep_attempts: bool,
}

#[derive(Clone, Copy)]
enum Jobs {
    Queued(Route),
    Canceled,
}

/// Takes a page out of a batch; true while there is more.
pub(super) fn disband(
    tx: &mut Tx,
    batch: BatchId,
    lane: Lane,
    keep_attempts: bool,
    now: Timestamp,
) -> Result<bool> {
    let stored = batch_row(tx, batch)?;
    if stored.state == BatchState::Harvested {
        return Ok(false);
    }
    let fate = Fate {
        jobs: Jobs::Queued(lane.into()),
        keep_attempts,
    };
    take_out(tx, &stored, fate, now)
}

/// What a crash left: a batch that was being filled or taken apart is taken apart, and a ready one of
/// which the API refused an entry; one whose create call may have left is in doubt. A doubt is not resolved in our favour: attempts of a batch that
/// was sent once are kept.
pub(super) fn recover(tx: &mut Tx, run: i64, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE batches SET state = 'uncertain' WHERE run_id = ?1 AND state = 'sending'",
        [run],
    )?;
    // Its create call would be shorter than was counted, and never be understood.
    let lacks_an_entry = "state = 'ready' AND open_requests < requests";
    let broken = format!("state = 'filling' OR {lacks_an_entry}");
    while let Some((batch, was_sent)) = unfinished(tx, run, &broken)? {
        let fate = Fate {
            jobs: Jobs::Queued(Route::Batch),
            keep_attempts: was_sent,
        };
        while take_out(tx, &batch_row(tx, batch)?, fate, now)? {}
    }
    Ok(())
}

/// Cancels a page of jobs in batches that have not been sent; true while there is more.
pub(super) fn cancel_unsent(tx: &mut Tx, run: i64, now: Timestamp) -> Result<bool> {
    let Some((batch, was_sent)) = unfinished(tx, run, "state IN ('filling', 'ready')")? else {
        return Ok(false);
    };
    let fate = Fate {
        jobs: Jobs::Canceled,
        keep_attempts: was_sent,
    };
    take_out(tx, &batch_row(tx, batch)?, fate, now)?;
    Ok(true)
}

/// Takes a page out of the batch that this job is in, if that has not been sent; its jobs wait for
/// another. False if it has, or if there is none.
pub(super) fn out_of_unsent(tx: &mut Tx, job: i64, now: Timestamp) -> Result<bool> {
    let found: Option<(i64, bool)> = tx.query(
        "SELECT batches.id, sent_at_ms IS NOT NULL FROM attempts JOIN batches ON batches.id = batch_id
         WHERE job_id = ?1 AND attempts.ended_at_ms IS NULL
           AND batches.state IN ('filling', 'ready', 'lost')",
        [job],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let Some((batch, was_sent)) = found else {
        return Ok(false);
    };
    let fate = Fate {
        jobs: Jobs::Queued(Route::Batch),
        keep_attempts: was_sent,
    };
    take_out(tx, &batch_row(tx, BatchId(batch))?, fate, now)?;
    Ok(true)
}

/// A batch that is to be taken apart or half taken apart, and whether it was sent once.
fn unfinished(tx: &Tx, run: i64, condition: &str) -> Result<Option<(BatchId, bool)>> {
    tx.query(
        &format!(
            "SELECT id, sent_at_ms IS NOT NULL FROM batches
             WHERE run_id = ?1 AND ({condition} OR (state = 'lost' AND open_requests > 0)) ORDER BY id LIMIT 1"
        ),
        [run],
        |row| Ok((BatchId(row.get(0)?), row.get(1)?)),
    )
}

fn take_out(tx: &mut Tx, batch: &Stored, fate: Fate, now: Timestamp) -> Result<bool> {
    let jobs = move_jobs(tx, batch, fate)?;
    let attempts = if fate.keep_attempts {
        interrupt_attempts(tx, batch, now)?
    } else {
        delete_attempts(tx, batch)?
    };
    if jobs != attempts {
        return Err(StoreError::IllegalTransition(format!(
            "batch {} gave back {jobs} jobs and {attempts} attempts",
            batch.id
        )));
    }
    tx.execute(
        "UPDATE batches SET state = 'lost', open_requests = open_requests - ?2 WHERE id = ?1",
        params![batch.id, attempts],
    )?;
    Ok(batch.open_requests > attempts as u64)
}

fn move_jobs(tx: &mut Tx, batch: &Stored, fate: Fate) -> Result<usize> {
    let (to, route, class) = match fate.jobs {
        Jobs::Queued(route) => {
            let class = fate.keep_attempts.then_some(ErrorClass::Interrupted);
            (JobState::Queued, Some(route.code()), class)
        }
        Jobs::Canceled => (JobState::Canceled, None, Some(ErrorClass::Canceled)),
    };
    let moved: Vec<(i64, Route)> = tx.query_all(
        &format!(
            "UPDATE jobs SET state = ?3, route = min(coalesce(?4, route), 1 - live_only, 1 - amended),
               attempts = attempts - ?5, first_started_at_ms = iif(?5 = 0, first_started_at_ms,
                 nullif(first_started_at_ms, (SELECT started_at_ms FROM attempts WHERE job_id = jobs.id AND n = jobs.attempts))),
               error_class = coalesce(?6, error_class)
             WHERE id IN ({JOBS}) AND state = 2 RETURNING model_id, route"
        ),
        params![
            batch.id,
            PAGE,
            to.code(),
            route,
            u32::from(!fate.keep_attempts),
            class.map(ErrorClass::as_str),
        ],
        |row| Ok((row.get(0)?, Route::read(row, 1)?)),
    )?;
    for (model, route) in &moved {
        let to = Tally::of(to, *route);
        tx.moved(batch.run, *model, Some(JobState::InBatch.into()), Some(to));
    }
    Ok(moved.len())
}

/// The ledger tells of requests, and there was none.
fn delete_attempts(tx: &Tx, batch: &Stored) -> Result<usize> {
    tx.execute(
        &format!("DELETE FROM attempts WHERE batch_id = ?1 AND ended_at_ms IS NULL AND job_id IN ({JOBS})"),
        params![batch.id, PAGE],
    )
}

fn interrupt_attempts(tx: &Tx, batch: &Stored, now: Timestamp) -> Result<usize> {
    let class = ErrorClass::Interrupted;
    tx.execute(
        &format!(
            "UPDATE attempts SET ended_at_ms = max(?3, started_at_ms), outcome = 'interrupted', error_class = ?4,
               message = ?5, maybe_billed = 1
             WHERE batch_id = ?1 AND ended_at_ms IS NULL AND job_id IN ({JOBS})"
        ),
        params![
            batch.id,
            PAGE,
            now.as_millisecond(),
            class.as_str(),
            class.info().meaning
        ],
    )
}
