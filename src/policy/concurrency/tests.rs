//! The ceiling against services that refuse for load, and such that refuse for no reason of ours.

use std::time::Duration;

use fastrand::Rng;

use super::{Concurrency, Signal};

const GOOD: Signal = Signal::Good(Duration::from_secs(1));

fn many(concurrency: &mut Concurrency, signal: Signal, times: u32) {
    for _ in 0..times {
        answer(concurrency, signal, concurrency.now(), false);
    }
}

fn answer(concurrency: &mut Concurrency, signal: Signal, level: u32, told: bool) {
    concurrency.started(level);
    concurrency.answered(signal, level, told);
}

/// Answers to requests that leave at each level up to the ceiling in turn; tells the share of refusals.
fn play(
    concurrency: &mut Concurrency,
    answers: u32,
    refusal: Signal,
    mut is_refused_at: impl FnMut(u32) -> bool,
) -> f64 {
    let mut refused = 0_u32;
    for n in 0..answers {
        // Most leave into a slot that has just become free.
        let now = concurrency.now();
        let level = if n % 4 == 0 { 1 + n / 4 % now } else { now };
        let is_refused = is_refused_at(level);
        refused += u32::from(is_refused);
        answer(
            concurrency,
            if is_refused { refusal } else { GOOD },
            level,
            false,
        );
    }
    f64::from(refused) / f64::from(answers)
}

#[test]
fn words_that_too_much_is_open_halve_it_at_once_and_it_comes_back_step_by_step() {
    let mut concurrency = Concurrency::new(8);
    answer(&mut concurrency, Signal::TooMuch, 8, true);
    assert_eq!(concurrency.now(), 4);
    many(&mut concurrency, GOOD, 20);
    assert_eq!(concurrency.now(), 5);
    many(&mut concurrency, GOOD, 1_000);
    assert_eq!(concurrency.now(), 8);
    many(&mut concurrency, Signal::TooMuch, 100);
    assert_eq!(concurrency.now(), 1, "it never falls to nothing");
}

#[test]
fn what_left_before_a_step_down_is_no_reason_for_another() {
    let mut concurrency = Concurrency::new(64);
    for level in (33..=64).rev() {
        answer(&mut concurrency, Signal::TooMuch, level, false);
    }
    assert_eq!(concurrency.now(), 32);
}

#[test]
fn a_plain_limit_is_found_and_held() {
    for limit in [1, 5, 12, 40] {
        let mut concurrency = Concurrency::new(64);
        play(&mut concurrency, 300, Signal::Refused, |level| {
            level > limit
        });
        let held = play(&mut concurrency, 3_000, Signal::Refused, |level| {
            level > limit
        });
        let now = concurrency.now();
        let least = limit - limit / 6;
        assert!(
            (least..=limit + limit / 4 + 2).contains(&now),
            "{now} of {limit}"
        );
        assert!(held < 0.08, "{limit}: {held}");
    }
}

#[test]
fn refusals_that_do_not_grow_with_the_load_leave_it_as_it_is() {
    for signal in [Signal::Refused, Signal::Overloaded] {
        for share in [0.05, 0.15, 0.3, 0.5] {
            for seed in 0..20 {
                let mut rng = Rng::with_seed(seed);
                let mut concurrency = Concurrency::new(64);
                let (mut lowest, mut sum) = (64, 0);
                for _ in 0..100 {
                    play(&mut concurrency, 20, signal, |_| rng.f64() < share);
                    lowest = lowest.min(concurrency.now());
                    sum += concurrency.now();
                }
                assert!(
                    sum >= 100 * 56,
                    "{share}, seed {seed}: {sum}, at least {lowest}"
                );
            }
        }
    }
}

#[test]
fn where_only_one_level_is_known_half_of_it_is_tried_and_kept_if_it_helps() {
    for (helps, least, most) in [(true, 32, 40), (false, 64, 64)] {
        let mut concurrency = Concurrency::new(64);
        let mut lowest = 64;
        for n in 0..200_u32 {
            let level = concurrency.now();
            let is_refused = n % 2 == 0 && (level > 34 || !helps);
            let signal = if is_refused { Signal::Overloaded } else { GOOD };
            answer(&mut concurrency, signal, level, true);
            lowest = lowest.min(concurrency.now());
        }
        assert_eq!(lowest, 32, "helps: {helps}, now {}", concurrency.now());
        let now = concurrency.now();
        assert!((least..=most).contains(&now), "{now}, helps: {helps}");
    }
}

#[test]
fn a_refusal_counts_only_where_no_header_tells_the_limit() {
    for (told, is_lowered) in [(true, false), (false, true)] {
        let mut concurrency = Concurrency::new(64);
        for n in 0..400 {
            let level = 1 + n % 64;
            let signal = if level > 20 { Signal::Refused } else { GOOD };
            answer(&mut concurrency, signal, level, told);
        }
        assert_eq!(concurrency.now() < 64, is_lowered, "told: {told}");
    }
}

#[test]
fn a_collapse_of_latency_lowers_it_and_a_long_answer_does_not() {
    let after = |slow: u32| {
        let mut concurrency = Concurrency::new(64);
        many(&mut concurrency, GOOD, 200);
        many(
            &mut concurrency,
            Signal::Good(Duration::from_secs(20)),
            slow,
        );
        concurrency.now()
    };
    assert_eq!(after(2), 64);
    assert!(after(60) < 64);
}

#[test]
fn a_collapse_takes_a_quarter_also_where_few_are_open() {
    for (most, left) in [(64, 48), (8, 6), (3, 2), (2, 1), (1, 1)] {
        let mut concurrency = Concurrency::new(most);
        many(&mut concurrency, GOOD, 200);
        let slow = Signal::Good(Duration::from_secs(20));
        let mut lowered = most;
        for _ in 0..60 {
            many(&mut concurrency, slow, 1);
            if concurrency.now() < most {
                lowered = concurrency.now();
                break;
            }
        }
        assert_eq!(lowered, left);
    }
}
