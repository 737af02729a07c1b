//! What a reply means for its job: the record of the attempt, what comes next, and what it cost.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::settings::EngineSettings;
use crate::clock::add;
use crate::model::{
    AttemptOutcome, AttemptRecord, ClaimedJob, Cost, Endpoint, ErrorClass, Evidence, Halt,
    JobState, Usage, error_object,
};
use crate::policy::{Standing, Step, decide};
use crate::provider::{Failure, Message, Partial, Reply};
use crate::store::{Finish, JobEnd, Next, ResultBody};

/// While the endpoint has never answered, a failure that would end the job waits so long instead.
const WAIT_FOR_FIRST_ANSWER: Duration = Duration::from_secs(5);

/// A reply, decided upon.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What is to be recorded.
    pub(super) finish: Finish,
    /// The whole run must stop, for this reason.
    pub(super) halt: Option<Halt>,
    /// The jobs of this model must wait, for this reason.
    pub(super) hold: Option<Halt>,
    /// The second endpoint cannot serve, for this reason: what would halt the run or hold the model
    /// if the first had said it.
    pub(super) unfit: Option<Unfit>,
    /// The endpoint answered, whatever it said.
    pub(super) answered: bool,
}

/// Why the second endpoint cannot serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    /// What it said.
    pub(super) because: Halt,
    /// It can serve no model at all, and not only not this one.
    pub(super) any_model: bool,
}

/// Decides what the reply means. `standing`: how the job stands in its lane. `ever_answered`: the endpoint has answered before in this run.
pub(super) fn outcome(
    settings: &EngineSettings,
    job: &ClaimedJob,
    reply: Reply,
    standing: Standing,
    ever_answered: bool,
    now: Timestamp,
    rng: &mut Rng,
) -> Outcome {
    let latency = Some(reply.latency);
    match reply.result {
        Ok(message) => succeeded(settings, job, message, now, latency),
        Err(failure) => {
            let mut outcome = failed(settings, job, *failure, standing, now, rng);
            outcome.finish.record.latency = latency;
            if !ever_answered && !outcome.answered {
                spare_until_first_answer(settings, &mut outcome.finish, now);
            }
            outcome
        }
    }
}

fn succeeded(
    settings: &EngineSettings,
    job: &ClaimedJob,
    message: Message,
    now: Timestamp,
    latency: Option<Duration>,
) -> Outcome {
    let record = AttemptRecord {
        attempt: job.attempt,
        ended_at: now,
        outcome: AttemptOutcome::Succeeded,
        error_class: message.mark,
        evidence: Evidence {
            http_status: Some(200),
            request_id: message.request_id,
            ..Evidence::default()
        },
        cost: cost(settings, job, message.model.as_deref(), &message.usage, now),
        endpoint: endpoint_of(settings, job),
        answered_by: message.model,
        usage: message.usage,
        maybe_billed: false,
        latency,
    };
    let end = JobEnd {
        state: JobState::Succeeded,
        result: ResultBody::Message(message.raw),
    };
    Outcome {
        finish: Finish {
            record,
            next: Next::End(end),
            history: job.history,
        },
        halt: None,
        hold: None,
        unfit: None,
        answered: true,
    }
}

fn failed(
    settings: &EngineSettings,
    job: &ClaimedJob,
    failure: Failure,
    standing: Standing,
    now: Timestamp,
    rng: &mut Rng,
) -> Outcome {
    let Failure {
        class,
        evidence,
        message,
        partial,
    } = failure;
    let verdict = decide(
        &settings.retry,
        class,
        &evidence,
        job.history,
        standing,
        rng,
    );
    let answered = evidence.http_status.is_some();
    let step = match verdict.step {
        Step::Halt if concerns_the_model_alone(class, &evidence, job) => Step::Hold,
        step => step,
    };
    let halt = (step == Step::Halt).then(|| halt_for(class, &evidence, now));
    let hold = (step == Step::Hold).then(|| hold_for(settings, class, &evidence, job, now));
    let (halt, hold, unfit) = at_endpoint(job, halt, hold);
    let next = match step {
        Step::RetryIn(wait) => Next::RetryAt(add(now, wait)),
        _ if unfit.is_some() => Next::Requeue,
        Step::Requeue | Step::Halt => Next::Requeue,
        Step::Hold => Next::Hold,
        Step::Fail | Step::Done => Next::End(JobEnd {
            state: JobState::Failed,
            result: error_result(class, &evidence, message.as_ref()),
        }),
    };
    let maybe_billed = partial.is_some() || (class.info().maybe_billed && message.is_none());
    let (answered_by, usage) = used(message, partial);
    let record = AttemptRecord {
        attempt: job.attempt,
        ended_at: now,
        outcome: AttemptOutcome::Errored,
        error_class: Some(class),
        evidence,
        cost: usage.as_ref().map_or_else(Cost::default, |usage| {
            cost(settings, job, answered_by.as_deref(), usage, now)
        }),
        endpoint: endpoint_of(settings, job),
        answered_by,
        maybe_billed,
        usage: usage.unwrap_or_default(),
        latency: None,
    };
    Outcome {
        finish: Finish {
            record,
            next,
            history: verdict.history,
        },
        halt,
        hold,
        unfit,
        answered,
    }
}

