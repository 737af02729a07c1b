//! Remote batches: filled, sent, noted, harvested, taken apart.

use claude_run::model::batch::{ENVELOPE, entry_bytes, item_id};
use claude_run::model::{
    AttemptOutcome, BatchId, BatchState, CancelReason, JobState, Lane, NewJob, RemoteStatus,
    RequestBody,
};
use claude_run::store::{BatchRow, BatchStore, Fill, Filled, NewBatch, Reader, Store, StoreError};

use super::lanes::TO_BATCH;
use super::{Bench, Case, lines};
use crate::fixture::Fixture;
use crate::samples::{End, at, finish, in_lane, plain, remote};

pub fn cases<F: Fixture + 'static>() -> Vec<Case<F>> {
    vec![
        ("a batch is begun once by its nonce", |bench| {
            Box::pin(begun_once(bench))
        }),
        (
            "a batch says exactly how many bytes its create call has",
            |bench| Box::pin(exact_bytes(bench)),
        ),
        (
            "an entry that no batch can hold goes live for good",
            |bench| Box::pin(too_large(bench)),
        ),
        (
            "a batch goes from state to state, and not otherwise",
            |bench| Box::pin(from_state_to_state(bench)),
        ),
        ("no two batches are the same one at the API", |bench| {
            Box::pin(one_remote_id_each(bench))
        }),
        ("the API's word opens, cancels and ends a batch", |bench| {
            Box::pin(word_of_the_api(bench))
        }),
        (
            "a cancel is remembered until the API knows the batch",
            |bench| Box::pin(cancel_is_remembered(bench)),
        ),
        (
            "an end in a batch is recorded once, with the lane of what follows",
            |bench| Box::pin(harvested_once(bench)),
        ),
        (
            "a crash takes a filling batch apart and doubts one that was being sent",
            |bench| Box::pin(crash(bench)),
        ),
        (
            "a crash right after an entry was refused takes the batch apart",
            |bench| Box::pin(crash_after_a_refused_entry(bench)),
        ),
        (
            "a job that a crash takes out of a batch waits no longer than planned, if the clock was set back",
            |bench| Box::pin(crash_and_clock_set_back(bench)),
        ),
        (
            "a batch that nothing was bought for leaves no attempts",
            |bench| Box::pin(taken_apart(bench)),
        ),
        (
            "attempts that may have been bought stay, interrupted",
            |bench| Box::pin(taken_apart_in_doubt(bench)),
        ),
        (
            "a first attempt in a batch that was taken apart was none",
            |bench| Box::pin(no_first_attempt(bench)),
        ),
        (
            "a cancel ends jobs of batches that were not sent, and no others",
            |bench| Box::pin(canceled(bench)),
        ),
    ]
}

impl<F: Fixture> Bench<F> {
    async fn in_batch(&self, jobs: Vec<NewJob>) -> BatchId {
        self.loaded(jobs).await;
        self.store.route(self.run, TO_BATCH, 0).await.unwrap();
        let batch = self.begin("n1").await;
        self.fill(batch, 100, 100_000).await;
        batch
    }

    async fn begin(&self, nonce: &str) -> BatchId {
        let batch = NewBatch {
            run: self.run,
            nonce: nonce.to_owned(),
            now: at(3),
        };
        self.store.begin_batch(batch).await.unwrap()
    }

    async fn fill(&self, batch: BatchId, max_requests: u32, max_bytes: u64) -> Filled {
        let fill = Fill {
            batch,
            max_requests,
            max_bytes,
            now: at(4),
            only: None,
        };
        loop {
            let filled = self.store.fill_batch(fill.clone()).await.unwrap();
            if filled.complete {
                return filled;
            }
        }
    }

    async fn go(&self, batch: BatchId, states: &[BatchState]) {
        for to in states {
            let stands = self.store.move_batch(batch, *to, at(5)).await.unwrap();
            assert_eq!(stands, *to);
        }
    }

    /// Ready and sent; the API's word has come.
    async fn opened(&self, batch: BatchId) {
        self.go(batch, &[BatchState::Ready, BatchState::Sending])
            .await;
        self.note(batch, "msgbatch_1", RemoteStatus::InProgress)
            .await;
    }

    async fn note(&self, batch: BatchId, id: &str, status: RemoteStatus) {
        let remote = remote(id, status, at(6));
        self.store.note_remote(batch, remote, at(6)).await.unwrap();
    }

    async fn row(&self, batch: BatchId) -> BatchRow {
        let rows = Reader::batches(self.reader(), self.run).await.unwrap();
        rows.into_iter().find(|row| row.id == batch).unwrap()
    }

