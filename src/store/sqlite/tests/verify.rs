//! The invariants of a store: they hold while it is at work, and each damage is found.

use rusqlite::Connection;

use super::{Bench, at, failure, retry, success};
use crate::store::sqlite::DispatchLock;
use crate::store::{Check, Store};

/// A run of six jobs: two succeeded, one after a retry; one in flight; one failed; two that wait.
async fn bench() -> Bench {
    let bench = Bench::with_jobs(6).await;
    let claimed = bench.claim(4, at(10)).await.jobs;
    bench.finish(success(&claimed[0])).await;
    bench.finish(retry(&claimed[1], at(900))).await;
    bench.finish(failure(&claimed[3])).await;
    let again = bench.claim(1, at(900)).await.jobs;
    bench.finish(success(&again[0])).await;
    bench
}

impl Bench {
    /// Changes the file as no verb would; says how many rows.
    fn damage(&self, sql: &str) -> usize {
        let connection = Connection::open(&self.path).unwrap();
        let keys = connection.pragma_update(None, "foreign_keys", false);
        keys.unwrap();
        connection.execute(sql, []).unwrap()
    }
}

fn names(checks: &[Check]) -> Vec<&'static str> {
    let broken = checks.iter().filter(|check| !check.holds());
    broken.map(|check| check.name).collect()
}

#[tokio::test]
async fn a_store_at_work_keeps_every_invariant() {
    let bench = bench().await;
    let told = bench.reader().verify(&[bench.run]).unwrap();
    assert!(told.holds(), "{told:#?}");
    bench
        .store
        .start_run(bench.run, at(1_000), 20)
        .await
        .unwrap();
    let told = bench.reader().verify(&[bench.run]).unwrap();
    assert!(told.holds(), "{told:#?}");
}

#[tokio::test]
async fn counts_are_held_against_the_jobs_of_all_slices_together() {
    let bench = Bench::with_jobs(450).await;
    for job in &bench.claim(250, at(10)).await.jobs {
        bench.finish(success(job)).await;
    }
    let told = bench.reader().verify(&[bench.run]).unwrap();
    assert!(told.holds(), "{told:#?}");
    assert_eq!(
        bench.damage("UPDATE tallies SET jobs = 249 WHERE state = 4"),
        1
    );
    let told = bench.reader().verify(&[bench.run]).unwrap();
    let broken = told.runs[0].1.iter().find(|check| !check.holds()).unwrap();
    assert_eq!((broken.name, broken.violations), ("tallies", 1));
    assert_eq!(
        broken.examples,
        ["model 1, state 4: 249 counted, 250 found"]
    );
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_no_damage() {
    let bench = Bench::with_jobs(1).await;
    let hour = 3_600_000;
    let first = bench.claim(1, at(hour)).await.jobs;
    bench.finish(retry(&first[0], at(hour + 900))).await;
    bench.store.start_run(bench.run, at(0), 20).await.unwrap();
    let again = bench.claim(1, at(hour / 2)).await.jobs;
    bench.finish(success(&again[0])).await;
    let told = bench.reader().verify(&[bench.run]).unwrap();
    assert!(told.holds(), "{told:#?}");
}

/// What damages the bench, and the checks that no longer hold then.
const DAMAGES: &[(&str, &[&str])] = &[
    ("DELETE FROM bodies WHERE job_id & 7 = 5", &["bodies"]),
    ("DELETE FROM results WHERE job_id & 7 = 1", &["results"]),
    (
        "UPDATE attempts SET output_tokens = output_tokens + 1 WHERE job_id & 7 = 1",
        &["sums"],
    ),
    (
        "UPDATE attempts SET request_id = 'req_other' WHERE job_id & 7 = 4",
        &["sums"],
    ),
    (
        "INSERT INTO results (job_id, n, message_blob) SELECT id, 1, x'0000000000' FROM jobs WHERE id & 7 = 6",
        &["results", "result_attempts"],
    ),
    (
        "UPDATE results SET message_blob = NULL WHERE job_id & 7 = 1",
        &["messages"],
    ),
    (
        "UPDATE results SET n = 9 WHERE job_id & 7 = 1",
        &["result_attempts"],
    ),
    (
        "DELETE FROM attempts WHERE job_id & 7 = 2 AND n = 1",
        &["attempts", "money"],
    ),
    (
        "UPDATE attempts SET ended_at_ms = 9e15, outcome = 'errored' WHERE ended_at_ms IS NULL AND job_id & 7 = 3",
        &["open_attempts"],
    ),
    (
        "UPDATE attempts SET next_try_at_ms = started_at_ms + 9000 WHERE job_id & 7 = 2 AND n = 1",
        &["schedule"],
    ),
    (
        "UPDATE attempts SET ended_at_ms = started_at_ms - 1 WHERE job_id & 7 = 1",
        &["durations"],
    ),
    ("UPDATE runs SET cost_pico = cost_pico + 1", &["money"]),
    (
        "UPDATE tallies SET jobs = jobs + 1 WHERE state = 0",
        &["tallies"],
    ),
    (
        "UPDATE jobs SET route = 1 WHERE state = 0 AND id & 7 = 5",
        &["tallies"],
    ),
    (
        "UPDATE attempts SET lane = 'batch' WHERE job_id & 7 = 1",
        &["lanes"],
    ),
    (
        "UPDATE jobs SET state = 2 WHERE state = 1",
        &["batches", "tallies"],
    ),
    ("UPDATE runs SET state = 'ended'", &["ended_runs"]),
    (
        "UPDATE results SET message_blob = x'0700000000' WHERE job_id & 7 = 1",
        &["texts"],
    ),
];

#[tokio::test]
async fn each_damage_is_found_and_named() {
    for (damage, broken) in DAMAGES {
        let bench = bench().await;
        assert!(bench.damage(damage) > 0, "{damage}");
        let told = bench.reader().verify(&[bench.run]).unwrap();
        assert!(!told.holds(), "{damage}");
        assert_eq!(names(&told.runs[0].1), *broken, "{damage}: {told:#?}");
        let _lock = DispatchLock::acquire(&bench.path).unwrap();
        let at_work = bench.reader().verify(&[bench.run]).unwrap();
        assert_eq!(names(&at_work.runs[0].1), *broken, "{damage}: {at_work:#?}");
        let named = told.runs[0].1.iter().find(|check| !check.holds()).unwrap();
        assert!(named.examples.iter().all(|example| !example.is_empty()));
    }
}

#[tokio::test]
async fn rows_that_belong_to_nothing_are_found() {
    let bench = bench().await;
    let damage = "INSERT INTO attempts (job_id, n, lane, model_id, started_at_ms) VALUES (77, 1, 'live', 1, 0)";
    bench.damage(damage);
    let told = bench.reader().verify(&[bench.run]).unwrap();
    assert_eq!(names(&told.file), ["orphans"], "{told:#?}");
    assert!(told.runs[0].1.iter().all(Check::holds));
    let _lock = DispatchLock::acquire(&bench.path).unwrap();
    let at_work = bench.reader().verify(&[bench.run]).unwrap();
    assert_eq!(names(&at_work.file), ["orphans"], "{at_work:#?}");
}