/// A second endpoint that cannot serve stops nothing: the first may still do.
fn at_endpoint(
    job: &ClaimedJob,
    halt: Option<Halt>,
    hold: Option<Halt>,
) -> (Option<Halt>, Option<Halt>, Option<Unfit>) {
    if job.endpoint == Endpoint::First {
        return (halt, hold, None);
    }
    let any_model = halt.is_some();
    let unfit = halt.or(hold).map(|because| Unfit { because, any_model });
    (None, None, unfit)
}

/// What the ledger says of the endpoint: nothing of the first.
fn endpoint_of(settings: &EngineSettings, job: &ClaimedJob) -> Option<String> {
    let second = settings.second.as_ref();
    let second = second.filter(|_| job.endpoint == Endpoint::Second)?;
    Some(second.shown.clone())
}

/// What a failure used, and by which model. A stream that broke told what it had used until then.
/// Whether that is billed is not documented; it is presumed, because a total that is too high is
/// the safer mistake, and `maybe_billed` says that nobody knows.
fn used(message: Option<Message>, partial: Option<Partial>) -> (Option<String>, Option<Usage>) {
    let whole = message.map(|message| (message.model, message.usage));
    let told = whole.or(partial.map(|partial| (partial.model, partial.usage)));
    let (model, usage) = told.unzip();
    (model.flatten(), usage)
}

/// The record of an attempt that was abandoned when the run was stopped.
pub(super) fn abandoned(settings: &EngineSettings, job: &ClaimedJob, now: Timestamp) -> Finish {
    let class = ErrorClass::Interrupted;
    Finish {
        record: AttemptRecord {
            attempt: job.attempt,
            ended_at: now,
            outcome: AttemptOutcome::Interrupted,
            error_class: Some(class),
            evidence: Evidence {
                message: Some("claude-run was stopped before the answer came".to_owned()),
                ..Evidence::default()
            },
            endpoint: endpoint_of(settings, job),
            answered_by: None,
            usage: Usage::default(),
            cost: Cost::default(),
            maybe_billed: true,
            latency: None,
        },
        next: Next::Requeue,
        history: job.history,
    }
}

/// Why the run halts, in the words of whoever said so.
pub(super) fn halt_for(class: ErrorClass, evidence: &Evidence, now: Timestamp) -> Halt {
    let message = evidence.message.clone();
    Halt {
        class,
        message: message.unwrap_or_else(|| class.info().meaning.to_owned()),
        at: now,
    }
}

/// A key that may not use one model may well use the others.
fn concerns_the_model_alone(class: ErrorClass, evidence: &Evidence, job: &ClaimedJob) -> bool {
    let names_it = |message: &String| message.contains(&job.model);
    class == ErrorClass::Permission && evidence.message.as_ref().is_some_and(names_it)
}

/// Why one model's jobs wait; a misspelt name comes with those it may have meant.
fn hold_for(
    settings: &EngineSettings,
    class: ErrorClass,
    evidence: &Evidence,
    job: &ClaimedJob,
    now: Timestamp,
) -> Halt {
    let mut halt = halt_for(class, evidence, now);
    let nearest = settings.prices.nearest_model_ids(&job.model);
    if class == ErrorClass::ModelNotFound && !nearest.is_empty() {
        let said = halt.message.trim_end_matches('.');
        halt.message = format!("{said}; did you mean {}?", nearest.join(" or "));
    }
    halt
}

/// No job fails for a network that has not worked once: that is the run's trouble, not the job's.
fn spare_until_first_answer(settings: &EngineSettings, finish: &mut Finish, now: Timestamp) {
    if matches!(finish.next, Next::End(_)) {
        let wait = WAIT_FOR_FIRST_ANSWER.mul_f64(settings.retry.scale);
        finish.next = Next::RetryAt(add(now, wait));
    }
}

fn cost(
    settings: &EngineSettings,
    job: &ClaimedJob,
    model: Option<&str>,
    usage: &Usage,
    now: Timestamp,
) -> Cost {
    settings
        .prices
        .cost(model.unwrap_or(&job.model), usage, now)
}

fn error_result(class: ErrorClass, evidence: &Evidence, message: Option<&Message>) -> ResultBody {
    let error = error_of(class, evidence);
    match message {
        Some(message) => ResultBody::Refusal {
            error,
            message: message.raw.clone(),
        },
        None => ResultBody::Error(error),
    }
}

/// The API's own error object where it sent a whole one, else one of the same shape.
fn error_of(class: ErrorClass, evidence: &Evidence) -> String {
    if let Some(raw) = &evidence.raw_error
        && raw_is_whole(raw)
    {
        return raw.clone();
    }
    let kind = evidence.error_type.as_deref().unwrap_or(class.as_str());
    let words = evidence.message.as_deref().unwrap_or(class.info().meaning);
    error_object(kind, words, evidence.request_id.as_deref())
}

fn raw_is_whole(raw: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(raw)
        .is_ok_and(|object| object["type"] == "error" && object["error"]["type"].is_string())
}
