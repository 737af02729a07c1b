//! The life of a batch, step by step, with everything that can happen to it.

use std::time::Duration;

use claude_run::engine::{Ending, Stop};
use claude_run::model::{BatchState, ErrorClass, EventKind};
use jiff::SignedDuration;

use crate::world::World;
use crate::world::remote::{Create, Item, Results};

const FINE: Create = Create::Fine;

#[test]
fn jobs_are_bought_together_and_every_result_is_recorded() {
    World::of_both_lanes(1)
        .jobs(250)
        .forced()
        .settings(|it| it.size = 100)
        .block_on(async |world| {
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert_eq!(world.remote.sizes(), [100, 100, 50]);
            assert_eq!(world.provider.requests(), 0);
            assert_eq!(
                world.told(|it| matches!(it, EventKind::BatchCreated { .. })),
                3
            );
            assert_eq!(
                world.told(|it| matches!(it, EventKind::BatchHarvested { .. })),
                3
            );
        });
}

#[test]
fn a_batch_is_looked_at_ever_more_rarely() {
    World::of_both_lanes(2)
        .jobs(30)
        .forced()
        .block_on(async |world| {
            world
                .remote
                .behave(|it| it.processing = Duration::from_hours(8));
            world.dispatch().await;
            world.check().await;
            let looks = world.remote.looks();
            assert!((80..130).contains(&looks), "{looks} looks in 8 hours");
        });
}

/// What takes a second is not waited for ten times as long; and what the API's answer to a poll asks for is
/// kept to, so that one early poll is all that a batch costs which takes longer.
#[test]
fn a_batch_that_takes_a_second_is_polled_soon() {
    // A run sees every five seconds whether it is over, so that is added to the time of a batch.
    for (processing, hint, most) in [
        (Duration::from_secs(1), Duration::from_secs(10), 6),
        (Duration::from_secs(3), Duration::ZERO, 11),
        (Duration::from_secs(3), Duration::from_secs(10), 20),
        (Duration::from_mins(1), Duration::ZERO, 105),
    ] {
        World::of_both_lanes(2)
            .jobs(30)
            .forced()
            .block_on(async |world| {
                world.remote.behave(|it| {
                    it.processing = processing;
                    it.hint = hint;
                });
                assert_eq!(world.dispatch().await, Ending::Completed);
                world.check().await;
                let took = world.elapsed();
                assert!(
                    took.as_secs() <= most,
                    "{took:?} for {processing:?}, asked to wait {hint:?}"
                );
                let looks = world.remote.looks();
                assert!(looks <= 12, "{looks} looks in {took:?}");
            });
    }
}

#[test]
fn a_create_call_whose_answer_is_lost_is_found_and_not_repeated() {
    for lost in [Create::AnswerLost, Create::Gateway] {
        World::of_both_lanes(3)
            .jobs(40)
            .forced()
            .block_on(async |world| {
                world.remote.script(&[lost]);
                assert_eq!(world.dispatch().await, Ending::Completed);
                world.check().await;
                world.check_money().await;
                assert_eq!(
                    (world.remote.creates(), world.remote.batches()),
                    (1, 1),
                    "{lost:?}"
                );
                assert_eq!(
                    world.told(|it| matches!(it, EventKind::BatchAdopted { .. })),
                    1
                );
            });
    }
}

#[test]
fn a_create_call_that_was_not_heard_is_repeated_when_it_was_looked_for_long_enough() {
    for lost in [Create::NotHeard, Create::Overloaded] {
        World::of_both_lanes(4)
            .jobs(40)
            .forced()
            .block_on(async |world| {
                world.remote.script(&[lost, lost, FINE]);
                world
                    .remote
                    .behave(|it| it.processing = Duration::from_secs(1));
                assert_eq!(world.dispatch().await, Ending::Completed);
                world.check().await;
                assert_eq!((world.remote.creates(), world.remote.batches()), (3, 1));
                assert!(
                    world.elapsed() >= Duration::from_mins(4),
                    "{:?}",
                    world.elapsed()
                );
                assert!(
                    world.elapsed() < Duration::from_mins(6),
                    "{:?}",
                    world.elapsed()
                );
            });
    }
}

