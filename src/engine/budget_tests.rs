//! What jobs of batches hold of the budget, and when it comes back.

use std::sync::Arc;

use jiff::Timestamp;

use super::{BudgetRule, RunBudget};
use crate::engine::batch_money::{Item, Spent};
use crate::engine::batches::testing;
use crate::model::{BatchId, ClaimedJob, EventKind, HaltReason, JobId, Pico, RequestBody, Tokens};
use crate::policy::{Estimator, PriceTable, Prompt, Room};
use crate::store::AnswerCosts;

const A: BatchId = BatchId(1);
const B: BatchId = BatchId(2);

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn cents(cents: i128) -> Pico {
    Pico(cents * Pico::USD.0 / 100)
}

fn budget(amount: Pico) -> RunBudget {
    budget_by(BudgetRule::default(), Some(amount))
}

fn budget_by(rule: BudgetRule, amount: Option<Pico>) -> RunBudget {
    let prices = Arc::new(PriceTable::embedded());
    RunBudget::new(amount, rule, Pico::ZERO, prices)
}

/// Jobs that may cost five cents and a little each in a batch: 4,000 tokens at 12.50 USD per million,
/// and a short prompt.
fn items(jobs: std::ops::Range<i64>) -> Vec<Item> {
    let body = RequestBody::from_json(
        r#"{"model":"claude-opus-4-6","max_tokens":4000,"inference_geo":"global","messages":[{"role":"user","content":"a"}]}"#,
    );
    let item = |job| Item {
        job: JobId(job),
        model: "claude-opus-4-6".to_owned(),
        prompt: Prompt::read_with_bounds(&body),
    };
    jobs.map(item).collect()
}

/// All that one of them can cost.
fn each() -> Pico {
    let each = budget(cents(100))
        .hold_in_batch(&items(0..1)[0], now())
        .unwrap()
        .most;
    assert!(each > cents(5) && each < Pico(cents(52).0 / 10), "{each}");
    each
}

fn grant(budget: &mut RunBudget, batch: Option<BatchId>, items: &[Item]) -> usize {
    budget.grant(batch, items, now())
}

fn settle(budget: &mut RunBudget, batch: BatchId, spent: &Spent) {
    budget.settle(batch, "claude-opus-4-6", spent);
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
    let mut budget = budget(cents(22));
    assert_eq!(grant(&mut budget, None, &items(0..1)), 1);
    assert!(budget.holds_nothing());
    assert_eq!(grant(&mut budget, Some(A), &items(0..10)), 4);
    assert_eq!(grant(&mut budget, Some(B), &items(10..20)), 0);
    assert_eq!(budget.used_up(now()), None, "something is in flight");
}

#[test]
fn a_result_the_end_of_its_batch_and_what_did_not_go_in_give_back_what_was_held() {
    let mut budget = budget(cents(22));
    assert_eq!(grant(&mut budget, Some(A), &items(0..10)), 4);
    settle(&mut budget, A, &spent(0, cents(1)));
    assert_eq!(grant(&mut budget, Some(B), &items(10..20)), 1);
    budget.unused(A, &[JobId(1), JobId(99)]);
    assert_eq!(grant(&mut budget, Some(B), &items(11..20)), 1);
    // A second result of the same job costs, but gives nothing back again.
    settle(&mut budget, A, &spent(0, cents(1)));
    let left = budget.spend.left();
    budget.freed(A);
    budget.freed(A);
    assert_eq!(budget.spend.left(), left + Pico(each().0 * 2));
    budget.freed(B);
    assert!(budget.holds_nothing());
    assert_eq!(budget.spend.spent(), cents(2));
}

#[test]
fn the_budget_is_used_up_when_nothing_is_held_and_the_first_job_does_not_fit() {
    let mut budget = budget(cents(4));
    assert_eq!(grant(&mut budget, None, &items(0..1)), 0);
    let halt = budget.used_up(now()).unwrap();
    assert!((halt.reason == HaltReason::OwnBudget), "{}", halt.message);
}

