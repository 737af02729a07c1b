//! Answers that no job can get past: believed when others get them too, and never for one job alone.

use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{ErrorClass, JobState};

use crate::world::scripted::Answer;
use crate::world::{World, seeds};

const STOPPERS: [ErrorClass; 4] = [
    ErrorClass::Permission,
    ErrorClass::WrongEndpoint,
    ErrorClass::Authentication,
    ErrorClass::Billing,
];

/// The class of every job that failed, by its id.
async fn failed(world: &World) -> Vec<(String, Option<ErrorClass>)> {
    let jobs = world.results().await.into_iter();
    jobs.filter(|job| job.state == JobState::Failed)
        .map(|job| (job.custom_id, job.error_class))
        .collect()
}

#[test]
fn one_job_that_is_refused_for_ever_fails_alone_and_all_others_are_done() {
    for seed in seeds(12) {
        let class = STOPPERS[usize::try_from(seed % 4).unwrap()];
        let concurrency = [1, 5, 64][usize::try_from(seed % 3).unwrap()];
        let plan = World::new(seed).jobs(300).concurrency(concurrency);
        plan.latency(200).block_on(async |world| {
            let bad = format!("id-{}", world.random(200));
            world.provider.poison(&bad, Answer::Error(class));
            assert_eq!(world.dispatch().await, Ending::Completed, "seed {seed}");
            assert_eq!(world.counts().await.succeeded, 299, "seed {seed}");
            assert_eq!(failed(world).await, [(bad.clone(), Some(class))]);
            assert!(world.provider.requests_of(&bad) <= 3, "seed {seed}");
            assert!(
                world.elapsed() < Duration::from_mins(2),
                "{:?}",
                world.elapsed()
            );
            world.check().await;
        });
    }
}

#[test]
fn the_first_and_the_last_job_fail_alone_too() {
    for bad in ["id-1", "id-300"] {
        for concurrency in [1, 64] {
            let plan = World::new(1).jobs(300).concurrency(concurrency);
            plan.latency(50).block_on(async |world| {
                world
                    .provider
                    .poison(bad, Answer::Error(ErrorClass::Permission));
                assert_eq!(world.dispatch().await, Ending::Completed, "{bad}");
                assert_eq!(world.counts().await.succeeded, 299, "{bad}");
            });
        }
    }
}

#[test]
fn lines_that_offend_alike_and_stand_next_to_each_other_fail_alone() {
    for seed in seeds(8) {
        World::new(seed).jobs(300).block_on(async |world| {
            let first = world.random(250);
            for line in first..first + 4 {
                let answer = Answer::Error(ErrorClass::Permission);
                world.provider.poison(&format!("id-{line}"), answer);
            }
            assert_eq!(world.dispatch().await, Ending::Completed, "seed {seed}");
            let counts = world.counts().await;
            assert_eq!((counts.succeeded, counts.failed), (296, 4), "seed {seed}");
        });
    }
}

#[test]
fn one_passing_refusal_after_many_successes_ends_no_night() {
    let hold = ErrorClass::ModelNotFound;
    for class in STOPPERS.into_iter().chain([hold, ErrorClass::SpendLimit]) {
        for concurrency in [1, 32] {
            World::new(3)
                .jobs(300)
                .concurrency(concurrency)
                .latency(100)
                .block_on(async |world| {
                    let mut script = vec![Answer::Message; 149];
                    script.push(Answer::Error(class));
                    world.provider.script(script);
                    assert_eq!(world.dispatch().await, Ending::Completed, "{class}");
                    assert_eq!(world.counts().await.succeeded, 300, "{class}");
                    assert_eq!(world.provider.requests(), 301, "{class}");
                });
        }
    }
}

