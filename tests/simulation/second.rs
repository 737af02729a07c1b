//! A second endpoint that takes the place of the first while that does not work.

use std::ops::Range;
use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{AttemptOutcome, ErrorClass, EventKind};
use proptest::prelude::*;
use tokio::time::Instant;

use crate::world::scripted::Answer;
use crate::world::{Plan, SECOND, World};

const MINUTE: Duration = Duration::from_mins(1);
const AFTER: Duration = Duration::from_mins(5);

/// An outage of the first endpoint, from the second second on.
fn outage(world: &World, length: Duration) -> Range<Instant> {
    let from = world.began() + Duration::from_secs(2);
    let between = from..from + length;
    let answer = Answer::Error(ErrorClass::Unavailable);
    world.provider.outage(between.clone(), answer);
    between
}

fn plan(seed: u64, jobs: u64) -> Plan {
    World::new(seed).jobs(jobs).with_second_endpoint(AFTER)
}

/// Where the requests went, one switch after the other.
fn switches(world: &World) -> Vec<Option<String>> {
    let events = world.events().into_iter();
    events
        .filter_map(|event| match event {
            EventKind::EndpointSwitched { endpoint, .. } => Some(endpoint),
            _ => None,
        })
        .collect()
}

#[test]
fn the_second_endpoint_takes_over_when_the_first_has_failed_for_its_time() {
    plan(40, 800).block_on(async |world| {
        let outage = outage(world, 240 * MINUTE);
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.counts().await.succeeded, 800);
        world.check().await;
        let first_there = world.second.starts()[0];
        assert!(first_there >= outage.start + AFTER);
        assert!(first_there < outage.start + AFTER + MINUTE);
        assert!(world.elapsed() < 10 * MINUTE, "{:?}", world.elapsed());
        assert!(world.second.most_at_once() > 30, "at full rate");
        assert_eq!(switches(world), [Some(SECOND.to_owned())]);
        let there = world.ledger().await;
        let there = there.iter().filter(|row| row.endpoint.is_some());
        let succeeded = there.inspect(|row| {
            assert_eq!(row.endpoint.as_deref(), Some(SECOND));
            assert_eq!(row.outcome, Some(AttemptOutcome::Succeeded));
        });
        assert_eq!(succeeded.count() as u64, world.second.requests());
    });
}

#[test]
fn one_probe_at_a_time_goes_to_the_first_and_its_success_turns_back() {
    plan(41, 3_000).concurrency(4).block_on(async |world| {
        let outage = outage(world, 12 * MINUTE);
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(switches(world), [Some(SECOND.to_owned()), None]);
        let mut at = outage.start + AFTER;
        while at + MINUTE <= outage.end {
            let probes = world.provider.requests_in(&(at..at + MINUTE));
            assert!(probes <= 3, "{probes} probes in a minute");
            at += MINUTE;
        }
        let last_there = *world.second.starts().last().unwrap();
        assert!(last_there < outage.end + 2 * MINUTE);
        assert!(
            world
                .provider
                .requests_in(&(last_there..last_there + MINUTE))
                > 100
        );
        world.check().await;
    });
}

#[test]
fn a_probe_that_fails_costs_its_job_nothing_while_others_go_another_way() {
    // The last job fails its probes and goes to the second endpoint all the same.
    plan(42, 30).max_attempts(2).block_on(async |world| {
        outage(world, 240 * MINUTE);
        world
            .provider
            .mix(&[(1.0, Answer::Error(ErrorClass::Unavailable))]);
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.counts().await.succeeded, 30);
        world.check().await;
    });
}

#[test]
fn when_both_fail_both_are_probed_and_no_job_fails() {
    plan(43, 400).block_on(async |world| {
        let outage = outage(world, 120 * MINUTE);
        let answer = Answer::Error(ErrorClass::Overloaded);
        world.second.outage(outage.clone(), answer);
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.counts().await.succeeded, 400);
        let later = outage.start + 10 * MINUTE..outage.end;
        for endpoint in [&world.provider, &world.second] {
            let probes = endpoint.requests_in(&later);
            assert!(
                (70..=330).contains(&probes),
                "{probes} probes in 110 minutes"
            );
        }
        world.check().await;
    });
}

