//! The whole engine against a service with limits: fast, hardly ever refused, and fair.

use std::sync::Arc;
use std::time::Duration;

use claude_run::engine::{Ending, LimitSettings};
use claude_run::model::ErrorClass;
use claude_run::policy::Ceilings;
use claude_run::provider::{Provider, Reply, Request};
use fastrand::Rng;

use crate::metered::{Metered, Seen, Service};
use crate::seeds;
use crate::world::World;

const WORDS: &str = "all work and no play makes a plain and rather long prompt of words ";

fn text(tokens: u64) -> String {
    let bytes = usize::try_from(tokens * 4).unwrap();
    WORDS.chars().cycle().take(bytes).collect()
}

/// A request of a random size, the same for the same line.
fn mixed(line: u64, model: &str) -> String {
    let mut rng = Rng::with_seed(line);
    let (input, output) = (rng.u64(20..1_500), rng.u64(10..300));
    body(line, model, input, output)
}

fn body(line: u64, model: &str, input: u64, output: u64) -> String {
    format!(
        r#"{{"model":"{model}","id":"id-{line}","max_tokens":4096,"output":{output},"messages":[{{"role":"user","content":"{}"}}]}}"#,
        text(input),
    )
}

/// Every request has one of three long beginnings, or none.
fn cached(line: u64, model: &str) -> String {
    let group = line / 100;
    let beginning = format!("{group} {}", text(3_000));
    format!(
        r#"{{"model":"{model}","id":"id-{line}","max_tokens":50,"system":[{{"type":"text","text":"{beginning}","cache_control":{{"type":"ephemeral"}}}}],"messages":[{{"role":"user","content":"question {line}"}}]}}"#,
    )
}

struct Outcome {
    ratio: f64,
    refused_per_100: f64,
}

fn three_thousand(service: &Service) -> Outcome {
    let mut outcome = None;
    World::new(service.seed)
        .at_the_usual_pace()
        .jobs(3_000)
        .concurrency(1_000)
        .bodies(mixed)
        .block_on(async |world| {
            let provider = Arc::new(Metered::new(service.clone()));
            assert_eq!(world.dispatch_to(&provider).await, Ending::Completed);
            let took_s = world.elapsed().as_secs_f64();
            assert_eq!(world.counts().await.succeeded, 3_000);
            let refused = f64::from(u32::try_from(provider.refused()).unwrap());
            outcome = Some(Outcome {
                ratio: took_s / provider.bound_s(),
                refused_per_100: refused / 30.0,
            });
        });
    outcome.unwrap()
}

#[test]
fn three_thousand_jobs_take_little_longer_than_the_limits_dictate() {
    for (burst_s, seed) in [(60.0, 1), (10.0, 2)] {
        let service = Service {
            overloaded: 0.05,
            burst_s,
            seed,
            ..Service::default()
        };
        let seen = three_thousand(&service);
        eprintln!(
            "bucket of {burst_s} s: makespan / T_min {:.3}, 429s per 100 jobs {:.2}",
            seen.ratio, seen.refused_per_100
        );
        assert!(seen.ratio <= 1.10, "{}", seen.ratio);
        assert!(seen.refused_per_100 <= 1.0, "{}", seen.refused_per_100);
    }
}

#[test]
fn with_another_client_on_the_key_it_shares() {
    let service = Service {
        overloaded: 0.05,
        foreign: 1.0 / 3.0,
        burst_s: 10.0,
        seed: 2,
        ..Service::default()
    };
    let seen = three_thousand(&service);
    eprintln!(
        "shared: makespan / T_min {:.3}, 429s per 100 jobs {:.2}",
        seen.ratio, seen.refused_per_100
    );
    assert!(seen.ratio <= 1.25, "{}", seen.ratio);
    assert!(seen.refused_per_100 <= 5.0, "{}", seen.refused_per_100);
}

