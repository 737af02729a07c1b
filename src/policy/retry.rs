//! What happens to a job after an attempt that did not simply succeed.
//!
//! The rules: failures of the server or the network count towards the attempt limit and wait by
//! the schedule of their class; limits are waited for and cost the job nothing; our own crashes
//! have a limit of their own. A server's hint how long to wait replaces our wait and is not
//! shortened, up to an hour. While the others of its model succeed, a job that drew a failure of the
//! server or the network goes again after a moment instead; but it is not given up sooner for that. Nor do
//! the waits of one that is refused for a limit at which the others pass grow for long. Every wait is
//! spread at random, so that jobs which failed together do not come back together. The function is pure: the place in every schedule is in the job's stored history, so
//! it survives a crash.
//!
//! What this does not do: sort an answer into a class (`provider`), pace the requests of a model,
//! or give up by time (`engine`).

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::waits::Waits;
use crate::model::{Budget, ErrorClass, Evidence, JobHistory, Treatment, WaitRule};

/// From this failure in a row on, a hint no longer shortens our own wait: a server that keeps
/// failing right after the time it named does not know when it will be well.
const HINT_TRUSTED_BELOW: u32 = 3;
/// While other jobs of its model pass, as many refusals in a row are a job's bad luck: hints are believed,
/// and waits of our own grow no longer than after the third.
const UNLUCKY_REFUSALS: u32 = 8;
const LONGEST_OF_THE_UNLUCKY: u32 = 3;
/// A hint is spread by up to this part of itself, upwards only.
const HINT_JITTER: f64 = 0.1;
/// The waits of a job whose neighbours succeed, each drawn between the two; a longer row of failures
/// waits by the table.
const WAITS_BY_EVIDENCE: [[Duration; 2]; 3] = [
    [Duration::from_secs(1), Duration::from_secs(2)],
    [Duration::from_secs(2), Duration::from_secs(4)],
    [Duration::from_secs(4), Duration::from_secs(8)],
];
/// The least and the most of them.
pub const RANGE_BY_EVIDENCE: [Duration; 2] = {
    let [[least, _], _, [_, most]] = WAITS_BY_EVIDENCE;
    [least, most]
};
/// No hint is believed for longer: the API's limits refill within a minute, and what does last for a
/// day shows itself at the next try. A mistake of something in between would park the run.
pub const LONGEST_HINT: Duration = Duration::from_hours(1);
/// The least time after which something is given up for having lasted too long, whatever the scale: the
/// waits of our own may be short, but the requests between them take their time.
const LEAST_PATIENCE: Duration = Duration::from_secs(5);

/// How retries are done. All of it can be set by the user.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrySettings {
    /// Failures of the server or the network after which a job fails. 1 switches retries off, 0 is
    /// taken as 1.
    pub max_attempts: u32,
    /// The same for single classes: it ends a job whose last failure is of that class. For limits, which
    /// do not count: refusals in a row.
    pub max_attempts_of: BTreeMap<ErrorClass, u32>,
    /// Multiplies every wait of our own, never a server's hint. Finite and not negative.
    pub scale: f64,
    /// Interruptions in a row after which a job fails: it may be what kills the process.
    pub max_interruptions: u32,
    /// The waits by class.
    pub waits: Waits,
    /// A job fails with the first failure so long after its first attempt began; none waits on.
    pub give_up_after: Option<Duration>,
    /// What sets the waits after failures of the server or the network.
    pub by: RetryBy,
}

impl RetrySettings {
    /// Failures after which a job fails whose last one is of that class.
    #[must_use]
    pub fn most_attempts(&self, class: ErrorClass) -> u32 {
        let own = self.max_attempts_of.get(&class);
        own.copied().unwrap_or(self.max_attempts)
    }

    /// Whether the neighbours have a say in the waits after failures of that class: not in limits, and
    /// not where the user has set the waits.
    #[must_use]
    pub fn goes_by_evidence(&self, class: ErrorClass) -> bool {
        self.by == RetryBy::Evidence
            && class.budget() == Budget::Faults
            && !self.waits.are_set(class)
    }

