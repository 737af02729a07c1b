//! The schema: append-only SQL files over `user_version`.

use std::ops::Range;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::errors::explain;
use crate::store::{Result, StoreError};

/// Marks a SQLite file as ours (`ClRn`).
pub(super) const APPLICATION_ID: i64 = 0x436C_526E;

/// Step `i` brings a store from version `i` to `i + 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../schemas/sqlite/0001_initial.sql"),
    include_str!("../../../schemas/sqlite/0002_amendments.sql"),
    include_str!("../../../schemas/sqlite/0003_status_page.sql"),
    include_str!("../../../schemas/sqlite/0004_batches.sql"),
    include_str!("../../../schemas/sqlite/0005_estimates.sql"),
    include_str!("../../../schemas/sqlite/0006_second_endpoint.sql"),
    include_str!("../../../schemas/sqlite/0007_trust.sql"),
    include_str!("../../../schemas/sqlite/0008_halt_reason.sql"),
    include_str!("../../../schemas/sqlite/0009_ledger.sql"),
];

/// The version that this program reads and writes.
pub(super) fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Refuses a database that is not ours or is newer than we are; tells the version it has (0: empty).
pub(super) fn check_version(path: &Path, connection: &Connection) -> Result<i64> {
    // One look: between two another process may make a store of an empty file.
    let look = connection.unchecked_transaction();
    let look = look.map_err(|error| explain(path, &error))?;
    let pragma = |name: &str| -> Result<i64> {
        look.pragma_query_value(None, name, |row| row.get(0))
            .map_err(|error| explain(path, &error))
    };
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if application == 0 && version == 0 && is_empty(path, &look)? {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(StoreError::NotAStore {
            path: path.to_path_buf(),
            why: "it is a SQLite database of another program".to_owned(),
        });
    }
    if version > known_version() {
        return Err(StoreError::TooNew {
            path: path.to_path_buf(),
            found: version,
            known: known_version(),
        });
    }
    Ok(version)
}

/// Makes a store of an empty file, whole or not at all.
pub(super) fn create(path: &Path, connection: &mut Connection) -> Result<()> {
    step(connection, |version| {
        let all = 0..MIGRATIONS.len();
        if version == 0 { all } else { 0..0 }
    })
    .map_err(|error| explain(path, &error))
}

/// Brings the store to the version we know, each step in a transaction of its own.
pub(super) fn migrate(path: &Path, connection: &mut Connection) -> Result<()> {
    for index in 0..MIGRATIONS.len() {
        step(connection, |version| {
            let this = index..index + 1;
            if version == index { this } else { 0..0 }
        })
        .map_err(|error| explain(path, &error))?;
    }
    Ok(())
}

/// One transaction. The version is read again under the write lock, since another process may have
/// migrated meanwhile.
fn step(
    connection: &mut Connection,
    wanted: impl Fn(usize) -> Range<usize>,
) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for index in wanted(version) {
        tx.execute_batch(MIGRATIONS[index])?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", index + 1)?;
    }
    fail::fail_point!("migrate-before-commit", |_| std::process::abort());
    tx.commit()?;
    fail::fail_point!("migrate-after-commit", |_| std::process::abort());
    Ok(())
}

fn is_empty(path: &Path, connection: &Connection) -> Result<bool> {
    connection
        .query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
            row.get(0)
        })
        .map_err(|error| explain(path, &error))
}
