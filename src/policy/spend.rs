//! Whether a run may spend what its next request could cost, given the budget that the user has set.
//!
//! It owns the account of one run: money spent, money held for what is in flight, and money kept for
//! what may have been billed although no answer came. A request starts only while all three together
//! with what it can cost itself stay within the budget; its end gives that back and charges what it
//! really cost. Work of a remote batch is held in the same way: all its jobs when it is created, each
//! one given back with its result.
//!
//! On the live lane a request holds the most that it can cost ([`super::at_most()`]), whatever answers
//! before it have cost: so the budget is never overrun there. A request of a batch also holds what it
//! is likely to cost ([`super::BatchCosts`]): what is likely stays within the budget, and all that can
//! be billed within 2 % more.
//!
//! Pure. What it does not do: find out what was spent (the store sums that up), or stop anything.

use jiff::Timestamp;

use super::estimate::{Estimator, Prompt};
use super::prices::PriceTable;
use crate::model::{Lane, Pico, Tokens, Usage};

/// Parts of the budget, in per cent, at which the user is warned.
const WARN_AT: [u8; 2] = [75, 90];
/// A request without `max_tokens` of a model that the price table does not bound. The API refuses
/// it, so this only has to be large.
const UNBOUNDED_OUTPUT: u64 = 128_000;

/// This much of the budget, in per cent, may be overrun in the end when all that is in batches costs the
/// most that it can. Without it the last requests of a budget would go in ever smaller batches.
const OVER_PERCENT: i128 = 2;

/// What is held of the budget for something in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// What it is likely to cost, with a margin. Never more than `most`.
    pub likely: Pico,
    /// The most that it can cost.
    pub most: Pico,
}

impl Hold {
    /// For what is held with all that it can cost.
    #[must_use]
    pub fn exactly(most: Pico) -> Self {
        Self { likely: most, most }
    }
}

/// Whether the budget has room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It may start.
    Now,
    /// It may fit when something in flight has come to its end and cost less than was held for it.
    AfterAnAnswer,
    /// Nothing is in flight, and it does not fit.
    Never,
}

/// The account of a run with a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    budget: Pico,
    spent: Pico,
    held: Hold,
    /// For what may have been billed, beyond what is known to be.
    kept: Pico,
    warned: u8,
}

impl Spend {
    /// A run that has spent this much already, in this dispatch or an earlier one.
    #[must_use]
    pub fn new(budget: Pico, spent: Pico) -> Self {
        Self {
            budget,
            spent,
            held: Hold::default(),
            kept: Pico::ZERO,
            warned: 0,
        }
    }

    /// The user's budget.
    #[must_use]
    pub fn budget(&self) -> Pico {
        self.budget
    }

    /// What was spent.
    #[must_use]
    pub fn spent(&self) -> Pico {
        self.spent
    }

    /// The most that work in flight can cost.
    #[must_use]
    pub fn held(&self) -> Pico {
        self.held.most
    }

    /// What is kept for what may have been billed.
    #[must_use]
    pub fn kept(&self) -> Pico {
        self.kept
    }

    /// What may still be held for something new with all that it can cost. Negative when the budget
    /// is overrun.
    #[must_use]
    pub fn left(&self) -> Pico {
        self.left_likely().min(self.left_at_most())
    }

    /// Whether this much more may be held.
    #[must_use]
    pub fn room_for(&self, hold: Hold) -> Room {
        // Both: the likely cost keeps the budget, the largest one keeps its overrun small.
        if hold.likely <= self.left_likely() && hold.most <= self.left_at_most() {
            Room::Now
        } else if self.held.most > Pico::ZERO {
            // An answer that costs less than was held for it makes room.
            Room::AfterAnAnswer
        } else {
            Room::Never
        }
    }

    /// Something starts that may cost this much. Whoever starts it has asked [`Spend::room_for`];
    /// what is in a remote batch since an earlier dispatch is held without asking.
    pub fn hold(&mut self, hold: Hold) {
        self.held.likely += hold.likely;
        self.held.most += hold.most;
    }

    /// Something came to its end: what was held for it is free, and this is what it cost.
    pub fn settle(&mut self, hold: Hold, cost: Pico) {
        // Never below nothing: a batch may be settled in parts, each of them rounded.
        self.held.likely = Pico((self.held.likely - hold.likely).0.max(0));
        self.held.most = Pico((self.held.most - hold.most).0.max(0));
        self.spent += cost;
    }

    /// This much may have been billed without anybody knowing: it stays out of reach as long as the run
    /// lasts.
    pub fn keep(&mut self, amount: Pico) {
        // A negative amount would raise the budget.
        self.kept += Pico(amount.0.max(0));
    }

