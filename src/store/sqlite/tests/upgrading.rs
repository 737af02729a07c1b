//! Stores of older versions: what is kept of them, and that they go on.

use std::path::{Path, PathBuf};

use super::*;
use crate::model::{BatchState, HaltReason};
use crate::store::BatchStore;
use crate::store::sqlite::DispatchLock;
use crate::store::sqlite::migrate::known_version;

/// A copy of the stored database of version 1: the run `first` has ended, `third` waits, and
/// `second` was killed with 10 of its 20 jobs in flight.
fn old_store() -> (tempfile::TempDir, PathBuf) {
    stored("v1.db")
}

/// A copy of a stored database.
fn stored(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores");
    std::fs::copy(stored.join(name), &path).unwrap();
    (folder, path)
}

fn version_of(path: &Path) -> i64 {
    let file = rusqlite::Connection::open(path).unwrap();
    file.pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

fn backups(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("backup"))
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_store_of_version_1_goes_on_where_it_was() {
    let (_folder, path) = old_store();
    let store = SqliteStore::open(&path).unwrap();
    let runs = SqliteReader::open(&path).unwrap().runs().await.unwrap();
    let names: Vec<_> = runs.iter().filter_map(|run| run.name.as_deref()).collect();
    assert_eq!(names, ["first", "third", "second"]);
    assert_eq!((runs[0].jobs.succeeded, runs[0].jobs.failed), (11, 1));
    let run = runs[2].id;
    let recovered = store.start_run(run, at(0), 20).await.unwrap();
    assert_eq!(recovered.interrupted, 10);
    let claim = Claim {
        run,
        model: MODEL.to_owned(),
        max_jobs: 99,
        max_bytes: u64::MAX,
        new_first: false,
        now: at(0),
    };
    let claimed = store.claim(claim).await.unwrap();
    assert_eq!(claimed.jobs.len(), 20);
    let finishes = claimed.jobs.iter().map(success).collect();
    store.finish(run, finishes).await.unwrap();
    store.leave_run(run, at(1), None).await.unwrap();
    let run = SqliteReader::open(&path)
        .unwrap()
        .runs()
        .await
        .unwrap()
        .remove(2);
    assert_eq!((run.state, run.jobs.succeeded), (RunState::Ended, 20));
    let results = SqliteReader::open(&path)
        .unwrap()
        .results(run.id, Only::All, 0)
        .await;
    assert!(results.unwrap().iter().all(|row| row.lane == Lane::Live));
}

/// Version 6: `mixed` has ended (9 of 12 succeeded, one with another model), the 30 jobs of `batches`
/// are in an open remote batch, and `killed` has 10 of its 20 jobs in flight.
#[tokio::test]
async fn a_store_of_version_6_goes_on_where_it_was() {
    let (_folder, path) = stored("v6.db");
    let store = SqliteStore::open(&path).unwrap();
    let reader = SqliteReader::open(&path).unwrap();
    let runs = reader.runs().await.unwrap();
    let counts: Vec<_> = runs
        .iter()
        .map(|run| (run.name.as_deref().unwrap(), run.jobs.succeeded))
        .collect();
    assert_eq!(counts, [("mixed", 9), ("batches", 0), ("killed", 4)]);
    let batches = BatchStore::batches(&store, runs[1].id).await.unwrap();
    assert_eq!(batches[0].state, BatchState::Open);
    assert_eq!(batches[0].open_requests, 30);
    let recovered = store.start_run(runs[2].id, at(0), 20).await.unwrap();
    assert_eq!(recovered.interrupted, 10);
}

/// Version 7: `mixed` has ended (12 of 13 succeeded, one cut and one without usage), all 9 results of
/// `fetched` came from batches, the 30 jobs of `batches` are in an open one, and `killed` has 13 of its
/// 20 jobs in flight.
#[tokio::test]
async fn a_store_of_version_7_goes_on_where_it_was() {
    let (_folder, path) = stored("v7.db");
    let store = SqliteStore::open(&path).unwrap();
    let reader = SqliteReader::open(&path).unwrap();
    let runs = reader.runs().await.unwrap();
    let counts: Vec<_> = runs
        .iter()
        .map(|run| (run.name.as_deref().unwrap(), run.jobs.succeeded))
        .collect();
    let expected = [("mixed", 12), ("fetched", 9), ("batches", 0), ("killed", 4)];
    assert_eq!(counts, expected);
    for (run, results) in [(&runs[0], 13), (&runs[1], 9)] {
        let rows = reader.results(run.id, Only::All, 0).await.unwrap();
        assert_eq!(rows.len(), results);
        assert!(
            rows.iter()
                .all(|row| row.damaged.is_none() && row.metadata.is_some())
        );
    }
    let batches = BatchStore::batches(&store, runs[1].id).await.unwrap();
    let states: Vec<_> = batches.iter().map(|row| row.state).collect();
    assert_eq!(states, [BatchState::Harvested, BatchState::Harvested]);
    let batches = BatchStore::batches(&store, runs[2].id).await.unwrap();
    assert_eq!(
        (batches[0].state, batches[0].open_requests),
        (BatchState::Open, 30)
    );
    let recovered = store.start_run(runs[3].id, at(0), 20).await.unwrap();
    assert_eq!(recovered.interrupted, 13);
}

/// Version 8: `mixed` has ended (9 of 12 succeeded), the 30 jobs of `batches` are in an open remote
/// batch, and `killed` has 12 of its 20 jobs in flight: nothing tells which of them were sent.
#[tokio::test]
async fn a_store_of_version_8_goes_on_where_it_was() {
    let (_folder, path) = stored("v8.db");
    let store = SqliteStore::open(&path).unwrap();
    let reader = SqliteReader::open(&path).unwrap();
    let runs = reader.runs().await.unwrap();
    let counts: Vec<_> = runs
        .iter()
        .map(|run| (run.name.as_deref().unwrap(), run.jobs.succeeded))
        .collect();
    assert_eq!(counts, [("mixed", 9), ("batches", 0), ("killed", 4)]);
    let rows = reader.attempts(runs[0].id, None, 0).await.unwrap();
    assert_eq!(rows.len(), 14);
    let batches = BatchStore::batches(&store, runs[1].id).await.unwrap();
    assert_eq!(
        (batches[0].state, batches[0].open_requests),
        (BatchState::Open, 30)
    );
    let recovered = store.start_run(runs[2].id, at(0), 20).await.unwrap();
    assert_eq!((recovered.interrupted, recovered.unsent), (12, 0));
}

/// Each landed version has a file here; whoever adds a migration adds the version before it.
#[tokio::test]
async fn every_stored_version_is_brought_up_to_date_and_contradicts_itself_nowhere() {
    for version in [1, 6, 7, 8] {
        let (_folder, path) = stored(&format!("v{version}.db"));
        assert_eq!(version_of(&path), version);
        drop(SqliteStore::open(&path).unwrap());
        assert_eq!(version_of(&path), known_version());
        let reader = SqliteReader::open(&path).unwrap();
        let runs = reader.runs().await.unwrap();
        let runs: Vec<_> = runs.iter().map(|run| run.id).collect();
        let verified = reader.verify(&runs).unwrap();
        assert!(verified.holds(), "v{version}: {verified:#?}");
    }
}

#[test]
fn an_old_store_is_copied_before_it_changes() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = old_store();
    SqliteStore::upgrade(&path).unwrap();
    assert_eq!(version_of(&path), known_version());
    assert_eq!(backups(folder.path()), ["store.db.v1.backup"]);
    let backup = folder.path().join("store.db.v1.backup");
    assert_eq!(version_of(&backup), 1);
    let mode = std::fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    SqliteStore::upgrade(&backup).unwrap();
    assert_eq!(
        version_of(&backup),
        known_version(),
        "the copy is a store like any"
    );
}