#[test]
fn of_two_batches_that_may_be_ours_the_results_say_which_one_it_is() {
    World::of_both_lanes(5).jobs(40).forced().block_on(async |world| {
        world.remote.script(&[Create::AnswerLost]);
        world.remote.set_clock_ahead(SignedDuration::from_mins(-2));
        let theirs = world.remote.stranger(40);
        world.remote.stranger(39);
        assert_eq!(world.dispatch().await, Ending::Completed);
        world.check().await;
        assert_eq!(world.remote.creates(), 1);
        let known = world.batches().await.remove(0).remote_id.unwrap();
        assert_ne!(known, theirs);
        let two = |it: &EventKind| {
            matches!(it, EventKind::BatchUncertain { candidates, .. } if candidates.len() == 2)
        };
        assert_eq!(world.told(two), 1);
    });
}

#[test]
fn a_lost_batch_is_found_however_far_off_our_clock_is() {
    for (seed, hours) in [(7, 3), (8, -3), (9, 24), (10, -20 * 24)] {
        let plan = World::of_both_lanes(seed).jobs(40).forced();
        plan.block_on(async |world| {
            world.remote.script(&[Create::AnswerLost]);
            world
                .remote
                .set_clock_ahead(SignedDuration::from_hours(hours));
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.remote.creates(), 1, "{hours} hours ahead");
        });
    }
}

#[test]
fn a_stranger_s_batch_is_not_adopted_although_it_looks_like_ours() {
    World::of_both_lanes(6)
        .jobs(40)
        .forced()
        .block_on(async |world| {
            world.remote.script(&[Create::NotHeard]);
            world.remote.stranger(40);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!((world.remote.creates(), world.remote.batches()), (2, 2));
        });
}

#[test]
fn a_batch_that_is_not_found_right_after_its_creation_is_asked_for_again() {
    World::of_both_lanes(7)
        .jobs(40)
        .forced()
        .block_on(async |world| {
            world
                .remote
                .behave(|it| it.hidden_for = Duration::from_mins(4));
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.remote.creates(), 1);
        });
}

#[test]
fn a_batch_that_never_shows_up_is_lost_and_its_jobs_go_again() {
    World::of_both_lanes(8)
        .jobs(40)
        .forced()
        .block_on(async |world| {
            let gone = async |world: &World| world.remote.delete_all();
            // Before it is polled for the first time.
            assert_eq!(
                world.dispatch_and(Duration::from_millis(1_500), gone).await,
                Ending::Completed
            );
            world.check().await;
            assert_eq!(world.remote.batches(), 2);
            assert_eq!(
                world.told(|it| matches!(it, EventKind::BatchLost { .. })),
                1
            );
            assert!(world.ledger().await.iter().any(|row| row.maybe_billed));
        });
}

#[test]
fn a_batch_that_was_seen_and_is_unknown_halts_the_run_before_anything_is_bought_again() {
    World::of_both_lanes(9)
        .jobs(40)
        .forced()
        .block_on(async |world| {
            world
                .remote
                .behave(|it| it.processing = Duration::from_hours(10));
            let stopped = world
                .dispatch_and_stop_at(Duration::from_hours(1), Stop::Drain)
                .await;
            assert_eq!(stopped, Ending::Interrupted);
            world.remote.delete_all();
            let Ending::Halted(halt) = world.dispatch().await else {
                panic!("it went on");
            };
            assert_eq!(halt.class, ErrorClass::Permission);
            assert!(
                halt.message.contains("another workspace"),
                "{}",
                halt.message
            );
            assert_eq!(world.remote.creates(), 1);
            assert_eq!(world.run().await.jobs.in_batch, 40);
        });
}

#[test]
fn a_stop_leaves_the_batches_running_and_the_next_start_harvests_them_also_on_day_28() {
    World::of_both_lanes(10)
        .jobs(60)
        .forced()
        .block_on(async |world| {
            let stopped = world
                .dispatch_and_stop_at(Duration::from_mins(1), Stop::Drain)
                .await;
            assert_eq!(stopped, Ending::Interrupted);
            assert_eq!(world.run().await.jobs.in_batch, 60);
            tokio::time::sleep(Duration::from_hours(28 * 24)).await;
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert_eq!(world.remote.creates(), 1);
        });
}

