//! New stores in a hurry: the schema is made once, and its file is copied. To make it waits for the
//! disk several times, which thousands of small tests would all wait for.

use std::path::Path;
use std::sync::OnceLock;

use claude_run::store::sqlite::SqliteStore;

/// Makes an empty store there, which is not synced to the disk.
pub fn new_store(path: &Path) -> SqliteStore {
    static EMPTY: OnceLock<Vec<u8>> = OnceLock::new();
    let empty = EMPTY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.db");
        // It is closed again at once, so nothing is left beside the file.
        SqliteStore::upgrade(&path).unwrap();
        std::fs::read(&path).unwrap()
    });
    std::fs::write(path, empty).unwrap();
    SqliteStore::open_inline(path).unwrap()
}