#[test]
fn an_existing_backup_is_never_overwritten_but_a_broken_off_one_is() {
    let (folder, path) = old_store();
    let (kept, broken_off) = ("store.db.v1.backup", "store.db.v1.backup.part");
    std::fs::write(folder.path().join(kept), "precious").unwrap();
    std::fs::write(folder.path().join(broken_off), "half").unwrap();
    SqliteStore::upgrade(&path).unwrap();
    assert_eq!(backups(folder.path()), [kept, "store.db.v1.backup-2"]);
    assert_eq!(
        std::fs::read(folder.path().join(kept)).unwrap(),
        b"precious"
    );
    assert_eq!(version_of(&folder.path().join("store.db.v1.backup-2")), 1);
}

#[test]
fn a_current_or_new_store_gets_no_backup() {
    let (folder, path) = old_store();
    SqliteStore::upgrade(&path).unwrap();
    SqliteStore::upgrade(&path).unwrap();
    SqliteStore::upgrade(&folder.path().join("new.db")).unwrap();
    assert_eq!(backups(folder.path()), ["store.db.v1.backup"]);
}

#[test]
fn an_old_store_stays_as_it_is_while_somebody_is_at_work_on_it() {
    let (folder, path) = old_store();
    let lock = DispatchLock::acquire(&path).unwrap();
    let refused = SqliteStore::upgrade(&path).unwrap_err();
    assert!(
        matches!(refused, StoreError::TooOldInUse { .. }),
        "{refused}"
    );
    assert_eq!((version_of(&path), backups(folder.path()).len()), (1, 0));
    drop(lock);
    SqliteStore::upgrade(&path).unwrap();
}

#[test]
fn a_reader_leaves_an_old_store_alone() {
    let (_folder, path) = old_store();
    let refused = SqliteReader::open(&path).unwrap_err();
    assert!(
        matches!(refused, StoreError::TooOld { found: 1, .. }),
        "{refused}"
    );
    assert_eq!(version_of(&path), 1);
}

/// Before version 8 the reason of a halt was told by how its message began.
#[tokio::test]
async fn the_reason_of_a_halt_is_read_from_the_words_of_older_versions() {
    for (class, message, reason) in [
        (
            ErrorClass::SpendLimit,
            "this run's own budget of $1.00 is used up: $1.00 is spent",
            HaltReason::OwnBudget,
        ),
        (
            ErrorClass::SpendLimit,
            "You have reached your specified API usage limits",
            HaltReason::Failure,
        ),
        (
            ErrorClass::Permission,
            "no batch can be created at this endpoint: it answered 404",
            HaltReason::NoBatches,
        ),
    ] {
        let (_folder, path) = stored("v7.db");
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute(
            "UPDATE runs SET state = 'halted', halt_class = ?1, halt_message = ?2, halt_at_ms = 7
             WHERE name = 'killed'",
            [class.as_str(), message],
        )
        .unwrap();
        drop(file);
        drop(SqliteStore::open(&path).unwrap());
        let runs = SqliteReader::open(&path).unwrap().runs().await.unwrap();
        let told: Vec<_> = runs.into_iter().map(|run| run.halt).collect();
        let at = Timestamp::from_millisecond(7).unwrap();
        let halt = Halt {
            reason,
            ..Halt::new(class, message, at)
        };
        assert_eq!(told, [None, None, None, Some(halt)]);
    }
}
