//! Money as the outside sees it: a decimal string of dollars with every digit.
//!
//! A JSON number would be read as binary floating point by most programs and lose digits; a string
//! is exact, and sums of what was printed are the printed sums.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{Cost, Pico};

/// An amount of US dollars, in JSON a decimal string such as `"0.0000055"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub Pico);

/// What is known of a cost. None if nothing is: what was billed is never called zero.
pub(super) fn known_cost(cost: &Cost) -> Option<Usd> {
    let is_unknown = cost.unknown_price && cost.total == Pico::ZERO;
    (!is_unknown).then_some(Usd(cost.total))
}

/// Digits after the point that a [`Pico`] can have.
const DECIMALS: usize = 12;

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl FromStr for Usd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("`{text}` is no amount of dollars such as 1.25");
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, decimals) = digits.split_once('.').ok_or_else(refused)?;
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(decimals) || decimals.len() > DECIMALS {
            return Err(refused());
        }
        let pico = format!("{whole}{decimals:0<DECIMALS$}");
        let pico: i128 = pico.parse().map_err(|_| refused())?;
        Ok(Self(Pico(sign * pico)))
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Usd {
    fn schema_name() -> Cow<'static, str> {
        "Usd".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^-?[0-9]+\.[0-9]{2,12}$",
            "description": "US dollars as a decimal string with every digit."
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Usd;
    use crate::model::Pico;

    proptest! {
        #[test]
        fn every_amount_is_read_back(pico in -10_i128.pow(30)..10_i128.pow(30)) {
            let usd = Usd(Pico(pico));
            prop_assert_eq!(usd.to_string().parse(), Ok(usd));
            let json = serde_json::to_string(&usd).unwrap();
            prop_assert_eq!(json, format!("\"{usd}\""));
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "1",
            ".5",
            "1.",
            "1e3",
            "+1.00",
            "--1.00",
            "1.0000000000001",
            "1.2.3",
        ] {
            assert!(text.parse::<Usd>().is_err(), "{text}");
        }
    }
}