    /// The part of the budget, in per cent, that was passed since this was asked last and that the
    /// user is to be warned of. Only the highest one is told.
    ///
    /// That the budget is overrun is told as the part that is spent, each time that this has grown.
    pub fn warning(&mut self) -> Option<u8> {
        if self.spent > self.budget {
            return self.overrun();
        }
        let passed = |percent: &u8| {
            let (spent, budget) = (self.spent.0, self.budget.0);
            spent.saturating_mul(100) >= budget.saturating_mul(i128::from(*percent))
        };
        // One dear answer may pass two marks at once.
        let highest = WARN_AT.into_iter().filter(passed).max()?;
        let is_news = highest > self.warned;
        self.warned = self.warned.max(highest);
        is_news.then_some(highest)
    }
}

impl Spend {
    fn left_likely(&self) -> Pico {
        self.budget - self.spent - self.kept - self.held.likely
    }

    fn left_at_most(&self) -> Pico {
        let over = Pico(self.budget.0.saturating_mul(OVER_PERCENT) / 100);
        self.budget + over - self.spent - self.kept - self.held.most
    }

    fn overrun(&mut self) -> Option<u8> {
        // A budget of zero is allowed, and stops everything.
        let percent = self.spent.0.saturating_mul(100) / self.budget.0.max(1);
        // More than the budget, however little more.
        let percent = u8::try_from(percent.max(101)).unwrap_or(u8::MAX);
        let is_news = percent > self.warned;
        self.warned = self.warned.max(percent);
        is_news.then_some(percent)
    }
}

/// What the `nth` (from 1) request of a remote batch adds to what the whole batch hardly exceeds.
/// None if its model has no known price. Nothing is taken to be read from a cache.
///
/// The requests of a batch are answered together, so what one of them costs beyond the mean, others
/// make up for: less is held for many than the sum of what each may cost alone.
#[must_use]
pub fn batch_reservation(
    prices: &PriceTable,
    estimator: &Estimator,
    model: &str,
    prompt: &Prompt,
    nth: u32,
    at: Timestamp,
) -> Option<Pico> {
    let bound = bound(prices, model, prompt);
    let tokens = estimator.ceiling_of_nth(model, prompt, bound, nth);
    price_of(prices, model, prompt, tokens, (Lane::Batch, at))
}

fn bound(prices: &PriceTable, model: &str, prompt: &Prompt) -> u64 {
    let most = prices.model(model).map(|model| model.max_output_tokens);
    prompt.max_tokens.or(most).unwrap_or(UNBOUNDED_OUTPUT)
}

