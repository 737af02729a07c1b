//! A world to run the engine in: its store, its provider, its clock, and what must hold in it.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claude_run::clock::Clock;
use claude_run::engine::{
    Ending, EngineError, EngineSettings, LimitSettings, Providers, SecondEndpoint, StatusProbe,
    Stop, Stopper, dispatch,
};
use claude_run::model::{
    AttemptOutcome, DispatchOptions, ErrorClass, Event, EventKind, JobCounts, JobState, NewJob,
    Observer, OnTruncated, Pico, RequestBody, Run, RunId, RunState, Shaping, StreamMode,
};
use claude_run::policy::{AmendSettings, PriceTable, RetrySettings};
use claude_run::provider::{Pair, Provider};
use claude_run::store::sqlite::{SqliteReader, SqliteStore};
use claude_run::store::{
    AttemptRow, NewRun, Only, Reader, ResultRow, RetryFilter, StatusChange, Store,
};
use fastrand::Rng;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::flaky::Flaky;
use crate::page::{Asked, Page};
use crate::scripted::Scripted;

/// What the second endpoint is called.
pub const SECOND: &str = "https://second.test";

/// A world in the making.
pub struct Plan {
    seed: u64,
    jobs: Vec<(String, u64)>,
    concurrency: u32,
    stagger: Duration,
    max_attempts: u32,
    give_up_after: Option<Duration>,
    latency_ms: u64,
    on_halt: claude_run::model::OnHalt,
    amend: AmendSettings,
    limits: LimitSettings,
    body: fn(u64, &str) -> String,
    asks_page: bool,
    retry_scale: f64,
    second_after: Option<Duration>,
}

/// A run with its surroundings.
pub struct World {
    pub provider: Scripted,
    /// The second endpoint.
    pub second: Scripted,
    store: Arc<Flaky>,
    plain_store: SqliteStore,
    reader: SqliteReader,
    run: RunId,
    clock: Clock,
    began: Instant,
    plan: Plan,
    chance: std::cell::RefCell<Rng>,
    most_open: Arc<AtomicU64>,
    outages: Arc<AtomicU64>,
    pub page: Arc<Page>,
    budget: std::cell::Cell<Option<Pico>>,
    events: Arc<Mutex<Vec<EventKind>>>,
    _folder: tempfile::TempDir,
}

impl World {
    #[expect(clippy::new_ret_no_self, reason = "a world begins as a plan")]
    pub fn new(seed: u64) -> Plan {
        Plan {
            seed,
            jobs: Vec::new(),
            concurrency: 64,
            stagger: Duration::ZERO,
            max_attempts: 8,
            give_up_after: None,
            latency_ms: 1_000,
            on_halt: claude_run::model::OnHalt::Exit,
            amend: AmendSettings::default(),
            limits: LimitSettings {
                cache_warm: true,
                ..LimitSettings::default()
            },
            body: |line, model| {
                format!(
                    r#"{{"model":"{model}","id":"id-{line}","max_tokens":100,"messages":[{{"role":"user"}}]}}"#
                )
            },
            asks_page: false,
            retry_scale: 1.0,
            second_after: None,
        }
    }
}

impl Plan {
    pub fn jobs(self, count: u64) -> Self {
        self.jobs_of("claude-haiku-5-5", count)
    }

    pub fn jobs_of(mut self, model: &str, count: u64) -> Self {
        self.jobs.push((model.to_owned(), count));
        self
    }

