//! What a line of a batch's results means for its job: the end of the attempt, and the route of the
//! next one. Pure; the rules of retries and money are those of the live lane.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::ways::Ways;
use crate::engine::error_result::error_result;
use crate::engine::outcome::{self, Outcome};
use crate::engine::settings::EngineSettings;
use crate::model::{
    AttemptOutcome, AttemptRecord, CancelReason, ErrorClass, Evidence, Halt, JobState, Lane,
    Treatment,
};
use crate::policy::{Belief, Beliefs, Others, Standing};
use crate::provider::{Failure, ItemResult, Message};
use crate::store::{Finish, JobEnd, Next, OpenItem, ResultBody};

/// What is known of everything around the line.
pub(super) struct Surroundings<'a> {
    pub(super) settings: &'a EngineSettings,
    pub(super) ways: Ways,
    /// Why we cancelled the batch, if we did.
    pub(super) cancel: Option<CancelReason>,
    /// Entries of its batch succeeded.
    pub(super) others_succeeded: bool,
    /// Some job of the run has succeeded.
    pub(super) run_goes_well: bool,
    /// Its batch has few entries.
    pub(super) few: bool,
    pub(super) now: Timestamp,
}

fn stops_more_than_its_job(class: ErrorClass) -> bool {
    matches!(class.treatment(), Treatment::Halt | Treatment::HoldModel)
}

impl Surroundings<'_> {
    /// What it means if this entry ended with what no job can get past. Whoever may not do it could not
    /// have created the batch, so where others of it succeeded it is the entry's own, and is tried once
    /// more; and so is that of a few that are left of a run that went well. What names the model holds
    /// it: those others may ask another one.
    fn beliefs(&self, item: &OpenItem) -> Beliefs {
        let again = item.job.last_class.is_some_and(stops_more_than_its_job);
        let others = self.others_succeeded || (self.few && self.run_goes_well);
        let belief = match (others, again) {
            (false, _) => Belief::All,
            (true, false) => Belief::Doubted,
            (true, true) => Belief::Own,
        };
        Beliefs {
            of_model: Belief::All,
            ..Beliefs::all(belief)
        }
    }

    fn lane(&self, item: &OpenItem) -> Lane {
        let rescued = self.cancel == Some(CancelReason::Deadline);
        self.ways.next(item.lane, item.deadline, rescued, self.now)
    }
}

/// A line, decided upon.
#[derive(Debug)]
pub(super) struct Taken {
    /// What is to be recorded.
    pub(super) finish: Finish,
    /// The whole run must stop, for this reason.
    pub(super) halt: Option<Halt>,
    /// The jobs of this model must wait, for this reason.
    pub(super) hold: Option<Halt>,
}

/// Decides what the line means for the job.
pub(super) fn take(
    around: &Surroundings<'_>,
    item: &OpenItem,
    result: ItemResult,
    rng: &mut Rng,
) -> Taken {
    match result {
        ItemResult::Succeeded(mut message) => {
            // Whatever its usage says: all that a batch answers costs half.
            message.usage.batch_tier = true;
            decided(around, item, Ok(*message), rng)
        }
        ItemResult::Errored(mut failure) => {
            if let Some(message) = &mut failure.message {
                message.usage.batch_tier = true;
            }
            decided(around, item, Err(failure), rng)
        }
        ItemResult::Expired => never_processed(around, item, AttemptOutcome::Expired),
        ItemResult::Canceled => never_processed(around, item, AttemptOutcome::Canceled),
        ItemResult::Unreadable(text) => unreadable(around, item, &text),
    }
}

/// The end of an attempt without a line, which the counts of its batch call errored: nothing was
/// paid for it.
pub(super) fn without_line(around: &Surroundings<'_>, item: &OpenItem, rng: &mut Rng) -> Taken {
    let class = ErrorClass::ResultMissing;
    let failure = failure(class, class.info().meaning.to_owned());
    decided(around, item, Err(failure), rng)
}

