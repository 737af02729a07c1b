//! Replay: what the spool holds is recorded, as if its call of `finish` came only now.
//!
//! An attempt that has ended like that is left as it is, so a replay that is broken off can be done
//! again. Where the attempt is not open any more, or was never begun (the store was put back to an older
//! copy, the spool was away for a while), and the job waits, the answer becomes its next attempt: it is
//! paid for. What has no place at all goes into the kept file; nothing is erased before it has one.

use futures_util::future::join_all;
use rusqlite::params;

use super::SqliteStore;
use super::finish::{PackedFinish, finish};
use super::spool_files;
use super::spool_format::Spooled;
use super::tally::{Route, Tally};
use super::tx::Tx;
use crate::model::{AttemptOutcome, JobState, Pico, RunId};
use crate::store::{Finish, Next, Replayed, Result, StoreError};

/// What became of one end.
#[derive(Debug)]
enum Fate {
    Recorded(JobState, Pico),
    /// It was recorded before.
    Known,
    /// It has no place in the store, for this reason.
    Kept(String),
}

impl SqliteStore {
    /// Records what is in the store's spools, whichever runs it belongs to, and empties them. Says what
    /// this changed of `run`.
    pub(super) async fn replay(&self, run: RunId) -> Result<Replayed> {
        let mut replayed = Replayed::default();
        let found = spool_files::of_store(&self.spool.path, self.spool.store)?;
        for found in found {
            let damaged = found.content.damaged;
            let ends = found.content.ends;
            self.replay_all(run, ends, &mut replayed).await?;
            if damaged > 0 {
                let away = spool_files::put_away_damaged(&found.path, &self.spool.path)?;
                tracing::warn!(
                    "records of the spool that cannot be read: {damaged}. The file is kept as {}; answers that were in them are asked for again",
                    away.display()
                );
            } else if found.path == self.spool.path && found.content.current {
                self.spool.empty()?;
            } else {
                std::fs::remove_file(&found.path)
                    .map_err(|error| super::errors::explain_io(&found.path, &error))?;
            }
        }
        Ok(replayed)
    }

    async fn replay_all(
        &self,
        run: RunId,
        spooled: Vec<Spooled>,
        replayed: &mut Replayed,
    ) -> Result<()> {
        let (mut recorded, mut kept) = (0_u64, 0_u64);
        // Together, so that they share commits; one that is refused spoils no other.
        let calls = spooled.into_iter().map(|one| self.replay_one(one));
        for (of, fate) in join_all(calls)
            .await
            .into_iter()
            .collect::<Result<Vec<_>>>()?
        {
            match fate {
                Fate::Recorded(state, cost) => {
                    recorded += 1;
                    if of == run {
                        replayed.jobs.add(state, 1);
                        replayed.cost = [replayed.cost, cost].into_iter().sum();
                    }
                }
                Fate::Known => {}
                Fate::Kept(why) => {
                    kept += 1;
                    tracing::info!("an answer in the spool has no place in the store: {why}");
                }
            }
        }
        if recorded > 0 {
            tracing::warn!(
                "answers that an earlier process could not record were taken from the spool: {recorded}. They are not asked for again"
            );
        }
        if kept > 0 {
            let file = self.kept.name();
            tracing::warn!(
                "answers in the spool that have no place in the store are kept in {file}: {kept}"
            );
        }
        Ok(())
    }

    async fn replay_one(&self, (run, end): Spooled) -> Result<(RunId, Fate)> {
        let packed = PackedFinish::new(end.clone())?;
        let place = end.clone();
        let call = move |tx: &mut Tx| place_and_finish(tx, run, &place, &packed);
        match self.writer.call(call).await {
            Ok(fate) => Ok((run, fate)),
            Err(StoreError::Refused { why, .. }) => {
                let instead = self.hold_back(run, end, &why).await?;
                let state = PackedFinish::new(instead)?.state_after();
                Ok((run, Fate::Recorded(state, Pico::ZERO)))
            }
            Err(StoreError::IllegalTransition(why)) => {
                self.kept.keep(run, end, &why)?;
                Ok((run, Fate::Kept(why)))
            }
            Err(error) => Err(error),
        }
    }
}