    /// Ends all that is open of a batch; what goes again does so by that lane.
    async fn end_all(&self, batch: BatchId, end: End, lane: Lane) {
        let missing = self.store.missing_items(batch).await.unwrap();
        let items = self.store.open_items(batch, missing).await.unwrap();
        let ends = items
            .iter()
            .map(|item| in_lane(lane, finish(end, &item.job, at(7))));
        let ends: Vec<_> = ends.collect();
        for _ in 0..2 {
            self.store.finish(self.run, ends.clone()).await.unwrap();
        }
    }
}

fn jobs(count: u64) -> Vec<NewJob> {
    (1..=count).map(plain).collect()
}

async fn begun_once<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let first = bench.begin("n1").await;
    assert_eq!(bench.begin("n1").await, first);
    assert_ne!(bench.begin("n2").await, first);
    assert_eq!(
        Reader::batches(bench.reader(), bench.run)
            .await
            .unwrap()
            .len(),
        2
    );
}

async fn exact_bytes<F: Fixture>(bench: Bench<F>) {
    let batch = bench.in_batch(jobs(3)).await;
    let row = bench.row(batch).await;
    let entries = bench.store.batch_entries(batch, None).await.unwrap();
    let body = entries.iter().map(|entry| {
        let id = item_id(&row.nonce, entry.attempt);
        entry_bytes(&id, entry.body.len() as u64)
    });
    let commas = entries.len() as u64 - 1;
    let whole = body.sum::<u64>() + commas + (ENVELOPE.0.len() + ENVELOPE.1.len()) as u64;
    assert_eq!((row.bytes, row.requests, row.open_requests), (whole, 3, 3));
    let rest = bench
        .store
        .batch_entries(batch, Some(entries[0].attempt))
        .await
        .unwrap();
    assert_eq!(rest, entries[1..]);
    bench.sound();
}

