//! What holds starts back although a slot is free: money, rate budgets, the ramp, and a cache that is
//! being warmed.
//!
//! It owns the policies and the reservations of what is on the wire. A job that must wait holds
//! nothing but its place: the first of its class that did not fit goes first once it does, so that
//! small jobs do not overtake a large one for ever. It starts nothing itself (`scheduler`).

mod oversized;

use std::collections::HashMap;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::budget::RunBudget;
use super::outcome::Outcome;
use super::settings::LimitSettings;
use crate::model::{
    AttemptOutcome, Budget, ClaimedJob, ErrorClass, Estimate, EstimateErrors, EventKind, JobId,
    RateLimits, Tokens,
};
use crate::policy::{
    CacheWarmer, ClassId, Concerns, Concurrency, Demand, Ended, Estimator, Free, Gate, Known,
    ModelClasses, Prompt, Ramp, RateBudget, Refusal, Refusals, Room, Signal, Ticket, TooLarge,
};
use crate::store::{EstimateKind, EstimateSums};

/// Jobs are claimed for so long ahead, so that the wire does not wait for the disk.
const LOOK_AHEAD: Duration = Duration::from_millis(250);
/// How much a new request counts in what is taken for typical.
const TYPICAL_WEIGHT: u64 = 16;
/// So much of a limit seems to be missing when nobody else is there: estimates and counts are a
/// little off.
const NOISE_PERCENT: u8 = 9;

/// Whether a claimed job may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Go,
    /// Not now, but others of its lane may.
    Pass,
    /// Not now, nor anything after it.
    Wait,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Throttle {
    budget: RateBudget,
    estimator: Estimator,
    warmer: Option<CacheWarmer>,
    concurrency: Concurrency,
    classes: HashMap<ClassId, OfClass>,
    claimed: HashMap<JobId, Prompt>,
    sent: HashMap<JobId, Sent>,
    /// Who goes first when there is room again: in its class, or (none) in the whole run.
    first_in_line: HashMap<Option<ClassId>, JobId>,
    /// Claimed jobs that waited for a warm cache at the last plan.
    parked: u32,
    /// Requests that no wait lets pass.
    too_large: HashMap<JobId, TooLarge>,
    wakes: Option<Timestamp>,
    told: HashMap<ClassId, EventKind>,
    notes: Vec<EventKind>,
    told_files: bool,
    errors: HashMap<String, [EstimateErrors; 2]>,
}

#[derive(Clone, Debug, Default)]
struct OfClass {
    ramp: Ramp,
    refusals: Refusals,
    open: u32,
    typical: Demand,
}

/// A request on the wire.
#[derive(Debug)]
struct Sent {
    /// How many were open when it left, itself included.
    level: u32,
    class: ClassId,
    ticket: Option<Ticket>,
    prompt: Prompt,
    want: Demand,
    estimate: Estimate,
}

impl Throttle {
    pub(super) fn new(settings: &LimitSettings, concurrency: u32, now: Timestamp) -> Self {
        Self {
            budget: RateBudget::new(ModelClasses::embedded(), settings.ceilings, now),
            estimator: Estimator::default(),
            warmer: settings.cache_warm.then(CacheWarmer::default),
            concurrency: Concurrency::new(concurrency),
            classes: HashMap::new(),
            claimed: HashMap::new(),
            sent: HashMap::new(),
            first_in_line: HashMap::new(),
            parked: 0,
            too_large: HashMap::new(),
            wakes: None,
            told: HashMap::new(),
            notes: Vec::new(),
            told_files: false,
            errors: HashMap::new(),
        }
    }

    /// How many requests may be open at once.
    pub(super) fn ceiling(&self) -> u32 {
        self.concurrency.now()
    }

    /// Claimed jobs that wait for a warm cache and so do not stand for what is about to leave.
    pub(super) fn parked(&self) -> u32 {
        self.parked
    }

    /// When something that did not fit at the last plan will fit.
    pub(super) fn wakes_at(&self) -> impl Iterator<Item = Timestamp> + use<> {
        self.wakes.into_iter()
    }

    /// A plan begins; `last_jobs`: how many have not been sent, if all fit into the free slots.
    pub(super) fn begin_plan(&mut self, last_jobs: Option<u64>) {
        self.budget.set_last_jobs(last_jobs);
        self.wakes = None;
        self.parked = 0;
    }

