//! Keeping the write-ahead log short while others read.
//!
//! SQLite folds the log back into the file by itself, but begins it anew only at a moment when no
//! reader needs it. Readers that follow one another without a gap (`verify` and `export` are many short
//! queries) leave no such moment, and the log grows as long as they go on. So the writer makes one: it
//! commits nothing for an instant, in which the queries under way end and new ones see the newest
//! state (<https://sqlite.org/c3ref/wal_checkpoint_v2.html>, `SQLITE_CHECKPOINT_TRUNCATE`).
//!
//! It does not wait long for a reader that stays, since answers wait meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::companion::beside;
use super::errors::BUSY_TIMEOUT_SECONDS;

/// A log of this size has been kept from beginning anew: by itself it stays at about 8 MB.
const FOLD_AT: u64 = 24 << 20;
/// After a reader has stayed, the next try waits until the log has grown by so much.
const AGAIN_AFTER: u64 = 8 << 20;
/// How long a reader is waited for: longer than most queries of ours last, much shorter than an answer
/// takes.
const PATIENCE: Duration = Duration::from_secs(1);
/// From this size on an end of the growth is worth more: a report of a million jobs takes seconds.
const LARGE: u64 = 40 << 20;
const PATIENCE_WHEN_LARGE: Duration = Duration::from_secs(10);

/// The log of one store.
pub(super) struct WriteAheadLog {
    path: PathBuf,
    fold_at: u64,
}

impl WriteAheadLog {
    pub(super) fn of(store: &Path) -> Self {
        Self {
            path: beside(store, "-wal"),
            fold_at: FOLD_AT,
        }
    }

    /// Empties the log if it has grown. A reader that stays is no error.
    pub(super) fn fold_if_grown(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let size = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if size < self.fold_at {
            return Ok(());
        }
        connection.busy_timeout(if size < LARGE {
            PATIENCE
        } else {
            PATIENCE_WHEN_LARGE
        })?;
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        connection.busy_timeout(Duration::from_secs(BUSY_TIMEOUT_SECONDS))?;
        let busy: bool = busy?;
        self.fold_at = if busy { size + AGAIN_AFTER } else { FOLD_AT };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")
            .unwrap();
        connection
    }

    fn write(connection: &Connection, bytes: u64) {
        connection
            .execute("INSERT INTO texts VALUES (zeroblob(?1))", [bytes])
            .unwrap();
    }

    #[test]
    fn a_log_that_readers_made_grow_is_emptied_as_soon_as_none_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let (writer, reader) = (open(&path), open(&path));
        writer.execute_batch("CREATE TABLE texts (text)").unwrap();
        let mut log = WriteAheadLog::of(&path);
        let size = || std::fs::metadata(beside(&path, "-wal")).unwrap().len();
        reader.execute_batch("BEGIN").unwrap();
        let count = "SELECT count(*) FROM texts";
        let seen = |connection: &Connection| -> u64 {
            connection.query_row(count, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(seen(&reader), 0);
        write(&writer, FOLD_AT);
        log.fold_if_grown(&writer).unwrap();
        assert!(size() >= FOLD_AT, "a reader stays, and keeps what it sees");
        assert_eq!((seen(&reader), seen(&writer)), (0, 1));
        assert!(log.fold_at > size(), "and is not waited for at each commit");
        write(&writer, AGAIN_AFTER);
        reader.execute_batch("COMMIT").unwrap();
        log.fold_if_grown(&writer).unwrap();
        assert_eq!((size(), log.fold_at), (0, FOLD_AT));
        assert_eq!((seen(&reader), seen(&writer)), (2, 2));
        let patience: u64 = writer
            .pragma_query_value(None, "busy_timeout", |row| row.get(0))
            .unwrap();
        assert_eq!(patience, BUSY_TIMEOUT_SECONDS * 1_000);
    }
}
