//! Attempts whose answer never came back to us: given up when the grace was over, or lost in a bug
//! of our own. Nobody knows whether they were served, so each may have been paid for, and each
//! counts: a job whose answers are lost for ever must end.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use tokio::task::JoinError;

use super::again::ends_with_what_was_put_aside;
use super::charge;
use super::error_result::error_result;
use super::outcome::endpoint_of;
use super::settings::EngineSettings;
use crate::clock::add;
use crate::model::{
    AttemptOutcome, AttemptRecord, ClaimedJob, ErrorClass, Evidence, JobState, Lane,
};
use crate::policy::{Others, Standing, Step, decide, decide_after_panic};
use crate::store::{Finish, JobEnd, Next};

/// Why an answer did not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The run was stopped, and its grace was over.
    GivenUp,
    /// The task that waited for it panicked. What it said was told when it happened; it may quote
    /// what is secret.
    Panicked,
}

impl Lost {
    pub(super) fn of(error: &JoinError) -> Self {
        if error.is_panic() {
            Self::Panicked
        } else {
            Self::GivenUp
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::GivenUp => "claude-run was stopped before the answer came",
            Self::Panicked => {
                "claude-run ran into a bug of its own while it waited for the answer; please report it"
            }
        }
    }
}

/// The end of an attempt that was lost like that, of a job whose first attempt began so long ago.
pub(super) fn interrupted(
    settings: &EngineSettings,
    job: &ClaimedJob,
    why: Lost,
    age: Duration,
    now: Timestamp,
    rng: &mut Rng,
) -> Finish {
    let class = ErrorClass::Interrupted;
    let evidence = Evidence {
        message: Some(why.words().to_owned()),
        ..Evidence::default()
    };
    let verdict = match why {
        Lost::GivenUp => {
            // No neighbour has a say in it.
            let standing = Standing {
                others: Others::CannotTell,
                age,
                is_well: false,
                others_pass: false,
            };
            decide(
                &settings.retry,
                class,
                &evidence,
                job.history,
                standing,
                rng,
            )
        }
        Lost::Panicked => decide_after_panic(&settings.retry, job.history, age, rng),
    };
    let next = match verdict.step {
        Step::RetryIn(wait) => Next::RetryAt(add(now, wait)),
        Step::Fail if ends_with_what_was_put_aside(job, class) => Next::EndPutAside,
        Step::Fail => Next::End(JobEnd {
            state: JobState::Failed,
            result: error_result(class, &evidence, None),
        }),
        _ => Next::Requeue,
    };
    Finish {
        record: AttemptRecord {
            evidence,
            endpoint: endpoint_of(settings, job),
            at_most: charge::of_request(settings, job, Lane::Live, now),
            maybe_billed: true,
            wait_rule: verdict.rule,
            ..AttemptRecord::unbilled(job.attempt, AttemptOutcome::Interrupted, class, now)
        },
        next,
        lane: Lane::Live,
        history: verdict.history,
    }
}
