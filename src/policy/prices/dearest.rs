//! The dearest that tokens can be: what a price is bounded by before anything is sent.
//!
//! A price depends on things that are known only afterwards: on the size of the prompt, on whether
//! fast speed was to be had, on the region that a workspace's own setting chose, on the day of the
//! answer. Here each of them is taken as dear as the request leaves it open.

use jiff::{SignedDuration, Timestamp};

use super::cost::times;
use super::decimal::Factor;
use super::table::{ModelPrices, PriceTable, Rate, TokenPrices};
use crate::model::{Lane, Pico};

/// Prices that begin so soon are taken for possible already: a batch is answered within a day, and
/// priced by the day of its answer.
const SOON: SignedDuration = SignedDuration::from_hours(48);

/// How long the prompt is kept in the cache, if it is written there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Written {
    /// It is not written.
    #[default]
    Not,
    /// For five minutes.
    FiveMinutes,
    /// For an hour.
    AnHour,
}

/// The most that a request can use of everything that has a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Most {
    pub(in crate::policy) input: u64,
    pub(in crate::policy) output: u64,
    pub(in crate::policy) searches: u64,
    pub(in crate::policy) written: Written,
    /// It asks for fast speed, and may be answered at either.
    pub(in crate::policy) fast: bool,
    /// It may be computed in the USA.
    pub(in crate::policy) us_geo: bool,
}

impl PriceTable {
    /// What this much costs at most, sent now. None if the table lacks a price that it needs.
    pub(in crate::policy) fn dearest(
        &self,
        model: &str,
        most: &Most,
        (lane, at): (Lane, Timestamp),
    ) -> Option<Pico> {
        let row = self.row(model)?;
        let prices = row.model.dearest(at, most.input, most.fast)?;
        let tokens =
            times(prices.of_input(most.written), most.input) + times(prices.output, most.output);
        let tier = match lane {
            Lane::Live => Factor::ONE,
            Lane::Batch => self.batch?,
        };
        // The region is paid for once, whether the name tells it or the answer.
        let in_a_region = most.us_geo || row.is_regional;
        let factors = [self.us_geo, self.regional].into_iter().flatten();
        let factors = factors.filter(|_| in_a_region).chain([Factor::ONE]);
        let tokens = factors.map(|factor| factor.times(tier).of(tokens)).max()?;
        Some(tokens + self.searches(most.searches)?)
    }
}

impl ModelPrices {
    /// The dearest price of each kind, for prompts of at most this many tokens.
    fn dearest(&self, at: Timestamp, prompt_tokens: u64, fast: bool) -> Option<TokenPrices> {
        let standard = self.dearest_at(at, prompt_tokens, false);
        if !fast {
            return standard;
        }
        let fast = self.dearest_at(at, prompt_tokens, true)?;
        Some(standard.map_or(fast, |standard| fast.or_dearer(standard)))
    }

    fn dearest_at(&self, at: Timestamp, prompt_tokens: u64, fast: bool) -> Option<TokenPrices> {
        let until = at.saturating_add(SOON).unwrap_or(at);
        let newest = self.newest(at, fast)?.from;
        let holds =
            |rate: &&Rate| rate.from == newest || rate.from > newest && rate.from <= Some(until);
        let fits = |rate: &&Rate| rate.prompt_over.is_none_or(|over| prompt_tokens > over);
        let rates = self.rates.iter().filter(|rate| rate.fast == fast);
        let prices = rates.filter(holds).filter(fits).map(|rate| rate.prices);
        prices.reduce(TokenPrices::or_dearer)
    }
}

impl TokenPrices {
    /// The dearer of both, kind by kind.
    fn or_dearer(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_write_5m: self.cache_write_5m.max(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.max(other.cache_write_1h),
            cache_read: self.cache_read.max(other.cache_read),
        }
    }

    /// An input token that may be written to the cache, or not, or be read from it.
    fn of_input(&self, written: Written) -> Pico {
        let plain = self.input.max(self.cache_read);
        match written {
            Written::Not => plain,
            Written::FiveMinutes => plain.max(self.cache_write_5m),
            Written::AnHour => plain.max(self.cache_write_5m).max(self.cache_write_1h),
        }
    }
}
