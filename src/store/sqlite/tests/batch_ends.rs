//! How jobs leave a batch: harvested, taken apart, found after a crash, cancelled.

use super::batches::TO_BATCH;
use super::*;
use crate::model::batch::MAX_BATCH_BYTES;
use crate::model::{BatchState, JobId, RemoteStatus};
use crate::store::{BatchStore, OpenItem};

use BatchState::{Canceling, Ended, Filling, Harvested, Lost, Open, Ready, Sending, Uncertain};

async fn due_at_61(bench: &Bench) -> u64 {
    let queue = bench.store.batch_queue(bench.run, at(61)).await;
    queue.unwrap().due
}

#[tokio::test]
async fn a_harvest_records_each_end_once_and_sends_the_rest_on() {
    let bench = Bench::for_batch(5).await;
    let batch = bench.open("n", 5).await;
    bench.note(batch, RemoteStatus::Ended).await;
    let items = bench.items(batch).await;
    let jobs: Vec<_> = items.iter().map(|item| &item.job).collect();
    let held = Finish {
        next: Next::Hold,
        ..retry(jobs[4], at(0))
    };
    let harvest = || {
        vec![
            (success(jobs[0]), Lane::Live),
            (failure(jobs[1]), Lane::Live),
            (retry(jobs[2], at(60)), Lane::Live),
            (retry(jobs[3], at(60)), Lane::Batch),
            (held.clone(), Lane::Batch),
        ]
    };
    bench.finish_all(harvest()).await;
    bench.recount();
    bench.finish_all(harvest()).await;
    bench.recount();
    let counts = bench.counts().await;
    assert_eq!(
        (
            counts.succeeded,
            counts.failed,
            counts.pending,
            counts.in_batch
        ),
        (1, 1, 3, 0)
    );
    assert_eq!(
        bench.reader().runs().await.unwrap()[0].cost,
        Pico(5 * 3_500_000)
    );
    assert_eq!(bench.missing(batch).await, []);
    assert_eq!(
        bench
            .store
            .open_items(batch, vec![jobs[0].attempt])
            .await
            .unwrap(),
        []
    );
    bench.go(batch, Harvested).await;
    assert_eq!(ids(&bench.claim(9, at(60)).await), ["id-3"]);
    assert_eq!(bench.queue().await.waiting, 1);
    let before = due_at_61(&bench).await;
    bench.store.start_run(bench.run, at(61), 20).await.unwrap();
    let due = due_at_61(&bench).await;
    assert_eq!(due, before + 1, "what was held waits for a batch again");
    let results = bench
        .reader()
        .results(bench.run, Only::All, 0)
        .await
        .unwrap();
    assert!(results.iter().all(|row| row.lane == Lane::Batch));
    let ledger = bench.reader().attempts(bench.run, None, 0).await.unwrap();
    let lanes: Vec<_> = ledger.iter().map(|row| row.lane).collect();
    assert_eq!(lanes.iter().filter(|lane| **lane == Lane::Batch).count(), 5);
    bench.recount();
}

#[tokio::test]
async fn a_batch_is_harvested_when_nothing_of_it_is_open() {
    let bench = Bench::for_batch(2).await;
    let batch = bench.standing(Ended).await;
    let items = bench.items(batch).await;
    bench
        .finish_all(vec![(success(&items[0].job), Lane::Live)])
        .await;
    assert!(
        bench
            .store
            .move_batch(batch, Harvested, at(1))
            .await
            .is_err()
    );
    assert_eq!(bench.row(batch).await.open_requests, 1);
    bench
        .finish_all(vec![(failure(&items[1].job), Lane::Live)])
        .await;
    assert_eq!(bench.go(batch, Harvested).await, Harvested);
}

#[tokio::test]
async fn a_result_finds_what_is_known_of_its_job() {
    let bench = Bench::shaped(2, |job| {
        job.deadline = (job.line == 1).then(|| at(900));
        job.lane = (job.line == 1).then_some(Lane::Batch);
    })
    .await;
    let claimed = bench.claim(2, at(3)).await;
    bench.finish(retry(&claimed.jobs[0], at(4))).await;
    bench.route(TO_BATCH).await;
    let batch = bench.filled("n", 9).await;
    let foreign = AttemptId {
        job: JobId(1),
        n: 1,
    };
    let mut asked = bench.missing(batch).await;
    asked.extend([foreign, claimed.jobs[0].attempt, claimed.jobs[1].attempt]);
    let items = bench.store.open_items(batch, asked).await.unwrap();
    assert_eq!(items.len(), 1);
    let OpenItem {
        job,
        deadline,
        lane,
    } = &items[0];
    assert_eq!((*deadline, *lane), (Some(at(900)), Some(Lane::Batch)));
    assert_eq!(
        (job.attempt.n, job.custom_id.as_str(), job.model.as_str()),
        (2, "id-1", MODEL)
    );
    assert_eq!(
        (job.history.faults_in_row, job.last_class),
        (1, Some(ErrorClass::Overloaded))
    );
    assert_eq!((job.started_at, job.first_started_at), (at(10), at(3)));
    assert_eq!(job.previous_ended_at, Some(at(900)));
    assert_eq!(job.body, super::job(1).body);
}

