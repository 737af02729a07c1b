//! Refusals for a limit that concern one request: its neighbours do not wait for it.

use std::sync::Arc;
use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{ErrorClass, EventKind};

use crate::metered::{Metered, Service};
use crate::world::World;
use crate::world::scripted::Answer;

/// Every fortieth prompt is larger than the limit per minute.
fn a_few_are_huge(line: u64, model: &str) -> String {
    let words = if line.is_multiple_of(40) { 224_000 } else { 40 };
    format!(
        r#"{{"model":"{model}","id":"id-{line}","max_tokens":50,"output":20,"messages":[{{"role":"user","content":"{}"}}]}}"#,
        "a".repeat(words),
    )
}

fn small(line: u64, model: &str) -> String {
    a_few_are_huge(line * 40 + 1, model)
}

#[test]
fn five_prompts_larger_than_the_limit_hold_up_none_of_two_hundred_small_jobs() {
    World::new(1)
        .jobs(200)
        .bodies(a_few_are_huge)
        .block_on(async |world| {
            let provider = Arc::new(Metered::new(Service {
                itpm: 30_000,
                latency_ms: 200..400,
                ..Service::default()
            }));
            assert_eq!(world.dispatch_to(&provider).await, Ending::Completed);
            let counts = world.counts().await;
            assert_eq!((counts.succeeded, counts.failed), (195, 5));
            let seen = provider.seen();
            let last = seen.iter().filter_map(|seen| seen.answered_at).max();
            let took = (last.unwrap() - world.began()).as_secs_f64();
            assert!(took < 4.0, "the small jobs took {took} s");
            assert_eq!(provider.refused(), 15, "three tries each");
            let over = |kind: &EventKind| matches!(kind, EventKind::RequestOverLimit { .. });
            assert_eq!(world.told(over), 5);
            let ledger = world.ledger().await;
            let mut last_words = ledger.iter().filter(|row| row.attempt.n == 3);
            let message = last_words.next().unwrap().message.as_deref().unwrap();
            assert!(
                message.contains("tokens; your limit is 30,000 a minute")
                    && message.contains("`--lane batch` takes it"),
                "{message}"
            );
        });
}

#[test]
fn a_tenth_of_the_jobs_refused_once_without_a_word_does_not_slow_the_rest() {
    for seed in 0..10 {
        World::new(seed)
            .jobs(300)
            .bodies(small)
            .block_on(async |world| {
                let provider = Arc::new(Metered::new(Service {
                    tells: false,
                    sprinkled: 0.1,
                    latency_ms: 200..400,
                    seed,
                    ..Service::default()
                }));
                assert_eq!(world.dispatch_to(&provider).await, Ending::Completed);
                assert_eq!(world.counts().await.succeeded, 300, "seed {seed}");
                assert!(provider.refused() >= 15, "seed {seed}");
                let took = world.elapsed().as_secs_f64();
                assert!(took < 6.0, "seed {seed}: {took} s");
            });
    }
}

const DAY: Duration = Duration::from_hours(24);

/// The long waits that were told: whether they were everybody's.
fn long_waits(world: &World) -> Vec<bool> {
    let events = world.events();
    let told = events.iter().filter_map(|kind| match kind {
        EventKind::LongWait { custom_id, .. } => Some(custom_id.is_none()),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_limit_that_asks_for_a_day_is_believed_for_an_hour_and_then_one_request_goes_first() {
    World::new(3)
        .jobs(400)
        .concurrency(8)
        .block_on(async |world| {
            let hour = Duration::from_hours(1);
            let began = world.began();
            // Some have succeeded before: what never lets anything pass is given up sooner.
            let refused = began + Duration::from_secs(5)..began + hour + hour / 2;
            world
                .provider
                .outage(refused, Answer::Hint(ErrorClass::RateLimited, DAY));
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 400);
            let minute = Duration::from_mins(1);
            let probes = world
                .provider
                .requests_in(&(began + minute..began + 2 * hour - minute));
            assert_eq!(probes, 1, "one after the first hour");
            assert!(world.elapsed() >= 2 * hour && world.elapsed() < 2 * hour + 5 * minute);
            let everybodys = long_waits(world).into_iter().filter(|all| *all);
            assert_eq!(everybodys.count(), 2, "one for each hour");
        });
}

#[test]
fn one_job_that_is_told_to_wait_for_a_day_waits_for_an_hour_alone() {
    for class in [
        ErrorClass::RateLimited,
        ErrorClass::Overloaded,
        ErrorClass::Unavailable,
    ] {
        World::new(4).jobs(100).block_on(async |world| {
            let mut answers = vec![Answer::Message; 30];
            answers.push(Answer::Hint(class, DAY));
            world.provider.script(answers);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 100);
            let minute = Duration::from_mins(1);
            let (began, took) = (world.began(), world.elapsed());
            let at_once = world.provider.requests_in(&(began..began + minute));
            assert_eq!(at_once, 100, "{class}: nobody else waits");
            assert!(took < 61 * minute && took >= 60 * minute, "{took:?}");
            assert_eq!(long_waits(world), [false], "{class}");
        });
    }
}