#[test]
fn what_an_earlier_dispatch_put_into_a_batch_is_held_whether_it_fits_or_not() {
    let mut budget = budget(cents(12));
    budget.found(A, &items(0..10), &Estimator::default(), now());
    assert_eq!(budget.spend.left(), cents(12) - Pico(each().0 * 10));
    assert_eq!(grant(&mut budget, Some(B), &items(10..11)), 0);
    assert_eq!(budget.used_up(now()), None);
    for job in 0..10 {
        settle(&mut budget, A, &spent(job, cents(1)));
    }
    assert_eq!(budget.spend.left(), cents(2));
}

fn claimed(job: i64) -> ClaimedJob {
    testing::claimed(job, now())
}

/// Asks for room for a request with 10,000 tokens of answer: 5.5 cents of haiku, 27.5 of opus.
fn room(budget: &mut RunBudget, job: &ClaimedJob, models: &[&str]) -> Room {
    let body = r#"{"max_tokens":10000,"messages":[{"role":"user","content":"x"}]}"#;
    let prompt = Prompt::read_with_bounds(&RequestBody::from_json(body));
    budget.room(job, models.iter().copied(), &prompt, now())
}

#[test]
fn a_request_holds_for_the_dearest_of_the_models_that_may_answer_it() {
    let both = ["claude-haiku-4-5", "claude-opus-4-6"];
    for (amount, models, expected) in [
        (6, &both[..1], Room::Now),
        (6, &both[..], Room::Never),
        (29, &both[..], Room::Now),
    ] {
        let mut budget = budget(cents(amount));
        assert_eq!(
            room(&mut budget, &claimed(1), models),
            expected,
            "{models:?}"
        );
    }
}

/// It is asked about at one endpoint, and then sent to the other.
#[test]
fn a_request_holds_for_the_dearer_of_the_endpoints_that_it_was_asked_about_at() {
    for (asked_before, least, most) in [(1, 27, 30), (2, 5, 6)] {
        let mut budget = budget(cents(100));
        room(&mut budget, &claimed(asked_before), &["claude-opus-4-6"]);
        room(&mut budget, &claimed(1), &["claude-haiku-4-5"]);
        budget.started(JobId(1));
        let held = budget.spend.held();
        assert!(held > cents(least) && held < cents(most), "{held}");
    }
}

#[test]
fn a_job_of_a_batch_that_is_asked_for_twice_is_held_once() {
    let mut budget = budget(cents(22));
    assert_eq!(grant(&mut budget, Some(A), &items(0..1)), 1);
    let left = budget.spend.left();
    assert_eq!(grant(&mut budget, Some(A), &items(0..1)), 1);
    assert_eq!(budget.spend.left(), left);
}

#[test]
fn what_may_have_been_billed_is_kept_until_the_run_ends() {
    let (mut budget, model) = (budget(cents(12)), ["claude-haiku-4-5"]);
    assert_eq!(room(&mut budget, &claimed(1), &model), Room::Now);
    budget.started(JobId(1));
    // A stream that broke told a cent of it.
    budget.ended(JobId(1), cents(1), true);
    assert!(budget.holds_nothing());
    assert_eq!(room(&mut budget, &claimed(2), &model), Room::Now);
    budget.started(JobId(2));
    budget.ended(JobId(2), cents(5), false);
    assert_eq!(room(&mut budget, &claimed(3), &model), Room::Never);
    let halt = budget.used_up(now()).unwrap();
    assert!((halt.reason == HaltReason::OwnBudget), "{}", halt.message);
    assert!(
        halt.message.contains("is kept for attempts"),
        "{}",
        halt.message
    );
}