#[tokio::test]
async fn a_batch_that_is_taken_apart_gives_its_jobs_back() {
    let cases = [
        (Filling, Lane::Batch, false),
        (Ready, Lane::Live, false),
        (Sending, Lane::Batch, false),
        (Uncertain, Lane::Live, true),
        (Open, Lane::Live, true),
        (Ended, Lane::Batch, true),
    ];
    for (state, lane, keep) in cases {
        let bench = Bench::for_batch(2).await;
        let batch = bench.standing(state).await;
        for _ in 0..2 {
            assert_eq!(bench.disband(batch, lane, keep).await, 1, "{state}");
        }
        let row = bench.row(batch).await;
        assert_eq!((row.state, row.open_requests), (Lost, 0), "{state}");
        let due = if lane == Lane::Batch { 2 } else { 0 };
        assert_eq!(bench.queue().await.due, due, "{state}");
        let ledger = bench.reader().attempts(bench.run, None, 0).await.unwrap();
        assert_eq!(ledger.len(), if keep { 2 } else { 0 }, "{state}");
        let interrupted = |row: &crate::store::AttemptRow| {
            row.outcome == Some(AttemptOutcome::Interrupted) && row.maybe_billed
        };
        assert!(ledger.iter().all(interrupted), "{state}");
        bench.route(TO_BATCH).await;
        let again = bench.filled("again", 2).await;
        let n = if keep { 2 } else { 1 };
        assert!(
            bench
                .missing(again)
                .await
                .iter()
                .all(|attempt| attempt.n == n),
            "{state}"
        );
        bench.recount();
    }
}

#[tokio::test]
async fn a_large_batch_is_taken_apart_page_by_page_and_never_sent_meanwhile() {
    let bench = Bench::for_batch(2_500).await;
    let batch = bench.filled("n", 2_500).await;
    bench.go(batch, Ready).await;
    let disband = || (bench.store).disband_batch(batch, Lane::Live, false, at(40));
    assert!(disband().await.unwrap());
    assert_eq!(bench.go(batch, Sending).await, Lost);
    bench.recount();
    bench.store.start_run(bench.run, at(41), 20).await.unwrap();
    let counts = bench.counts().await;
    assert_eq!((counts.in_batch, counts.pending), (0, 2_500));
    assert!(!disband().await.unwrap());
    bench.recount();
}

#[tokio::test]
async fn a_harvested_batch_is_not_taken_apart() {
    let bench = Bench::for_batch(2).await;
    let batch = bench.standing(Harvested).await;
    bench.disband(batch, Lane::Live, true).await;
    assert_eq!(bench.row(batch).await.state, Harvested);
    assert_eq!(bench.counts().await.succeeded, 2);
}

#[tokio::test]
async fn after_a_crash_each_batch_stands_where_it_is_safe() {
    // Where it stood, where it stands then, and what of its jobs is still in it.
    let cases = [
        (Filling, Lost, 0),
        (Ready, Ready, 2),
        (Sending, Uncertain, 2),
        (Uncertain, Uncertain, 2),
        (Open, Open, 2),
        (Canceling, Canceling, 2),
        (Ended, Ended, 2),
        (Harvested, Harvested, 0),
        (Lost, Lost, 0),
    ];
    for (before, after, in_batch) in cases {
        let mut bench = Bench::for_batch(3).await;
        let batch = bench.standing(before).await;
        bench.store = SqliteStore::open(&bench.path).unwrap();
        let recovered = bench.store.start_run(bench.run, at(50), 1).await.unwrap();
        assert_eq!(
            (recovered.interrupted, recovered.failed),
            (0, 0),
            "{before}"
        );
        assert_eq!(bench.row(batch).await.state, after, "{before}");
        assert_eq!(bench.counts().await.in_batch, in_batch, "{before}");
        bench.recount();
    }
}

#[tokio::test]
async fn cancelling_takes_what_has_not_been_sent_and_leaves_the_rest() {
    for (state, canceled) in [
        (Filling, 3),
        (Ready, 3),
        (Sending, 1),
        (Uncertain, 1),
        (Open, 1),
        (Ended, 1),
    ] {
        let bench = Bench::for_batch(3).await;
        let batch = bench.standing(state).await;
        while bench.store.cancel(bench.run, at(50)).await.unwrap() {}
        let counts = bench.counts().await;
        assert_eq!(
            (counts.canceled, counts.in_batch),
            (canceled, 3 - canceled),
            "{state}"
        );
        let snapshot = bench.store.snapshot(bench.run).await.unwrap();
        assert_eq!(snapshot.batch_jobs, 3 - canceled, "{state}");
        bench.recount();
        bench
            .store
            .leave_run(bench.run, at(51), None)
            .await
            .unwrap();
        let ended = bench.reader().runs().await.unwrap()[0].state == RunState::Ended;
        assert_eq!(ended, canceled == 3, "{state}");
        if canceled == 3 {
            let filled = bench.fill(batch, 9, MAX_BATCH_BYTES).await;
            assert_eq!((filled.requests, filled.complete), (0, true), "{state}");
        }
        let put_back = bench.store.retry(bench.run, RetryFilter::default(), 0);
        assert_eq!(put_back.await.unwrap().0, canceled, "{state}");
        assert_eq!(
            bench.queue().await.due,
            canceled,
            "they wait for a batch again: {state}"
        );
        bench.recount();
    }
}

#[tokio::test]
async fn releasing_a_batch_attempt_changes_nothing() {
    let bench = Bench::for_batch(1).await;
    let batch = bench.filled("n", 1).await;
    let open = bench.missing(batch).await;
    bench.store.release(bench.run, open.clone()).await.unwrap();
    assert_eq!(bench.missing(batch).await, open);
    bench.recount();
}
