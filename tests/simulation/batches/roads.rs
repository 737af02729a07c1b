//! Which lane jobs take, and what a deadline does to a batch.

use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{ErrorClass, EventKind, Lane};
use claude_run::policy::BatchSettings;

use crate::world::World;
use crate::world::plan::Line;
use crate::world::remote::Create;
use crate::world::scripted::Answer;

fn line(lane: Option<Lane>, hours: Option<u64>) -> Line {
    Line {
        lane,
        deadline: hours.map(Duration::from_hours),
        ..Line::default()
    }
}

/// The live lane is overloaded from now on, for so long.
fn fail_live_for(world: &World, time: Duration) {
    let now = tokio::time::Instant::now();
    let overloaded = Answer::Error(ErrorClass::Overloaded);
    world.provider.outage(now..now + time, overloaded);
}

#[test]
fn each_job_takes_the_cheapest_road_that_keeps_its_deadline() {
    World::of_both_lanes(1)
        .lines(30, line(None, None))
        .lines(30, line(None, Some(48)))
        .lines(30, line(None, Some(0)))
        .lines(30, line(Some(Lane::Live), Some(48)))
        .lines(30, line(Some(Lane::Batch), None))
        .block_on(async |world| {
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert_eq!(world.remote.sizes(), [60]);
            assert_eq!(world.provider.requests(), 90);
        });
}

#[test]
fn a_batch_that_stalls_is_given_up_in_time_and_nothing_is_bought_again() {
    World::of_both_lanes(2)
        .jobs(1_000)
        .deadline(Duration::from_hours(2))
        .block_on(async |world| {
            world.remote.behave(|it| it.stalled = 0.6);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert!(
                world.elapsed() < Duration::from_hours(2),
                "{:?}",
                world.elapsed()
            );
            assert!(
                world.elapsed() > Duration::from_hours(1),
                "{:?}",
                world.elapsed()
            );
            let ends = world.ends().await;
            let by_batch = ends[&("batch", "succeeded".to_owned())];
            assert!((300..500).contains(&by_batch), "{ends:?}");
            assert_eq!(world.provider.requests(), 1_000 - by_batch as u64);
            assert_eq!(
                world.told(|it| matches!(it, EventKind::BatchCanceling { .. })),
                1
            );
        });
}

#[test]
fn a_lane_that_was_forced_stays_whatever_the_deadline() {
    World::of_both_lanes(3)
        .lines(50, line(Some(Lane::Batch), Some(1)))
        .block_on(async |world| {
            world
                .remote
                .behave(|it| it.processing = Duration::from_hours(5));
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!((world.provider.requests(), world.remote.cancels()), (0, 0));
        });
}

#[test]
fn what_waits_for_room_in_the_queue_goes_live_when_its_time_comes() {
    World::of_both_lanes(4)
        .jobs(40)
        .deadline(Duration::from_hours(3))
        .block_on(async |world| {
            world
                .remote
                .behave(|it| it.creates = vec![(1.0, Create::QueueFull)]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!((world.remote.batches(), world.provider.requests()), (0, 40));
            assert!(
                world.elapsed() < Duration::from_hours(3),
                "{:?}",
                world.elapsed()
            );
        });
}

#[test]
fn a_few_leftovers_go_live_unless_the_user_says_otherwise() {
    World::of_both_lanes(5)
        .lines(19, line(None, Some(48)))
        .block_on(async |world| {
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!((world.remote.batches(), world.provider.requests()), (0, 19));
        });
    World::of_both_lanes(6)
        .lines(5, line(None, Some(48)))
        .lines(5, line(Some(Lane::Batch), None))
        .block_on(async |world| {
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.remote.sizes(), [5]);
            assert_eq!(world.provider.requests(), 5);
        });
}

#[test]
fn a_live_lane_that_is_down_spills_into_a_batch_if_the_user_says_so() {
    let spill = |it: &mut BatchSettings| it.spill_after = Some(Duration::from_mins(10));
    World::of_both_lanes(7)
        .jobs(100)
        .settings(spill)
        .block_on(async |world| {
            fail_live_for(world, Duration::from_hours(6));
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert!(
                world.elapsed() < Duration::from_hours(2),
                "{:?}",
                world.elapsed()
            );
            assert!(world.remote.batches() >= 1);
        });
}

#[test]
fn what_must_be_live_or_is_due_soon_does_not_spill() {
    let soon = Duration::from_mins(55);
    World::of_both_lanes(10)
        .lines(100, line(None, None))
        .lines(100, line(Some(Lane::Live), None))
        .lines(
            100,
            Line {
                deadline: Some(soon),
                ..Line::default()
            },
        )
        .settings(|it| it.spill_after = Some(Duration::from_mins(10)))
        .block_on(async |world| {
            fail_live_for(world, Duration::from_mins(20));
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            // The jobs of the first kind, but for those that the outage found on their way.
            let spilled: usize = world.remote.sizes().iter().sum();
            assert!((60..=100).contains(&spilled), "{spilled}");
        });
}

#[test]
fn nothing_spills_where_the_user_forces_the_live_lane() {
    let spill = |it: &mut BatchSettings| it.spill_after = Some(Duration::from_mins(10));
    World::of_both_lanes(11)
        .jobs(100)
        .live()
        .settings(spill)
        .block_on(async |world| {
            fail_live_for(world, Duration::from_mins(20));
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.remote.creates(), 0);
        });
}

#[test]
fn a_run_without_batch_work_asks_the_batches_api_for_nothing() {
    World::of_both_lanes(8).jobs(50).block_on(async |world| {
        assert_eq!(world.dispatch().await, Ending::Completed);
        world.check().await;
        assert_eq!((world.remote.creates(), world.remote.looks()), (0, 0));
    });
}

#[test]
fn a_passing_failure_goes_again_by_the_road_that_the_deadline_leaves() {
    World::of_both_lanes(9)
        .jobs(100)
        .deadline(Duration::from_hours(2))
        .block_on(async |world| {
            world.remote.behave(|it| {
                it.processing = Duration::from_mins(100);
                it.items = vec![(
                    1.0,
                    crate::world::remote::Item::Error(ErrorClass::Overloaded),
                )];
            });
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(
                (world.remote.batches(), world.provider.requests()),
                (1, 100)
            );
        });
}
