//! Batches whose requests share a long beginning: a small one goes first and warms the cache.

use std::time::Duration;

use claude_run::engine::{Ending, Stop};

use crate::remote::{Create, Item};
use crate::seeds;
use crate::world::World;

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn one_request_goes_first_and_all_others_are_marked_when_it_is_answered() {
    World::new(1)
        .jobs(100)
        .forced()
        .sharing()
        .block_on(async |world| {
            assert_eq!(world.cache_prefixes[0].jobs, 100);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.remote.sizes(), [1, 99]);
            assert_eq!(world.remote.marked(), [1, 99]);
            world.check().await;
        });
}

#[test]
fn who_has_few_jobs_or_does_not_wait_does_not_wait_for_a_warm_cache() {
    for (jobs, no_wait) in [(20, false), (100, true)] {
        let day = Duration::from_hours(30);
        let plan = World::new(1).jobs(jobs).deadline(day).sharing();
        let plan = if no_wait { plan.no_wait() } else { plan };
        plan.block_on(async |world| {
            let ending = world.dispatch().await;
            assert_eq!(ending == Ending::LeftInBatches, no_wait);
            assert_eq!(world.remote.sizes(), [jobs]);
            assert_eq!(world.remote.marked(), [0]);
        });
    }
}

#[test]
fn a_first_batch_that_is_slow_is_waited_for_forty_minutes_and_no_longer() {
    World::new(1)
        .jobs(100)
        .forced()
        .sharing()
        .block_on(async |world| {
            world.remote.behave(|it| it.stalled = 1.0);
            let stop = Stop::Drain;
            world.dispatch_and_stop_at(39 * MINUTE, stop).await;
            assert_eq!(world.remote.sizes(), [1]);
            world.dispatch_and_stop_at(2 * MINUTE, stop).await;
            assert_eq!(world.remote.sizes(), [1, 99]);
            assert_eq!(world.remote.marked(), [1, 0]);
        });
}

#[test]
fn a_first_request_that_fails_holds_nobody_up() {
    World::new(1)
        .jobs(100)
        .forced()
        .sharing()
        .block_on(async |world| {
            world
                .remote
                .behave(|it| it.items = vec![(1.0, Item::Expired)]);
            let and_then = async |world: &World| {
                world
                    .remote
                    .behave(|it| it.items = vec![(1.0, Item::Message)]);
            };
            assert_eq!(
                world.dispatch_and(MINUTE, and_then).await,
                Ending::Completed
            );
            assert_eq!(
                (world.remote.sizes(), world.remote.marked()),
                (vec![1, 100], vec![1, 0])
            );
            world.check().await;
        });
}

#[test]
fn crashes_between_any_two_moments_leave_one_warm_batch_and_buy_nothing_twice() {
    for seed in seeds() {
        World::new(seed)
            .jobs(120)
            .forced()
            .sharing()
            .settings(|it| it.size = 50)
            .block_on(async |world| {
                world.remote.behave(|it| {
                    it.processing = Duration::from_secs(20);
                    it.creates = vec![
                        (0.8, Create::Fine),
                        (0.1, Create::AnswerLost),
                        (0.1, Create::NotHeard),
                    ];
                });
                let mut crashes = 0;
                // Now and then it lives longer than a lost batch is looked for.
                let life = || match world.random(10) {
                    1 => 5 * MINUTE,
                    _ => world.random_ms(4_000),
                };
                while world.dispatch_until(life()).await.is_none() {
                    crashes += 1;
                    assert!(crashes < 2_000, "seed {seed}: the run makes no progress");
                }
                world.check().await;
                let (sizes, marked) = (world.remote.sizes(), world.remote.marked());
                assert_eq!((sizes[0], marked[0]), (1, 1), "seed {seed}");
                assert_eq!(sizes.len(), 4, "seed {seed}: {sizes:?}");
                if world.elapsed() < 40 * MINUTE {
                    assert_eq!(sizes, marked, "seed {seed}");
                }
            });
    }
}