fn price_of(
    prices: &PriceTable,
    model: &str,
    prompt: &Prompt,
    tokens: Tokens,
    (lane, at): (Lane, Timestamp),
) -> Option<Pico> {
    let usage = Usage {
        tokens,
        batch_tier: lane == Lane::Batch,
        us_geo: prompt.us_geo,
        fast: prompt.fast,
        ..Usage::default()
    };
    let cost = prices.cost(model, &usage, at);
    (!cost.unknown_price).then_some(cost.total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Hold, OVER_PERCENT, Room, Spend, batch_reservation};
    use crate::model::{Pico, Tokens};
    use crate::policy::{Estimator, PriceTable, Prompt};

    const CENT: i128 = Pico::USD.0 / 100;

    fn cents(cents: i128) -> Pico {
        Pico(cents * CENT)
    }

    fn all(amount: i128) -> Hold {
        Hold::exactly(cents(amount))
    }

    #[test]
    fn a_start_needs_room_beside_what_is_spent_and_held() {
        let mut spend = Spend::new(cents(100), cents(40));
        assert_eq!(spend.room_for(all(60)), Room::Now);
        assert_eq!(spend.room_for(all(61)), Room::Never);
        spend.hold(all(50));
        assert_eq!(spend.room_for(all(10)), Room::Now);
        assert_eq!(spend.room_for(all(11)), Room::AfterAnAnswer);
        spend.settle(all(50), cents(5));
        assert_eq!((spend.spent(), spend.left()), (cents(45), cents(55)));
        assert_eq!(spend.room_for(all(56)), Room::Never);
    }

    #[test]
    fn a_budget_below_what_was_spent_has_no_room() {
        let spend = Spend::new(cents(10), cents(12));
        assert_eq!(spend.left(), cents(-2));
        assert_eq!(spend.room_for(all(1)), Room::Never);
    }

    #[test]
    fn each_warning_is_given_once_and_only_the_highest() {
        let mut spend = Spend::new(cents(100), Pico::ZERO);
        let mut warnings = Vec::new();
        for cost in [74, 1, 5, 9, 1, 5, 20] {
            spend.settle(Hold::default(), cents(cost));
            warnings.push(spend.warning());
        }
        // The last one is over the budget.
        let expected = [None, Some(75), None, None, Some(90), None, Some(115)];
        assert_eq!(warnings, expected);
        let mut at_once = Spend::new(cents(100), cents(95));
        assert_eq!((at_once.warning(), at_once.warning()), (Some(90), None));
    }

    fn at() -> jiff::Timestamp {
        "2026-11-22T00:00:00Z".parse().unwrap()
    }

    fn prompt(tokens: f64, max_tokens: u64) -> Prompt {
        Prompt {
            tokens,
            max_tokens: Some(max_tokens),
            ..Prompt::default()
        }
    }

    #[test]
    fn many_requests_of_a_batch_hold_less_than_each_alone_and_before_any_answer_the_same() {
        let mut estimator = Estimator::default();
        let (model, asked) = ("claude-opus-4-6", prompt(1_000.0, 4_000));
        let prices = PriceTable::embedded();
        let nth = |estimator: &Estimator, nth| {
            batch_reservation(&prices, estimator, model, &asked, nth, at()).unwrap()
        };
        // Before any answer each holds all of its answer, at half of 25 USD per million.
        assert!(nth(&estimator, 500).0 >= 4_000 * 12_500_000);
        for n in 0..4_000 {
            let used = Tokens {
                input: 1_000,
                output: if n % 20 == 0 { 1_000 } else { 100 },
                ..Tokens::default()
            };
            estimator.observe(model, &asked, &used);
        }
        // Half of 1,050 in at 5 USD and, on the mean, 145 out at 25 USD per million.
        let mean = Pico((1_050 * 5 + 145 * 25) * 1_000_000 / 2);
        let held: Pico = (1..=1_000).map(|n| nth(&estimator, n)).sum();
        let each = Pico(held.0 / 1_000);
        assert!(each > mean, "{each} for {mean}");
        assert!(each.0 * 100 < mean.0 * 125, "{each} for {mean}");
        assert!(nth(&estimator, 1) > nth(&estimator, 2));
    }

    #[test]
    fn what_may_have_been_billed_stays_out_of_reach() {
        let mut spend = Spend::new(cents(100), Pico::ZERO);
        spend.hold(all(40));
        // It broke: five cents are known to be billed, and all that was held may be.
        spend.settle(all(40), cents(5));
        spend.keep(cents(35));
        assert_eq!((spend.left(), spend.held()), (cents(60), Pico::ZERO));
        assert_eq!(spend.room_for(all(60)), Room::Now);
        // Nothing is in flight that could free it.
        assert_eq!(spend.room_for(all(61)), Room::Never);
        spend.keep(cents(-9));
        assert_eq!(spend.kept(), cents(35));
    }

    #[test]
    fn what_is_likely_stays_within_the_budget_and_what_can_be_billed_hardly_above_it() {
        let hold = |likely, most| Hold {
            likely: cents(likely),
            most: cents(most),
        };
        let mut spend = Spend::new(cents(100), cents(90));
        for (likely, most, room) in [
            (10, 12, Room::Now),
            (10, 13, Room::Never),
            (11, 12, Room::Never),
        ] {
            assert_eq!(spend.room_for(hold(likely, most)), room, "{likely} {most}");
        }
        spend.hold(hold(2, 10));
        // A single request holds all that it can cost, whichever of the two is nearer.
        assert_eq!(spend.left(), cents(2));
        assert_eq!(spend.room_for(all(3)), Room::AfterAnAnswer);
        spend.settle(hold(2, 10), cents(1));
        assert_eq!((spend.left(), spend.held()), (cents(9), Pico::ZERO));
    }

    proptest! {
        /// Whatever comes in whatever order, and whatever was taken to be likely: what is spent
        /// exceeds the budget by 2 per cent at most, and not at all when everything is held for with
        /// all that it can cost.
        #[test]
        fn the_budget_is_kept_whatever_was_taken_to_be_likely(
            budget in 100..10_000_i128,
            strict: bool,
            work in prop::collection::vec((1..100_i128, 0..=100_i128, 0..=100_i128, any::<bool>()), 1..200),
        ) {
            let mut spend = Spend::new(Pico(budget), Pico::ZERO);
            let mut open = Vec::new();
            for (most, likely, cost, ends) in work {
                if ends && let Some((hold, cost)) = open.pop() {
                    spend.settle(hold, cost);
                }
                let percent = if strict { 100 } else { likely };
                let hold = Hold { likely: Pico(most * percent / 100), most: Pico(most) };
                if spend.room_for(hold) == Room::Now {
                    spend.hold(hold);
                    open.push((hold, Pico(most * cost / 100)));
                }
            }
            for (hold, cost) in open {
                spend.settle(hold, cost);
            }
            let over = if strict { 0 } else { budget * OVER_PERCENT / 100 };
            prop_assert!(spend.spent().0 <= budget + over);
            prop_assert_eq!(spend.held(), Pico::ZERO);
        }
    }
}