    /// Jobs were claimed; their prompts have been counted.
    pub(super) fn claimed(&mut self, jobs: &[ClaimedJob], prompts: Vec<Prompt>) {
        for (job, prompt) in jobs.iter().zip(prompts) {
            self.claimed.insert(job.job(), prompt);
        }
    }

    /// A claimed job was given back.
    pub(super) fn released(&mut self, job: JobId) {
        self.claimed.remove(&job);
        self.first_in_line.retain(|_, first| *first != job);
    }

    /// How many jobs of that model may be claimed, where `ready` have been already: what is about
    /// to leave, and one to wait at the head of the line.
    pub(super) fn claimable(&mut self, model: &str, ready: u32, now: Timestamp) -> u32 {
        let class = self.budget.class_of(model);
        let of_class = self.classes.entry(class).or_default();
        let ramp_room = of_class.ramp.allowed(now).saturating_sub(of_class.open);
        let opens = of_class.ramp.opens_at(now);
        let worth = self.budget.worth(class, of_class.typical, LOOK_AHEAD, now);
        if let Some(opens) = opens {
            self.wake(opens);
        }
        let waiting = ready.saturating_sub(self.parked);
        worth.max(1).min(ramp_room).saturating_sub(waiting)
    }

    /// Whether this claimed job may be sent now; `theirs` is what its endpoint calls its model, if that
    /// is another one that has a price.
    pub(super) fn verdict(
        &mut self,
        job: &ClaimedJob,
        theirs: Option<&str>,
        budget: &mut RunBudget,
        now: Timestamp,
    ) -> Verdict {
        let (id, class) = (job.job(), self.budget.class_of(&job.model));
        let of_class = self.classes.entry(class).or_default();
        if of_class.open >= of_class.ramp.allowed(now) {
            if let Some(opens) = of_class.ramp.opens_at(now) {
                self.wake(opens);
            }
            return Verdict::Wait;
        }
        // Passed over, not waited for: the first in line may stand behind this one, which was parked
        // when that became the first.
        if self.is_behind(id, class) {
            return Verdict::Pass;
        }
        if let Some(until) = self.waits_for_cache(id, now) {
            self.parked += 1;
            self.wake(until);
            return Verdict::Pass;
        }
        if !self.affords(budget, job, theirs, now) {
            self.first_in_line.entry(None).or_insert(id);
            return Verdict::Wait;
        }
        let want = self.counted_demand(job, class, now);
        match self.budget.next_free(class, want, now) {
            Free::Now => return Verdict::Go,
            Free::At(at) => self.wake(at),
            Free::AfterAnAnswer => {}
        }
        let of_all = self.budget.is_over_ceiling(class, want, now);
        let line = (!of_all).then_some(class);
        self.first_in_line.entry(line).or_insert(id);
        Verdict::Wait
    }

    /// Whether the budget has room for this job now.
    fn affords(
        &self,
        budget: &mut RunBudget,
        job: &ClaimedJob,
        theirs: Option<&str>,
        now: Timestamp,
    ) -> bool {
        // One that was not counted has no bounds, and is refused.
        let uncounted = Prompt::default();
        let prompt = self.claimed.get(&job.job()).unwrap_or(&uncounted);
        let models = std::iter::once(job.model.as_str()).chain(theirs);
        budget.room(job, models, prompt, now) == Room::Now
    }

    /// Another job came first and still waits.
    fn is_behind(&self, job: JobId, class: ClassId) -> bool {
        let mut lines = [None, Some(class)].into_iter();
        lines.any(|line| {
            self.first_in_line
                .get(&line)
                .is_some_and(|first| *first != job)
        })
    }

    fn wake(&mut self, at: Timestamp) {
        self.wakes = Some(self.wakes.map_or(at, |wakes| wakes.min(at)));
    }

    fn waits_for_cache(&self, job: JobId, now: Timestamp) -> Option<Timestamp> {
        let prefix = self.claimed.get(&job)?.shared_prefix()?;
        match self.warmer.as_ref()?.gate(prefix, now) {
            Gate::Open => None,
            Gate::Wait(until) => Some(until),
        }
    }

    fn demand(&self, job: &ClaimedJob, now: Timestamp) -> Demand {
        let Some(prompt) = self.claimed.get(&job.job()) else {
            return Demand::default();
        };
        let warmer = self.warmer.as_ref();
        self.estimator.demand(&job.model, prompt, |prefix| {
            warmer.is_some_and(|warmer| warmer.is_warm(prefix, now))
        })
    }

