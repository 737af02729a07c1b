//! The sum: what an answer cost, and what it would have cost otherwise.
//!
//! The formula is Anthropic's: tokens of each kind times their price, times the factors of lane and
//! region, plus the web searches, which no factor touches (no discount for them is published).
//! Where an answer tells its steps (`usage.iterations`), the sum is over them, each by its own model
//! and its own prompt, because the answer's own counts may leave some out.

use jiff::Timestamp;

use super::decimal::Factor;
use super::table::{PriceTable, Row, TokenPrices};
use crate::model::{Cost, CostBasis, Pico, Tokens, Usage};

/// Sums over the steps of an answer, before any factor.
#[derive(Clone, Copy, Default)]
struct TokenSums {
    /// At the prices that hold.
    charged: Pico,
    /// If the cache had not been used.
    uncached: Pico,
}

/// What an answer cost, and what that rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// The money.
    pub cost: Cost,
    /// What it rests on, if not on the usage at the price of the model that answered.
    pub basis: Option<CostBasis>,
    /// The row of the table, by its id; of an answer of several models all of theirs. None without
    /// a known price.
    pub row: Option<String>,
}

impl PriceTable {
    /// What an answer of that model with that usage cost when it was given at that time. When the
    /// table lacks any price it needs, the price is unknown and every amount is zero.
    #[must_use]
    pub fn cost(&self, model: &str, usage: &Usage, at: Timestamp) -> Cost {
        self.priced(Some(model), model, usage, at).cost
    }

    /// The same of an answer by the model `answered` to a request for `asked`. A name that the table
    /// does not know is a gateway's own name for what was asked: the price is that of `asked` then,
    /// and the basis says so. A cost is counted up to [`Pico::MOST`].
    #[must_use]
    pub fn priced(
        &self,
        answered: Option<&str>,
        asked: &str,
        usage: &Usage,
        at: Timestamp,
    ) -> Priced {
        self.known(answered.unwrap_or(asked), asked, usage, at)
            .unwrap_or_else(Priced::unknown)
    }

    fn known(&self, answered: &str, asked: &str, usage: &Usage, at: Timestamp) -> Option<Priced> {
        let mut sums = Sums::default();
        for (model, tokens) in steps(answered, usage) {
            sums.add(self, self.row_of(model, asked)?, tokens, usage.fast, at)?;
        }
        let live = if usage.us_geo {
            self.us_geo?
        } else {
            Factor::ONE
        };
        let regional = match sums.regional.charged {
            // A table without a regional factor prices what is not regional all the same.
            Pico::ZERO => Factor::ONE,
            _ => self.regional?,
        };
        let tier = if usage.batch_tier {
            self.batch?
        } else {
            Factor::ONE
        };
        // Where the name tells the region, the region is paid for once.
        let of = |pick: fn(&TokenSums) -> Pico, tier: Factor| {
            live.times(tier).of(pick(&sums.plain)) + regional.times(tier).of(pick(&sums.regional))
        };
        let tokens = of(|sums| sums.charged, tier);
        let total = tokens + self.searches(usage.web_searches)?;
        let cost = Cost {
            total,
            saved_by_batch: of(|sums| sums.charged, Factor::ONE) - tokens,
            saved_by_cache: of(|sums| sums.uncached, tier) - tokens,
            unknown_price: false,
        };
        let basis = if usage.saturated || total > Pico::MOST {
            Some(CostBasis::Saturated)
        } else {
            sums.by_asked.then_some(CostBasis::AskedModel)
        };
        Some(Priced {
            cost: counted(cost),
            basis,
            row: Some(sums.rows.join(" + ")),
        })
    }

    /// The row of a model, or of the one that was asked, and whether it is that one's.
    fn row_of<'a>(&'a self, model: &str, asked: &str) -> Option<(Row<'a>, bool)> {
        match self.row(model) {
            Some(row) => Some((row, false)),
            None => self.row(asked).map(|row| (row, true)),
        }
    }

    pub(super) fn searches(&self, searches: u64) -> Option<Pico> {
        match searches {
            0 => Some(Pico::ZERO),
            _ => self.web_search.map(|price| times(price, searches)),
        }
    }
}

impl Priced {
    /// No price is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            cost: Cost {
                unknown_price: true,
                ..Cost::default()
            },
            ..Self::default()
        }
    }
}

/// Sums over the steps of an answer, and what they rest on.
#[derive(Default)]
struct Sums<'a> {
    plain: TokenSums,
    /// Of models whose name tells a region that is dearer.
    regional: TokenSums,
    rows: Vec<&'a str>,
    by_asked: bool,
}

impl<'a> Sums<'a> {
    fn add(
        &mut self,
        table: &'a PriceTable,
        (row, by_asked): (Row<'a>, bool),
        tokens: &Tokens,
        fast: bool,
        at: Timestamp,
    ) -> Option<()> {
        let prices = row.model.prices(at, tokens.prompt(), fast)?;
        let is_dearer = row.is_regional && table.regional.is_some();
        let sums = if is_dearer {
            &mut self.regional
        } else {
            &mut self.plain
        };
        sums.charged += prices.charged(tokens);
        sums.uncached += prices.uncached(tokens);
        if !self.rows.contains(&row.model.id.as_str()) {
            self.rows.push(&row.model.id);
        }
        self.by_asked |= by_asked;
        Some(())
    }
}

/// As much of a cost as is counted.
fn counted(cost: Cost) -> Cost {
    let most = Pico::MOST.0;
    let within = |amount: Pico| Pico(amount.0.clamp(-most, most));
    Cost {
        total: within(cost.total),
        saved_by_batch: within(cost.saved_by_batch),
        saved_by_cache: within(cost.saved_by_cache),
        ..cost
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
