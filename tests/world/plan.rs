//! A world in the making: what its jobs, its endpoint and its user are like.

use std::sync::Arc;
use std::time::Duration;

use claude_run::clock::Clock;
use claude_run::engine::{Heartbeat, LimitSettings};
use claude_run::model::{
    DispatchOptions, JobId, Lane, NewJob, OnHalt, OnTruncated, Pico, RequestBody, RunId, Shaping,
    SharedPrefix,
};
use claude_run::policy::{AmendSettings, BatchSettings, Census, PriceTable};
use claude_run::store::sqlite::SqliteReader;
use claude_run::store::{NewRun, Reader as _, Store};
use fastrand::Rng;
use jiff::Timestamp;
use tokio::time::Instant;

use super::World;
use super::flaky::Flaky;
use super::new_store::new_store;
use super::remote::{Remote, Results};
use super::scripted::Scripted;

pub const HAIKU: &str = "claude-haiku-5-5";
/// Verbs of the batch lane take a moment, so that a crash may fall on either side.
const MOMENT: Duration = Duration::from_millis(1);

/// A line of the input.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub model: &'static str,
    pub lane: Option<Lane>,
    pub deadline: Option<Duration>,
}

impl Default for Line {
    /// It names neither lane nor deadline.
    fn default() -> Self {
        Self {
            model: HAIKU,
            lane: None,
            deadline: None,
        }
    }
}

/// A world in the making.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a trait of its own of the world"
)]
pub struct Plan {
    pub(super) seed: u64,
    pub(super) lines: Vec<Line>,
    pub(super) concurrency: u32,
    pub(super) stagger: Duration,
    pub(super) max_attempts: u32,
    pub(super) give_up_after: Option<Duration>,
    pub(super) latency_ms: u64,
    pub(super) on_halt: OnHalt,
    pub(super) amend: AmendSettings,
    pub(super) limits: LimitSettings,
    pub(super) body: fn(u64, &str) -> String,
    pub(super) asks_page: bool,
    pub(super) retry_scale: f64,
    pub(super) second_after: Option<Duration>,
    /// There is a Batches API.
    pub(super) batches: bool,
    pub(super) settings: BatchSettings,
    pub(super) lane: Option<Lane>,
    pub(super) deadline: Option<Duration>,
    pub(super) no_wait: bool,
    pub(super) results: Results,
    /// What many requests share is marked for the cache.
    pub(super) marks: bool,
    /// Crashes may fall between a verb of the store and what follows.
    pub(super) moments: bool,
    pub(super) heartbeat: Heartbeat,
}

/// Stories last for hours, and a quiet second of theirs takes as long as one in which much happens.
const UNHURRIED: Heartbeat = Heartbeat {
    tick: Duration::from_secs(5),
    snapshot: Duration::from_secs(5),
};

impl World {
    /// A world of the live lane.
    #[expect(clippy::new_ret_no_self, reason = "a world begins as a plan")]
    pub fn new(seed: u64) -> Plan {
        Plan {
            seed,
            lines: Vec::new(),
            concurrency: 64,
            stagger: Duration::ZERO,
            max_attempts: 8,
            give_up_after: None,
            latency_ms: 1_000,
            on_halt: OnHalt::Exit,
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
            batches: false,
            settings: BatchSettings::default(),
            lane: None,
            deadline: None,
            no_wait: false,
            results: Results::default(),
            marks: false,
            moments: false,
            heartbeat: UNHURRIED,
        }
    }

    /// A world of both lanes.
    pub fn of_both_lanes(seed: u64) -> Plan {
        Plan {
            concurrency: 16,
            limits: LimitSettings::default(),
            body: |line, model| {
                format!(r#"{{"model":"{model}","id":"id-{line}","max_tokens":200}}"#)
            },
            batches: true,
            ..Self::new(seed)
        }
    }
}

impl Plan {
    /// Lines that name nothing of their own.
    pub fn jobs(self, count: u64) -> Self {
        self.jobs_of(HAIKU, count)
    }

