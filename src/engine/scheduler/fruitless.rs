//! What the scheduler makes of answers that come without end and bring nothing: a kind that nobody can
//! use, and a limit that nothing gets past.

use std::time::Duration;

use jiff::Timestamp;

use super::Scheduler;
use crate::clock::add;
use crate::engine::outcome::Outcome;
use crate::model::{AttemptOutcome, Budget, ClaimedJob, Endpoint, ErrorClass, Halt};
use crate::policy::{Useless, patience};

/// A limit that nothing has got past since the start is waited for so long, times the retry scale: no
/// window of requests or tokens is longer than some minutes.
const HOPELESS_AFTER: Duration = Duration::from_mins(15);

impl Scheduler {
    /// What an answer says of all that came before it: the reason to halt, if nothing but the like has
    /// come. A model whose limit lets nothing through is held here.
    pub(super) fn fruitless(
        &mut self,
        job: &ClaimedJob,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Option<Halt> {
        let record = &outcome.finish.record;
        if record.outcome == AttemptOutcome::Succeeded {
            self.unusable.broken();
            return None;
        }
        let class = record.error_class?;
        if class.budget() == Budget::RateLimits {
            self.give_up_on_limit(job, class, outcome, now);
            return None;
        }
        record.evidence.http_status?;
        if !outcome.is_useless() {
            self.unusable.broken();
            return None;
        }
        let answer = Useless {
            class,
            is_its_own: outcome.finish.history.counted > job.history.counted,
            is_all: !self.ever_succeeded,
            after_halt: self.gate.is_probing(),
            ends: outcome.finish.next.is_end(),
        };
        let scale = self.retry.scale;
        let answers = self.unusable.came(job.job(), answer, scale, now)?;
        let said = said(outcome);
        let message =
            format!("{answers} answers in a row were of no use, and nothing else came: {said}");
        Some(Halt::new(class, message, now))
    }

    /// Nothing has succeeded at this model since the start, and its limit was reached so long ago: it
    /// is none that passes.
    fn give_up_on_limit(
        &mut self,
        job: &ClaimedJob,
        class: ErrorClass,
        outcome: &Outcome,
        now: Timestamp,
    ) {
        let long_enough = patience(HOPELESS_AFTER, self.retry.scale);
        let waits = self.gate.waits_when_halted() || job.endpoint == Endpoint::Second;
        let Some(mut queue) = self.queues.of_mut(&job.model) else {
            return;
        };
        let route = queue.routes.to_mut(Endpoint::First);
        if waits || route.last_success.is_some() {
            return;
        }
        let since = *route.limited_since.get_or_insert(now);
        drop(queue);
        if add(since, long_enough) > now {
            return;
        }
        let message = format!(
            "nothing has got past this limit at {} since the start, for {:.0} s: {}",
            job.model,
            now.duration_since(since).as_secs_f64(),
            said(outcome)
        );
        let halt = Halt::new(class, message, now);
        self.hold(&job.model, &halt);
    }
}

fn said(outcome: &Outcome) -> String {
    let record = &outcome.finish.record;
    let meaning = || {
        record
            .error_class
            .map(|class| class.info().meaning.to_owned())
    };
    let message = record.evidence.message.clone();
    message.or_else(meaning).unwrap_or_default()
}
