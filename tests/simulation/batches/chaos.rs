//! Everything at once: crashes between any two moments, stores that break, an API in a bad mood.

use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::ErrorClass;

use super::seeds;
use crate::world::World;
use crate::world::remote::{Create, Item, Manners, Results};

/// Of everything some.
fn bad_mood(manners: &mut Manners) {
    manners.trouble = 0.2;
    manners.hidden_for = Duration::from_secs(30);
    manners.creates = vec![
        (0.4, Create::Fine),
        (0.2, Create::AnswerLost),
        (0.1, Create::NotHeard),
        (0.1, Create::Gateway),
        (0.1, Create::Overloaded),
        (0.1, Create::QueueFull),
    ];
    manners.items = vec![
        (0.8, Item::Message),
        (0.1, Item::Error(ErrorClass::Overloaded)),
        (0.05, Item::Error(ErrorClass::InvalidRequest)),
        (0.05, Item::Expired),
    ];
    manners.results = Results {
        cuts: 1,
        cut_after: 20,
        noisy: true,
        ..Results::default()
    };
}

#[test]
fn a_bad_mood_of_the_api_costs_time_and_nothing_else() {
    for seed in seeds() {
        World::of_both_lanes(seed)
            .jobs(150)
            .forced()
            .settings(|it| it.size = 60)
            .block_on(async |world| {
                world.remote.behave(bad_mood);
                assert_eq!(world.dispatch().await, Ending::Completed, "seed {seed}");
                world.check().await;
                world.check_money().await;
            });
    }
}

#[test]
fn a_seed_gives_the_same_run_although_several_batches_are_at_work() {
    for seed in crate::world::seeds(2) {
        let story = || {
            let mut told = Vec::new();
            World::of_both_lanes(seed)
                .jobs(120)
                .forced()
                .settings(|it| it.size = 20)
                .block_on(async |world| {
                    world.remote.behave(bad_mood);
                    assert_eq!(world.dispatch().await, Ending::Completed);
                    told = world.events();
                });
            told
        };
        let (first, second) = (story(), story());
        let differs = first.iter().zip(&second).position(|(a, b)| a != b);
        let at = differs.map(|at| (&first[at], &second[at]));
        assert_eq!(at, None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

#[test]
fn a_crash_between_any_two_moments_buys_nothing_twice_and_loses_nothing() {
    for seed in seeds() {
        World::of_both_lanes(seed)
            .jobs(120)
            .forced()
            .settings(|it| it.size = 50)
            .block_on(async |world| {
                world
                    .remote
                    .behave(|it| it.processing = Duration::from_secs(20));
                let mut crashes = 0;
                // Now and then it lives longer than a lost batch is looked for.
                let life = || match world.random(10) {
                    1 => Duration::from_mins(5),
                    _ => world.random_ms(4_000),
                };
                while world.dispatch_until(life()).await.is_none() {
                    crashes += 1;
                    assert!(crashes < 2_000, "seed {seed}: the run makes no progress");
                }
                world.check().await;
                world.check_money().await;
                assert_eq!(world.remote.sizes().len(), 3, "seed {seed}");
            });
    }
}

#[test]
fn crashes_and_a_bad_mood_together_buy_nothing_twice() {
    for seed in seeds() {
        World::of_both_lanes(seed)
            .jobs(100)
            .deadline(Duration::from_hours(30))
            .settings(|it| it.size = 40)
            .block_on(async |world| {
                world.remote.behave(bad_mood);
                let mut crashes = 0;
                while world
                    .dispatch_until(world.random_ms(600_000))
                    .await
                    .is_none()
                {
                    crashes += 1;
                    assert!(crashes < 2_000, "seed {seed}: the run makes no progress");
                }
                world.check().await;
            });
    }
}

#[test]
fn a_store_that_breaks_between_any_two_verbs_leaves_a_run_that_goes_on() {
    for seed in seeds() {
        World::of_both_lanes(seed)
            .jobs(90)
            .forced()
            .settings(|it| it.size = 40)
            .block_on(async |world| {
                world
                    .remote
                    .behave(|it| it.processing = Duration::from_secs(30));
                for _ in 0..20 {
                    world.break_store_after(world.random(60));
                    let ended = world.try_dispatch().await;
                    world.repair_store();
                    if ended.is_ok() {
                        break;
                    }
                }
                assert_eq!(world.dispatch().await, Ending::Completed, "seed {seed}");
                world.check().await;
                world.check_money().await;
            });
    }
}

#[test]
fn a_deadline_is_kept_through_crashes() {
    for seed in seeds() {
        World::of_both_lanes(seed)
            .jobs(200)
            .deadline(Duration::from_hours(2))
            .block_on(async |world| {
                world.remote.behave(|it| it.stalled = 0.5);
                let mut crashes = 0;
                while world
                    .dispatch_until(world.random_ms(2_400_000))
                    .await
                    .is_none()
                {
                    crashes += 1;
                    assert!(crashes < 2_000, "seed {seed}: the run makes no progress");
                }
                world.check().await;
                assert!(
                    world.elapsed() < Duration::from_hours(2),
                    "seed {seed}: {:?}",
                    world.elapsed()
                );
            });
    }
}

#[test]
fn a_cancel_through_crashes_ends_every_job() {
    for seed in seeds() {
        World::of_both_lanes(seed)
            .jobs(200)
            .forced()
            .settings(|it| it.size = 80)
            .block_on(async |world| {
                let begun = world.dispatch_until(world.random_ms(900_000)).await;
                assert_eq!(begun, None);
                world.cancel().await;
                let mut crashes = 0;
                while world
                    .dispatch_until(world.random_ms(20_000))
                    .await
                    .is_none()
                {
                    crashes += 1;
                    assert!(crashes < 2_000, "seed {seed}: the run makes no progress");
                }
                world.check().await;
                world.check_money().await;
            });
    }
}
