//! What a single value may be: one rule for the flag, the environment and the config file.
//!
//! A value is a type that is read from text (`FromStr`: flags and variables) and from TOML or JSON
//! (serde) by the same rule, so that one sentence says what is wrong with it. None of the sentences
//! repeats a value that could hold a credential. `Serialize` is how `claude-run config` shows it:
//! never with anything secret.

/// Lets serde read these types by the rule by which text is read: `#[serde(try_from = "String")]`.
macro_rules! from_text {
    ($($of:ty),+) => {$(
        impl TryFrom<String> for $of {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
    )+};
}

mod color;
mod headers;
mod numbers;
pub(in crate::cli) mod parse;
mod text;
mod time;
mod url;

pub use color::ColorChoice;
pub use headers::{CustomHeader, HeaderTable, parse_headers};
pub use numbers::{AtLeastOne, BatchSize, BudgetUsd, Concurrency, PerMinute, Scale, WholeNumber};
pub use text::{HeaderText, KeyVariable, ModelId, bare};
pub use time::{PositiveWait, Wait, WaitList, Window, deadline};
pub use url::{HttpUrl, shown_url};
