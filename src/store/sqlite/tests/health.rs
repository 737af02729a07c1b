//! What an inspection tells of a store, its place, and its bad hours.

use std::io::{Seek, SeekFrom, Write};

use super::super::migrate::known_version;
use super::{Bench, at, failure, retry, success};
use crate::model::AttemptOutcome::{self, Errored, Succeeded};
use crate::model::ErrorClass;
use crate::store::sqlite::{SqliteReader, place_of};
use crate::store::{Finish, MinuteGroup, StoreError};

#[tokio::test]
async fn a_sound_store_has_no_complaints() {
    let bench = Bench::with_jobs(3).await;
    let health = bench.reader().health().unwrap();
    assert_eq!(health.complaints, Vec::<String>::new());
    assert_eq!(health.schema_version, known_version());
    assert!(health.bytes > 10_000, "{}", health.bytes);
}

#[tokio::test]
async fn a_damaged_page_is_complained_about() {
    let bench = Bench::with_jobs(500).await;
    bench.store.close().await;
    let pages = bench.reader().health().unwrap().bytes / 4096;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(&bench.path)
        .unwrap();
    for page in pages / 2..pages {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xAB; 4096]).unwrap();
    }
    drop(file);
    let inspected = SqliteReader::open(&bench.path).and_then(|reader| reader.health());
    let complained = match inspected {
        Ok(health) => !health.complaints.is_empty(),
        Err(error) => matches!(error, StoreError::Corrupt { .. }),
    };
    assert!(complained);
}

#[tokio::test]
async fn failures_are_told_newest_first_and_by_minute() {
    let bench = Bench::with_jobs(3).await;
    let jobs = bench.claim(3, at(0)).await.jobs;
    let ending = |finish: Finish, ms| {
        let mut finish = finish;
        finish.record.ended_at = at(ms);
        finish
    };
    bench.finish(ending(retry(&jobs[0], at(900)), 100)).await;
    bench.finish(ending(failure(&jobs[1]), 200)).await;
    bench.finish(ending(success(&jobs[2]), 300)).await;
    let again = bench.claim(1, at(60_000)).await.jobs;
    bench
        .finish(ending(retry(&again[0], at(99_000)), 61_000))
        .await;

    let reader = bench.reader();
    let told = |limit| -> Vec<(u64, u32)> {
        let rows = reader.last_failures(bench.run, limit).unwrap();
        rows.iter().map(|row| (row.line, row.attempt.n)).collect()
    };
    assert_eq!(told(50), [(1, 2), (2, 1), (1, 1)]);
    assert_eq!(told(1), [(1, 2)]);

    let group = |minute, outcome: AttemptOutcome, error_class| MinuteGroup {
        minute: at(minute),
        outcome,
        error_class,
        attempts: 1,
    };
    assert_eq!(
        reader.attempts_by_minute(bench.run).unwrap(),
        [
            group(0, Errored, Some(ErrorClass::InvalidRequest)),
            group(0, Errored, Some(ErrorClass::Overloaded)),
            group(0, Succeeded, None),
            group(60_000, Errored, Some(ErrorClass::Overloaded)),
        ]
    );
}

#[test]
fn a_folder_is_described_whether_the_store_exists_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let place = place_of(&folder.path().join("store.db"));
    assert!(place.exists);
    assert_eq!(place.network, None);
    #[cfg(unix)]
    assert!(place.writable && place.free_bytes > Some(0));
    assert!(!place_of(&folder.path().join("no/store.db")).exists);
}
