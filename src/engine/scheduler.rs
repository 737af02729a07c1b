//! The pure state machine of a run: inputs in, effects out.
//!
//! It decides what to claim, what to start, and when to leave. It never waits, never fails and
//! reads no clock: time and randomness are arguments. It knows how many jobs wait, never which,
//! so a million of them cost it nothing.

mod claims;
mod doubts;
mod fruitless;
mod limits;
mod neighbour;
mod page;
mod second;
mod start_rate;

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::budget::RunBudget;
use super::gate::RunGate;
use super::model_queue::ModelQueue;
use super::model_queues::ModelQueues;
use super::outcome::{Outcome, Unfit, halt_for};
use super::settings::EngineSettings;
use super::settings::SecondEndpoint;
use super::status::PageWatch;
use super::stop::Stop;
use super::throttles::Throttles;
use crate::clock::add;
use crate::model::{
    AttemptId, AttemptOutcome, ClaimedJob, Endpoint, ErrorClass, EventKind, Halt, Run, RunId,
};
use crate::policy::{
    Changed, Prompt, RetrySettings, Unusable, acting_class, probe_wait, speaks_of_the_model,
};
use crate::store::{Claim, Claimed, Next, QueueLoad, RunSnapshot};
use start_rate::StartRate;

/// Up to this part of the stagger is added to it, so that several runs do not march in step.
const STAGGER_JITTER: f64 = 0.2;
/// The window of hours is looked at so often.
const HOURS_EVERY: Duration = Duration::from_secs(1);

/// Something the dispatcher is to do.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// Claim jobs.
    Claim(Claim),
    /// Send this job's request.
    Start(ClaimedJob),
    /// Give these claims back: their requests never left.
    Release(Vec<AttemptId>),
    /// Tell those who watch.
    Tell(EventKind),
    /// Ask the store how the run stands.
    Snapshot,
    /// Ask the status page.
    AskPage,
    /// Tell that this model's requests go to this endpoint now.
    Divert(String, Endpoint),
    /// Leave the run.
    Leave(Leave),
}

/// Why a dispatcher leaves a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Nothing is left to do.
    Completed,
    /// The user cancelled it.
    Canceled,
    /// No job can succeed.
    Halted(Halt),
    /// It was told to stop.
    Stopped,
    /// The store does not work.
    Broken,
}

/// The state of a run under dispatch.
#[derive(Debug)]
pub(super) struct Scheduler {
    run: RunId,
    stagger: Duration,
    retry: RetrySettings,
    queues: ModelQueues,
    /// The model queue whose turn it is to start a job.
    turn: usize,
    /// Where the last claims ended, if they did not come round to all queues that may claim.
    claim_from: Option<usize>,
    /// A second endpoint, until it turns out not to serve.
    second: Option<SecondEndpoint>,
    /// Answered, and on the way into the store.
    recording: u32,
    open_bytes: u64,
    next_start: Option<Timestamp>,
    planned_at: Timestamp,
    start_rate: StartRate,
    /// What holds the whole live lane back.
    gate: RunGate,
    page: PageWatch,
    /// Some job of the run has succeeded, now or in an earlier dispatch.
    ever_succeeded: bool,
    /// Answers that nobody can use, and nothing else.
    unusable: Unusable,
    /// What holds starts back although a slot is free.
    throttles: Throttles,
    /// What is to be told at the next plan.
    notes: Vec<EventKind>,
    snapshot_asked: bool,
    /// A job of some model was held: what the run reports if nothing else is left.
    held_because: Option<Halt>,
    /// The batch lane has work: an empty live lane is not the end.
    beside: bool,
    leaving: Option<Leave>,
}

/// What an answer changed for more than its job; for those who watch.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum QueueChange {
    /// Nothing.
    None,
    /// The queue keeps failing: one probe at a time goes out.
    Opened {
        at: Endpoint,
        class: ErrorClass,
        next_probe_at: Timestamp,
    },
    /// The queue works again.
    Closed { at: Endpoint },
    /// The second endpoint cannot serve this model, or none, and is left out of account.
    SecondOff(Unfit),
    /// No job can succeed: everything waits.
    Waiting { halt: Halt, until: Timestamp },
}

