//! The batch lane: routing, filling, where batches stand, harvest, taking apart.

use super::*;
use crate::model::batch::{ENTRY, ENVELOPE, MAX_BATCH_BYTES, MAX_BATCH_REQUESTS, item_id};
use crate::model::{BatchId, BatchState, JobId, RemoteBatch, RemoteStatus, RequestCounts};
use crate::store::{
    BatchEntry, BatchQueue, BatchRow, BatchStore, Fill, Filled, NewBatch, OpenItem, RouteRule,
    Routed, Unroute,
};

use BatchState::{Ready, Sending};

const DAY: i64 = 86_400_000;

pub(super) const TO_BATCH: RouteRule = RouteRule {
    lane: Some(Lane::Batch),
    deadline: None,
    batch_from: Timestamp::UNIX_EPOCH,
};

impl Bench {
    /// Jobs that all wait for a batch.
    pub(super) async fn for_batch(count: u64) -> Self {
        let bench = Self::with_jobs(count).await;
        bench.route(TO_BATCH).await;
        bench
    }

    /// Jobs of which some are shaped by `shape`, none routed yet.
    pub(super) async fn shaped(count: u64, shape: impl Fn(&mut NewJob)) -> Self {
        let bench = Self::empty().await;
        let jobs = (1..=count).map(|line| {
            let mut job = job(line);
            shape(&mut job);
            job
        });
        bench
            .store
            .add_jobs(bench.run, jobs.collect())
            .await
            .unwrap();
        bench.store.finish_load(bench.run, [7; 32]).await.unwrap();
        bench.store.start_run(bench.run, at(0), 20).await.unwrap();
        bench
    }

    pub(super) async fn route(&self, rule: RouteRule) -> Routed {
        let (mut all, mut after) = (Routed::default(), Some(0));
        while let Some(line) = after {
            let page = self.store.route(self.run, rule, line).await.unwrap();
            all.to_batch += page.to_batch;
            all.to_live += page.to_live;
            after = page.next;
        }
        all
    }

    pub(super) async fn queue(&self) -> BatchQueue {
        self.store.batch_queue(self.run, at(10)).await.unwrap()
    }

    pub(super) async fn begin(&self, nonce: &str) -> BatchId {
        let new = NewBatch {
            run: self.run,
            nonce: nonce.to_owned(),
            now: at(5),
        };
        self.store.begin_batch(new).await.unwrap()
    }

    pub(super) async fn fill(&self, batch: BatchId, max_requests: u32, max_bytes: u64) -> Filled {
        let fill = Fill {
            batch,
            max_requests,
            max_bytes,
            now: at(10),
            only: None,
        };
        let mut too_large = 0;
        loop {
            let filled = self.store.fill_batch(fill.clone()).await.unwrap();
            too_large += filled.too_large;
            if filled.complete {
                return Filled {
                    too_large,
                    ..filled
                };
            }
        }
    }

    /// A batch of everything that waits, up to `max_requests`.
    pub(super) async fn filled(&self, nonce: &str, max_requests: u32) -> BatchId {
        let batch = self.begin(nonce).await;
        self.fill(batch, max_requests, MAX_BATCH_BYTES).await;
        batch
    }

    pub(super) async fn go(&self, batch: BatchId, to: BatchState) -> BatchState {
        self.store.move_batch(batch, to, at(20)).await.unwrap()
    }

    /// A batch that the API has.
    pub(super) async fn open(&self, nonce: &str, max_requests: u32) -> BatchId {
        let batch = self.filled(nonce, max_requests).await;
        self.go(batch, Ready).await;
        self.go(batch, Sending).await;
        self.note(batch, RemoteStatus::InProgress).await;
        batch
    }

    pub(super) async fn note(&self, batch: BatchId, status: RemoteStatus) {
        let remote = remote(&format!("msgbatch_{}", batch.0), status);
        self.store.note_remote(batch, remote, at(30)).await.unwrap();
    }

    pub(super) async fn row(&self, batch: BatchId) -> BatchRow {
        let rows = BatchStore::batches(&self.store, self.run).await.unwrap();
        rows.into_iter().find(|row| row.id == batch).unwrap()
    }

