//! A copy of a store beside it, made before its schema changes: an older claude-run cannot read
//! the new one, and what goes wrong in a migration must cost nothing.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::companion::{beside, create_private};
use super::errors::explain;
use super::file_system::folder_of;
use crate::store::{Result, StoreError};

/// Copies the store, which has that schema version, to a new file beside it: `<name>.v1.backup`,
/// or with a number behind it if that is there. An existing file is never overwritten, and a copy
/// that was broken off never has such a name. Returns the file; none if the store holds no run.
pub(super) fn back_up(
    path: &Path,
    connection: &Connection,
    version: i64,
) -> Result<Option<PathBuf>> {
    let failed = |error| explain(path, &error);
    let holds_runs: bool = connection
        .query_row("SELECT EXISTS (SELECT 1 FROM runs)", [], |row| row.get(0))
        .map_err(failed)?;
    if !holds_runs {
        return Ok(None);
    }
    let part = beside(path, &format!(".v{version}.backup.part"));
    remove_if_there(&part)?;
    create_private(&part)?;
    connection
        .execute("VACUUM INTO ?1", [part.to_string_lossy()])
        .map_err(failed)?;
    fail::fail_point!("backup-before-rename", |_| std::process::abort());
    let target = free_name(path, version);
    keep(&part, &target).map_err(|error| cannot_keep(&target, &error))?;
    Ok(Some(target))
}

/// What a crash left of an earlier try.
fn remove_if_there(part: &Path) -> Result<()> {
    match std::fs::remove_file(part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(cannot_keep(part, &error))
        }
        _ => Ok(()),
    }
}

fn free_name(path: &Path, version: i64) -> PathBuf {
    let first = beside(path, &format!(".v{version}.backup"));
    let others = (2_u32..).map(|n| beside(path, &format!(".v{version}.backup-{n}")));
    let mut names = std::iter::once(first.clone()).chain(others);
    names.find(|name| !name.exists()).unwrap_or(first)
}

/// SQLite does not sync what `VACUUM INTO` writes (<https://sqlite.org/lang_vacuum.html>).
fn keep(part: &Path, target: &Path) -> std::io::Result<()> {
    File::options().write(true).open(part)?.sync_all()?;
    std::fs::rename(part, target)?;
    // Where folders cannot be synced, renaming is as durable as the system makes it.
    if let Ok(folder) = File::open(folder_of(target)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn cannot_keep(file: &Path, error: &std::io::Error) -> StoreError {
    StoreError::ReadOnly {
        path: file.to_path_buf(),
        why: error.to_string(),
    }
}
