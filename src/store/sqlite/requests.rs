//! What must be known of a run's requests to have the cache hold what they share: the requests
//! themselves, and how the jobs stand that may warm it.

use rusqlite::params;

use super::blob;
use super::reader::SqliteReader;
use super::time;
use super::tx::{Tx, ids_of};
use crate::model::{BatchId, JobId, RequestBody, RunId};
use crate::store::{OpenRequest, Result, StoreError, Warmer};

/// Jobs that are looked at once.
const PAGE_JOBS: u32 = 500;
/// Bytes of bodies that are read at once; a single larger one is read alone.
const PAGE_BYTES: u64 = 4 * 1024 * 1024;

impl SqliteReader {
    /// See [`crate::store::Reader::open_requests`].
    pub(super) fn requests_after(&self, run: RunId, after: JobId) -> Result<Vec<OpenRequest>> {
        let (first, last) = ids_of(self.run_row(run)?);
        let page: Vec<(i64, u64, String)> = self.query_all(
            "SELECT jobs.id, body_bytes, models.name FROM jobs JOIN models ON models.id = model_id
             WHERE jobs.id > ?1 AND jobs.id <= ?2 AND state < 4 ORDER BY jobs.id LIMIT ?3",
            params![first.max(after.0), last, PAGE_JOBS],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let (mut requests, mut bytes) = (Vec::with_capacity(page.len()), 0_u64);
        for (job, body_bytes, model) in page {
            bytes = bytes.saturating_add(body_bytes);
            if bytes > PAGE_BYTES && !requests.is_empty() {
                break;
            }
            requests.push(OpenRequest {
                job: JobId(job),
                model,
                body: self.body_of(job)?,
            });
        }
        Ok(requests)
    }

    fn body_of(&self, job: i64) -> Result<RequestBody> {
        let sql = "SELECT body_blob FROM bodies WHERE job_id = ?1";
        let packed: Vec<Vec<u8>> = self.query_all(sql, [job], |row| row.get(0))?;
        let no_body = || StoreError::IllegalTransition(format!("job {job} has no body"));
        let packed = packed.first().ok_or_else(no_body)?;
        // What is shared with others is looked for, and a damaged one shares nothing.
        let body = blob::unpack(packed).unwrap_or_else(|_| "{}".to_owned());
        Ok(RequestBody::from_json(body))
    }
}

/// A job that may warm the cache: whether it waits in the queue for batches, the batch that it is
/// in, and when the last batch was sent whose answer to it told of the cache.
const WARMER: &str =
    "SELECT state = 0 AND route = 1 AND not_before_ms <= ?2,
       (SELECT batch_id FROM attempts WHERE job_id = ?1 AND ended_at_ms IS NULL),
       (SELECT max(sent_at_ms) FROM attempts JOIN batches ON batches.id = batch_id
        WHERE job_id = ?1 AND outcome = 'succeeded' AND cache_write_1h_tokens + cache_read_tokens > 0)
     FROM jobs WHERE id = ?1";

pub(super) fn warmers(tx: &Tx, jobs: &[JobId], now_ms: i64) -> Result<Vec<Warmer>> {
    let mut found = Vec::with_capacity(jobs.len());
    for job in jobs {
        found.extend(tx.query(WARMER, params![job.0, now_ms], |row| {
            Ok(Warmer {
                job: *job,
                waits: row.get(0)?,
                batch: row.get::<_, Option<i64>>(1)?.map(BatchId),
                warmed_at: row.get::<_, Option<i64>>(2)?.map(time),
            })
        })?);
    }
    Ok(found)
}