#[test]
fn a_second_endpoint_that_refuses_us_halts_nothing_and_is_left_out() {
    for class in [ErrorClass::Authentication, ErrorClass::Billing] {
        plan(44, 400).block_on(async |world| {
            let outage = outage(world, 60 * MINUTE);
            world.second.mix(&[(1.0, Answer::Error(class))]);
            assert_eq!(world.dispatch().await, Ending::Completed, "{class}");
            assert_eq!(world.counts().await.succeeded, 400);
            assert!(world.second.requests() <= 64, "{}", world.second.requests());
            assert!(world.began() + world.elapsed() > outage.end);
            let off = world.events().into_iter().filter(|event| {
                matches!(event, EventKind::EndpointOff { error_class, model: None, endpoint, .. }
                    if *error_class == class && endpoint == SECOND)
            });
            assert_eq!(off.count(), 1, "told once");
            world.check().await;
        });
    }
}

#[test]
fn one_job_that_the_second_endpoint_refuses_takes_it_from_nobody_else() {
    for class in [ErrorClass::Permission, ErrorClass::Authentication] {
        plan(49, 800).block_on(async |world| {
            let outage = outage(world, 60 * MINUTE);
            // All go there but those that were done before.
            for line in [300, 500, 700] {
                let id = format!("id-{line}");
                world.second.poison(&id, Answer::Error(class));
            }
            assert_eq!(world.dispatch().await, Ending::Completed, "{class}");
            assert_eq!(world.counts().await.succeeded, 800, "{class}");
            let off = world.told(|event| matches!(event, EventKind::EndpointOff { .. }));
            assert_eq!(off, 0, "it was left out for one job's sake");
            // What the second refused waited for the first, and nobody else did.
            let there = world.second.requests();
            assert!(there > 300, "{there}");
            assert!(world.began() + world.elapsed() > outage.end);
            world.check().await;
        });
    }
}

#[test]
fn a_model_that_the_second_endpoint_does_not_know_goes_on_waiting_for_the_first() {
    let (known, unknown) = ("claude-haiku-5-5", "claude-opus-5-5");
    World::new(45)
        .jobs_of(known, 200)
        .jobs_of(unknown, 200)
        .with_second_endpoint(AFTER)
        .block_on(async |world| {
            let outage = outage(world, 60 * MINUTE);
            let answer = Answer::Error(ErrorClass::ModelNotFound);
            world.second.poison_model(unknown, answer);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 400);
            assert!(world.began() + world.elapsed() > outage.end);
            let ledger = world.ledger().await;
            let there = |model: &str| {
                let rows = ledger.iter().filter(|row| row.model == model);
                rows.filter(|row| row.endpoint.is_some() && row.http_status == Some(200))
                    .count()
            };
            assert!(there(known) > 30 && there(unknown) == 0);
            world.check().await;
        });
}

#[test]
fn an_endpoint_that_never_answers_is_replaced_before_it_is_called_unreachable() {
    plan(46, 400).block_on(async |world| {
        world
            .provider
            .mix(&[(1.0, Answer::Error(ErrorClass::Connect))]);
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.counts().await.succeeded, 400);
    });
    plan(47, 400).block_on(async |world| {
        for endpoint in [&world.provider, &world.second] {
            endpoint.mix(&[(1.0, Answer::Error(ErrorClass::Authentication))]);
        }
        assert!(matches!(world.dispatch().await, Ending::Halted(_)));
        assert_eq!(world.second.requests(), 0, "a halt of the first is a halt");
    });
}

#[test]
fn without_an_outage_the_second_endpoint_is_never_asked() {
    plan(48, 500).block_on(async |world| {
        world.provider.mix(&[
            (0.8, Answer::Message),
            (0.2, Answer::Error(ErrorClass::Overloaded)),
        ]);
        world.dispatch().await;
        assert_eq!(world.second.requests(), 0);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_job_ends_once_whatever_the_two_endpoints_do(
        seed in any::<u64>(),
        first in 0..40_u64,
        second in 0..40_u64,
    ) {
        plan(seed, 120).concurrency(16).block_on(async |world| {
            outage(world, Duration::from_mins(first));
            let from = world.began() + Duration::from_mins(6);
            let down = from..from + Duration::from_mins(second);
            world.second.outage(down, Answer::Error(ErrorClass::Timeout));
            world.provider.mix(&[(0.8, Answer::Message), (0.2, Answer::Error(ErrorClass::RateLimited))]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
        });
    }
}
