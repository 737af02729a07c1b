//! What the scheduler believes of answers that no job can get past: whether it halts, holds a model, or
//! lets another job go and see first.

use std::time::Duration;

use jiff::Timestamp;

use super::{Leave, QueueChange, Scheduler};
use crate::engine::model_queue::ModelQueue;
use crate::engine::outcome::Surroundings;
use crate::model::{ClaimedJob, Endpoint, Halt};
use crate::policy::{Belief, Beliefs, CONFIRM_AFTER, Crowd, Others, Standing};

impl Scheduler {
    /// What surrounds a job when an answer of it comes in: how it stands in its queue decides
    /// whether a failure is held against it.
    pub(in crate::engine) fn surroundings(&self, job: &ClaimedJob, now: Timestamp) -> Surroundings {
        let queue = self.queues.of(&job.model);
        let elsewhere = queue.is_some_and(|queue| self.queues.has_jobs_beside(queue));
        let standing = Standing {
            others: Others::Succeed,
            age: Duration::ZERO,
            is_well: false,
            others_pass: false,
        };
        Surroundings {
            lane: crate::model::Lane::Live,
            standing: queue.map_or(standing, |queue| queue.standing(job, now, elsewhere)),
            ever_answered: self.gate.ever_answered(),
            outage: queue.is_some_and(|queue| self.is_confirmed_outage(queue, now)),
            too_large: self.throttles.too_large(job),
            proven: self.queues.is_proven(),
            beliefs: queue.map_or(Beliefs::all(Belief::All), |queue| {
                self.beliefs(queue, job, now)
            }),
            confirm_after: queue.map_or(CONFIRM_AFTER, |queue| {
                let step = self.confirm_after();
                queue.routes.to(job.endpoint).doubt.wait(job.job(), step)
            }),
        }
    }

    /// What it means if this job gets an answer that no job can get past.
    fn beliefs(&self, queue: &ModelQueue, job: &ClaimedJob, now: Timestamp) -> Beliefs {
        if queue.blocked {
            return Beliefs::all(Belief::Model);
        }
        let is_over = self.leaving.is_some() || self.gate.is_waiting(now);
        if is_over {
            return Beliefs::all(Belief::All);
        }
        if job.endpoint == Endpoint::Second {
            return self.beliefs_elsewhere(queue, job);
        }
        let crowd = Crowd {
            left: queue.left(),
            after_halt: self.gate.is_probing(),
            ever_succeeded: self.ever_succeeded,
            elsewhere: !self.gate.waits_when_halted() && self.queues.has_jobs_to_try_beside(queue),
            elsewhere_succeeded_at: self.queues.success_beside(queue),
        };
        let route = queue.routes.to(Endpoint::First);
        route.doubt.judge(job.job(), crowd)
    }

    /// The same of the second endpoint: one job's refusal there is confirmed by another job too. What is
    /// that job's own fails nothing, since the first endpoint may still take it.
    fn beliefs_elsewhere(&self, queue: &ModelQueue, job: &ClaimedJob) -> Beliefs {
        let route = queue.routes.to(Endpoint::Second);
        let crowd = Crowd {
            left: queue.left(),
            after_halt: false,
            ever_succeeded: route.last_success.is_some(),
            elsewhere: self.queues.has_jobs_to_try_beside(queue),
            elsewhere_succeeded_at: None,
        };
        route.doubt.judge(job.job(), crowd).with_own_doubted()
    }

    fn confirm_after(&self) -> Duration {
        CONFIRM_AFTER.mul_f64(self.retry.scale)
    }

    /// No job can succeed: the run is left, or waits and tries again with one request.
    pub(super) fn halt(&mut self, halt: Halt, now: Timestamp) -> QueueChange {
        self.queues.each(|queue| {
            let route = queue.routes.to_mut(Endpoint::First);
            route.doubt.believed_at_last();
        });
        let Some(until) = self.gate.halted(&halt, now) else {
            self.leave(Leave::Halted(halt));
            return QueueChange::None;
        };
        if self.gate.is_waiting(now) {
            return QueueChange::None;
        }
        self.gate.wait_until(until);
        QueueChange::Waiting { halt, until }
    }

    /// No job of this model can succeed now; the others go on.
    pub(super) fn hold(&mut self, model: &str, because: &Halt) {
        self.held_because.get_or_insert_with(|| because.clone());
        if let Some(mut queue) = self.queues.of_mut(model) {
            queue.blocked = true;
            let route = queue.routes.to_mut(Endpoint::First);
            route.doubt.believed_at_last();
        }
    }
}
