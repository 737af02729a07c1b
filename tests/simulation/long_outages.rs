//! Outages of hours: what they cost the jobs, and how many requests.

use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{ErrorClass, Indicator};

use crate::world::World;
use crate::world::scripted::Answer;

/// Jobs of the long outage; `OUTAGE_JOBS=100000` for the full count.
const OUTAGE_JOBS: u64 = 4_000;

/// These jobs can never work.
fn break_jobs(world: &World, numbers: impl IntoIterator<Item = u32>) {
    for n in numbers {
        let broken = Answer::Error(ErrorClass::ServerError);
        world.provider.poison(&format!("id-{n}"), broken);
    }
}

async fn completes_within_a_day(world: &World) {
    let ended = tokio::time::timeout(Duration::from_hours(24), world.dispatch());
    assert_eq!(ended.await.unwrap(), Ending::Completed);
}

#[test]
fn six_hours_of_outage_cost_no_job_its_life_and_few_requests() {
    let jobs = std::env::var("OUTAGE_JOBS")
        .ok()
        .and_then(|text| text.parse().ok());
    // Jobs enough to see how it goes on after the outage are needed once.
    for (class, usual) in [
        (ErrorClass::Unavailable, OUTAGE_JOBS),
        (ErrorClass::Overloaded, OUTAGE_JOBS / 4),
        (ErrorClass::ConnectionCut, OUTAGE_JOBS / 4),
    ] {
        World::new(20)
            .jobs(jobs.unwrap_or(usual))
            .block_on(async |world| {
                let began = world.began();
                let (from, to) = (
                    began + Duration::from_secs(20),
                    began + Duration::from_hours(6),
                );
                world.provider.outage(from..to, Answer::Error(class));
                assert_eq!(world.dispatch().await, Ending::Completed, "{class}");
                assert_eq!(
                    world.counts().await.succeeded,
                    world.counts().await.total,
                    "{class}"
                );
                world.check().await;

                let minute = Duration::from_mins(1);
                let mut at = from + minute;
                while at + minute <= to {
                    let probes = world.provider.requests_in(&(at..at + minute));
                    assert!(
                        probes <= 3,
                        "{class}: {probes} requests in one minute of outage"
                    );
                    at += minute;
                }
                let before = world
                    .provider
                    .requests_in(&(from - Duration::from_secs(10)..from));
                let after = to + 2 * minute;
                let again = world
                    .provider
                    .requests_in(&(after - Duration::from_secs(10)..after));
                let still_going = world.began() + world.elapsed() > after;
                assert!(
                    !still_going || again * 10 >= before * 9,
                    "{class}: {again} of {before}"
                );
            });
    }
}

#[test]
fn a_sprinkle_of_overload_opens_nothing() {
    World::new(21).jobs(2_000).block_on(async |world| {
        world.provider.mix(&[
            (0.8, Answer::Message),
            (0.2, Answer::Error(ErrorClass::Overloaded)),
        ]);
        world.dispatch().await;
        assert_eq!(world.outages(), 0);
    });
}

#[test]
fn jobs_that_cannot_work_fail_even_when_nothing_else_is_left() {
    World::new(22).jobs(30).block_on(async |world| {
        break_jobs(world, [3, 7, 9]);
        assert_eq!(world.dispatch().await, Ending::Completed);
        let counts = world.counts().await;
        assert_eq!((counts.succeeded, counts.failed), (27, 3));
        assert_eq!(world.outages(), 0);
    });
}

#[test]
fn a_few_jobs_that_cannot_work_fail_although_none_ever_succeeded() {
    for jobs in 1..=4 {
        World::new(24).jobs(jobs).block_on(async |world| {
            let broken = Answer::Error(ErrorClass::ServerError);
            world.provider.mix(&[(1.0, broken)]);
            completes_within_a_day(world).await;
            assert_eq!(world.counts().await.failed, jobs);
            assert_eq!(world.provider.requests(), 8 * jobs);
        });
    }
}

#[test]
fn the_last_few_jobs_outlast_a_network_that_is_away() {
    let plan = World::new(26).jobs(4).concurrency(1).latency(200);
    plan.block_on(async |world| {
        let (began, hours) = (world.began(), Duration::from_hours(5));
        // The first request is on its way by then, and is answered.
        let away = began + Duration::from_millis(100)..began + hours;
        let failure = Answer::Error(ErrorClass::Connect);
        world.provider.outage(away, failure);
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.counts().await.succeeded, 4);
        assert!(world.elapsed() >= hours);
    });
}

#[test]
fn jobs_that_cannot_work_fail_also_after_a_crash_that_left_nothing_else() {
    World::new(25).jobs(60).block_on(async |world| {
        break_jobs(world, 1..=6);
        let crashed = world.dispatch_until(Duration::from_secs(30)).await;
        assert_eq!(crashed, None);
        assert_eq!(world.counts().await.succeeded, 54);
        completes_within_a_day(world).await;
        assert_eq!(world.counts().await.failed, 6);
    });
}

#[test]
fn a_job_that_was_never_blamed_does_not_keep_five_that_were_from_failing() {
    World::new(27).jobs(60).block_on(async |world| {
        break_jobs(world, 1..=5);
        let refused = Answer::Error(ErrorClass::InvalidRequest);
        world.provider.poison("id-6", refused);
        world.dispatch_until(Duration::from_secs(30)).await;
        let counts = world.counts().await;
        assert_eq!((counts.succeeded, counts.failed), (54, 1));
        world.retry().await;
        break_jobs(world, [6]);
        completes_within_a_day(world).await;
        assert_eq!(world.counts().await.failed, 6);
    });
}

#[test]
fn an_outage_of_both_models_costs_no_job_its_life_on_its_way_to_the_other() {
    let (first, second) = ("claude-haiku-5-5", "claude-sonnet-5-5");
    World::new(28)
        .jobs_of(first, 300)
        .with_status_page()
        .amend(&[second])
        .block_on(async |world| {
            let (began, hours) = (world.began(), Duration::from_hours(6));
            world.page.says_from(began, Indicator::Major);
            let outage = began + Duration::from_millis(500)..began + hours;
            world
                .provider
                .outage(outage, Answer::Error(ErrorClass::Unavailable));
            assert_eq!(world.dispatch().await, Ending::Completed);
            let counts = world.counts().await;
            assert_eq!((counts.succeeded, counts.failed), (300, 0));
        });
}

#[test]
fn a_job_is_given_up_after_its_time_even_in_an_outage() {
    World::new(23)
        .jobs(200)
        .give_up_after(Duration::from_mins(30))
        .block_on(async |world| {
            let began = world.began();
            let between = began + Duration::from_secs(1)..began + Duration::from_hours(24);
            world
                .provider
                .outage(between, Answer::Error(ErrorClass::Overloaded));
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert!(world.counts().await.failed > 0);
            assert!(
                world.elapsed() >= Duration::from_mins(30),
                "{:?}",
                world.elapsed()
            );
        });
}
