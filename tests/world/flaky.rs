//! A store that stops working when it is told to.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use claude_run::model::{AttemptId, DispatchOptions, Halt, NewJob, Pico, RunId};
use claude_run::store::{
    CancelFilter, CanceledJobs, Claim, Claimed, DuplicateId, EstimateSums, Finish, MaybeBilled,
    NewRun, Recovered, Result, RetryFilter, RunSnapshot, StatusChange, Store, StoreError,
    Unbounded,
};
use jiff::Timestamp;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error, and nothing was done.
    NotDone,
    /// It was done and is durable, and the caller hears of an error.
    Unheard,
    /// A bug of our own: the call panics, and nothing was done.
    Panics,
}

struct Weather {
    calls_left: u64,
    fault: Fault,
    /// After the fault nothing works until the store is repaired.
    lasts: bool,
}

const FAIR: Weather = Weather {
    calls_left: u64::MAX,
    fault: Fault::NotDone,
    lasts: false,
};

/// Another store, until it breaks; counts the attempts that are open in it.
pub struct Flaky<S> {
    pub store: S,
    weather: Mutex<Weather>,
    /// Each verb takes a moment before and after it happens, so that a crash may fall on either
    /// side: verbs of the live lane, and of batches.
    pub live_moment: Duration,
    pub batch_moment: Duration,
    /// The spool takes nothing.
    spool_is_full: AtomicBool,
    /// Attempts that were claimed for the live lane and have not ended.
    open: Mutex<HashSet<AttemptId>>,
    most_open: AtomicUsize,
}

impl<S> Flaky<S> {
    pub fn new(store: S) -> Self {
        Self {
            store,
            weather: Mutex::new(FAIR),
            live_moment: Duration::ZERO,
            batch_moment: Duration::ZERO,
            spool_is_full: false.into(),
            open: Mutex::default(),
            most_open: AtomicUsize::new(0),
        }
    }

    /// After so many calls that work, one goes wrong like that, and then none works.
    pub fn break_after(&self, calls_left: u64, fault: Fault) {
        *self.weather.lock().unwrap() = Weather {
            calls_left,
            fault,
            lasts: true,
        };
    }

    /// After so many calls that work, a single one goes wrong like that.
    pub fn fail_once_after(&self, calls_left: u64, fault: Fault) {
        *self.weather.lock().unwrap() = Weather {
            calls_left,
            fault,
            lasts: false,
        };
    }

    pub fn fill_spool(&self) {
        self.spool_is_full.store(true, Ordering::Relaxed);
    }

    pub fn repair(&self) {
        *self.weather.lock().unwrap() = FAIR;
    }

    /// Whether a fault that was ordered has not come yet.
    pub fn fault_is_to_come(&self) -> bool {
        self.weather.lock().unwrap().calls_left < u64::MAX / 2
    }

    pub fn most_open(&self) -> u64 {
        self.most_open.load(Ordering::Relaxed) as u64
    }

    fn fault(&self) -> Option<Fault> {
        let mut weather = self.weather.lock().unwrap();
        if let Some(left) = weather.calls_left.checked_sub(1) {
            weather.calls_left = left;
            return None;
        }
        let fault = weather.fault;
        *weather = if weather.lasts {
            Weather {
                fault: Fault::NotDone,
                ..*weather
            }
        } else {
            FAIR
        };
        Some(fault)
    }

    /// Carries out a verb as the weather is, with a moment before and after.
    pub async fn verb<T>(
        &self,
        moment: Duration,
        verb: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        pause(moment).await;
        let fault = self.fault();
        if fault == Some(Fault::NotDone) {
            return Err(disk_full());
        }
        assert_ne!(
            fault,
            Some(Fault::Panics),
            "the store panics, as it was told to"
        );
        let done = verb.await;
        pause(moment).await;
        if fault == Some(Fault::Unheard) {
            done?;
            return Err(disk_full());
        }
        done
    }

    /// Whether one of these is an attempt of the live lane that has not ended.
    fn are_open(&self, attempts: &[AttemptId]) -> bool {
        let open = self.open.lock().unwrap();
        attempts.iter().any(|attempt| open.contains(attempt))
    }

    fn close<'a>(&self, attempts: impl IntoIterator<Item = &'a AttemptId>) {
        let mut open = self.open.lock().unwrap();
        for attempt in attempts {
            open.remove(attempt);
        }
    }

    async fn live<T>(&self, verb: impl Future<Output = Result<T>>) -> Result<T> {
        self.verb(self.live_moment, verb).await
    }
}

async fn pause(moment: Duration) {
    if !moment.is_zero() {
        tokio::time::sleep(moment).await;
    }
}

fn attempts(of: &[Finish]) -> Vec<AttemptId> {
    of.iter().map(|finish| finish.record.attempt).collect()
}

fn disk_full() -> StoreError {
    StoreError::DiskFull {
        path: "store.db".into(),
    }
}

