//! What the scheduler makes of limits: pauses of whole classes of models, and the hours.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::{Effect, Leave, Scheduler};
use crate::clock::add;
use crate::engine::budget::RunBudget;
use crate::engine::outcome::Outcome;
use crate::model::{ClaimedJob, EventKind, RateLimits};
use crate::policy::{Concerns, believed};
use crate::store::{EstimateSums, Next};

/// A longer wait that a server asks for is told as a warning, and one request goes first after it.
const WORTH_A_WARNING: Duration = Duration::from_mins(10);

impl Scheduler {
    /// An answer came: what it used is settled, and what it told of the limits is learned. If it was
    /// a refusal that concerns all, every model that shares its limits pauses, once, whatever the jobs'
    /// own waits are.
    pub(in crate::engine) fn on_limits(
        &mut self,
        job: &ClaimedJob,
        outcome: &Outcome,
        limits: &RateLimits,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        let queue = self.queues.of(&job.model);
        // In an outage one probe at a time goes out: it says nothing about how much is too much.
        let outage =
            queue.is_some_and(|queue| queue.routes.to(job.endpoint).circuit.open().is_some());
        let concerns = self.throttles.answered(job, outcome, limits, outage, now);
        let finish = &outcome.finish;
        let Next::RetryAt(due) = finish.next else {
            return;
        };
        let hint = finish.record.evidence.retry_after;
        let all = concerns == Some(Concerns::All);
        let until = match hint.filter(|_| all) {
            Some(hint) => add(now, believed(hint, rng)),
            None => due,
        };
        if all {
            self.pause(job, until, now);
        }
        if let Some(asked) = hint.filter(|_| until > add(now, WORTH_A_WARNING)) {
            self.tell_long_wait(job, outcome, (asked, until), all, now);
        }
    }

    /// Tells of a long wait that the server asks for: once for its whole time, whatever else asks for
    /// the same meanwhile.
    fn tell_long_wait(
        &mut self,
        job: &ClaimedJob,
        outcome: &Outcome,
        (asked, until): (Duration, Timestamp),
        all: bool,
        now: Timestamp,
    ) {
        let record = &outcome.finish.record;
        let of_model = self.queues.of_mut(&job.model);
        let (Some(error_class), Some(mut queue)) = (record.error_class, of_model) else {
            return;
        };
        if queue
            .long_wait_told
            .is_some_and(|(until, of_all)| until > now && (of_all || !all))
        {
            return;
        }
        queue.long_wait_told = Some((until, all));
        drop(queue);
        self.notes.push(EventKind::LongWait {
            model: job.model.clone(),
            custom_id: (!all).then(|| job.custom_id.clone()),
            error_class,
            http_status: record.evidence.http_status,
            asked_ms: u64::try_from(asked.as_millis()).unwrap_or(u64::MAX),
            next_try_at: until,
        });
    }

    /// What is to be told, once.
    pub(super) fn tell_notes(&mut self, effects: &mut Vec<Effect>, looked_at: &BTreeSet<usize>) {
        let notes = std::mem::take(&mut self.notes);
        let of_limits = self.throttles.take_notes();
        for at in looked_at {
            let news = self.queues.noting(*at).news_of_probes();
            effects.extend(news.map(Effect::Tell));
        }
        effects.extend(notes.into_iter().chain(of_limits).map(Effect::Tell));
    }

    /// Pauses the way to the endpoint that refused this job.
    fn pause(&mut self, job: &ClaimedJob, until: Timestamp, now: Timestamp) {
        let (model, throttle) = (&job.model, self.throttles.to(job.endpoint));
        let mut is_new = false;
        for at in self.queues.sharing_limits(model) {
            let mut queue = self.queues.at(at);
            is_new |= queue.routes.to_mut(job.endpoint).pause(until, now);
        }
        let is_long = until > add(now, WORTH_A_WARNING);
        if is_new || is_long {
            throttle.paused(model, is_long);
        }
    }

    /// Tells that jobs wait for the budget although a slot is free.
    pub(super) fn tell_tight_budget(&mut self, effects: &mut Vec<Effect>, budget: &mut RunBudget) {
        if self.free_slots() > 0 && !(self.nothing_is_left() && self.ready() == 0) {
            effects.extend(budget.tight().map(Effect::Tell));
        }
    }

    /// Leaves the run when its budget is used up. Waiting would not help: only a larger one does.
    pub(super) fn check_budget(&mut self, budget: &RunBudget, now: Timestamp) {
        if let Some(halt) = budget.used_up(now) {
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
