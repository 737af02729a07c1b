//! What jobs of batches hold of the budget, and when it comes back.

use std::sync::Arc;

use jiff::Timestamp;

use super::{BudgetRule, Purse};
use crate::engine::batch_money::{Item, Spent};
use crate::model::{BatchId, JobId, Pico, Tokens};
use crate::policy::{Estimator, PriceTable, Prompt};

const A: BatchId = BatchId(1);
const B: BatchId = BatchId(2);

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn cents(cents: i128) -> Pico {
    Pico(cents * Pico::USD.0 / 100)
}

fn purse(budget: Pico) -> Purse {
    Purse::new(
        (budget, BudgetRule::default()),
        Pico::ZERO,
        Arc::new(PriceTable::embedded()),
    )
}

/// Jobs that may cost five cents each in a batch: 4,000 tokens at 12.50 USD per million.
fn items(jobs: std::ops::Range<i64>) -> Vec<Item> {
    let item = |job| Item {
        job: JobId(job),
        model: "claude-opus-4-6".to_owned(),
        prompt: Prompt {
            max_tokens: Some(4_000),
            ..Prompt::default()
        },
    };
    jobs.map(item).collect()
}

fn grant(purse: &mut Purse, batch: Option<BatchId>, items: &[Item]) -> usize {
    purse.grant(batch, items, &Estimator::default(), now())
}

fn spent(job: i64, cost: Pico) -> Spent {
    Spent {
        job: JobId(job),
        used: Tokens::default(),
        cost,
    }
}

#[test]
fn as_many_jobs_fit_as_the_budget_has_room_for_and_a_look_holds_nothing() {
    let mut purse = purse(cents(22));
    assert_eq!(grant(&mut purse, None, &items(0..1)), 1);
    assert!(purse.holds_nothing());
    assert_eq!(grant(&mut purse, Some(A), &items(0..10)), 4);
    assert_eq!(grant(&mut purse, Some(B), &items(10..20)), 0);
    assert_eq!(purse.used_up(now()), None, "something is in flight");
}

#[test]
fn a_result_the_end_of_its_batch_and_what_did_not_go_in_give_back_what_was_held() {
    let mut purse = purse(cents(22));
    assert_eq!(grant(&mut purse, Some(A), &items(0..10)), 4);
    purse.settle(A, &spent(0, cents(1)));
    assert_eq!(grant(&mut purse, Some(B), &items(10..20)), 1);
    purse.unused(A, &[JobId(1), JobId(99)]);
    assert_eq!(grant(&mut purse, Some(B), &items(11..20)), 1);
    // A second result of the same job costs, but gives nothing back again.
    purse.settle(A, &spent(0, cents(1)));
    assert_eq!(purse.spend.left(), cents(0));
    purse.freed(A);
    purse.freed(A);
    assert_eq!(purse.spend.left(), cents(10));
    purse.freed(B);
    assert!(purse.holds_nothing());
    assert_eq!(purse.spend.spent(), cents(2));
}

#[test]
fn the_budget_is_used_up_when_nothing_is_held_and_the_first_job_does_not_fit() {
    let mut purse = purse(cents(4));
    assert_eq!(grant(&mut purse, None, &items(0..1)), 0);
    let halt = purse.used_up(now()).unwrap();
    assert!(halt.is_own_budget(), "{}", halt.message);
}

#[test]
fn what_an_earlier_dispatch_put_into_a_batch_is_held_whether_it_fits_or_not() {
    let mut purse = purse(cents(12));
    purse.found(A, &items(0..10), &Estimator::default(), now());
    assert_eq!(purse.spend.left(), cents(-38));
    assert_eq!(grant(&mut purse, Some(B), &items(10..11)), 0);
    assert_eq!(purse.used_up(now()), None);
    for job in 0..10 {
        purse.settle(A, &spent(job, cents(1)));
    }
    assert_eq!(purse.spend.left(), cents(2));
}