    /// Whose waits of that class are waited by where nothing else has a say.
    #[must_use]
    pub fn rule_of(&self, class: ErrorClass) -> WaitRule {
        if self.waits.are_set(class) {
            WaitRule::Settings
        } else {
            WaitRule::Table
        }
    }
}

/// A time after which something is given up, times the retry scale; at least five seconds, or the unscaled
/// time if that is shorter.
#[must_use]
pub fn patience(unscaled: Duration, scale: f64) -> Duration {
    unscaled.mul_f64(scale).max(LEAST_PATIENCE.min(unscaled))
}

/// What sets the waits of our own after failures of the server or the network.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RetryBy {
    /// How the other jobs of the model fare: short waits while they succeed, else the waits of the class.
    #[default]
    Evidence,
    /// The waits of the class, always.
    Table,
}

/// How the other jobs of a model fare, which tells whether a failure is the job's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// One succeeded since this job was last tried: what fails is the job.
    Succeed,
    /// None did: failures of the server or the network cost the job nothing.
    Fail,
    /// They cannot tell: too few are left, or only such that failed while others succeeded. What may
    /// be the job's own counts, or some that cannot work would be sent for ever.
    CannotTell,
}

impl Others {
    /// Whether a failure of this class is held against the job.
    fn blame(self, class: ErrorClass) -> bool {
        match self {
            Self::Succeed => true,
            Self::Fail => false,
            // What was never sent cannot be at fault.
            Self::CannotTell => !matches!(class, ErrorClass::Connect | ErrorClass::Dns),
        }
    }
}

/// How a job stands in its surroundings when an attempt of it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How the other jobs of its model fare.
    pub others: Others,
    /// How long ago its first attempt began.
    pub age: Duration,
    /// Its model is well at its endpoint, by the answers of the last seconds.
    pub is_well: bool,
    /// A job of its model has succeeded at its endpoint in the last seconds, or since this one was tried.
    pub others_pass: bool,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 8,
            max_attempts_of: BTreeMap::new(),
            scale: 1.0,
            max_interruptions: 20,
            waits: Waits::default(),
            give_up_after: None,
            by: RetryBy::default(),
        }
    }
}

/// What to do with the job, its model or its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Try the job again, not before this wait is over.
    RetryIn(Duration),
    /// Put the job back without a wait of its own.
    Requeue,
    /// The job has failed.
    Fail,
    /// No job of this model can succeed now: hold them.
    Hold,
    /// No job of this run can succeed now: halt it.
    Halt,
    /// The job has succeeded; the class only marks its result.
    Done,
}

/// A decision: what to do, and the job's history with this attempt in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to do.
    pub step: Step,
    /// What to store with the job.
    pub history: JobHistory,
    /// Which rule set the wait, if it is tried again after one.
    pub rule: Option<WaitRule>,
}

/// Decides after an attempt of that class. `history` is what was stored before the attempt. The
/// same arguments, the state of `rng` included, always give the same verdict.
#[must_use]
pub fn decide(
    settings: &RetrySettings,
    class: ErrorClass,
    evidence: &Evidence,
    history: JobHistory,
    standing: Standing,
    rng: &mut Rng,
) -> Verdict {
    let acting = acting_class(class, evidence.should_retry);
    let history = counted(acting.budget(), history, standing.others.blame(acting));
    let mut rule = None;
    let step = match acting.treatment() {
        Treatment::Retry if may_retry(settings, acting, evidence, &history, standing.age) => {
            let (wait, by) = wait(settings, acting, evidence, &history, standing, rng);
            rule = Some(by);
            Step::RetryIn(wait)
        }
        Treatment::Requeue if !interrupted_too_often(settings, acting, &history) => Step::Requeue,
        Treatment::Retry | Treatment::Requeue | Treatment::Fail => Step::Fail,
        Treatment::Mark => Step::Done,
        Treatment::HoldModel => Step::Hold,
        Treatment::Halt => Step::Halt,
    };
    Verdict {
        step,
        history,
        rule,
    }
}