    /// A job is sent now that was found free to go.
    pub(super) fn started(&mut self, job: &ClaimedJob, now: Timestamp, rng: &mut Rng) {
        let (id, class) = (job.job(), self.budget.class_of(&job.model));
        let whole = self.demand(job, now);
        if let Some(found) = self.larger_than_its_limit(id, class, whole) {
            self.note_too_large(job, found);
        }
        let want = self.counted_demand(job, class, now);
        let ticket = self.budget.reserve(class, want, now, rng);
        let of_class = self.classes.entry(class).or_default();
        of_class.open += 1;
        of_class.ramp.started(now);
        of_class.refusals.sent(id);
        of_class.typical = typical(of_class.typical, want);
        self.first_in_line.retain(|_, first| *first != id);
        let prompt = self.claimed.remove(&id).unwrap_or_default();
        if let (Some(warmer), Some(prefix)) = (&mut self.warmer, prompt.shared_prefix()) {
            warmer.started(prefix, id, now);
        }
        let level = self.open() + 1;
        self.concurrency.started(level);
        let sent = Sent {
            level,
            class,
            ticket,
            estimate: self.estimator.estimate(&job.model, &prompt),
            want: whole,
            prompt,
        };
        self.sent.insert(id, sent);
    }

    /// A request was abandoned: nobody knows what it used.
    pub(super) fn abandoned(&mut self, job: &ClaimedJob, now: Timestamp) {
        let ended = Ended {
            admitted: true,
            ..Ended::default()
        };
        let class = self.budget.class_of(&job.model);
        let of_class = self.classes.entry(class).or_default();
        of_class.refusals.ended(job.job());
        self.end(job, None, ended, now);
    }

    /// A request was answered, or broke. Tells whom it concerns if it was refused for a limit.
    /// `outage`: nothing else succeeds at its model.
    pub(super) fn answered(
        &mut self,
        job: &ClaimedJob,
        outcome: &Outcome,
        limits: &RateLimits,
        outage: bool,
        now: Timestamp,
    ) -> Option<Concerns> {
        let record = &outcome.finish.record;
        let good = record.outcome == AttemptOutcome::Succeeded;
        let used = record.usage.tokens;
        let used = (good || used != Tokens::default()).then_some(used);
        let refused = record
            .error_class
            .is_some_and(|class| class.budget() == Budget::RateLimits);
        let too_large = refused && self.is_found_too_large(job, limits);
        let at_limit = refused && !too_large;
        let is_from_the_api = record
            .evidence
            .http_status
            .is_some_and(|status| status >= 500);
        let ended = Ended {
            used: used.as_ref().map(counted),
            admitted: is_from_the_api || record.maybe_billed,
            limits: Some(limits),
            refused: at_limit,
        };
        let Some((class, level)) = self.end(job, used.as_ref(), ended, now) else {
            return refused.then_some(Concerns::All);
        };
        let concerns = record
            .error_class
            .filter(|_| refused)
            .map(|class_of_error| {
                self.classes
                    .entry(class)
                    .or_default()
                    .refusals
                    .refused(&Refusal {
                        job: job.job(),
                        class: class_of_error,
                        hinted: record.evidence.retry_after.is_some(),
                        limits,
                        too_large,
                    })
            });
        let signal = match record.error_class {
            _ if outage => Signal::Nothing,
            _ if good => Signal::Good(record.latency.unwrap_or_default()),
            _ if record.evidence.is_out_of_files() => Signal::TooMuch,
            Some(ErrorClass::Overloaded) => Signal::Overloaded,
            Some(ErrorClass::ConcurrencyLimited | ErrorClass::AccelerationLimited) => {
                Signal::TooMuch
            }
            _ if at_limit => Signal::Refused,
            _ => Signal::Nothing,
        };
        let limits_are_told = self.budget.known(class) != Known::default();
        self.concurrency.answered(signal, level, limits_are_told);
        if record.evidence.is_out_of_files() {
            self.note_files(job, record.evidence.message.clone());
        }
        if good && let Some(of_class) = self.classes.get_mut(&class) {
            of_class.ramp.good(limits_are_told, now);
            of_class.refusals.passed(job.job());
        } else if at_limit && let Some(of_class) = self.classes.get_mut(&class) {
            of_class.ramp.refused(now);
        } else if !refused && let Some(of_class) = self.classes.get_mut(&class) {
            of_class.refusals.ended(job.job());
        }
        if !refused {
            self.too_large.remove(&job.job());
        }
        concerns
    }

