//! The pure state machine of a run: inputs in, effects out.
//!
//! It decides what to claim, what to start, and when to leave. It never waits, never fails and
//! reads no clock: time and randomness are arguments. It knows how many jobs wait, never which,
//! so a million of them cost it nothing.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::lane::Lane;
use super::outcome::{Outcome, halt_for};
use super::settings::EngineSettings;
use super::stop::Stop;
use crate::clock::add;
use crate::model::{AttemptId, ClaimedJob, ErrorClass, Evidence, Halt, RunId};
use crate::store::{Claim, Claimed, Next, Pulse};

/// Request bodies held in memory at the same time, claimed or on the wire.
const MAX_OPEN_BYTES: u64 = 64 << 20;
/// Jobs are claimed ahead for so many seconds at the present rate, so that the wire does not wait
/// for the disk.
const LOOK_AHEAD_SECONDS: f64 = 0.25;
/// Up to this part of the stagger is added to it, so that several runs do not march in step.
const STAGGER_JITTER: f64 = 0.2;

/// Something the dispatcher is to do.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// Claim jobs.
    Claim(Claim),
    /// Send this job's request.
    Start(ClaimedJob),
    /// Give these claims back: their requests never left.
    Release(Vec<AttemptId>),
    /// Ask the store how the run stands.
    Pulse,
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
    concurrency: u32,
    stagger: Duration,
    unreachable_after: Duration,
    lanes: Vec<Lane>,
    /// The lane whose turn it is to start a job.
    turn: usize,
    on_wire: u32,
    /// Answered, and on the way into the store.
    recording: u32,
    open_bytes: u64,
    next_start: Option<Timestamp>,
    planned_at: Timestamp,
    pace: Pace,
    reach: Reach,
    /// After a halt one request goes first; the rest follow if it does not halt again.
    probing: bool,
    pulse_asked: bool,
    /// A job of some model was held: what the run reports if nothing else is left.
    held_because: Option<Halt>,
    leaving: Option<Leave>,
}

/// How fast jobs start, from one pulse to the next.
#[derive(Debug, Default)]
struct Pace {
    last: u32,
    current: u32,
}

/// Whether the endpoint answers at all.
#[derive(Debug, Default)]
struct Reach {
    answered: bool,
    first_start: Option<Timestamp>,
    last_failure: Option<Evidence>,
}

impl Scheduler {
    pub(super) fn new(run: RunId, settings: &EngineSettings, pulse: Pulse) -> Self {
        let mut scheduler = Self {
            run,
            concurrency: settings.concurrency.max(1),
            stagger: settings.stagger,
            unreachable_after: settings.unreachable_after(),
            lanes: Vec::new(),
            turn: 0,
            on_wire: 0,
            recording: 0,
            open_bytes: 0,
            next_start: None,
            planned_at: Timestamp::MIN,
            pace: Pace::default(),
            reach: Reach {
                answered: pulse.answered,
                ..Reach::default()
            },
            probing: settings.after_halt,
            pulse_asked: false,
            held_because: None,
            leaving: None,
        };
        scheduler.on_pulse(pulse);
        scheduler
    }

    /// The endpoint has answered at least once in this run.
    pub(super) fn ever_answered(&self) -> bool {
        self.reach.answered
    }

    /// Requests on the wire.
    pub(super) fn on_wire(&self) -> u32 {
        self.on_wire
    }

    pub(super) fn on_pulse(&mut self, pulse: Pulse) {
        let asked = std::mem::take(&mut self.pulse_asked);
        self.pace = Pace {
            last: self.pace.current,
            current: 0,
        };
        for load in pulse.lanes {
            match self.lanes.iter_mut().find(|lane| lane.model == load.model) {
                Some(lane) => lane.refresh(&load),
                None => self.lanes.push(Lane::new(load)),
            }
        }
        if pulse.cancel_requested {
            self.leave(Leave::Canceled);
        } else if asked && self.is_quiet() && self.nothing_is_left() {
            self.leave_at_the_end();
        }
    }

    pub(super) fn on_claimed(&mut self, model: &str, claimed: Claimed) {
        self.open_bytes += claimed.jobs.iter().map(bytes).sum::<u64>();
        if let Some(lane) = self.lane_mut(model) {
            lane.claimed(claimed);
        }
    }