impl Scheduler {
    pub(super) fn new(
        run: &Run,
        settings: &EngineSettings,
        snapshot: RunSnapshot,
        now: Timestamp,
    ) -> Self {
        let mut scheduler = Self {
            run: run.id,
            stagger: settings.stagger,
            retry: settings.retry.clone(),
            throttles: Throttles::new(settings, now),
            second: settings.second.clone(),
            notes: Vec::new(),
            queues: ModelQueues::new(),
            turn: 0,
            claim_from: None,
            recording: 0,
            open_bytes: 0,
            next_start: None,
            planned_at: Timestamp::MIN,
            start_rate: StartRate::default(),
            gate: RunGate::new(settings, snapshot.answered),
            page: PageWatch::new(settings.status.is_some()),
            ever_succeeded: run.jobs.succeeded > 0,
            unusable: Unusable::default(),
            snapshot_asked: false,
            held_because: None,
            beside: false,
            leaving: None,
        };
        scheduler.on_snapshot(snapshot);
        scheduler
    }

    /// Requests on the wire.
    pub(super) fn on_wire(&self) -> u32 {
        self.throttles.on_wire()
    }

    pub(super) fn on_snapshot(&mut self, snapshot: RunSnapshot) {
        let asked = std::mem::take(&mut self.snapshot_asked);
        self.start_rate.turn();
        for load in snapshot.queues {
            match self.queues.of(&load.model) {
                Some(queue) if !queue.is_news(&load) => {}
                Some(_) => {
                    if let Some(mut queue) = self.queues.of_mut(&load.model) {
                        queue.refresh(&load);
                    }
                }
                None => self.queues.add(ModelQueue::new(load, self.second.as_ref())),
            }
        }
        if snapshot.cancel_requested {
            self.leave(Leave::Canceled);
        } else if asked && self.is_quiet() && self.nothing_is_left() && !self.beside {
            self.leave_at_the_end();
        }
    }

    pub(super) fn on_claimed(&mut self, model: &str, claimed: Claimed, prompts: Vec<Prompt>) {
        self.throttles.claimed(&claimed.jobs, prompts);
        self.open_bytes += claimed.jobs.iter().map(bytes).sum::<u64>();
        if let Some(mut queue) = self.queues.of_mut(model) {
            queue.claimed(claimed);
        }
    }

    pub(super) fn on_claim_failed(&mut self, model: &str) {
        if let Some(mut queue) = self.queues.of_mut(model) {
            queue.claim_failed();
        }
        self.leave(Leave::Broken);
    }

    /// A request was answered, or broke. Tells what the queue made of it.
    pub(super) fn on_answer(
        &mut self,
        job: &ClaimedJob,
        outcome: &Outcome,
        now: Timestamp,
        rng: &mut Rng,
    ) -> QueueChange {
        self.off_the_wire(job);
        if job.endpoint == Endpoint::First {
            self.note_connectivity(outcome);
        }
        let change = self.note_queue(job, outcome, now, rng);
        if let Some(halt) = &outcome.halt {
            return self.halt(halt.clone(), now);
        }
        if let Some(halt) = self.fruitless(job, outcome, now) {
            return self.halt(halt, now);
        }
        if let Some(because) = &outcome.hold {
            self.hold(&job.model, because);
        } else if outcome.answered && !outcome.doubted && !outcome.is_useless() {
            self.gate.probe_passed();
        }
        if let Some(unfit) = &outcome.unfit {
            return self.switch_second_off(&job.model, unfit);
        }
        change
    }

    /// A request was abandoned: it is off the wire, and its end is on the way into the store.
    pub(super) fn on_abandoned(&mut self, job: &ClaimedJob, now: Timestamp) {
        self.off_the_wire(job);
        self.throttles.abandoned(job, now);
        if let Some(mut queue) = self.queues.of_mut(&job.model) {
            queue.abandoned(job.job());
        }
    }

    /// The end of an attempt is stored.
    pub(super) fn on_recorded(&mut self, model: &str, next: &Next) {
        self.recording -= 1;
        if let Next::Amend { amended, .. } = next
            && amended.amendment.model() != model
        {
            return self.changed_queues(model, amended.amendment.model(), next);
        }
        if let Some(mut queue) = self.queues.of_mut(model) {
            queue.recorded(next);
        }
    }

    /// A job goes on with another model, of which this run may have had no job before.
    fn changed_queues(&mut self, from: &str, to: &str, next: &Next) {
        if let Some(mut queue) = self.queues.of_mut(from) {
            queue.left_the_queue();
        }
        if self.queues.of(to).is_none() {
            let load = QueueLoad {
                model: to.to_owned(),
                queued: 0,
                in_flight: 0,
                held: 0,
            };
            self.queues.add(ModelQueue::new(load, self.second.as_ref()));
        }
        if let Some(mut queue) = self.queues.of_mut(to) {
            queue.joined(next);
        }
    }

    /// So many ends of attempts could not be stored.
    pub(super) fn on_record_failed(&mut self, attempts: usize) {
        self.recording -= u32::try_from(attempts).unwrap_or(self.recording);
        self.leave(Leave::Broken);
    }

