//! Whether a run may spend what its next request could cost, given the budget that the user has set.
//!
//! It owns the account of one run: money spent, money held for what is in flight, and money kept for
//! what may have been billed although no answer came. A request starts only while all three together
//! with what it can cost itself stay within the budget; its end gives that back and charges what it
//! really cost. Work of a remote batch is held in the same way: all its jobs when it is created, each
//! one given back with its result.
//!
//! On the live lane a request holds the most that it can cost ([`super::at_most()`]), whatever answers
//! before it have cost: so the budget is never overrun there.
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
    held: Pico,
    /// For what may have been billed, beyond what is known to be.
    kept: Pico,
    warned: u8,
}

impl Spend {
    /// A run that has spent so much already, in this dispatch or an earlier one.
    #[must_use]
    pub fn new(budget: Pico, spent: Pico) -> Self {
        Self {
            budget,
            spent,
            held: Pico::ZERO,
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

    /// What is held for work in flight.
    #[must_use]
    pub fn held(&self) -> Pico {
        self.held
    }

    /// What is kept for what may have been billed.
    #[must_use]
    pub fn kept(&self) -> Pico {
        self.kept
    }

    /// What may still be held for something new. Negative when the budget is overrun.
    #[must_use]
    pub fn left(&self) -> Pico {
        self.budget - self.spent - self.held - self.kept
    }

    /// Whether so much more may be held.
    #[must_use]
    pub fn room_for(&self, reservation: Pico) -> Room {
        if reservation <= self.left() {
            Room::Now
        } else if self.held > Pico::ZERO {
            Room::AfterAnAnswer
        } else {
            Room::Never
        }
    }

    /// Something starts that may cost so much. Whoever starts it has asked [`Spend::room_for`];
    /// what is in a remote batch since an earlier dispatch is held without asking.
    pub fn hold(&mut self, reservation: Pico) {
        self.held += reservation;
    }

    /// Something came to its end: what was held for it is free, and this is what it cost.
    pub fn settle(&mut self, reservation: Pico, cost: Pico) {
        self.held = Pico((self.held - reservation).0.max(0));
        self.spent += cost;
    }

    /// So much may have been billed without anybody knowing: it stays out of reach as long as the run
    /// lasts.
    pub fn keep(&mut self, amount: Pico) {
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
        let highest = WARN_AT.into_iter().filter(passed).max()?;
        let is_news = highest > self.warned;
        self.warned = self.warned.max(highest);
        is_news.then_some(highest)
    }
}

impl Spend {
    fn overrun(&mut self) -> Option<u8> {
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

    use super::{Room, Spend, batch_reservation};
    use crate::model::{Pico, Tokens};
    use crate::policy::{Estimator, PriceTable, Prompt};

    const CENT: i128 = Pico::USD.0 / 100;

    fn cents(cents: i128) -> Pico {
        Pico(cents * CENT)
    }

    #[test]
    fn a_start_needs_room_beside_what_is_spent_and_held() {
        let mut spend = Spend::new(cents(100), cents(40));
        assert_eq!(spend.room_for(cents(60)), Room::Now);
        assert_eq!(spend.room_for(cents(61)), Room::Never);
        spend.hold(cents(50));
        assert_eq!(spend.room_for(cents(10)), Room::Now);
        assert_eq!(spend.room_for(cents(11)), Room::AfterAnAnswer);
        spend.settle(cents(50), cents(5));
        assert_eq!((spend.spent(), spend.left()), (cents(45), cents(55)));
        assert_eq!(spend.room_for(cents(56)), Room::Never);
    }

    #[test]
    fn a_budget_below_what_was_spent_has_no_room() {
        let spend = Spend::new(cents(10), cents(12));
        assert_eq!(spend.left(), cents(-2));
        assert_eq!(spend.room_for(cents(1)), Room::Never);
    }

    #[test]
    fn each_warning_is_given_once_and_only_the_highest() {
        let mut spend = Spend::new(cents(100), Pico::ZERO);
        let mut warnings = Vec::new();
        for cost in [74, 1, 5, 9, 1, 5, 20] {
            spend.settle(Pico::ZERO, cents(cost));
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
        spend.hold(cents(40));
        // It broke: five cents are known to be billed, and all that was held may be.
        spend.settle(cents(40), cents(5));
        spend.keep(cents(35));
        assert_eq!((spend.left(), spend.held()), (cents(60), Pico::ZERO));
        assert_eq!(spend.room_for(cents(60)), Room::Now);
        // Nothing is in flight that could free it.
        assert_eq!(spend.room_for(cents(61)), Room::Never);
        spend.keep(cents(-9));
        assert_eq!(spend.kept(), cents(35));
    }

    proptest! {
        /// Whatever comes in whatever order: what is spent exceeds the budget by no more than what
        /// requests cost beyond their reservations.
        #[test]
        fn the_overrun_is_at_most_the_error_of_the_reservations(
            budget in 1..1_000_i128,
            work in prop::collection::vec((1..100_i128, 0..150_i128, any::<bool>()), 1..200),
        ) {
            let mut spend = Spend::new(Pico(budget), Pico::ZERO);
            let (mut open, mut error) = (Vec::new(), 0);
            for (reservation, cost, ends) in work {
                if ends && let Some((held, cost)) = open.pop() {
                    spend.settle(held, cost);
                }
                if spend.room_for(Pico(reservation)) == Room::Now {
                    spend.hold(Pico(reservation));
                    open.push((Pico(reservation), Pico(cost)));
                    error += (cost - reservation).max(0);
                }
            }
            for (held, cost) in open {
                spend.settle(held, cost);
            }
            prop_assert!(spend.spent().0 <= budget + error);
            prop_assert_eq!(spend.left(), Pico(budget) - spend.spent());
        }
    }
}
