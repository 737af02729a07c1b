//! The write connection with what it remembers between transactions.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, params};

use super::checkpoint::WriteAheadLog;
use super::errors::explain;
use super::identity::Watch;
use super::open::Opened;
use super::tally::Tally;
use crate::model::RunId;
use crate::store::{Result, StoreError};

/// Bits of a job id that hold the line; the rest holds the run's row number.
const LINE_BITS: u32 = 40;

/// The write connection. A verb of the store is a function of `&mut Tx`, and runs inside
/// [`Tx::transact`].
pub(super) struct Tx {
    connection: Connection,
    path: PathBuf,
    runs: HashMap<RunId, i64>,
    models: HashMap<String, i64>,
    /// Changes of the tallies, written once at the end of the transaction.
    moved: HashMap<(i64, i64, Tally), i64>,
    /// The disk failed under this connection, and nothing more is done on it.
    failed: Option<StoreError>,
    log: WriteAheadLog,
    /// Behind the connection, which is closed first.
    watch: Watch,
}

impl Tx {
    pub(super) fn new(Opened { connection, file }: Opened) -> Self {
        let watch = file.watch(&connection);
        Self {
            connection,
            path: file.named.clone(),
            runs: HashMap::new(),
            models: HashMap::new(),
            moved: HashMap::new(),
            failed: None,
            log: WriteAheadLog::of(&file.path),
            watch,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What SQLite's error means here.
    pub(super) fn explain(&self, error: &rusqlite::Error) -> StoreError {
        explain(&self.path, error)
    }

    /// Runs `work` in one immediate transaction and commits it; an error rolls everything back.
    ///
    /// A failed disk is the end: the system may have dropped what it could not write and yet let the
    /// next sync succeed, so nothing that comes later on this connection could be believed. Whoever
    /// opens the store anew sees what is really there. So is a file that is not in its place any more:
    /// looked for behind the commit, since what went into a deleted file is not kept.
    pub(super) fn transact<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let outcome = self.begin().and_then(|()| work(self)).and_then(|value| {
            self.write_tallies()?;
            self.commit()?;
            self.watch.check()?;
            Ok(value)
        });
        // What SQLite says of a file that was written over is not what is wrong.
        let outcome = match outcome {
            Err(StoreError::Corrupt { .. } | StoreError::IllegalTransition(_)) => {
                self.watch.check().and(outcome)
            }
            other => other,
        };
        if let Err(error) = &outcome {
            self.roll_back();
            if matches!(error, StoreError::Gone { .. }) {
                self.rescue();
            }
            if matches!(
                error,
                StoreError::DiskFailed { .. } | StoreError::Gone { .. }
            ) {
                self.failed = Some(error.clone());
            }
        }
        outcome
    }

    /// The log was deleted, and holds what was committed last: as long as it is open it can be folded
    /// back into the file.
    fn rescue(&self) {
        if self.watch.only_the_log_is_gone() {
            let fold = "PRAGMA wal_checkpoint(PASSIVE)";
            // What fails here is lost as it was before.
            let _ = self.connection.query_row(fold, [], |_| Ok(()));
        }
    }

    /// Empties the log if readers have kept it from beginning anew. What fails here loses nothing;
    /// but a failed disk is the end, as in [`Tx::transact`].
    pub(super) fn keep_log_short(&mut self) {
        if self.failed.is_some() {
            return;
        }
        if let Err(error) = self.log.fold_if_grown(&self.connection) {
            let error = self.explain(&error);
            self.failed =
                Some(error).filter(|error| matches!(error, StoreError::DiskFailed { .. }));
        }
    }

    /// The row number of a run.
    pub(super) fn run_row(&mut self, run: RunId) -> Result<i64> {
        if let Some(row) = self.runs.get(&run) {
            return Ok(*row);
        }
        let row = self
            .query(
                "SELECT id FROM runs WHERE uuid = ?1",
                params![run.as_bytes()],
                |row| row.get(0),
            )?
            .ok_or_else(|| StoreError::IllegalTransition(format!("there is no run {run}")))?;
        self.runs.insert(run, row);
        Ok(row)
    }

    /// The row number of a model, which is made if there is none yet.
    pub(super) fn model_row(&mut self, name: &str) -> Result<i64> {
        if let Some(row) = self.models.get(name) {
            return Ok(*row);
        }
        self.execute(
            "INSERT INTO models (name) VALUES (?1) ON CONFLICT DO NOTHING",
            params![name],
        )?;
        let row = self
            .query(
                "SELECT id FROM models WHERE name = ?1",
                params![name],
                |row| row.get(0),
            )?
            .ok_or_else(|| StoreError::IllegalTransition(format!("the model {name} vanished")))?;
        self.models.insert(name.to_owned(), row);
        Ok(row)
    }

    /// Notes that a job of that run and model entered `to`, coming from `from` if it is not new.
    pub(super) fn moved(&mut self, run: i64, model: i64, from: Option<Tally>, to: Option<Tally>) {
        if let Some(from) = from {
            *self.moved.entry((run, model, from)).or_default() -= 1;
        }
        if let Some(to) = to {
            *self.moved.entry((run, model, to)).or_default() += 1;
        }
    }

    /// Executes one cached statement; returns how many rows it changed.
    pub(super) fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(|error| self.explain(&error))
    }

