//! The step after every class, and how long a wait may be, as properties of all classes.

mod by_class;
mod evidence;
mod interruptions;

use std::time::Duration;

use fastrand::Rng;
use proptest::prelude::*;

use super::{Others, RetrySettings, Standing, Step, Verdict, decide, patience};
use crate::model::{Budget, ErrorClass, Evidence, JobHistory, Treatment};

const SEEDS: u64 = 2_000;
const WORKING: Standing = Standing {
    others: Others::Succeed,
    age: Duration::ZERO,
    is_well: false,
    others_pass: false,
};

fn judge(class: ErrorClass, evidence: &Evidence, history: JobHistory, seed: u64) -> Verdict {
    let settings = RetrySettings::default();
    decide(
        &settings,
        class,
        evidence,
        history,
        WORKING,
        &mut Rng::with_seed(seed),
    )
}

fn hinting(hint: Duration) -> Evidence {
    Evidence {
        retry_after: Some(hint),
        ..Evidence::default()
    }
}

fn should_retry(answer: bool) -> Evidence {
    Evidence {
        should_retry: Some(answer),
        ..Evidence::default()
    }
}

fn classes(treatment: Treatment) -> impl Iterator<Item = ErrorClass> {
    ErrorClass::all().filter(move |class| class.treatment() == treatment)
}

fn of_budget(budget: Budget) -> Vec<ErrorClass> {
    classes(Treatment::Retry)
        .filter(|class| class.budget() == budget)
        .collect()
}

fn waited(verdict: Verdict) -> Duration {
    match verdict.step {
        Step::RetryIn(wait) => wait,
        other => panic!("no retry but {other:?}"),
    }
}

/// A history of that many failures in a row before this one, of the class's own kind.
fn after_failures(class: ErrorClass, failures: u32) -> JobHistory {
    match class.budget() {
        Budget::RateLimits => JobHistory {
            rate_limits_in_row: failures,
            ..JobHistory::default()
        },
        _ => JobHistory {
            faults_in_row: failures,
            ..JobHistory::default()
        },
    }
}

#[test]
fn a_patience_is_scaled_but_never_shorter_than_requests_take() {
    let [minute, second] = [60, 1].map(Duration::from_secs);
    for (unscaled, scale, expected) in [
        (minute, 1.0, minute),
        (minute, 2.0, 2 * minute),
        (minute, 0.5, minute / 2),
        (minute, 0.001, Duration::from_secs(5)),
        (minute, 0.0, Duration::from_secs(5)),
        (second, 0.001, second),
    ] {
        assert_eq!(patience(unscaled, scale), expected, "{unscaled:?} {scale}");
    }
}

#[test]
fn every_class_takes_the_step_of_the_contract() {
    for class in ErrorClass::all() {
        let step = judge(class, &Evidence::default(), JobHistory::default(), 1).step;
        let expected = match class.as_str() {
            "spend_limit"
            | "billing"
            | "authentication"
            | "permission"
            | "organization_disabled"
            | "wrong_endpoint"
            | "unreachable"
            | "tls"
            | "results_expired" => "halt",
            "model_not_found" => "hold",
            "truncated" | "context_window_exceeded" | "paused" => "done",
            "expired" | "interrupted" => "requeue",
            "rate_limited"
            | "acceleration_limited"
            | "concurrency_limited"
            | "overloaded"
            | "server_error"
            | "bad_gateway"
            | "unavailable"
            | "gateway_timeout"
            | "edge_error"
            | "timeout"
            | "connect"
            | "dns"
            | "connection_cut"
            | "stream_cut"
            | "bad_response"
            | "request_timeout"
            | "conflict"
            | "batch_queue_full"
            | "result_missing" => "retry",
            _ => "fail",
        };
        let got = match step {
            Step::RetryIn(_) => "retry",
            Step::Requeue => "requeue",
            Step::Fail => "fail",
            Step::Hold => "hold",
            Step::Halt => "halt",
            Step::Done => "done",
        };
        assert_eq!(got, expected, "{class}");
    }
}

#[test]
fn every_wait_is_drawn_between_half_and_one_and_a_half_of_its_value() {
    let settings = RetrySettings::default();
    for class in classes(Treatment::Retry) {
        let list = settings.waits.get(class);
        for failures in 0..u32::try_from(list.len()).unwrap() + 2 {
            // Counted stays zero, so that the attempt limit does not end the walk.
            let named = settings.waits.after(class, failures + 1);
            let draws: Vec<_> = (0..SEEDS / 10)
                .map(|seed| {
                    let history = after_failures(class, failures);
                    waited(judge(class, &Evidence::default(), history, seed))
                })
                .collect();
            let (low, high) = (draws.iter().min().unwrap(), draws.iter().max().unwrap());
            assert!(
                *low >= named / 2 && *high <= named * 3 / 2,
                "{class} {failures}"
            );
            assert!(
                *low < named.mul_f64(0.6),
                "{class}: the lower part is drawn"
            );
            assert!(
                *high > named.mul_f64(1.4),
                "{class}: the upper part is drawn"
            );
        }
    }
}