#[test]
fn alone_it_is_never_over_a_limit_by_the_servers_count_and_never_idle() {
    for seed in seeds() {
        let mut rng = Rng::with_seed(seed);
        let service = Service {
            rpm: rng.u32(600..10_000),
            itpm: rng.u32(100_000..2_000_000),
            otpm: rng.u32(30_000..500_000),
            seed,
            ..Service::default()
        };
        let slots = rng.u32(1..100);
        World::new(seed)
            .jobs(120)
            .concurrency(slots)
            .bodies(mixed)
            .block_on(async |world| {
                let provider = Arc::new(Metered::new(service));
                assert_eq!(world.dispatch_to(&provider).await, Ending::Completed);
                assert_eq!(provider.refused(), 0, "seed {seed}");
                assert_eq!(world.counts().await.succeeded, 120, "seed {seed}");
                // An answer takes 1.25 s on the mean, and two at most.
                let wire_s = 120.0 * 1.25 / f64::from(slots);
                let most_s = 1.1 * wire_s.max(provider.bound_s()) + 6.0;
                let took_s = world.elapsed().as_secs_f64();
                assert!(took_s <= most_s, "seed {seed}: {took_s} s of {most_s}");
            });
    }
}

fn in_any_minute(seen: &[Seen]) -> usize {
    let minute = Duration::from_mins(1);
    let within = |first: &Seen| {
        let end = first.at + minute;
        seen.iter()
            .filter(|seen| seen.at >= first.at && seen.at < end)
            .count()
    };
    seen.iter().map(within).max().unwrap_or(0)
}

#[test]
fn our_own_ceiling_holds_where_no_header_tells_a_limit() {
    let ceilings = Ceilings {
        rpm: Some(100),
        ..Ceilings::default()
    };
    World::new(1)
        .jobs(200)
        .limits(LimitSettings {
            ceilings,
            ..LimitSettings::default()
        })
        .block_on(async |world| {
            let provider = Arc::new(Metered::new(Service {
                tells: false,
                ..Service::default()
            }));
            world.dispatch_to(&provider).await;
            assert!(in_any_minute(&provider.seen()) <= 101);
            let took = world.elapsed().as_secs();
            assert!(
                (118..=124).contains(&took),
                "{took} s for 200 at 100 a minute"
            );
        });
}

#[test]
fn a_refusal_pauses_all_and_no_herd_comes_back() {
    // A service that saves up two seconds: 64 requests at once are more than it takes.
    World::new(2)
        .jobs(1_000)
        .concurrency(500)
        .block_on(async |world| {
            let provider = Arc::new(Metered::new(Service {
                rpm: 600,
                burst_s: 2.0,
                ..Service::default()
            }));
            assert_eq!(world.dispatch_to(&provider).await, Ending::Completed);
            let seen = provider.seen();
            let later = seen.iter().skip(64).filter(|seen| seen.refused).count();
            assert!(later <= 10, "{later} refused after the first round");
            let ratio = world.elapsed().as_secs_f64() / provider.bound_s();
            assert!(ratio <= 1.1, "{ratio}");
        });
}

/// Lines up to 50 are of the first model and large, the rest of the second and small.
fn large_then_small(line: u64, model: &str) -> String {
    let input = if line <= 50 { 9_000 } else { 100 };
    body(line, model, input, 20)
}

#[test]
fn large_jobs_of_one_model_are_not_starved_by_small_ones_of_another_that_shares_its_limits() {
    World::new(3)
        .jobs_of("claude-opus-4-6", 50)
        .jobs_of("claude-opus-4-7", 2_000)
        .bodies(large_then_small)
        .block_on(async |world| {
            let provider = Arc::new(Metered::new(Service {
                itpm: 60_000,
                burst_s: 10.0,
                ..Service::default()
            }));
            world.dispatch_to(&provider).await;
            let seen = provider.seen();
            let half = seen.len() / 2;
            let large = |seen: &&Seen| seen.model == "claude-opus-4-6";
            let early = seen[..half].iter().filter(large).count();
            assert!(early >= 20, "{early} of 50 in the first half");
        });
}

/// Two models, each with limits of its own.
struct ByModel {
    slow: Metered,
    fast: Metered,
}

impl Provider for ByModel {
    async fn send(&self, request: Request) -> Reply {
        let slow = request.body.as_str().contains(SLOW);
        let metered = if slow { &self.slow } else { &self.fast };
        metered.send(request).await
    }
}

const SLOW: &str = "claude-opus-4-7";