    /// The first row of one cached query.
    pub(super) fn query<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, read).optional())
            .map_err(|error| self.explain(&error))
    }

    /// All rows of one cached query; the caller bounds them with LIMIT.
    pub(super) fn query_all<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(params, read)?.collect())
            .map_err(|error| self.explain(&error))
    }

    /// Forgets the row number of a run that was deleted.
    pub(super) fn forget_run(&mut self, run: RunId) {
        self.runs.remove(&run);
    }

    /// Leaves the file tidy; what fails here loses nothing.
    pub(super) fn close(self) {
        if self.failed.is_some() {
            // The log stays as it is: to fold it back would be to trust the disk again, or to write into a
            // file that is another's now.
            let as_it_is = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            let _ = self.connection.set_db_config(as_it_is, true);
        } else {
            let _ = self.connection.execute_batch("PRAGMA optimize;");
        }
        let _ = self.connection.close();
    }

    fn begin(&mut self) -> Result<()> {
        self.moved.clear();
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(|error| self.explain(&error))
    }

    fn commit(&mut self) -> Result<()> {
        fail::fail_point!("store-before-commit", |_| std::process::abort());
        self.connection
            .execute_batch("COMMIT")
            .map_err(|error| self.explain(&error))?;
        fail::fail_point!("store-after-commit", |_| std::process::abort());
        Ok(())
    }

    /// What was remembered may never have been stored, so it is forgotten too.
    fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.runs.clear();
        self.models.clear();
        self.moved.clear();
    }

    fn write_tallies(&mut self) -> Result<()> {
        for ((run, model, tally), by) in std::mem::take(&mut self.moved) {
            if by != 0 {
                self.add_to_tally(run, model, tally, by)?;
            }
        }
        Ok(())
    }

    fn add_to_tally(&self, run: i64, model: i64, tally: Tally, by: i64) -> Result<()> {
        let known = self.execute(
            "UPDATE tallies SET jobs = jobs + ?4 WHERE run_id = ?1 AND model_id = ?2 AND state = ?3",
            params![run, model, tally.code(), by],
        )?;
        if known == 0 {
            self.execute(
                "INSERT INTO tallies (run_id, model_id, state, jobs) VALUES (?1, ?2, ?3, ?4)",
                params![run, model, tally.code(), by],
            )?;
        }
        Ok(())
    }
}

/// The id of the job on that line of that run.
pub(super) fn job_id(run_row: i64, line: u64) -> i64 {
    (run_row << LINE_BITS) | i64::try_from(line).unwrap_or(i64::MAX >> 24)
}

/// The line of a job.
pub(super) fn line_of(job_id: i64) -> u64 {
    u64::try_from(job_id & ((1 << LINE_BITS) - 1)).unwrap_or(0)
}

/// The first and the last id that a job of that run can have.
pub(super) fn ids_of(run_row: i64) -> (i64, i64) {
    (run_row << LINE_BITS, ((run_row + 1) << LINE_BITS) - 1)
}