#[test]
fn waits_are_drawn_evenly() {
    let history = JobHistory::default();
    let mean = (0..SEEDS)
        .map(|seed| {
            waited(judge(
                ErrorClass::Overloaded,
                &Evidence::default(),
                history,
                seed,
            ))
        })
        .sum::<Duration>()
        / u32::try_from(SEEDS).unwrap();
    let off = mean.abs_diff(Duration::from_secs(10));
    assert!(off < Duration::from_millis(300), "mean {mean:?}");
}

#[test]
fn scale_multiplies_our_waits_and_not_the_hint() {
    let fast = RetrySettings {
        scale: 0.01,
        ..RetrySettings::default()
    };
    let hint = Duration::from_secs(20);
    for seed in 0..SEEDS {
        for class in classes(Treatment::Retry) {
            let history = JobHistory::default();
            let ours = waited(judge(class, &Evidence::default(), history, seed));
            let rng = &mut Rng::with_seed(seed);
            let scaled = waited(decide(
                &fast,
                class,
                &Evidence::default(),
                history,
                WORKING,
                rng,
            ));
            let off = scaled.abs_diff(ours / 100);
            assert!(
                off <= Duration::from_nanos(20),
                "{class}: {ours:?} {scaled:?}"
            );
            let rng = &mut Rng::with_seed(seed);
            assert!(waited(decide(&fast, class, &hinting(hint), history, WORKING, rng)) >= hint);
        }
    }
}

#[test]
fn a_hint_replaces_the_first_two_waits_and_gets_at_most_a_tenth_on_top() {
    for class in classes(Treatment::Retry) {
        for hint in [0, 1, 20, 3_600].map(Duration::from_secs) {
            for failures in 0..2 {
                for seed in 0..50 {
                    let history = after_failures(class, failures);
                    let wait = waited(judge(class, &hinting(hint), history, seed));
                    assert!(wait >= hint && wait <= hint + hint / 10, "{class} {hint:?}");
                }
            }
        }
    }
}

#[test]
fn a_hint_is_believed_for_an_hour_at_most() {
    for (hint, longest) in [(3_599, 3_600), (86_400, 3_600), (1_000_000_000_000, 3_600)] {
        for seed in 0..20 {
            let history = JobHistory::default();
            let hint = hinting(Duration::from_secs(hint));
            let wait = waited(judge(ErrorClass::Overloaded, &hint, history, seed));
            assert!(wait <= Duration::from_secs(longest) && wait >= Duration::from_secs(3_599));
        }
    }
}

#[test]
fn from_the_third_failure_in_a_row_the_longer_of_hint_and_own_wait_counts() {
    let settings = RetrySettings::default();
    for class in classes(Treatment::Retry) {
        let named = settings.waits.after(class, 3);
        for seed in 0..50 {
            let history = after_failures(class, 2);
            let short = waited(judge(class, &hinting(Duration::ZERO), history, seed));
            assert!(
                short >= named / 2,
                "{class}: a zero hint no longer hurries us"
            );
            let hint = Duration::from_hours(1);
            let long = waited(judge(class, &hinting(hint), history, seed));
            assert!(long >= hint && long <= hint + hint / 10, "{class}");
        }
    }
}

#[test]
fn failures_of_both_kinds_make_up_the_row_of_three() {
    let history = JobHistory {
        faults_in_row: 2,
        ..JobHistory::default()
    };
    let hint = hinting(Duration::ZERO);
    let wait = waited(judge(ErrorClass::RateLimited, &hint, history, 3));
    assert!(wait >= Duration::from_millis(500), "{wait:?}");
}

#[test]
fn should_retry_true_turns_a_failure_into_a_server_failure() {
    for class in classes(Treatment::Fail) {
        for seed in 0..50 {
            let evidence = should_retry(true);
            let verdict = judge(class, &evidence, JobHistory::default(), seed);
            let same = judge(
                ErrorClass::ServerError,
                &evidence,
                JobHistory::default(),
                seed,
            );
            assert_eq!(verdict, same, "{class}");
            assert_eq!(
                (verdict.history.counted, verdict.history.faults_in_row),
                (1, 1)
            );
            assert!(waited(verdict) >= Duration::from_secs(1));
        }
        let last = JobHistory {
            counted: 7,
            ..JobHistory::default()
        };
        assert_eq!(judge(class, &should_retry(true), last, 0).step, Step::Fail);
    }
}

