//! A named case for each promise of the traits.

mod attempts;
mod batches;
mod lanes;
mod loading;
mod runs;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use claude_run::model::{ClaimedJob, NewJob, Run, RunId};
use claude_run::store::{AttemptRow, BatchStore, Claim, Claimed, Only, Reader, ResultRow, Store};
use jiff::Timestamp;

use crate::block_on;
use crate::fixture::Fixture;
use crate::samples::{End, HAIKU, at, finish, new_run, plain};
use crate::view;

/// A promise and the story that shows it.
type Case<F> = (&'static str, fn(Bench<F>) -> Story);
type Story = Pin<Box<dyn Future<Output = ()>>>;

/// Holds a store to every case; names all that fail.
pub fn hold_to_every_promise<F: Fixture + 'static>() {
    let cases = [
        loading::cases::<F>(),
        attempts::cases::<F>(),
        runs::cases::<F>(),
        lanes::cases::<F>(),
        batches::cases::<F>(),
    ];
    let broken: Vec<_> = cases
        .concat()
        .into_iter()
        .filter(|(_, story)| {
            let told = || block_on(story(Bench::<F>::new()));
            catch_unwind(AssertUnwindSafe(told)).is_err()
        })
        .map(|(promise, _)| promise)
        .collect();
    assert!(broken.is_empty(), "broken promises: {broken:#?}");
}

/// A store with a run to try it with.
pub struct Bench<F: Fixture> {
    fixture: F,
    pub store: F::Store,
    pub run: RunId,
}

impl<F: Fixture> Bench<F> {
    fn new() -> Self {
        let fixture = F::open();
        Self {
            store: fixture.store(),
            fixture,
            run: RunId::generate(),
        }
    }

    async fn loading(&self, jobs: Vec<NewJob>) {
        self.store.begin_load(new_run(self.run)).await.unwrap();
        assert_eq!(self.store.add_jobs(self.run, jobs).await.unwrap(), []);
    }

    async fn loaded(&self, jobs: Vec<NewJob>) {
        self.loading(jobs).await;
        self.store.finish_load(self.run, [7; 32]).await.unwrap();
        self.start(at(0)).await;
    }

    /// With so many lines that name nothing of their own.
    async fn with_jobs(&self, count: u64) {
        self.loaded((1..=count).map(plain).collect()).await;
    }

    async fn start(&self, now: Timestamp) {
        self.store.start_run(self.run, now, 20).await.unwrap();
    }

    async fn claim(&self, most: u32, now: Timestamp) -> Claimed {
        self.claim_bytes(most, u64::MAX, now).await
    }

    async fn claim_bytes(&self, max_jobs: u32, max_bytes: u64, now: Timestamp) -> Claimed {
        let claim = Claim {
            run: self.run,
            model: HAIKU.to_owned(),
            max_jobs,
            max_bytes,
            new_first: false,
            now,
        };
        self.store.claim(claim).await.unwrap()
    }

    async fn claim_one(&self, now: Timestamp) -> ClaimedJob {
        let mut claimed = self.claim(1, now).await;
        assert_eq!(claimed.jobs.len(), 1);
        claimed.jobs.remove(0)
    }

    async fn end(&self, end: End, job: &ClaimedJob, now: Timestamp) {
        let finishes = vec![finish(end, job, now)];
        self.store.finish(self.run, finishes).await.unwrap();
    }

    async fn run(&self) -> Run {
        let runs = self.fixture.reader().runs().await.unwrap();
        runs.into_iter().find(|run| run.id == self.run).unwrap()
    }

    async fn ledger(&self) -> Vec<AttemptRow> {
        view::attempts(self.fixture.reader(), self.run).await
    }

    async fn results(&self) -> Vec<ResultRow> {
        view::results(self.fixture.reader(), self.run, Only::All).await
    }

    fn sound(&self) {
        let contradictions = self.fixture.contradictions(&[self.run]);
        assert!(contradictions.is_empty(), "{contradictions:#?}");
    }
}

impl<F: Fixture> Bench<F>
where
    F::Store: BatchStore,
{
    fn reader(&self) -> &F::Reader {
        self.fixture.reader()
    }
}

/// The lines of claimed jobs.
fn lines(claimed: &Claimed) -> Vec<String> {
    let jobs = claimed.jobs.iter();
    jobs.map(|job| job.custom_id.trim_start_matches("id-").to_owned())
        .collect()
}