    pub fn concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = concurrency;
        self
    }

    pub fn stagger(mut self, stagger: Duration) -> Self {
        self.stagger = stagger;
        self
    }

    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    pub fn give_up_after(mut self, limit: Duration) -> Self {
        self.give_up_after = Some(limit);
        self
    }

    pub fn wait_on_halt(mut self) -> Self {
        self.on_halt = claude_run::model::OnHalt::Wait;
        self
    }

    /// Truncated answers get more room once, and these models are asked instead.
    pub fn amend(mut self, fallback_models: &[&str]) -> Self {
        self.amend = AmendSettings {
            on_truncated: OnTruncated::Raise,
            fallback_models: fallback_models.iter().map(|&id| id.to_owned()).collect(),
        };
        self
    }

    pub fn limits(mut self, limits: LimitSettings) -> Self {
        self.limits = limits;
        self
    }

    /// The request bodies, by line and model.
    pub fn bodies(mut self, body: fn(u64, &str) -> String) -> Self {
        self.body = body;
        self
    }

    /// There is a status page: [`World::page`].
    pub fn with_status_page(mut self) -> Self {
        self.asks_page = true;
        self
    }

    /// There is a second endpoint: [`World::second`].
    pub fn with_second_endpoint(mut self, after: Duration) -> Self {
        self.second_after = Some(after);
        self
    }

    pub fn retry_scale(mut self, scale: f64) -> Self {
        self.retry_scale = scale;
        self
    }

    pub fn latency(mut self, median_ms: u64) -> Self {
        self.latency_ms = median_ms;
        self
    }

    /// Runs `story` in the world that this plan describes, on virtual time.
    pub fn block_on(self, story: impl AsyncFnOnce(&World)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = self.build().await;
            story(&world).await;
        });
    }

    async fn build(self) -> World {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = SqliteStore::open_inline(&path).unwrap();
        let run = RunId::generate();
        let start: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        store.begin_load(new_run(run, start)).await.unwrap();
        let total: u64 = self.jobs.iter().map(|(_, count)| count).sum();
        let jobs = (1..=total)
            .zip(self.models())
            .map(|(line, model)| new_job(line, model, (self.body)(line, model)));
        store.add_jobs(run, jobs.collect()).await.unwrap();
        store.finish_load(run, [0; 32]).await.unwrap();
        World {
            provider: Scripted::new(self.seed, self.latency_ms),
            second: Scripted::new(self.seed ^ 2, self.latency_ms),
            store: Arc::new(Flaky::new(store.clone())),
            plain_store: store,
            reader: SqliteReader::open(&path).unwrap(),
            run,
            clock: Clock::starting_at(start),
            began: Instant::now(),
            chance: Rng::with_seed(self.seed ^ 0x5EED).into(),
            most_open: Arc::default(),
            outages: Arc::default(),
            page: Arc::default(),
            budget: self.limits.budget.into(),
            events: Arc::default(),
            plan: self,
            _folder: folder,
        }
    }

    fn models(&self) -> impl Iterator<Item = &str> {
        self.jobs.iter().flat_map(|(model, count)| {
            std::iter::repeat_n(model.as_str(), usize::try_from(*count).unwrap())
        })
    }
}

fn new_run(id: RunId, created_at: Timestamp) -> NewRun {
    NewRun {
        id,
        name: None,
        file: "jobs.jsonl".to_owned(),
        simulated: true,
        created_at,
        shaping: Shaping::default(),
        options: DispatchOptions::default(),
    }
}

