//! The whole engine on virtual time: every run is a seed, and a seed always gives the same run.
//!
//! `world/` has the world: the real engine, policies and store, with scripted endpoints and tokio's
//! paused clock. Here are its stories: the live lane in this file, one part of it in each module,
//! both lanes in `batches`, and everything at once in `whole`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]
#![allow(
    unreachable_pub,
    reason = "the modules of a test are public to it alone"
)]

#[path = "simulation/amended.rs"]
mod amended;
#[path = "simulation/batches/mod.rs"]
mod batches;
#[path = "simulation/broken_store.rs"]
mod broken_store;
#[path = "simulation/budget.rs"]
mod budget;
#[path = "simulation/fruitless.rs"]
mod fruitless;
#[path = "simulation/greedy.rs"]
mod greedy;
#[path = "simulation/halts.rs"]
mod halts;
#[path = "simulation/interrupted.rs"]
mod interrupted;
#[path = "simulation/limits.rs"]
mod limits;
#[path = "simulation/long_outages.rs"]
mod long_outages;
#[path = "simulation/metered.rs"]
mod metered;
#[path = "simulation/outages.rs"]
mod outages;
#[path = "simulation/refusals.rs"]
mod refusals;
#[path = "simulation/rival.rs"]
mod rival;
#[path = "simulation/second.rs"]
mod second;
#[path = "simulation/silly.rs"]
mod silly;
#[path = "simulation/tail.rs"]
mod tail;
#[path = "simulation/whole.rs"]
mod whole;
#[path = "world/mod.rs"]
mod world;

use std::time::Duration;

use claude_run::engine::{Ending, Stop};
use claude_run::model::{AttemptOutcome, ErrorClass, JobState, Pico};
use jiff::SignedDuration;
use proptest::prelude::*;

use world::World;
use world::scripted::Answer;

/// Seeds that a plain test run tries; `SEEDS=20000 cargo test --test simulation` hunts longer.
fn seeds() -> std::ops::Range<u64> {
    world::seeds(20)
}

#[test]
fn every_job_ends_once_under_any_mix_of_faults() {
    for seed in seeds() {
        World::new(seed).jobs(40).block_on(async |world| {
            world.provider.mix(&[
                (0.5, Answer::Message),
                (0.15, Answer::Error(ErrorClass::Overloaded)),
                (0.15, Answer::Error(ErrorClass::RateLimited)),
                (0.1, Answer::Error(ErrorClass::ServerError)),
                (0.1, Answer::Error(ErrorClass::ConnectionCut)),
            ]);
            assert_eq!(world.dispatch().await, Ending::Completed, "seed {seed}");
            world.check().await;
        });
    }
}

#[test]
fn a_crash_between_any_two_moments_loses_nothing() {
    for seed in seeds() {
        World::new(seed)
            .jobs(30)
            .concurrency(8)
            .block_on(async |world| {
                world.provider.mix(&[
                    (0.8, Answer::Message),
                    (0.2, Answer::Error(ErrorClass::Unavailable)),
                ]);
                let mut crashes = 0;
                while world
                    .dispatch_until(world.random_instant(20_000))
                    .await
                    .is_none()
                {
                    crashes += 1;
                    assert!(crashes < 1_000, "seed {seed}: the run makes no progress");
                }
                world.check().await;
            });
    }
}

#[test]
fn no_more_than_the_concurrency_is_on_the_wire_and_twice_that_is_open() {
    for seed in world::seeds(6) {
        World::new(seed)
            .jobs(300)
            .concurrency(7)
            .block_on(async |world| {
                world.dispatch().await;
                assert!(world.provider.most_at_once() <= 7, "seed {seed}");
                assert!(world.most_open_attempts() <= 14, "seed {seed}");
            });
    }
}

#[test]
fn starts_keep_the_stagger() {
    World::new(1)
        .jobs(50)
        .stagger(Duration::from_millis(100))
        .block_on(async |world| {
            world.dispatch().await;
            let starts = world.provider.starts();
            let gaps: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(gaps.iter().all(|gap| gap.as_millis() >= 100), "{gaps:?}");
            assert!(
                gaps.iter().any(|gap| gap.as_millis() > 100),
                "there is some jitter"
            );
        });
}

