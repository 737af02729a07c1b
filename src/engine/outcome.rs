//! What a reply means for its job: the record of the attempt, what comes next, and what it cost.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::again;
use super::charge::{self, Charge};
use super::error_result::error_result;
use super::settings::EngineSettings;
use crate::clock::add;
use crate::model::{
    AttemptOutcome, AttemptRecord, Budget, ClaimedJob, Endpoint, ErrorClass, Evidence, Halt,
    JobHistory, JobState, Lane, Treatment, Usage, WaitRule,
};
use crate::policy::{
    Belief, Beliefs, CONFIRM_AFTER, Doubt, Others, Standing, Step, TOO_LARGE_TRIES, TooLarge,
    Trouble, Verdict, acting_class, decide, no_more_retries, probe_wait, same_again,
};
use crate::provider::{Failure, Message, Partial, take_back_what_it_quotes};
use crate::store::{Finish, JobEnd, Next};

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
    /// It said what no job can get past, and is not believed yet.
    pub(super) doubted: bool,
}

impl Outcome {
    /// It was a whole answer that nobody can use: a success without a message, or a refusal of the
    /// request for which the server wants another try.
    pub(super) fn is_useless(&self) -> bool {
        let record = &self.finish.record;
        let evidence = &record.evidence;
        record.error_class.is_some_and(|class| {
            let is_no_message = class == ErrorClass::BadResponse && evidence.http_status.is_some();
            let is_refused = class.treatment() == Treatment::Fail;
            is_no_message || (is_refused && acting_class(class, evidence.should_retry) != class)
        })
    }

    /// What it says to those who doubt another answer of the same route.
    pub(super) fn note_doubt(
        &self,
        doubt: &mut Doubt,
        job: &ClaimedJob,
        scale: f64,
        now: Timestamp,
    ) {
        let finish = &self.finish;
        if self.doubted {
            doubt.doubted(job.job(), CONFIRM_AFTER.mul_f64(scale), now);
        } else if finish.record.outcome == AttemptOutcome::Succeeded {
            doubt.succeeded(job.job());
        } else {
            let leaves = match &finish.next {
                Next::Amend { amended, .. } => amended.amendment.model() != job.model,
                next => next.is_end(),
            };
            doubt.answered(job.job(), leaves);
        }
    }
}

/// Why the second endpoint cannot serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    /// What it said.
    pub(super) because: Halt,
    /// It can serve no model at all, and not only not this one.
    pub(super) any_model: bool,
}

/// What surrounds a job when an answer of it comes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// The lane that its request took.
    pub(super) lane: Lane,
    /// How it stands in its lane.
    pub(super) standing: Standing,
    /// The endpoint has answered before in this run.
    pub(super) ever_answered: bool,
    /// The circuit of its lane is open, and the status page says that the service is in trouble.
    pub(super) outage: bool,
    /// A job has succeeded since the start and the last halt.
    pub(super) proven: bool,
    /// What an answer means that no job can get past.
    pub(super) beliefs: Beliefs,
    /// How long the job waits if such an answer is doubted.
    pub(super) confirm_after: Duration,
    /// No wait lets its request pass.
    pub(super) too_large: Option<TooLarge>,
}

