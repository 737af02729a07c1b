//! Answers that no batch and no job can get past, and that are about one alone.

use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{ErrorClass, EventKind, JobState};

use crate::world::World;
use crate::world::remote::{Create, Item, QUOTED};

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

/// Line 7 asks about the very words that the API says to those without credit.
fn quotes(line: u64, model: &str) -> String {
    let words = if line == 7 { QUOTED } else { "Hello" };
    format!(
        r#"{{"model":"{model}","id":"id-{line}","max_tokens":16,"messages":[{{"role":"user","content":"{words}"}}]}}"#
    )
}

#[test]
fn words_of_a_prompt_in_the_refusal_of_a_batch_halt_nothing_and_their_job_fails_alone() {
    World::of_both_lanes(64)
        .jobs(60)
        .forced()
        .bodies(quotes)
        .block_on(async |world| {
            world.remote.behave(|it| {
                it.poisoned = vec![7];
                it.quotes = true;
            });
            assert_eq!(world.dispatch().await, Ending::Completed);
            let counts = world.counts().await;
            assert_eq!((counts.succeeded, counts.failed), (59, 1));
            assert_eq!(world.results().await[6].state, JobState::Failed);
        });
}

#[test]
fn the_same_words_that_no_request_holds_halt_the_run() {
    World::of_both_lanes(65)
        .jobs(60)
        .forced()
        .block_on(async |world| {
            world
                .remote
                .behave(|it| it.creates = vec![(1.0, Create::Quotes)]);
            let Ending::Halted(halt) = world.dispatch().await else {
                panic!("it did not halt");
            };
            assert_eq!(halt.class, ErrorClass::Billing);
            assert_eq!(world.counts().await.failed, 0);
        });
}

#[test]
fn a_limit_that_lets_no_batch_through_is_told_and_halts_with_the_way_out() {
    for (create, class, patience) in [
        (
            Create::Limited,
            ErrorClass::RateLimited,
            Duration::from_mins(15),
        ),
        (
            Create::QueueFull,
            ErrorClass::BatchQueueFull,
            Duration::from_hours(24),
        ),
    ] {
        World::of_both_lanes(66)
            .jobs(60)
            .forced()
            .retry_scale(0.05)
            .block_on(async |world| {
                world.remote.behave(|it| it.creates = vec![(1.0, create)]);
                let Ending::Halted(halt) = world.dispatch().await else {
                    panic!("it did not halt");
                };
                assert_eq!(halt.class, class);
                assert!(halt.message.contains("--lane live"), "{}", halt.message);
                let (took, patience) = (world.elapsed(), patience.mul_f64(0.05));
                assert!(took >= patience && took < 2 * patience, "{took:?}");
                let told = world.told(|event| matches!(event, EventKind::BatchWaiting { .. }));
                assert!(told > 0, "nothing was told");
                assert_eq!(world.counts().await.failed, 0);
                world
                    .remote
                    .behave(|it| it.creates = vec![(1.0, Create::Fine)]);
                assert_eq!(world.dispatch().await, Ending::Completed);
                assert_eq!(world.counts().await.succeeded, 60);
            });
    }
}

#[test]
fn a_limit_that_passes_is_waited_for() {
    World::of_both_lanes(67)
        .jobs(60)
        .forced()
        .block_on(async |world| {
            world.remote.script(&[Create::Limited; 4]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.succeeded, 60);
        });
}
