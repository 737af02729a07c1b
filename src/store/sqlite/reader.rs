//! Reading in short pages, on a read-only connection of its own.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::batches::{BATCHES, read_batch};
use super::errors::explain;
use super::estimates;
use super::identity::StoreFile;
use super::open::{Opened, open_reader};
use super::rows;
use super::tx::{ids_of, job_id};
use crate::model::{JobId, Run, RunId};
use crate::store::{
    AttemptGroup, AttemptRow, BatchRow, DayGroup, EstimateSums, HourOfDay, Only, OpenRequest,
    Reader, Result, ResultRow, StatusChange, StoreError, Waiting,
};

/// Attempts and results of one page: small enough to hold, large enough to be quick.
const PAGE_JOBS: u32 = 200;

/// Reads a store that another process, or this one, may be writing to.
#[derive(Debug)]
pub struct SqliteReader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// Behind the connection, which is closed first.
    pub(super) file: StoreFile,
}

impl SqliteReader {
    /// Opens an existing store for reading.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if there is none; see the other kinds for what may be wrong with it.
    pub fn open(path: &Path) -> Result<Self> {
        let Opened { connection, file } = open_reader(path)?;
        connection.set_prepared_statement_cache_capacity(16);
        Ok(Self {
            connection,
            path: path.to_path_buf(),
            file,
        })
    }

    pub(super) fn query_all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(params, read)?.collect())
            .map_err(|error| explain(&self.path, &error))
    }

    pub(super) fn run_row(&self, run: RunId) -> Result<i64> {
        let row = self
            .connection
            .query_row(
                "SELECT id FROM runs WHERE uuid = ?1",
                [run.as_bytes()],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| explain(&self.path, &error))?;
        row.ok_or_else(|| StoreError::IllegalTransition(format!("there is no run {run}")))
    }

    fn runs_where(&self, condition: &str, params: impl Params) -> Result<Vec<Run>> {
        let sql = format!(
            "{} WHERE state <> 'loading' AND {condition} ORDER BY id",
            rows::RUNS
        );
        let mut runs = self.query_all(&sql, params, rows::read_run)?;
        for (row, run) in &mut runs {
            let tallies = "SELECT state, sum(jobs) FROM tallies WHERE run_id = ?1 GROUP BY state";
            for (state, jobs) in self.query_all(tallies, [*row], rows::read_tally)? {
                run.jobs.add(state, jobs);
            }
        }
        Ok(runs.into_iter().map(|(_, run)| run).collect())
    }
}

/// A page of the ledger of a run, after the job with the id `?1`.
fn attempts_of_run() -> String {
    let page = format!("id > ?1 AND id <= ?2 AND attempts > 0 ORDER BY id LIMIT {PAGE_JOBS}");
    rows::attempts_of_page(&page)
}

/// The attempts of one job, unless it stands before `?3`. By the index of ids, so that no other job is
/// looked at.
pub(super) fn attempts_of_job() -> String {
    rows::attempts_of_page("run_id = ?1 AND custom_id = ?2 AND id > ?3 AND attempts > 0")
}

impl Reader for SqliteReader {
    async fn runs(&self) -> Result<Vec<Run>> {
        self.runs_where("TRUE", [])
    }

    async fn unfinished_run(&self, fingerprint: &[u8; 32]) -> Result<Option<Run>> {
        let mut runs = self.runs_where("fingerprint = ?1 AND state <> 'ended'", [fingerprint])?;
        Ok(runs.pop())
    }

    async fn attempts(
        &self,
        run: RunId,
        custom_id: Option<&str>,
        after_line: u64,
    ) -> Result<Vec<AttemptRow>> {
        let row = self.run_row(run)?;
        let after = job_id(row, after_line);
        match custom_id {
            Some(id) => self.query_all(
                &attempts_of_job(),
                params![row, id, after],
                rows::read_attempt,
            ),
            None => self.query_all(
                &attempts_of_run(),
                [after, ids_of(row).1],
                rows::read_attempt,
            ),
        }
    }

    async fn results(&self, run: RunId, only: Only, after_line: u64) -> Result<Vec<ResultRow>> {
        let row = self.run_row(run)?;
        let (from, to) = (job_id(row, after_line), ids_of(row).1);
        let states = match only {
            Only::Succeeded => "4",
            Only::Failed => "5, 6",
            Only::All => "4, 5, 6",
        };
        let page =
            format!("id > ?1 AND id <= ?2 AND state IN ({states}) ORDER BY id LIMIT {PAGE_JOBS}");
        self.query_all(
            &rows::results_of_page(&page),
            params![from, to],
            rows::read_result,
        )
    }

    async fn open_requests(&self, run: RunId, after: JobId) -> Result<Vec<OpenRequest>> {
        self.requests_after(run, after)
    }

    async fn hours_of_day(&self, run: RunId) -> Result<Vec<HourOfDay>> {
        self.sum_by_hour_of_day(run)
    }

    async fn estimates(&self, run: RunId) -> Result<Vec<EstimateSums>> {
        let row = self.run_row(run)?;
        self.query_all(estimates::OF_RUN, [row], estimates::read)
    }

    async fn status_changes(&self, run: RunId) -> Result<Vec<StatusChange>> {
        let row = self.run_row(run)?;
        self.query_all(rows::STATUS_CHANGES, [row], rows::read_status_change)
    }

    async fn waiting(&self, run: RunId, now: Timestamp) -> Result<Option<Waiting>> {
        self.waiting_of(run, now.as_millisecond())
    }

    async fn attempt_groups(&self, run: RunId) -> Result<Vec<AttemptGroup>> {
        self.sum_attempts(run)
    }

    async fn day_groups(&self, run: RunId) -> Result<Vec<DayGroup>> {
        self.sum_by_day(run)
    }

    async fn batches(&self, run: RunId) -> Result<Vec<BatchRow>> {
        let row = self.run_row(run)?;
        let sql = format!("{BATCHES} WHERE run_id = ?1 ORDER BY batches.id");
        self.query_all(&sql, [row], read_batch)
    }
}
