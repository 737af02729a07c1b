//! Whether a file still holds this store: its uuid stands where it stood.
//!
//! `cp OTHER STORE` writes another store into the same file, under all connections to it, so device and
//! inode stay as they were. What SQLite has of it in its caches is then written into a file that is not ours.

use std::cell::Cell;
use std::fs::File;
use std::path::Path;

use memchr::memmem;
use rusqlite::{Connection, OpenFlags};

use super::spool_format::StoreId;

/// The page of the file that has the store's uuid.
#[derive(Debug)]
pub(super) struct Imprint {
    store: StoreId,
    page: Cell<Page>,
    /// It was there once. (What was committed lately may stand in the log alone.)
    was_there: Cell<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    at: u64,
    size: usize,
}

impl Imprint {
    /// As it is in the store of that connection; none if it does not say.
    pub(super) fn of(connection: &Connection) -> Option<Self> {
        let (store, page) = read(connection).ok()?;
        Some(Self {
            store,
            page: Cell::new(page),
            was_there: Cell::new(false),
        })
    }

    /// The uuid stood in its place, and does not any more.
    pub(super) fn is_lost(&self, file: &File) -> bool {
        let there = self.page.get().bytes(file);
        let is_there = there.is_some_and(|bytes| memmem::find(&bytes, &self.store).is_some());
        let was_there = self.was_there.replace(self.was_there.get() || is_there);
        was_there && !is_there
    }

    /// A `VACUUM` has put it into another page: the file is still ours.
    pub(super) fn is_elsewhere(&self, path: &Path) -> bool {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let found = Connection::open_with_flags(path, flags).and_then(|fresh| read(&fresh));
        let Ok((store, page)) = found else {
            return false;
        };
        let moved = store == self.store && page != self.page.get();
        if moved {
            self.page.set(page);
            self.was_there.set(false);
        }
        moved
    }
}

impl Page {
    #[cfg(unix)]
    fn bytes(self, file: &File) -> Option<Vec<u8>> {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; self.size];
        file.read_exact_at(&mut bytes, self.at).ok()?;
        Some(bytes)
    }

    #[cfg(not(unix))]
    fn bytes(self, _: &File) -> Option<Vec<u8>> {
        None
    }
}

fn read(connection: &Connection) -> rusqlite::Result<(StoreId, Page)> {
    let store = connection.query_row("SELECT uuid FROM store", [], |row| row.get(0))?;
    let root = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = 'store'";
    let root: u32 = connection.query_row(root, [], |row| row.get(0))?;
    let size: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let page = Page {
        at: u64::from(root.saturating_sub(1)) * u64::from(size),
        size: size as usize,
    };
    Ok((store, page))
}
