//! The table: models, their prices, and how a model is found by what it is called.

use std::iter::once;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use super::decimal::Factor;
use super::nearest;
use crate::model::Pico;
use crate::policy::spelling::{self, Shape};

/// The built-in prices, checked by tests.
const EMBEDDED: &str = include_str!("../prices.toml");
/// Digits of the date at the end of a dated model id.
const DATE_DIGITS: usize = 8;

/// Where a model stands in its life, as its maker says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelStatus {
    /// The newest of its kind.
    #[default]
    Current,
    /// Served, but there is a newer one.
    Legacy,
    /// Served to chosen organisations only.
    Restricted,
    /// Served until its announced retirement.
    Deprecated,
    /// No longer served.
    Retired,
}

/// What one token of each kind costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenPrices {
    /// An uncached input token.
    pub input: Pico,
    /// An output token.
    pub output: Pico,
    /// An input token written to the five-minute cache.
    pub cache_write_5m: Pico,
    /// An input token written to the one-hour cache.
    pub cache_write_1h: Pico,
    /// An input token read from the cache.
    pub cache_read: Pico,
}

/// Prices and the conditions under which they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) fast: bool,
    /// From this time on; none is from the beginning.
    pub(super) from: Option<Timestamp>,
    /// For whole prompts of more tokens than this; none is for every prompt.
    pub(super) prompt_over: Option<u64>,
    pub(super) prices: TokenPrices,
}

/// One model: what it is called, what it costs and what fits into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPrices {
    /// The id that the API answers with.
    pub id: String,
    /// Other names of it.
    pub aliases: Vec<String>,
    /// Tokens of prompt and answer together.
    pub context_window: u64,
    /// Most output tokens of one answer.
    pub max_output_tokens: u64,
    /// Least tokens of a prefix that is cached at all; none where it is not published.
    pub min_cacheable_tokens: Option<u64>,
    /// Where it stands in its life.
    pub status: ModelStatus,
    /// The day of its retirement, past or announced.
    pub retires: Option<Date>,
    /// The earliest day of retirement that was promised.
    pub retires_not_before: Option<Date>,
    /// Clouds charge more for it where its requests stay in a region.
    pub(super) has_regional_price: bool,
    pub(super) rates: Vec<Rate>,
}

/// The row of a model, as some name means it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) model: &'a ModelPrices,
    /// The name says that requests stay in a region, and that is dearer for this model.
    pub(super) is_regional: bool,
}

impl ModelPrices {
    /// The prices at that time for a request whose whole prompt (cached or not) has that many
    /// tokens; `fast` for an answer at fast speed. None when the table does not know them.
    #[must_use]
    pub fn prices(&self, at: Timestamp, prompt_tokens: u64, fast: bool) -> Option<&TokenPrices> {
        let newest = self.newest(at, fast)?.from;
        self.rates
            .iter()
            .filter(|rate| rate.fast == fast && rate.from == newest)
            .filter(|rate| rate.prompt_over.is_none_or(|over| prompt_tokens > over))
            .max_by_key(|rate| rate.prompt_over)
            .map(|rate| &rate.prices)
    }

    /// One of the rates that hold at that time: all others began when it did.
    pub(super) fn newest(&self, at: Timestamp, fast: bool) -> Option<&Rate> {
        let begun = |rate: &&Rate| rate.fast == fast && rate.from.is_none_or(|from| from <= at);
        let begun = self.rates.iter().filter(begun);
        begun.max_by_key(|rate| rate.from)
    }

    /// Its id, then its aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        once(self.id.as_str()).chain(self.aliases.iter().map(String::as_str))
    }
}

/// A price table: the embedded one, a user's, or one overridden by the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceTable {
    pub(super) version: String,
    pub(super) batch: Option<Factor>,
    pub(super) us_geo: Option<Factor>,
    /// What clouds charge for requests that stay in a region, by the price of others.
    pub(super) regional: Option<Factor>,
    pub(super) web_search: Option<Pico>,
    pub(super) models: Vec<ModelPrices>,
}

