//! The throttles of both endpoints: each has limits, a ramp and a ceiling of its own.
//!
//! Which endpoint a job goes to is settled when it is sent. Until then it is claimed at both.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use jiff::Timestamp;

use super::budget::RunBudget;
use super::outcome::Outcome;
use super::settings::EngineSettings;
use super::throttle::{Throttle, Verdict};
use crate::model::{ClaimedJob, Endpoint, EventKind, JobId, RateLimits, Tokens};
use crate::policy::{Concerns, Estimator, PriceTable, Prompt, TooLarge};
use crate::store::EstimateSums;

/// One endpoint: its throttle, and how much is on the wire to it.
#[derive(Debug)]
struct Gate {
    throttle: Throttle,
    on_wire: u32,
}

/// See the module's documentation. Without a second endpoint there is one throttle.
#[derive(Debug)]
pub(super) struct Throttles {
    first: Gate,
    second: Option<Box<Gate>>,
    prices: Arc<PriceTable>,
    /// What the second endpoint calls models.
    second_models: BTreeMap<String, String>,
}

impl Throttles {
    pub(super) fn new(settings: &EngineSettings, now: Timestamp) -> Self {
        let with_second = settings.second.is_some();
        let gate = || Gate {
            throttle: Throttle::new(&settings.limits, settings.concurrency, now),
            on_wire: 0,
        };
        Self {
            first: gate(),
            second: with_second.then(|| Box::new(gate())),
            prices: Arc::clone(&settings.prices),
            second_models: settings
                .second
                .as_ref()
                .map(|second| second.models.clone())
                .unwrap_or_default(),
        }
    }

    fn gates(&mut self) -> impl Iterator<Item = &mut Throttle> {
        let second = self.second.as_mut().map(|gate| &mut gate.throttle);
        std::iter::once(&mut self.first.throttle).chain(second)
    }

    fn gate(&mut self, endpoint: Endpoint) -> &mut Gate {
        match (endpoint, &mut self.second) {
            (Endpoint::Second, Some(second)) => second,
            _ => &mut self.first,
        }
    }

    /// The throttle of that endpoint.
    pub(super) fn to(&mut self, endpoint: Endpoint) -> &mut Throttle {
        &mut self.gate(endpoint).throttle
    }

    /// Requests on the wire, to both.
    pub(super) fn on_wire(&self) -> u32 {
        let second = self.second.as_ref().map_or(0, |gate| gate.on_wire);
        self.first.on_wire + second
    }

    /// How many requests may be open at once; `diverted`: to the better of the two endpoints.
    pub(super) fn ceiling(&self, diverted: bool) -> u32 {
        let first = self.first.throttle.ceiling();
        let second = self.second.as_ref().filter(|_| diverted);
        second.map_or(first, |gate| first.max(gate.throttle.ceiling()))
    }

    /// A plan begins; `last_jobs`: how many have not been sent, if all fit into the free slots.
    pub(super) fn begin_plan(&mut self, last_jobs: Option<u64>) {
        for gate in self.gates() {
            gate.begin_plan(last_jobs);
        }
    }

    /// When something that did not fit at the last plan will fit.
    pub(super) fn wakes_at(&self) -> impl Iterator<Item = Timestamp> + use<> {
        let second = self.second.as_ref().map(|gate| gate.throttle.wakes_at());
        let first = self.first.throttle.wakes_at();
        first.chain(second.into_iter().flatten())
    }

    /// Claimed jobs that wait for a warm cache.
    pub(super) fn parked(&self) -> u32 {
        let second = self
            .second
            .as_ref()
            .map_or(0, |gate| gate.throttle.parked());
        self.first.throttle.parked() + second
    }

    /// Jobs were claimed; their prompts have been counted.
    pub(super) fn claimed(&mut self, jobs: &[ClaimedJob], prompts: Vec<Prompt>) {
        if let Some(second) = &mut self.second {
            second.throttle.claimed(jobs, prompts.clone());
        }
        self.first.throttle.claimed(jobs, prompts);
    }

    /// A claimed job was given back.
    pub(super) fn released(&mut self, job: JobId) {
        for gate in self.gates() {
            gate.released(job);
        }
    }

    /// Whether this claimed job may be sent to that endpoint now.
    pub(super) fn verdict(
        &mut self,
        job: &ClaimedJob,
        endpoint: Endpoint,
        budget: &mut RunBudget,
        now: Timestamp,
    ) -> Verdict {
        let gate = match (endpoint, &mut self.second) {
            (Endpoint::Second, Some(second)) => second,
            _ => &mut self.first,
        };
        if gate.on_wire >= gate.throttle.ceiling() {
            return Verdict::Wait;
        }
        let theirs = match endpoint {
            Endpoint::First => None,
            Endpoint::Second => self.second_models.get(&job.model).map(String::as_str),
        };
        let theirs = theirs.filter(|theirs| self.prices.model(theirs).is_some());
        gate.throttle.verdict(job, theirs, budget, now)
    }

    /// A job is sent to its endpoint now, where it was found free to go.
    pub(super) fn started(&mut self, job: &ClaimedJob, now: Timestamp, rng: &mut Rng) {
        let gate = self.gate(job.endpoint);
        gate.on_wire += 1;
        gate.throttle.started(job, now, rng);
        // The other one forgets it.
        self.released(job.job());
    }

    /// A request is off the wire.
    pub(super) fn ended(&mut self, job: &ClaimedJob) {
        self.gate(job.endpoint).on_wire -= 1;
    }

    /// A request was abandoned: nobody knows what it used.
    pub(super) fn abandoned(&mut self, job: &ClaimedJob, now: Timestamp) {
        self.to(job.endpoint).abandoned(job, now);
    }

    /// The job on the wire whose request no wait lets pass, as far as is known.
    pub(super) fn too_large(&self, job: &ClaimedJob) -> Option<TooLarge> {
        let gate = match (job.endpoint, &self.second) {
            (Endpoint::Second, Some(second)) => second,
            _ => &self.first,
        };
        gate.throttle.too_large(job.job())
    }

    /// What is to be told, once.
    pub(super) fn take_notes(&mut self) -> Vec<EventKind> {
        self.gates().flat_map(Throttle::take_notes).collect()
    }

    /// A request was answered, or broke. Tells whom it concerns if it was refused for a limit.
    pub(super) fn answered(
        &mut self,
        job: &ClaimedJob,
        outcome: &Outcome,
        limits: &RateLimits,
        outage: bool,
        now: Timestamp,
    ) -> Option<Concerns> {
        let throttle = self.to(job.endpoint);
        throttle.answered(job, outcome, limits, outage, now)
    }

    /// How far estimates were off since this was asked last.
    pub(super) fn take_estimates(&mut self) -> Vec<EstimateSums> {
        self.gates().flat_map(Throttle::take_estimates).collect()
    }

    /// What guesses at the first endpoint rest on.
    pub(super) fn estimator(&self) -> &Estimator {
        self.first.throttle.estimator()
    }

    /// A request of a batch, whose prompt was counted so, used so much: later guesses are the better
    /// for it.
    pub(super) fn learn(&mut self, model: &str, tokens: f64, used: &Tokens) {
        self.first.throttle.learn(model, tokens, used);
    }

    /// What has changed at the first endpoint of the ceiling and of what is known of limits.
    pub(super) fn news(&mut self) -> Vec<EventKind> {
        self.first.throttle.news()
    }
}
