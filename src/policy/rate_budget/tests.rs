//! What the budget promises, by itself and in play.

mod play;
mod silly;

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use self::play::{MIXED, Play, Scene};
use super::{Ceilings, ClassId, Demand, Ended, Free, RateBudget};
use crate::clock::add;
use crate::model::{Limit, RateLimits};
use crate::policy::ModelClasses;

fn start() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn later(ms: u64) -> Timestamp {
    add(start(), Duration::from_millis(ms))
}

fn budget(ceilings: Ceilings) -> (RateBudget, ClassId) {
    let mut budget = RateBudget::new(ModelClasses::embedded(), ceilings, start());
    let class = budget.class_of("claude-opus-5");
    (budget, class)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape that `RateLimits` takes"
)]
fn limit(limit: u64, remaining: u64) -> Option<Limit> {
    Some(Limit {
        limit,
        remaining,
        full_at: None,
    })
}

/// Seeds of the small worlds; `SEEDS=20000 cargo test --lib rate_budget` hunts longer.
fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("SEEDS").ok();
    0..count.and_then(|text| text.parse().ok()).unwrap_or(150)
}

#[test]
fn it_is_as_fast_as_the_limits_allow_and_hardly_ever_refused() {
    for headers_late in [false, true] {
        // A bucket that is full at the start makes a run shorter than its bound.
        for (burst_s, most_ratio, most_refused) in
            [(60.0, 0.85, 0), (10.0, 1.0, 6), (2.0, 1.03, 64)]
        {
            let scene = Scene {
                burst_s,
                headers_late,
                ..MIXED
            };
            let seen = Play::run(&scene);
            let ratio = seen.ratio();
            assert!(
                ratio <= most_ratio,
                "{burst_s} s, late {headers_late}: {ratio}"
            );
            assert!(
                seen.refused <= most_refused,
                "{burst_s} s, late {headers_late}: {}",
                seen.refused
            );
        }
    }
}

#[test]
fn what_another_client_takes_is_left_to_it() {
    for headers_late in [false, true] {
        for (burst_s, most_ratio) in [(60.0, 0.9), (10.0, 1.05)] {
            let scene = Scene {
                burst_s,
                headers_late,
                foreign: 1.0 / 3.0,
                ..MIXED
            };
            let seen = Play::run(&scene);
            let ratio = seen.ratio();
            assert!(
                ratio <= most_ratio,
                "{burst_s} s, late {headers_late}: {ratio}"
            );
            assert!(
                seen.refused <= 45,
                "{burst_s} s, late {headers_late}: {}",
                seen.refused
            );
        }
    }
}

/// When nobody else draws on the buckets, and 64 requests at once are no trouble: no refusal at all,
/// whichever limit is the narrow one, and never much slower than the bound.
#[test]
fn alone_it_is_never_over_any_limit_and_never_idle() {
    for seed in seeds() {
        let mut rng = Rng::with_seed(seed);
        let scene = Scene {
            rpm: rng.u64(600..20_000),
            itpm: rng.u64(150_000..3_000_000),
            otpm: rng.u64(40_000..500_000),
            jobs: 400,
            slots: rng.usize(1..300),
            headers_late: rng.bool(),
            seed,
            ..MIXED
        };
        let seen = Play::run(&scene);
        assert_eq!(seen.refused, 0, "seed {seed}");
        // The wire is the other bound: an answer takes 1.75 s on the mean, 3 s at most.
        let wire_s = 400.0 * 1.75 / f64::from(u32::try_from(scene.slots).unwrap());
        let most_s = 1.1 * seen.bound_s.max(wire_s) + 2.0 * 3.0;
        assert!(
            seen.took_s <= most_s,
            "seed {seed}: {} s of {most_s}",
            seen.took_s
        );
    }
}

#[test]
fn nothing_is_reserved_unless_all_of_it_fits() {
    let (mut budget, class) = budget(Ceilings {
        rpm: Some(6_000),
        itpm: Some(60_000),
        otpm: None,
    });
    let mut rng = Rng::with_seed(1);
    let small = Demand {
        input: 900,
        output: 1,
    };
    let ticket = budget.reserve(class, small, start(), &mut rng).unwrap();
    assert_eq!(budget.reserve(class, small, start(), &mut rng), None);
    let Free::At(at) = budget.next_free(class, small, start()) else {
        panic!("it tells when")
    };
    assert_eq!(
        at,
        later(800),
        "a thousand tokens a second come in, and 100 are there"
    );
    budget.ended(ticket, Ended::default(), start());
    assert_eq!(
        budget.next_free(class, small, later(20)),
        Free::Now,
        "a failure gives it back"
    );
}

