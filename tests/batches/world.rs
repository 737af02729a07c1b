//! A run with batch work, its store, its two lanes and its clock; and what must hold in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claude_run::clock::Clock;
use claude_run::engine::{
    BatchOptions, Ending, EngineError, EngineSettings, LimitSettings, Providers, Stop, StopSignal,
    Stopper, dispatch,
};
use claude_run::model::{
    AttemptOutcome, DispatchOptions, Event, EventKind, JobId, JobState, Lane, NewJob, Observer,
    OnHalt, Pico, RequestBody, Run, RunId, RunState, Shaping, SharedPrefix, StreamMode,
};
use claude_run::policy::{AmendSettings, BatchSettings, Census, PriceTable, RetrySettings};
use claude_run::store::sqlite::{SqliteReader, SqliteStore};
use claude_run::store::{AttemptRow, BatchRow, NewRun, Only, Reader, ResultRow, Store};
use fastrand::Rng;
use jiff::Timestamp;

use crate::flaky::Flaky;
use crate::remote::Remote;
use crate::scripted::Scripted;

const MODEL: &str = "claude-haiku-5-5";
/// What one message of the remote world costs in a batch: half of 100 × 0.10 + 50 × 0.50 USD per
/// million.
pub const BATCH_PRICE: Pico = Pico(17_500_000);

/// A line of the input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    pub lane: Option<Lane>,
    pub deadline: Option<Duration>,
}

/// A world in the making.
pub struct Plan {
    seed: u64,
    lines: Vec<Line>,
    lane: Option<Lane>,
    deadline: Option<Duration>,
    no_wait: bool,
    /// All lines have the same long system prompt, and it is marked.
    sharing: bool,
    limits: LimitSettings,
    on_halt: OnHalt,
    settings: BatchSettings,
}

/// A run with its surroundings.
pub struct World {
    pub remote: Remote,
    pub live: Arc<Scripted>,
    store: Arc<Flaky>,
    plain_store: SqliteStore,
    reader: SqliteReader,
    /// What is marked for the cache.
    pub cache_prefixes: Arc<[SharedPrefix]>,
    run: RunId,
    pub clock: Clock,
    start: Timestamp,
    chance: Mutex<Rng>,
    budget: Mutex<Option<Pico>>,
    events: Arc<Mutex<Vec<EventKind>>>,
    plan: Plan,
    _folder: tempfile::TempDir,
}

impl World {
    #[expect(clippy::new_ret_no_self, reason = "a world begins as a plan")]
    pub fn new(seed: u64) -> Plan {
        Plan {
            seed,
            lines: Vec::new(),
            lane: None,
            deadline: None,
            no_wait: false,
            sharing: false,
            limits: LimitSettings::default(),
            on_halt: OnHalt::Exit,
            settings: BatchSettings::default(),
        }
    }
}

impl Plan {
    /// Lines that name neither lane nor deadline.
    pub fn jobs(self, count: usize) -> Self {
        self.lines(count, Line::default())
    }

    pub fn lines(mut self, count: usize, line: Line) -> Self {
        self.lines.extend(std::iter::repeat_n(line, count));
        self
    }

    /// All go to batches, as the user says.
    pub fn forced(mut self) -> Self {
        self.lane = Some(Lane::Batch);
        self
    }

    /// All go live, as the user says.
    pub fn live(mut self) -> Self {
        self.lane = Some(Lane::Live);
        self
    }

    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    pub fn sharing(mut self) -> Self {
        self.sharing = true;
        self
    }

    pub fn no_wait(mut self) -> Self {
        self.no_wait = true;
        self
    }

    pub fn budget(mut self, budget: Pico) -> Self {
        self.limits.budget = Some(budget);
        self
    }

    pub fn only_between(mut self, hours: &str) -> Self {
        self.limits.only_between = Some(hours.parse().unwrap());
        self
    }

    pub fn wait_on_halt(mut self) -> Self {
        self.on_halt = OnHalt::Wait;
        self
    }