fn new_job(line: u64, model: &str, body: String) -> NewJob {
    NewJob {
        line,
        custom_id: format!("id-{line}"),
        model: model.to_owned(),
        body: RequestBody::from_json(body),
        lane: None,
        deadline: None,
        live_only: false,
        metadata: None,
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
            EventKind::AttemptEnded { .. } => self.open -= 1,
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
        self.dispatch_with(Stopper::new().1, &self.endpoints())
            .await
    }

    /// Dispatches, and crashes after that long: nothing is recorded from then on. None if it did
    /// crash.
    pub async fn dispatch_until(&self, crash_after: Duration) -> Option<Ending> {
        tokio::time::timeout(crash_after, self.dispatch())
            .await
            .ok()
    }

    pub async fn dispatch_and_stop_at(&self, after: Duration, stop: Stop) -> Ending {
        let (stopper, signal) = Stopper::new();
        let stop_later = async {
            tokio::time::sleep(after).await;
            for _ in 0..=u8::from(stop == Stop::Now) {
                stopper.escalate();
            }
        };
        let endpoints = self.endpoints();
        let (ending, ()) = tokio::join!(self.dispatch_with(signal, &endpoints), stop_later);
        ending.unwrap()
    }

    pub async fn dispatch_and_cancel_at(&self, after: Duration) -> Ending {
        let cancel_later = async {
            tokio::time::sleep(after).await;
            while self
                .plain_store
                .cancel(self.run, self.clock.now())
                .await
                .unwrap()
            {}
        };
        self.dispatch_beside(cancel_later).await
    }

    pub async fn dispatch_and_retry_at(&self, after: Duration) -> Ending {
        let retry_later = async {
            tokio::time::sleep(after).await;
            let filter = RetryFilter::default();
            assert_eq!(
                self.plain_store.retry(self.run, filter, 0).await.unwrap().0,
                1
            );
        };
        self.dispatch_beside(retry_later).await
    }

    async fn dispatch_beside(&self, other: impl Future<Output = ()>) -> Ending {
        let (ending, ()) = tokio::join!(self.dispatch(), other);
        ending
    }

    /// Dispatches with another provider than the scripted one.
    pub async fn dispatch_to<P: Provider>(&self, provider: &Arc<P>) -> Ending {
        let signal = Stopper::new().1;
        self.dispatch_with(signal, provider).await.unwrap()
    }

    fn endpoints(&self) -> Arc<Pair<Scripted>> {
        let pair = Pair::alone(self.provider.clone());
        Arc::new(pair.with_second(self.second.clone(), BTreeMap::new()))
    }

    async fn dispatch_with<P: Provider>(
        &self,
        signal: claude_run::engine::StopSignal,
        provider: &Arc<P>,
    ) -> Result<Ending, EngineError> {
        let run = self.run().await;
        let settings = EngineSettings {
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
            prices: Arc::new(PriceTable::embedded()),
            seed: Some(self.plan.seed),
            after_halt: run.state == RunState::Halted,
            on_halt: self.plan.on_halt,
            batch: claude_run::engine::BatchOptions::default(),
            second: self.plan.second_after.map(|after| SecondEndpoint {
                shown: SECOND.to_owned(),
                after,
            }),
            status: self
                .plan
                .asks_page
                .then(|| StatusProbe::new(Asked(Arc::clone(&self.page)))),
        };
        let mut observer = OpenCounter {
            open: 0,
            most: Arc::clone(&self.most_open),
            outages: Arc::clone(&self.outages),
            events: Arc::clone(&self.events),
        };
        let store = Arc::clone(&self.store);
        let provider = Providers::live_only(Arc::clone(provider));
        dispatch(
            store,
            provider,
            self.clock,
            &run,
            settings,
            &mut observer,
            signal,
        )
        .await
    }

    /// Every call of the store fails from then on.
    pub fn break_store_after(&self, calls: u64) {
        self.store.break_after(calls);
    }

    pub fn repair_store(&self) {
        self.store.repair();
    }

    pub fn random_instant(&self, within_ms: u64) -> Duration {
        Duration::from_millis(self.chance.borrow_mut().u64(1..within_ms))
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
            let page = self
                .reader
                .results(self.run, Only::All, after)
                .await
                .unwrap();
            let Some(last) = page.last() else { return rows };
            after = last.line;
            rows.extend(page);
        }
    }

    /// What must hold of every finished run: each job ended once, every request is an attempt, an
    /// attempt follows its predecessor's schedule, and a success is followed by another attempt only
    /// when it was put aside (truncated) or is gone on with (paused).
    pub async fn check(&self, seed: u64) {
        let (ledger, results) = (self.ledger().await, self.results().await);
        let total: u64 = self.plan.jobs.iter().map(|(_, count)| count).sum();
        assert_eq!(
            results.len() as u64,
            total,
            "seed {seed}: a job is missing or doubled"
        );
        assert_eq!(self.counts().await.open(), 0, "seed {seed}");
        let mut attempts: HashMap<&str, Vec<&AttemptRow>> = HashMap::new();
        for row in &ledger {
            attempts.entry(&row.custom_id).or_default().push(row);
        }
        for result in &results {
            self.check_job(seed, result, &attempts[result.custom_id.as_str()]);
        }
    }

    fn check_job(&self, seed: u64, result: &ResultRow, attempts: &[&AttemptRow]) {
        let id = &result.custom_id;
        let interrupted = attempts
            .iter()
            .filter(|row| row.outcome == Some(AttemptOutcome::Interrupted))
            .count();
        let requests = self.provider.requests_of(id) + self.second.requests_of(id);
        assert!(
            requests <= attempts.len(),
            "seed {seed}, {id}: a request without an attempt"
        );
        assert!(
            requests + interrupted >= attempts.len(),
            "seed {seed}, {id}: an attempt without a request"
        );
        let numbers: Vec<_> = attempts.iter().map(|row| row.attempt.n).collect();
        assert_eq!(
            numbers,
            (1..=result.attempts).collect::<Vec<_>>(),
            "seed {seed}, {id}"
        );
        for pair in attempts.windows(2) {
            let due = pair[0].next_try_at.or(pair[0].ended_at).unwrap();
            assert!(
                pair[1].started_at >= due,
                "seed {seed}, {id}: tried before its time"
            );
        }
        let successes = attempts
            .iter()
            .filter(|row| row.outcome == Some(AttemptOutcome::Succeeded) && !leads_on(row))
            .count();
        let expected = result.state == JobState::Succeeded && result.error_class.is_none();
        assert_eq!(successes, usize::from(expected), "seed {seed}, {id}");
    }
}

/// Such a success may lead to another attempt.
fn leads_on(row: &AttemptRow) -> bool {
    matches!(
        row.error_class,
        Some(ErrorClass::Truncated | ErrorClass::Paused)
    )
}
