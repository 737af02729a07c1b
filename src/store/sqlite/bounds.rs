//! What attempts may have cost that may have been billed without an answer: which of them lack such
//! a bound, the bounds, and their sum. Whoever knows prices makes the bounds; here they are kept.

use jiff::Timestamp;
use rusqlite::params;

use super::rows::sum;
use super::tx::{Tx, ids_of};
use super::{amend, blob, time};
use crate::model::{AttemptId, JobId, Lane, Pico, RequestBody, RunId};
use crate::store::{MaybeBilled, Result, Unbounded};

/// Attempts that are looked at once.
const PAGE: u32 = 100;
/// Bytes of packed bodies that are read at once; a single larger one is read alone.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// An attempt without a bound, its texts packed, to be unpacked off the writer's thread.
pub(super) struct Packed {
    attempt: AttemptId,
    model: String,
    lane: Lane,
    started_at: Timestamp,
    body: Vec<u8>,
    amendment: Option<Vec<u8>>,
}

impl Packed {
    pub(super) fn unpack(self) -> Unbounded {
        let body = self.body();
        Unbounded {
            attempt: self.attempt,
            model: self.model,
            lane: self.lane,
            started_at: self.started_at,
            body,
        }
    }

    /// A damaged text is told where its job is claimed or exported; here it only leaves no bound.
    fn body(&self) -> Option<RequestBody> {
        let body = RequestBody::from_json(blob::unpack(&self.body).ok()?);
        let live = self.lane == Lane::Live;
        match self.amendment.as_deref().filter(|_| live) {
            Some(amendment) => amend::unpack(amendment, &body).ok().map(|(body, _)| body),
            None => Some(body),
        }
    }
}

/// Ended attempts by their own index, and live ones without an end by that of their jobs. What a
/// job asked differently then is what it asks now, unless other attempts came after it.
const WITHOUT_BOUND: &str = "SELECT a.job_id, a.n, name, a.lane, a.started_at_ms, body_blob, amendment_blob
     FROM (SELECT job_id, n FROM attempts INDEXED BY attempts_maybe_billed
             WHERE maybe_billed = 1 AND at_most_pico IS NULL AND job_id BETWEEN ?1 AND ?2
           UNION ALL
           SELECT id, attempts FROM jobs INDEXED BY jobs_in_flight WHERE run_id = ?3 AND state = 1) AS wanted
     JOIN attempts a ON a.job_id = wanted.job_id AND a.n = wanted.n
     JOIN models ON models.id = a.model_id
     JOIN bodies ON bodies.job_id = a.job_id
     LEFT JOIN amendments ON amendments.job_id = a.job_id
     WHERE (a.job_id, a.n) > (?4, ?5) AND a.at_most_pico IS NULL
     ORDER BY a.job_id, a.n LIMIT ?6";

pub(super) fn without_bound(
    tx: &mut Tx,
    run: RunId,
    after: Option<AttemptId>,
) -> Result<Vec<Packed>> {
    let row = tx.run_row(run)?;
    let (first, last) = ids_of(row);
    let (job, n) = after.map_or((first, 0), |after| (after.job.0, after.n));
    let found = tx.query_all(
        WITHOUT_BOUND,
        params![first, last, row, job, n, PAGE],
        |row| {
            let lane: String = row.get(3)?;
            Ok(Packed {
                attempt: AttemptId {
                    job: JobId(row.get(0)?),
                    n: row.get(1)?,
                },
                model: row.get(2)?,
                lane: lane.parse().unwrap_or(Lane::Live),
                started_at: time(row.get(4)?),
                body: row.get(5)?,
                amendment: row.get(6)?,
            })
        },
    )?;
    let mut bytes = 0;
    let fits = |packed: &Packed| {
        let is_first = bytes == 0;
        bytes += packed.body.len();
        is_first || bytes <= PAGE_BYTES
    };
    Ok(found.into_iter().take_while(fits).collect())
}

pub(super) fn keep(tx: &mut Tx, run: RunId, bounds: &[(AttemptId, Pico)]) -> Result<()> {
    tx.run_row(run)?;
    for (AttemptId { job, n }, most) in bounds {
        tx.execute(
            "UPDATE attempts SET at_most_pico = ?3
             WHERE job_id = ?1 AND n = ?2 AND (ended_at_ms IS NULL OR maybe_billed = 1)",
            params![job.0, n, i64::try_from(most.0).unwrap_or(i64::MAX)],
        )?;
    }
    Ok(())
}

pub(super) fn maybe_billed(tx: &mut Tx, run: RunId) -> Result<MaybeBilled> {
    let (first, last) = ids_of(tx.run_row(run)?);
    let found = tx.query(
        "SELECT count(*) AS attempts, count(*) FILTER (WHERE at_most_pico IS NULL) AS unbounded,
           sum(at_most_pico / 1000000000000) AS most_usd, sum(at_most_pico % 1000000000000) AS most_rest,
           sum(cost_pico / 1000000000000) FILTER (WHERE at_most_pico IS NOT NULL) AS cost_usd,
           sum(cost_pico % 1000000000000) FILTER (WHERE at_most_pico IS NOT NULL) AS cost_rest
         FROM attempts INDEXED BY attempts_maybe_billed
         WHERE maybe_billed = 1 AND ended_at_ms IS NOT NULL AND job_id BETWEEN ?1 AND ?2",
        [first, last],
        |row| {
            Ok(MaybeBilled {
                attempts: row.get("attempts")?,
                unbounded: row.get("unbounded")?,
                at_most: sum(row, "most_usd", "most_rest")?,
                counted: sum(row, "cost_usd", "cost_rest")?,
            })
        },
    )?;
    Ok(found.unwrap_or_default())
}
