//! The throttles of both endpoints: each has limits, a ramp and a ceiling of its own.
//!
//! Which endpoint a job goes to is settled when it is sent. Until then it is claimed at both.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use jiff::Timestamp;

use super::batch_money::{Grant, Item, Recorded, Wish};
use super::outcome::Outcome;
use super::purse::Purse;
use super::settings::EngineSettings;
use super::throttle::{Throttle, Verdict};
use crate::model::{BatchId, ClaimedJob, Endpoint, EventKind, Halt, JobId, Pico, RateLimits};
use crate::policy::{Concerns, PriceTable, Prompt, TooLarge};
use crate::store::{AnswerCosts, EstimateSums};

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
    /// What the run may spend at both together; none is without a bound.
    purse: Option<Purse>,
    prices: Arc<PriceTable>,
    /// What the second endpoint calls models.
    second_models: BTreeMap<String, String>,
    /// How few requests the budget allowed to be open when that was told last.
    told_tight: Option<u32>,
}

impl Throttles {
    /// For a run that has spent so much already.
    pub(super) fn new(settings: &EngineSettings, spent: Pico, now: Timestamp) -> Self {
        let with_second = settings.second.is_some();
        let rule = settings.limits.budget_rule;
        let purse = |budget| Purse::new((budget, rule), spent, Arc::clone(&settings.prices));
        let gate = || Gate {
            throttle: Throttle::new(&settings.limits, settings.concurrency, now),
            on_wire: 0,
        };
        Self {
            first: gate(),
            second: with_second.then(|| Box::new(gate())),
            purse: settings.limits.budget.map(purse),
            prices: Arc::clone(&settings.prices),
            second_models: settings
                .second
                .as_ref()
                .map(|second| second.models.clone())
                .unwrap_or_default(),
            told_tight: None,
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

    /// A plan begins. Tells until when nothing may be sent, if the hours say so.
    pub(super) fn begin_plan(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.gates().filter_map(|gate| gate.begin_plan(now)).max()
    }

    /// When something that did not fit at the last plan will fit, or the hours begin.
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
        let purse = self.purse.as_mut();
        gate.throttle.verdict(job, theirs, purse, now)
    }

    /// So much of the run may have been billed already without anybody knowing.
    pub(super) fn keep(&mut self, amount: Pico) {
        if let Some(purse) = &mut self.purse {
            purse.keep(amount);
        }
    }

    /// The budget, and nothing else, keeps requests from being open.
    pub(super) fn budget_is_tight(&mut self) -> Option<EventKind> {
        let (told, tight) = (self.told_tight, self.purse.as_mut()?.tight()?);
        if told.is_some_and(|told| tight.open >= told.div_ceil(2)) {
            return None;
        }
        self.told_tight = Some(tight.open);
        let shorter = tight.shorter.filter(|(_, open)| *open > tight.open);
        Some(EventKind::BudgetTight {
            open: tight.open,
            shorter_max_tokens: shorter.map(|(max_tokens, _)| max_tokens),
            shorter_open: shorter.map(|(_, open)| open),
        })
    }

    /// How many more jobs the budget has room for, where `ready` have been claimed already.
    pub(super) fn affordable(&self, ready: u32) -> u32 {
        let worth = self.purse.as_ref().map_or(u32::MAX, Purse::worth);
        worth.saturating_sub(ready)
    }

    /// A part of the budget was passed of which the user is to be warned.
    pub(super) fn budget_warning(&mut self) -> Option<EventKind> {
        self.purse.as_mut()?.warning()
    }

    /// The next job does not fit into the budget, and nothing is in flight that could free some.
    pub(super) fn used_up(&self, now: Timestamp) -> Option<Halt> {
        self.purse.as_ref()?.used_up(now)
    }

    /// The batch lane asks for room in the budget.
    pub(super) fn answer(&mut self, wish: Wish, now: Timestamp) {
        let items = &wish.items;
        let fits = match &mut self.purse {
            Some(purse) => purse.grant(wish.batch, items, now),
            None => items.len(),
        };
        // Whoever does not wait for the answer any more fills no batch.
        let _ = wish.answer.send(Grant { fits });
    }

    /// A remote batch was found that an earlier dispatch created.
    pub(super) fn found_batch(&mut self, batch: BatchId, items: &[Item], now: Timestamp) {
        if let Some(purse) = &mut self.purse {
            purse.found(batch, items, self.first.throttle.estimator(), now);
        }
    }

    /// Results of a batch are recorded: they count against the budget, and later guesses are the
    /// better for them.
    pub(super) fn batch_recorded(&mut self, recorded: &Recorded) {
        let Some(purse) = &mut self.purse else {
            return;
        };
        for (model, spent) in &recorded.spent {
            if let Some(tokens) = purse.settle(recorded.batch, model, spent) {
                self.first.throttle.learn(model, tokens, &spent.used);
            }
        }
    }

    /// These jobs did not go into the batch that room was asked for.
    pub(super) fn unused(&mut self, batch: BatchId, jobs: &[JobId]) {
        if let Some(purse) = &mut self.purse {
            purse.unused(batch, jobs);
        }
    }

    /// A batch is over, or came to nothing.
    pub(super) fn freed(&mut self, batch: BatchId) {
        if let Some(purse) = &mut self.purse {
            purse.freed(batch);
        }
    }

    /// What answers of the run have cost until now.
    pub(super) fn answer_costs(&mut self, costs: &[AnswerCosts]) {
        if let Some(purse) = &mut self.purse {
            for of_model in costs {
                purse.learn(&of_model.model, of_model.answers, of_model.cost);
            }
        }
    }

    /// Nothing more comes of a batch, but it may be billed.
    pub(super) fn keep_batch(&mut self, batch: BatchId) {
        if let Some(purse) = &mut self.purse {
            purse.keep_batch(batch);
        }
    }

    /// Nothing in flight holds any money.
    pub(super) fn holds_nothing(&self) -> bool {
        self.purse.as_ref().is_none_or(Purse::holds_nothing)
    }

    fn pay(&mut self, job: &ClaimedJob, cost: Pico, maybe_billed: bool) {
        if let Some(purse) = &mut self.purse {
            purse.ended(job.job(), cost, maybe_billed);
        }
    }

    /// A job is sent to its endpoint now, where it was found free to go.
    pub(super) fn started(&mut self, job: &ClaimedJob, now: Timestamp, rng: &mut Rng) {
        let gate = self.gate(job.endpoint);
        gate.on_wire += 1;
        gate.throttle.started(job, now, rng);
        if let Some(purse) = &mut self.purse {
            purse.started(job.job());
        }
        // The other one forgets it.
        self.released(job.job());
    }

    /// A request is off the wire.
    pub(super) fn ended(&mut self, job: &ClaimedJob) {
        self.gate(job.endpoint).on_wire -= 1;
    }

    /// A request was abandoned: nobody knows what it used.
    pub(super) fn abandoned(&mut self, job: &ClaimedJob, now: Timestamp) {
        self.pay(job, Pico::ZERO, true);
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
        let record = &outcome.finish.record;
        self.pay(job, record.cost.total, record.maybe_billed);
        let throttle = self.to(job.endpoint);
        throttle.answered(job, outcome, limits, outage, now)
    }

    /// How far estimates were off since this was asked last.
    pub(super) fn take_estimates(&mut self) -> Vec<EstimateSums> {
        self.gates().flat_map(Throttle::take_estimates).collect()
    }

    /// What has changed at the first endpoint of the ceiling and of what is known of limits.
    pub(super) fn news(&mut self) -> Vec<EventKind> {
        self.first.throttle.news()
    }
}