#[test]
fn should_retry_false_fails_what_would_be_retried() {
    for class in classes(Treatment::Retry) {
        let verdict = judge(class, &should_retry(false), JobHistory::default(), 0);
        assert_eq!(verdict.step, Step::Fail, "{class}");
    }
}

#[test]
fn should_retry_does_not_touch_what_is_about_more_than_the_request() {
    use Treatment::{Halt, HoldModel, Mark, Requeue};
    for class in [Halt, HoldModel, Mark, Requeue]
        .into_iter()
        .flat_map(classes)
    {
        let plain = judge(class, &Evidence::default(), JobHistory::default(), 0);
        for answer in [true, false] {
            let told = judge(class, &should_retry(answer), JobHistory::default(), 0);
            assert_eq!(told, plain, "{class}");
        }
    }
}

#[test]
fn a_fault_resets_the_row_of_limits_and_a_limit_keeps_the_row_of_faults() {
    let before = JobHistory {
        counted: 3,
        faults_in_row: 2,
        rate_limits_in_row: 4,
        interruptions_in_row: 5,
    };
    for class in of_budget(Budget::Faults) {
        let after = JobHistory {
            counted: 4,
            faults_in_row: 3,
            rate_limits_in_row: 0,
            interruptions_in_row: 0,
        };
        assert_eq!(judge(class, &Evidence::default(), before, 0).history, after);
    }
    for class in of_budget(Budget::RateLimits) {
        let after = JobHistory {
            rate_limits_in_row: 5,
            interruptions_in_row: 0,
            ..before
        };
        assert_eq!(judge(class, &Evidence::default(), before, 0).history, after);
    }
}

#[test]
fn an_expired_job_is_requeued_however_often() {
    let history = JobHistory {
        interruptions_in_row: 1_000,
        ..JobHistory::default()
    };
    let verdict = judge(ErrorClass::Expired, &Evidence::default(), history, 0);
    assert_eq!(verdict.step, Step::Requeue);
}

#[test]
fn with_one_attempt_every_retryable_failure_fails_at_once() {
    for max_attempts in [0, 1] {
        let settings = RetrySettings {
            max_attempts,
            ..RetrySettings::default()
        };
        for class in classes(Treatment::Retry) {
            for evidence in [Evidence::default(), hinting(Duration::from_secs(1))] {
                let rng = &mut Rng::with_seed(0);
                let verdict = decide(
                    &settings,
                    class,
                    &evidence,
                    JobHistory::default(),
                    WORKING,
                    rng,
                );
                assert_eq!(verdict.step, Step::Fail, "{class}");
            }
        }
    }
}

#[test]
fn limits_never_use_up_the_attempts() {
    let mut history = JobHistory::default();
    for _ in 0..1_000 {
        let verdict = judge(ErrorClass::RateLimited, &Evidence::default(), history, 0);
        assert!(matches!(verdict.step, Step::RetryIn(_)));
        history = verdict.history;
    }
    assert_eq!((history.counted, history.rate_limits_in_row), (0, 1_000));
}

#[test]
fn counters_at_their_end_do_not_overflow() {
    let history = JobHistory {
        counted: u32::MAX,
        faults_in_row: u32::MAX,
        rate_limits_in_row: u32::MAX,
        interruptions_in_row: u32::MAX,
    };
    for class in ErrorClass::all() {
        let evidence = hinting(Duration::MAX);
        let after = judge(class, &evidence, history, 0).history;
        assert!(after.counted == u32::MAX, "{class}");
    }
}

fn any_class() -> impl Strategy<Value = ErrorClass> {
    proptest::sample::select(ErrorClass::all().collect::<Vec<_>>())
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let hint = proptest::option::of((0_u64..7_200_000).prop_map(Duration::from_millis));
    (hint, proptest::option::of(any::<bool>())).prop_map(|(retry_after, should_retry)| Evidence {
        retry_after,
        should_retry,
        ..Evidence::default()
    })
}

