//! The waits of a job that failed while its neighbours succeeded.

use std::time::Duration;

use fastrand::Rng;

use super::{WORKING, hinting, of_budget, waited};
use crate::model::{Budget, ErrorClass, Evidence, JobHistory, WaitRule};
use crate::policy::retry::{RetryBy, RetrySettings, Standing, decide};

const WELL: Standing = Standing {
    is_well: true,
    ..WORKING
};

/// The least and the most of many draws, in seconds, after so many failures in a row before.
fn range(
    settings: &RetrySettings,
    class: ErrorClass,
    before: u32,
    standing: Standing,
) -> (f64, f64) {
    let history = JobHistory {
        faults_in_row: before,
        rate_limits_in_row: before,
        ..JobHistory::default()
    };
    let draws = (0..500).map(|seed| {
        let rng = &mut Rng::with_seed(seed);
        let verdict = decide(
            settings,
            class,
            &Evidence::default(),
            history,
            standing,
            rng,
        );
        waited(verdict).as_secs_f64()
    });
    draws.fold((f64::INFINITY, 0.0), |(least, most), draw| {
        (draw.min(least), draw.max(most))
    })
}

fn is_about((least, most): (f64, f64), from: f64, to: f64) -> bool {
    let room = (to - from) / 20.0;
    (from..from + room).contains(&least) && (to - room..=to).contains(&most)
}

#[test]
fn while_the_others_succeed_the_first_waits_are_short_whatever_the_class() {
    let settings = RetrySettings::default();
    for class in of_budget(Budget::Faults) {
        for (before, from, to) in [(0, 1.0, 2.0), (1, 2.0, 4.0), (2, 4.0, 8.0)] {
            let range = range(&settings, class, before, WELL);
            assert!(is_about(range, from, to), "{class} {before}: {range:?}");
        }
        let table = settings.waits.after(class, 4).as_secs_f64();
        let fourth = range(&settings, class, 3, WELL);
        assert!(
            is_about(fourth, table / 2.0, table * 1.5),
            "{class}: {fourth:?}"
        );
    }
}

#[test]
fn in_trouble_by_the_table_and_with_waits_of_the_user_the_class_decides() {
    let overloaded = ErrorClass::Overloaded;
    let table = RetrySettings {
        by: RetryBy::Table,
        ..RetrySettings::default()
    };
    let mut own = RetrySettings::default();
    own.waits
        .set(overloaded, vec![Duration::from_secs(10)])
        .unwrap();
    for (what, settings, standing) in [
        ("trouble", &RetrySettings::default(), WORKING),
        ("table", &table, WELL),
        ("own waits", &own, WELL),
    ] {
        let range = range(settings, overloaded, 0, standing);
        assert!(is_about(range, 5.0, 15.0), "{what}: {range:?}");
    }
}

#[test]
fn limits_are_no_matter_of_evidence_and_a_hint_goes_first() {
    let settings = RetrySettings::default();
    for class in of_budget(Budget::RateLimits) {
        let range = range(&settings, class, 0, WELL);
        assert!(is_about(range, 0.5, 1.5), "{class}: {range:?}");
    }
    let (evidence, rng) = (hinting(Duration::from_secs(40)), &mut Rng::with_seed(1));
    let before = JobHistory::default();
    let verdict = decide(
        &settings,
        ErrorClass::Overloaded,
        &evidence,
        before,
        WELL,
        rng,
    );
    assert!(waited(verdict) >= Duration::from_secs(40));
}

/// 30 % of all requests refused for no reason: a job that draws the lot five times is no more at its limit
/// than its neighbours are.
#[test]
fn a_job_that_is_refused_for_a_limit_at_which_others_pass_waits_by_the_hint_or_a_few_seconds() {
    let limited = ErrorClass::RateLimited;
    let waits = |settings: &RetrySettings, others_pass, before, hint: Option<u64>| {
        let history = JobHistory {
            rate_limits_in_row: before,
            ..JobHistory::default()
        };
        let evidence = Evidence {
            retry_after: hint.map(Duration::from_secs),
            ..Evidence::default()
        };
        let standing = Standing {
            others_pass,
            ..WELL
        };
        let draws = (0..500).map(|seed| {
            let rng = &mut Rng::with_seed(seed);
            let verdict = decide(settings, limited, &evidence, history, standing, rng);
            waited(verdict).as_secs_f64()
        });
        draws.fold((f64::INFINITY, 0.0_f64), |(least, most), draw| {
            (draw.min(least), draw.max(most))
        })
    };
    let usual = RetrySettings::default();
    let by_table = RetrySettings {
        by: RetryBy::Table,
        ..RetrySettings::default()
    };
    let mut own = RetrySettings::default();
    own.waits
        .set(limited, vec![Duration::from_secs(16)])
        .unwrap();
    for (what, settings, pass, before, hint, from, to) in [
        ("passing", &usual, true, 5, None, 2.0, 6.0),
        ("passing, hinted", &usual, true, 5, Some(1), 1.0, 1.5),
        (
            "passing, hinted at once",
            &usual,
            true,
            5,
            Some(0),
            0.5,
            1.5,
        ),
        ("passing, too often", &usual, true, 8, None, 30.0, 90.0),
        ("nobody passes", &usual, false, 4, None, 8.0, 24.0),
        ("by the table", &by_table, true, 4, None, 8.0, 24.0),
        ("own waits", &own, true, 4, None, 8.0, 24.0),
    ] {
        let range = waits(settings, pass, before, hint);
        assert!(is_about(range, from, to), "{what}: {range:?}");
    }
}