    pub fn settings(mut self, change: impl FnOnce(&mut BatchSettings)) -> Self {
        change(&mut self.settings);
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
        let jobs = self.lines.iter().zip(1..);
        let jobs = jobs.map(|(line, number)| NewJob {
            body: body(number, self.sharing),
            ..new_job(number, line, start)
        });
        store.add_jobs(run, jobs.collect()).await.unwrap();
        store.finish_load(run, [0; 32]).await.unwrap();
        let reader = SqliteReader::open(&path).unwrap();
        let cache_prefixes = shared(&reader, run, start).await;
        let clock = Clock::starting_at(start);
        World {
            cache_prefixes,

            remote: Remote::new(self.seed, clock),
            live: Arc::new(Scripted::new(self.seed, 1_000)),
            store: Arc::new(Flaky::new(store.clone())),
            plain_store: store,
            reader,
            run,
            clock,
            start,
            chance: Mutex::new(Rng::with_seed(self.seed ^ 0x5EED)),
            budget: Mutex::new(self.limits.budget),
            events: Arc::default(),
            plan: self,
            _folder: folder,
        }
    }
}

fn new_run(id: RunId, created_at: Timestamp) -> NewRun {
    NewRun {
        id,
        name: None,
        file: "jobs.jsonl".to_owned(),
        simulated: false,
        created_at,
        shaping: Shaping::default(),
        options: DispatchOptions::default(),
    }
}

