//! Counts, factors and amounts.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::model::Pico;
use crate::model::batch::MAX_BATCH_REQUESTS;

/// A whole number from 1 to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "i64")]
pub struct WholeNumber<const MAX: u32>(pub u32);

/// Requests open at the same time. More would run out of ports and files first.
pub type Concurrency = WholeNumber<10_000>;
/// Requests in one batch: no more than the API takes.
pub type BatchSize = WholeNumber<MAX_BATCH_REQUESTS>;
/// A count that needs no bound of its own.
pub type AtLeastOne = WholeNumber<{ u32::MAX }>;

/// The least that it may be. (Clap asks for a value of what has no flag, and never uses it.)
impl<const MAX: u32> Default for WholeNumber<MAX> {
    fn default() -> Self {
        Self(1)
    }
}

impl<const MAX: u32> TryFrom<i64> for WholeNumber<MAX> {
    type Error = String;
    fn try_from(number: i64) -> Result<Self, String> {
        u32::try_from(number)
            .ok()
            .filter(|n| (1..=MAX).contains(n))
            .map(Self)
            .ok_or_else(|| format!("must be from 1 to {MAX}"))
    }
}

impl<const MAX: u32> FromStr for WholeNumber<MAX> {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        whole(text)?.try_into()
    }
}

impl<const MAX: u32> JsonSchema for WholeNumber<MAX> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "WholeNumber".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX })
    }
}

/// A ceiling by the minute: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "i64")]
pub struct PerMinute(pub u64);

impl TryFrom<i64> for PerMinute {
    type Error = String;
    fn try_from(number: i64) -> Result<Self, String> {
        u64::try_from(number)
            .ok()
            .filter(|n| *n >= 1)
            .map(Self)
            .ok_or_else(|| "must be a whole number of at least 1".to_owned())
    }
}

impl FromStr for PerMinute {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        whole(text)?.try_into()
    }
}

impl JsonSchema for PerMinute {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "PerMinute".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1 })
    }
}

fn whole(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| "must be a whole number".to_owned())
}

/// A factor for waits. Zero means not to wait at all.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(inline, extend("minimum" = 0), transform = without_format)]
pub struct Scale(pub f64);

/// What a number is in Rust is no matter of a config file.
fn without_format(schema: &mut Schema) {
    schema.remove("format");
}

impl Scale {
    /// The largest factor: the longest of our waits, a day, then takes three years.
    pub const MAX: f64 = 1_000.0;
}

impl TryFrom<f64> for Scale {
    type Error = String;
    fn try_from(number: f64) -> Result<Self, String> {
        if (0.0..=Self::MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!(
                "must be a number of at least 0 and at most {}, such as 0.5 or 2",
                Self::MAX
            ))
        }
    }
}

impl FromStr for Scale {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
        number.try_into()
    }
}

/// An amount of dollars above zero; in a file as a number or as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Dollars")]
pub struct BudgetUsd(pub Pico);

/// How an amount may be written. A float is read by its shortest digits, which are those written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Dollars {
    Whole(i64),
    Decimal(f64),
    Text(String),
}

impl TryFrom<Dollars> for BudgetUsd {
    type Error = String;
    fn try_from(amount: Dollars) -> Result<Self, String> {
        let text = match amount {
            Dollars::Whole(number) => number.to_string(),
            Dollars::Decimal(number) => number.to_string(),
            Dollars::Text(text) => text,
        };
        text.parse()
    }
}

impl FromStr for BudgetUsd {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let amount: Pico = text.parse()?;
        if amount > Pico::ZERO {
            Ok(Self(amount))
        } else {
            Err("must be more than 0 dollars".to_owned())
        }
    }
}

impl JsonSchema for BudgetUsd {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "BudgetUsd".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "number", "exclusiveMinimum": 0 },
            { "type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,12})?$" },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_on_both_sides() {
        for (n, fits) in [
            (-1, false),
            (0, false),
            (1, true),
            (10_000, true),
            (10_001, false),
        ] {
            assert_eq!(Concurrency::try_from(n).is_ok(), fits, "{n}");
        }
        assert!(AtLeastOne::try_from(0).is_err());
        assert!(AtLeastOne::try_from(i64::from(u32::MAX) + 1).is_err());
        assert_eq!(AtLeastOne::try_from(1), Ok(WholeNumber(1)));
        for (x, fits) in [
            (0.0, true),
            (2.5, true),
            (-0.1, false),
            (f64::NAN, false),
            (f64::INFINITY, false),
            (1_000.0, true),
            (1_000.1, false),
            (1e18, false),
        ] {
            assert_eq!(Scale::try_from(x).is_ok(), fits, "{x}");
        }
    }

    /// A flag and a config file are told the same.
    #[test]
    fn one_rule_words_one_error() {
        let of_flag = |text: &str| text.parse::<Concurrency>().unwrap_err();
        let of_file = |text: &str| serde_json::from_str::<Concurrency>(text).unwrap_err();
        assert_eq!(of_flag("0"), "must be from 1 to 10000");
        assert!(of_file("0").to_string().starts_with(&of_flag("0")));
        assert_eq!(of_flag("x"), "must be a whole number");
    }
}
