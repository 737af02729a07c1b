//! Single jobs that are ended by the user, while the run goes on.

use jiff::Timestamp;
use rusqlite::{params, params_from_iter, types::Value};

use super::amend;
use super::control::{PAGE, one_of};
use super::disband;
use super::tally::{Route, Tally};
use super::tx::{Tx, ids_of, job_id, line_of};
use crate::model::{ErrorClass, JobState, RunId};
use crate::store::{CancelFilter, CanceledJobs, Result};

struct Found {
    job: i64,
    model: i64,
    state: JobState,
    route: Route,
    amended: bool,
}

/// Ends a page of the jobs that are meant; see [`crate::store::Store::cancel_jobs`].
pub(super) fn cancel_jobs(
    tx: &mut Tx,
    run: RunId,
    filter: &CancelFilter,
    after_line: u64,
    now: Timestamp,
) -> Result<CanceledJobs> {
    let row = tx.run_row(run)?;
    let page = page(tx, row, filter, after_line)?;
    let next = page.last().filter(|_| page.len() == PAGE as usize);
    let mut done = CanceledJobs {
        next: next.map(|found| line_of(found.job)),
        ..CanceledJobs::default()
    };
    // A batch that has not been sent is taken apart first, page by page: its other jobs wait again.
    for found in page.iter().filter(|found| found.state == JobState::InBatch) {
        if disband::out_of_unsent(tx, found.job, now)? {
            return Ok(CanceledJobs {
                next: Some(after_line),
                ..CanceledJobs::default()
            });
        }
    }
    for found in page {
        match found.state {
            JobState::Queued | JobState::Held => {
                cancel(tx, row, &found)?;
                done.canceled += 1;
            }
            JobState::InFlight => done.in_flight += 1,
            JobState::InBatch => done.in_batch += 1,
            JobState::Succeeded | JobState::Failed | JobState::Canceled => done.ended += 1,
        }
    }
    Ok(done)
}

fn cancel(tx: &mut Tx, run: i64, found: &Found) -> Result<()> {
    tx.execute(
        "UPDATE jobs SET state = ?2, not_before_ms = 0, error_class = ?3 WHERE id = ?1",
        params![
            found.job,
            JobState::Canceled.code(),
            ErrorClass::Canceled.as_str()
        ],
    )?;
    let from = Tally::of(found.state, found.route);
    tx.moved(
        run,
        found.model,
        Some(from),
        Some(JobState::Canceled.into()),
    );
    if found.amended {
        amend::settle(tx, found.job, false)?;
    }
    Ok(())
}

fn page(tx: &Tx, run: i64, filter: &CancelFilter, after_line: u64) -> Result<Vec<Found>> {
    let mut sql =
        "SELECT id, model_id, state, route, amended FROM jobs WHERE id > ? AND id <= ?".to_owned();
    let mut values = vec![
        Value::from(job_id(run, after_line)),
        Value::from(ids_of(run).1),
    ];
    let classes = filter.classes.iter().map(|class| class.as_str().to_owned());
    one_of(&mut sql, &mut values, "error_class", classes);
    let ids = filter.custom_ids.iter().cloned();
    one_of(&mut sql, &mut values, "custom_id", ids);
    let models = filter.models.iter().cloned();
    let model = "(SELECT name FROM models WHERE models.id = model_id)";
    one_of(&mut sql, &mut values, model, models);
    tx.query_all(
        &format!("{sql} ORDER BY id LIMIT {PAGE}"),
        params_from_iter(values),
        |row| {
            Ok(Found {
                job: row.get(0)?,
                model: row.get(1)?,
                state: JobState::from_code(row.get(2)?).unwrap_or(JobState::Failed),
                route: Route::read(row, 3)?,
                amended: row.get(4)?,
            })
        },
    )
}