impl PriceTable {
    /// The built-in table.
    ///
    /// # Panics
    ///
    /// Never: the text it reads is part of the program.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "the text is part of the program, and every test here reads it"
    )]
    pub fn embedded() -> Self {
        Self::parse(EMBEDDED, "prices.toml").expect("the embedded price table is well formed")
    }

    /// This table with the user's laid over it. A model of the user's replaces, as a whole, every
    /// one of ours that shares a name with it; a factor replaces ours if it is there.
    #[must_use]
    pub fn overridden_by(self, user: Self) -> Self {
        let replaced = |ours: &ModelPrices| {
            let users_names = || user.models.iter().flat_map(ModelPrices::names);
            ours.names()
                .any(|name| users_names().any(|theirs| theirs == name))
        };
        let kept: Vec<_> = self
            .models
            .into_iter()
            .filter(|ours| !replaced(ours))
            .collect();
        Self {
            version: format!("{}+{}", self.version, user.version),
            batch: user.batch.or(self.batch),
            us_geo: user.us_geo.or(self.us_geo),
            regional: user.regional.or(self.regional),
            web_search: user.web_search.or(self.web_search),
            models: user.models.into_iter().chain(kept).collect(),
        }
    }

    /// The version, which belongs beside every sum made with this table.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every model, the user's own first.
    #[must_use]
    pub fn models(&self) -> &[ModelPrices] {
        &self.models
    }

    /// The model of that name: an id, an alias, or either with a date (`-20251101`) after it, as
    /// the API answers with the dated id where the alias was asked for; or a gateway's or a cloud's
    /// spelling of one of them. What could be two models is none.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&ModelPrices> {
        self.row(name).map(|row| row.model)
    }

    /// The row of that name; a spelling that the table itself has comes first.
    pub(super) fn row(&self, name: &str) -> Option<Row<'_>> {
        let plain = |model| Row {
            model,
            is_regional: false,
        };
        let known = self.dated(name).map(plain);
        known.or_else(|| self.spelled(name))
    }

    /// Whether the API itself takes that name: an id or an alias, perhaps with a date after it, and no
    /// other spelling of it.
    #[must_use]
    pub fn is_spelt_as_at_the_api(&self, name: &str) -> bool {
        self.dated(name).is_some()
    }

    fn dated(&self, name: &str) -> Option<&ModelPrices> {
        self.named(name).or_else(|| self.named(without_date(name)?))
    }

    fn spelled(&self, name: &str) -> Option<Row<'_>> {
        let read = spelling::read(name)?;
        let model = self.dated(&read.name).or_else(|| self.shaped(&read.name))?;
        Some(Row {
            model,
            is_regional: read.is_regional && model.has_regional_price,
        })
    }

    /// The one model of that family and version; of several the one of that day.
    fn shaped(&self, name: &str) -> Option<&ModelPrices> {
        let wanted = spelling::shape(name)?;
        let mut same: Vec<_> = self.models.iter().collect();
        let any = |model: &ModelPrices, is: &dyn Fn(&Shape) -> bool| {
            model
                .names()
                .filter_map(spelling::shape)
                .any(|shape| is(&shape))
        };
        same.retain(|model| any(model, &|shape| shape.is_same_model(&wanted)));
        if same.len() > 1 {
            same.retain(|model| any(model, &|shape| shape.is_same_day(&wanted)));
        }
        match same[..] {
            [model] => Some(model),
            _ => None,
        }
    }

    /// Names of models like this one, the likeliest first, at most three: what a misspelt model
    /// may have meant. Retired models are not suggested.
    #[must_use]
    pub fn nearest_model_ids(&self, name: &str) -> Vec<&str> {
        let served = self
            .models
            .iter()
            .filter(|model| model.status != ModelStatus::Retired);
        nearest::nearest(name, served.flat_map(ModelPrices::names))
    }

    fn named(&self, name: &str) -> Option<&ModelPrices> {
        self.models
            .iter()
            .find(|model| model.names().any(|known| known == name))
    }
}

/// `claude-x-1` of `claude-x-1-20260131`.
fn without_date(name: &str) -> Option<&str> {
    let (stem, date) = name.rsplit_once('-')?;
    let is_date = date.len() == DATE_DIGITS && date.bytes().all(|b| b.is_ascii_digit());
    is_date.then_some(stem)
}