fn body(line: u64, sharing: bool) -> RequestBody {
    let own = format!(r#"{{"model":"{MODEL}","id":"id-{line}","max_tokens":200}}"#);
    let system = "by heart ".repeat(400);
    let shared = format!(
        r#"{{"model":"{MODEL}","metadata":"id-{line}","max_tokens":200,"system":"{system}"}}"#
    );
    RequestBody::from_json(if sharing { shared } else { own })
}

async fn shared(reader: &SqliteReader, run: RunId, now: Timestamp) -> Arc<[SharedPrefix]> {
    let mut census = Census::new(PriceTable::embedded(), now);
    let mut after = JobId(0);
    loop {
        let page = reader.open_requests(run, after).await.unwrap();
        let Some(last) = page.last() else {
            return census.choose().into();
        };
        after = last.job;
        for request in &page {
            census.add(request.job, &request.model, &request.body);
        }
    }
}

fn new_job(line: u64, of: &Line, start: Timestamp) -> NewJob {
    NewJob {
        line,
        custom_id: format!("id-{line}"),
        model: MODEL.to_owned(),
        body: body(line, false),
        lane: of.lane,
        deadline: of.deadline.map(|after| start + after),
        live_only: false,
        metadata: None,
    }
}

/// Keeps what is told, but for what happens to single jobs.
struct Notes(Arc<Mutex<Vec<EventKind>>>);

impl Observer for Notes {
    fn observe(&mut self, event: &Event) {
        let of_a_job = matches!(
            event.kind,
            EventKind::AttemptStarted { .. }
                | EventKind::AttemptEnded { .. }
                | EventKind::JobEnded { .. }
        );
        if !of_a_job {
            self.0.lock().unwrap().push(event.kind.clone());
        }
    }
}

impl World {
    pub async fn dispatch(&self) -> Ending {
        self.try_dispatch().await.unwrap()
    }

    pub async fn try_dispatch(&self) -> Result<Ending, EngineError> {
        self.dispatch_with(Stopper::new().1).await
    }

    /// Dispatches, and crashes after that long. None if it did crash.
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
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ending = self.dispatch_with(signal) => ending.unwrap(),
            () = stop_later => unreachable!(),
        }
    }

    /// Dispatches while something else happens after that long.
    pub async fn dispatch_and(&self, after: Duration, then: impl AsyncFnOnce(&Self)) -> Ending {
        let later = async {
            tokio::time::sleep(after).await;
            then(self).await;
        };
        tokio::join!(self.dispatch(), later).0
    }

    pub async fn cancel(&self) {
        let now = self.clock.now();
        while self.plain_store.cancel(self.run, now).await.unwrap() {}
    }

    async fn dispatch_with(&self, signal: StopSignal) -> Result<Ending, EngineError> {
        let run = self.run().await;
        let settings = EngineSettings {
            concurrency: 16,
            stagger: Duration::ZERO,
            retry: RetrySettings::default(),
            timeout: Duration::from_mins(10),
            stream: StreamMode::Auto,
            grace: Duration::from_secs(30),
            prices: Arc::new(PriceTable::embedded()),
            seed: Some(self.plan.seed),
            after_halt: run.state == RunState::Halted,
            on_halt: self.plan.on_halt,
            amend: AmendSettings::default(),
            limits: LimitSettings {
                budget: *self.budget.lock().unwrap(),
                cache_prefixes: Arc::clone(&self.cache_prefixes),
                ..self.plan.limits.clone()
            },
            status: None,
            second: None,
            batch: BatchOptions {
                settings: self.plan.settings,
                lane: self.plan.lane,
                deadline: self.plan.deadline.map(|after| self.start + after),
                no_wait: self.plan.no_wait,
            },
        };
        let providers = Providers {
            live: Arc::clone(&self.live),
            batches: Some(Arc::new(self.remote.clone())),
        };
        let mut notes = Notes(Arc::clone(&self.events));
        let store = Arc::clone(&self.store);
        dispatch(
            store, providers, self.clock, &run, settings, &mut notes, signal,
        )
        .await
    }

    /// From the next dispatch on.
    pub fn set_budget(&self, budget: Pico) {
        *self.budget.lock().unwrap() = Some(budget);
    }

    /// Every call of the store fails from then on.
    pub fn break_store_after(&self, calls: u64) {
        self.store.break_after(calls);
    }

    pub fn repair_store(&self) {
        self.store.repair();
    }

    pub fn random(&self, most: u64) -> u64 {
        self.chance.lock().unwrap().u64(1..=most)
    }

    pub fn random_ms(&self, most: u64) -> Duration {
        Duration::from_millis(self.random(most))
    }

    pub fn elapsed(&self) -> Duration {
        self.clock.now().duration_since(self.start).unsigned_abs()
    }

    pub fn told(&self, which: impl Fn(&EventKind) -> bool) -> usize {
        let events = self.events.lock().unwrap();
        events.iter().filter(|kind| which(kind)).count()
    }

    pub async fn run(&self) -> Run {
        self.reader.runs().await.unwrap().remove(0)
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

    /// What must hold of every run that has ended: each job ended once, nothing was bought twice,
    /// every attempt has its end, and the money is that of the answers.
    pub async fn check(&self) {
        let seed = self.plan.seed;
        let (ledger, results) = (self.ledger().await, self.results().await);
        let run = self.run().await;
        assert_eq!(results.len(), self.plan.lines.len(), "seed {seed}");
        assert_eq!(run.jobs.open(), 0, "seed {seed}");
        for (id, times) in self.remote.bought() {
            assert_eq!(times, 1, "seed {seed}: {id} was bought {times} times");
        }
        for batch in self.batches().await {
            assert!(batch.state.is_over(), "seed {seed}: {batch:?}");
            assert_eq!(batch.open_requests, 0, "seed {seed}: {batch:?}");
        }
        let mut attempts: HashMap<&str, Vec<&AttemptRow>> = HashMap::new();
        for row in &ledger {
            assert!(row.outcome.is_some(), "seed {seed}: {row:?}");
            attempts.entry(&row.custom_id).or_default().push(row);
        }
        for result in &results {
            let of_job = attempts.remove(result.custom_id.as_str());
            let of_job = of_job.unwrap_or_default();
            let numbers: Vec<_> = of_job.iter().map(|row| row.attempt.n).collect();
            let expected: Vec<_> = (1..=result.attempts).collect();
            assert_eq!(numbers, expected, "seed {seed}");
            let succeeded = |row: &&&AttemptRow| row.outcome == Some(AttemptOutcome::Succeeded);
            let successes = of_job.iter().filter(succeeded).count();
            let wanted = usize::from(result.state == JobState::Succeeded);
            assert_eq!(successes, wanted, "seed {seed}: {of_job:#?}");
        }
        let spent: i128 = ledger.iter().map(|row| row.cost.total.0).sum();
        assert_eq!(run.cost.0, spent, "seed {seed}");
    }

    /// Every answer that a batch gave and that is billed is in the ledger, at half the price.
    pub async fn check_money(&self) {
        let answered = self.remote.answered();
        let due = Pico(BATCH_PRICE.0 * i128::from(answered));
        let live = self.live.bill();
        assert_eq!(self.run().await.cost, Pico(due.0 + live.0));
    }
}