#[test]
fn a_key_that_goes_bad_halts_the_run_and_fails_nothing_with_few_requests_more() {
    for seed in seeds(12) {
        let class = STOPPERS[usize::try_from(seed % 4).unwrap()];
        World::new(seed)
            .jobs(300)
            .concurrency(16)
            .block_on(async |world| {
                world.provider.mix(&[(1.0, Answer::Error(class))]);
                world.provider.script(vec![Answer::Message; 149]);
                let Ending::Halted(halt) = world.dispatch().await else {
                    panic!("seed {seed}: it did not halt")
                };
                assert_eq!(halt.class, class);
                let counts = world.counts().await;
                assert_eq!((counts.succeeded, counts.failed), (149, 0), "seed {seed}");
                let refused = world.provider.requests() - 149;
                assert!(refused <= 16 + 4, "seed {seed}: {refused}");
                assert!(world.elapsed() < Duration::from_mins(2));

                world.provider.mix(&[(1.0, Answer::Message)]);
                assert_eq!(world.dispatch().await, Ending::Completed, "seed {seed}");
                assert_eq!(world.counts().await.succeeded, 300);
                world.check().await;
            });
    }
}

#[test]
fn each_resume_after_a_halt_goes_first_with_another_job() {
    World::new(5)
        .jobs(12)
        .concurrency(2)
        .block_on(async |world| {
            world
                .provider
                .mix(&[(1.0, Answer::Error(ErrorClass::Permission))]);
            for _ in 0..11 {
                assert!(matches!(world.dispatch().await, Ending::Halted(_)));
            }
            let tried = (1..=12).map(|n| world.provider.requests_of(&format!("id-{n}")));
            assert_eq!(tried.collect::<Vec<_>>(), [1; 12]);
            world.dispatch().await;
            let tried = (1..=12).map(|n| world.provider.requests_of(&format!("id-{n}")));
            assert_eq!(tried.max(), Some(2));
            assert_eq!(world.counts().await.failed, 0);
        });
}

/// The halt before was everybody's; what is left of it is one job's.
#[test]
fn a_job_that_is_refused_for_ever_does_not_halt_every_resume() {
    World::new(6)
        .jobs(40)
        .concurrency(4)
        .block_on(async |world| {
            let refusal = Answer::Error(ErrorClass::Permission);
            world.provider.poison("id-1", refusal);
            world.provider.mix(&[(1.0, refusal)]);
            assert!(matches!(world.dispatch().await, Ending::Halted(_)));
            world.provider.mix(&[(1.0, Answer::Message)]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            let counts = world.counts().await;
            assert_eq!((counts.succeeded, counts.failed), (39, 1));
        });
}

#[test]
fn a_refusal_of_one_model_holds_its_own_jobs_alone() {
    World::new(7)
        .jobs_of("claude-opus-5-5", 50)
        .jobs_of("claude-haiku-5-5", 50)
        .concurrency(4)
        .block_on(async |world| {
            world
                .provider
                .poison_model("claude-opus-5-5", Answer::Error(ErrorClass::Permission));
            let Ending::Halted(halt) = world.dispatch().await else {
                panic!("it did not halt")
            };
            assert_eq!(halt.class, ErrorClass::Permission);
            let counts = world.counts().await;
            assert_eq!((counts.succeeded, counts.failed), (50, 0));
        });
}

#[test]
fn long_answers_are_not_waited_for_one_by_one_while_one_is_doubted() {
    World::new(8)
        .jobs(200)
        .concurrency(32)
        .latency(120_000)
        .block_on(async |world| {
            world
                .provider
                .poison("id-40", Answer::Error(ErrorClass::WrongEndpoint));
            assert_eq!(world.dispatch().await, Ending::Completed);
            let without_doubt = Duration::from_mins(200 / 32 * 2);
            let took = world.elapsed();
            assert!(took < without_doubt + Duration::from_mins(6), "{took:?}");
        });
}

/// A gateway that is restarted refuses for a second whatever is in flight.
#[test]
fn a_moment_of_refusals_is_waited_out() {
    for seed in seeds(8) {
        World::new(seed)
            .jobs(600)
            .latency(300)
            .block_on(async |world| {
                let from = world.began() + Duration::from_millis(900);
                let moment = from..from + Duration::from_millis(1_500);
                world
                    .provider
                    .outage(moment, Answer::Error(ErrorClass::Authentication));
                assert_eq!(world.dispatch().await, Ending::Completed, "seed {seed}");
                assert_eq!(world.counts().await.succeeded, 600, "seed {seed}");
            });
    }
}
