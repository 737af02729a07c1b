//! What a file must be to be opened, and how it is set up.

use std::path::Path;

use crate::store::StoreError;
use crate::store::sqlite::{SqliteReader, SqliteStore, open};

fn open_error(path: &Path) -> StoreError {
    SqliteStore::open(path).unwrap_err()
}

#[test]
fn files_that_are_no_store_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "just some notes, longer than a header of a hundred bytes".repeat(9),
    )
    .unwrap();
    assert!(matches!(open_error(&text), StoreError::NotAStore { .. }));
    let foreign = folder.path().join("foreign.db");
    let other = rusqlite::Connection::open(&foreign).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    let refused = open_error(&foreign);
    assert!(refused.to_string().contains("another program"), "{refused}");
    assert!(matches!(
        open_error(&folder.path().join("no/such/folder.db")),
        StoreError::CannotOpen { .. }
    ));
    let missing = SqliteReader::open(&folder.path().join("missing.db")).unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }));
}

/// Once an opener took a store that another was just making for another program's, or for an old one.
#[test]
fn whoever_opens_a_new_file_at_once_gets_the_same_store() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        std::thread::scope(|scope| {
            let openers: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| open::open_writer(&path).map(drop)))
                .collect();
            for opener in openers {
                opener.join().unwrap().unwrap();
            }
        });
    }
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(open::open_writer(&path).unwrap());
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 999).unwrap();
    assert!(matches!(
        open_error(&path),
        StoreError::TooNew { found: 999, .. }
    ));
    assert!(matches!(
        SqliteReader::open(&path).unwrap_err(),
        StoreError::TooNew { .. }
    ));
}

#[test]
fn commits_wait_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open::open_writer(&folder.path().join("store.db")).unwrap();
    let connection = &opened.connection;
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| {
                row.get::<_, String>(0)
                    .or_else(|_| row.get::<_, i64>(0).map(|value| value.to_string()))
            })
            .unwrap()
    };
    assert_eq!(
        (
            pragma("journal_mode").as_str(),
            pragma("synchronous").as_str()
        ),
        ("wal", "2")
    );
    assert_eq!(pragma("foreign_keys"), "1");
}

#[test]
fn the_store_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(open::open_writer(&path).unwrap());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