    fn off_the_wire(&mut self, job: &ClaimedJob) {
        self.throttles.ended(job);
        self.recording += 1;
        self.open_bytes = self.open_bytes.saturating_sub(bytes(job));
    }

    /// What an answer says of its queue: that it is alive, failing, or at its limit.
    fn note_queue(
        &mut self,
        job: &ClaimedJob,
        outcome: &Outcome,
        now: Timestamp,
        rng: &mut Rng,
    ) -> QueueChange {
        let (retry, finish) = (&self.retry, &outcome.finish);
        let Some(mut queue) = self.queues.of_mut(&job.model) else {
            return QueueChange::None;
        };
        queue.suspect(job.job(), finish);
        let route = queue.routes.to_mut(job.endpoint);
        if finish.record.evidence.is_out_of_files() {
            route.circuit.forgotten(job.job());
            return QueueChange::None;
        }
        let should_retry = finish.record.evidence.should_retry;
        let class = finish.record.error_class;
        let acting = class.map(|class| acting_class(class, should_retry));
        let speaks = acting.filter(|class| speaks_of_the_model(*class));
        route.health.note(speaks.is_some(), now);
        let changed = match speaks {
            Some(class) => {
                let wait = probe_wait(retry, class, route.circuit.next_probe_failure(), rng);
                let changed = route
                    .circuit
                    .failed(job.job(), class, wait, retry.scale, now);
                if job.endpoint == Endpoint::First {
                    self.page.slow_down(&mut route.circuit, retry.scale, now);
                }
                changed
            }
            None => route.circuit.answered(job.job()),
        };
        if finish.record.outcome == AttemptOutcome::Succeeded {
            route.last_success = Some(now);
            self.ever_succeeded = true;
        }
        outcome.note_doubt(&mut route.doubt, job, retry.scale, now);
        match (changed, route.circuit.open()) {
            (Changed::Opened, Some(open)) => QueueChange::Opened {
                at: job.endpoint,
                class: open.class,
                next_probe_at: open.next_probe_at,
            },
            (Changed::Closed, _) => QueueChange::Closed { at: job.endpoint },
            _ => QueueChange::None,
        }
    }

    /// The store does not work.
    pub(super) fn on_store_failed(&mut self) {
        self.leave(Leave::Broken);
    }

    pub(super) fn on_stop(&mut self, stop: Stop) {
        if stop >= Stop::Drain {
            self.leave(Leave::Stopped);
        }
    }

