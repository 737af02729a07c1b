//! What does not end is told: batches past their time, lists without an end.

use std::time::Duration;

use claude_run::engine::{Ending, Stop};
use claude_run::model::{ErrorClass, EventKind, StuckBatch};

use crate::world::World;
use crate::world::remote::{Create, Endless};

fn stuck(world: &World, why: StuckBatch) -> usize {
    world.told(|it| matches!(it, EventKind::BatchStuck { why: told, .. } if *told == why))
}

#[test]
fn a_list_of_batches_without_an_end_is_noticed_and_bounded() {
    for (endless, most) in [(Endless::Repeats, 40), (Endless::Grows, 2_000)] {
        World::of_both_lanes(1).jobs(40).forced().block_on(async |world| {
            world.remote.script(&[Create::AnswerLost]);
            world.remote.behave(|it| it.endless = Some(endless));
            let hour = Duration::from_hours(1);
            assert_eq!(
                world.dispatch_and_stop_at(hour, Stop::Drain).await,
                Ending::Interrupted
            );
            let told = |it: &EventKind| {
                matches!(it, EventKind::BatchWaiting { error_class: ErrorClass::BadResponse, message, .. }
                    if message.contains("does not end") && message.contains("batches forget"))
            };
            assert!(world.told(told) > 5, "{endless:?}");
            let lists = world.remote.lists();
            assert!(lists < most, "{endless:?}: {lists} pages in an hour");
            assert_eq!(world.remote.creates(), 1, "nothing is bought again meanwhile");
        });
    }
}

#[test]
fn a_batch_past_its_time_is_told_once_with_the_way_out() {
    World::of_both_lanes(2).jobs(40).forced().block_on(async |world| {
        world.remote.behave(|it| {
            it.stalled = 1.0;
            it.never_ends = true;
            it.lifetime = Duration::from_hours(1);
        });
        let hours = Duration::from_hours(3);
        world.dispatch_and_stop_at(hours, Stop::Drain).await;
        assert_eq!(stuck(world, StuckBatch::Expired), 1);
        let says = |it: &EventKind| {
            matches!(it, EventKind::BatchStuck { message, .. } if message.contains("batches forget msgbatch_1"))
        };
        assert_eq!(world.told(says), 1);
        // As it says.
        world.forget_batches().await;
        world.remote.behave(|it| {
            it.stalled = 0.0;
            it.never_ends = false;
        });
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.remote.creates(), 2);
    });
}

#[test]
fn a_batch_that_is_being_cancelled_for_ever_is_told() {
    World::of_both_lanes(3)
        .jobs(40)
        .deadline(Duration::from_hours(3))
        .block_on(async |world| {
            world.remote.behave(|it| {
                it.stalled = 1.0;
                it.never_ends = true;
            });
            let hours = Duration::from_hours(5);
            world.dispatch_and_stop_at(hours, Stop::Drain).await;
            assert_eq!(stuck(world, StuckBatch::Canceling), 1);
            assert_eq!(stuck(world, StuckBatch::DeadlineMissed), 1);
            assert_eq!(
                stuck(world, StuckBatch::Expired),
                0,
                "within a day it has not"
            );
        });
}

#[test]
fn a_deadline_that_a_forced_batch_misses_is_told() {
    World::of_both_lanes(4)
        .jobs(40)
        .forced()
        .deadline(Duration::from_hours(2))
        .block_on(async |world| {
            world.remote.behave(|it| {
                it.stalled = 0.5;
                it.lifetime = Duration::from_hours(3);
            });
            let hours = Duration::from_hours(4);
            world.dispatch_and_stop_at(hours, Stop::Drain).await;
            assert_eq!(stuck(world, StuckBatch::DeadlineMissed), 1);
            assert_eq!(
                stuck(world, StuckBatch::Expired),
                0,
                "it ended when its time was over"
            );
        });
}

#[test]
fn a_batch_that_goes_as_it_should_is_not_called_stuck() {
    World::of_both_lanes(5)
        .jobs(40)
        .deadline(Duration::from_hours(3))
        .block_on(async |world| {
            world.remote.behave(|it| it.stalled = 0.3);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(
                world.told(|it| matches!(it, EventKind::BatchStuck { .. })),
                0
            );
        });
}
