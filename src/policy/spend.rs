//! Whether a run may spend what its next request could cost, given the budget that the user has set.
//!
//! It owns the account of one run: money spent, and money held for what is in flight. A request
//! starts only while both together with its own reservation stay within the budget; its end gives
//! the reservation back and charges what it really cost. So the budget is overrun by no more than
//! what requests in flight cost beyond their reservations. Work of a remote batch is held in the
//! same way: all its jobs when it is created, each one given back with its result.
//!
//! What a request is taken to cost is the price of tokens that it hardly exceeds
//! ([`Estimator::ceiling`]): before any answer its whole `max_tokens`, with every answer nearer to
//! what answers have needed. So a run with a budget begins with few requests.
//!
//! Pure. What it does not do: find out what was spent (the store sums that up), or stop anything.

use jiff::Timestamp;

use super::estimate::{Estimator, Prefix, Prompt};
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

    /// What may still be held for something new. Negative when the budget is overrun.
    #[must_use]
    pub fn left(&self) -> Pico {
        self.budget - self.spent - self.held
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

    /// The part of the budget, in per cent, that was passed since this was asked last and that the
    /// user is to be warned of. Only the highest one is told.
    pub fn warning(&mut self) -> Option<u8> {
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

/// What such a request may cost on that lane at that time, hardly more. None if its model has no
/// known price. `is_warm` tells what of it is thought to be read from the cache; what else is marked
/// for the cache is taken to be written. Web searches are not foreseen.
///
#[must_use]
pub fn reservation(
    prices: &PriceTable,
    estimator: &Estimator,
    model: &str,
    prompt: &Prompt,
    is_warm: impl Fn(&Prefix) -> bool,
    (lane, at): (Lane, Timestamp),
) -> Option<Pico> {
    let bound = bound(prices, model, prompt);
    let tokens = estimator.ceiling(model, prompt, bound, is_warm);
    price_of(prices, model, prompt, tokens, (lane, at))
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

    use super::{Room, Spend, batch_reservation, reservation};
    use crate::model::{Lane, Pico, Tokens};
    use crate::policy::{Estimator, Prefix, PriceTable, Prompt};

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
        let expected = [None, Some(75), None, None, Some(90), None, None];
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

    fn held_for(estimator: &Estimator, model: &str, prompt: &Prompt, lane: Lane) -> Option<Pico> {
        let prices = PriceTable::embedded();
        reservation(&prices, estimator, model, prompt, |_| false, (lane, at()))
    }

    #[test]
    fn before_any_answer_the_whole_of_max_tokens_is_held() {
        let cold = Estimator::default();
        let held = held_for(&cold, "claude-opus-4-6", &prompt(0.0, 4_000), Lane::Live);
        // 4,000 output tokens at 25 USD per million.
        assert_eq!(held, Some(cents(10)));
    }

    #[test]
    fn answers_bring_the_reservation_down_to_what_they_need_but_never_below() {
        let mut estimator = Estimator::default();
        let (model, asked) = ("claude-opus-4-6", prompt(1_000.0, 4_000));
        let mut before = held_for(&estimator, model, &asked, Lane::Live).unwrap();
        for _ in 0..500 {
            let used = Tokens {
                input: 1_000,
                output: 100,
                ..Tokens::default()
            };
            estimator.observe(model, &asked, &used);
            let now = held_for(&estimator, model, &asked, Lane::Live).unwrap();
            assert!(now <= before, "{now} > {before}");
            before = now;
        }
        // 1,000 in at 5 USD and 100 out at 25 USD per million.
        let needed = Pico(7_500 * 1_000_000);
        assert!(
            before >= needed && before.0 < needed.0 * 12 / 10,
            "{before}"
        );
    }

    #[test]
    fn a_batch_holds_half_and_a_model_without_a_price_nothing() {
        let (cold, asked) = (Estimator::default(), prompt(1_000.0, 1_000));
        let live = held_for(&cold, "claude-haiku-4-5", &asked, Lane::Live).unwrap();
        let batch = held_for(&cold, "claude-haiku-4-5", &asked, Lane::Batch).unwrap();
        assert_eq!(live.0, batch.0 * 2);
        assert_eq!(held_for(&cold, "someone-elses", &asked, Lane::Live), None);
    }

    #[test]
    fn many_requests_of_a_batch_hold_less_than_each_alone_and_before_any_answer_the_same() {
        let mut estimator = Estimator::default();
        let (model, asked) = ("claude-opus-4-6", prompt(1_000.0, 4_000));
        let prices = PriceTable::embedded();
        let nth = |estimator: &Estimator, nth| {
            batch_reservation(&prices, estimator, model, &asked, nth, at()).unwrap()
        };
        let alone = |estimator: &Estimator| held_for(estimator, model, &asked, Lane::Batch);
        assert_eq!(Some(nth(&estimator, 500)), alone(&estimator));
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
        assert!(Some(each) < alone(&estimator), "{each}");
        assert!(nth(&estimator, 1) > nth(&estimator, 2));
    }

    #[test]
    fn what_is_warm_is_held_at_the_price_of_a_read_and_what_is_not_at_that_of_a_write() {
        let asked = Prompt {
            prefixes: vec![Prefix {
                hash: 1,
                tokens: 100_000.0,
                in_last_turn: false,
                for_an_hour: true,
            }],
            ..prompt(100_000.0, 1)
        };
        let (prices, cold) = (PriceTable::embedded(), Estimator::default());
        let held = |warm| {
            let way = (Lane::Live, at());
            reservation(&prices, &cold, "claude-opus-4-6", &asked, |_| warm, way).unwrap()
        };
        // An hour's write costs twice the input, a read a tenth of it.
        let ratio = held(false).0 / held(true).0;
        assert!((19..=20).contains(&ratio), "{ratio}");
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
