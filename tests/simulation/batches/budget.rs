//! A budget holds for batches as for the live lane: both draw on the same money.

use std::time::Duration;

use claude_run::engine::{Ending, Stop};
use claude_run::model::{BatchState, ErrorClass, EventKind, HaltReason, Lane, Pico, Usage};

use super::seeds;
use crate::world::World;
use crate::world::plan::{Line, Plan};
use crate::world::remote::{BATCH_PRICE, Create, Item, used};

/// What so many answers of batches cost.
fn answers(count: i128) -> Pico {
    Pico(BATCH_PRICE.0 * count)
}

fn forced(seed: u64, jobs: u64, budget: Pico) -> Plan {
    World::of_both_lanes(seed)
        .jobs(jobs)
        .forced()
        .budget(budget)
}

/// More than all that a request here can cost live: 200 x 0.50 USD per million, and its prompt.
const AT_MOST: Pico = Pico(200_000_000);

/// The run halted for its own budget when no more request fitted, and has spent no more than it.
async fn assert_used_up(world: &World, ending: &Ending, budget: Pico) {
    let Ending::Halted(halt) = ending else {
        panic!("it did not halt: {ending:?}");
    };
    assert_eq!(halt.class, ErrorClass::SpendLimit);
    assert!((halt.reason == HaltReason::OwnBudget), "{}", halt.message);
    let run = world.run().await;
    assert!(run.cost <= budget, "{} of {budget}", run.cost);
    assert!(budget - run.cost < AT_MOST, "{} of {budget}", run.cost);
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
            sizes.len() <= 24,
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
        ..Line::default()
    };
    let budget = answers(1_000);
    World::of_both_lanes(2)
        .lines(1_000, line(Lane::Live))
        .lines(1_000, line(Lane::Batch))
        .budget(budget)
        .block_on(async |world| {
            world
                .remote
                .behave(|it| it.processing = Duration::from_mins(2));
            let ending = world.dispatch().await;
            assert_used_up(world, &ending, budget).await;
            assert!(world.provider.requests() > 0 && world.remote.batches() > 0);
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
    World::of_both_lanes(6)
        .jobs(500)
        .deadline(deadline)
        .budget(budget)
        .block_on(async |world| {
            world.remote.behave(|it| it.stalled = 0.6);
            assert_eq!(world.dispatch().await, Ending::Completed);
            world.check().await;
            world.check_money().await;
            assert!(world.elapsed() < deadline, "{:?}", world.elapsed());
            assert!(world.provider.requests() > 0);
        });
}

#[test]
fn batches_are_created_in_the_hours_only_and_fetched_at_any_time() {
    // The world begins at midnight.
    World::of_both_lanes(7)
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

/// A long answer is allowed, two searches, and a prompt of some words.
fn long_answers(line: u64, model: &str) -> String {
    let text = "word ".repeat(60);
    format!(
        r#"{{"model":"{model}","max_tokens":2000,"messages":[{{"role":"user","content":"{line} {text}"}}]}}"#
    )
}

fn searching(line: u64, model: &str) -> String {
    format!(
        r#"{{"model":"{model}","max_tokens":500,"messages":[{{"role":"user","content":"{line}"}}],"tools":[{{"type":"web_search_20250305","name":"web_search","max_uses":2}}]}}"#
    )
}

/// What a full answer to [`long_answers`] costs in a batch: half of 100 x 0.10 + 2,000 x 0.50 USD per
/// million.
const FULL: Pico = Pico(505_000_000);

/// What was over in the end is at most 2 per cent of the budget.
async fn assert_kept(world: &World, budget: Pico) {
    let cost = world.run().await.cost;
    assert!(cost.0 * 100 <= budget.0 * 102, "{cost} of {budget}");
    assert!(cost.0 * 100 >= budget.0 * 60, "only {cost} of {budget}");
    world.check_money().await;
}

#[test]
fn short_answers_and_then_full_ones_stay_within_the_budget() {
    type Story = (u64, u64, fn(u64) -> Usage);
    // After 200, after 900, after 2,500, from the first one on, and every tenth.
    let stories: [Story; 5] = [
        (20, 700, |n| used(100, if n < 200 { 10 } else { 2_000 })),
        (21, 1_400, |n| used(100, if n < 900 { 10 } else { 2_000 })),
        (22, 3_200, |n| used(100, if n < 2_500 { 10 } else { 2_000 })),
        (23, 500, |_| used(100, 2_000)),
        (24, 4_000, |n| {
            used(100, if n % 10 == 0 { 2_000 } else { 10 })
        }),
    ];
    for (seed, jobs, usage) in stories {
        let budget = Pico(FULL.0 * 300);
        forced(seed, jobs, budget)
            .bodies(long_answers)
            .block_on(async |world| {
                world.remote.behave(|it| {
                    it.usage = usage;
                    it.processing = Duration::from_mins(2);
                });
                let ending = world.dispatch().await;
                assert!(matches!(ending, Ending::Halted(_)), "{ending:?}");
                assert_kept(world, budget).await;
            });
    }
}

#[test]
fn searches_in_a_batch_are_foreseen() {
    let searched = |_: u64| Usage {
        web_searches: 2,
        ..used(20_000, 300)
    };
    let budget = Pico::USD;
    forced(30, 2_000, budget)
        .bodies(searching)
        .block_on(async |world| {
            world.remote.behave(|it| {
                it.usage = searched;
                it.processing = Duration::from_mins(2);
            });
            let ending = world.dispatch().await;
            assert!(matches!(ending, Ending::Halted(_)), "{ending:?}");
            assert_kept(world, budget).await;
        });
}

#[test]
fn a_strict_budget_is_not_overrun_by_batches_either() {
    let budget = Pico(FULL.0 * 300);
    for strict in [false, true] {
        let plan = forced(40, 4_000, budget).bodies(long_answers);
        let plan = if strict { plan.strict() } else { plan };
        plan.block_on(async |world| {
            world.remote.behave(|it| {
                it.usage = |n| used(100, if n < 2_500 { 10 } else { 2_000 });
                it.processing = Duration::from_mins(2);
            });
            let ending = world.dispatch().await;
            assert!(matches!(ending, Ending::Halted(_)), "{ending:?}");
            let cost = world.run().await.cost;
            assert_eq!(cost > budget, !strict, "{cost} of {budget}");
        });
    }
}

#[test]
fn what_answers_have_cost_is_known_again_after_a_restart() {
    let first_after_it = |strict: bool| {
        let plan = forced(50, 2_000, Pico(FULL.0 * 300)).bodies(long_answers);
        let plan = if strict { plan.strict() } else { plan };
        let mut size = 0;
        plan.block_on(async |world| {
            world.remote.behave(|it| {
                it.usage = |_| used(100, 100);
                it.processing = Duration::from_secs(30);
            });
            let strike = Duration::from_mins(5);
            let ending = world.dispatch_and_stop_at(strike, Stop::Drain).await;
            assert_eq!(ending, Ending::Interrupted);
            let before = world.remote.sizes();
            let spent = world.run().await.cost;
            assert!(spent > Pico::ZERO, "{before:?}");
            world.set_budget(spent + Pico(FULL.0 * 200));
            world.dispatch().await;
            world.check_money().await;
            size = world.remote.sizes()[before.len()];
        });
        size
    };
    // Where nothing is known all that they can cost is likely, as it is to a strict budget.
    let (strict, likely) = (first_after_it(true), first_after_it(false));
    assert!(likely > strict, "{likely}, strictly {strict}");
}

#[test]
fn what_is_over_after_thousands_of_cheap_answers_is_two_per_cent_and_told() {
    let budget = Pico(FULL.0 * 1_500);
    forced(60, 6_000, budget)
        .bodies(long_answers)
        .block_on(async |world| {
            world.remote.behave(|it| {
                it.usage = |n| used(100, if n < 3_200 { 10 } else { 2_000 });
                it.processing = Duration::from_secs(30);
            });
            let ending = world.dispatch().await;
            assert!(matches!(ending, Ending::Halted(_)), "{ending:?}");
            let cost = world.run().await.cost;
            assert!(cost > budget, "the story is about an overrun");
            assert!(cost.0 * 100 <= budget.0 * 102, "{cost} of {budget}");
            assert!(world.budget_warnings().iter().any(|percent| *percent > 100));
        });
}
