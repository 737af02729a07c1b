//! A store that breaks while the run is being left: it is told, whatever the run is left for, and no
//! answer is lost.

use std::time::Duration;

use claude_run::engine::{Ending, EngineError, Stop};
use claude_run::model::ErrorClass;

use crate::world::World;
use crate::world::flaky::Fault;
use crate::world::scripted::Answer;

/// Calls of the store that such a run makes, and some more.
const CALLS: u64 = 60;

#[test]
fn one_failed_call_while_the_run_is_drained_is_told_and_a_resume_has_every_answer() {
    for calls in 0..CALLS {
        let plan = World::new(calls).jobs(40).concurrency(8).latency(2_000);
        plan.block_on(async |world| {
            world.store().fail_once_after(calls, Fault::NotDone);
            let after = Duration::from_secs(1);
            let ended = world.try_dispatch_and_stop_at(after, Stop::Drain).await;
            let came = !world.store().fault_is_to_come();
            assert_eq!(ended.is_err(), came, "after {calls} calls: {ended:?}");
            world.repair_store();
            assert_eq!(world.dispatch().await, Ending::Completed, "{calls}");
            assert_eq!(world.provider.requests(), 40, "after {calls} calls");
            world.check().await;
        });
    }
}

#[test]
fn one_failed_call_while_the_run_halts_is_told() {
    for calls in 0..CALLS {
        let plan = World::new(calls).jobs(40).concurrency(8).latency(2_000);
        plan.block_on(async |world| {
            world
                .provider
                .mix(&[(1.0, Answer::Error(ErrorClass::Authentication))]);
            world.store().fail_once_after(calls, Fault::NotDone);
            let ended = world.try_dispatch().await;
            let came = !world.store().fault_is_to_come();
            assert_eq!(ended.is_err(), came, "after {calls} calls: {ended:?}");
        });
    }
}

#[test]
fn answers_that_come_after_the_store_broke_in_a_drain_are_counted_and_spooled() {
    let plan = World::new(1).jobs(40).concurrency(8).latency(2_000);
    plan.block_on(async |world| {
        let breaks = async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            world.break_store_after(0);
        };
        let stop = world.try_dispatch_and_stop_at(Duration::from_secs(1), Stop::Drain);
        let (ended, ()) = tokio::join!(stop, breaks);
        let Err(EngineError::Unrecorded { spooled, lost, .. }) = ended else {
            panic!("{ended:?}");
        };
        assert!(spooled > 0 && lost == 0, "{spooled} spooled, {lost} lost");
        world.repair_store();
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.provider.requests(), 40);
        world.check().await;
    });
}

/// Whatever call it is: none of those that the loop waits for leaves it waiting for ever.
#[test]
fn a_call_that_panics_ends_the_dispatch_and_a_resume_has_every_answer() {
    // The calls take turns, so that a few of them are of every kind.
    for calls in (6..CALLS).step_by(5) {
        let plan = World::new(calls).jobs(400).concurrency(8).latency(2_000);
        plan.block_on(async |world| {
            world.store().fail_once_after(calls, Fault::Panics);
            let limit = Duration::from_hours(1);
            let ended = tokio::time::timeout(limit, world.try_dispatch()).await;
            let ended = ended.unwrap_or_else(|_| panic!("it hangs after {calls} calls"));
            assert!(ended.is_err(), "after {calls} calls: {ended:?}");
            world.repair_store();
            assert_eq!(world.dispatch().await, Ending::Completed, "{calls}");
            world.check().await;
        });
    }
}

/// The store fails once, and the spool has no room: what has come is tried once more before it is given
/// up, and nothing is said of a spool.
#[test]
fn answers_that_neither_store_nor_spool_took_are_tried_once_more() {
    let (mut tried, mut calls) = (0, 6);
    while tried < 10 {
        let plan = World::new(calls).jobs(40).concurrency(8).latency(2_000);
        plan.block_on(async |world| {
            world.store().fill_spool();
            world.store().fail_once_after(calls, Fault::NotDone);
            let ended = world.try_dispatch().await;
            assert!(
                matches!(ended, Err(EngineError::Store(_))),
                "after {calls} calls: {ended:?}"
            );
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.provider.requests(), 40, "after {calls} calls");
            world.check().await;
        });
        (tried, calls) = (tried + 1, calls + 1);
    }
}