    pub(super) async fn missing(&self, batch: BatchId) -> Vec<AttemptId> {
        self.store.missing_items(batch).await.unwrap()
    }

    pub(super) async fn items(&self, batch: BatchId) -> Vec<OpenItem> {
        let open = self.missing(batch).await;
        self.store.open_items(batch, open).await.unwrap()
    }

    /// Records these ends, each with the lane of the job's next attempt.
    pub(super) async fn finish_all(&self, ends: Vec<(Finish, Lane)>) {
        let ends = ends.into_iter();
        let ends = ends.map(|(end, lane)| Finish { lane, ..end }).collect();
        self.store.finish(self.run, ends).await.unwrap();
    }

    async fn entries(&self, batch: BatchId) -> Vec<BatchEntry> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.batch_entries(batch, after).await.unwrap();
            let Some(last) = page.last() else { return all };
            after = Some(last.attempt);
            all.extend(page);
        }
    }

    pub(super) async fn disband(&self, batch: BatchId, lane: Lane, keep: bool) -> u32 {
        let mut pages = 1;
        while (self.store.disband_batch(batch, lane, keep, at(40)).await).unwrap() {
            pages += 1;
        }
        pages
    }

    /// Every counter says what a count of the rows says.
    pub(super) fn recount(&self) {
        let told = self.reader().verify(&[self.run]).unwrap();
        assert!(told.holds(), "{told:#?}");
    }
}

pub(super) fn remote(id: &str, status: RemoteStatus) -> RemoteBatch {
    RemoteBatch {
        id: id.to_owned(),
        status,
        counts: RequestCounts {
            processing: 3,
            ..RequestCounts::default()
        },
        created_at: Some(at(25)),
        expires_at: Some(at(DAY)),
        ended_at: (status == RemoteStatus::Ended).then(|| at(500)),
        archived_at: None,
    }
}

#[tokio::test]
async fn the_rule_sends_each_job_to_its_queue() {
    let soon = Some(at(1_000));
    let late = Some(at(2 * DAY));
    let rule = |lane, deadline| RouteRule {
        lane,
        deadline,
        batch_from: at(DAY),
    };
    let (live, batch) = (Some(Lane::Live), Some(Lane::Batch));
    // What the line says (lane, deadline, live only), the rule, whether it waits for a batch.
    let cases = [
        (None, None, false, rule(None, None), false),
        (None, None, false, rule(None, late), true),
        (None, None, false, rule(None, Some(at(DAY))), true),
        (None, None, false, rule(None, soon), false),
        (None, late, false, rule(None, soon), true),
        (None, soon, false, rule(None, late), false),
        (None, None, false, rule(batch, None), true),
        (None, soon, false, rule(batch, None), true),
        (None, late, false, rule(live, late), false),
        (live, late, false, rule(batch, late), false),
        (batch, soon, false, rule(live, None), true),
        (batch, late, true, rule(batch, late), false),
    ];
    for (lane, deadline, live_only, rule, for_batch) in cases {
        let bench = Bench::shaped(1, |job| {
            (job.lane, job.deadline, job.live_only) = (lane, deadline, live_only);
        })
        .await;
        let case = format!("{lane:?} {deadline:?} {live_only} {rule:?}");
        assert_eq!(
            bench.route(rule).await.to_batch,
            u64::from(for_batch),
            "{case}"
        );
        assert_eq!(bench.route(rule).await, Routed::default(), "again: {case}");
        assert_eq!(bench.queue().await.due, u64::from(for_batch), "{case}");
        let snapshot = bench.store.snapshot(bench.run).await.unwrap();
        assert_eq!(snapshot.batch_jobs, u64::from(for_batch), "{case}");
        assert_eq!(snapshot.queues[0].queued, u64::from(!for_batch), "{case}");
        assert_eq!(
            bench.claim(9, at(1)).await.jobs.is_empty(),
            for_batch,
            "{case}"
        );
        bench.recount();
    }
}

