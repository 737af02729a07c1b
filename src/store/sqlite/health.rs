//! Inspection: what `doctor` asks of a store, on a read-only connection.

use std::path::Path;

use rusqlite::Row;

use super::errors::explain;
use super::file_system::{folder_of, network_kind};
use super::reader::SqliteReader;
use super::rows;
use super::tx::ids_of;
use crate::model::RunId;
use crate::store::{AttemptRow, MinuteGroup, Place, Result, StoreHealth};

/// Complaints that are listed: the first ones tell, and a broken index brings thousands.
const MAX_COMPLAINTS: u32 = 5;

impl SqliteReader {
    /// Checks the whole file (`PRAGMA quick_check`). Reads every page of it, so a store of many
    /// gigabytes takes its time; nobody who writes is held up.
    pub fn health(&self) -> Result<StoreHealth> {
        let number = |pragma: &str| -> Result<i64> {
            self.connection
                .pragma_query_value(None, pragma, |row| row.get(0))
                .map_err(|error| explain(&self.path, &error))
        };
        let pages = number("page_count")?.saturating_mul(number("page_size")?);
        let sql = format!("PRAGMA quick_check({MAX_COMPLAINTS})");
        let read = |row: &Row<'_>| row.get::<_, String>(0);
        let mut complaints = self.query_all(&sql, [], read)?;
        complaints.retain(|line| line != "ok");
        Ok(StoreHealth {
            schema_version: number("user_version")?,
            bytes: u64::try_from(pages).unwrap_or_default(),
            complaints,
        })
    }

    /// The attempts of the run that ended last with an error, newest first, at most `limit`.
    pub fn last_failures(&self, run: RunId, limit: u32) -> Result<Vec<AttemptRow>> {
        let (first, last) = ids_of(self.run_row(run)?);
        let params = (first, last, limit);
        self.query_all(&rows::last_failures(), params, rows::read_attempt)
    }

    /// The ended attempts of the run by the minute of their end, in the order of time.
    pub fn attempts_by_minute(&self, run: RunId) -> Result<Vec<MinuteGroup>> {
        self.sum_by_minute(run)
    }
}

/// What the system says of the folder of a store, whether the store exists or not.
#[must_use]
pub fn place_of(store: &Path) -> Place {
    let folder = folder_of(store);
    Place {
        exists: folder.is_dir(),
        writable: writable(folder),
        free_bytes: free_bytes(folder),
        network: network_kind(store).map(str::to_owned),
    }
}

#[cfg(unix)]
fn writable(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn writable(_: &Path) -> bool {
    true
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let facts = rustix::fs::statvfs(folder).ok()?;
    Some(facts.f_bavail.saturating_mul(facts.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}