#[test]
fn the_scale_multiplies_short_waits_too() {
    let settings = RetrySettings {
        scale: 0.1,
        ..RetrySettings::default()
    };
    let range = range(&settings, ErrorClass::Unavailable, 0, WELL);
    assert!(is_about(range, 0.1, 0.2), "{range:?}");
}

/// Quick tries cost no job its life: the last comes no sooner than the table would let it.
#[test]
fn no_job_ends_by_its_count_sooner_than_the_waits_of_its_table_would_have_lasted() {
    for class in of_budget(Budget::Faults) {
        for max_attempts in [2, 3, 8, 20] {
            let settings = RetrySettings {
                max_attempts,
                ..RetrySettings::default()
            };
            let (mut history, mut age) = (JobHistory::default(), Duration::ZERO);
            let rng = &mut Rng::with_seed(max_attempts.into());
            let mut tries = 1;
            loop {
                let standing = Standing { age, ..WELL };
                let verdict = decide(
                    &settings,
                    class,
                    &Evidence::default(),
                    history,
                    standing,
                    rng,
                );
                history = verdict.history;
                if history.counted >= max_attempts {
                    break;
                }
                age += waited(verdict);
                tries += 1;
            }
            assert_eq!(tries, max_attempts, "{class}");
            let table: Duration = (1..max_attempts)
                .map(|failures| settings.waits.after(class, failures))
                .sum();
            assert!(
                age >= table,
                "{class}, {max_attempts}: {age:?} of {table:?}"
            );
        }
    }
}

#[test]
fn a_verdict_says_which_rule_set_its_wait() {
    let overloaded = ErrorClass::Overloaded;
    let built_in = RetrySettings::default();
    let mut own = RetrySettings::default();
    let waits = vec![Duration::from_secs(10)];
    own.waits.set(overloaded, waits).unwrap();
    let (no_hint, long_hint) = (Evidence::default(), hinting(Duration::from_mins(20)));
    let short_hint = hinting(Duration::from_millis(1));
    let after = |faults_in_row, counted| JobHistory {
        counted,
        faults_in_row,
        ..JobHistory::default()
    };
    let first = after(0, 0);
    for (rule, settings, evidence, history, standing) in [
        (WaitRule::Evidence, &built_in, &no_hint, first, WELL),
        (WaitRule::Table, &built_in, &no_hint, first, WORKING),
        (WaitRule::Table, &built_in, &no_hint, after(3, 3), WELL),
        (WaitRule::LastTry, &built_in, &no_hint, after(1, 6), WELL),
        (WaitRule::Settings, &own, &no_hint, first, WELL),
        (WaitRule::RetryAfter, &built_in, &short_hint, first, WELL),
        (WaitRule::RetryAfter, &own, &long_hint, after(4, 4), WELL),
        // A server that keeps failing behind its own hint is not believed alone.
        (WaitRule::Table, &built_in, &short_hint, after(4, 4), WELL),
        (WaitRule::Settings, &own, &short_hint, after(4, 4), WELL),
    ] {
        let rng = &mut Rng::with_seed(1);
        let verdict = decide(settings, overloaded, evidence, history, standing, rng);
        assert_eq!(verdict.rule, Some(rule), "{history:?} {evidence:?}");
    }
    let rng = &mut Rng::with_seed(1);
    let refused = ErrorClass::InvalidRequest;
    let fails = decide(&built_in, refused, &no_hint, first, WELL, rng);
    assert_eq!(fails.rule, None);
}
