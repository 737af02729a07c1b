//! Answers that no batch and no job can get past, and that are about one alone.

use claude_run::engine::Ending;
use claude_run::model::{ErrorClass, JobState};

use crate::world::World;
use crate::world::remote::{Create, Item};

#[test]
fn one_entry_that_is_refused_for_ever_fails_alone() {
    for class in [ErrorClass::Authentication, ErrorClass::Permission] {
        World::of_both_lanes(60)
            .jobs(60)
            .forced()
            .block_on(async |world| {
                world
                    .remote
                    .behave(|it| it.spoiled = vec![(7, Item::Error(class))]);
                assert_eq!(world.dispatch().await, Ending::Completed);
                let counts = world.counts().await;
                assert_eq!((counts.succeeded, counts.failed), (59, 1));
                let jobs = world.results().await;
                assert_eq!(jobs[6].state, JobState::Failed);
                assert_eq!(jobs[6].error_class, Some(class));
                world.check().await;
            });
    }
}

#[test]
fn entries_that_are_all_refused_halt_the_run_and_fail_nobody() {
    World::of_both_lanes(61)
        .jobs(60)
        .forced()
        .block_on(async |world| {
            let refused = Item::Error(ErrorClass::Authentication);
            world.remote.behave(|it| it.items = vec![(1.0, refused)]);
            let Ending::Halted(halt) = world.dispatch().await else {
                panic!("it did not halt")
            };
            assert_eq!(halt.class, ErrorClass::Authentication);
            assert_eq!(world.counts().await.failed, 0);
            world
                .remote
                .behave(|it| it.items = vec![(1.0, Item::Message)]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 60);
        });
}

#[test]
fn one_create_that_is_refused_after_others_went_well_is_tried_again() {
    World::of_both_lanes(62)
        .jobs(300)
        .forced()
        .settings(|it| it.size = 100)
        .block_on(async |world| {
            world
                .remote
                .script(&[Create::Fine, Create::BadKey, Create::Fine]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 300);
            assert_eq!(world.remote.creates(), 4);
            world.check().await;
        });
}

#[test]
fn a_key_that_goes_bad_between_creates_halts_the_run() {
    World::of_both_lanes(63)
        .jobs(300)
        .forced()
        .settings(|it| it.size = 100)
        .block_on(async |world| {
            world
                .remote
                .script(&[Create::Fine, Create::BadKey, Create::BadKey, Create::BadKey]);
            assert!(matches!(world.dispatch().await, Ending::Halted(_)));
            assert_eq!(world.counts().await.failed, 0);
            assert_eq!(world.remote.creates(), 4);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 300);
        });
}
