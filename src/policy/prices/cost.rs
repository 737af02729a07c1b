//! The sum: what an answer cost, and what it would have cost otherwise.
//!
//! The formula is Anthropic's: tokens of each kind times their price, times the factors of lane and
//! region, plus the web searches, which no factor touches (no discount for them is published).
//! Where an answer tells its steps (`usage.iterations`), the sum is over them, each by its own model
//! and its own prompt, because the answer's own counts may leave some out.

use jiff::Timestamp;

use super::decimal::Decimal;
use super::table::{PriceTable, TokenPrices};
use crate::model::{Cost, Pico, Tokens, Usage};

/// A factor as a fraction: money is multiplied first and divided once, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ratio {
    numerator: i128,
    denominator: i128,
}

impl Ratio {
    pub(super) const ONE: Self = Self {
        numerator: 1,
        denominator: 1,
    };

    pub(super) fn of_decimal(factor: Decimal) -> Self {
        Self {
            numerator: i128::from(factor.millionths()),
            denominator: 1_000_000,
        }
    }

    pub(super) fn times(self, other: Self) -> Self {
        Self {
            numerator: self.numerator * other.numerator,
            denominator: self.denominator * other.denominator,
        }
    }

    /// That part of an amount that is not negative, rounded half up to the pico-USD. The embedded
    /// prices and factors never need the rounding; a user's may.
    pub(super) fn of(self, amount: Pico) -> Pico {
        let scaled = amount.0.saturating_mul(self.numerator);
        Pico(scaled.saturating_add(self.denominator / 2) / self.denominator)
    }
}

/// Sums over the steps of an answer, before any factor.
#[derive(Clone, Copy, Default)]
struct TokenSums {
    /// At the prices that hold.
    charged: Pico,
    /// If the cache had not been used.
    uncached: Pico,
}

impl PriceTable {
    /// What an answer of that model with that usage cost when it was given at that time. When the
    /// table lacks any price it needs, the price is unknown and every amount is zero.
    #[must_use]
    pub fn cost(&self, model: &str, usage: &Usage, at: Timestamp) -> Cost {
        self.known_cost(model, usage, at).unwrap_or(Cost {
            unknown_price: true,
            ..Cost::default()
        })
    }

    fn known_cost(&self, model: &str, usage: &Usage, at: Timestamp) -> Option<Cost> {
        let sums = self.token_sums(model, usage, at)?;
        let live = if usage.us_geo {
            self.us_geo?
        } else {
            Ratio::ONE
        };
        let actual = if usage.batch_tier {
            live.times(self.batch?)
        } else {
            live
        };
        let tokens = actual.of(sums.charged);
        Some(Cost {
            total: tokens + self.searches(usage.web_searches)?,
            saved_by_batch: live.of(sums.charged) - tokens,
            saved_by_cache: actual.of(sums.uncached) - tokens,
            unknown_price: false,
        })
    }

    fn token_sums(&self, model: &str, usage: &Usage, at: Timestamp) -> Option<TokenSums> {
        let mut sums = TokenSums::default();
        for (model, tokens) in steps(model, usage) {
            let prices = self.model(model)?.prices(at, tokens.prompt(), usage.fast)?;
            sums.charged += prices.charged(tokens);
            sums.uncached += prices.uncached(tokens);
        }
        Some(sums)
    }

    pub(super) fn searches(&self, searches: u64) -> Option<Pico> {
        match searches {
            0 => Some(Pico::ZERO),
            _ => self.web_search.map(|price| times(price, searches)),
        }
    }
}

impl TokenPrices {
    /// These tokens at these prices.
    fn charged(&self, tokens: &Tokens) -> Pico {
        times(self.input, tokens.input)
            + times(self.output, tokens.output)
            + times(self.cache_write_5m, tokens.cache_write_5m)
            + times(self.cache_write_1h, tokens.cache_write_1h)
            + times(self.cache_read, tokens.cache_read)
    }

    /// The same tokens if the whole prompt had been sent without the cache.
    fn uncached(&self, tokens: &Tokens) -> Pico {
        times(self.input, tokens.prompt()) + times(self.output, tokens.output)
    }
}

/// The largest price (10⁴ USD per million) times the largest count fits a billion times over.
pub(super) fn times(price: Pico, count: u64) -> Pico {
    Pico(price.0 * i128::from(count))
}

/// The steps of an answer with the model of each; an answer that tells none is one step.
fn steps<'a>(model: &'a str, usage: &'a Usage) -> Vec<(&'a str, &'a Tokens)> {
    if usage.iterations.is_empty() {
        return vec![(model, &usage.tokens)];
    }
    usage
        .iterations
        .iter()
        .map(|step| (step.model.as_deref().unwrap_or(model), &step.tokens))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Ratio;
    use crate::model::Pico;

    #[test]
    fn only_what_does_not_divide_is_rounded_half_up() {
        let third = Ratio {
            numerator: 1,
            denominator: 3,
        };
        let half = Ratio {
            numerator: 1,
            denominator: 2,
        };
        for (ratio, amount, expected) in [
            (third, 3, 1),
            (third, 4, 1),
            (third, 5, 2),
            (half, 1, 1),
            (half, 2, 1),
            (half, 3, 2),
            (Ratio::ONE, 7, 7),
            (half, 0, 0),
        ] {
            assert_eq!(ratio.of(Pico(amount)), Pico(expected), "{ratio:?} {amount}");
        }
    }
}