#[test]
fn retries_wait_as_long_as_the_server_asks_and_longer_when_it_keeps_failing() {
    World::new(3).jobs(1).block_on(async |world| {
        let hint = Duration::from_secs(7);
        world.provider.script(vec![
            Answer::Hint(ErrorClass::RateLimited, hint),
            Answer::Hint(ErrorClass::RateLimited, hint),
            Answer::Message,
        ]);
        world.dispatch().await;
        let starts = world.provider.starts();
        for pair in starts.windows(2) {
            let gap = pair[1] - pair[0];
            assert!(
                gap >= hint && gap < hint.mul_f64(1.1) + Duration::from_secs(2),
                "{gap:?}"
            );
        }
    });
}

#[test]
fn a_job_that_keeps_failing_fails_after_its_attempts_and_no_other_with_it() {
    World::new(4).jobs(20).block_on(async |world| {
        world
            .provider
            .poison("id-17", Answer::Error(ErrorClass::ServerError));
        assert_eq!(world.dispatch().await, Ending::Completed);
        let jobs = world.results().await;
        let failed: Vec<_> = jobs
            .iter()
            .filter(|job| job.state == JobState::Failed)
            .collect();
        assert_eq!(failed.len(), 1);
        assert_eq!(
            (failed[0].custom_id.as_str(), failed[0].attempts),
            ("id-17", 8)
        );
        assert_eq!(failed[0].error_class, Some(ErrorClass::ServerError));
    });
}

#[test]
fn a_refused_key_halts_the_run_and_fails_nothing() {
    World::new(5)
        .jobs(500)
        .concurrency(16)
        .block_on(async |world| {
            world
                .provider
                .mix(&[(1.0, Answer::Error(ErrorClass::Authentication))]);
            let Ending::Halted(halt) = world.dispatch().await else {
                panic!("it did not halt")
            };
            assert_eq!(halt.class, ErrorClass::Authentication);
            assert!(
                world.provider.requests() <= 16,
                "no request starts after the first such answer"
            );
            assert_eq!(world.counts().await.pending, 500);

            world.provider.mix(&[(1.0, Answer::Message)]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 500);
            world.check().await;
        });
}

#[test]
fn after_a_halt_one_request_goes_first() {
    World::new(6)
        .jobs(100)
        .concurrency(16)
        .block_on(async |world| {
            world
                .provider
                .mix(&[(1.0, Answer::Error(ErrorClass::Billing))]);
            world.dispatch().await;
            let before = world.provider.requests();
            world.dispatch().await;
            assert_eq!(world.provider.requests() - before, 1);
        });
}

#[test]
fn an_endpoint_that_never_answers_halts_the_run_after_a_minute() {
    World::new(7).jobs(100).block_on(async |world| {
        world
            .provider
            .mix(&[(1.0, Answer::Error(ErrorClass::Connect))]);
        let Ending::Halted(halt) = world.dispatch().await else {
            panic!("it did not halt")
        };
        assert_eq!(halt.class, ErrorClass::Unreachable);
        let took = world.elapsed();
        assert!((60..75).contains(&took.as_secs()), "{took:?}");
        let counts = world.counts().await;
        assert_eq!((counts.pending, counts.failed), (100, 0));
    });
}

#[test]
fn a_network_that_never_worked_fails_no_job_even_without_retries() {
    World::new(8)
        .jobs(10)
        .max_attempts(1)
        .block_on(async |world| {
            world.provider.mix(&[(1.0, Answer::Error(ErrorClass::Dns))]);
            assert!(matches!(world.dispatch().await, Ending::Halted(_)));
            assert_eq!(world.counts().await.failed, 0);
        });
}

#[test]
fn without_retries_every_failure_is_final() {
    World::new(9)
        .jobs(10)
        .max_attempts(1)
        .block_on(async |world| {
            world
                .provider
                .mix(&[(1.0, Answer::Error(ErrorClass::RateLimited))]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.failed, 10);
            assert_eq!(world.provider.requests(), 10);
        });
}