    pub(super) fn on_claim_failed(&mut self, model: &str) {
        if let Some(lane) = self.lane_mut(model) {
            lane.claim_failed();
        }
        self.leave(Leave::Broken);
    }

    pub(super) fn on_answer(&mut self, job: &ClaimedJob, outcome: &Outcome, now: Timestamp) {
        self.on_wire -= 1;
        self.recording += 1;
        self.open_bytes = self.open_bytes.saturating_sub(bytes(job));
        if outcome.answered {
            self.reach.answered = true;
        } else {
            self.reach.last_failure = Some(outcome.finish.record.evidence.clone());
        }
        match &outcome.halt {
            Some(halt) => self.leave(Leave::Halted(halt.clone())),
            None if outcome.answered => self.probing = false,
            None => {}
        }
        if outcome.finish.next == Next::Hold {
            let class = outcome
                .finish
                .record
                .error_class
                .unwrap_or(ErrorClass::Unknown);
            self.hold(
                &job.model,
                halt_for(class, &outcome.finish.record.evidence, now),
            );
        }
    }

    /// A request was abandoned: it is off the wire, and its end is on the way into the store.
    pub(super) fn on_abandoned(&mut self, job: &ClaimedJob) {
        self.on_wire -= 1;
        self.recording += 1;
        self.open_bytes = self.open_bytes.saturating_sub(bytes(job));
    }

    /// The end of an attempt is stored.
    pub(super) fn on_recorded(&mut self, model: &str, next: &Next) {
        self.recording -= 1;
        let Some(lane) = self.lane_mut(model) else {
            return;
        };
        match next {
            Next::RetryAt(due) => lane.requeued(Some(*due)),
            Next::Requeue => lane.requeued(None),
            Next::Hold | Next::End(_) => {}
        }
    }

