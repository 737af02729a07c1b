//! A budget holds for batches as for the live lane: both draw on the same money.

use std::time::Duration;

use claude_run::engine::{Ending, Stop};
use claude_run::model::{BatchState, ErrorClass, EventKind, Lane, Pico};

use crate::remote::{Create, Item};
use crate::seeds;
use crate::world::{BATCH_PRICE, Line, Plan, World};

/// What so many answers of batches cost.
fn answers(count: i128) -> Pico {
    Pico(BATCH_PRICE.0 * count)
}

fn forced(seed: u64, jobs: usize, budget: Pico) -> Plan {
    World::new(seed).jobs(jobs).forced().budget(budget)
}

/// The run halted for its own budget, and has spent at least 98 per cent of it and no more than it.
async fn assert_used_up(world: &World, ending: &Ending, budget: Pico) {
    let Ending::Halted(halt) = ending else {
        panic!("it did not halt: {ending:?}");
    };
    assert_eq!(halt.class, ErrorClass::SpendLimit);
    assert!(halt.is_own_budget(), "{}", halt.message);
    let run = world.run().await;
    assert!(run.cost <= budget, "{} of {budget}", run.cost);
    assert!(
        run.cost.0 * 100 >= budget.0 * 98,
        "{} of {budget}",
        run.cost
    );
    assert_eq!((run.jobs.in_flight, run.jobs.in_batch), (0, 0));
    world.check_money().await;
}

fn warnings(world: &World) -> usize {
    world.told(|it| matches!(it, EventKind::BudgetWarning { .. }))
}

#[test]
fn batches_stop_within_the_budget_and_go_on_with_more() {
    let budget = answers(1_000);
    forced(1, 3_000, budget).block_on(async |world| {
        world
            .remote
            .behave(|it| it.processing = Duration::from_mins(2));
        let ending = world.dispatch().await;
        assert_used_up(world, &ending, budget).await;
        assert_eq!(warnings(world), 2);
        let sizes = world.remote.sizes();
        assert!(
            sizes.len() <= 12,
            "each is as large as the answers so far allow: {sizes:?}"
        );

        assert!(matches!(world.dispatch().await, Ending::Halted(_)));
        assert_eq!(
            world.remote.sizes(),
            sizes,
            "without more nothing is bought"
        );
        world.set_budget(answers(4_000));
        assert_eq!(world.dispatch().await, Ending::Completed);
        world.check().await;
        world.check_money().await;
    });
}

#[test]
fn both_lanes_draw_on_the_same_money() {
    let line = |lane| Line {
        lane: Some(lane),
        deadline: None,
    };
    let budget = answers(1_000);
    World::new(2)
        .lines(1_000, line(Lane::Live))
        .lines(1_000, line(Lane::Batch))
        .budget(budget)
        .block_on(async |world| {
            world
                .remote
                .behave(|it| it.processing = Duration::from_mins(2));
            let ending = world.dispatch().await;
            assert_used_up(world, &ending, budget).await;
            assert!(world.live.requests() > 0 && world.remote.batches() > 0);
            world.set_budget(answers(4_000));
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
        });
}

#[test]
fn whatever_crashes_and_fails_no_more_is_bought_than_the_budget_allows() {
    for seed in seeds() {
        let budget = answers(150);
        forced(seed, 300, budget)
            .settings(|it| it.size = 40)
            .block_on(async |world| {
                world.remote.behave(|it| {
                    it.processing = Duration::from_mins(3);
                    it.trouble = 0.1;
                    it.items = vec![
                        (0.8, Item::Message),
                        (0.1, Item::Expired),
                        (0.1, Item::Error(ErrorClass::Overloaded)),
                    ];
                    it.creates = vec![
                        (0.6, Create::Fine),
                        (0.2, Create::AnswerLost),
                        (0.2, Create::NotHeard),
                    ];
                });
                let mut ending = None;
                for _ in 0..2_000 {
                    ending = world.dispatch_until(world.random_ms(1_000_000)).await;
                    let bought = answers(i128::from(world.remote.answered()));
                    assert!(bought <= budget, "seed {seed}: {bought} of {budget}");
                    if ending.is_some() {
                        break;
                    }
                }
                assert!(
                    matches!(ending, Some(Ending::Halted(_))),
                    "seed {seed}: {ending:?}"
                );
                world.set_budget(answers(3_000));
                assert_eq!(world.dispatch().await, Ending::Completed, "seed {seed}");
                world.check().await;
                world.check_money().await;
            });
    }
}