impl<S: Store> Store for Flaky<S> {
    async fn begin_load(&self, run: NewRun) -> Result<()> {
        self.live(self.store.begin_load(run)).await
    }

    async fn add_jobs(&self, run: RunId, jobs: Vec<NewJob>) -> Result<Vec<DuplicateId>> {
        self.live(self.store.add_jobs(run, jobs)).await
    }

    async fn finish_load(&self, run: RunId, fingerprint: [u8; 32]) -> Result<()> {
        self.live(self.store.finish_load(run, fingerprint)).await
    }

    async fn finish_load_once(&self, run: RunId, fingerprint: [u8; 32]) -> Result<Option<RunId>> {
        self.live(self.store.finish_load_once(run, fingerprint))
            .await
    }

    async fn sweep_load(&self, run: RunId) -> Result<bool> {
        self.live(self.store.sweep_load(run)).await
    }

    async fn start_run(
        &self,
        run: RunId,
        now: Timestamp,
        max_interruptions: u32,
    ) -> Result<Recovered> {
        self.open.lock().unwrap().clear();
        self.live(self.store.start_run(run, now, max_interruptions))
            .await
    }

    async fn begin_marks(&self, run: RunId) -> Result<()> {
        self.live(self.store.begin_marks(run)).await
    }

    fn mark_sent(&self, attempt: AttemptId) {
        self.store.mark_sent(attempt);
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed> {
        let claimed = self.live(self.store.claim(claim)).await?;
        let mut open = self.open.lock().unwrap();
        open.extend(claimed.jobs.iter().map(|job| job.attempt));
        self.most_open.fetch_max(open.len(), Ordering::Relaxed);
        drop(open);
        Ok(claimed)
    }

    async fn finish(&self, run: RunId, finishes: Vec<Finish>) -> Result<Vec<Finish>> {
        let ended = attempts(&finishes);
        let is_live = self.are_open(&ended);
        let moment = if is_live {
            self.live_moment
        } else {
            self.batch_moment
        };
        let lesser = self.verb(moment, self.store.finish(run, finishes)).await?;
        self.close(&ended);
        Ok(lesser)
    }

    async fn reserve_spool(&self, slots: u32) -> Result<()> {
        self.store.reserve_spool(slots).await
    }

    async fn spool(&self, run: RunId, finishes: Vec<Finish>) -> Vec<Finish> {
        if self.spool_is_full.load(Ordering::Relaxed) {
            return finishes;
        }
        let all = attempts(&finishes);
        let left = self.store.spool(run, finishes).await;
        let not_taken = attempts(&left);
        self.close(all.iter().filter(|attempt| !not_taken.contains(attempt)));
        left
    }

    async fn release_spool(&self) {
        self.store.release_spool().await;
    }

    async fn release(&self, run: RunId, attempts: Vec<AttemptId>) -> Result<()> {
        let released = attempts.clone();
        self.live(self.store.release(run, attempts)).await?;
        self.close(&released);
        Ok(())
    }

    async fn without_bound(&self, run: RunId, after: Option<AttemptId>) -> Result<Vec<Unbounded>> {
        self.live(self.store.without_bound(run, after)).await
    }

    async fn keep_bounds(&self, run: RunId, bounds: Vec<(AttemptId, Pico)>) -> Result<()> {
        self.live(self.store.keep_bounds(run, bounds)).await
    }

    async fn maybe_billed(&self, run: RunId) -> Result<MaybeBilled> {
        self.live(self.store.maybe_billed(run)).await
    }

    async fn keep_options(&self, run: RunId, options: DispatchOptions) -> Result<()> {
        self.live(self.store.keep_options(run, options)).await
    }

    async fn name_run(&self, run: RunId, name: String) -> Result<()> {
        self.live(self.store.name_run(run, name)).await
    }

    async fn snapshot(&self, run: RunId) -> Result<RunSnapshot> {
        self.live(self.store.snapshot(run)).await
    }

    async fn note_estimates(&self, run: RunId, sums: Vec<EstimateSums>) -> Result<()> {
        self.live(self.store.note_estimates(run, sums)).await
    }

    async fn note_status(&self, run: RunId, change: StatusChange) -> Result<()> {
        self.live(self.store.note_status(run, change)).await
    }

    async fn leave_run(&self, run: RunId, now: Timestamp, halt: Option<Halt>) -> Result<()> {
        self.live(self.store.leave_run(run, now, halt)).await
    }

    async fn cancel(&self, run: RunId, now: Timestamp) -> Result<bool> {
        self.live(self.store.cancel(run, now)).await
    }

    async fn cancel_jobs(
        &self,
        run: RunId,
        filter: CancelFilter,
        after_line: u64,
        now: Timestamp,
    ) -> Result<CanceledJobs> {
        self.live(self.store.cancel_jobs(run, filter, after_line, now))
            .await
    }

    async fn retry(
        &self,
        run: RunId,
        filter: RetryFilter,
        after_line: u64,
    ) -> Result<(u64, Option<u64>)> {
        self.live(self.store.retry(run, filter, after_line)).await
    }
}
