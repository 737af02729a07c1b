//! Tests of what is about SQLite and its files. What any store promises stands in `tests/conformance`.

mod amending;
mod batch_ends;
mod batch_sequences;
mod batch_states;
mod batches;
mod failed_disk;
mod health;
mod opening;
mod reading;
mod receipts;
mod sent;
mod spooling;
mod upgrading;
mod verify;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::{SqliteReader, SqliteStore};
use crate::model::{
    AttemptId, AttemptOutcome, AttemptRecord, ClaimedJob, Cost, DispatchOptions, ErrorClass,
    Evidence, Halt, Indicator, JobCounts, JobHistory, JobState, Lane, NewJob, PageStatus, Pico,
    RequestBody, RunId, RunState, Shaping, Tokens, Usage, WaitRule,
};
use crate::store::{
    Claim, Claimed, Finish, JobEnd, NewRun, Next, Only, Reader, ResultBody, RetryFilter,
    StatusChange, Store, StoreError,
};

const MODEL: &str = "claude-haiku-5-5";

struct Bench {
    store: SqliteStore,
    path: PathBuf,
    run: RunId,
    _folder: tempfile::TempDir,
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
}

fn new_run(id: RunId) -> NewRun {
    NewRun {
        id,
        name: Some("a name".to_owned()),
        file: "jobs.jsonl".to_owned(),
        simulated: false,
        created_at: at(0),
        shaping: Shaping::default(),
        options: concurrency(7),
    }
}

fn concurrency(n: u32) -> DispatchOptions {
    DispatchOptions::from_iter([("concurrency".to_owned(), n.into())])
}