#[test]
fn only_without_a_strict_budget_may_what_is_in_batches_cost_a_little_more() {
    // All that twenty can cost is a hundredth more than the budget.
    let in_batch = |strict, answers| {
        let rule = BudgetRule {
            strict,
            ..BudgetRule::default()
        };
        let amount = Pico(each().0 * 20 * 99 / 100);
        let mut budget = budget_by(rule, Some(amount));
        budget.learn(&[AnswerCosts {
            model: "claude-opus-4-6".to_owned(),
            answers,
            cost: Pico(cents(1).0 * i128::from(answers)),
        }]);
        grant(&mut budget, Some(A), &items(0..100))
    };
    assert_eq!(in_batch(true, 100_000), 19);
    assert_eq!(in_batch(false, 100_000), 20);
    assert_eq!(in_batch(false, 0), 19, "nothing was seen yet");
}

#[test]
fn what_a_batch_may_be_billed_for_stays_out_of_reach() {
    let mut budget = budget(cents(100));
    assert_eq!(grant(&mut budget, Some(A), &items(0..10)), 10);
    let mut unreadable = spent(0, Pico::ZERO);
    unreadable.maybe_billed = true;
    settle(&mut budget, A, &unreadable);
    budget.keep_batch(A);
    assert!(budget.holds_nothing(), "nothing of it comes back");
    assert_eq!(budget.spend.left(), cents(100) - Pico(each().0 * 10));
}

#[test]
fn a_job_of_a_batch_that_has_no_bound_halts_the_run() {
    let mut budget = budget(cents(100));
    let mut items = items(0..3);
    let tools = r#"{"model":"claude-opus-4-6","max_tokens":10,"messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#;
    items[1].prompt = Prompt::read_with_bounds(&RequestBody::from_json(tools));
    assert_eq!(grant(&mut budget, Some(A), &items), 1);
    let halt = budget.used_up(now()).unwrap();
    assert!(
        (halt.reason == HaltReason::OwnBudget) && halt.message.contains("max_uses"),
        "{}",
        halt.message
    );
}

#[test]
fn no_more_is_claimed_than_there_is_room_for() {
    let (mut budget, model) = (budget(cents(18)), ["claude-haiku-4-5"]);
    // Before any price is known: the one that tells it.
    assert_eq!(budget.worth(), 1);
    assert_eq!(room(&mut budget, &claimed(1), &model), Room::Now);
    assert_eq!(budget.worth(), 3);
    for job in 1..=3 {
        assert_eq!(room(&mut budget, &claimed(job), &model), Room::Now);
        budget.started(JobId(job));
    }
    // Something in flight may free some.
    assert_eq!(budget.worth(), 0);
    assert!(matches!(
        budget.tight(),
        Some(EventKind::BudgetTight { open: 3, .. })
    ));
    for job in 1..=3 {
        budget.ended(JobId(job), cents(6), false);
    }
    // Nothing is: one finds out.
    assert_eq!(budget.worth(), 1);
    assert_eq!(room(&mut budget, &claimed(4), &model), Room::Never);
}

#[test]
fn a_run_without_a_budget_holds_nothing_and_never_runs_out() {
    let (mut budget, model) = (budget_by(BudgetRule::default(), None), ["no-such-model"]);
    assert_eq!(room(&mut budget, &claimed(1), &model), Room::Now);
    budget.started(JobId(1));
    assert_eq!(grant(&mut budget, Some(A), &items(0..9)), 9);
    assert!(budget.holds_nothing());
    budget.ended(JobId(1), cents(7), true);
    settle(&mut budget, A, &spent(2, cents(7)));
    assert_eq!(budget.worth(), u32::MAX);
    assert_eq!((budget.warning(), budget.tight()), (None, None));
    assert_eq!(budget.used_up(now()), None);
}

#[test]
fn a_request_that_nothing_bounds_halts_the_run_with_the_way_out() {
    let mut budget = budget(cents(1_000));
    let body = r#"{"max_tokens":9,"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#;
    let prompt = Prompt::read_with_bounds(&RequestBody::from_json(body));
    let job = claimed(7);
    let found = budget.room(&job, ["claude-haiku-4-5"].into_iter(), &prompt, now());
    assert_eq!(found, Room::Never);
    let message = budget.used_up(now()).unwrap().message;
    for words in [
        "`j-7`",
        "max_uses",
        "--budget-assume-searches",
        "cancel --job",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
}
