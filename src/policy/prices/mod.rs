//! What an answer cost: a dated table of prices as data, and exact sums over it.
//!
//! The embedded table holds what Anthropic's pricing page, model pages and release notes said as of
//! 2026-11-22. Fast mode's input and output prices are from its own page, and its cache prices
//! follow from the cache's multipliers; that Fable 5.2's are twice the standard ones is said by a
//! cloud that resells it. The user can override any model with a table of the same form, and
//! `PriceTable::version` tells which tables a sum was made with.
//!
//! A price depends on more than the model: on the day, on the size of the prompt (Haiku 5.5 is
//! dearer above 100,000 tokens), on the speed, the lane and the region. All of it is in the data.
//! Gateways and clouds have names of their own for the models (`spelling`); which row a price is from
//! is told with it. Money is integer from the file to the sum. What the table does not know has no price: it is
//! never claimed to be free.
//!
//! What this does not do: find out what was used (`provider`), or guess what will be.

mod cost;
mod dearest;
mod decimal;
mod file;
mod nearest;
mod table;

pub use cost::Priced;
pub(in crate::policy) use dearest::{Most, Written};
pub use file::PriceError;
pub use table::{ModelPrices, ModelStatus, PriceTable, TokenPrices};

#[cfg(test)]
mod tests;
