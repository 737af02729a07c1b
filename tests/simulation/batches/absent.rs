//! Endpoints without Message Batches: a gateway that forwards Messages alone.

use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{ErrorClass, EventKind, HaltReason, Lane};

use crate::world::World;
use crate::world::plan::Line;
use crate::world::remote::Create;

const STATUSES: [u16; 5] = [403, 404, 405, 410, 501];

fn absent(world: &World, status: u16) {
    world
        .remote
        .behave(|it| it.creates = vec![(1.0, Create::NoBatches(status))]);
}

fn told(world: &World) -> usize {
    world.told(|it| matches!(it, EventKind::NoBatches { .. }))
}

#[test]
fn what_a_deadline_would_send_to_a_batch_goes_live_where_there_are_none() {
    for status in STATUSES {
        World::of_both_lanes(1)
            .jobs(300)
            .deadline(Duration::from_hours(30))
            .block_on(async |world| {
                absent(world, status);
                assert_eq!(world.dispatch().await, Ending::Completed, "{status}");
                world.check().await;
                world.check_money().await;
                assert_eq!(world.provider.requests(), 300, "{status}");
                assert_eq!(world.remote.creates(), 1, "{status}");
                assert_eq!(told(world), 1, "{status}");
                let ledger = world.ledger().await;
                assert!(
                    ledger
                        .iter()
                        .all(|it| it.lane == Lane::Live && !it.maybe_billed)
                );
            });
    }
}

#[test]
fn what_is_forced_into_a_batch_halts_the_run_where_there_are_none() {
    for status in STATUSES {
        World::of_both_lanes(2)
            .jobs(30)
            .forced()
            .block_on(async |world| {
                absent(world, status);
                for creates in 1..3 {
                    let Ending::Halted(halt) = world.dispatch().await else {
                        panic!("{status}: nothing can be done");
                    };
                    assert!((halt.reason == HaltReason::NoBatches), "{}", halt.message);
                    assert!(halt.message.contains("--lane live"), "{}", halt.message);
                    assert!(
                        halt.message.contains(&status.to_string()),
                        "{}",
                        halt.message
                    );
                    assert_eq!(world.remote.creates(), creates, "{status}");
                }
                assert_eq!(
                    (world.counts().await.pending, world.provider.requests()),
                    (30, 0)
                );
                assert!(world.ledger().await.is_empty(), "no attempt was made");
            });
    }
}

#[test]
fn lines_that_ask_for_a_batch_hold_up_no_others_where_there_are_none() {
    let line = |lane| Line {
        lane,
        deadline: Some(Duration::from_hours(48)),
        ..Line::default()
    };
    World::of_both_lanes(3)
        .lines(40, line(None))
        .lines(5, line(Some(Lane::Batch)))
        .block_on(async |world| {
            absent(world, 404);
            let Ending::Halted(halt) = world.dispatch().await else {
                panic!("five jobs are left");
            };
            assert!(halt.message.contains("5 jobs"), "{}", halt.message);
            let counts = world.counts().await;
            assert_eq!((counts.succeeded, counts.pending), (40, 5));
            absent(world, 404);
            world
                .remote
                .behave(|it| it.creates = vec![(1.0, Create::Fine)]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.remote.sizes(), [5]);
        });
}

#[test]
fn who_waits_at_a_halt_goes_on_when_there_are_batches_at_last() {
    World::of_both_lanes(4)
        .jobs(30)
        .forced()
        .wait_on_halt()
        .block_on(async |world| {
            world.remote.script(&[Create::NoBatches(404); 3]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!((world.remote.creates(), world.remote.batches()), (4, 1));
            assert_eq!(
                world.told(|it| matches!(it, EventKind::HaltWaiting { .. })),
                3
            );
        });
}

#[test]
fn one_odd_answer_sends_nothing_live_where_batches_were_created_before() {
    World::of_both_lanes(5)
        .jobs(120)
        .deadline(Duration::from_hours(30))
        .settings(|it| it.size = 40)
        .block_on(async |world| {
            let odd = Create::NoBatches(404);
            world
                .remote
                .script(&[Create::Fine, odd, odd, Create::Fine, odd, Create::Fine]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert_eq!(world.remote.sizes(), [40, 40, 40]);
            assert_eq!((world.provider.requests(), told(world)), (0, 0));
        });
    World::of_both_lanes(6)
        .jobs(120)
        .deadline(Duration::from_hours(30))
        .settings(|it| it.size = 40)
        .block_on(async |world| {
            world.remote.script(&[Create::Fine]);
            absent(world, 405);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.remote.sizes(), [40]);
            assert_eq!((world.provider.requests(), told(world)), (80, 1));
        });
}

/// The create call gets no answer at all, and there is no list to look it up in.
#[test]
fn a_batch_in_doubt_ends_its_doubt_where_there_is_no_list() {
    World::of_both_lanes(7)
        .jobs(40)
        .deadline(Duration::from_hours(30))
        .block_on(async |world| {
            world.remote.script(&[Create::NotHeard]);
            world.remote.behave(|it| it.no_list = true);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!((world.remote.creates(), world.provider.requests()), (1, 40));
            let ledger = world.ledger().await;
            let doubtful = ledger.iter().filter(|it| it.maybe_billed);
            assert_eq!(doubtful.count(), 40, "nobody knows what the call came to");
        });
}

#[test]
fn a_live_lane_that_fails_spills_nothing_where_there_are_no_batches() {
    use crate::world::scripted::Answer;
    World::of_both_lanes(8)
        .jobs(60)
        .settings(|it| it.spill_after = Some(Duration::from_mins(10)))
        .block_on(async |world| {
            absent(world, 404);
            let now = tokio::time::Instant::now();
            let outage = now..now + Duration::from_hours(1);
            world
                .provider
                .outage(outage, Answer::Error(ErrorClass::Overloaded));
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!((world.remote.creates(), told(world)), (1, 1));
        });
}