/// The end of an attempt that the API refused a whole batch for.
pub(super) fn refused(
    around: &Surroundings<'_>,
    item: &OpenItem,
    failure: &Failure,
    rng: &mut Rng,
) -> Taken {
    let evidence = failure.evidence.clone();
    let failure = Failure {
        class: ErrorClass::BatchRejected,
        evidence,
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    };
    decided(around, item, Err(Box::new(failure)), rng)
}

fn failure(class: ErrorClass, message: String) -> Box<Failure> {
    Box::new(Failure {
        class,
        evidence: Evidence {
            message: Some(message),
            ..Evidence::default()
        },
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    })
}

fn decided(
    around: &Surroundings<'_>,
    item: &OpenItem,
    result: Result<Message, Box<Failure>>,
    rng: &mut Rng,
) -> Taken {
    let age = around.now.duration_since(item.job.first_started_at);
    // A batch that has ended has worked: what fails in it fails for its own sake.
    let standing = Standing {
        others: Others::Succeed,
        age: age.try_into().unwrap_or_default(),
        // The next batch may be hours away; the waits of the class are none beside that.
        is_well: false,
        others_pass: false,
    };
    let Outcome {
        mut finish,
        halt,
        hold,
        ..
    } = outcome::outcome(
        around.settings,
        &item.job,
        result,
        None,
        outcome::Surroundings {
            lane: Lane::Batch,
            standing,
            ever_answered: true,
            outage: false,
            proven: around.others_succeeded,
            beliefs: around.beliefs(item),
            confirm_after: Duration::ZERO,
            too_large: None,
        },
        around.now,
        rng,
    );
    finish.lane = match finish.next {
        Next::RetryAt(_) | Next::Requeue | Next::Hold => around.lane(item),
        // A batch sends what the input line asks for, so an amended job goes live.
        Next::Amend { .. } | Next::End(_) | Next::EndPutAside => Lane::Live,
    };
    Taken { finish, halt, hold }
}

/// A line that stays unreadable. Its answer may be paid for, and the next one would be too: the job
/// fails, and whoever wants it again says so.
fn unreadable(around: &Surroundings<'_>, item: &OpenItem, text: &str) -> Taken {
    let class = ErrorClass::BadResponse;
    let evidence = Evidence {
        message: Some(format!("unreadable in every download, for hours: {text}")),
        ..Evidence::default()
    };
    let result = error_result(class, &evidence, None);
    let mut record =
        AttemptRecord::unbilled(item.job.attempt, AttemptOutcome::Errored, class, around.now);
    record.evidence = evidence;
    record.maybe_billed = true;
    let state = JobState::Failed;
    Taken {
        finish: Finish {
            record,
            next: Next::End(JobEnd { state, result }),
            lane: Lane::Live,
            history: item.job.history,
        },
        halt: None,
        hold: None,
    }
}

/// Expired or cancelled: never processed, never billed, and no fault of the job. What we cancelled for
/// a deadline is done live; what the user cancelled, here or in the Console, is not wanted any more.
pub(super) fn never_processed(
    around: &Surroundings<'_>,
    item: &OpenItem,
    outcome: AttemptOutcome,
) -> Taken {
    let for_deadline = around.cancel == Some(CancelReason::Deadline);
    let (class, next) = match outcome {
        AttemptOutcome::Canceled if for_deadline => (ErrorClass::Canceled, Next::Requeue),
        AttemptOutcome::Canceled => (ErrorClass::Canceled, canceled()),
        _ => (ErrorClass::Expired, Next::Requeue),
    };
    Taken {
        finish: Finish {
            record: AttemptRecord::unbilled(item.job.attempt, outcome, class, around.now),
            lane: if next.is_end() {
                Lane::Live
            } else {
                around.lane(item)
            },
            next,
            history: item.job.history,
        },
        halt: None,
        hold: None,
    }
}

fn canceled() -> Next {
    Next::End(JobEnd {
        state: JobState::Canceled,
        result: ResultBody::Nothing,
    })
}

#[cfg(test)]
#[path = "items_tests.rs"]
mod tests;
