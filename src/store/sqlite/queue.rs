//! The queue for batches: which queued jobs stand in it.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tally::{Route, Tally};
use super::time;
use super::tx::{Tx, ids_of, job_id, line_of};
use crate::model::{JobState, Lane, RunId};
use crate::store::{BatchQueue, Result, RouteRule, Routed, Unroute};

/// Lines that one call of `route` looks at: some ten milliseconds of the writer's time even if all
/// of them change their queue.
const ROUTED_LINES: u32 = 2_000;
/// Jobs that one call of `unroute` moves.
const UNROUTED_JOBS: u32 = 1_000;

/// Where the rule sends a job: what its line says, then what the user said, then its deadline. An
/// amended job stays live: a batch is measured by the request as it was stored.
const TARGET: &str = "CASE WHEN live_only OR amended THEN 0
    WHEN coalesce(lane, ?3) = 'live' THEN 0
    WHEN coalesce(lane, ?3) = 'batch' THEN 1
    ELSE coalesce(coalesce(deadline_ms, ?4) >= ?5, 0) END";

pub(super) fn route(tx: &mut Tx, run: RunId, rule: &RouteRule, after_line: u64) -> Result<Routed> {
    let run = tx.run_row(run)?;
    if !may_move_any(tx, run, rule)? {
        return Ok(Routed::default());
    }
    let first = job_id(run, after_line);
    let Some((last, full)) = page_end(tx, first, ids_of(run).1)? else {
        return Ok(Routed::default());
    };
    let sql = format!(
        "UPDATE jobs SET route = 1 - route WHERE id > ?1 AND id <= ?2 AND state = 0 AND route <> ({TARGET})
         RETURNING model_id, route"
    );
    let values = params![
        first,
        last,
        rule.lane.map(Lane::as_str),
        rule.deadline.map(Timestamp::as_millisecond),
        rule.batch_from.as_millisecond(),
    ];
    let moved = tx.query_all(&sql, values, read_moved)?;
    let mut routed = Routed {
        next: full.then(|| line_of(last)),
        ..Routed::default()
    };
    for (model, to) in moved {
        change_queue(tx, run, model, to);
        match to {
            Route::Batch => routed.to_batch += 1,
            Route::Live => routed.to_live += 1,
        }
    }
    Ok(routed)
}

/// False if the rule certainly leaves every job where it is, so that a live run of a million lines
/// is not looked through: nothing wants a batch, and nothing waits for one.
fn may_move_any(tx: &Tx, run: i64, rule: &RouteRule) -> Result<bool> {
    if rule.lane == Some(Lane::Batch) || (rule.lane.is_none() && rule.deadline.is_some()) {
        return Ok(true);
    }
    let found = tx.query(
        "SELECT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_choosy
                        WHERE run_id = ?1 AND (lane IS NOT NULL OR deadline_ms IS NOT NULL))
           OR EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_for_batch
                      WHERE run_id = ?1 AND state = 0 AND route = 1)",
        [run],
        |row| row.get(0),
    )?;
    Ok(found.unwrap_or(true))
}

/// The last job of a page, and whether there may be more behind it.
fn page_end(tx: &Tx, after: i64, last: i64) -> Result<Option<(i64, bool)>> {
    let end: Option<(Option<i64>, u32)> = tx.query(
        "SELECT max(id), count(*) FROM (SELECT id FROM jobs WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3)",
        params![after, last, ROUTED_LINES],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let found = end.and_then(|(id, count)| Some((id?, count)));
    Ok(found.map(|(id, count)| (id, count == ROUTED_LINES)))
}

pub(super) fn unroute(tx: &mut Tx, run: RunId, which: &Unroute) -> Result<bool> {
    let run = tx.run_row(run)?;
    let before = which.before.map(Timestamp::as_millisecond);
    let undated_too = match (which.before, which.deadline) {
        (None, _) => true,
        (Some(before), deadline) => deadline.is_some_and(|deadline| deadline < before),
    };
    let dated =
        "INDEXED BY jobs_for_batch_by_deadline WHERE run_id = ?1 AND state = 0 AND route = 1
        AND deadline_ms IS NOT NULL AND deadline_ms < coalesce(?2, 9223372036854775807)";
    let undated = "INDEXED BY jobs_for_batch WHERE run_id = ?1 AND state = 0 AND route = 1
        AND deadline_ms IS NULL AND ?2 IS ?2";
    let mut moved = leave_queue(tx, run, before, dated)?;
    if undated_too && moved < UNROUTED_JOBS as usize {
        moved += leave_queue(tx, run, before, undated)?;
    }
    Ok(moved >= UNROUTED_JOBS as usize)
}

/// Moves a page of the jobs that `waiting` finds.
fn leave_queue(tx: &mut Tx, run: i64, before: Option<i64>, waiting: &str) -> Result<usize> {
    let sql = format!(
        "UPDATE jobs SET route = 0
         WHERE id IN (SELECT id FROM jobs {waiting} AND lane IS NOT 'batch' LIMIT {UNROUTED_JOBS})
         RETURNING model_id, route"
    );
    let moved = tx.query_all(&sql, params![run, before], read_moved)?;
    for (model, to) in &moved {
        change_queue(tx, run, *model, *to);
    }
    Ok(moved.len())
}

fn read_moved(row: &Row<'_>) -> rusqlite::Result<(i64, Route)> {
    Ok((row.get(0)?, Route::read(row, 1)?))
}

/// Counts a queued job in the other queue.
pub(super) fn change_queue(tx: &mut Tx, run: i64, model: i64, to: Route) {
    let from = match to {
        Route::Live => Route::Batch,
        Route::Batch => Route::Live,
    };
    let queued = |route| Some(Tally::of(JobState::Queued, route));
    tx.moved(run, model, queued(from), queued(to));
}

pub(super) fn batch_queue(tx: &mut Tx, run: RunId, now: Timestamp) -> Result<BatchQueue> {
    let run = tx.run_row(run)?;
    let all: u64 = tx
        .query(
            "SELECT coalesce(sum(jobs), 0) FROM tallies WHERE run_id = ?1 AND state = 7",
            [run],
            |row| row.get(0),
        )?
        .unwrap_or_default();
    let (waiting, next_due_ms): (u64, Option<i64>) = tx
        .query(
            "SELECT count(*), min(not_before_ms) FROM jobs INDEXED BY jobs_for_batch
             WHERE run_id = ?1 AND state = 0 AND route = 1 AND not_before_ms > ?2",
            params![run, now.as_millisecond()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .unwrap_or_default();
    let (dated, deadline_ms): (u64, Option<i64>) = tx
        .query(
            "SELECT count(*), min(deadline_ms) FROM jobs INDEXED BY jobs_for_batch_by_deadline
             WHERE run_id = ?1 AND state = 0 AND route = 1 AND deadline_ms IS NOT NULL",
            [run],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .unwrap_or_default();
    Ok(BatchQueue {
        due: all.saturating_sub(waiting),
        waiting,
        next_due: next_due_ms.map(time),
        earliest_deadline: deadline_ms.map(time),
        undated: dated < all,
    })
}
