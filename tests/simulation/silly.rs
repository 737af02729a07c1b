//! Headers that say what is not so: none brings a run to a crawl.

use std::sync::Arc;
use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{Limit, RateLimits};
use jiff::{SignedDuration, Timestamp};

use crate::metered::{Metered, Service};
use crate::world::World;

/// What headers say of the answer of that number at that time.
type Says = fn(u64, Timestamp) -> RateLimits;

/// What such headers say, and how long 300 jobs of a second may take beside them.
struct Silly {
    name: &'static str,
    says: Says,
    most_s: u64,
}

fn requests(limit: u64, remaining: u64, full_at: Option<Timestamp>) -> RateLimits {
    let limit = Limit {
        limit,
        remaining,
        full_at,
    };
    RateLimits {
        requests: Some(limit),
        ..RateLimits::default()
    }
}

fn tokens(limit: u64, remaining: u64) -> RateLimits {
    let limit = Limit {
        limit,
        remaining,
        full_at: None,
    };
    RateLimits {
        input_tokens: Some(limit),
        output_tokens: Some(limit),
        ..RateLimits::default()
    }
}

/// A number that changes from answer to answer for no reason.
fn any(number: u64, below: u64) -> u64 {
    fastrand::Rng::with_seed(number).u64(..below)
}

fn in_s(now: Timestamp, seconds: i64) -> Timestamp {
    now + SignedDuration::from_secs(seconds)
}

/// A thousand a minute are 18 s for 300 jobs, of which 64 leave at once; others are faster.
const AT_THE_TOLD_RATE_S: u64 = 26;

const SILLY: &[Silly] = &[
    Silly {
        name: "nothing is ever left",
        says: |_, _| requests(1_000, 0, None),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "nothing is ever left, and it is full in a minute",
        says: |_, now| requests(1_000, 0, Some(in_s(now, 60))),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "nothing is left, and yet it is full now",
        says: |_, now| requests(1_000, 0, Some(in_s(now, 0))),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "nothing is left, and it was full long ago",
        says: |_, now| requests(1_000, 0, Some(in_s(now, -1_000_000))),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "nothing is left, and it is full in a hundred years",
        says: |_, now| requests(1_000, 0, Some(in_s(now, 3_155_760_000))),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "always 8 are left",
        says: |_, _| requests(1_000, 8, None),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "always 40 are left",
        says: |_, _| requests(1_000, 40, None),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "always half is left",
        says: |_, _| requests(1_000, 500, None),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "any small number is left",
        says: |number, _| requests(1_000, any(number, 20), None),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "any number is left",
        says: |number, _| requests(1_000, any(number, 1_000), None),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "more is left than there can be",
        says: |_, _| requests(1_000, 5_000, None),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "the limits of two models in turn, and nothing is left",
        says: |number, _| requests(if number % 2 == 0 { 1_000 } else { 4_000 }, 0, None),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "the limits of two models in turn, one of them used up",
        says: |number, _| match number % 2 {
            0 => requests(1_000, 0, None),
            _ => requests(4_000, 3_999, None),
        },
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "no tokens are ever left",
        says: |_, _| tokens(100_000, 0),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "always a few tokens are left",
        says: |_, _| tokens(100_000, 1_000),
        most_s: AT_THE_TOLD_RATE_S,
    },
    Silly {
        name: "a limit beyond all numbers, of which nothing is left",
        says: |_, _| requests(u64::MAX, 0, None),
        most_s: AT_THE_TOLD_RATE_S,
    },
];

/// The seconds that 300 jobs of a second take, and the refusals.
fn three_hundred(service: Service, slots: u32) -> (u64, usize) {
    let mut seen = None;
    World::new(service.seed)
        .at_the_usual_pace()
        .jobs(300)
        .concurrency(slots)
        .block_on(async |world| {
            let metered = Arc::new(Metered::new(service));
            let run = world.dispatch_to(&metered);
            let ended = tokio::time::timeout(Duration::from_hours(10), run).await;
            assert_eq!(ended.ok(), Some(Ending::Completed));
            assert_eq!(world.counts().await.succeeded, 300);
            seen = Some((world.elapsed().as_secs(), metered.refused()));
        });
    seen.unwrap()
}

fn never_refuses() -> Service {
    Service {
        rpm: 600_000,
        itpm: 600_000_000,
        otpm: 600_000_000,
        latency_ms: 900..1_100,
        ..Service::default()
    }
}

#[test]
fn headers_that_deny_what_is_given_bring_no_run_to_a_crawl() {
    let mut over = Vec::new();
    for silly in SILLY {
        for slots in [64, 256] {
            let service = Service {
                says: Some(silly.says),
                ..never_refuses()
            };
            let (took_s, _) = three_hundred(service, slots);
            eprintln!("{}, {slots} slots: {took_s} s", silly.name);
            if took_s > silly.most_s {
                over.push((silly.name, slots, took_s));
            }
        }
    }
    assert!(over.is_empty(), "slower than they say themselves: {over:?}");
}

/// With few requests open the run takes less than the told rate, and headers that say too little must
/// not make it slower still.
#[test]
fn headers_that_deny_what_is_given_slow_down_no_run_that_asks_for_little() {
    for (name, remaining) in [("nothing", 0), ("a few", 40)] {
        let says: Says = match remaining {
            0 => |_, _| requests(1_000, 0, None),
            _ => |_, _| requests(1_000, 40, None),
        };
        let service = Service {
            says: Some(says),
            ..never_refuses()
        };
        let (took_s, _) = three_hundred(service, 4);
        eprintln!("{name} is left, 4 slots: {took_s} s");
        assert!(
            took_s <= 110,
            "{name}: {took_s} s for 75 rounds of a second"
        );
    }
}

/// Headers that say that nothing is left, of a limit that is real: it is kept to, by refusals if need
/// be.
#[test]
fn a_limit_that_is_real_holds_although_its_headers_are_silly() {
    let rows: [(&str, Says); 2] = [
        ("the limit is told", |_, _| requests(600, 0, None)),
        ("ten times the limit is told", |_, _| {
            requests(6_000, 0, None)
        }),
    ];
    for (name, says) in rows {
        let service = Service {
            rpm: 600,
            burst_s: 6.0,
            says: Some(says),
            ..never_refuses()
        };
        let (took_s, refused) = three_hundred(service, 64);
        eprintln!("{name}: {took_s} s, {refused} refused");
        assert!(took_s <= 45, "{name}: {took_s} s of 24");
        assert!(refused <= 30, "{name}: {refused} of 300 refused");
    }
}

/// A bucket that others really empty, and true headers: their word is kept, and few requests are refused.
#[test]
fn a_bucket_that_others_empty_is_left_to_them() {
    for foreign in [0.5, 0.8] {
        for burst_s in [1.0, 10.0, 60.0] {
            let service = Service {
                rpm: 600,
                foreign,
                burst_s,
                latency_ms: 900..1_100,
                seed: 3,
                ..Service::default()
            };
            let (took_s, refused) = three_hundred(service, 64);
            eprintln!("others take {foreign} of {burst_s} s: {took_s} s, {refused} refused");
            assert!(
                refused <= 80,
                "{foreign}, {burst_s} s: {refused} of 300 refused"
            );
        }
    }
}