#[test]
fn after_29_days_the_loss_is_told_and_nothing_is_bought_again_before_somebody_says_so() {
    World::of_both_lanes(11)
        .jobs(60)
        .forced()
        .block_on(async |world| {
            world
                .dispatch_and_stop_at(Duration::from_mins(1), Stop::Drain)
                .await;
            tokio::time::sleep(Duration::from_hours(30 * 24)).await;
            let Ending::Halted(halt) = world.dispatch().await else {
                panic!("it went on");
            };
            assert_eq!(halt.class, ErrorClass::ResultsExpired);
            assert!(
                halt.message
                    .contains("claude-run batches forget msgbatch_1"),
                "{}",
                halt.message
            );
            assert_eq!(world.remote.batches(), 1);
            world.forget_batches().await;
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.remote.batches(), 2);
        });
}

#[test]
fn after_29_days_what_was_never_paid_for_goes_again_by_itself() {
    World::of_both_lanes(11)
        .jobs(60)
        .forced()
        .block_on(async |world| {
            world.remote.behave(|it| it.stalled = 1.0);
            world
                .dispatch_and_stop_at(Duration::from_mins(1), Stop::Drain)
                .await;
            tokio::time::sleep(Duration::from_hours(30 * 24)).await;
            world.remote.behave(|it| it.stalled = 0.0);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.remote.batches(), 2);
            assert!(world.ledger().await.iter().all(|row| !row.maybe_billed));
        });
}

#[test]
fn a_download_that_breaks_off_is_taken_up_again_without_counting_twice() {
    World::of_both_lanes(12)
        .jobs(2_000)
        .forced()
        .block_on(async |world| {
            world.remote.behave(|it| {
                it.results = Results {
                    cuts: 3,
                    cut_after: 900,
                    ..Results::default()
                };
            });
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert_eq!(world.ledger().await.len(), 2_000);
        });
}

#[test]
fn lines_that_are_doubled_foreign_or_unreadable_are_told_and_harm_nothing() {
    World::of_both_lanes(13)
        .jobs(100)
        .forced()
        .block_on(async |world| {
            world.remote.behave(|it| it.results.noisy = true);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            let told = |it: &EventKind| match it {
                EventKind::BatchHarvested { lines, .. } => {
                    lines.repeated == 100 && lines.unknown == 3 && lines.unreadable == 4
                }
                _ => false,
            };
            assert_eq!(world.told(told), 1);
        });
}

#[test]
fn a_line_that_is_missing_once_is_found_by_the_second_download() {
    World::of_both_lanes(14)
        .jobs(100)
        .forced()
        .block_on(async |world| {
            world.remote.behave(|it| {
                it.results.drop_every = 10;
                it.results.drop_in_downloads = 1;
            });
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.ledger().await.len(), 100);
        });
}

#[test]
fn what_fails_in_a_batch_is_treated_by_its_class() {
    World::of_both_lanes(16)
        .jobs(500)
        .forced()
        .block_on(async |world| {
            world.remote.behave(|it| {
                it.items = vec![
                    (0.6, Item::Message),
                    (0.1, Item::Error(ErrorClass::InvalidRequest)),
                    (0.2, Item::Error(ErrorClass::Overloaded)),
                    (0.1, Item::Expired),
                ];
            });
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            let ledger = world.ledger().await;
            let of = |class| {
                let of_class = ledger.iter().filter(|row| row.error_class == Some(class));
                of_class.count()
            };
            let results = world.results().await;
            let failed: Vec<_> = results
                .iter()
                .filter(|row| row.error_class == Some(ErrorClass::InvalidRequest))
                .collect();
            assert_eq!(failed.len(), of(ErrorClass::InvalidRequest));
            assert!(of(ErrorClass::Overloaded) > 50 && of(ErrorClass::Expired) > 20);
            assert_eq!(
                world.provider.requests(),
                0,
                "they stay in batches, as the user says"
            );
        });
}

