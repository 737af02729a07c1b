//! What must be known of an entry's job when its result comes, and which results have not come. The
//! ends themselves are recorded by `finish`.

use std::str::FromStr;

use rusqlite::{Row, params};

use super::blob;
use super::fill::read_attempt;
use super::time;
use super::tx::Tx;
use crate::model::{AttemptId, BatchId, ClaimedJob, Endpoint, JobHistory, RequestBody};
use crate::store::{OpenItem, Result};

/// Attempts that are listed at once.
const PAGE: u32 = 1_000;

/// An open attempt of a batch with its job and the attempt before. Columns are read by number: this
/// is asked for every single result.
const OPEN_ITEM: &str =
    "SELECT custom_id, models.name, counted, faults_in_row, rate_limits_in_row, interruptions_in_row,
       jobs.error_class, open.started_at_ms, coalesce(first_started_at_ms, open.started_at_ms),
       before.ended_at_ms, deadline_ms, jobs.lane, body_blob,
       iif(before.error_class IN ('bad_response', 'stream_cut'), before.message, NULL)
     FROM attempts open
     JOIN jobs ON jobs.id = open.job_id
     JOIN models ON models.id = open.model_id
     JOIN bodies ON bodies.job_id = open.job_id
     LEFT JOIN attempts before ON before.job_id = open.job_id AND before.n = open.n - 1
     WHERE open.job_id = ?1 AND open.n = ?2 AND open.batch_id = ?3 AND open.ended_at_ms IS NULL";

/// An open attempt with its request still packed, to be unpacked off the writer's thread.
pub(super) struct PackedItem {
    item: OpenItem,
    body: Vec<u8>,
}

impl PackedItem {
    /// Its result is here and paid for: a damaged request is no reason not to take it.
    pub(super) fn unpack(self) -> OpenItem {
        let body = blob::unpack(&self.body).unwrap_or_else(|_| "{}".to_owned());
        let mut item = self.item;
        item.job.body = RequestBody::from_json(body);
        item
    }
}

pub(super) fn open_items(
    tx: &Tx,
    batch: BatchId,
    attempts: &[AttemptId],
) -> Result<Vec<PackedItem>> {
    let mut items = Vec::with_capacity(attempts.len());
    for attempt in attempts {
        items.extend(open_item(tx, batch, *attempt)?);
    }
    Ok(items)
}

fn open_item(tx: &Tx, batch: BatchId, attempt: AttemptId) -> Result<Option<PackedItem>> {
    let values = params![attempt.job.0, attempt.n, batch.0];
    tx.query(OPEN_ITEM, values, |row| {
        let moment = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(time));
        let item = OpenItem {
            job: ClaimedJob {
                attempt,
                custom_id: row.get(0)?,
                model: row.get(1)?,
                // Unpacked by the caller.
                body: RequestBody::from_json("{}"),
                history: JobHistory {
                    counted: row.get(2)?,
                    faults_in_row: row.get(3)?,
                    rate_limits_in_row: row.get(4)?,
                    interruptions_in_row: row.get(5)?,
                },
                amendment: None,
                // A class of a later version is no reason not to take the result.
                last_class: name_in(row, 6)?,
                last_message: row.get(13)?,
                started_at: time(row.get(7)?),
                first_started_at: time(row.get(8)?),
                previous_ended_at: moment(9)?,
                endpoint: Endpoint::First,
            },
            deadline: moment(10)?,
            lane: name_in(row, 11)?,
        };
        Ok(PackedItem {
            item,
            body: row.get(12)?,
        })
    })
}

/// What a column names, if it names something that is known.
fn name_in<T: FromStr>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>> {
    let name = row.get_ref(index)?.as_str_or_null()?;
    Ok(name.and_then(|name| name.parse().ok()))
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