    fn open(&self) -> u32 {
        u32::try_from(self.sent.len()).unwrap_or(u32::MAX)
    }

    /// Takes a request off the wire and learns from its end. Tells its class, and how many were open
    /// when it left.
    fn end(
        &mut self,
        job: &ClaimedJob,
        used: Option<&Tokens>,
        ended: Ended<'_>,
        now: Timestamp,
    ) -> Option<(ClassId, u32)> {
        let sent = self.sent.remove(&job.job())?;
        if let Some(of_class) = self.classes.get_mut(&sent.class) {
            of_class.open = of_class.open.saturating_sub(1);
        }
        if let (Some(warmer), Some(prefix)) = (&mut self.warmer, sent.prompt.shared_prefix()) {
            warmer.ended(prefix, job.job(), used.is_some(), now);
        }
        if let Some(ticket) = sent.ticket {
            self.budget.ended(ticket, ended, now);
        }
        if let Some(used) = used.filter(|used| used.prompt() > 0) {
            self.estimator.observe(&job.model, &sent.prompt, used);
            self.compare(&job.model, sent.estimate, used);
        }
        Some((sent.class, sent.level))
    }

    /// What guesses rest on.
    pub(super) fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    /// A request that was not sent from here, whose prompt was counted so, used so much.
    pub(super) fn learn(&mut self, model: &str, tokens: f64, used: &Tokens) {
        if used.prompt() > 0 {
            let prompt = Prompt {
                tokens,
                ..Prompt::default()
            };
            self.estimator.observe(model, &prompt, used);
        }
    }

    fn compare(&mut self, model: &str, estimate: Estimate, used: &Tokens) {
        let [input, output] = match self.errors.get_mut(model) {
            Some(errors) => errors,
            None => self.errors.entry(model.to_owned()).or_default(),
        };
        input.add(estimate.input, used.prompt());
        output.add(estimate.output, used.output);
    }

    /// How far estimates were off since this was asked last.
    pub(super) fn take_estimates(&mut self) -> Vec<EstimateSums> {
        let kinds = [EstimateKind::Input, EstimateKind::Output];
        let sums = self.errors.drain().flat_map(|(model, errors)| {
            let pairs = kinds.into_iter().zip(errors);
            pairs.map(move |(kind, errors)| EstimateSums {
                model: model.clone(),
                kind,
                errors,
            })
        });
        sums.collect()
    }

    /// The models that share limits with this one are paused. `probe`: for so long that one request
    /// goes first afterwards.
    pub(super) fn paused(&mut self, model: &str, probe: bool) {
        let class = self.budget.class_of(model);
        let ramp = &mut self.classes.entry(class).or_default().ramp;
        if probe {
            ramp.probe();
        } else {
            ramp.restart();
        }
    }

    /// What has changed, since this was asked last, of the ceiling and of what is known of limits.
    pub(super) fn news(&mut self) -> Vec<EventKind> {
        let mut classes: Vec<ClassId> = self.classes.keys().copied().collect();
        classes.sort_unstable();
        let mut news = Vec::new();
        for class in classes {
            let pace = self.pace_of(class);
            if self.told.get(&class) != Some(&pace) {
                self.told.insert(class, pace.clone());
                news.push(pace);
            }
        }
        news
    }

    fn pace_of(&self, class: ClassId) -> EventKind {
        let known = self.budget.known(class);
        EventKind::Pace {
            model_class: self.budget.name(class).to_owned(),
            ceiling: self.concurrency.now(),
            requests_per_minute: known.rpm,
            input_tokens_per_minute: known.itpm,
            output_tokens_per_minute: known.otpm,
            // In steps, so that noise is no news.
            others_percent: known.foreign_percent.saturating_sub(NOISE_PERCENT) / 10 * 10,
        }
    }
}

/// What counts against the limits: not what was read from the cache.
fn counted(used: &Tokens) -> Demand {
    Demand {
        input: used.prompt().saturating_sub(used.cache_read),
        output: used.output,
    }
}

fn typical(mean: Demand, want: Demand) -> Demand {
    if mean == Demand::default() {
        return want;
    }
    let mix = |mean: u64, new: u64| (mean * (TYPICAL_WEIGHT - 1) + new).div_ceil(TYPICAL_WEIGHT);
    Demand {
        input: mix(mean.input, want.input),
        output: mix(mean.output, want.output),
    }
}

#[cfg(test)]
mod tests;
