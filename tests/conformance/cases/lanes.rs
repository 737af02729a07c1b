//! Which queue jobs stand in.

use claude_run::model::{Lane, NewJob};
use claude_run::store::{BatchQueue, BatchStore, RouteRule, Routed, Store, Unroute};

use super::{Bench, Case, lines};
use crate::fixture::Fixture;
use crate::samples::{End, at, plain};

pub fn cases<F: Fixture + 'static>() -> Vec<Case<F>> {
    vec![
        (
            "the line's lane outweighs the user's, and that one a deadline",
            |bench| Box::pin(lanes_and_deadlines(bench)),
        ),
        (
            "what a batch cannot take, or is amended, stays live",
            |bench| Box::pin(stays_live(bench)),
        ),
        (
            "what waits for a batch is counted with its times",
            |bench| Box::pin(counted(bench)),
        ),
        (
            "jobs leave the queue for batches by their deadlines",
            |bench| Box::pin(unrouted(bench)),
        ),
    ]
}

/// All to batches.
pub const TO_BATCH: RouteRule = RouteRule {
    lane: Some(Lane::Batch),
    deadline: None,
    batch_from: jiff::Timestamp::UNIX_EPOCH,
};

fn job(number: u64, lane: Option<Lane>, deadline_ms: Option<i64>) -> NewJob {
    NewJob {
        lane,
        deadline: deadline_ms.map(at),
        ..plain(number)
    }
}

async fn lanes_and_deadlines<F: Fixture>(bench: Bench<F>) {
    let jobs = vec![
        job(1, None, None),
        job(2, None, Some(500)),
        job(3, None, Some(499)),
        job(4, Some(Lane::Batch), Some(1)),
        job(5, Some(Lane::Live), Some(900)),
    ];
    bench.loaded(jobs).await;
    let by_deadline = RouteRule {
        lane: None,
        deadline: None,
        batch_from: at(500),
    };
    for (rule, to_batch, to_live) in [
        (by_deadline, 2, 0),
        (by_deadline, 0, 0),
        (
            RouteRule {
                deadline: Some(at(600)),
                ..by_deadline
            },
            1,
            0,
        ),
        (TO_BATCH, 1, 0),
        (
            RouteRule {
                lane: Some(Lane::Live),
                ..by_deadline
            },
            0,
            3,
        ),
    ] {
        let routed = bench.store.route(bench.run, rule, 0).await.unwrap();
        let expected = Routed {
            to_batch,
            to_live,
            next: None,
        };
        assert_eq!(routed, expected, "{rule:?}");
    }
    assert_eq!(lines(&bench.claim(9, at(1)).await), ["1", "2", "3", "5"]);
    bench.sound();
}

async fn stays_live<F: Fixture>(bench: Bench<F>) {
    let live_only = NewJob {
        live_only: true,
        ..job(1, Some(Lane::Batch), None)
    };
    bench.loaded(vec![live_only, plain(2)]).await;
    let claimed = bench.claim(2, at(1)).await;
    bench.end(End::Requeue, &claimed.jobs[0], at(2)).await;
    bench.end(End::MoreRoom, &claimed.jobs[1], at(2)).await;
    let routed = bench.store.route(bench.run, TO_BATCH, 0).await.unwrap();
    assert_eq!(routed.to_batch, 0);
    assert_eq!(bench.claim(2, at(100)).await.jobs.len(), 2);
}

async fn counted<F: Fixture>(bench: Bench<F>) {
    bench
        .loaded(vec![
            job(1, None, Some(800)),
            job(2, None, Some(700)),
            plain(3),
        ])
        .await;
    let job = bench.claim_one(at(1)).await;
    bench.end(End::Retry(100), &job, at(2)).await;
    bench.store.route(bench.run, TO_BATCH, 0).await.unwrap();
    let queue = bench.store.batch_queue(bench.run, at(50)).await.unwrap();
    let expected = BatchQueue {
        due: 2,
        waiting: 1,
        next_due: Some(at(102)),
        earliest_deadline: Some(at(700)),
        undated: true,
    };
    assert_eq!(queue, expected);
    let recovered = bench.store.start_run(bench.run, at(50), 20).await.unwrap();
    let waiting = recovered.waiting.unwrap();
    assert_eq!((waiting.jobs, waiting.next_try_at), (1, at(102)));
    let later = bench.store.batch_queue(bench.run, at(102)).await.unwrap();
    assert_eq!((later.due, later.waiting, later.next_due), (3, 0, None));
    let snapshot = bench.store.snapshot(bench.run).await.unwrap();
    assert_eq!(
        (
            snapshot.batch_jobs,
            snapshot.queues.iter().map(|it| it.queued).sum()
        ),
        (3, 0_u64)
    );
}

async fn unrouted<F: Fixture>(bench: Bench<F>) {
    let jobs = vec![
        job(1, None, Some(100)),
        job(2, None, Some(900)),
        job(3, None, None),
        job(4, Some(Lane::Batch), Some(100)),
    ];
    bench.loaded(jobs).await;
    bench.store.route(bench.run, TO_BATCH, 0).await.unwrap();
    let unroute = |before: Option<i64>, deadline: Option<i64>| Unroute {
        before: before.map(at),
        deadline: deadline.map(at),
    };
    for (which, left) in [
        (unroute(Some(100), None), 4),
        (unroute(Some(101), None), 3),
        (unroute(Some(500), Some(400)), 2),
        (unroute(None, None), 1),
    ] {
        while bench.store.unroute(bench.run, which).await.unwrap() {}
        let queue = bench.store.batch_queue(bench.run, at(1)).await.unwrap();
        assert_eq!(queue.due, left, "{which:?}");
    }
    assert_eq!(lines(&bench.claim(9, at(1)).await), ["1", "2", "3"]);
}
