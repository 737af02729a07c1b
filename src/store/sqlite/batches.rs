//! Where remote batches stand: their rows, from begun to harvested.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::rows::{optional_word, time, word};
use super::tx::{Tx, ids_of};
use crate::model::batch::ENVELOPE;
use crate::model::{
    BatchId, BatchState, CancelReason, Pico, RemoteBatch, RemoteStatus, RequestCounts, RunId,
    ShortResults,
};
use crate::store::{AnswerCosts, BatchRow, NewBatch, Result, StoreError};

/// What the verbs must know of a batch.
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) run: i64,
    pub(super) nonce: String,
    pub(super) state: BatchState,
    pub(super) requests: u32,
    pub(super) open_requests: u64,
    pub(super) bytes: u64,
    remote_id: Option<String>,
    cancel_reason: Option<CancelReason>,
}

/// Bytes of a create call without entries.
pub(super) fn empty_bytes() -> u64 {
    (ENVELOPE.0.len() + ENVELOPE.1.len()) as u64
}

/// The batch, which must exist.
pub(super) fn batch_row(tx: &Tx, batch: BatchId) -> Result<Stored> {
    let stored = tx.query(
        "SELECT id, run_id, nonce, state, requests, open_requests, bytes, remote_id, cancel_reason
         FROM batches WHERE id = ?1",
        [batch.0],
        |row| {
            Ok(Stored {
                id: row.get(0)?,
                run: row.get(1)?,
                nonce: row.get(2)?,
                state: word(row, "state", BatchState::parse)?,
                requests: row.get(4)?,
                open_requests: row.get(5)?,
                bytes: row.get(6)?,
                remote_id: row.get(7)?,
                cancel_reason: optional_word(row, "cancel_reason", CancelReason::parse)?,
            })
        },
    )?;
    stored.ok_or_else(|| StoreError::IllegalTransition(format!("there is no batch {}", batch.0)))
}

pub(super) fn begin(tx: &mut Tx, batch: &NewBatch) -> Result<BatchId> {
    let run = tx.run_row(batch.run)?;
    tx.execute(
        "INSERT INTO batches (run_id, nonce, state, bytes, created_at_ms)
         VALUES (?1, ?2, 'filling', ?3, ?4) ON CONFLICT (nonce) DO NOTHING",
        params![run, batch.nonce, empty_bytes(), batch.now.as_millisecond()],
    )?;
    let id = tx.query(
        "SELECT id FROM batches WHERE nonce = ?1 AND run_id = ?2",
        params![batch.nonce, run],
        |row| row.get(0).map(BatchId),
    )?;
    id.ok_or_else(|| {
        StoreError::IllegalTransition(format!(
            "the nonce {} is that of another run's batch",
            batch.nonce
        ))
    })
}

/// Moves a batch, if it may go there; tells where it stands then.
pub(super) fn advance(
    tx: &Tx,
    batch: BatchId,
    to: BatchState,
    now: Timestamp,
) -> Result<BatchState> {
    let stored = batch_row(tx, batch)?;
    if stored.state == BatchState::Lost {
        return Ok(BatchState::Lost);
    }
    if !may_become(&stored, to) {
        return Err(StoreError::IllegalTransition(format!(
            "batch {} cannot become {to}: it is {} with {} of {} requests open",
            batch.0, stored.state, stored.open_requests, stored.requests
        )));
    }
    // One that was refused is again one that was never sent: whoever takes it apart counts nothing
    // of it as maybe billed.
    let sent_at = (to == BatchState::Sending).then(|| now.as_millisecond());
    tx.execute(
        "UPDATE batches SET state = ?2, sent_at_ms = CASE ?2 WHEN 'ready' THEN NULL ELSE coalesce(?3, sent_at_ms) END
         WHERE id = ?1",
        params![batch.0, to.as_str(), sent_at],
    )?;
    Ok(to)
}

