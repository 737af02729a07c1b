//! A create call that is refused without a word about which entry is at fault.

use claude_run::engine::Ending;
use claude_run::model::{BatchState, ErrorClass};

use crate::world::World;
use crate::world::remote::Create;

/// Plays a run of so many jobs of which these poison any batch; gives the number of create calls.
fn calls_to_isolate(seed: u64, jobs: u64, poisoned: &[u64]) -> u32 {
    let calls = std::cell::Cell::new(0);
    World::of_both_lanes(seed)
        .jobs(jobs)
        .forced()
        .block_on(async |world| {
            world.remote.behave(|it| it.poisoned = poisoned.to_vec());
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            let results = world.results().await;
            let failed = results.iter().filter(|row| row.error_class.is_some());
            let failed: Vec<_> = failed.map(|row| (row.line, row.error_class)).collect();
            let alone: Vec<_> = poisoned
                .iter()
                .map(|line| (*line, Some(ErrorClass::BatchRejected)))
                .collect();
            assert_eq!(failed, alone);
            assert_eq!(results.len() as u64, jobs);
            calls.set(world.remote.creates());
        });
    calls.get()
}

#[test]
fn a_create_refused_without_naming_an_entry_is_halved_until_the_entry_fails_alone() {
    for poisoned in [1, 2, 77, 128, 199, 200] {
        let calls = calls_to_isolate(poisoned, 200, &[poisoned]);
        assert!(calls <= 20, "{calls} calls for line {poisoned}");
    }
}

#[test]
fn several_such_entries_fail_and_nobody_else() {
    calls_to_isolate(1, 200, &[1, 2, 3]);
    calls_to_isolate(2, 200, &[5, 90, 91, 200]);
    calls_to_isolate(3, 9, &[2, 4, 6, 8]);
}

#[test]
fn the_last_jobs_of_a_run_fail_although_nothing_else_can_tell() {
    calls_to_isolate(1, 1, &[1]);
    calls_to_isolate(2, 3, &[1, 2, 3]);
}

#[test]
fn an_api_that_takes_no_batch_at_all_halts_the_run_and_fails_nobody() {
    World::of_both_lanes(4)
        .jobs(100)
        .forced()
        .block_on(async |world| {
            world
                .remote
                .behave(|it| it.creates = vec![(1.0, Create::Unnamed)]);
            for _ in 0..2 {
                let Ending::Halted(halt) = world.dispatch().await else {
                    panic!("it went on");
                };
                assert_eq!(halt.class, ErrorClass::BatchRejected);
                assert_eq!(world.run().await.jobs.open(), 100);
            }
            let calls = world.remote.creates();
            assert!(calls <= 40, "{calls} calls");
            world
                .remote
                .behave(|it| it.creates = vec![(1.0, Create::Fine)]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.run().await.jobs.failed, 0);
            let states = world.batches().await;
            assert!(
                states
                    .iter()
                    .all(|row| matches!(row.state, BatchState::Harvested | BatchState::Lost))
            );
        });
}

#[test]
fn the_search_goes_on_where_a_dispatch_was_left_off() {
    World::of_both_lanes(5)
        .jobs(60)
        .forced()
        .block_on(async |world| {
            world.remote.behave(|it| it.poisoned = vec![33]);
            world
                .remote
                .script(&[&[Create::Fine; 2][..], &[Create::BadKey; 3]].concat());
            let ending = world.dispatch().await;
            assert!(matches!(ending, Ending::Halted(_)), "{ending:?}");
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert_eq!(world.run().await.jobs.failed, 1);
        });
}