#[test]
fn a_batch_of_an_earlier_dispatch_is_held_against_the_budget() {
    forced(3, 400, answers(10_000)).block_on(async |world| {
        let ending = world
            .dispatch_and_stop_at(Duration::from_mins(5), Stop::Drain)
            .await;
        assert_eq!(ending, Ending::Interrupted);
        assert_eq!(world.remote.sizes(), [400]);
        // Less than what is already bought, and of which no result has come.
        world.set_budget(answers(100));
        assert_eq!(world.dispatch().await, Ending::Completed);
        assert_eq!(world.run().await.cost, answers(400));
        world.check().await;
    });
}

#[test]
fn what_was_not_sent_when_the_program_ended_is_taken_apart_and_asks_for_room_anew() {
    forced(4, 400, answers(10_000)).block_on(async |world| {
        world
            .remote
            .behave(|it| it.creates = vec![(1.0, Create::QueueFull)]);
        let ending = world
            .dispatch_and_stop_at(Duration::from_mins(5), Stop::Drain)
            .await;
        assert_eq!(ending, Ending::Interrupted);
        world
            .remote
            .behave(|it| it.creates = vec![(1.0, Create::Fine)]);
        // Before any answer a job may need all of its 200 tokens.
        world.set_budget(answers(100));
        let ending = world.dispatch().await;
        assert_used_up(world, &ending, answers(100)).await;
        let first = world.batches().await.remove(0);
        assert_eq!(first.state, BatchState::Lost);
    });
}

#[test]
fn nobody_waits_for_money_that_is_held_by_batches_nobody_waits_for() {
    let budget = answers(1_000);
    forced(5, 2_000, budget).no_wait().block_on(async |world| {
        let mut dispatches = 0;
        let ending = loop {
            let ending = world.dispatch().await;
            dispatches += 1;
            if ending != Ending::LeftInBatches {
                break ending;
            }
            assert!(world.elapsed() < Duration::from_hours(1) * dispatches);
            tokio::time::sleep(Duration::from_hours(1)).await;
        };
        assert!(dispatches > 2);
        assert_used_up(world, &ending, budget).await;
    });
}

#[test]
fn a_cancelled_batch_gives_back_what_was_held_for_it() {
    let deadline = Duration::from_mins(65);
    let budget = answers(3_000);
    World::new(6)
        .jobs(500)
        .deadline(deadline)
        .budget(budget)
        .block_on(async |world| {
            world.remote.behave(|it| it.stalled = 0.6);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert!(world.elapsed() < deadline, "{:?}", world.elapsed());
            assert!(world.live.requests() > 0);
        });
}

#[test]
fn batches_are_created_in_the_hours_only_and_fetched_at_any_time() {
    // The world begins at midnight.
    World::new(7)
        .jobs(100)
        .forced()
        .only_between("00:30-00:35@UTC")
        .block_on(async |world| {
            let (opens, before) = (Duration::from_mins(30), Duration::from_mins(29));
            let ending = world
                .dispatch_and(before, async |world: &World| {
                    assert_eq!(world.remote.creates(), 0);
                })
                .await;
            assert_eq!(ending, Ending::Completed);
            world.check().await;
            assert_eq!(world.remote.creates(), 1);
            assert!(world.elapsed() > opens + Duration::from_mins(5));
            assert!(world.elapsed() < opens + Duration::from_hours(1));
        });
}
