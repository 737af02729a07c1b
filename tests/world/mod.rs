//! A world to run the engine in: its store, its endpoints, its clock, and what must hold in it.
//!
//! A world is the real engine, the real policies and the real store (on the caller's thread), with
//! scripted endpoints and tokio's paused clock in place of the network and the wall. A day passes in
//! a second, and nothing here depends on how fast the machine is. A seed always gives the same
//! world; when a test panics in one, a line on standard error says how to have it again.

mod checks;
pub mod flaky;
mod flaky_batches;
mod new_store;
pub mod page;
pub mod plan;
pub mod remote;
pub mod scripted;
pub mod whole;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use claude_run::clock::Clock;
use claude_run::engine::{
    BatchOptions, Ending, EngineError, EngineSettings, LimitSettings, Providers, SecondEndpoint,
    StatusProbe, Stop, StopSignal, Stopper, dispatch,
};
use claude_run::model::{
    Event, EventKind, JobCounts, Lane, Observer, Pico, Run, RunId, RunState, StreamMode,
};
use claude_run::policy::{PriceTable, RetrySettings};
use claude_run::provider::{BatchApi, Pair, Provider};
use claude_run::store::sqlite::{SqliteReader, SqliteStore};
use claude_run::store::{
    AttemptRow, BatchRow, BatchStore, Only, Reader, ResultRow, RetryFilter, StatusChange, Store,
};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use flaky::{Fault, Flaky};
use page::{Asked, Page};
use remote::Remote;
use scripted::Scripted;

pub use plan::Plan;

/// What the second endpoint is called.
pub const SECOND: &str = "https://second.test";

/// Read once: a seed has many dispatches.
static PRICES: LazyLock<Arc<PriceTable>> = LazyLock::new(|| Arc::new(PriceTable::embedded()));

/// The seeds to try: the first so many, as many as `SEEDS` says, or the one that `SEED` names.
pub fn seeds(usual: u64) -> Range<u64> {
    let told = |name| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        )
    };
    match told("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..told("SEEDS").unwrap_or(usual),
    }
}

/// A run with its surroundings.
pub struct World {
    pub provider: Scripted,
    /// The second endpoint.
    pub second: Scripted,
    /// The Batches API, whose clock is right.
    pub remote: Remote,
    store: Arc<Flaky<SqliteStore>>,
    plain_store: SqliteStore,
    reader: SqliteReader,
    run: RunId,
    /// The wall as the next process reads it.
    clock: Cell<Clock>,
    clock_was_set: Cell<bool>,
    start: Timestamp,
    began: Instant,
    plan: Plan,
    chance: RefCell<Rng>,
    most_open: Arc<AtomicU64>,
    outages: Arc<AtomicU64>,
    pub page: Arc<Page>,
    budget: Cell<Option<Pico>>,
    events: Arc<Mutex<Vec<EventKind>>>,
    _folder: tempfile::TempDir,
}

#[expect(
    clippy::print_stderr,
    reason = "it stands beside the words of the panic"
)]
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, thread) = (self.plan.seed, std::thread::current());

            let test = match thread.name() {
                Some(name) if !name.starts_with("whole::") && name != "<unnamed>" => name,
                _ => "whole",
            };
            eprintln!("to have it again: SEED={seed} cargo test --test simulation {test}");
        }
    }
}

/// Counts the attempts that are open from the events, the way an onlooker would.
struct OpenCounter {
    open: u64,
    most: Arc<AtomicU64>,
    outages: Arc<AtomicU64>,
    events: Arc<Mutex<Vec<EventKind>>>,
}

