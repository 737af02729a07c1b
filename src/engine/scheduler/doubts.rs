//! What the scheduler believes of answers that no job can get past: whether it halts, holds a model, or
//! lets another job go and see first.

use std::time::Duration;

use jiff::Timestamp;

use super::{LaneChange, Leave, Scheduler};
use crate::engine::lane::Lane;
use crate::engine::outcome::Surroundings;
use crate::model::{ClaimedJob, Endpoint, Halt};
use crate::policy::{Belief, Beliefs, CONFIRM_AFTER, Crowd, Others, Standing};

impl Scheduler {
    /// What surrounds a job when an answer of it comes in: how it stands in its lane decides
    /// whether a failure is held against it.
    pub(in crate::engine) fn surroundings(&self, job: &ClaimedJob, now: Timestamp) -> Surroundings {
        let lane = self.queues.of(&job.model);
        let elsewhere = lane.is_some_and(|lane| self.queues.has_jobs_beside(lane));
        let standing = Standing {
            others: Others::Succeed,
            age: Duration::ZERO,
            is_well: false,
        };
        Surroundings {
            lane: crate::model::Lane::Live,
            standing: lane.map_or(standing, |lane| lane.standing(job, now, elsewhere)),
            ever_answered: self.gate.ever_answered(),
            outage: lane.is_some_and(|lane| self.is_confirmed_outage(lane, now)),
            too_large: self.throttles.too_large(job),
            proven: self.queues.is_proven(),
            beliefs: lane.map_or(Beliefs::all(Belief::All), |lane| {
                self.beliefs(lane, job, now)
            }),
            confirm_after: lane.map_or(CONFIRM_AFTER, |lane| {
                let step = self.confirm_after();
                lane.roads.to(job.endpoint).doubt.wait(job.job(), step)
            }),
        }
    }

    /// What it means if this job gets an answer that no job can get past.
    fn beliefs(&self, lane: &Lane, job: &ClaimedJob, now: Timestamp) -> Beliefs {
        if lane.blocked {
            return Beliefs::all(Belief::Model);
        }
        let is_over = self.leaving.is_some() || self.gate.is_waiting(now);
        if is_over {
            return Beliefs::all(Belief::All);
        }
        if job.endpoint == Endpoint::Second {
            return self.beliefs_elsewhere(lane, job);
        }
        let crowd = Crowd {
            left: lane.left(),
            after_halt: self.gate.is_probing(),
            ever_succeeded: self.ever_succeeded,
            elsewhere: !self.gate.waits_when_halted() && self.queues.has_jobs_to_try_beside(lane),
            elsewhere_succeeded_at: self.queues.success_beside(lane),
        };
        let road = lane.roads.to(Endpoint::First);
        road.doubt.judge(job.job(), crowd)
    }

    /// The same of the second endpoint: one job's refusal there is confirmed by another job too. What is
    /// that job's own fails nothing, since the first endpoint may still take it.
    fn beliefs_elsewhere(&self, lane: &Lane, job: &ClaimedJob) -> Beliefs {
        let road = lane.roads.to(Endpoint::Second);
        let crowd = Crowd {
            left: lane.left(),
            after_halt: false,
            ever_succeeded: road.last_success.is_some(),
            elsewhere: self.queues.has_jobs_to_try_beside(lane),
            elsewhere_succeeded_at: None,
        };
        road.doubt.judge(job.job(), crowd).with_own_doubted()
    }

    fn confirm_after(&self) -> Duration {
        CONFIRM_AFTER.mul_f64(self.retry.scale)
    }

    /// No job can succeed: the run is left, or waits and tries again with one request.
    pub(super) fn halt(&mut self, halt: Halt, now: Timestamp) -> LaneChange {
        self.queues.each(|queue| {
            let road = queue.roads.to_mut(Endpoint::First);
            road.doubt.believed_at_last();
        });
        let Some(until) = self.gate.halted(&halt, now) else {
            self.leave(Leave::Halted(halt));
            return LaneChange::None;
        };
        if self.gate.is_waiting(now) {
            return LaneChange::None;
        }
        self.gate.wait_until(until);
        LaneChange::Waiting { halt, until }
    }

    /// No job of this model can succeed now; the others go on.
    pub(super) fn hold(&mut self, model: &str, because: &Halt) {
        self.held_because.get_or_insert_with(|| because.clone());
        if let Some(mut lane) = self.queues.of_mut(model) {
            lane.blocked = true;
            let road = lane.roads.to_mut(Endpoint::First);
            road.doubt.believed_at_last();
        }
    }
}