    /// So many ends of attempts could not be stored.
    pub(super) fn on_record_failed(&mut self, attempts: usize) {
        self.recording -= u32::try_from(attempts).unwrap_or(self.recording);
        self.leave(Leave::Broken);
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
    pub(super) fn plan(&mut self, now: Timestamp, rng: &mut Rng) -> Vec<Effect> {
        self.planned_at = now;
        self.check_reach(now);
        let mut effects = Vec::new();
        if self.leaving.is_some() {
            self.plan_leave(&mut effects);
        } else {
            self.release(&mut effects, |lane| lane.blocked);
            self.plan_starts(&mut effects, now, rng);
            self.plan_claims(&mut effects, now);
            self.plan_end(&mut effects);
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
        let claims = self.lanes.iter().filter_map(Lane::wakes_at);
        claims
            .chain(start)
            .chain(self.unreachable_at())
            .filter(|at| *at > self.planned_at)
            .min()
    }

    fn plan_leave(&mut self, effects: &mut Vec<Effect>) {
        self.release(effects, |_| true);
        if self.is_quiet()
            && let Some(leave) = self.leaving.clone()
        {
            effects.push(Effect::Leave(leave));
        }
    }

    /// Gives back what some lanes have claimed and not sent.
    fn release(&mut self, effects: &mut Vec<Effect>, of: impl Fn(&Lane) -> bool) {
        let lanes = self.lanes.iter_mut().filter(|lane| of(lane));
        let ready: Vec<_> = lanes.flat_map(|lane| lane.ready.drain(..)).collect();
        if !ready.is_empty() {
            self.open_bytes = self
                .open_bytes
                .saturating_sub(ready.iter().map(bytes).sum());
            effects.push(Effect::Release(
                ready.iter().map(|job| job.attempt).collect(),
            ));
        }
    }

    fn plan_starts(&mut self, effects: &mut Vec<Effect>, now: Timestamp, rng: &mut Rng) {
        while self.free_slots() > 0 && self.next_start.is_none_or(|at| at <= now) {
            let Some(job) = self.next_ready() else { return };
            self.on_wire += 1;
            self.pace.current += 1;
            self.reach.first_start.get_or_insert(now);
            if !self.stagger.is_zero() {
                let wait = self.stagger.mul_f64(1.0 + STAGGER_JITTER * rng.f64());
                self.next_start = Some(add(now, wait));
            }
            effects.push(Effect::Start(job));
        }
    }

    /// The lanes share what is wanted; the lane whose turn it is chooses first.
    fn plan_claims(&mut self, effects: &mut Vec<Effect>, now: Timestamp) {
        let room = MAX_OPEN_BYTES.saturating_sub(self.open_bytes);
        let mut wanted = self.wanted();
        if wanted == 0 || (room == 0 && self.open() > 0) {
            return;
        }
        let claimable = self
            .lanes
            .iter()
            .filter(|lane| lane.is_claimable(now))
            .count();
        let sharers = u32::try_from(claimable).unwrap_or(u32::MAX).max(1);
        let share = wanted.div_ceil(sharers);
        let count = self.lanes.len();
        for step in 0..count {
            let lane = &mut self.lanes[(self.turn + step) % count];
            let max_jobs = share.min(wanted);
            if max_jobs == 0 || !lane.is_claimable(now) {
                continue;
            }
            wanted -= max_jobs;
            lane.claim_sent(max_jobs);
            effects.push(Effect::Claim(Claim {
                run: self.run,
                model: lane.model.clone(),
                max_jobs,
                max_bytes: room / u64::from(sharers),
                now,
            }));
        }
    }

    /// Nothing is open and nothing seems to be left: the store has the last word on that.
    fn plan_end(&mut self, effects: &mut Vec<Effect>) {
        if self.nothing_is_left() && self.is_quiet() && !self.pulse_asked {
            self.pulse_asked = true;
            effects.push(Effect::Pulse);
        }
    }

    /// Free slots, and a look ahead at the present rate; at most twice the concurrency is open.
    fn wanted(&self) -> u32 {
        let rate = f64::from(self.pace.last.max(self.pace.current));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let look_ahead = (rate * LOOK_AHEAD_SECONDS).ceil() as u32;
        let limit = self.limit();
        let most = limit.saturating_add(look_ahead.min(limit));
        let claimed = self.on_wire + self.ready() + self.claiming();
        let open_room = limit.saturating_mul(2).saturating_sub(self.open());
        most.saturating_sub(claimed).min(open_room)
    }

    fn limit(&self) -> u32 {
        if self.probing { 1 } else { self.concurrency }
    }

    fn free_slots(&self) -> u32 {
        self.limit().saturating_sub(self.on_wire)
    }

    fn ready(&self) -> u32 {
        let ready = self
            .lanes
            .iter()
            .map(|lane| lane.ready.len())
            .sum::<usize>();
        u32::try_from(ready).unwrap_or(u32::MAX)
    }

    fn claiming(&self) -> u32 {
        self.lanes.iter().map(Lane::claiming).sum()
    }

    /// Attempts that have begun in the store and have not ended there.
    fn open(&self) -> u32 {
        self.on_wire + self.recording + self.ready() + self.claiming()
    }

    fn nothing_is_left(&self) -> bool {
        self.lanes
            .iter()
            .all(|lane| lane.queued == 0 || lane.blocked)
    }

    fn is_quiet(&self) -> bool {
        self.open() == 0
    }

    /// The lanes take turns, so that a large one does not starve a small one.
    fn next_ready(&mut self) -> Option<ClaimedJob> {
        let count = self.lanes.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            if let Some(job) = self.lanes[index].ready.pop_front() {
                self.turn = index + 1;
                return Some(job);
            }
        }
        None
    }

    fn lane_mut(&mut self, model: &str) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.model == model)
    }

    /// No job of this model can succeed now; the others go on.
    fn hold(&mut self, model: &str, because: Halt) {
        self.held_because.get_or_insert(because);
        if let Some(lane) = self.lane_mut(model) {
            lane.blocked = true;
        }
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

    fn unreachable_at(&self) -> Option<Timestamp> {
        let silent = !self.reach.answered && self.reach.last_failure.is_some();
        let first = self.reach.first_start.filter(|_| silent)?;
        Some(add(first, self.unreachable_after))
    }

    fn check_reach(&mut self, now: Timestamp) {
        if self.unreachable_at().is_some_and(|at| at <= now) {
            let failure = self.reach.last_failure.clone().unwrap_or_default();
            self.leave(Leave::Halted(halt_for(
                ErrorClass::Unreachable,
                &failure,
                now,
            )));
        }
    }
}

fn bytes(job: &ClaimedJob) -> u64 {
    job.body.len() as u64
}