#[test]
fn an_unknown_model_holds_its_own_jobs_alone() {
    World::new(10)
        .jobs_of("claude-hiku-5-5", 50)
        .jobs_of("claude-haiku-5-5", 50)
        .concurrency(4)
        .block_on(async |world| {
            world
                .provider
                .poison_model("claude-hiku-5-5", Answer::Error(ErrorClass::ModelNotFound));
            let Ending::Halted(halt) = world.dispatch().await else {
                panic!("it did not halt")
            };
            assert_eq!(halt.class, ErrorClass::ModelNotFound);
            assert!(
                halt.message.contains("; did you mean claude-haiku-5-5"),
                "{}",
                halt.message
            );
            let counts = world.counts().await;
            assert_eq!(
                (counts.succeeded, counts.pending, counts.failed),
                (50, 50, 0)
            );
            assert!(
                world.provider.requests() <= 50 + 8,
                "{}",
                world.provider.requests()
            );
        });
}

#[test]
fn models_take_turns() {
    World::new(11)
        .jobs_of("claude-opus-5-5", 1_000)
        .jobs_of("claude-haiku-5-5", 10)
        .concurrency(4)
        .block_on(async |world| {
            world.dispatch().await;
            let last_small = world
                .provider
                .models()
                .iter()
                .rposition(|model| model == "claude-haiku-5-5");
            assert!(
                last_small.unwrap() < 60,
                "a small model waits for a large one: {last_small:?}"
            );
        });
}

#[test]
fn a_stop_records_what_is_in_flight_and_starts_nothing_new() {
    World::new(12)
        .jobs(200)
        .concurrency(10)
        .latency(5_000)
        .block_on(async |world| {
            let ending = world
                .dispatch_and_stop_at(Duration::from_secs(7), Stop::Drain)
                .await;
            assert_eq!(ending, Ending::Interrupted);
            let counts = world.counts().await;
            assert_eq!(
                (counts.in_flight, counts.succeeded),
                (0, world.provider.requests())
            );
            assert!(
                world
                    .ledger()
                    .await
                    .iter()
                    .all(|row| row.outcome == Some(AttemptOutcome::Succeeded))
            );
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
        });
}

#[test]
fn what_outlasts_the_grace_is_recorded_as_interrupted() {
    World::new(13).jobs(5).latency(3_600_000).block_on(async |world| {
        world.dispatch_and_stop_at(Duration::from_secs(1), Stop::Drain).await;
        assert_eq!(world.elapsed().as_secs(), 31, "one second of work and thirty of grace");
        let ledger = world.ledger().await;
        assert_eq!(ledger.len(), 5);
        assert!(ledger.iter().all(|row| row.outcome == Some(AttemptOutcome::Interrupted) && row.maybe_billed));
        assert_eq!(world.counts().await.pending, 5);
    });
}

#[test]
fn a_job_that_is_interrupted_twenty_times_in_a_row_fails() {
    World::new(14)
        .jobs(1)
        .latency(60_000)
        .block_on(async |world| {
            for _ in 0..20 {
                assert_eq!(world.dispatch_until(Duration::from_secs(1)).await, None);
            }
            assert_eq!(world.dispatch().await, Ending::Completed);
            let jobs = world.results().await;
            assert_eq!(jobs[0].error_class, Some(ErrorClass::Interrupted));
            assert_eq!(world.provider.requests(), 20);
        });
}

#[test]
fn a_cancel_by_another_process_ends_the_run_within_a_second() {
    World::new(15)
        .jobs(10_000)
        .concurrency(4)
        .latency(500)
        .block_on(async |world| {
            let ending = world.dispatch_and_cancel_at(Duration::from_secs(10)).await;
            assert_eq!(ending, Ending::Completed);
            assert!(
                world.elapsed() < Duration::from_secs(13),
                "{:?}",
                world.elapsed()
            );
            let counts = world.counts().await;
            assert_eq!(counts.succeeded + counts.canceled, 10_000);
            assert!(counts.canceled > 9_000);
        });
}

/// Who cancelled it died behind the first page: the dispatcher goes on with the rest.
#[test]
fn a_cancel_that_was_broken_off_is_carried_through() {
    let plan = World::new(15).jobs(5_000).concurrency(4).latency(500);
    plan.block_on(async |world| {
        let first_page = async |world: &World| assert!(world.cancel_a_page().await);
        let ending = world.dispatch_and(Duration::from_secs(2), first_page).await;
        assert_eq!(ending, Ending::Completed);
        let counts = world.counts().await;
        assert_eq!(counts.succeeded + counts.canceled, 5_000);
    });
}

