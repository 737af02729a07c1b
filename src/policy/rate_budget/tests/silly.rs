//! Headers that deny what the server goes on giving, and headers that mean it.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::super::denials::{Denials, Word};
use super::super::numbers::count;
use super::super::{Ceilings, Demand, Ended, Free, Ticket};
use super::play::{MIXED, Play, Scene};
use super::{budget, later, limit, start};
use crate::clock::add;
use crate::model::{Limit, RateLimits};

/// What headers say of the answer of that number at that time.
type Says<'a> = &'a dyn Fn(u64, Timestamp) -> RateLimits;

const JOBS: u64 = 300;
const SLOTS: usize = 64;
const WANT: Demand = Demand {
    input: 100,
    output: 50,
};

/// Seconds that the jobs take where each is answered after a second, whatever was sent.
fn took_s(slots: usize, says: Says<'_>) -> f64 {
    let (mut budget, class) = budget(Ceilings::default());
    let (mut rng, mut now, mut sent, mut answered) = (Rng::with_seed(1), start(), 0, 0);
    let mut wire: VecDeque<(Timestamp, Ticket)> = VecDeque::new();
    while answered < JOBS {
        let mut wakes = None;
        while sent < JOBS && wire.len() < slots {
            match budget.next_free(class, WANT, now) {
                Free::Now => {}
                Free::At(at) => {
                    wakes = Some(at);
                    break;
                }
                Free::AfterAnAnswer => break,
            }
            let ticket = budget.reserve(class, WANT, now, &mut rng).unwrap();
            wire.push_back((add(now, Duration::from_secs(1)), ticket));
            sent += 1;
        }
        let answer = wire.front().map(|(at, _)| *at);
        now = [answer, wakes].into_iter().flatten().min().unwrap();
        if answer != Some(now) {
            continue;
        }
        let (_, ticket) = wire.pop_front().unwrap();
        let limits = says(answered, now);
        let ended = Ended {
            used: Some(WANT),
            limits: Some(&limits),
            ..Ended::default()
        };
        budget.ended(ticket, ended, now);
        answered += 1;
    }
    now.duration_since(start()).as_secs_f64()
}

fn requests(limit: u64, remaining: u64) -> RateLimits {
    full_in(limit, remaining, None)
}

fn full_in(limit: u64, remaining: u64, full_at: Option<Timestamp>) -> RateLimits {
    RateLimits {
        requests: Some(Limit {
            limit,
            remaining,
            full_at,
        }),
        ..RateLimits::default()
    }
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    now + SignedDuration::from_secs(seconds)
}

#[test]
fn headers_that_deny_what_is_given_are_passed_over() {
    // A thousand a minute are 14 s for what is not sent at once, and 300 s at four at a time are 75.
    let tokens = |remaining| RateLimits {
        input_tokens: limit(100_000, remaining),
        output_tokens: limit(100_000, remaining),
        ..RateLimits::default()
    };
    let rows: [(&str, Says<'_>); 17] = [
        ("0", &|_, _| requests(1_000, 0)),
        ("0, full now", &|_, now| {
            full_in(1_000, 0, Some(after(now, 0)))
        }),
        ("0, full in a second", &|_, now| {
            full_in(1_000, 0, Some(after(now, 1)))
        }),
        ("0, full in a minute", &|_, now| {
            full_in(1_000, 0, Some(after(now, 60)))
        }),
        ("0, full long ago", &|_, now| {
            full_in(1_000, 0, Some(after(now, -1_000_000)))
        }),
        ("0, full in a century", &|_, now| {
            full_in(1_000, 0, Some(after(now, 3_155_760_000)))
        }),
        ("1", &|_, _| requests(1_000, 1)),
        ("8", &|_, _| requests(1_000, 8)),
        ("20", &|_, _| requests(1_000, 20)),
        ("40", &|_, _| requests(1_000, 40)),
        ("500", &|_, _| requests(1_000, 500)),
        ("5000 of 1000", &|_, _| requests(1_000, 5_000)),
        ("any below 20", &|n, _| {
            requests(1_000, Rng::with_seed(n).u64(..20))
        }),
        ("any", &|n, _| {
            requests(1_000, Rng::with_seed(n).u64(..1_000))
        }),
        ("two limits in turn", &|n, _| {
            requests(1_000 + n % 2 * 1_000, 0)
        }),
        ("no tokens", &|_, _| tokens(0)),
        ("few tokens", &|_, _| tokens(1_000)),
    ];
    let mut over = Vec::new();
    for (name, says) in rows {
        for (slots, most_s) in [(SLOTS, 32.0), (4, 140.0)] {
            let took_s = took_s(slots, says);
            eprintln!("{name}, {slots} slots: {took_s:.1} s");
            if took_s > most_s {
                over.push((name, slots, took_s));
            }
        }
    }
    assert!(over.is_empty(), "slower than told: {over:?}");
}

#[test]
fn one_refusal_ends_it_and_the_next_row_must_be_longer() {
    let mut denials = Denials::default();
    let mut answers = 0;
    let mut until_passed_over = |denials: &mut Denials| {
        let mut row = 0;
        while !denials.are_passed_over() {
            answers += 1;
            row += 1;
            assert!(row < 1_000, "a row without an end");
            denials.answered(&nothing_left(answers), true, later(answers * 10));
        }
        row
    };
    let first = until_passed_over(&mut denials);
    denials.refused();
    assert!(!denials.are_passed_over());
    let second = until_passed_over(&mut denials);
    assert!((16..=17).contains(&first), "{first}");
    assert!((32..=33).contains(&second), "{second}");
    denials.answered(
        &Word {
            remaining: 60,
            ..nothing_left(1_000)
        },
        true,
        later(10_000),
    );
    assert!(!denials.are_passed_over(), "it lets us go on again");
}

#[test]
fn answers_to_what_left_before_the_first_of_them_deny_nothing() {
    let mut denials = Denials::default();
    for answer in 1..100 {
        let word = Word {
            since: start(),
            ..nothing_left(answer)
        };
        denials.answered(&word, true, later(answer * 10));
    }
    assert!(!denials.are_passed_over());
}

/// The answer of that number, each sent when the one before had come.
fn nothing_left(number: u64) -> Word {
    Word {
        remaining: 0,
        rounding: 1.0,
        withheld: 11.0,
        most_withheld: 51.0,
        since: later((number - 1) * 10),
        spent_then: count(number),
        spent: count(number),
    }
}

#[test]
fn a_bucket_that_others_empty_is_left_to_them() {
    for foreign in [1.0 / 3.0, 0.5, 0.8] {
        for burst_s in [10.0, 60.0] {
            for headers_late in [false, true] {
                let refused = (0..10).map(|seed| {
                    let scene = Scene {
                        burst_s,
                        headers_late,
                        foreign,
                        seed,
                        jobs: 1_000,
                        ..MIXED
                    };
                    Play::run(&scene).refused
                });
                let refused: u32 = refused.sum();
                assert!(
                    refused <= 200,
                    "{foreign} of {burst_s} s, late {headers_late}: {refused} of 10,000"
                );
            }
        }
    }
}
