//! Answers that come without end and bring nothing.

use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{ErrorClass, Halt, JobState};

use crate::world::scripted::Answer;
use crate::world::{World, seeds};

const FOREIGN: Answer = Answer::Said(ErrorClass::BadResponse, 200, "the body is JSON, but not");
const PAGE: Answer = Answer::Said(ErrorClass::WrongEndpoint, 400, "HTTP 400 with an HTML page");

async fn halted(world: &World) -> Halt {
    match world.dispatch().await {
        Ending::Halted(halt) => halt,
        other => panic!("it did not halt: {other:?}"),
    }
}

#[test]
fn unusable_200s_and_nothing_else_halt_the_run_after_twenty_of_them() {
    for (answer, class, words) in [
        (FOREIGN, ErrorClass::BadResponse, "but not"),
        (Answer::TryAgain, ErrorClass::InvalidRequest, "messages: no"),
    ] {
        for seed in seeds(20) {
            let concurrency = [1, 4, 64][usize::try_from(seed % 3).unwrap()];
            let plan = World::new(seed).jobs(300).concurrency(concurrency);
            plan.block_on(async |world| {
                world.provider.mix(&[(1.0, answer)]);
                let halt = halted(world).await;
                assert_eq!(halt.class, class);
                assert!(halt.message.contains(words), "{}", halt.message);
                let requests = world.provider.requests();
                assert!(requests <= 20 + u64::from(concurrency), "{requests}");
                assert_eq!(world.counts().await.failed, 0);
            });
        }
    }
}

#[test]
fn they_halt_the_run_in_the_middle_of_a_night_too() {
    World::new(1)
        .jobs(900)
        .concurrency(8)
        .block_on(async |world| {
            world.provider.mix(&[(1.0, FOREIGN)]);
            world.provider.script(vec![Answer::Message; 300]);
            assert_eq!(halted(world).await.class, ErrorClass::BadResponse);
            let useless = world.provider.requests() - 300;
            assert!(useless <= 50, "{useless}");
            let counts = world.counts().await;
            // Between the last successes nobody can tell that it is not a job's own.
            assert!(counts.succeeded == 300 && counts.failed <= 8, "{counts:?}");
        });
}

#[test]
fn a_few_jobs_that_get_nothing_else_are_given_up_after_a_minute() {
    World::new(2).jobs(3).block_on(async |world| {
        let empty = Answer::Error(ErrorClass::BadResponse);
        world.provider.mix(&[(1.0, empty)]);
        assert_eq!(halted(world).await.class, ErrorClass::BadResponse);
        let took = world.elapsed();
        assert!(took < Duration::from_mins(4), "{took:?}");
        assert_eq!(world.counts().await.failed, 0);
    });
}

#[test]
fn a_job_that_alone_gets_unusable_answers_fails_alone() {
    for answer in [FOREIGN, Answer::TryAgain] {
        World::new(3)
            .jobs(200)
            .concurrency(8)
            .block_on(async |world| {
                for bad in ["id-7", "id-200"] {
                    world.provider.poison(bad, answer);
                }
                assert_eq!(world.dispatch().await, Ending::Completed);
                let counts = world.counts().await;
                assert_eq!((counts.succeeded, counts.failed), (198, 2));
            });
    }
}

#[test]
fn a_limit_that_nothing_has_got_past_since_the_start_is_given_up_after_fifteen_minutes() {
    for (scale, least, most) in [(1.0, 15.0, 30.0), (0.1, 1.5, 3.0)] {
        let plan = World::new(4).jobs(50).concurrency(8).retry_scale(scale);
        plan.block_on(async |world| {
            world
                .provider
                .mix(&[(1.0, Answer::Error(ErrorClass::RateLimited))]);
            let halt = halted(world).await;
            assert_eq!(halt.class, ErrorClass::RateLimited);
            let minutes = world.elapsed().as_secs_f64() / 60.0;
            assert!((least..most).contains(&minutes), "{minutes}");
            assert_eq!(world.counts().await.failed, 0);
        });
    }
}

#[test]
fn such_a_limit_of_one_model_holds_back_no_other() {
    World::new(5)
        .jobs_of("claude-opus-5-5", 20)
        .jobs_of("claude-haiku-5-5", 20)
        .concurrency(8)
        .block_on(async |world| {
            world
                .provider
                .poison_model("claude-opus-5-5", Answer::Error(ErrorClass::RateLimited));
            assert_eq!(halted(world).await.class, ErrorClass::RateLimited);
            let counts = world.counts().await;
            assert_eq!((counts.succeeded, counts.failed), (20, 0));
        });
}

#[test]
fn a_4xx_that_is_not_the_api_s_halts_before_anything_has_succeeded() {
    World::new(6)
        .jobs(300)
        .concurrency(16)
        .block_on(async |world| {
            world.provider.mix(&[(1.0, PAGE)]);
            let halt = halted(world).await;
            assert_eq!(halt.class, ErrorClass::WrongEndpoint);
            assert_eq!(halt.message, "HTTP 400 with an HTML page");
            assert!(world.provider.requests() <= 16);
            assert_eq!(world.counts().await.failed, 0);
        });
}

#[test]
fn later_it_is_the_endpoint_s_fault_bounded_and_probed_and_no_job_s() {
    World::new(7)
        .jobs(600)
        .concurrency(16)
        .block_on(async |world| {
            let from = world.began() + Duration::from_secs(10);
            let outage = from..from + Duration::from_hours(1);
            world.provider.outage(outage.clone(), PAGE);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 600);
            let requests = world.provider.requests_in(&outage);
            assert!(requests < 40 + 3 * 60, "{requests}");
        });
}

#[test]
fn one_job_that_alone_gets_such_a_page_fails_alone() {
    World::new(8)
        .jobs(200)
        .concurrency(16)
        .block_on(async |world| {
            world.provider.poison("id-20", PAGE);
            assert_eq!(world.dispatch().await, Ending::Completed);
            let jobs = world.results().await.into_iter();
            let failed: Vec<_> = jobs.filter(|job| job.state == JobState::Failed).collect();
            assert_eq!(failed.len(), 1);
            assert_eq!(failed[0].error_class, Some(ErrorClass::BadGateway));
            assert!(failed[0].attempts <= 9);
        });
}
