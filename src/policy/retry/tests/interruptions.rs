//! What it means for a job that its answers were lost on our side.

use std::time::Duration;

use fastrand::Rng;

use super::judge;
use crate::model::{ErrorClass, Evidence, JobHistory};
use crate::policy::retry::{RetrySettings, Step, decide_after_panic};

#[test]
fn only_an_interruption_keeps_the_row_of_interruptions() {
    let before = JobHistory {
        interruptions_in_row: 5,
        ..JobHistory::default()
    };
    for class in ErrorClass::all() {
        let after = judge(class, &Evidence::default(), before, 0).history;
        let expected = if class == ErrorClass::Interrupted {
            6
        } else {
            0
        };
        assert_eq!(after.interruptions_in_row, expected, "{class}");
    }
}

#[test]
fn an_interrupted_job_is_requeued_until_the_limit_and_then_fails() {
    let mut history = JobHistory {
        counted: 7,
        faults_in_row: 2,
        ..JobHistory::default()
    };
    for n in 1..=20 {
        let verdict = judge(ErrorClass::Interrupted, &Evidence::default(), history, 0);
        let expected = if n < 20 { Step::Requeue } else { Step::Fail };
        assert_eq!(verdict.step, expected, "interruption {n}");
        history = verdict.history;
    }
    assert_eq!((history.counted, history.faults_in_row), (7, 2));
}

#[test]
fn a_panic_counts_whoever_else_succeeds_and_waits_longer_each_time() {
    let settings = RetrySettings::default();
    let mut history = JobHistory::default();
    for n in 1..=8 {
        let rng = &mut Rng::with_seed(u64::from(n));
        let verdict = decide_after_panic(&settings, history, Duration::ZERO, rng);
        match verdict.step {
            Step::RetryIn(wait) => assert!(n < 8 && !wait.is_zero(), "panic {n}"),
            step => assert_eq!((n, step), (8, Step::Fail)),
        }
        history = verdict.history;
        assert_eq!((history.counted, history.interruptions_in_row), (n, n));
    }
}

#[test]
fn a_panic_ends_a_job_that_is_not_to_be_retried() {
    let once = RetrySettings {
        max_attempts: 1,
        ..RetrySettings::default()
    };
    let hour = Duration::from_hours(1);
    let given_up = RetrySettings {
        give_up_after: Some(hour),
        ..RetrySettings::default()
    };
    let fragile = RetrySettings {
        max_interruptions: 1,
        ..RetrySettings::default()
    };
    for (settings, age) in [
        (once, Duration::ZERO),
        (given_up, hour),
        (fragile, Duration::ZERO),
    ] {
        let rng = &mut Rng::with_seed(0);
        let verdict = decide_after_panic(&settings, JobHistory::default(), age, rng);
        assert_eq!(verdict.step, Step::Fail, "{settings:?}");
    }
}