/// Decides what an answer means, or the failure to get one. A batch does not say how long it worked on a
/// request: no `latency`.
pub(super) fn outcome(
    settings: &EngineSettings,
    job: &ClaimedJob,
    result: Result<Message, Box<Failure>>,
    latency: Option<Duration>,
    around: Surroundings,
    now: Timestamp,
    rng: &mut Rng,
) -> Outcome {
    match result {
        Ok(message) => succeeded(settings, job, message, latency, around.lane, now),
        Err(failure) => {
            let mut outcome = failed(settings, job, *failure, around, now, rng);
            outcome.finish.record.latency = latency;
            if !around.ever_answered && !outcome.answered {
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
    latency: Option<Duration>,
    lane: Lane,
    now: Timestamp,
) -> Outcome {
    let told = (message.model.as_deref(), &message.usage);
    let charge = charge::of_answer(settings, job, lane, told, now);
    let cost = charge.priced.cost.total;
    let (next, history) = again::after_message(settings, job, &message, cost, now);
    let record = AttemptRecord {
        attempt: job.attempt,
        ended_at: now,
        outcome: AttemptOutcome::Succeeded,
        error_class: message.mark,
        evidence: Evidence {
            http_status: Some(200),
            message: message.note,
            request_id: message.request_id,
            ..Evidence::default()
        },
        cost: charge.priced.cost,
        cost_basis: charge.priced.basis,
        price_row: charge.priced.row,
        at_most: charge.at_most,
        endpoint: endpoint_of(settings, job),
        answered_by: message.model,
        usage: message.usage,
        maybe_billed: false,
        latency,
        wait_rule: None,
    };
    Outcome {
        finish: Finish {
            record,
            next,
            lane: Lane::Live,
            history,
        },
        halt: None,
        hold: None,
        unfit: None,
        answered: true,
        doubted: false,
    }
}

fn failed(
    settings: &EngineSettings,
    job: &ClaimedJob,
    mut failure: Failure,
    around: Surroundings,
    now: Timestamp,
    rng: &mut Rng,
) -> Outcome {
    let mut verdict = verdict_of(settings, job, &mut failure, around, rng);
    let class = failure.class;
    // One job's refusal is no reason to leave the second endpoint out, nor to ask another model.
    let doubted_there =
        job.endpoint == Endpoint::Second && believe(&mut verdict.step, class, around);
    let unfit = unfit(settings, job, verdict.step, &failure, now);
    if unfit.is_some() {
        verdict.step = Step::Requeue;
    } else if !doubted_there
        && let Some(next) = next_by_another_model(settings, job, class, &verdict, around, now)
    {
        let record = failure_record(settings, job, failure, around.lane, now);
        return without_consequences(record, next);
    }
    let doubted = doubted_there || believe(&mut verdict.step, class, around);
    again::join_refusal(job, &mut failure);
    again::tell_what_was_paid(job, verdict.step, &mut failure.evidence);
    let evidence = &failure.evidence;
    let halt = (verdict.step == Step::Halt).then(|| halt_for(class, evidence, now));
    let hold = (verdict.step == Step::Hold).then(|| hold_for(settings, class, evidence, job, now));
    let wait_rule = match verdict.step {
        Step::RetryIn(_) if doubted => Some(WaitRule::Doubt),
        Step::RetryIn(_) => verdict.rule,
        _ => None,
    };
    let next = match verdict.step {
        Step::RetryIn(wait) => Next::RetryAt(add(now, wait)),
        Step::Requeue => Next::Requeue,
        // At once, but not as the first again that goes and sees.
        Step::Halt => Next::RetryAt(now),
        Step::Hold => Next::Hold,
        Step::Fail | Step::Done if again::ends_with_what_was_put_aside(job, class) => {
            Next::EndPutAside
        }
        Step::Fail | Step::Done => Next::End(JobEnd {
            state: JobState::Failed,
            result: error_result(class, evidence, failure.message.as_ref()),
        }),
    };
    Outcome {
        answered: evidence.http_status.is_some(),
        finish: Finish {
            record: AttemptRecord {
                wait_rule,
                ..failure_record(settings, job, failure, around.lane, now)
            },
            next,
            lane: Lane::Live,
            history: verdict.history,
        },
        halt,
        hold,
        unfit,
        doubted,
    }
}

/// What becomes of the job if it goes on with another model.
fn next_by_another_model(
    settings: &EngineSettings,
    job: &ClaimedJob,
    class: ErrorClass,
    verdict: &Verdict,
    around: Surroundings,
    now: Timestamp,
) -> Option<Next> {
    let trouble = Trouble {
        class,
        last_class: job.last_class,
        faults_in_row: verdict.history.faults_in_row,
        step: verdict.step,
        no_more_retries: no_more_retries(&settings.retry, around.standing.age),
        outage: around.outage,
    };
    again::after_failure(settings, job, &trouble, now)
}

/// What the failure means for the job, seen in its surroundings.
fn verdict_of(
    settings: &EngineSettings,
    job: &ClaimedJob,
    failure: &mut Failure,
    around: Surroundings,
    rng: &mut Rng,
) -> Verdict {
    let fails_again = see_around(failure, job, around);
    let (class, before) = (failure.class, job.history);
    let mut verdict = decide(
        &settings.retry,
        class,
        &failure.evidence,
        before,
        around.standing,
        rng,
    );
    // Where all fail alike it is not the job's, and the run is halted before long.
    let is_its_own = around.standing.others != Others::Fail;
    if fails_again && is_its_own && matches!(verdict.step, Step::RetryIn(_)) {
        verdict.step = Step::Fail;
    }
    if failure.evidence.is_out_of_files() {
        verdict = spared(settings, before, rng);
    }
    end_if_too_large(around.too_large, &mut verdict, failure);
    if verdict.step == Step::Halt && concerns_the_model_alone(class, &failure.evidence, job) {
        verdict.step = Step::Hold;
    }
    verdict
}

/// Sees the failure in its surroundings. True if a complete answer cannot be read for the reason for
/// which the one before could not.
fn see_around(failure: &mut Failure, job: &ClaimedJob, around: Surroundings) -> bool {
    take_back_what_it_quotes(failure, job.body.as_str());
    if around.proven {
        failure.class = failure.class_once_proven();
    }
    let fails_again = same_again(&failure.evidence, job.last_message.as_deref());
    if fails_again {
        failure.class = ErrorClass::BadResponse;
    }
    fails_again
}

/// An answer that would stop more than its job does so when it is believed. True if it is doubted.
fn believe(step: &mut Step, class: ErrorClass, around: Surroundings) -> bool {
    if !matches!(step, Step::Halt | Step::Hold) {
        return false;
    }
    let belief = around.beliefs.of(class, *step == Step::Hold);
    *step = match belief {
        Belief::All => *step,
        Belief::Model => Step::Hold,
        Belief::Doubted => Step::RetryIn(around.confirm_after),
        Belief::Own => Step::Fail,
    };
    belief == Belief::Doubted
}

/// The job goes on with another model: whatever the failure would have meant for the job, its model
/// or the run, it begins there with a fresh history.
fn without_consequences(record: AttemptRecord, next: Next) -> Outcome {
    Outcome {
        answered: record.evidence.http_status.is_some(),
        finish: Finish {
            record,
            next,
            lane: Lane::Live,
            history: JobHistory::default(),
        },
        halt: None,
        hold: None,
        unfit: None,
        doubted: false,
    }
}

fn failure_record(
    settings: &EngineSettings,
    job: &ClaimedJob,
    failure: Failure,
    lane: Lane,
    now: Timestamp,
) -> AttemptRecord {
    let Failure {
        class,
        evidence,
        message,
        partial,
        unsent,
        revision: _,
    } = failure;
    let is_whole = message.is_some();
    let is_open = class.info().maybe_billed && !is_whole && !unsent;
    let maybe_billed = partial.is_some() || is_open;
    let (answered_by, usage) = used(message, partial);
    let told = usage.as_ref().map(|usage| (answered_by.as_deref(), usage));
    let Charge { priced, at_most } = match told {
        Some(told) if is_whole => charge::of_answer(settings, job, lane, told, now),
        told if maybe_billed => charge::of_partial(settings, job, lane, told, now),
        _ => Charge::default(),
    };
    AttemptRecord {
        attempt: job.attempt,
        ended_at: now,
        outcome: AttemptOutcome::Errored,
        error_class: Some(class),
        evidence,
        cost: priced.cost,
        cost_basis: priced.basis,
        price_row: priced.row,
        at_most,
        endpoint: endpoint_of(settings, job),
        answered_by,
        maybe_billed,
        usage: usage.unwrap_or_default(),
        latency: None,
        wait_rule: None,
    }
}

/// A second endpoint that cannot serve stops nothing: the first may still do.
fn unfit(
    settings: &EngineSettings,
    job: &ClaimedJob,
    step: Step,
    failure: &Failure,
    now: Timestamp,
) -> Option<Unfit> {
    let (class, evidence) = (failure.class, &failure.evidence);
    let because = match (job.endpoint, step) {
        (Endpoint::Second, Step::Halt) => halt_for(class, evidence, now),
        (Endpoint::Second, Step::Hold) => hold_for(settings, class, evidence, job, now),
        _ => return None,
    };
    let any_model = step == Step::Halt;
    Some(Unfit { because, any_model })
}

/// What the ledger says of the endpoint: nothing of the first.
pub(super) fn endpoint_of(settings: &EngineSettings, job: &ClaimedJob) -> Option<String> {
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

/// Why the run halts, in the words of whoever said so.
pub(super) fn halt_for(class: ErrorClass, evidence: &Evidence, now: Timestamp) -> Halt {
    let message = evidence.message.clone();
    let message = message.unwrap_or_else(|| class.info().meaning.to_owned());
    Halt::new(class, message, now)
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

/// Nothing was sent, for want of something that this machine has too little of: no job is to blame,
/// and it goes again soon.
fn spared(settings: &EngineSettings, history: JobHistory, rng: &mut Rng) -> Verdict {
    let wait = probe_wait(&settings.retry, ErrorClass::Connect, 1, rng);
    Verdict {
        step: Step::RetryIn(wait),
        history,
        rule: Some(settings.retry.rule_of(ErrorClass::Connect)),
    }
}

/// A request that no wait lets pass has failed when it was refused often enough. What is said then,
/// beside the API's words, is what no wait changes, and what does.
fn end_if_too_large(too_large: Option<TooLarge>, verdict: &mut Verdict, failure: &mut Failure) {
    let is_refused = failure.class.budget() == Budget::RateLimits;
    let tries = verdict.history.rate_limits_in_row;
    let Some(too_large) = too_large.filter(|_| is_refused && tries >= TOO_LARGE_TRIES) else {
        return;
    };
    verdict.step = Step::Fail;
    let said = failure.evidence.message.take();
    let said = said.map_or(String::new(), |said| format!("{said} "));
    failure.evidence.message = Some(format!(
        "{said}({}: no wait lets it pass, `--lane batch` takes it)",
        too_large.words()
    ));
}

/// No job fails for a network that has not worked once: that is the run's trouble, not the job's.
fn spare_until_first_answer(settings: &EngineSettings, finish: &mut Finish, now: Timestamp) {
    if matches!(finish.next, Next::End(_)) {
        let wait = WAIT_FOR_FIRST_ANSWER.mul_f64(settings.retry.scale);
        finish.next = Next::RetryAt(add(now, wait));
        finish.record.wait_rule = Some(WaitRule::FirstAnswer);
    }
}
