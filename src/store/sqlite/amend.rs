//! Amendments: kept with the end of the attempt that led to them, laid over the request when its
//! job is claimed, and let go when the job ends.
//!
//! Only jobs whose row says `amended` have one, so that all others cost no query here. An ended job
//! keeps at most the model that its input line asked for.

use rusqlite::params;

use super::blob;
use super::tally::{Route, Tally};
use super::tx::Tx;
use crate::model::{Amended, Amendment, JobState, RequestBody};
use crate::store::{Result, StoreError};

/// An amendment with its texts packed beforehand, off the writer's thread.
pub(super) struct PackedAmended {
    original_model: String,
    /// The model of the next attempt.
    model: String,
    amendment: Vec<u8>,
    put_aside: Option<Vec<u8>>,
}

impl PackedAmended {
    pub(super) fn pack(amended: &Amended) -> Result<Self> {
        let Amended {
            amendment,
            put_aside,
        } = amended;
        Ok(Self {
            original_model: amendment.original_model.clone(),
            model: amendment.model().to_owned(),
            amendment: blob::pack(&super::load::json(amendment)?),
            put_aside: put_aside.as_deref().map(blob::pack),
        })
    }
}

/// An amendment as it was packed, and the request with it laid over, or why that cannot be.
pub(super) fn unpack(
    packed: &[u8],
    body: &RequestBody,
) -> std::result::Result<(RequestBody, Option<Box<Amendment>>), String> {
    let damaged = |why: &dyn std::fmt::Display| format!("an amendment: {why}");
    let text = blob::unpack(packed).map_err(|why| damaged(&why))?;
    let amendment: Amendment = serde_json::from_str(&text).map_err(|why| damaged(&why))?;
    let body = amendment.applied_to(body).map_err(|why| damaged(&why))?;
    Ok((body, Some(Box::new(amendment))))
}

/// What the next attempt of an amended job asks differently.
pub(super) fn amendment_of(tx: &Tx, job: i64) -> Result<Option<Vec<u8>>> {
    let amendment = tx.query(
        "SELECT amendment_blob FROM amendments WHERE job_id = ?1",
        [job],
        |row| row.get(0),
    )?;
    Ok(amendment.flatten())
}

/// Keeps what the job asks next after attempt `n`, and moves it from where it is queued to the live
/// queue of that model: what goes into a batch is measured by the request as it was stored.
pub(super) fn keep(
    tx: &mut Tx,
    (run, job, n): (i64, i64, u32),
    (model, route): (i64, Route),
    packed: &PackedAmended,
) -> Result<()> {
    let original = tx.model_row(&packed.original_model)?;
    tx.execute(
        "INSERT INTO amendments (job_id, original_model_id, amendment_blob, put_aside_n, put_aside_blob)
         VALUES (?1, ?2, ?3, iif(?5 IS NULL, NULL, ?4), ?5)
         ON CONFLICT (job_id) DO UPDATE SET amendment_blob = excluded.amendment_blob,
           put_aside_n = coalesce(excluded.put_aside_n, put_aside_n),
           put_aside_blob = coalesce(excluded.put_aside_blob, put_aside_blob)",
        params![job, original, packed.amendment, n, packed.put_aside],
    )?;
    let next = tx.model_row(&packed.model)?;
    tx.execute(
        "UPDATE jobs SET amended = 1, model_id = ?2, route = 0 WHERE id = ?1",
        params![job, next],
    )?;
    change_queue(tx, run, (model, route), (next, Route::Live));
    Ok(())
}

/// Lets go what an ended job had; first makes the answer that was put aside its result, if it is to
/// be.
pub(super) fn settle(tx: &Tx, job: i64, takes_what_was_put_aside: bool) -> Result<()> {
    if takes_what_was_put_aside && !take_what_was_put_aside(tx, job)? {
        return Err(StoreError::IllegalTransition(format!(
            "job {job} has no answer that was put aside"
        )));
    }
    tx.execute(
        "UPDATE amendments SET amendment_blob = NULL, put_aside_n = NULL, put_aside_blob = NULL
         WHERE job_id = ?1",
        [job],
    )?;
    Ok(())
}

/// What marks the answer that was put aside: a part of a turn, or truncated.
pub(super) fn mark_of_what_was_put_aside(tx: &Tx, job: i64) -> Result<Option<String>> {
    tx.query(
        "SELECT iif(error_class = 'paused', error_class, 'truncated')
         FROM amendments JOIN attempts ON attempts.job_id = amendments.job_id AND attempts.n = put_aside_n
         WHERE amendments.job_id = ?1",
        [job],
        |row| row.get(0),
    )
}

/// Makes the answer that was put aside the job's result; false if there is none.
pub(super) fn take_what_was_put_aside(tx: &Tx, job: i64) -> Result<bool> {
    let taken = tx.execute(
        "INSERT INTO results (job_id, n, message_blob)
         SELECT job_id, put_aside_n, put_aside_blob FROM amendments
         WHERE job_id = ?1 AND put_aside_n IS NOT NULL",
        [job],
    )?;
    Ok(taken == 1)
}

/// Takes an amendment back: the job that waits for `model` asks as its input line does again.
pub(super) fn take_back(tx: &mut Tx, run: i64, job: i64, model: i64, route: Route) -> Result<()> {
    let original = tx.query(
        "DELETE FROM amendments WHERE job_id = ?1 RETURNING original_model_id",
        [job],
        |row| row.get(0),
    )?;
    let original = original.unwrap_or(model);
    tx.execute(
        "UPDATE jobs SET amended = 0, model_id = ?2 WHERE id = ?1",
        params![job, original],
    )?;
    change_queue(tx, run, (model, route), (original, route));
    Ok(())
}

fn change_queue(tx: &mut Tx, run: i64, from: (i64, Route), to: (i64, Route)) {
    let queued = |route| Some(Tally::of(JobState::Queued, route));
    tx.moved(run, from.0, queued(from.1), None);
    tx.moved(run, to.0, None, queued(to.1));
}
