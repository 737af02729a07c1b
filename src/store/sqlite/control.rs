//! Taking up, watching, leaving, cancelling and retrying whole runs.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{params, params_from_iter, types::Value};

use super::amend;
use super::blob::pack;
use super::disband;
use super::load::json;
use super::sent;
use super::sent_format::SentAttempts;
use super::tally::{Route, Tally};
use super::tx::{Tx, ids_of, job_id, line_of};
use super::waits;
use crate::model::{DispatchOptions, ErrorClass, Halt, JobId, JobState, RunId, error_object};
use crate::store::{QueueLoad, Recovered, Result, RetryFilter, RunSnapshot, StatusChange};

/// Rows that one call changes, so that a running dispatcher never waits long for the lock.
pub(super) const PAGE: u32 = 1_000;

struct Open {
    job: i64,
    model: i64,
    attempts: u32,
    interruptions: u32,
    amended: bool,
}

/// A job that was put back by hand.
struct EndedJob {
    job: i64,
    model: i64,
    state: JobState,
    route: Route,
    amended: bool,
}

/// Marks the run running and closes what a crash left open.
pub(super) fn start(
    tx: &mut Tx,
    run: RunId,
    now: Timestamp,
    max_interruptions: u32,
    sent: Option<&SentAttempts>,
) -> Result<Recovered> {
    let row = tx.run_row(run)?;
    let unsent = sent::give_back(tx, row, sent)?;
    tx.execute(
        "UPDATE runs SET state = 'running', started_at_ms = coalesce(started_at_ms, ?2), ended_at_ms = NULL,
           halt_class = NULL, halt_reason = NULL, halt_message = NULL, halt_at_ms = NULL
         WHERE id = ?1 AND state <> 'loading'",
        params![row, now.as_millisecond()],
    )?;
    let open = tx.query_all(
        "SELECT id, model_id, attempts, interruptions_in_row, amended FROM jobs INDEXED BY jobs_in_flight
         WHERE run_id = ?1 AND state = 1",
        [row],
        |row| {
            Ok(Open {
                job: row.get(0)?,
                model: row.get(1)?,
                attempts: row.get(2)?,
                interruptions: row.get(3)?,
                amended: row.get(4)?,
            })
        },
    )?;
    requeue_held(tx, row, now)?;
    disband::recover(tx, row, now)?;
    let mut recovered = Recovered {
        unsent,
        ..Recovered::default()
    };
    for job in open {
        interrupt(tx, row, now, max_interruptions, &job, &mut recovered)?;
    }
    // After all that goes back to a queue: a job that comes out of a batch has kept its wait.
    follow_the_clock_back(tx, row, now)?;
    recovered.waiting = waits::in_tx(tx, row, now.as_millisecond())?;
    Ok(recovered)
}

/// Whatever jobs were held for may be repaired by now. They are due, but are not the first to go where
/// new jobs are wanted.
fn requeue_held(tx: &mut Tx, run: i64, now: Timestamp) -> Result<()> {
    let held: Vec<(i64, Route)> = tx.query_all(
        "UPDATE jobs INDEXED BY jobs_held SET state = 0, not_before_ms = ?2 WHERE run_id = ?1 AND state = 3
         RETURNING model_id, route",
        [run, now.as_millisecond()],
        |row| Ok((row.get(0)?, Route::read(row, 1)?)),
    )?;
    for (model, route) in held {
        let queued = Tally::of(JobState::Queued, route);
        tx.moved(run, model, Some(JobState::Held.into()), Some(queued));
    }
    Ok(())
}

