//! Money as the outside sees it: a decimal string of dollars with every digit.
//!
//! A JSON number would be read as binary floating point by most programs and lose digits; a string
//! is exact, and sums of what was printed are the printed sums.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::model::{Cost, Pico};

/// An amount of US dollars, in JSON a decimal string such as `"0.0000055"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(pub Pico);

/// What is known of a cost. None if nothing is: what was billed is never called zero.
pub(super) fn known_cost(cost: &Cost) -> Option<Usd> {
    let is_unknown = cost.unknown_price && cost.total == Pico::ZERO;
    (!is_unknown).then_some(Usd(cost.total))
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl FromStr for Usd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
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
}