#[tokio::test]
async fn routing_goes_page_by_page_and_both_ways() {
    let bench = Bench::with_jobs(4_500).await;
    let claimed = bench.claim(1, at(1)).await;
    let first = bench.store.route(bench.run, TO_BATCH, 0).await.unwrap();
    assert_eq!((first.to_batch, first.next), (1_999, Some(2_000)));
    assert_eq!(bench.route(TO_BATCH).await.to_batch, 2_500);
    assert_eq!(bench.counts().await.pending, 4_499);
    let live = RouteRule {
        lane: Some(Lane::Live),
        ..TO_BATCH
    };
    assert_eq!(bench.route(live).await.to_live, 4_499);
    bench.finish(success(&claimed.jobs[0])).await;
    bench.recount();
}

#[tokio::test]
async fn unrouting_takes_what_is_due_too_early_and_leaves_what_the_line_forces() {
    let deadlines = [None, Some(at(100)), Some(at(200)), Some(at(100))];
    let shape = |job: &mut NewJob| {
        let n = usize::try_from(job.line).unwrap() - 1;
        job.deadline = deadlines[n];
        job.lane = (n == 3).then_some(Lane::Batch);
    };
    let unroute = |before, deadline| Unroute { before, deadline };
    let cases = [
        (unroute(Some(at(50)), None), vec![]),
        (unroute(Some(at(150)), None), vec!["id-2"]),
        (unroute(Some(at(150)), Some(at(120))), vec!["id-1", "id-2"]),
        (unroute(Some(at(150)), Some(at(150))), vec!["id-2"]),
        (unroute(None, None), vec!["id-1", "id-2", "id-3"]),
    ];
    for (which, gone) in cases {
        let bench = Bench::shaped(4, shape).await;
        bench.route(TO_BATCH).await;
        assert!(!bench.store.unroute(bench.run, which).await.unwrap());
        assert_eq!(ids(&bench.claim(9, at(1)).await), gone, "{which:?}");
        bench.recount();
    }
    let bench = Bench::for_batch(2_500).await;
    let mut pages = 1;
    while bench
        .store
        .unroute(bench.run, unroute(None, None))
        .await
        .unwrap()
    {
        pages += 1;
    }
    assert_eq!((pages, bench.queue().await.due), (3, 0));
    bench.recount();
}

#[tokio::test]
async fn the_queue_tells_what_waits_and_until_when() {
    let bench = Bench::shaped(5, |job| {
        job.deadline = (job.line == 2).then(|| at(900));
    })
    .await;
    bench.route(TO_BATCH).await;
    let expected = BatchQueue {
        due: 5,
        earliest_deadline: Some(at(900)),
        undated: true,
        ..BatchQueue::default()
    };
    assert_eq!(bench.queue().await, expected);
    let batch = bench.open("n", 4).await;
    let retries = bench.items(batch).await;
    let retries = retries
        .iter()
        .map(|item| (retry(&item.job, at(70)), Lane::Batch));
    bench.finish_all(retries.collect()).await;
    let expected = BatchQueue {
        due: 1,
        waiting: 4,
        next_due: Some(at(70)),
        ..expected
    };
    assert_eq!(bench.queue().await, expected);
    bench.recount();
}

#[tokio::test]
async fn a_batch_has_exactly_the_bytes_that_it_says() {
    let bench = Bench::for_batch(1_203).await;
    let batch = bench.begin("nonce1").await;
    let filled = bench.fill(batch, MAX_BATCH_REQUESTS, MAX_BATCH_BYTES).await;
    let entries = bench.entries(batch).await;
    let mut lines: Vec<_> = entries.iter().map(|entry| entry.attempt.job).collect();
    lines.dedup();
    assert_eq!((filled.requests, lines.len()), (1_203, 1_203));
    assert!(lines.is_sorted());
    let entry = |entry: &BatchEntry| {
        let id = item_id("nonce1", entry.attempt);
        [ENTRY.0, &id, ENTRY.1, entry.body.as_str(), ENTRY.2].concat()
    };
    let wire = entries.iter().map(entry).collect::<Vec<_>>().join(",");
    let wire = [ENVELOPE.0, &wire, ENVELOPE.1].concat();
    assert_eq!(wire.len() as u64, filled.bytes);
    let row = bench.row(batch).await;
    assert_eq!(
        (row.bytes, row.requests, row.open_requests),
        (filled.bytes, 1_203, 1_203)
    );
    let parsed: serde_json::Value = serde_json::from_str(&wire).unwrap();
    assert_eq!(parsed["requests"][1_202]["params"]["line"], 1_203);
    bench.recount();
}

