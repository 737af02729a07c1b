//! Any sequence of verbs of both lanes leaves counts, counters and money right, and ends each job
//! once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::batches::TO_BATCH;
use super::*;
use crate::model::batch::MAX_BATCH_BYTES;
use crate::model::{BatchId, BatchState, CancelReason, RemoteStatus};
use crate::store::{BatchStore, Fill, RouteRule, Unroute};

const JOBS: u64 = 6;

#[derive(Clone, Debug)]
enum Verb {
    Route(Lane),
    Unroute,
    Begin,
    Fill(usize, u32),
    Move(usize, BatchState),
    Send(usize),
    Note(usize, RemoteStatus),
    CancelBatch(usize),
    Disband(usize, Lane, bool),
    EndBatch(usize, Vec<End>, Lane),
    Live(u32, Option<End>),
    Cancel,
    Retry,
    Crash,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Success,
    Failure,
    Retry,
    Hold,
}

fn verb() -> impl Strategy<Value = Verb> {
    let lane = || prop_oneof![Just(Lane::Live), Just(Lane::Batch)];
    let end = || prop::sample::select(vec![End::Success, End::Failure, End::Retry, End::Hold]);
    let state = prop::sample::select(BatchState::ALL.to_vec());
    let status = prop_oneof![Just(RemoteStatus::InProgress), Just(RemoteStatus::Ended)];
    prop_oneof![
        2 => lane().prop_map(Verb::Route),
        1 => Just(Verb::Unroute),
        3 => Just(Verb::Begin),
        5 => (0..4_usize, 1..4_u32).prop_map(|(batch, most)| Verb::Fill(batch, most)),
        4 => (0..4_usize).prop_map(Verb::Send),
        4 => (0..4_usize, state).prop_map(|(batch, to)| Verb::Move(batch, to)),
        4 => (0..4_usize, status).prop_map(|(batch, status)| Verb::Note(batch, status)),
        1 => (0..4_usize).prop_map(Verb::CancelBatch),
        1 => (0..4_usize, lane(), any::<bool>()).prop_map(|(b, lane, keep)| Verb::Disband(b, lane, keep)),
        5 => (0..4_usize, prop::collection::vec(end(), 1..4), lane())
            .prop_map(|(batch, ends, lane)| Verb::EndBatch(batch, ends, lane)),
        2 => (1..3_u32, prop::option::of(end())).prop_map(|(most, end)| Verb::Live(most, end)),
        1 => Just(Verb::Cancel),
        1 => Just(Verb::Retry),
        1 => Just(Verb::Crash),
    ]
}

fn finish(end: End, job: &ClaimedJob) -> Finish {
    match end {
        End::Success => success(job),
        End::Failure => failure(job),
        End::Retry => retry(job, at(5)),
        End::Hold => Finish {
            next: Next::Hold,
            ..retry(job, at(5))
        },
    }
}

/// What is refused for the state that a batch is in changes nothing, which the recount shows.
fn or_refused<T>(done: crate::store::Result<T>) {
    if let Err(error) = done {
        assert!(matches!(error, StoreError::IllegalTransition(_)), "{error}");
    }
}

impl Bench {
    async fn carry_out(&self, verb: Verb, batches: &mut Vec<BatchId>) {
        let (store, run) = (&self.store, self.run);
        let chosen = |n: usize| batches.get(n).copied();
        match verb {
            Verb::Route(lane) => {
                let lane = Some(lane);
                self.route(RouteRule { lane, ..TO_BATCH }).await;
            }
            Verb::Unroute => assert!(!store.unroute(run, Unroute::default()).await.unwrap()),
            Verb::Begin => batches.push(self.begin(&format!("n{}", batches.len())).await),
            Verb::Fill(n, max_requests) => {
                let Some(batch) = chosen(n) else { return };
                let fill = Fill {
                    batch,
                    max_requests,
                    max_bytes: MAX_BATCH_BYTES,
                    now: at(10),
                    only: None,
                };
                or_refused(store.fill_batch(fill.clone()).await);
            }
            Verb::Move(n, to) => {
                let Some(batch) = chosen(n) else { return };
                or_refused(store.move_batch(batch, to, at(20)).await);
            }
            Verb::Send(n) => {
                let Some(batch) = chosen(n) else { return };
                for to in [BatchState::Ready, BatchState::Sending] {
                    or_refused(store.move_batch(batch, to, at(20)).await);
                }
            }
            Verb::Note(n, status) => {
                let Some(batch) = chosen(n) else { return };
                let remote = super::batches::remote(&format!("msgbatch_{n}"), status);
                or_refused(store.note_remote(batch, remote, at(30)).await);
            }
            Verb::CancelBatch(n) => {
                let Some(batch) = chosen(n) else { return };
                or_refused(store.cancel_batch(batch, CancelReason::User).await);
            }
            Verb::Disband(n, lane, keep) => {
                let Some(batch) = chosen(n) else { return };
                self.disband(batch, lane, keep).await;
            }
            Verb::EndBatch(n, ends, lane) => {
                let Some(batch) = chosen(n) else { return };
                let items = self.items(batch).await;
                let ended = items.iter().zip(ends);
                let ended: Vec<_> = ended
                    .map(|(item, end)| (finish(end, &item.job), lane))
                    .collect();
                self.finish_all(ended.clone()).await;
                self.finish_all(ended).await;
            }
            Verb::Live(most, end) => {
                let claimed = self.claim(most, at(10)).await;
                if let Some(end) = end {
                    let ends = claimed.jobs.iter().map(|job| finish(end, job));
                    store.finish(run, ends.collect()).await.unwrap();
                } else {
                    let attempts = claimed.jobs.iter().map(|job| job.attempt);
                    store.release(run, attempts.collect()).await.unwrap();
                }
            }
            Verb::Cancel => while store.cancel(run, at(50)).await.unwrap() {},
            Verb::Retry => drop(store.retry(run, RetryFilter::default(), 0).await.unwrap()),
            Verb::Crash => drop(store.start_run(run, at(60), 20).await.unwrap()),
        }
    }

    /// The jobs that have succeeded, each with the text of its result.
    async fn succeeded(&self) -> BTreeMap<u64, ResultBody> {
        let rows = self.reader().results(self.run, Only::Succeeded, 0).await;
        let rows = rows.unwrap().into_iter();
        rows.map(|row| (row.line, row.result)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_verbs_keeps_the_books(verbs in prop::collection::vec(verb(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::opened_by(SqliteStore::open_inline).await.loaded(JOBS).await;
            let (mut batches, mut succeeded) = (Vec::new(), BTreeMap::new());
            for verb in verbs {
                bench.carry_out(verb, &mut batches).await;
                bench.recount();
                assert_eq!(bench.counts().await.total, JOBS);
                let now = bench.succeeded().await;
                let kept = succeeded.iter().all(|(line, result)| now.get(line) == Some(result));
                assert!(kept, "a result that was recorded stays: {succeeded:?} {now:?}");
                succeeded = now;
            }
        });
    }
}