async fn too_large<F: Fixture>(bench: Bench<F>) {
    let large = NewJob {
        body: RequestBody::from_json(format!(r#"{{"x":"{}"}}"#, "x".repeat(1_000))),
        ..plain(1)
    };
    bench.loaded(vec![large, plain(2)]).await;
    bench.store.route(bench.run, TO_BATCH, 0).await.unwrap();
    let batch = bench.begin("n1").await;
    let filled = bench.fill(batch, 100, 500).await;
    assert_eq!((filled.requests, filled.too_large), (1, 1));
    let routed = bench.store.route(bench.run, TO_BATCH, 0).await.unwrap();
    assert_eq!(routed.to_batch, 0, "it does not come back");
    assert_eq!(lines(&bench.claim(9, at(5)).await), ["1"]);
}

async fn from_state_to_state<F: Fixture>(bench: Bench<F>) {
    let batch = bench.in_batch(jobs(1)).await;
    let refused = async |to| bench.store.move_batch(batch, to, at(5)).await.is_err();
    assert!(
        refused(BatchState::Sending).await,
        "a filling one is not sent"
    );
    bench
        .go(
            batch,
            &[BatchState::Ready, BatchState::Ready, BatchState::Sending],
        )
        .await;
    assert_eq!(bench.row(batch).await.sent_at, Some(at(5)));
    bench
        .go(
            batch,
            &[
                BatchState::Uncertain,
                BatchState::Sending,
                BatchState::Ready,
            ],
        )
        .await;
    let sent_at = bench.row(batch).await.sent_at;
    assert_eq!(sent_at, None, "what was refused was never sent");
    bench.go(batch, &[BatchState::Sending]).await;
    assert!(refused(BatchState::Ended).await);
    bench
        .note(batch, "msgbatch_1", RemoteStatus::InProgress)
        .await;
    assert!(
        refused(BatchState::Sending).await,
        "an open one is not sent again"
    );
    bench.go(batch, &[BatchState::Ended]).await;
    assert!(
        refused(BatchState::Harvested).await,
        "a request of it is open"
    );
    bench.end_all(batch, End::Success, Lane::Batch).await;
    bench
        .go(batch, &[BatchState::Harvested, BatchState::Harvested])
        .await;
    let empty = bench.begin("n2").await;
    assert!(
        bench
            .store
            .move_batch(empty, BatchState::Ready, at(5))
            .await
            .is_err()
    );
    bench.sound();
}

async fn one_remote_id_each<F: Fixture>(bench: Bench<F>) {
    let first = bench.in_batch(jobs(2)).await;
    bench.opened(first).await;
    let other_id = remote("msgbatch_2", RemoteStatus::InProgress, at(6));
    let refused = bench.store.note_remote(first, other_id, at(6)).await;
    assert!(
        matches!(refused, Err(StoreError::IllegalTransition(_))),
        "{refused:?}"
    );
    let job = bench.begin("n2").await;
    let stolen = remote("msgbatch_1", RemoteStatus::InProgress, at(6));
    assert!(bench.store.note_remote(job, stolen, at(6)).await.is_err());
}

async fn word_of_the_api<F: Fixture>(bench: Bench<F>) {
    let batch = bench.in_batch(jobs(1)).await;
    let early = remote("msgbatch_1", RemoteStatus::InProgress, at(6));
    assert!(
        bench.store.note_remote(batch, early, at(6)).await.is_err(),
        "nobody has sent it"
    );
    bench.opened(batch).await;
    let row = bench.row(batch).await;
    assert_eq!(
        (row.state, row.remote_id.as_deref()),
        (BatchState::Open, Some("msgbatch_1"))
    );
    assert_eq!((row.polled_at, row.counts.processing), (Some(at(6)), 1));
    bench
        .note(batch, "msgbatch_1", RemoteStatus::Canceling)
        .await;
    assert_eq!(bench.row(batch).await.state, BatchState::Canceling);
    bench.note(batch, "msgbatch_1", RemoteStatus::Ended).await;
    assert_eq!(bench.row(batch).await.state, BatchState::Ended);
    bench
        .note(batch, "msgbatch_1", RemoteStatus::InProgress)
        .await;
    assert_eq!(
        bench.row(batch).await.state,
        BatchState::Ended,
        "it stays so"
    );
}

async fn cancel_is_remembered<F: Fixture>(bench: Bench<F>) {
    let batch = bench.in_batch(jobs(1)).await;
    assert!(
        bench
            .store
            .cancel_batch(batch, CancelReason::User)
            .await
            .is_err()
    );
    bench
        .go(batch, &[BatchState::Ready, BatchState::Sending])
        .await;
    for reason in [CancelReason::User, CancelReason::Deadline] {
        bench.store.cancel_batch(batch, reason).await.unwrap();
    }
    assert_eq!(bench.row(batch).await.state, BatchState::Sending);
    bench
        .note(batch, "msgbatch_1", RemoteStatus::InProgress)
        .await;
    let row = bench.row(batch).await;
    assert_eq!(
        (row.state, row.cancel_reason),
        (BatchState::Canceling, Some(CancelReason::User))
    );
}

async fn harvested_once<F: Fixture>(bench: Bench<F>) {
    let batch = bench.in_batch(jobs(2)).await;
    bench.opened(batch).await;
    bench.go(batch, &[BatchState::Ended]).await;
    bench.end_all(batch, End::Retry(0), Lane::Live).await;
    let row = bench.row(batch).await;
    assert_eq!((row.requests, row.open_requests), (2, 0));
    let jobs = bench.claim(9, at(8)).await.jobs;
    assert_eq!(
        jobs.iter().map(|job| job.attempt.n).collect::<Vec<_>>(),
        [2, 2]
    );
    let lanes: Vec<_> = bench.ledger().await.iter().map(|row| row.lane).collect();
    assert_eq!(lanes, [Lane::Batch, Lane::Live, Lane::Batch, Lane::Live]);
    bench.sound();
}

async fn crash<F: Fixture>(bench: Bench<F>) {
    let sent = bench.in_batch(jobs(1)).await;
    bench
        .go(sent, &[BatchState::Ready, BatchState::Sending])
        .await;
    let filling = bench.begin("n2").await;
    bench.start(at(9)).await;
    assert_eq!(bench.row(sent).await.state, BatchState::Uncertain);
    assert_eq!(bench.row(filling).await.state, BatchState::Lost);
    assert_eq!(bench.run().await.jobs.in_batch, 1);
    assert_eq!(
        bench.fill(filling, 1, 1_000).await.requests,
        0,
        "nothing goes into it any more"
    );
    let stands = bench
        .store
        .move_batch(filling, BatchState::Ready, at(9))
        .await;
    assert_eq!(stands.unwrap(), BatchState::Lost);
    bench.sound();
}

async fn crash_after_a_refused_entry<F: Fixture>(bench: Bench<F>) {
    let batch = bench.in_batch(jobs(3)).await;
    let refused = [BatchState::Ready, BatchState::Sending, BatchState::Ready];
    bench.go(batch, &refused).await;
    let items = bench.store.missing_items(batch).await.unwrap();
    let items = bench.store.open_items(batch, items).await.unwrap();
    let end = finish(End::Failure, &items[1].job, at(7));
    let ends = vec![in_lane(Lane::Batch, end)];
    bench.store.finish(bench.run, ends).await.unwrap();
    bench.start(at(9)).await;
    assert_eq!(bench.row(batch).await.state, BatchState::Lost);
    let counts = bench.run().await.jobs;
    assert_eq!((counts.failed, counts.pending), (1, 2));
    bench.sound();
}

async fn crash_and_clock_set_back<F: Fixture>(bench: Bench<F>) {
    const DAY: i64 = 86_400_000;
    bench.loaded(vec![plain(1)]).await;
    let job = bench.claim_one(at(DAY)).await;
    let retry = finish(End::Retry(3_000), &job, at(DAY));
    let for_batch = in_lane(Lane::Batch, retry);
    let ends = vec![for_batch];
    bench.store.finish(bench.run, ends).await.unwrap();
    let batch = bench.begin("n1").await;
    let fill = Fill {
        batch,
        max_requests: 1,
        max_bytes: 100_000,
        now: at(DAY + 3_000),
        only: None,
    };
    assert_eq!(bench.store.fill_batch(fill).await.unwrap().requests, 1);
    bench.start(at(1_000)).await;
    let planned = bench.ledger().await[0].next_try_at;
    assert_eq!(planned, Some(at(4_000)));
    bench.start(at(1_000)).await;
    assert_eq!(bench.ledger().await[0].next_try_at, planned);
}

async fn taken_apart<F: Fixture>(bench: Bench<F>) {
    let batch = bench.in_batch(jobs(2)).await;
    while bench
        .store
        .disband_batch(batch, Lane::Live, false, at(9))
        .await
        .unwrap()
    {}
    assert_eq!(bench.row(batch).await.state, BatchState::Lost);
    assert_eq!(bench.ledger().await, []);
    let jobs = bench.claim(9, at(10)).await.jobs;
    assert_eq!(
        jobs.iter().map(|job| job.attempt.n).collect::<Vec<_>>(),
        [1, 1]
    );
    bench.sound();
}

async fn taken_apart_in_doubt<F: Fixture>(bench: Bench<F>) {
    let batch = bench.in_batch(jobs(1)).await;
    bench.opened(batch).await;
    while bench
        .store
        .disband_batch(batch, Lane::Batch, true, at(9))
        .await
        .unwrap()
    {}
    let row = bench.ledger().await.remove(0);
    assert_eq!(
        (row.outcome, row.maybe_billed),
        (Some(AttemptOutcome::Interrupted), true)
    );
    assert_eq!(row.ended_at, Some(at(9)));
    let queue = bench.store.batch_queue(bench.run, at(10)).await.unwrap();
    assert_eq!(queue.due, 1);
    bench.sound();
}

async fn no_first_attempt<F: Fixture>(bench: Bench<F>) {
    bench.loaded(jobs(1)).await;
    let job = bench.claim_one(at(1)).await;
    bench.end(End::Failure, &job, at(2)).await;
    let all = claude_run::store::RetryFilter::default();
    bench.store.retry(bench.run, all, 0).await.unwrap();
    bench.store.route(bench.run, TO_BATCH, 0).await.unwrap();
    let batch = bench.begin("n1").await;
    bench.fill(batch, 100, 100_000).await;
    while bench
        .store
        .disband_batch(batch, Lane::Live, false, at(9))
        .await
        .unwrap()
    {}
    assert_eq!(bench.claim_one(at(9_000)).await.first_started_at, at(9_000));
}

async fn canceled<F: Fixture>(bench: Bench<F>) {
    bench.loaded(jobs(3)).await;
    bench.store.route(bench.run, TO_BATCH, 0).await.unwrap();
    let (sent, filling) = (bench.begin("n1").await, bench.begin("n2").await);
    bench.fill(sent, 1, 100_000).await;
    bench.opened(sent).await;
    bench.fill(filling, 1, 100_000).await;
    while bench.store.cancel(bench.run, at(9)).await.unwrap() {}
    let jobs = bench.run().await.jobs;
    assert_eq!((jobs.canceled, jobs.in_batch), (2, 1));
    let states: Vec<_> = bench.results().await.iter().map(|row| row.state).collect();
    assert_eq!(states, [JobState::Canceled; 2]);
    assert_eq!(
        bench.ledger().await.len(),
        1,
        "what was never sent was no attempt"
    );
    bench.sound();
}
