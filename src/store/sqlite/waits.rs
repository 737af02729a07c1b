//! Which jobs of a run wait for a time, on the live lane or to go into a batch, and why the first of
//! them does.

use rusqlite::{Row, params};

use super::reader::SqliteReader;
use super::time;
use super::tx::Tx;
use crate::model::{ErrorClass, RunId};
use crate::store::{Result, Waiting};

/// By model, since the index of what is due is.
const BY_MODEL: &str = "SELECT jobs.model_id, count(*), min(jobs.not_before_ms)
     FROM (SELECT DISTINCT model_id FROM tallies WHERE run_id = ?1) AS of_run
     CROSS JOIN jobs INDEXED BY jobs_due
       ON jobs.run_id = ?1 AND jobs.model_id = of_run.model_id AND jobs.state = 0 AND jobs.route = 0
         AND jobs.not_before_ms > ?2
     GROUP BY jobs.model_id";

/// Those that wait for a batch: they have an index of their own, of all models.
const FOR_BATCHES: &str =
    "SELECT NULL, count(*), min(not_before_ms) FROM jobs INDEXED BY jobs_for_batch
     WHERE run_id = ?1 AND state = 0 AND route = 1 AND not_before_ms > ?2
     HAVING count(*) > 0";

const LAST_FOR_BATCHES: &str = "SELECT attempts.error_class, attempts.http_status, attempts.message
     FROM jobs INDEXED BY jobs_for_batch
       JOIN attempts ON attempts.job_id = jobs.id AND attempts.n = jobs.attempts
     WHERE jobs.run_id = ?1 AND jobs.state = 0 AND jobs.route = 1 AND jobs.not_before_ms = ?2
     ORDER BY jobs.id LIMIT 1";

const LAST_ATTEMPT: &str = "SELECT attempts.error_class, attempts.http_status, attempts.message
     FROM jobs INDEXED BY jobs_due JOIN attempts ON attempts.job_id = jobs.id AND attempts.n = jobs.attempts
     WHERE jobs.run_id = ?1 AND jobs.model_id = ?2 AND jobs.state = 0 AND jobs.route = 0
       AND jobs.not_before_ms = ?3
     ORDER BY jobs.id LIMIT 1";

/// What waits of one model on the live lane, or of all of them for a batch.
struct OfQueue {
    model: Option<i64>,
    jobs: u64,
    next_ms: i64,
}

type Last = (Option<ErrorClass>, Option<u16>, Option<String>);

fn of_queue(row: &Row<'_>) -> rusqlite::Result<OfQueue> {
    Ok(OfQueue {
        model: row.get(0)?,
        jobs: row.get(1)?,
        next_ms: row.get(2)?,
    })
}

fn last(row: &Row<'_>) -> rusqlite::Result<Last> {
    let class: Option<String> = row.get(0)?;
    let class = class.and_then(|name| name.parse().ok());
    Ok((class, row.get(1)?, row.get(2)?))
}

fn waiting(
    queues: &[OfQueue],
    last: impl FnOnce(&OfQueue) -> Result<Last>,
) -> Result<Option<Waiting>> {
    let Some(first) = queues.iter().min_by_key(|queue| queue.next_ms) else {
        return Ok(None);
    };
    let (class, http_status, message) = last(first)?;
    Ok(Some(Waiting {
        jobs: queues.iter().map(|queue| queue.jobs).sum(),
        next_try_at: time(first.next_ms),
        class,
        http_status,
        message,
    }))
}

/// What waits beyond `now`.
pub(super) fn in_tx(tx: &Tx, run: i64, now_ms: i64) -> Result<Option<Waiting>> {
    let mut queues = tx.query_all(BY_MODEL, params![run, now_ms], of_queue)?;
    queues.extend(tx.query_all(FOR_BATCHES, params![run, now_ms], of_queue)?);
    waiting(&queues, |first| {
        let found = match first.model {
            Some(model) => tx.query(LAST_ATTEMPT, params![run, model, first.next_ms], last)?,
            None => tx.query(LAST_FOR_BATCHES, params![run, first.next_ms], last)?,
        };
        Ok(found.unwrap_or_default())
    })
}

impl SqliteReader {
    pub(super) fn waiting_of(&self, run: RunId, now_ms: i64) -> Result<Option<Waiting>> {
        let row = self.run_row(run)?;
        let mut queues = self.query_all(BY_MODEL, params![row, now_ms], of_queue)?;
        queues.extend(self.query_all(FOR_BATCHES, params![row, now_ms], of_queue)?);
        waiting(&queues, |first| {
            let found = match first.model {
                Some(model) => {
                    self.query_all(LAST_ATTEMPT, params![row, model, first.next_ms], last)?
                }
                None => self.query_all(LAST_FOR_BATCHES, params![row, first.next_ms], last)?,
            };
            Ok(found.into_iter().next().unwrap_or_default())
        })
    }
}