#[test]
fn a_full_queue_is_waited_for() {
    World::of_both_lanes(17)
        .jobs(40)
        .forced()
        .block_on(async |world| {
            world.remote.script(&[Create::QueueFull; 5]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!((world.remote.creates(), world.remote.batches()), (6, 1));
            assert_eq!(
                world.told(|it| matches!(it, EventKind::BatchWaiting { .. })),
                5
            );
        });
}

#[test]
fn a_batch_that_is_too_large_is_halved() {
    World::of_both_lanes(18)
        .jobs(160)
        .forced()
        .block_on(async |world| {
            world.remote.script(&[Create::TooLarge, Create::TooLarge]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.remote.sizes(), [40, 40, 40, 40]);
            assert_eq!(
                world.ledger().await.len(),
                160,
                "a batch that was refused is no attempt"
            );
        });
}

#[test]
fn an_entry_that_is_refused_fails_alone() {
    World::of_both_lanes(19)
        .jobs(40)
        .forced()
        .block_on(async |world| {
            world.remote.script(&[Create::BadEntry(7)]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            let results = world.results().await;
            let failed: Vec<_> = results
                .iter()
                .filter(|row| row.error_class.is_some())
                .collect();
            assert_eq!(failed.len(), 1);
            assert_eq!(
                (failed[0].line, failed[0].error_class),
                (8, Some(ErrorClass::BatchRejected))
            );
            assert_eq!(world.remote.sizes(), [39]);
        });
}

#[test]
fn a_refused_key_halts_with_nothing_failed_and_a_resume_goes_on() {
    World::of_both_lanes(20)
        .jobs(40)
        .forced()
        .block_on(async |world| {
            world.remote.script(&[Create::BadKey]);
            let Ending::Halted(halt) = world.dispatch().await else {
                panic!("it went on");
            };
            assert_eq!(halt.class, ErrorClass::Authentication);
            assert_eq!(world.batches().await[0].state, BatchState::Ready);
            assert_eq!(world.run().await.jobs.open(), 40);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(
                world.batches().await.len(),
                1,
                "the batch that was ready is sent"
            );
        });
}

#[test]
fn a_refused_key_is_waited_for_if_the_user_says_so() {
    World::of_both_lanes(21)
        .jobs(40)
        .forced()
        .wait_on_halt()
        .block_on(async |world| {
            world.remote.script(&[Create::BadKey, Create::BadKey]);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(
                world.told(|it| matches!(it, EventKind::HaltWaiting { .. })),
                2
            );
        });
}

#[test]
fn the_queue_limit_of_the_api_is_respected() {
    World::of_both_lanes(22)
        .jobs(500)
        .forced()
        .settings(|it| {
            it.size = 100;
            it.queue_limit = 250;
        })
        .block_on(async |world| {
            let most = async |world: &World| {
                let open = world
                    .batches()
                    .await
                    .into_iter()
                    .filter(|row| !row.state.is_over());
                let waiting: u32 = open.map(|row| row.requests).sum();
                assert!(waiting <= 250, "{waiting}");
            };
            assert_eq!(
                world.dispatch_and(Duration::from_mins(2), most).await,
                Ending::Completed
            );
            world.check().await;
            assert!(world.remote.sizes().iter().all(|size| *size <= 100));
        });
}

#[test]
fn a_cancel_of_the_user_reaches_the_api_and_keeps_what_was_done() {
    World::of_both_lanes(23)
        .jobs(400)
        .forced()
        .settings(|it| it.size = 200)
        .block_on(async |world| {
            let cancel = async |world: &World| world.cancel().await;
            let ending = world.dispatch_and(Duration::from_mins(10), cancel).await;
            assert_eq!(ending, Ending::Completed);
            world.check().await;
            world.check_money().await;
            let ends = world.ends().await;
            let succeeded = ends[&("batch", "succeeded".to_owned())];
            assert!((100..300).contains(&succeeded), "{ends:?}");
            assert_eq!(ends[&("batch", "canceled".to_owned())], 400 - succeeded);
            assert!(
                world.elapsed() < Duration::from_mins(12),
                "{:?}",
                world.elapsed()
            );
            assert_eq!(world.remote.cancels(), 2);
        });
}

#[test]
fn a_cancel_that_finds_a_batch_uncertain_does_not_cancel_a_stranger_s() {
    World::of_both_lanes(24)
        .jobs(40)
        .forced()
        .block_on(async |world| {
            world.remote.script(&[Create::NotHeard]);
            world.remote.stranger(40);
            let cancel = async |world: &World| world.cancel().await;
            let ending = world.dispatch_and(Duration::from_mins(1), cancel).await;
            assert_eq!(ending, Ending::Completed);
            world.check().await;
            assert_eq!((world.remote.cancels(), world.remote.batches()), (0, 1));
        });
}

#[test]
fn no_wait_creates_the_batches_and_leaves_and_a_resume_harvests() {
    World::of_both_lanes(25)
        .jobs(250)
        .forced()
        .no_wait()
        .settings(|it| it.size = 100)
        .block_on(async |world| {
            assert_eq!(world.dispatch().await, Ending::LeftInBatches);
            assert_eq!(world.remote.sizes(), [100, 100, 50]);
            assert!(
                world.elapsed() < Duration::from_mins(1),
                "{:?}",
                world.elapsed()
            );
            assert_eq!(
                world.dispatch().await,
                Ending::LeftInBatches,
                "nothing has ended yet"
            );
            tokio::time::sleep(Duration::from_hours(2)).await;
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
        });
}

/// How many jobs ended cancelled.
async fn canceled(world: &World) -> usize {
    let results = world.results().await;
    let canceled = results
        .iter()
        .filter(|row| row.error_class == Some(ErrorClass::Canceled));
    canceled.count()
}

#[test]
fn a_batch_cancelled_by_somebody_else_ends_its_jobs_as_canceled_and_is_not_made_again() {
    World::of_both_lanes(26)
        .jobs(400)
        .forced()
        .block_on(async |world| {
            let elsewhere = async |world: &World| world.remote.cancel_all_elsewhere();
            let ending = world.dispatch_and(Duration::from_mins(10), elsewhere).await;
            assert_eq!(ending, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert_eq!((world.remote.batches(), world.remote.cancels()), (1, 0));
            let canceled = canceled(world).await;
            assert!((100..300).contains(&canceled), "{canceled}");
            let told = |it: &EventKind| {
                matches!(it, EventKind::BatchHarvested { lines, .. } if lines.canceled_elsewhere == canceled as u64)
            };
            assert_eq!(world.told(told), 1);

            // `retry --class canceled` puts them back, and they are bought once more.
            assert_eq!(world.retry().await, canceled as u64);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            assert_eq!(world.remote.sizes(), [400, canceled]);
        });
}

#[test]
fn somebody_else_s_cancel_is_not_ours_although_a_deadline_comes_near_or_a_restart_between() {
    World::of_both_lanes(27)
        .jobs(200)
        .forced()
        .deadline(Duration::from_hours(3))
        .block_on(async |world| {
            world.remote.behave(|it| {
                it.stalled = 0.5;
                it.cancel_takes = Duration::from_hours(4);
            });
            let elsewhere = async |world: &World| {
                world.remote.cancel_all_elsewhere();
                tokio::time::sleep(Duration::from_mins(30)).await;
            };
            let first = world.dispatch_and(Duration::from_mins(10), elsewhere);
            let _ = tokio::time::timeout(Duration::from_hours(1), first).await;
            assert_eq!(world.batches().await[0].state, BatchState::Canceling);
            assert_eq!(world.dispatch().await, Ending::Completed);
            assert_eq!((world.remote.cancels(), world.provider.requests()), (0, 0));
            let canceled = canceled(world).await;
            assert!((50..150).contains(&canceled), "{canceled}");
        });
}

#[test]
fn our_own_cancel_for_a_deadline_is_ours_whenever_the_process_dies() {
    for seed in crate::world::seeds(4) {
        World::of_both_lanes(seed)
            .jobs(60)
            .deadline(Duration::from_mins(130))
            .with_moments()
            .block_on(async |world| {
                world.remote.behave(|it| {
                    it.stalled = 0.6;
                    it.latency = Duration::from_secs(20);
                });
                let mut ending = None;
                for _ in 0..3_000 {
                    ending = world.dispatch_until(world.random_ms(200_000)).await;
                    if ending.is_some() {
                        break;
                    }
                }
                assert_eq!(ending, Some(Ending::Completed), "seed {seed}");
                assert_eq!(canceled(world).await, 0, "seed {seed}");
            });
    }
}
