//! Ids that have been seen, where nothing is stored.

use std::io;

use rusqlite::{Connection, OptionalExtension, params};

/// A database without a name is SQLite's own temporary file: it is there for this connection alone, is made
/// when the cache does not hold it any more, and is gone with the process, however that ends. Nothing of
/// it must outlive anything, so no journal is kept and nothing is synced.
const SET_UP: &str = "
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -8192;
    CREATE TABLE seen (custom_id TEXT PRIMARY KEY, line INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    BEGIN;";

/// The `custom_id`s of one input, each with its line: the ids themselves, so that what it says is so, and
/// on the disk, so that ten million of them take the memory of some thousands.
#[derive(Debug)]
pub struct SeenIds {
    connection: Connection,
}

impl SeenIds {
    /// One that has seen nothing.
    ///
    /// # Errors
    ///
    /// When SQLite has no memory left.
    pub fn new() -> io::Result<Self> {
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open("")?;
            connection.execute_batch(SET_UP)?;
            Ok(connection)
        };
        let connection = open().map_err(io::Error::other)?;
        Ok(Self { connection })
    }

    /// Notes the id of a line; gives the line that had it first, if there is one.
    ///
    /// # Errors
    ///
    /// When the folder for temporary files has no room, or cannot be written.
    pub fn see(&mut self, custom_id: &str, line: u64) -> io::Result<Option<u64>> {
        let see = || -> rusqlite::Result<Option<u64>> {
            let mut insert = self
                .connection
                .prepare_cached("INSERT INTO seen VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
            if insert.execute(params![custom_id, line])? > 0 {
                return Ok(None);
            }
            let mut first = self
                .connection
                .prepare_cached("SELECT line FROM seen WHERE custom_id = ?1")?;
            first.query_row([custom_id], |row| row.get(0)).optional()
        };
        see().map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::SeenIds;

    #[test]
    fn the_first_line_of_an_id_is_remembered() {
        let mut seen = SeenIds::new().unwrap();
        for (id, line, first) in [
            ("a", 1, None),
            ("b", 2, None),
            ("a", 3, Some(1)),
            ("a", 4, Some(1)),
            // Ids are told apart by every byte.
            ("A", 5, None),
            ("a ", 6, None),
            ("", 7, None),
        ] {
            assert_eq!(seen.see(id, line).unwrap(), first, "{id:?} in line {line}");
        }
    }

    /// More than the cache holds: the rest is on the disk, and each is found.
    #[test]
    fn far_more_ids_than_fit_into_its_memory_are_remembered_exactly() {
        let mut seen = SeenIds::new().unwrap();
        // Not in order, so that what comes late falls between what came early.
        let id = |line: u64| {
            format!(
                "{:08}-{}",
                line * 7_919 % 100_003,
                "an id of some length ".repeat(6)
            )
        };
        for line in 1..=100_000 {
            assert_eq!(seen.see(&id(line), line).unwrap(), None, "{line}");
        }
        let pages: u64 = seen
            .connection
            .query_row(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert!(pages > 8 << 20, "{pages} bytes are no more than the cache");
        for line in (1..=100_000).step_by(997) {
            assert_eq!(seen.see(&id(line), 100_001).unwrap(), Some(line));
        }
    }
}