#[test]
fn a_job_put_back_by_another_process_is_taken_up() {
    World::new(16)
        .jobs(20)
        .latency(2_000)
        .concurrency(1)
        .block_on(async |world| {
            world
                .provider
                .poison("id-1", Answer::Error(ErrorClass::InvalidRequest));
            let ending = world.dispatch_and_retry_at(Duration::from_secs(6)).await;
            assert_eq!(ending, Ending::Completed);
            assert_eq!(world.counts().await.failed, 1);
            assert_eq!(world.results().await[0].attempts, 2);
        });
}

/// An hour and a day, both ways, between one process and the next.
#[test]
fn a_clock_that_was_set_delays_no_retry_beyond_what_was_planned() {
    for seed in world::seeds(2) {
        for hours in [-24, -1, 1, 24] {
            World::new(seed).jobs(30).block_on(async |world| {
                world.provider.mix(&[
                    (0.5, Answer::Message),
                    (0.5, Answer::Error(ErrorClass::Overloaded)),
                ]);
                let life = world.random_instant(20_000);
                if world.dispatch_until(life).await.is_none() {
                    world.set_wall(SignedDuration::from_hours(hours));
                    assert_eq!(world.dispatch().await, Ending::Completed);
                }
                world.check().await;
                let elapsed = world.elapsed();
                assert!(
                    elapsed < Duration::from_mins(50),
                    "seed {seed}, {hours} h: {elapsed:?}"
                );
            });
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut ledger = Vec::new();
        World::new(seed).jobs(60).block_on(async |world| {
            world.provider.mix(&[
                (0.6, Answer::Message),
                (0.4, Answer::Error(ErrorClass::BadGateway)),
            ]);
            world.dispatch().await;
            ledger = world
                .ledger()
                .await
                .into_iter()
                .map(|row| (row.custom_id, row.started_at, row.ended_at))
                .collect();
        });
        ledger
    };
    assert_eq!(run(42), run(42));
    assert_ne!(run(42), run(43));
}

#[test]
fn a_broken_store_stops_the_run_and_a_resume_goes_on() {
    World::new(17)
        .jobs(200)
        .concurrency(8)
        .block_on(async |world| {
            world.break_store_after(40);
            assert!(world.try_dispatch().await.is_err());
            world.repair_store();
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            let requests = world.provider.requests();
            assert_eq!(
                requests, 200,
                "what the store did not take came from the spool"
            );
        });
}

#[test]
fn after_429s_with_a_hint_to_all_that_is_open_the_whole_model_waits() {
    World::new(24)
        .jobs(400)
        .concurrency(16)
        .block_on(async |world| {
            let hint = Duration::from_secs(30);
            world
                .provider
                .script(vec![Answer::Hint(ErrorClass::RateLimited, hint); 16]);
            world.dispatch().await;
            let starts = world.provider.starts();
            let gaps = starts.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(
                gaps.max().unwrap() >= Duration::from_secs(28),
                "nobody waited"
            );
            assert_eq!(world.counts().await.succeeded, 400);
        });
}

#[test]
fn a_halted_run_that_waits_goes_on_by_itself() {
    World::new(25)
        .jobs(50)
        .wait_on_halt()
        .block_on(async |world| {
            let began = world.began();
            let broke = began..began + Duration::from_mins(12);
            world
                .provider
                .outage(broke.clone(), Answer::Error(ErrorClass::Billing));
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 50);
            assert!(world.elapsed() >= Duration::from_mins(15));
            let first_round = began..began + Duration::from_mins(1);
            assert_eq!(
                world.provider.requests_in(&broke),
                world.provider.requests_in(&first_round) + 2,
                "one request every five minutes"
            );
        });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_sum_of_the_ledger_is_the_providers_bill(seed in any::<u64>(), faults in 0.0..0.9_f64) {
        World::new(seed).jobs(25).max_attempts(4).block_on(async |world| {
            world.provider.mix(&[(1.0 - faults, Answer::Message), (faults, Answer::Error(ErrorClass::GatewayTimeout))]);
            world.dispatch().await;
            let billed: Pico = world.ledger().await.iter().map(|row| row.cost.total).sum();
            assert_eq!(billed, world.provider.bill());
            assert_eq!(world.run().await.cost, billed);
        });
    }
}
