//! What must be known of an entry's job when its result comes, and which results have not come. The
//! ends themselves are recorded by `finish`.

use rusqlite::params;

use super::fill::read_attempt;
use super::rows::{optional_word, time};
use super::tx::Tx;
use crate::model::{AttemptId, BatchId, ClaimedJob, ErrorClass, JobHistory, Lane, RequestBody};
use crate::store::{OpenItem, Result};

/// Attempts that are listed at once.
const PAGE: u32 = 1_000;

/// An open attempt of a batch with its job and the attempt before.
const OPEN_ITEM: &str =
    "SELECT custom_id, models.name AS model, counted, faults_in_row, rate_limits_in_row, interruptions_in_row,
       jobs.error_class AS last_class, open.started_at_ms AS started_at_ms,
       coalesce(first_started_at_ms, open.started_at_ms) AS first_started_at_ms,
       before.ended_at_ms AS previous_ended_at_ms, deadline_ms, jobs.lane AS asked_lane
     FROM attempts open
     JOIN jobs ON jobs.id = open.job_id
     JOIN models ON models.id = open.model_id
     LEFT JOIN attempts before ON before.job_id = open.job_id AND before.n = open.n - 1
     WHERE open.job_id = ?1 AND open.n = ?2 AND open.batch_id = ?3 AND open.ended_at_ms IS NULL";

pub(super) fn open_items(tx: &Tx, batch: BatchId, attempts: &[AttemptId]) -> Result<Vec<OpenItem>> {
    let mut items = Vec::with_capacity(attempts.len());
    for attempt in attempts {
        items.extend(open_item(tx, batch, *attempt)?);
    }
    Ok(items)
}

fn open_item(tx: &Tx, batch: BatchId, attempt: AttemptId) -> Result<Option<OpenItem>> {
    tx.query(
        OPEN_ITEM,
        params![attempt.job.0, attempt.n, batch.0],
        |row| {
            let class = |name: &str| name.parse::<ErrorClass>().ok();
            let last_class: Option<String> = row.get("last_class")?;
            Ok(OpenItem {
                job: ClaimedJob {
                    attempt,
                    custom_id: row.get("custom_id")?,
                    model: row.get("model")?,
                    body: RequestBody::from_json("{}"),
                    history: JobHistory {
                        counted: row.get("counted")?,
                        faults_in_row: row.get("faults_in_row")?,
                        rate_limits_in_row: row.get("rate_limits_in_row")?,
                        interruptions_in_row: row.get("interruptions_in_row")?,
                    },
                    // A class of a later version is no reason not to take the result.
                    last_class: last_class.as_deref().and_then(class),
                    started_at: time(row, "started_at_ms")?.unwrap_or_default(),
                    first_started_at: time(row, "first_started_at_ms")?.unwrap_or_default(),
                    previous_ended_at: time(row, "previous_ended_at_ms")?,
                },
                deadline: time(row, "deadline_ms")?,
                lane: optional_word(row, "asked_lane", |name| name.parse::<Lane>().ok())?,
            })
        },
    )
}

/// The first attempts of the batch that have no end.
pub(super) fn missing(tx: &Tx, batch: BatchId) -> Result<Vec<AttemptId>> {
    tx.query_all(
        "SELECT job_id, n FROM attempts INDEXED BY attempts_open_in_batch
         WHERE batch_id = ?1 AND ended_at_ms IS NULL ORDER BY job_id LIMIT ?2",
        params![batch.0, PAGE],
        read_attempt,
    )
}