fn job(line: u64) -> NewJob {
    NewJob {
        line,
        custom_id: format!("id-{line}"),
        model: MODEL.to_owned(),
        body: RequestBody::from_json(format!(r#"{{"model":"{MODEL}","line":{line}}}"#)),
        lane: None,
        deadline: None,
        live_only: false,
        metadata: (line == 2).then(|| r#"{"row":17}"#.to_owned()),
    }
}

impl Bench {
    async fn empty() -> Self {
        Self::opened_by(SqliteStore::open).await
    }

    async fn opened_by(open: impl Fn(&Path) -> crate::store::Result<SqliteStore>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = open(&path).unwrap();
        let run = RunId::generate();
        store.begin_load(new_run(run)).await.unwrap();
        Self {
            store,
            path,
            run,
            _folder: folder,
        }
    }

    async fn with_jobs(count: u64) -> Self {
        Self::empty().await.loaded(count).await
    }

    async fn loaded(self, count: u64) -> Self {
        let jobs = (1..=count).map(job).collect();
        assert_eq!(self.store.add_jobs(self.run, jobs).await.unwrap(), []);
        self.store.finish_load(self.run, [7; 32]).await.unwrap();
        self.store.start_run(self.run, at(0), 20).await.unwrap();
        self
    }

    async fn claim(&self, max_jobs: u32, now: Timestamp) -> Claimed {
        self.claim_bytes(max_jobs, u64::MAX, now).await
    }

    async fn claim_bytes(&self, max_jobs: u32, max_bytes: u64, now: Timestamp) -> Claimed {
        let claim = Claim {
            run: self.run,
            model: MODEL.to_owned(),
            max_jobs,
            max_bytes,
            new_first: false,
            now,
        };
        self.store.claim(claim).await.unwrap()
    }

    async fn finish(&self, finish: Finish) {
        self.store.finish(self.run, vec![finish]).await.unwrap();
    }

    fn reader(&self) -> SqliteReader {
        SqliteReader::open(&self.path).unwrap()
    }

    async fn counts(&self) -> JobCounts {
        self.reader().runs().await.unwrap()[0].jobs
    }
}

fn record(attempt: AttemptId, outcome: AttemptOutcome, class: Option<ErrorClass>) -> AttemptRecord {
    AttemptRecord {
        attempt,
        ended_at: at(900),
        outcome,
        error_class: class,
        evidence: Evidence {
            http_status: Some(if class.is_some() { 529 } else { 200 }),
            request_id: Some("req_1".to_owned()),
            retry_after: class.map(|_| Duration::from_secs(3)),
            ..Evidence::default()
        },
        endpoint: None,
        answered_by: class.is_none().then(|| "claude-haiku-5-5".to_owned()),
        usage: Usage {
            tokens: Tokens {
                input: 10,
                output: 5,
                ..Tokens::default()
            },
            ..Usage::default()
        },
        cost: Cost {
            total: Pico(3_500_000),
            ..Cost::default()
        },
        cost_basis: None,
        price_row: None,
        at_most: None,
        maybe_billed: false,
        latency: Some(Duration::from_millis(900)),
        wait_rule: class.map(|_| WaitRule::RetryAfter),
    }
}

fn success(job: &ClaimedJob) -> Finish {
    let message = format!(r#"{{"id":"msg_{}","type":"message"}}"#, job.custom_id);
    Finish {
        record: record(job.attempt, AttemptOutcome::Succeeded, None),
        next: Next::End(JobEnd {
            state: JobState::Succeeded,
            result: ResultBody::Message(message),
        }),
        lane: Lane::Live,
        history: job.history,
    }
}

fn failure(job: &ClaimedJob) -> Finish {
    let error =
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#.to_owned();
    Finish {
        record: record(
            job.attempt,
            AttemptOutcome::Errored,
            Some(ErrorClass::InvalidRequest),
        ),
        next: Next::End(JobEnd {
            state: JobState::Failed,
            result: ResultBody::Error(error),
        }),
        lane: Lane::Live,
        history: job.history,
    }
}

fn retry(job: &ClaimedJob, next_try: Timestamp) -> Finish {
    Finish {
        record: record(
            job.attempt,
            AttemptOutcome::Errored,
            Some(ErrorClass::Overloaded),
        ),
        next: Next::RetryAt(next_try),
        lane: Lane::Live,
        history: JobHistory {
            counted: 1,
            faults_in_row: 1,
            ..job.history
        },
    }
}

fn ids(claimed: &Claimed) -> Vec<&str> {
    claimed
        .jobs
        .iter()
        .map(|job| job.custom_id.as_str())
        .collect()
}

#[tokio::test]
async fn a_run_is_invisible_until_it_is_loaded() {
    let bench = Bench::empty().await;
    bench.store.add_jobs(bench.run, vec![job(1)]).await.unwrap();
    assert_eq!(bench.reader().runs().await.unwrap(), []);
    assert_eq!(bench.store.loading().await.unwrap(), [bench.run]);
    bench.store.finish_load(bench.run, [7; 32]).await.unwrap();
    let run = bench.reader().runs().await.unwrap().remove(0);
    assert_eq!(
        (run.id, run.state, run.jobs.pending),
        (bench.run, RunState::Ready, 1)
    );
    assert_eq!(run.options, concurrency(7));
    assert_eq!(bench.store.loading().await.unwrap(), []);
}

#[tokio::test]
async fn a_broken_off_load_is_swept_away_page_by_page() {
    let bench = Bench::empty().await;
    bench
        .store
        .add_jobs(bench.run, (1..=2_500).map(job).collect())
        .await
        .unwrap();
    let mut pages = 0;
    while bench.store.sweep_load(bench.run).await.unwrap() {
        pages += 1;
    }
    assert_eq!(pages, 3);
    assert_eq!(bench.store.loading().await.unwrap(), []);
    assert!(
        !bench.store.sweep_load(bench.run).await.unwrap(),
        "sweeping again is harmless"
    );
}

#[tokio::test]
async fn a_refused_call_spoils_no_other_call_of_its_group() {
    let bench = Bench::with_jobs(40).await;
    let claimed = bench.claim(40, at(0)).await;
    let mut calls = tokio::task::JoinSet::new();
    for (index, job) in claimed.jobs.iter().enumerate() {
        let (store, run, mut finish) = (bench.store.clone(), bench.run, success(job));
        if index % 4 == 0 {
            finish.record.attempt.n = 9;
        }
        calls.spawn(async move { store.finish(run, vec![finish]).await.is_ok() });
    }
    let recorded = calls.join_all().await.into_iter().filter(|ok| *ok).count();
    assert_eq!(recorded, 30);
    let counts = bench.counts().await;
    assert_eq!((counts.succeeded, counts.in_flight), (30, 10));
}

/// The row of a model that a call made which failed is gone with all else that it wrote.
#[tokio::test]
async fn what_a_call_has_learned_that_failed_is_forgotten() {
    let bench = Bench::with_jobs(1).await;
    let writer = &bench.store.writer;
    let fails = writer.call(|tx| {
        tx.model_row("another-model")?;
        Err::<(), _>(StoreError::IllegalTransition("no".to_owned()))
    });
    assert!(fails.await.is_err());
    let row = writer.call(|tx| tx.model_row("another-model"));
    let row = row.await.unwrap();
    let named = writer.call(move |tx| {
        let name = "SELECT name FROM models WHERE id = ?1";
        tx.query(name, [row], |row| row.get::<_, String>(0))
    });
    assert_eq!(named.await.unwrap().as_deref(), Some("another-model"));
}

#[tokio::test]
async fn cancelling_ends_what_waits_and_tells_the_dispatcher() {
    let bench = Bench::with_jobs(1_500).await;
    bench.claim(2, at(0)).await;
    assert!(bench.store.cancel(bench.run, at(1)).await.unwrap());
    assert!(!bench.store.cancel(bench.run, at(1)).await.unwrap());
    let counts = bench.counts().await;
    assert_eq!(
        (counts.canceled, counts.in_flight, counts.pending),
        (1_498, 2, 0)
    );
    let snapshot = bench.store.snapshot(bench.run).await.unwrap();
    assert!(snapshot.cancel_requested);
    assert_eq!(
        (snapshot.queues[0].queued, snapshot.queues[0].in_flight),
        (0, 2)
    );
}

#[tokio::test]
async fn retry_goes_page_by_page() {
    let bench = Bench::with_jobs(2_300).await;
    bench.store.cancel(bench.run, at(1)).await.unwrap();
    while bench.store.cancel(bench.run, at(1)).await.unwrap() {}
    let (mut total, mut after) = (0, Some(0));
    while let Some(line) = after {
        let (count, next) = bench
            .store
            .retry(bench.run, RetryFilter::default(), line)
            .await
            .unwrap();
        total += count;
        after = next;
    }
    assert_eq!(total, 2_300);
    assert!(
        !bench
            .store
            .snapshot(bench.run)
            .await
            .unwrap()
            .cancel_requested
    );
}

#[tokio::test]
async fn a_second_process_may_submit_while_a_dispatcher_runs() {
    let bench = Bench::with_jobs(1).await;
    let second = SqliteStore::open(&bench.path).unwrap();
    let run = RunId::generate();
    second.begin_load(new_run(run)).await.unwrap();
    second.add_jobs(run, vec![job(1)]).await.unwrap();
    let claimed = bench.claim(1, at(0)).await;
    bench.finish(success(&claimed.jobs[0])).await;
    second.finish_load(run, [9; 32]).await.unwrap();
    assert_eq!(bench.reader().runs().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_closed_store_is_one_file_and_takes_no_more_calls() {
    let bench = Bench::with_jobs(3).await;
    bench.store.close().await;
    let files: Vec<_> = std::fs::read_dir(bench.path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(files, ["store.db"]);
    let refused = bench.store.snapshot(bench.run).await.unwrap_err();
    assert!(matches!(refused, StoreError::Closed), "{refused}");
    assert_eq!(bench.counts().await.pending, 3);
}