/// Records an end where it belongs.
///
/// # Errors
///
/// [`StoreError::IllegalTransition`] if it has no place.
fn place_and_finish(tx: &mut Tx, run: RunId, end: &Finish, packed: &PackedFinish) -> Result<Fate> {
    let recorded = Fate::Recorded(packed.state_after(), packed.cost());
    let run_row = tx.run_row(run)?;
    let (job, n) = (end.record.attempt.job.0, end.record.attempt.n);
    let is_open = tx.query(
        "SELECT ended_at_ms IS NULL FROM attempts WHERE job_id = ?1 AND n = ?2",
        params![job, n],
        |row| row.get(0),
    )?;
    if is_open == Some(true) {
        finish(tx, run, std::slice::from_ref(packed))?;
        return Ok(recorded);
    }
    if is_recorded(tx, end)? {
        return Ok(Fate::Known);
    }
    let next = begin_late(tx, run_row, end)?.ok_or_else(|| {
        StoreError::IllegalTransition(match is_open {
            Some(_) => "its attempt has ended in another way, and its job does not wait".to_owned(),
            None => "its attempt was never begun, and its job does not wait".to_owned(),
        })
    })?;
    let late = PackedFinish::new(late(end, next))?;
    finish(tx, run, &[late])?;
    Ok(recorded)
}

/// Whether an attempt of the job ended like that: the same answer at the same time.
fn is_recorded(tx: &Tx, end: &Finish) -> Result<bool> {
    let record = &end.record;
    let found = tx.query(
        "SELECT EXISTS (SELECT 1 FROM attempts WHERE job_id = ?1 AND outcome = ?2
           AND ended_at_ms = max(?3, started_at_ms) AND request_id IS ?4)",
        params![
            record.attempt.job.0,
            record.outcome.as_str(),
            record.ended_at.as_millisecond(),
            record.evidence.request_id,
        ],
        |row| row.get(0),
    )?;
    Ok(found.unwrap_or(false))
}

/// Begins an attempt of a job that waits, for an answer that is here already; says its number. None if
/// the job does not wait, or the end is no answer.
fn begin_late(tx: &mut Tx, run: i64, end: &Finish) -> Result<Option<u32>> {
    let record = &end.record;
    let brings_an_answer =
        matches!(end.next, Next::End(_)) && record.outcome == AttemptOutcome::Succeeded;
    let job = record.attempt.job.0;
    let waits = tx.query(
        "SELECT attempts, model_id, route FROM jobs WHERE id = ?1 AND run_id = ?2 AND state = 0",
        params![job, run],
        |row| {
            Ok((
                row.get::<_, u32>(0)?,
                row.get::<_, i64>(1)?,
                Route::read(row, 2)?,
            ))
        },
    )?;
    let (true, Some((attempts, model, route))) = (brings_an_answer, waits) else {
        return Ok(None);
    };
    let (n, ended) = (attempts + 1, record.ended_at.as_millisecond());
    let took = record.latency.map_or(0, |latency| {
        i64::try_from(latency.as_millis()).unwrap_or_default()
    });
    tx.execute(
        "INSERT INTO attempts (job_id, n, lane, model_id, started_at_ms) VALUES (?1, ?2, 'live', ?3, ?4)",
        params![job, n, model, ended.saturating_sub(took)],
    )?;
    tx.execute(
        "UPDATE jobs SET state = 1, attempts = ?2, first_started_at_ms = coalesce(first_started_at_ms, ?3)
         WHERE id = ?1",
        params![job, n, ended.saturating_sub(took)],
    )?;
    let from = Tally::of(JobState::Queued, route);
    tx.moved(run, model, Some(from), Some(JobState::InFlight.into()));
    Ok(Some(n))
}

/// The same end as that of another attempt of its job.
fn late(end: &Finish, n: u32) -> Finish {
    let mut end = end.clone();
    end.record.attempt.n = n;
    end
}