#[test]
fn a_request_larger_than_the_whole_bucket_goes_when_it_is_full() {
    let ceilings = Ceilings {
        itpm: Some(60_000),
        ..Ceilings::default()
    };
    let (mut budget, class) = budget(ceilings);
    let mut rng = Rng::with_seed(1);
    let huge = Demand {
        input: 200_000,
        output: 10,
    };
    let ticket = budget.reserve(class, huge, start(), &mut rng).unwrap();
    let used = Ended {
        used: Some(huge),
        ..Ended::default()
    };
    budget.ended(ticket, used, later(1_000));
    let Free::At(at) = budget.next_free(class, huge, later(1_000)) else {
        panic!("it tells when")
    };
    assert_eq!(at, later(200_000), "what it took is paid off first");
}

#[test]
fn our_own_ceiling_holds_in_every_minute_and_for_all_models_together() {
    let (mut budget, first) = budget(Ceilings {
        rpm: Some(120),
        ..Ceilings::default()
    });
    let second = budget.class_of("claude-haiku-4-5");
    let (mut rng, mut starts, mut now) = (Rng::with_seed(1), Vec::new(), start());
    while starts.len() < 400 {
        let class = if starts.len() % 2 == 0 { first } else { second };
        match budget.next_free(class, Demand::default(), now) {
            Free::Now => {
                let ticket = budget
                    .reserve(class, Demand::default(), now, &mut rng)
                    .unwrap();
                let used = Some(Demand::default());
                budget.ended(
                    ticket,
                    Ended {
                        used,
                        ..Ended::default()
                    },
                    now,
                );
                starts.push(now);
            }
            Free::At(at) => now = at,
            Free::AfterAnAnswer => panic!("nothing is on the wire"),
        }
    }
    for window in starts.windows(122) {
        assert!(
            window[121].duration_since(window[0]).as_secs() >= 60,
            "121 in a minute"
        );
    }
    let took = starts[399].duration_since(start()).as_secs_f64();
    assert!(took < 201.0, "{took} s for 400 at two a second");
}

#[test]
fn what_is_in_flight_is_not_subtracted_twice() {
    let (mut budget, class) = budget(Ceilings::default());
    let mut rng = Rng::with_seed(1);
    let want = Demand {
        input: 10_000,
        output: 100,
    };
    let tickets: Vec<_> = (0..5)
        .map(|_| budget.reserve(class, want, start(), &mut rng).unwrap())
        .collect();
    // The server has counted all five, or, for the first answer, only the first.
    for (ticket, remaining) in tickets
        .into_iter()
        .zip([90_000, 80_000, 70_000, 60_000, 50_000])
    {
        let limits = RateLimits {
            input_tokens: limit(100_000, remaining),
            ..RateLimits::default()
        };
        let ended = Ended {
            used: Some(want),
            limits: Some(&limits),
            admitted: false,
            refused: false,
        };
        budget.ended(ticket, ended, later(6));
    }
    let fits = |input| budget.next_free(class, Demand { input, output: 0 }, later(6)) == Free::Now;
    assert!(fits(47_000) && !fits(51_000));
}

#[test]
fn limits_that_change_in_mid_run_are_taken_over() {
    let (mut budget, class) = budget(Ceilings::default());
    let mut rng = Rng::with_seed(1);
    for (at, told) in [(0, 100), (60_000, 1_000), (120_000, 50)] {
        let ticket = budget
            .reserve(class, Demand::default(), later(at), &mut rng)
            .unwrap();
        let limits = RateLimits {
            requests: limit(told, told - 1),
            ..RateLimits::default()
        };
        let used = Some(Demand::default());
        budget.ended(
            ticket,
            Ended {
                used,
                limits: Some(&limits),
                admitted: false,
                refused: false,
            },
            later(at),
        );
        assert_eq!(budget.known(class).rpm, Some(told));
        assert_eq!(budget.known(class).itpm, None);
    }
}

#[test]
fn a_refusal_with_plenty_left_means_shorter_spans() {
    let (mut budget, class) = budget(Ceilings::default());
    let mut rng = Rng::with_seed(1);
    let limits = RateLimits {
        requests: limit(6_000, 5_900),
        ..RateLimits::default()
    };
    let mut pace = |budget: &mut RateBudget, refused: bool, at| {
        let ticket = budget
            .reserve(class, Demand::default(), at, &mut rng)
            .unwrap();
        let used = (!refused).then_some(Demand::default());
        budget.ended(
            ticket,
            Ended {
                used,
                limits: Some(&limits),
                admitted: false,
                refused,
            },
            at,
        );
        budget.worth(class, Demand::default(), Duration::from_secs(1), at)
    };
    pace(&mut budget, false, start());
    let hasty = pace(&mut budget, false, later(1_000));
    pace(&mut budget, true, later(2_000));
    let even = pace(&mut budget, false, later(3_000));
    assert!((395..=405).contains(&hasty), "{hasty}");
    assert!((98..=102).contains(&even), "{even}");
}
