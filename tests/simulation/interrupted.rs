//! Answers that are lost on our side count, so that no job is bought for ever.

use std::time::Duration;

use claude_run::engine::{Ending, Stop};
use claude_run::model::{AttemptOutcome, ErrorClass, EventKind, JobState};

use crate::world::World;
use crate::world::scripted::Answer;

/// A stop whose grace is over before the only answer comes.
async fn stop_too_early(world: &World) -> Ending {
    let after = Duration::from_secs(1);
    world.dispatch_and_stop_at(after, Stop::Drain).await
}

#[test]
fn stops_whose_grace_is_over_count_as_crashes_do_and_end_in_twenty_payments() {
    World::new(1)
        .jobs(1)
        .latency(3_600_000)
        .block_on(async |world| {
            for n in 1..=24 {
                stop_too_early(world).await;
                assert_eq!(world.provider.requests(), n.min(20));
            }
            let jobs = world.results().await;
            assert_eq!(jobs[0].state, JobState::Failed);
            assert_eq!(jobs[0].error_class, Some(ErrorClass::Interrupted));
            let ledger = world.ledger().await;
            assert!(ledger.iter().all(|row| row.maybe_billed));
            world.check().await;
        });
}

#[test]
fn crashes_and_stops_stand_in_one_row() {
    World::new(2)
        .jobs(1)
        .latency(3_600_000)
        .block_on(async |world| {
            for _ in 0..10 {
                stop_too_early(world).await;
                let crashed = world.dispatch_until(Duration::from_secs(1)).await;
                assert_eq!(crashed, None);
            }
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!(world.counts().await.failed, 1);
            assert_eq!(world.provider.requests(), 20);
        });
}

#[test]
fn an_answer_ends_the_row_of_stops() {
    World::new(3)
        .jobs(1)
        .latency(3_600_000)
        .block_on(async |world| {
            for _ in 0..19 {
                stop_too_early(world).await;
            }
            // An answer of any kind: the job is well, and begins a new row.
            world
                .provider
                .script(vec![Answer::Error(ErrorClass::Overloaded)]);
            world.dispatch_until(Duration::from_hours(2)).await;
            stop_too_early(world).await;
            assert_eq!(world.counts().await.failed, 0);
        });
}

#[test]
fn a_job_whose_answers_panic_is_bought_as_often_as_a_failing_one_and_no_other_with_it() {
    World::new(4).jobs(20).block_on(async |world| {
        world.provider.poison("id-3", Answer::Panic);
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.provider.messages_for("id-3"), 8);
        let counts = world.counts().await;
        assert_eq!((counts.succeeded, counts.failed), (19, 1));
        let ledger = world.ledger().await;
        let lost: Vec<_> = ledger
            .iter()
            .filter(|row| row.custom_id == "id-3")
            .collect();
        assert!(
            lost.iter()
                .all(|row| row.outcome == Some(AttemptOutcome::Interrupted) && row.maybe_billed)
        );
        assert!(lost[0].next_try_at.is_some(), "it waits");
    });
}

#[test]
fn when_every_answer_panics_nothing_is_bought_for_ever() {
    World::new(5).jobs(5).block_on(async |world| {
        world.provider.mix(&[(1.0, Answer::Panic)]);
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.counts().await.failed, 5);
        assert_eq!(world.provider.requests(), 40);
    });
}

/// Ctrl-Z for five minutes, in the middle of the grace: it does not count, so that answers which lie
/// in the sockets are not thrown away.
#[test]
fn a_stop_of_the_process_takes_nothing_of_the_grace() {
    for (latency, kept) in [(20_000, true), (3_600_000, false)] {
        World::new(6)
            .at_the_usual_pace()
            .jobs(5)
            .latency(latency)
            .block_on(async |world| {
                let standstill = async {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    tokio::time::advance(Duration::from_mins(5)).await;
                    std::future::pending::<()>().await;
                };
                let ending = tokio::select! {
                    ending = world.dispatch_and_stop_at(Duration::from_secs(1), Stop::Drain) => ending,
                    () = standstill => unreachable!(),
                };
                assert_eq!(ending, Ending::Interrupted);
                let counts = world.counts().await;
                assert_eq!(counts.succeeded, if kept { 5 } else { 0 });
                let took = world.elapsed().as_secs();
                assert!(kept || (331..=332).contains(&took), "{took}");
                let told = world.told(|kind| matches!(kind, EventKind::StoodStill { for_ms: 300_000.. }));
                assert_eq!(told, 1);
            });
    }
}

/// A night in which the machine slept through the hours of the run.
#[test]
fn after_a_sleep_nothing_is_sent_outside_of_the_hours() {
    World::new(7)
        .at_the_usual_pace()
        .jobs(2_000)
        .concurrency(2)
        .latency(4_000)
        .only_between("00:00-06:00@UTC")
        .block_on(async |world| {
            let asleep = async {
                tokio::time::sleep(Duration::from_mins(5)).await;
                tokio::time::advance(Duration::from_hours(12)).await;
                let woken = tokio::time::Instant::now();
                tokio::time::sleep(Duration::from_mins(5)).await;
                let sent = world
                    .provider
                    .requests_in(&(woken..tokio::time::Instant::now()));
                assert_eq!(sent, 0, "the hours are over");
            };
            tokio::select! {
                _ = world.dispatch() => unreachable!(),
                () = asleep => {}
            }
        });
}