#[test]
fn a_model_at_its_limit_holds_back_no_other() {
    for seed in crate::world::seeds(6) {
        let mut rng = Rng::with_seed(seed);
        let (few, many) = (rng.u32(20..60), rng.u32(100..200));
        let (slow_rpm, slots) = (rng.u32(60..120), rng.u32(32..64));
        World::new(seed)
            .jobs_of(SLOW, few.into())
            .jobs_of("claude-haiku-4-5", many.into())
            .concurrency(slots)
            .bodies(mixed)
            .block_on(async |world| {
                let metered = |rpm| {
                    Metered::new(Service {
                        rpm,
                        burst_s: 1.0,
                        seed,
                        ..Service::default()
                    })
                };
                let provider = Arc::new(ByModel {
                    slow: metered(slow_rpm),
                    fast: metered(6_000),
                });
                assert_eq!(world.dispatch_to(&provider).await, Ending::Completed);
                // Half of the slots are its own, whatever the other does. The slow one's limits are
                // found by refusals, which cost it a pause or two.
                let wire_s = 1.25 * f64::from(many) / f64::from(slots / 2);
                let took_s = last_answer_s(world, &provider.fast);
                let most_s = 1.1 * wire_s.max(provider.fast.bound_s()) + 6.0;
                assert!(took_s <= most_s, "seed {seed}: fast {took_s} s of {most_s}");
                let wire_s = 1.25 * f64::from(few) / f64::from(slots / 2);
                let took_s = last_answer_s(world, &provider.slow);
                let most_s = 1.1 * wire_s.max(provider.slow.bound_s()) + 9.0;
                assert!(took_s <= most_s, "seed {seed}: slow {took_s} s of {most_s}");
            });
    }
}

fn last_answer_s(world: &World, metered: &Metered) -> f64 {
    let seen = metered.seen();
    let last = seen.iter().filter_map(|seen| seen.answered_at).max();
    last.unwrap().duration_since(world.began()).as_secs_f64()
}

#[test]
fn the_first_of_a_group_warms_the_cache_and_the_rest_follow_its_answer() {
    for fails in [None, Some("id-1")] {
        World::new(4)
            .jobs(299)
            .concurrency(20)
            .bodies(cached)
            .block_on(async |world| {
                let provider = Arc::new(Metered::new(Service {
                    itpm: 50_000_000,
                    ..Service::default()
                }));
                if let Some(id) = fails {
                    provider.fail_once(id, ErrorClass::ServerError);
                }
                assert_eq!(world.dispatch_to(&provider).await, Ending::Completed);
                let seen = provider.seen();
                for group in 0..3_u64 {
                    let of_group =
                        |seen: &&Seen| seen.id[3..].parse::<u64>().unwrap() / 100 == group;
                    let of_group: Vec<_> = seen.iter().filter(of_group).collect();
                    let warm = of_group
                        .iter()
                        .filter_map(|seen| seen.answered_at)
                        .min()
                        .unwrap();
                    let before = of_group.iter().filter(|seen| seen.at < warm).count();
                    let expected = 1 + usize::from(fails.is_some() && group == 0);
                    assert_eq!(before, expected, "group {group}, {fails:?} fails");
                }
                assert!(world.elapsed().as_secs() < 45, "{:?}", world.elapsed());
            });
    }
}

/// Once a job that did not fit was the first in line, and then jobs before it, parked behind their
/// cache until then, waited for it and kept it from ever being looked at.
#[test]
fn what_was_parked_before_the_first_in_line_does_not_stall_the_run() {
    // Without the rule three of four seeds stall; each takes a second here.
    for seed in crate::world::seeds(4) {
        World::new(seed)
            .jobs(299)
            .concurrency(64)
            .bodies(cached)
            .block_on(async |world| {
                let provider = Arc::new(Metered::new(Service {
                    rpm: 1_500,
                    itpm: 4_000_000,
                    burst_s: 2.0,
                    overloaded: 0.05,
                    seed,
                    ..Service::default()
                }));
                let run = world.dispatch_to(&provider);
                let ended = tokio::time::timeout(Duration::from_mins(30), run).await;
                assert_eq!(ended.ok(), Some(Ending::Completed), "seed {seed}");
            });
    }
}

#[test]
fn outside_its_hours_nothing_is_sent() {
    World::new(5)
        .jobs(100)
        .limits(LimitSettings {
            only_between: Some("02:30-04:00@UTC".parse().unwrap()),
            ..LimitSettings::default()
        })
        .block_on(async |world| {
            assert_eq!(world.dispatch().await, Ending::Completed);
            let starts = world.provider.starts();
            let waited = (starts[0] - world.began()).as_secs();
            assert!((9_000..9_002).contains(&waited), "{waited} s");
        });
}
