//! A disk that failed is the end of a connection: the system may have dropped what it could not write,
//! and let the next sync succeed all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

fn failed() -> StoreError {
    StoreError::DiskFailed {
        path: "store.db".into(),
        why: "disk I/O error".to_owned(),
    }
}

/// A call that fails like that; tells what the writer answered.
async fn fail_with(bench: &Bench, error: StoreError) -> StoreError {
    let call = move |_: &mut super::super::tx::Tx| Err::<(), _>(error.clone());
    bench.store.writer.call(call).await.unwrap_err()
}

/// A call that would work; tells what the writer answered, and how often the call was carried out.
async fn try_on(bench: &Bench) -> (crate::store::Result<()>, u32) {
    let times = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&times);
    let told = bench
        .store
        .writer
        .call(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .await;
    (told, times.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_writer_does_nothing_more_on_a_disk_that_failed() {
    let bench = Bench::with_jobs(3).await;
    let job = bench.claim(1, at(10)).await.jobs.remove(0);
    let told = fail_with(&bench, failed()).await;
    assert!(matches!(told, StoreError::DiskFailed { .. }), "{told:?}");
    for _ in 0..3 {
        let (told, times) = try_on(&bench).await;
        assert!(
            matches!(told, Err(StoreError::DiskFailed { .. })),
            "{told:?}"
        );
        assert_eq!(times, 0, "a call was carried out on a failed disk");
    }
    let finish = bench.store.finish(bench.run, vec![success(&job)]).await;
    assert!(matches!(finish, Err(StoreError::DiskFailed { .. })));

    // Whoever opens the store anew sees what is really there, and goes on.
    let anew = SqliteStore::open(&bench.path).unwrap();
    anew.finish(bench.run, vec![success(&job)]).await.unwrap();
}

#[tokio::test]
async fn a_log_is_not_folded_back_onto_a_disk_that_failed() {
    let bench = Bench::with_jobs(3).await;
    let log = bench.path.with_extension("db-wal");
    let length = || std::fs::metadata(&log).map(|log| log.len()).ok();
    let before = length();
    assert!(before.is_some_and(|length| length > 0), "{before:?}");
    fail_with(&bench, failed()).await;
    bench.store.close().await;
    assert_eq!(length(), before);
}

#[tokio::test]
async fn what_one_call_does_wrong_is_not_the_end() {
    let bench = Bench::with_jobs(3).await;
    let full = StoreError::DiskFull {
        path: "store.db".into(),
    };
    let wrong = StoreError::IllegalTransition("no".to_owned());
    for error in [full, wrong] {
        fail_with(&bench, error).await;
        let (told, times) = try_on(&bench).await;
        assert!(told.is_ok(), "{told:?}");
        assert_eq!(times, 1);
    }
}
