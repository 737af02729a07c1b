//! What a run does about a class, in words: derived from the class's treatment and budget and
//! from the retry settings in force.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::duration::format_duration;
use crate::model::{Budget, ErrorClass, Treatment};
use crate::policy::{MAX_CONTINUATIONS, RANGE_BY_EVIDENCE, RetrySettings};

/// Whether an attempt of a class costs money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Billed {
    /// Not as far as is known.
    No,
    /// By the usage that the answer tells.
    ByUsage,
    /// The work may have been done, but no answer tells its usage.
    Maybe,
}

/// What a run does about a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handling {
    /// What happens to the job, its model or the run.
    pub what_happens: String,
    /// Waits before the first, second, ... retry; the last one repeats. Empty without a schedule.
    pub waits: Vec<Duration>,
    /// Whether it counts towards the attempt limit of the job.
    pub counts: bool,
    /// Whether it costs money.
    pub billed: Billed,
}

/// What a run with these settings does about that class.
#[must_use]
pub fn handling(class: ErrorClass, settings: &RetrySettings) -> Handling {
    let waits: Vec<_> = settings
        .waits
        .get(class)
        .iter()
        .map(|wait| wait.mul_f64(settings.scale))
        .collect();
    Handling {
        what_happens: amended(class, what_happens(class, settings, &waits)),
        waits,
        counts: class.budget() == Budget::Faults,
        billed: billed(class),
    }
}

fn what_happens(class: ErrorClass, settings: &RetrySettings, waits: &[Duration]) -> String {
    let limit = settings.max_interruptions;
    // The user did it, so no treatment of failures applies.
    if class == ErrorClass::Canceled {
        return "The job ends as cancelled. `claude-run retry --class canceled` puts it back."
            .to_owned();
    }
    match (class.treatment(), class.budget()) {
        // Before the waits: without a second attempt there are none.
        (Treatment::Retry, _) if settings.max_attempts <= 1 => {
            "The job fails: retries are switched off (max_attempts 1).".to_owned()
        }
        (Treatment::Retry, Budget::RateLimits) => format!(
            "The job is tried again when `retry-after` says so, else after {}. {}",
            listed(waits),
            match settings.max_attempts_of.get(&class) {
                Some(most) => format!("It fails after {most} in a row (`[retry.{class}] max_attempts`)."),
                None => "It costs the job no attempt.".to_owned(),
            }
        ),
        (Treatment::Retry, _) => format!(
            "The job is tried again after {}{}; a `retry-after` of the server goes first. It fails after {} such attempts in all.",
            while_others_succeed(class, settings),
            listed(waits),
            settings.most_attempts(class)
        ),
        (Treatment::Requeue, Budget::Interruptions) => format!(
            "The job is sent again at once. It fails after {limit} interruptions in a row: it may be what kills the process."
        ),
        (Treatment::Requeue, _) => "The job is sent again at once. It costs the job no attempt.".to_owned(),
        (Treatment::Fail, _) => {
            "The job fails at once, and the others go on. `claude-run retry` puts it back.".to_owned()
        }
        (Treatment::Mark, _) => {
            "The job succeeds. Its answer is kept and marked with the class (`error_class` in the export).".to_owned()
        }
        (Treatment::HoldModel, _) => {
            "The jobs of this model are held and none fails; other models go on. The run then ends with exit code 4, and `claude-run resume` tries again.".to_owned()
        }
        (Treatment::Halt, _) => {
            "If other jobs get it too, the run halts with exit code 4: no further request starts, and no job fails. `claude-run resume` goes on, with one request first. A job that alone gets it, twice, fails alone.".to_owned()
        }
    }
}

/// The shorter waits of a job whose neighbours succeed, where they hold for that class.
fn while_others_succeed(class: ErrorClass, settings: &RetrySettings) -> String {
    if !settings.goes_by_evidence(class) {
        return String::new();
    }
    let [from, to] = RANGE_BY_EVIDENCE.map(|wait| format_duration(wait.mul_f64(settings.scale)));
    format!("{from} to {to} while most others of its model succeed, else after ")
}

/// The same with what may be asked differently then (`policy::amend`).
fn amended(class: ErrorClass, what_happens: String) -> String {
    match class {
        ErrorClass::Refused => {
            format!(
                "With `--fallback-model` the next model is asked at once. Without, or when all are used up: {what_happens}"
            )
        }
        ErrorClass::Overloaded | ErrorClass::Unavailable => format!(
            "{what_happens} With `--fallback-model` the next model is asked after two of these in a row."
        ),
        ErrorClass::Truncated => format!(
            "{what_happens} With `--on-truncated raise` it is first tried once more with twice the max_tokens, as far as the model allows."
        ),
        ErrorClass::Paused => format!(
            "The turn is continued, up to {MAX_CONTINUATIONS} times; each part is an attempt, and the result has the content of all. If it pauses once more: {what_happens}"
        ),
        _ => what_happens,
    }
}

/// `10s, 30s, 1m, 2m, then 5m each (drawn between half and one and a half times)`.
pub(super) fn listed(waits: &[Duration]) -> String {
    let texts: Vec<_> = waits.iter().copied().map(format_duration).collect();
    let list = match texts.as_slice() {
        [] => return "no wait".to_owned(),
        [only] => format!("{only} each time"),
        [first @ .., last] => format!("{}, then {last} each time", first.join(", ")),
    };
    format!("about {list}")
}

fn billed(class: ErrorClass) -> Billed {
    match class {
        // Doubt first: what may have been billed is never told as free.
        _ if class.info().maybe_billed => Billed::Maybe,
        // A message came with it, and with the message its usage.
        ErrorClass::Refused => Billed::ByUsage,
        _ if class.treatment() == Treatment::Mark => Billed::ByUsage,
        _ => Billed::No,
    }
}

impl Billed {
    /// In words, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::No => "Not billed, as far as is known.",
            Self::ByUsage => "Billed by the usage that the answer tells.",
            Self::Maybe => "May have been billed: no answer tells.",
        }
    }
}