    pub fn jobs_of(self, model: &'static str, count: u64) -> Self {
        let line = Line {
            model,
            ..Line::default()
        };
        self.lines(count, line)
    }

    pub fn lines(mut self, count: u64, line: Line) -> Self {
        let count = usize::try_from(count).unwrap();
        self.lines.extend(std::iter::repeat_n(line, count));
        self
    }

    pub fn concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// The dispatcher looks up as often as it does for users.
    pub fn at_the_usual_pace(mut self) -> Self {
        self.heartbeat = Heartbeat::default();
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
        self.on_halt = OnHalt::Wait;
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

    pub fn no_wait(mut self) -> Self {
        self.no_wait = true;
        self
    }

    /// How the results of batches come.
    pub fn results(mut self, results: Results) -> Self {
        self.results = results;
        self
    }

    pub fn budget(mut self, budget: Pico) -> Self {
        self.limits.budget = Some(budget);
        self
    }

    /// Batches hold all that each of their requests can cost.
    pub fn strict(mut self) -> Self {
        self.limits.budget_rule.strict = true;
        self
    }

    pub fn only_between(mut self, hours: &str) -> Self {
        self.limits.only_between = Some(hours.parse().unwrap());
        self
    }

    /// All requests have the same long system prompt, and it is marked for the cache.
    pub fn sharing(mut self) -> Self {
        self.marks = true;
        self.bodies(|line, model| {
            let system = "by heart ".repeat(400);
            format!(
                r#"{{"model":"{model}","metadata":"id-{line}","max_tokens":200,"system":"{system}"}}"#
            )
        })
    }

    pub fn settings(mut self, change: impl FnOnce(&mut BatchSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Every verb of the store takes a moment before and after it happens.
    pub fn with_moments(mut self) -> Self {
        self.moments = true;
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

    async fn build(mut self) -> World {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = new_store(&path);
        let run = RunId::generate();
        let start: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        store
            .begin_load(new_run(run, start, !self.batches))
            .await
            .unwrap();
        let jobs = (1..).zip(&self.lines);
        let jobs = jobs.map(|(number, line)| new_job(number, line, start, self.body));
        store.add_jobs(run, jobs.collect()).await.unwrap();
        store.finish_load(run, [0; 32]).await.unwrap();
        let reader = SqliteReader::open(&path).unwrap();
        if self.marks {
            self.limits.cache_prefixes = shared(&reader, run, start).await;
        }
        let clock = Clock::starting_at(start);
        let mut flaky = Flaky::new(store.clone());
        flaky.batch_moment = MOMENT;
        flaky.live_moment = if self.moments { MOMENT } else { Duration::ZERO };
        let remote = Remote::new(self.seed, clock);
        remote.behave(|it| it.results = self.results);
        World {
            provider: Scripted::new(self.seed, self.latency_ms),
            second: Scripted::new(self.seed ^ 2, self.latency_ms),
            remote,
            store: Arc::new(flaky),
            plain_store: store,
            reader,
            run,
            clock: clock.into(),
            clock_was_set: false.into(),
            start,
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
}

/// What the requests of the run share.
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
            census.add(request.job, &request.model, &request.body.view());
        }
    }
}

/// A run of the simulator does not mind batches that are gone: its API ends with its process.
fn new_run(id: RunId, created_at: Timestamp, simulated: bool) -> NewRun {
    NewRun {
        id,
        name: None,
        file: "jobs.jsonl".to_owned(),
        simulated,
        created_at,
        shaping: Shaping::default(),
        options: DispatchOptions::default(),
    }
}

fn new_job(number: u64, line: &Line, start: Timestamp, body: fn(u64, &str) -> String) -> NewJob {
    NewJob {
        line: number,
        custom_id: format!("id-{number}"),
        model: line.model.to_owned(),
        body: RequestBody::from_json(body(number, line.model)),
        lane: line.lane,
        deadline: line.deadline.map(|after| start + after),
        live_only: false,
        metadata: None,
    }
}