fn may_become(stored: &Stored, to: BatchState) -> bool {
    use BatchState::{Canceling, Ended, Filling, Harvested, Open, Ready, Sending, Uncertain};
    match (stored.state, to) {
        (Filling | Sending, Ready) => stored.requests > 0,
        (Ready | Uncertain, Sending) | (Sending, Uncertain) | (Open | Canceling, Ended) => true,
        (Ended, Harvested) => stored.open_requests == 0,
        // A call that is repeated: its first answer was lost.
        (from, to) => from == to && matches!(to, Ready | Sending | Uncertain | Ended | Harvested),
    }
}

pub(super) fn note_remote(
    tx: &Tx,
    batch: BatchId,
    remote: &RemoteBatch,
    now: Timestamp,
) -> Result<()> {
    let stored = batch_row(tx, batch)?;
    if stored.state.is_over() {
        return Ok(());
    }
    refuse_other_id(tx, &stored, remote)?;
    let state = state_after(&stored, remote.status)?;
    let ms = |time: Option<Timestamp>| time.map(Timestamp::as_millisecond);
    tx.execute(
        "UPDATE batches SET state = ?2, remote_id = ?3, remote_created_at_ms = coalesce(?4, remote_created_at_ms),
           expires_at_ms = coalesce(?5, expires_at_ms), ended_at_ms = coalesce(?6, ended_at_ms), polled_at_ms = ?7,
           processing = ?8, succeeded = ?9, errored = ?10, canceled = ?11, expired = ?12
         WHERE id = ?1",
        params![
            batch.0,
            state.as_str(),
            remote.id,
            ms(remote.created_at),
            ms(remote.expires_at),
            ms(remote.ended_at),
            now.as_millisecond(),
            remote.counts.processing,
            remote.counts.succeeded,
            remote.counts.errored,
            remote.counts.canceled,
            remote.counts.expired,
        ],
    )?;
    Ok(())
}

/// Results that are counted for two batches would be counted twice.
fn refuse_other_id(tx: &Tx, stored: &Stored, remote: &RemoteBatch) -> Result<()> {
    if let Some(known) = &stored.remote_id
        && *known != remote.id
    {
        return Err(StoreError::IllegalTransition(format!(
            "batch {} is {known}, not {}",
            stored.id, remote.id
        )));
    }
    let other: Option<i64> = tx.query(
        "SELECT id FROM batches WHERE run_id = ?1 AND remote_id = ?2 AND id <> ?3",
        params![stored.run, remote.id, stored.id],
        |row| row.get(0),
    )?;
    other.map_or(Ok(()), |other| {
        Err(StoreError::IllegalTransition(format!(
            "{} is batch {other} already, and cannot be batch {} too",
            remote.id, stored.id
        )))
    })
}

fn state_after(stored: &Stored, status: RemoteStatus) -> Result<BatchState> {
    use BatchState::{Canceling, Ended, Open, Sending, Uncertain};
    match (stored.state, status) {
        (Ended, _) | (Sending | Uncertain | Open | Canceling, RemoteStatus::Ended) => Ok(Ended),
        (Canceling, _) | (Sending | Uncertain | Open, RemoteStatus::Canceling) => Ok(Canceling),
        (Sending | Uncertain | Open, RemoteStatus::InProgress) => {
            Ok(stored.cancel_reason.map_or(Open, |_| Canceling))
        }
        (state, _) => Err(StoreError::IllegalTransition(format!(
            "batch {} is {state}: the API cannot know of it",
            stored.id
        ))),
    }
}

pub(super) fn cancel(tx: &Tx, batch: BatchId, reason: CancelReason) -> Result<()> {
    use BatchState::{Canceling, Ended, Filling, Harvested, Lost, Open, Ready, Sending, Uncertain};
    let stored = batch_row(tx, batch)?;
    let state = match stored.state {
        Ended | Harvested | Lost => return Ok(()),
        Sending | Uncertain => stored.state,
        Open | Canceling => Canceling,
        Filling | Ready => {
            return Err(StoreError::IllegalTransition(format!(
                "batch {} is {}: there is nothing to cancel",
                batch.0, stored.state
            )));
        }
    };
    let reason = match stored.cancel_reason {
        Some(CancelReason::User) => CancelReason::User,
        _ => reason,
    };
    tx.execute(
        "UPDATE batches SET state = ?2, cancel_reason = ?3 WHERE id = ?1",
        params![batch.0, state.as_str(), reason.as_str()],
    )?;
    Ok(())
}