#[tokio::test]
async fn a_batch_takes_no_more_than_it_may() {
    let bench = Bench::for_batch(8).await;
    let first = bench.begin("a").await;
    let one = bench.fill(first, 1, MAX_BATCH_BYTES).await;
    assert_eq!((one.requests, one.complete), (1, true));
    assert_eq!(
        bench.fill(first, 1, MAX_BATCH_BYTES).await,
        one,
        "filling again changes nothing"
    );
    let entry = one.bytes - (ENVELOPE.0.len() + ENVELOPE.1.len()) as u64;
    let three = one.bytes + 2 * (entry + 1);
    let second = bench.begin("b").await;
    assert_eq!(bench.fill(second, 9, three - 1).await.requests, 2);
    let third = bench.begin("c").await;
    let filled = bench.fill(third, 9, three).await;
    assert_eq!((filled.requests, filled.bytes), (3, three));
    let rest = bench.begin("d").await;
    let filled = bench.fill(rest, 9, three).await;
    assert_eq!((filled.requests, filled.complete), (2, true));
    bench.recount();
}

#[tokio::test]
async fn a_batch_knows_the_earliest_deadline_of_its_lines() {
    let bench = Bench::shaped(4, |job| {
        job.deadline = (job.line > 1).then(|| at(1_000 - i64::try_from(job.line).unwrap()));
    })
    .await;
    bench.route(TO_BATCH).await;
    let deadlines = [
        (1, None, true),
        (2, Some(at(997)), false),
        (1, Some(at(996)), false),
    ];
    for (n, (requests, deadline, undated)) in deadlines.into_iter().enumerate() {
        let batch = bench.filled(&format!("n{n}"), requests).await;
        let row = bench.row(batch).await;
        assert_eq!((row.deadline, row.undated), (deadline, undated), "{n}");
    }
}

#[tokio::test]
async fn large_bodies_are_read_a_few_at_a_time() {
    let bench = Bench::shaped(5, |job| {
        let long = format!(r#"{{"line":"{}"}}"#, "x".repeat(3_000_000));
        job.body = RequestBody::from_json(long);
    })
    .await;
    bench.route(TO_BATCH).await;
    let batch = bench.filled("n", 9).await;
    let page = bench.store.batch_entries(batch, None).await.unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(bench.entries(batch).await.len(), 5);
}

#[tokio::test]
async fn a_batch_takes_the_chosen_jobs_only_as_far_as_they_are_still_the_first_in_line() {
    let bench = Bench::for_batch(10).await;
    let next = bench.store.next_for_batch(bench.run, at(10), 4).await;
    let next = next.unwrap();
    let jobs: Vec<_> = next.iter().map(|entry| entry.attempt.job).collect();
    assert_eq!((next.len(), next[0].attempt.n), (4, 1));
    let batch = bench.begin("a").await;
    let fill = |jobs: Vec<JobId>, max_requests| {
        let fill = Fill {
            batch,
            max_requests,
            max_bytes: MAX_BATCH_BYTES,
            now: at(10),
            only: None,
        };
        let store = &bench.store;
        async move { store.fill_batch_with(fill.clone(), jobs).await.unwrap() }
    };
    let none = fill(Vec::new(), 100).await;
    assert_eq!((none.0.requests, none.0.complete), (0, false));
    let skipped = fill(vec![jobs[0], jobs[2]], 100).await;
    assert_eq!(skipped.1, [jobs[0]], "the second in line is another one");
    assert!(!skipped.0.complete);
    let (filled, taken) = fill(jobs[1..].to_vec(), 3).await;
    assert_eq!(taken, [jobs[1], jobs[2]], "then it is full");
    assert_eq!((filled.requests, filled.complete), (3, true));
    assert_eq!(bench.entries(batch).await, next[..3]);
    let rest = bench.store.next_for_batch(bench.run, at(10), 100).await;
    assert_eq!(rest.unwrap().len(), 7);
    bench.recount();
}