/// Decides after a bug of our own lost the answer to an attempt. It always counts, both as an
/// interruption and towards the attempt limit: no server is in trouble that could be waited for, no
/// neighbour can tell whose fault it is, and every further try may be paid for.
#[must_use]
pub fn decide_after_panic(
    settings: &RetrySettings,
    history: JobHistory,
    age: Duration,
    rng: &mut Rng,
) -> Verdict {
    let class = ErrorClass::Interrupted;
    let mut history = counted(Budget::Interruptions, history, true);
    history.counted = history.counted.saturating_add(1);
    let is_over = history.counted >= settings.max_attempts
        || interrupted_too_often(settings, class, &history)
        || no_more_retries(settings, age);
    if is_over {
        return Verdict {
            step: Step::Fail,
            history,
            rule: None,
        };
    }
    // Interruptions have no schedule; an answer lost on its way here is the nearest to one.
    let like = ErrorClass::ConnectionCut;
    let wait = probe_wait(settings, like, history.interruptions_in_row, rng);
    Verdict {
        step: Step::RetryIn(wait),
        history,
        rule: Some(settings.rule_of(like)),
    }
}

/// The class whose rules hold. The server's `x-should-retry: true` turns a failure that we would
/// not retry into an ordinary server failure.
///
/// Its word is about this one request. So it does not touch the classes that are about more: that
/// no job of the model or the run can succeed (hold, halt) stays true for the next try, a marked
/// answer needs none, and a requeue is our own doing, of which the server knows nothing.
#[must_use]
pub fn acting_class(class: ErrorClass, should_retry: Option<bool>) -> ErrorClass {
    match (class.treatment(), should_retry) {
        (Treatment::Fail, Some(true)) => ErrorClass::ServerError,
        _ => class,
    }
}

/// The history with one more attempt of that budget in it, which the job is to blame for or not.
fn counted(budget: Budget, before: JobHistory, is_to_blame: bool) -> JobHistory {
    let mut after = JobHistory {
        interruptions_in_row: 0,
        ..before
    };
    match budget {
        Budget::Faults => {
            after.counted = before.counted.saturating_add(u32::from(is_to_blame));
            after.faults_in_row = before.faults_in_row.saturating_add(1);
            after.rate_limits_in_row = 0;
        }
        // The faults before it stay in the row: a limit says nothing about the server's health.
        Budget::RateLimits => {
            after.rate_limits_in_row = before.rate_limits_in_row.saturating_add(1);
        }
        Budget::Interruptions => {
            after.interruptions_in_row = before.interruptions_in_row.saturating_add(1);
        }
        Budget::None => {}
    }
    after
}

fn may_retry(
    settings: &RetrySettings,
    class: ErrorClass,
    evidence: &Evidence,
    history: &JobHistory,
    age: Duration,
) -> bool {
    let failures = match class.budget() {
        Budget::Faults => history.counted,
        // Limits cost a job nothing, unless the user has said how many are too many.
        Budget::RateLimits if settings.max_attempts_of.contains_key(&class) => {
            history.rate_limits_in_row
        }
        _ => 0,
    };
    let used_up = failures >= settings.most_attempts(class).max(1);
    !(no_more_retries(settings, age) || used_up || evidence.should_retry == Some(false))
}

/// Whether a job of that age is not tried again whatever its failure was: retries are switched off,
/// or its time is over.
#[must_use]
pub fn no_more_retries(settings: &RetrySettings, age: Duration) -> bool {
    let given_up = settings.give_up_after.is_some_and(|limit| age >= limit);
    settings.max_attempts <= 1 || given_up
}

/// Whether a complete answer cannot be read for the very reason for which the one before could not:
/// each was paid for, and a third would be no better. `last_message`: what the attempt before said.
#[must_use]
pub fn same_again(evidence: &Evidence, last_message: Option<&str>) -> bool {
    evidence.unreadable.is_some()
        && evidence.message.is_some()
        && evidence.message.as_deref() == last_message
}

fn interrupted_too_often(
    settings: &RetrySettings,
    class: ErrorClass,
    history: &JobHistory,
) -> bool {
    class.budget() == Budget::Interruptions
        && history.interruptions_in_row >= settings.max_interruptions
}

/// How long an open circuit waits for its next probe, after so many failed ones: the schedule of the
/// class, drawn and scaled like a job's own wait.
#[must_use]
pub fn probe_wait(
    settings: &RetrySettings,
    class: ErrorClass,
    failures: u32,
    rng: &mut Rng,
) -> Duration {
    let named = settings.waits.after(class, failures);
    scaled(named, settings.scale * (0.5 + rng.f64()))
}

