//! Requests on their way out, and their answers on the way back in.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Answer, Dispatcher, EndedAttempt};
use crate::engine::interrupted::{Lost, interrupted};
use crate::engine::outcome::outcome;
use crate::engine::scheduler::QueueChange;
use crate::model::{ClaimedJob, Pico};
use crate::policy::{max_tokens_of, streams};
use crate::provider::{Provider, Reply, Request, Reserved};
use crate::store::Store;

/// Answers that are taken up together, at most.
const MAX_GROUP: usize = 256;
/// While many requests are open, the loop lets answers gather for so long before it takes them up:
/// waking for each one costs more than handling it.
const GATHER: Duration = Duration::from_millis(1);
/// From so many open requests on; with fewer a free slot is worth more than the CPU time.
const MANY: u32 = 32;

impl<S: Store, P: Provider> Dispatcher<'_, S, P> {
    pub(super) fn start(&mut self, job: ClaimedJob, now: Timestamp) {
        self.observer.observe(&self.events.started(now, &job));
        let (store, provider) = (Arc::clone(&self.store), Arc::clone(&self.provider));
        let attempt = job.attempt;
        let (body, last) = (job.body.clone(), job.last_class);
        let (timeout, mode) = (self.settings.timeout, self.settings.stream);
        let endpoint = job.endpoint;
        // Looking into a large body takes a while, so the task does it and not this loop.
        let task = self.requests.spawn(async move {
            let request = Request {
                stream: streams(mode, max_tokens_of(&body), last),
                body,
                timeout,
                endpoint,
            };
            // Here and not in the loop: a task that is never polled sends nothing.
            store.mark_sent(attempt);
            let reply = provider.send(request).await;
            fail::fail_point!("request-after-answer");
            reply
        });
        self.on_wire.insert(task.id(), job);
    }

    /// Takes the answer, and every other one that has come meanwhile, and records them together.
    pub(super) fn on_answers(&mut self, first: Answer) {
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(answer) = next {
            group.extend(self.on_answer(answer));
            next = (group.len() < MAX_GROUP)
                .then(|| self.requests.try_join_next_with_id())
                .flatten()
                .map(|answer| answer.map(Box::new));
        }
        if self.scheduler.on_wire() >= MANY && group.len() < MAX_GROUP {
            self.listen_at = Instant::now() + GATHER;
        }
        self.gathered.append(&mut group);
        self.record();
    }

    fn on_answer(&mut self, answer: Answer) -> Option<EndedAttempt> {
        let now = self.clock.now();
        match answer {
            Ok(answered) => {
                let (id, reply) = *answered;
                let job = self.on_wire.remove(&id)?;
                let Reply {
                    result,
                    limits,
                    latency,
                    reserved,
                } = reply;
                let latency = Some(latency);
                let around = self.scheduler.surroundings(&job, now);
                let rng = &mut self.rng;
                let outcome = outcome(&self.settings, &job, result, latency, around, now, rng);
                let record = &outcome.finish.record;
                let (cost, maybe_billed) = (record.cost.total, record.maybe_billed);
                self.budget.ended(job.job(), cost, maybe_billed);
                self.scheduler.on_limits(&job, &outcome, &limits, now, rng);
                let change = self.scheduler.on_answer(&job, &outcome, now, rng);
                self.tell_change(&job, change);
                Some(EndedAttempt {
                    job,
                    finish: outcome.finish,
                    _reserved: reserved,
                })
            }
            // Nobody knows whether the request was served.
            Err(lost) => {
                let job = self.on_wire.remove(&lost.id())?;
                let age = self.scheduler.surroundings(&job, now).standing.age;
                let why = Lost::of(&lost);
                self.budget.ended(job.job(), Pico::ZERO, true);
                self.scheduler.on_abandoned(&job, now);
                let finish = interrupted(&self.settings, &job, why, age, now, &mut self.rng);
                Some(EndedAttempt {
                    job,
                    finish,
                    _reserved: Reserved::default(),
                })
            }
        }
    }

    fn tell_change(&mut self, job: &ClaimedJob, change: QueueChange) {
        let now = self.clock.now();
        if let Some(event) = self.events.lane_change(now, &job.model, change) {
            self.observer.observe(&event);
        }
    }
}
