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