/// A wait that has longer to go than it was planned to take was planned by a clock that has been set
/// back since: it begins anew. The attempt remembers by how much its end was moved, so that the plan stays
/// known however often the clock is set back. Both queues, each by its index.
fn follow_the_clock_back(tx: &Tx, run: i64, now: Timestamp) -> Result<()> {
    const PLANNED: &str =
        "(SELECT nullif(max(next_try_at_ms + coalesce(clock_back_ms, 0) - ended_at_ms, -1), -1)
          FROM attempts WHERE job_id = jobs.id AND n = jobs.attempts)";
    let live = (
        "jobs_due",
        "route = 0 AND model_id IN (SELECT id FROM models)",
    );
    let batch = ("jobs_for_batch", "route = 1");
    for (index, its_jobs) in [live, batch] {
        let set_back: Vec<(i64, u32)> = tx.query_all(
            &format!(
                "UPDATE jobs INDEXED BY {index} SET not_before_ms = ?2 + {PLANNED}
                 WHERE run_id = ?1 AND state = 0 AND {its_jobs} AND not_before_ms > ?2
                   AND not_before_ms > ?2 + {PLANNED}
                 RETURNING id, attempts"
            ),
            params![run, now.as_millisecond()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        for attempt in set_back {
            tx.execute(
                "UPDATE attempts SET next_try_at_ms = not_before_ms,
                   clock_back_ms = coalesce(clock_back_ms, 0) + next_try_at_ms - not_before_ms
                 FROM jobs WHERE id = ?1 AND job_id = ?1 AND n = ?2",
                attempt,
            )?;
        }
    }
    Ok(())
}

fn interrupt(
    tx: &mut Tx,
    run: i64,
    now: Timestamp,
    max_interruptions: u32,
    open: &Open,
    recovered: &mut Recovered,
) -> Result<()> {
    let class = ErrorClass::Interrupted;
    let fails = open.interruptions + 1 >= max_interruptions;
    tx.execute(
        "UPDATE attempts SET ended_at_ms = max(?3, started_at_ms), outcome = 'interrupted', error_class = ?4,
           message = ?5, maybe_billed = 1
         WHERE job_id = ?1 AND n = ?2 AND ended_at_ms IS NULL",
        params![open.job, open.attempts, now.as_millisecond(), class.as_str(), class.info().meaning],
    )?;
    let put_aside = fails && open.amended && amend::take_what_was_put_aside(tx, open.job)?;
    let to = match (fails, put_aside) {
        (true, true) => JobState::Succeeded,
        (true, false) => JobState::Failed,
        (false, _) => JobState::Queued,
    };
    let mark = if put_aside {
        amend::mark_of_what_was_put_aside(tx, open.job)?
    } else {
        None
    };
    let class = mark.unwrap_or_else(|| class.as_str().to_owned());
    tx.execute(
        "UPDATE jobs SET state = ?2, not_before_ms = 0, error_class = ?3, interruptions_in_row = ?4
         WHERE id = ?1 AND state = 1",
        params![open.job, to.code(), class, open.interruptions + 1],
    )?;
    tx.moved(
        run,
        open.model,
        Some(JobState::InFlight.into()),
        Some(to.into()),
    );
    recovered.interrupted += 1;
    if to == JobState::Failed {
        recovered.failed += 1;
        keep_interruption(tx, open)?;
    }
    recovered.put_aside += u64::from(put_aside);
    if fails && open.amended {
        amend::settle(tx, open.job, false)?;
    }
    Ok(())
}

fn keep_interruption(tx: &Tx, open: &Open) -> Result<()> {
    let class = ErrorClass::Interrupted;
    let error = error_object(class.api_type(), class.info().meaning, None);
    tx.execute(
        "INSERT INTO results (job_id, n, error_blob) VALUES (?1, ?2, ?3)",
        params![open.job, open.attempts, pack(&error)],
    )?;
    Ok(())
}

pub(super) fn keep_options(tx: &mut Tx, run: RunId, options: &DispatchOptions) -> Result<()> {
    let row = tx.run_row(run)?;
    tx.execute(
        "UPDATE runs SET options = ?2 WHERE id = ?1",
        params![row, json(options)?],
    )?;
    Ok(())
}

pub(super) fn name_run(tx: &mut Tx, run: RunId, name: &str) -> Result<()> {
    let row = tx.run_row(run)?;
    tx.execute(
        "UPDATE runs SET name = ?2 WHERE id = ?1",
        params![row, name],
    )?;
    Ok(())
}

pub(super) fn snapshot(tx: &mut Tx, run: RunId) -> Result<RunSnapshot> {
    let row = tx.run_row(run)?;
    let flags = tx.query(
        "SELECT cancel_requested, answered FROM runs WHERE id = ?1",
        [row],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (cancel_requested, answered) = flags.unwrap_or_default();
    let lanes = tx.query_all(
        "SELECT name,
           coalesce(sum(jobs) FILTER (WHERE state = 0), 0),
           coalesce(sum(jobs) FILTER (WHERE state = 1), 0),
           coalesce(sum(jobs) FILTER (WHERE state = 3), 0)
         FROM tallies JOIN models ON models.id = model_id
         WHERE run_id = ?1 GROUP BY model_id ORDER BY model_id",
        [row],
        |row| {
            Ok(QueueLoad {
                model: row.get(0)?,
                queued: row.get(1)?,
                in_flight: row.get(2)?,
                held: row.get(3)?,
            })
        },
    )?;
    let batch_jobs = tx.query(
        "SELECT coalesce(sum(jobs), 0) FROM tallies WHERE run_id = ?1 AND state IN (2, 7)",
        [row],
        |row| row.get(0),
    )?;
    Ok(RunSnapshot {
        cancel_requested,
        answered,
        queues: lanes,
        batch_jobs: batch_jobs.unwrap_or_default(),
    })
}

/// Writes down what the status page said.
pub(super) fn note_status(tx: &mut Tx, run: RunId, change: &StatusChange) -> Result<()> {
    let (row, status) = (tx.run_row(run)?, &change.status);
    tx.execute(
        "INSERT OR IGNORE INTO status_changes (run_id, at_ms, indicator, incident, component)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            row,
            change.at.as_millisecond(),
            status.indicator.as_str(),
            status.incident,
            status.component,
        ],
    )?;
    Ok(())
}

/// Ended if nothing is left, halted if a halt is given, ready otherwise.
pub(super) fn leave(tx: &mut Tx, run: RunId, now: Timestamp, halt: Option<&Halt>) -> Result<()> {
    let row = tx.run_row(run)?;
    let open: i64 = tx
        .query(
            "SELECT coalesce(sum(jobs), 0) FROM tallies WHERE run_id = ?1 AND (state < 4 OR state = 7)",
            [row],
            |row| row.get(0),
        )?
        .unwrap_or_default();
    let halt = halt.filter(|_| open > 0);
    let state = match (open, halt) {
        (0, _) => "ended",
        (_, Some(_)) => "halted",
        (_, None) => "ready",
    };
    tx.execute(
        "UPDATE runs SET state = ?2, ended_at_ms = iif(?2 = 'ended', ?3, NULL),
           halt_class = ?4, halt_reason = ?5, halt_message = ?6, halt_at_ms = ?7
         WHERE id = ?1 AND state <> 'loading'",
        params![
            row,
            state,
            now.as_millisecond(),
            halt.map(|halt| halt.class.as_str()),
            halt.map(|halt| halt.reason.as_str()),
            halt.map(|halt| &halt.message),
            halt.map(|halt| halt.at.as_millisecond()),
        ],
    )?;
    Ok(())
}

/// Cancels a page of jobs that wait; true while there may be more.
pub(super) fn cancel(tx: &mut Tx, run: RunId, now: Timestamp) -> Result<bool> {
    let row = tx.run_row(run)?;
    tx.execute("UPDATE runs SET cancel_requested = 1 WHERE id = ?1", [row])?;
    let mut canceled = 0;
    let more_in_batches = disband::cancel_unsent(tx, row, now)?;
    for (from, waiting) in [
        (
            Tally::of(JobState::Queued, Route::Live),
            "INDEXED BY jobs_due WHERE run_id = ?1 AND state = 0 AND route = 0",
        ),
        (
            Tally::of(JobState::Queued, Route::Batch),
            "INDEXED BY jobs_for_batch WHERE run_id = ?1 AND state = 0 AND route = 1",
        ),
        (
            JobState::Held.into(),
            "INDEXED BY jobs_held WHERE run_id = ?1 AND state = 3",
        ),
    ] {
        let sql = format!(
            "UPDATE jobs SET state = 6, not_before_ms = 0, error_class = 'canceled'
             WHERE id IN (SELECT id FROM jobs {waiting} LIMIT {PAGE})
             RETURNING id, model_id, amended"
        );
        let jobs = tx.query_all(&sql, [row], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        canceled += jobs.len();
        for (job, model, amended) in jobs {
            tx.moved(row, model, Some(from), Some(JobState::Canceled.into()));
            if amended {
                amend::settle(tx, job, false)?;
            }
        }
    }
    Ok(more_in_batches || canceled >= PAGE as usize)
}

/// Puts a page of failed or cancelled jobs back; see [`crate::store::Store::retry`]. The answers of
/// some are kept aside: they are paid for, so those stay as they are.
pub(super) fn retry(
    tx: &mut Tx,
    run: RunId,
    filter: &RetryFilter,
    after_line: u64,
    kept: &HashSet<JobId>,
) -> Result<(u64, Option<u64>)> {
    let row = tx.run_row(run)?;
    let mut page = ended_page(tx, row, filter, after_line)?;
    let next = page.last().filter(|_| page.len() == PAGE as usize);
    let next = next.map(|ended| line_of(ended.job));
    page.retain(|ended| !kept.contains(&JobId(ended.job)));
    for EndedJob {
        job,
        model,
        state,
        route,
        amended,
    } in &page
    {
        tx.execute(
            "UPDATE jobs SET state = 0, not_before_ms = 0, counted = 0, faults_in_row = 0,
               rate_limits_in_row = 0, interruptions_in_row = 0, first_started_at_ms = NULL,
               error_class = (SELECT error_class FROM attempts WHERE job_id = jobs.id AND n = jobs.attempts)
             WHERE id = ?1 AND state IN (5, 6)",
            [job],
        )?;
        tx.execute("DELETE FROM results WHERE job_id = ?1", [job])?;
        if *state == JobState::Canceled {
            forget_next_try(tx, *job)?;
        }
        let queued = Tally::of(JobState::Queued, *route);
        tx.moved(row, *model, Some((*state).into()), Some(queued));
        if *amended {
            amend::take_back(tx, row, *job, *model, *route)?;
        }
    }
    if !page.is_empty() {
        tx.execute(
            "UPDATE runs SET state = iif(state = 'ended', 'ready', state), cancel_requested = 0 WHERE id = ?1",
            [row],
        )?;
    }
    Ok((page.len() as u64, next))
}

/// The wait that a cancel cut short is over: the job goes again when it is its turn.
fn forget_next_try(tx: &Tx, job: i64) -> Result<()> {
    tx.execute(
        "UPDATE attempts SET next_try_at_ms = NULL, wait_rule = NULL
         WHERE job_id = ?1 AND n = (SELECT max(n) FROM attempts WHERE job_id = ?1)",
        [job],
    )?;
    Ok(())
}

fn ended_page(tx: &Tx, run: i64, filter: &RetryFilter, after_line: u64) -> Result<Vec<EndedJob>> {
    let mut sql =
        "SELECT id, model_id, state, route, amended FROM jobs WHERE id > ? AND id <= ? AND state IN (5, 6)"
            .to_owned();
    let mut values = vec![
        Value::from(job_id(run, after_line)),
        Value::from(ids_of(run).1),
    ];
    let classes = filter.classes.iter().map(|class| class.as_str().to_owned());
    one_of(&mut sql, &mut values, "error_class", classes);
    one_of(
        &mut sql,
        &mut values,
        "custom_id",
        filter.custom_ids.iter().cloned(),
    );
    tx.query_all(
        &format!("{sql} ORDER BY id LIMIT {PAGE}"),
        params_from_iter(values),
        |row| {
            Ok(EndedJob {
                job: row.get(0)?,
                model: row.get(1)?,
                state: JobState::from_code(row.get(2)?).unwrap_or(JobState::Failed),
                route: Route::read(row, 3)?,
                amended: row.get(4)?,
            })
        },
    )
}

/// Adds `AND column IN (...)`, unless there is nothing to choose from.
pub(super) fn one_of(
    sql: &mut String,
    values: &mut Vec<Value>,
    column: &str,
    wanted: impl Iterator<Item = String>,
) {
    let before = values.len();
    values.extend(wanted.map(Value::from));
    let count = values.len() - before;
    if count > 0 {
        let places = vec!["?"; count].join(", ");
        sql.extend([" AND ", column, " IN (", &places, ")"]);
    }
}
