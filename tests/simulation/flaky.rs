//! A store that stops working when it is told to.

use std::sync::atomic::{AtomicU64, Ordering};

use claude_run::model::{AttemptId, DispatchOptions, Halt, NewJob, RunId};
use claude_run::store::sqlite::SqliteStore;
use claude_run::store::{
    Claim, Claimed, DuplicateId, EstimateSums, Finish, NewRun, Pulse, Recovered, Result,
    RetryFilter, StatusChange, Store, StoreError,
};
use jiff::Timestamp;

/// The real store, until it breaks; counts the attempts that are open in it.
pub struct Flaky {
    pub store: SqliteStore,
    calls_left: AtomicU64,
    open: AtomicU64,
    most_open: AtomicU64,
}

impl Flaky {
    pub fn new(store: SqliteStore) -> Self {
        Self {
            store,
            calls_left: AtomicU64::new(u64::MAX),
            open: AtomicU64::new(0),
            most_open: AtomicU64::new(0),
        }
    }

    pub fn break_after(&self, calls: u64) {
        self.calls_left.store(calls, Ordering::Relaxed);
    }

    pub fn repair(&self) {
        self.calls_left.store(u64::MAX, Ordering::Relaxed);
    }

    pub fn most_open(&self) -> u64 {
        self.most_open.load(Ordering::Relaxed)
    }

    pub fn call(&self) -> Result<()> {
        let left = self.calls_left.load(Ordering::Relaxed);
        self.calls_left
            .store(left.saturating_sub(1), Ordering::Relaxed);
        match left {
            0 => Err(StoreError::DiskFull {
                path: "store.db".into(),
            }),
            _ => Ok(()),
        }
    }
}

impl Store for Flaky {
    async fn begin_load(&self, run: NewRun) -> Result<()> {
        self.store.begin_load(run).await
    }

    async fn add_jobs(&self, run: RunId, jobs: Vec<NewJob>) -> Result<Vec<DuplicateId>> {
        self.store.add_jobs(run, jobs).await
    }

    async fn finish_load(&self, run: RunId, fingerprint: [u8; 32]) -> Result<()> {
        self.store.finish_load(run, fingerprint).await
    }

    async fn sweep_load(&self, run: RunId) -> Result<bool> {
        self.store.sweep_load(run).await
    }

    async fn start_run(
        &self,
        run: RunId,
        now: Timestamp,
        max_interruptions: u32,
    ) -> Result<Recovered> {
        self.call()?;
        self.open.store(0, Ordering::Relaxed);
        self.store.start_run(run, now, max_interruptions).await
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed> {
        self.call()?;
        let claimed = self.store.claim(claim).await?;
        let jobs = claimed.jobs.len() as u64;
        let open = self.open.fetch_add(jobs, Ordering::Relaxed) + jobs;
        self.most_open.fetch_max(open, Ordering::Relaxed);
        Ok(claimed)
    }

    async fn finish(&self, run: RunId, finishes: Vec<Finish>) -> Result<()> {
        self.call()?;
        self.open
            .fetch_sub(finishes.len() as u64, Ordering::Relaxed);
        self.store.finish(run, finishes).await
    }

    async fn reserve_spool(&self, slots: u32) -> Result<()> {
        self.store.reserve_spool(slots).await
    }

    async fn spool(&self, run: RunId, finishes: Vec<Finish>) -> Vec<Finish> {
        let (all, left) = (finishes.len(), self.store.spool(run, finishes).await);
        self.open
            .fetch_sub((all - left.len()) as u64, Ordering::Relaxed);
        left
    }

    async fn release_spool(&self) {
        self.store.release_spool().await;
    }

    async fn release(&self, run: RunId, attempts: Vec<AttemptId>) -> Result<()> {
        self.call()?;
        self.open
            .fetch_sub(attempts.len() as u64, Ordering::Relaxed);
        self.store.release(run, attempts).await
    }

    async fn keep_options(&self, run: RunId, options: DispatchOptions) -> Result<()> {
        self.store.keep_options(run, options).await
    }

    async fn pulse(&self, run: RunId) -> Result<Pulse> {
        self.call()?;
        self.store.pulse(run).await
    }

    async fn note_estimates(&self, run: RunId, sums: Vec<EstimateSums>) -> Result<()> {
        self.call()?;
        self.store.note_estimates(run, sums).await
    }

    async fn note_status(&self, run: RunId, change: StatusChange) -> Result<()> {
        self.call()?;
        self.store.note_status(run, change).await
    }

    async fn leave_run(&self, run: RunId, now: Timestamp, halt: Option<Halt>) -> Result<()> {
        self.call()?;
        self.store.leave_run(run, now, halt).await
    }

    async fn cancel(&self, run: RunId, now: Timestamp) -> Result<bool> {
        self.call()?;
        self.store.cancel(run, now).await
    }

    async fn retry(
        &self,
        run: RunId,
        filter: RetryFilter,
        after_line: u64,
    ) -> Result<(u64, Option<u64>)> {
        self.store.retry(run, filter, after_line).await
    }
}
