//! How many failures of one class end a job.

use fastrand::Rng;

use super::WORKING;
use crate::model::{ErrorClass, Evidence, JobHistory};
use crate::policy::retry::{RetrySettings, Step, decide};

#[test]
fn a_class_may_have_fewer_or_more_attempts_than_the_others() {
    let mut settings = RetrySettings::default();
    settings.max_attempts_of.insert(ErrorClass::ServerError, 3);
    settings.max_attempts_of.insert(ErrorClass::Overloaded, 20);
    settings.max_attempts_of.insert(ErrorClass::RateLimited, 2);
    let step = |class, counted, rate_limits_in_row| {
        let history = JobHistory {
            counted,
            rate_limits_in_row,
            ..JobHistory::default()
        };
        let rng = &mut Rng::with_seed(1);
        decide(
            &settings,
            class,
            &Evidence::default(),
            history,
            WORKING,
            rng,
        )
        .step
    };
    for (class, before, fails) in [
        // The failure decided upon is one more than those before.
        (ErrorClass::ServerError, 1, false),
        (ErrorClass::ServerError, 2, true),
        (ErrorClass::Timeout, 6, false),
        (ErrorClass::Timeout, 7, true),
        (ErrorClass::Overloaded, 18, false),
        (ErrorClass::Overloaded, 19, true),
    ] {
        assert_eq!(
            step(class, before, 0) == Step::Fail,
            fails,
            "{class} {before}"
        );
    }
    // Limits cost a job nothing where nobody said how many are too many.
    assert!(matches!(
        step(ErrorClass::RateLimited, 0, 0),
        Step::RetryIn(_)
    ));
    assert_eq!(step(ErrorClass::RateLimited, 0, 1), Step::Fail);
    assert!(matches!(
        step(ErrorClass::ConcurrencyLimited, 0, 90),
        Step::RetryIn(_)
    ));
}