impl Observer for OpenCounter {
    fn observe(&mut self, event: &Event) {
        self.events.lock().unwrap().push(event.kind.clone());
        match &event.kind {
            EventKind::AttemptStarted { .. } => self.open += 1,
            EventKind::AttemptEnded { .. } => self.open = self.open.saturating_sub(1),
            EventKind::CircuitOpened { .. } => {
                self.outages.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        self.most.fetch_max(self.open, Ordering::Relaxed);
    }
}

impl World {
    pub async fn dispatch(&self) -> Ending {
        self.try_dispatch().await.unwrap()
    }

    pub async fn try_dispatch(&self) -> Result<Ending, EngineError> {
        self.dispatch_until_stopped(Stopper::new().1).await
    }

    /// Dispatches, and crashes after that long: nothing is recorded from then on. None if it did
    /// crash.
    pub async fn dispatch_until(&self, crash_after: Duration) -> Option<Ending> {
        tokio::time::timeout(crash_after, self.dispatch())
            .await
            .ok()
    }

    pub async fn dispatch_and_stop_at(&self, after: Duration, stop: Stop) -> Ending {
        self.try_dispatch_and_stop_at(after, stop).await.unwrap()
    }

    pub async fn try_dispatch_and_stop_at(
        &self,
        after: Duration,
        stop: Stop,
    ) -> Result<Ending, EngineError> {
        let (stopper, signal) = Stopper::new();
        let stop_later = async {
            tokio::time::sleep(after).await;
            for _ in 0..=u8::from(stop == Stop::Now) {
                stopper.escalate();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ending = self.dispatch_until_stopped(signal) => ending,
            () = stop_later => unreachable!(),
        }
    }

    pub async fn dispatch_and_cancel_at(&self, after: Duration) -> Ending {
        self.dispatch_and(after, async |world| world.cancel().await)
            .await
    }

    pub async fn dispatch_and_retry_at(&self, after: Duration) -> Ending {
        self.dispatch_and(after, async |world| assert_eq!(world.retry().await, 1))
            .await
    }

    /// Dispatches while something else happens after that long.
    pub async fn dispatch_and(&self, after: Duration, then: impl AsyncFnOnce(&Self)) -> Ending {
        let later = async {
            tokio::time::sleep(after).await;
            then(self).await;
        };
        tokio::join!(self.dispatch(), later).0
    }

    /// Another process cancels the run.
    pub async fn cancel(&self) {
        let now = self.clock().now();
        while self.plain_store.cancel(self.run, now).await.unwrap() {}
    }

    /// Another process begins to cancel the run, and dies; true if something is left to cancel.
    pub async fn cancel_a_page(&self) -> bool {
        let now = self.clock().now();
        self.plain_store.cancel(self.run, now).await.unwrap()
    }

    /// `claude-run batches forget`, for every batch that is not over.
    pub async fn forget_batches(&self) {
        let now = self.clock().now();
        for row in self.batches().await {
            let (store, batch) = (&self.plain_store, row.id);
            while !row.state.is_over()
                && store
                    .disband_batch(batch, Lane::Batch, true, now)
                    .await
                    .unwrap()
            {}
        }
    }

    /// Another process puts failed and cancelled jobs back; tells how many.
    pub async fn retry(&self) -> u64 {
        let filter = RetryFilter::default();
        let put_back = self.plain_store.retry(self.run, filter, 0).await;
        put_back.unwrap().0
    }

    /// Dispatches with another provider than the scripted one.
    pub async fn dispatch_to<P: Provider>(&self, provider: &Arc<P>) -> Ending {
        let signal = Stopper::new().1;
        let providers = Providers::live_only(Arc::clone(provider));
        self.dispatch_with(signal, providers).await.unwrap()
    }

    async fn dispatch_until_stopped(&self, signal: StopSignal) -> Result<Ending, EngineError> {
        let pair = Pair::alone(self.provider.clone());
        let live = Arc::new(pair.with_second(self.second.clone(), BTreeMap::new()));
        if self.plan.batches {
            let batches = Some(Arc::new(self.remote.clone()));
            self.dispatch_with(signal, Providers { live, batches })
                .await
        } else {
            self.dispatch_with(signal, Providers::live_only(live)).await
        }
    }

    async fn dispatch_with<P: Provider, B: BatchApi>(
        &self,
        signal: StopSignal,
        providers: Providers<P, B>,
    ) -> Result<Ending, EngineError> {
        let run = self.run().await;
        let settings = self.settings(&run);
        let mut observer = OpenCounter {
            open: 0,
            most: Arc::clone(&self.most_open),
            outages: Arc::clone(&self.outages),
            events: Arc::clone(&self.events),
        };
        let store = Arc::clone(&self.store);
        let clock = self.clock();
        dispatch(
            store,
            providers,
            clock,
            &run,
            settings,
            &mut observer,
            signal,
        )
        .await
    }

    fn settings(&self, run: &Run) -> EngineSettings {
        EngineSettings {
            heartbeat: self.plan.heartbeat,
            concurrency: self.plan.concurrency,
            stagger: self.plan.stagger,
            limits: LimitSettings {
                budget: self.budget.get(),
                ..self.plan.limits.clone()
            },
            retry: RetrySettings {
                max_attempts: self.plan.max_attempts,
                give_up_after: self.plan.give_up_after,
                scale: self.plan.retry_scale,
                ..RetrySettings::default()
            },
            timeout: Duration::from_mins(10),
            amend: self.plan.amend.clone(),
            stream: StreamMode::Auto,
            grace: Duration::from_secs(30),
            prices: Arc::clone(&PRICES),
            seed: Some(self.plan.seed),
            after_halt: run.state == RunState::Halted,
            on_halt: self.plan.on_halt,
            batch: BatchOptions {
                settings: self.plan.settings,
                lane: self.plan.lane,
                deadline: self.plan.deadline.map(|after| self.start + after),
                no_wait: self.plan.no_wait,
            },
            second: self.plan.second_after.map(|after| SecondEndpoint {
                shown: SECOND.to_owned(),
                after,
                models: BTreeMap::new(),
            }),
            status: self
                .plan
                .asks_page
                .then(|| StatusProbe::new(Asked(Arc::clone(&self.page)))),
        }
    }

    /// Every call of the store fails from then on.
    pub fn break_store_after(&self, calls: u64) {
        self.store.break_after(calls, Fault::NotDone);
    }

    /// The store, to be given other weather.
    pub fn store(&self) -> &Flaky<SqliteStore> {
        &self.store
    }

    pub fn repair_store(&self) {
        self.store.repair();
    }

    pub fn random_instant(&self, within_ms: u64) -> Duration {
        Duration::from_millis(self.chance.borrow_mut().u64(1..within_ms))
    }

    pub fn random(&self, most: u64) -> u64 {
        self.chance.borrow_mut().u64(1..=most)
    }

    pub fn random_ms(&self, most: u64) -> Duration {
        Duration::from_millis(self.random(most))
    }

    pub fn clock(&self) -> Clock {
        self.clock.get()
    }

    /// Somebody sets the wall clock: the next process reads that much more, or less.
    pub fn set_wall(&self, by: SignedDuration) {
        let now = self.clock().now().checked_add(by).unwrap();
        self.clock.set(Clock::starting_at(now));
        self.clock_was_set.set(true);
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The run may cost so much from the next dispatch on.
    pub fn set_budget(&self, budget: Pico) {
        self.budget.set(Some(budget));
    }

    /// The warnings about the budget, in per cent.
    pub fn budget_warnings(&self) -> Vec<u8> {
        let events = self.events.lock().unwrap();
        let warnings = events.iter().filter_map(|event| match event {
            EventKind::BudgetWarning { percent, .. } => Some(*percent),
            _ => None,
        });
        warnings.collect()
    }

    /// How many such events there were.
    pub fn told(&self, which: impl Fn(&EventKind) -> bool) -> usize {
        let events = self.events.lock().unwrap();
        events.iter().filter(|kind| which(kind)).count()
    }

    /// How often a circuit opened.
    pub fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }

    pub fn began(&self) -> Instant {
        self.began
    }

    pub fn most_open_attempts(&self) -> u64 {
        self.most_open
            .load(Ordering::Relaxed)
            .max(self.store.most_open())
    }

    pub async fn run(&self) -> Run {
        self.reader.runs().await.unwrap().remove(0)
    }

    pub async fn counts(&self) -> JobCounts {
        self.run().await.jobs
    }

    /// What those who watch were told.
    pub fn events(&self) -> Vec<EventKind> {
        self.events.lock().unwrap().clone()
    }

    /// What is stored of the status page.
    pub async fn status_changes(&self) -> Vec<StatusChange> {
        self.reader.status_changes(self.run).await.unwrap()
    }

    pub async fn batches(&self) -> Vec<BatchRow> {
        Reader::batches(&self.reader, self.run).await.unwrap()
    }

    pub async fn ledger(&self) -> Vec<AttemptRow> {
        let (mut rows, mut after) = (Vec::new(), 0);
        loop {
            let page = self.reader.attempts(self.run, None, after).await.unwrap();
            let Some(last) = page.last() else { return rows };
            after = last.line;
            rows.extend(page);
        }
    }

    pub async fn results(&self) -> Vec<ResultRow> {
        let (mut rows, mut after) = (Vec::new(), 0);
        loop {
            let page = self.reader.results(self.run, Only::All, after);
            let page = page.await.unwrap();
            let Some(last) = page.last() else { return rows };
            after = last.line;
            rows.extend(page);
        }
    }

    /// How many jobs ended by which lane, and in which state.
    pub async fn ends(&self) -> BTreeMap<(&'static str, String), usize> {
        let mut ends = BTreeMap::new();
        for row in self.results().await {
            *ends
                .entry((row.lane.as_str(), row.state.to_string()))
                .or_default() += 1;
        }
        ends
    }
}
