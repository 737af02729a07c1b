//! What jobs of batches hold of the budget, and when it comes back.

use std::sync::Arc;

use jiff::Timestamp;

use super::{BudgetRule, Purse};
use crate::engine::batch_money::{Item, Spent};
use crate::model::{BatchId, JobId, Pico, RequestBody, Tokens};
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

/// Jobs that may cost five cents and a little each in a batch: 4,000 tokens at 12.50 USD per million,
/// and a short prompt.
fn items(jobs: std::ops::Range<i64>) -> Vec<Item> {
    let body = RequestBody::from_json(
        r#"{"model":"claude-opus-4-6","max_tokens":4000,"messages":[{"role":"user","content":"a"}]}"#,
    );
    let item = |job| Item {
        job: JobId(job),
        model: "claude-opus-4-6".to_owned(),
        prompt: Prompt::read(&body),
    };
    jobs.map(item).collect()
}

/// All that one of them can cost.
fn each() -> Pico {
    let each = purse(cents(100))
        .price_in_batch(&items(0..1)[0], now())
        .unwrap();
    assert!(each > cents(5) && each < Pico(cents(51).0 / 10), "{each}");
    each
}

fn grant(purse: &mut Purse, batch: Option<BatchId>, items: &[Item]) -> usize {
    purse.grant(batch, items, now())
}

fn settle(purse: &mut Purse, batch: BatchId, spent: &Spent) {
    purse.settle(batch, "claude-opus-4-6", spent);
}

fn spent(job: i64, cost: Pico) -> Spent {
    Spent {
        job: JobId(job),
        used: Tokens::default(),
        cost,
        maybe_billed: false,
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
    settle(&mut purse, A, &spent(0, cents(1)));
    assert_eq!(grant(&mut purse, Some(B), &items(10..20)), 1);
    purse.unused(A, &[JobId(1), JobId(99)]);
    assert_eq!(grant(&mut purse, Some(B), &items(11..20)), 1);
    // A second result of the same job costs, but gives nothing back again.
    settle(&mut purse, A, &spent(0, cents(1)));
    let left = purse.spend.left();
    purse.freed(A);
    purse.freed(A);
    assert_eq!(purse.spend.left(), left + Pico(each().0 * 2));
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
    assert_eq!(purse.spend.left(), cents(12) - Pico(each().0 * 10));
    assert_eq!(grant(&mut purse, Some(B), &items(10..11)), 0);
    assert_eq!(purse.used_up(now()), None);
    for job in 0..10 {
        settle(&mut purse, A, &spent(job, cents(1)));
    }
    assert_eq!(purse.spend.left(), cents(2));
}

#[test]
fn after_a_thousand_answers_a_batch_holds_what_they_cost_and_a_strict_budget_does_not() {
    let mut likely = purse(cents(100));
    likely.learn("claude-opus-4-6", 100_000, cents(100_000));
    assert!(grant(&mut likely, Some(A), &items(0..100)) > 60);
    let rule = BudgetRule {
        strict: true,
        ..BudgetRule::default()
    };
    let prices = Arc::new(PriceTable::embedded());
    let mut strict = Purse::new((cents(100), rule), Pico::ZERO, prices);
    strict.learn("claude-opus-4-6", 100_000, cents(100_000));
    assert_eq!(grant(&mut strict, Some(A), &items(0..100)), 19);
}

#[test]
fn what_a_batch_may_be_billed_for_stays_out_of_reach() {
    let mut purse = purse(cents(100));
    assert_eq!(grant(&mut purse, Some(A), &items(0..10)), 10);
    let mut unreadable = spent(0, Pico::ZERO);
    unreadable.maybe_billed = true;
    settle(&mut purse, A, &unreadable);
    purse.keep_batch(A);
    assert!(purse.holds_nothing(), "nothing of it comes back");
    assert_eq!(purse.spend.left(), cents(100) - Pico(each().0 * 10));
}

#[test]
fn a_job_of_a_batch_that_has_no_bound_halts_the_run() {
    let mut purse = purse(cents(100));
    let mut items = items(0..3);
    let tools = r#"{"model":"claude-opus-4-6","max_tokens":10,"messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#;
    items[1].prompt = Prompt::read(&RequestBody::from_json(tools));
    assert_eq!(grant(&mut purse, Some(A), &items), 1);
    let halt = purse.used_up(now()).unwrap();
    assert!(
        halt.is_own_budget() && halt.message.contains("max_uses"),
        "{}",
        halt.message
    );
}
