//! What the scheduler makes of limits: pauses of whole classes of models, and the hours.

use fastrand::Rng;
use jiff::Timestamp;

use super::{Effect, Leave, Scheduler};
use crate::clock::add;
use crate::engine::outcome::Outcome;
use crate::model::{ClaimedJob, EventKind, RateLimits};
use crate::store::{EstimateSums, MaybeBilled, Next};

/// A hint is spread by up to this part of itself, upwards only.
const HINT_JITTER: f64 = 0.1;

impl Scheduler {
    /// An answer came: what it used is settled, and what it told of the limits is learned. If it was
    /// a refusal, every model that shares its limits pauses, once, whatever the jobs' own waits are.
    pub(in crate::engine) fn on_limits(
        &mut self,
        job: &ClaimedJob,
        outcome: &Outcome,
        limits: &RateLimits,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        let mut lanes = self.lanes.iter();
        let lane = lanes.find(|lane| lane.model == job.model);
        // In an outage one probe at a time goes out: it says nothing about how much is too much.
        let outage = lane.is_some_and(|lane| lane.roads.to(job.endpoint).circuit.open().is_some());
        let refused = self.throttles.answered(job, outcome, limits, outage, now);
        let finish = &outcome.finish;
        if let (true, Next::RetryAt(due)) = (refused, &finish.next) {
            let hint = finish.record.evidence.retry_after;
            let until = hint.map_or(*due, |hint| {
                add(now, hint.mul_f64(1.0 + HINT_JITTER * rng.f64()))
            });
            self.pause(job, until, now);
        }
    }

    /// Pauses the way to the endpoint that refused this job.
    fn pause(&mut self, job: &ClaimedJob, until: Timestamp, now: Timestamp) {
        let (model, throttle) = (&job.model, self.throttles.to(job.endpoint));
        let mut is_new = false;
        for lane in &mut self.lanes {
            if lane.model == *model || throttle.share_limits(&lane.model, model) {
                is_new |= lane.roads.to_mut(job.endpoint).pause(until, now);
            }
        }
        if is_new {
            throttle.paused(model);
        }
    }

    /// Tells when the hours in which requests may be sent end and begin.
    pub(super) fn tell_hours(&mut self, effects: &mut Vec<Effect>, closed: Option<Timestamp>) {
        if self.closed_until == closed {
            return;
        }
        self.closed_until = closed;
        effects.push(Effect::Tell(match closed {
            Some(opens_at) => EventKind::HoursClosed { opens_at },
            None => EventKind::HoursOpened {},
        }));
    }

    /// What attempts of earlier dispatches may have cost beyond what is known of it is kept out of reach.
    pub(in crate::engine) fn on_maybe_billed(&mut self, maybe: MaybeBilled) {
        self.throttles.keep(maybe.at_most - maybe.counted);
    }

    /// Tells that jobs wait for the budget although a slot is free.
    pub(super) fn tell_tight_budget(&mut self, effects: &mut Vec<Effect>) {
        if self.free_slots() > 0 && !(self.nothing_is_left() && self.ready() == 0) {
            effects.extend(self.throttles.budget_is_tight().map(Effect::Tell));
        }
    }

    /// Leaves the run when its budget is used up. Waiting would not help: only a larger one does.
    pub(super) fn check_budget(&mut self, now: Timestamp) {
        if let Some(halt) = self.throttles.used_up(now) {
            self.leave(Leave::Halted(halt));
        }
    }

    /// What has changed, since this was asked last, of the ceiling and of what is known of limits.
    pub(in crate::engine) fn news_of_pace(&mut self) -> Vec<EventKind> {
        self.throttles.news()
    }

    /// How far estimates were off since this was asked last.
    pub(in crate::engine) fn take_estimates(&mut self) -> Vec<EstimateSums> {
        self.throttles.take_estimates()
    }
}
