//! What an answer means for the request of the next attempt: amended, or not.
//!
//! The decision is `policy::amend`; here it gets what the engine knows, and becomes what is stored.

use jiff::Timestamp;

use super::settings::EngineSettings;
use crate::model::{Amended, ClaimedJob, ErrorClass, Evidence, JobHistory, JobState, Pico};
use crate::policy::{self, Asked, Step, Trouble};
use crate::provider::{Failure, Message};
use crate::store::{JobEnd, Next, ResultBody};

/// What becomes of a job that got a message, and its history then. An amended attempt goes at once.
pub(super) fn after_message(
    settings: &EngineSettings,
    job: &ClaimedJob,
    message: &Message,
    cost: Pico,
    now: Timestamp,
) -> (Next, JobHistory) {
    let (amend, prices) = (&settings.amend, &settings.prices);
    let (asked, mark) = (asked(job), message.mark);
    match policy::after_message(amend, prices, asked, mark, &message.raw, cost) {
        // The failures before an answer are overcome: the next request begins afresh.
        Some(amended) => (amend_at(now, amended), JobHistory::default()),
        None => (end(job, &message.raw), job.history),
    }
}

/// What becomes of a failed job that goes on with another model, if it does.
pub(super) fn after_failure(
    settings: &EngineSettings,
    job: &ClaimedJob,
    trouble: &Trouble,
    now: Timestamp,
) -> Option<Next> {
    let amendment = policy::after_failure(&settings.amend, &settings.prices, asked(job), trouble)?;
    let amended = Amended {
        amendment,
        put_aside: None,
    };
    Some(amend_at(now, amended))
}

/// Whether a job that has failed ends with an answer that was put aside instead: a truncated one, or
/// the parts of a turn that cannot go on. A turn that is refused in the end is refused as a whole.
pub(super) fn ends_with_what_was_put_aside(job: &ClaimedJob, class: ErrorClass) -> bool {
    let amendment = job.amendment.as_deref();
    amendment.is_some_and(|amendment| {
        let is_refused_turn = class == ErrorClass::Refused
            && amendment.continuations() > 0
            && amendment.put_aside_mark() == ErrorClass::Paused;
        amendment.put_aside.is_some() && !is_refused_turn
    })
}

/// The message that a continuation was refused with gets the parts of the turn before it.
pub(super) fn join_refusal(job: &ClaimedJob, failure: &mut Failure) {
    if let (Some(amendment), Some(message)) = (&job.amendment, &mut failure.message)
        && let Ok(joined) = amendment.joined(&message.raw)
    {
        message.raw = joined;
    }
}

/// A turn that fails after it had paused has cost something: its error says so.
pub(super) fn tell_what_was_paid(job: &ClaimedJob, step: Step, evidence: &mut Evidence) {
    let Some(amendment) = job.amendment.as_deref().filter(|_| step == Step::Fail) else {
        return;
    };
    let paused = match amendment.continuations() {
        0 => return,
        1 => "1 earlier answer".to_owned(),
        more => format!("{more} earlier answers"),
    };
    let cost = Pico(amendment.paused_cost_pico);
    let said = evidence.message.take().unwrap_or_default();
    let told = format!("{said} (the turn had paused; {paused} of it cost {cost} USD)");
    evidence.message = Some(told.trim_start().to_owned());
    // The API's own error object does not say it, so ours takes its place.
    evidence.raw_error = None;
}

fn asked(job: &ClaimedJob) -> Asked<'_> {
    Asked {
        n: job.attempt.n,
        model: &job.model,
        body: &job.body,
        amendment: job.amendment.as_deref(),
    }
}

fn amend_at(at: Timestamp, amended: Amended) -> Next {
    Next::Amend {
        at,
        amended: Box::new(amended),
    }
}

/// The message is the result; after pauses with the content of the whole turn. A message that
/// cannot be taken apart is kept as it came.
fn end(job: &ClaimedJob, message: &str) -> Next {
    let joined = job
        .amendment
        .as_deref()
        .and_then(|amendment| amendment.joined(message).ok());
    Next::End(JobEnd {
        state: JobState::Succeeded,
        result: ResultBody::Message(joined.unwrap_or_else(|| message.to_owned())),
    })
}