proptest! {
    #[test]
    fn counted_never_reaches_the_limit_without_a_fail(
        max_attempts in 1_u32..12,
        attempts in proptest::collection::vec((any_class(), any_evidence()), 1..60),
        seed: u64,
    ) {
        let settings = RetrySettings { max_attempts, ..RetrySettings::default() };
        let mut rng = Rng::with_seed(seed);
        let mut history = JobHistory::default();
        for (class, evidence) in attempts {
            let verdict = decide(&settings, class, &evidence, history, WORKING, &mut rng);
            history = verdict.history;
            prop_assert!(history.counted <= max_attempts);
            match verdict.step {
                Step::RetryIn(wait) => {
                    prop_assert!(history.counted < max_attempts);
                    prop_assert!(evidence.retry_after.is_none_or(|hint| wait >= hint.min(super::LONGEST_HINT)));
                }
                Step::Requeue => prop_assert!(history.counted < max_attempts),
                Step::Fail | Step::Done | Step::Hold | Step::Halt => break,
            }
        }
    }

    #[test]
    fn a_job_that_always_meets_faults_is_tried_max_attempts_times(
        max_attempts in 1_u32..30,
        faults in proptest::collection::vec(
            proptest::sample::select(of_budget(Budget::Faults)), 30),
        limit_answers in 0_usize..5,
        seed: u64,
    ) {
        let settings = RetrySettings { max_attempts, ..RetrySettings::default() };
        let mut rng = Rng::with_seed(seed);
        let mut history = JobHistory::default();
        let mut failures = 0;
        for class in faults {
            // Limits in between are waited for and change nothing.
            for _ in 0..limit_answers.min(max_attempts as usize - 1) {
                let limit = ErrorClass::RateLimited;
                let verdict = decide(&settings, limit, &Evidence::default(), history, WORKING, &mut rng);
                prop_assert!(matches!(verdict.step, Step::RetryIn(_)));
                history = verdict.history;
            }
            let verdict = decide(&settings, class, &Evidence::default(), history, WORKING, &mut rng);
            failures += 1;
            history = verdict.history;
            if verdict.step == Step::Fail {
                break;
            }
        }
        prop_assert_eq!(failures, max_attempts);
    }

    #[test]
    fn the_same_seed_gives_the_same_verdict(
        class in any_class(), evidence in any_evidence(), faults in 0_u32..10, seed: u64,
    ) {
        let history = JobHistory { faults_in_row: faults, ..JobHistory::default() };
        prop_assert_eq!(
            judge(class, &evidence, history, seed),
            judge(class, &evidence, history, seed)
        );
    }
}

#[test]
fn while_the_lane_does_not_work_its_failures_cost_a_job_nothing() {
    let (settings, rng) = (RetrySettings::default(), &mut Rng::with_seed(1));
    let down = Standing {
        others: Others::Fail,
        ..WORKING
    };
    let mut history = JobHistory::default();
    for failure in 1..=500 {
        let verdict = decide(
            &settings,
            ErrorClass::Unavailable,
            &Evidence::default(),
            history,
            down,
            rng,
        );
        assert!(matches!(verdict.step, Step::RetryIn(_)));
        history = verdict.history;
        assert_eq!((history.counted, history.faults_in_row), (0, failure));
    }
}

#[test]
fn where_the_others_cannot_tell_all_counts_but_what_was_never_sent() {
    let (settings, rng) = (RetrySettings::default(), &mut Rng::with_seed(1));
    let alone = Standing {
        others: Others::CannotTell,
        ..WORKING
    };
    for (class, counted) in [
        (ErrorClass::ServerError, 1),
        (ErrorClass::Overloaded, 1),
        (ErrorClass::ConnectionCut, 1),
        (ErrorClass::Timeout, 1),
        (ErrorClass::Connect, 0),
        (ErrorClass::Dns, 0),
    ] {
        let (evidence, before) = (Evidence::default(), JobHistory::default());
        let verdict = decide(&settings, class, &evidence, before, alone, rng);
        assert_eq!(verdict.history.counted, counted, "{class}");
    }
}

#[test]
fn a_job_is_given_up_when_its_time_is_over_and_not_before() {
    let settings = RetrySettings {
        give_up_after: Some(Duration::from_mins(10)),
        ..RetrySettings::default()
    };
    for (seconds, gives_up) in [(599, false), (600, true)] {
        let old = Standing {
            others: Others::Fail,
            age: Duration::from_secs(seconds),
            is_well: false,
            others_pass: false,
        };
        let (evidence, rng) = (Evidence::default(), &mut Rng::with_seed(1));
        let verdict = decide(
            &settings,
            ErrorClass::Overloaded,
            &evidence,
            JobHistory::default(),
            old,
            rng,
        );
        assert_eq!(verdict.step == Step::Fail, gives_up);
    }
}

#[test]
fn the_same_fault_of_a_complete_answer_is_not_bought_a_third_time() {
    let evidence = |unreadable: bool, message: Option<&str>| Evidence {
        message: message.map(str::to_owned),
        unreadable: unreadable.then(|| "{".to_owned()),
        ..Evidence::default()
    };
    for (unreadable, message, last, expected) in [
        (true, Some("cut"), Some("cut"), true),
        (true, Some("cut"), Some("another"), false),
        (true, Some("cut"), None, false),
        (true, None, None, false),
        // Not the answer but the way was bad: that may heal.
        (false, Some("cut"), Some("cut"), false),
    ] {
        let again = super::same_again(&evidence(unreadable, message), last);
        assert_eq!(again, expected, "{message:?} {last:?}");
    }
}