    /// What is to be done now. Called again after each input and at [`Scheduler::wakes_at`].
    /// `budget` is lent: what starts is held in it.
    pub(super) fn plan(
        &mut self,
        budget: &mut RunBudget,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Vec<Effect> {
        self.planned_at = now;
        self.queues.look(now);
        let looked_at = self.queues.take_looked_at();
        self.check_reach(now);
        let mut effects = Vec::new();
        effects.extend(budget.warning().map(Effect::Tell));
        self.tell_notes(&mut effects, &looked_at);
        if self.leaving.is_some() {
            self.plan_leave(&mut effects);
        } else {
            let unsent = self.queues.queued() + u64::from(self.ready());
            let fits = unsent <= u64::from(self.free_slots());
            self.throttles.begin_plan(fits.then_some(unsent));
            let closed = self.gate.hours().look(now, HOURS_EVERY);
            effects.extend(self.gate.hours().news().map(Effect::Tell));
            let held_back = closed.is_some() || self.gate.is_waiting(now);
            self.plan_diversions(&mut effects, &looked_at, now);
            self.queues.look(now);
            self.release(&mut effects, !held_back);
            if !held_back {
                self.plan_starts(&mut effects, budget, now, rng);
            }
            self.check_budget(budget, now);
            self.tell_tight_budget(&mut effects, budget);
            if !held_back {
                self.plan_claims(&mut effects, budget, now);
            }
            if self.leaving.is_some() {
                self.plan_leave(&mut effects);
                return effects;
            }
            self.plan_end(&mut effects);
            self.plan_look(&mut effects, now);
        }
        effects
    }

    /// When there may be something to do without any input. What was due at the last plan and was
    /// not done waits for an input (a free slot, say), not for a time.
    pub(super) fn wakes_at(&self) -> Option<Timestamp> {
        if self.leaving.is_some() {
            return None;
        }
        let start = self
            .next_start
            .filter(|_| self.ready() > 0 && self.free_slots() > 0);
        let claims = self.queues.wakes_after(self.planned_at).into_iter();
        claims
            .chain(start)
            .chain(self.unreachable_at())
            .chain(self.gate.waiting())
            .chain(self.gate.closed_until())
            .chain(self.throttles.wakes_at())
            .chain(self.next_look())
            .filter(|at| *at > self.planned_at)
            .min()
    }

    fn plan_leave(&mut self, effects: &mut Vec<Effect>) {
        self.release(effects, false);
        if self.is_quiet()
            && let Some(leave) = self.leaving.clone()
        {
            effects.push(Effect::Leave(leave));
        }
    }

    /// Gives back what was claimed and not sent; `stuck`: only what may not be sent now.
    fn release(&mut self, effects: &mut Vec<Effect>, stuck: bool) {
        let mut ready = Vec::new();
        for at in self.queues.with_ready(stuck) {
            ready.extend(self.queues.at(at).take_ready());
        }
        if !ready.is_empty() {
            for job in &ready {
                self.throttles.released(job.job());
            }
            self.open_bytes = self
                .open_bytes
                .saturating_sub(ready.iter().map(bytes).sum());
            effects.push(Effect::Release(
                ready.iter().map(|job| job.attempt).collect(),
            ));
        }
    }

    fn plan_starts(
        &mut self,
        effects: &mut Vec<Effect>,
        budget: &mut RunBudget,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        while self.free_slots() > 0 && self.next_start.is_none_or(|at| at <= now) {
            let Some(job) = self.next_ready(budget, now) else {
                return;
            };
            self.throttles.started(&job, now, rng);
            budget.started(job.job());
            self.start_rate.started();
            self.gate.connectivity().waits_from(now);
            if !self.stagger.is_zero() {
                let wait = self.stagger.mul_f64(1.0 + STAGGER_JITTER * rng.f64());
                self.next_start = Some(add(now, wait));
            }
            effects.push(Effect::Start(job));
        }
    }

    /// Nothing is open and nothing seems to be left: the store has the last word on that.
    fn plan_end(&mut self, effects: &mut Vec<Effect>) {
        if self.nothing_is_left() && self.is_quiet() && !self.snapshot_asked && !self.beside {
            self.snapshot_asked = true;
            effects.push(Effect::Snapshot);
        }
    }

    fn limit(&self) -> u32 {
        if self.gate.is_probing() {
            1
        } else {
            self.throttles.ceiling(self.is_diverted())
        }
    }

    fn free_slots(&self) -> u32 {
        self.limit().saturating_sub(self.on_wire())
    }

    fn ready(&self) -> u32 {
        self.queues.ready()
    }

    fn claiming(&self) -> u32 {
        self.queues.claiming()
    }

    /// Attempts that have begun in the store and have not ended there.
    fn open(&self) -> u32 {
        self.on_wire() + self.recording + self.ready() + self.claiming()
    }

    fn nothing_is_left(&self) -> bool {
        self.queues.nothing_is_left()
    }

    fn is_quiet(&self) -> bool {
        self.open() == 0
    }

    /// The queues take turns, so that a large one does not starve a small one.
    fn next_ready(&mut self, budget: &mut RunBudget, now: Timestamp) -> Option<ClaimedJob> {
        self.queues.look(now);
        let mut found = self.queues.next_sendable(self.turn, None);
        while let Some(at) = found {
            let throttles = &mut self.throttles;
            let verdict = |job: &_, to| throttles.verdict(job, to, budget, now);
            if let Some(job) = self.queues.at(at).send(now, verdict) {
                self.turn = at + 1;
                return Some(job);
            }
            found = self.queues.next_sendable(self.turn, Some(at));
        }
        None
    }

    fn leave_at_the_end(&mut self) {
        let leave = match self.held_because.take() {
            Some(halt) => Leave::Halted(halt),
            None => Leave::Completed,
        };
        self.leave(leave);
    }

    /// The first reason stands, but a store that does not work outweighs every other.
    fn leave(&mut self, leave: Leave) {
        if leave == Leave::Broken || self.leaving.is_none() {
            self.leaving = Some(leave);
        }
    }

    fn note_connectivity(&mut self, outcome: &Outcome) {
        let connectivity = self.gate.connectivity();
        if outcome.answered {
            connectivity.answered();
        } else {
            connectivity.failed(&outcome.finish.record.evidence);
        }
    }

    fn check_reach(&mut self, now: Timestamp) {
        if self.unreachable_at().is_some_and(|at| at <= now) {
            let failure = self.gate.connectivity().last_failure();
            self.halt(halt_for(ErrorClass::Unreachable, &failure, now), now);
        }
    }
}

fn bytes(job: &ClaimedJob) -> u64 {
    job.body.len() as u64
}

#[cfg(test)]
mod tests;