pub(super) fn note_short(tx: &Tx, batch: BatchId, short: Option<ShortResults>) -> Result<()> {
    batch_row(tx, batch)?;
    let since = short.map(|short| short.since.as_millisecond());
    let downloads = short.map_or(0, |short| short.downloads);
    tx.execute(
        "UPDATE batches SET short_since_ms = ?2, short_downloads = ?3 WHERE id = ?1 AND state = 'ended'",
        params![batch.0, since, downloads],
    )?;
    Ok(())
}

/// Answers that are summed up.
const MOST_ANSWERS: u32 = 10_000;

pub(super) fn answer_costs(tx: &mut Tx, run: RunId) -> Result<Vec<AnswerCosts>> {
    let (first, last) = ids_of(tx.run_row(run)?);
    tx.query_all(
        "SELECT models.name, count(*), sum(cost_pico / 1000) FROM
           (SELECT model_id, cost_pico FROM attempts
            WHERE job_id BETWEEN ?1 AND ?2 AND outcome = 'succeeded' ORDER BY job_id DESC LIMIT ?3) answers
         JOIN models ON models.id = answers.model_id GROUP BY models.name ORDER BY models.name",
        params![first, last, MOST_ANSWERS],
        |row| {
            Ok(AnswerCosts {
                model: row.get(0)?,
                answers: row.get(1)?,
                cost: Pico(i128::from(row.get::<_, i64>(2)?) * 1_000),
            })
        },
    )
}

/// The head of every query for batches.
pub(super) const BATCHES: &str =
    "SELECT batches.*, runs.uuid AS uuid FROM batches JOIN runs ON runs.id = run_id";

/// The batches of a run, oldest first.
pub(super) fn list(tx: &mut Tx, run: RunId) -> Result<Vec<BatchRow>> {
    let run = tx.run_row(run)?;
    let sql = format!("{BATCHES} WHERE run_id = ?1 ORDER BY batches.id");
    tx.query_all(&sql, [run], read_batch)
}

fn short(row: &Row<'_>) -> rusqlite::Result<Option<ShortResults>> {
    let downloads = row.get("short_downloads")?;
    let since = time(row, "short_since_ms")?;
    Ok(since.map(|since| ShortResults { since, downloads }))
}

pub(super) fn read_batch(row: &Row<'_>) -> rusqlite::Result<BatchRow> {
    Ok(BatchRow {
        id: BatchId(row.get("id")?),
        run: RunId::from_bytes(row.get("uuid")?),
        nonce: row.get("nonce")?,
        state: word(row, "state", BatchState::parse)?,
        remote_id: row.get("remote_id")?,
        requests: row.get("requests")?,
        bytes: row.get("bytes")?,
        open_requests: row.get("open_requests")?,
        created_at: time(row, "created_at_ms")?.unwrap_or(Timestamp::UNIX_EPOCH),
        sent_at: time(row, "sent_at_ms")?,
        remote_created_at: time(row, "remote_created_at_ms")?,
        expires_at: time(row, "expires_at_ms")?,
        ended_at: time(row, "ended_at_ms")?,
        counts: RequestCounts {
            processing: row.get("processing")?,
            succeeded: row.get("succeeded")?,
            errored: row.get("errored")?,
            canceled: row.get("canceled")?,
            expired: row.get("expired")?,
        },
        polled_at: time(row, "polled_at_ms")?,
        cancel_reason: optional_word(row, "cancel_reason", CancelReason::parse)?,
        deadline: time(row, "deadline_ms")?,
        undated: row.get("undated")?,
        short: short(row)?,
    })
}