/// How long to wait by a server's hint: never less than it says, up to an hour.
#[must_use]
pub fn believed(hint: Duration, rng: &mut Rng) -> Duration {
    let spread = hint.saturating_add(scaled(hint, HINT_JITTER * rng.f64()));
    spread.min(LONGEST_HINT)
}

/// How long to wait, by the hint, our own schedule, or both, and which of them it was.
fn wait(
    settings: &RetrySettings,
    class: ErrorClass,
    evidence: &Evidence,
    history: &JobHistory,
    standing: Standing,
    rng: &mut Rng,
) -> (Duration, WaitRule) {
    let own_rule = settings.rule_of(class);
    let Some(hint) = evidence.retry_after else {
        if !settings.goes_by_evidence(class) {
            return (own_wait(settings, class, history, standing, rng), own_rule);
        }
        let (wait, rule) = match wait_by_evidence(settings, history, standing, rng) {
            Some(short) => (short, WaitRule::Evidence),
            None => (own_wait(settings, class, history, standing, rng), own_rule),
        };
        let least = least_before_the_last(settings, class, history, standing);
        return if least > wait {
            (least, WaitRule::LastTry)
        } else {
            (wait, rule)
        };
    };
    let hinted = believed(hint, rng);
    let failures = history
        .faults_in_row
        .saturating_add(history.rate_limits_in_row);
    if failures < HINT_TRUSTED_BELOW {
        return (hinted, WaitRule::RetryAfter);
    }
    let own = if is_unlucky(settings, class, history, standing) {
        // A hint of nothing at all hurries it no more than the first wait does.
        probe_wait(settings, class, 1, rng)
    } else {
        own_wait(settings, class, history, standing, rng)
    };
    if own > hinted {
        (own, own_rule)
    } else {
        (hinted, WaitRule::RetryAfter)
    }
}

/// Whether a job was refused for a limit at which others of its model pass.
fn is_unlucky(
    settings: &RetrySettings,
    class: ErrorClass,
    history: &JobHistory,
    standing: Standing,
) -> bool {
    settings.by == RetryBy::Evidence
        && class == ErrorClass::RateLimited
        && !settings.waits.are_set(class)
        && standing.others_pass
        && history.rate_limits_in_row <= UNLUCKY_REFUSALS
}

/// How long a job waits that failed while its neighbours succeed; none if the waits of its class hold.
fn wait_by_evidence(
    settings: &RetrySettings,
    history: &JobHistory,
    standing: Standing,
    rng: &mut Rng,
) -> Option<Duration> {
    let place = usize::try_from(history.faults_in_row.saturating_sub(1)).ok()?;
    let [least, most] = WAITS_BY_EVIDENCE.get(place).filter(|_| standing.is_well)?;
    let drawn = *least + scaled(most.saturating_sub(*least), rng.f64());
    Some(scaled(drawn, settings.scale))
}

/// The last try comes no sooner than the waits of the class would let it: quick tries before it cost
/// no job its life. Zero before any other try.
fn least_before_the_last(
    settings: &RetrySettings,
    class: ErrorClass,
    history: &JobHistory,
    standing: Standing,
) -> Duration {
    let most = settings.most_attempts(class);
    if history.counted.saturating_add(1) < most {
        return Duration::ZERO;
    }
    let whole = settings.waits.before(class, most);
    scaled(whole, settings.scale).saturating_sub(standing.age)
}

/// Our own wait: drawn evenly between half and one and a half times the value of the schedule.
fn own_wait(
    settings: &RetrySettings,
    class: ErrorClass,
    history: &JobHistory,
    standing: Standing,
    rng: &mut Rng,
) -> Duration {
    let refusals = history.rate_limits_in_row;
    let failures = match class.budget() {
        Budget::RateLimits if is_unlucky(settings, class, history, standing) => {
            refusals.min(LONGEST_OF_THE_UNLUCKY)
        }
        Budget::RateLimits => refusals,
        _ => history.faults_in_row,
    };
    probe_wait(settings, class, failures, rng)
}

/// `duration` times `factor`; what no duration can hold becomes the longest one.
fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests;
