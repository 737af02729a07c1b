//! Decimals as price tables write them, kept as whole millionths, and factors as fractions.
//!
//! A price in USD per million tokens, counted in millionths, is the price of one token in
//! pico-USD: so no number of a table ever needs rounding.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::model::Pico;

/// Most decimals a number can have: one more would be less than a pico-USD per token.
const DECIMALS: usize = 6;
/// Nothing in a price table is larger; more is a slip of the unit (USD per token, or micro-USD).
const LARGEST: u64 = 10_000;

/// A number from 0 to 10,000 with at most six decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    millionths: u64,
}

impl Decimal {
    /// The number times a million.
    pub(super) fn millionths(self) -> u64 {
        self.millionths
    }

    /// Reads `4`, `0.125` or `6.250`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole) || !is_digits(decimals) {
            return Err(format!(
                "`{text}` is no price: write a number that is not negative, such as \"0.125\""
            ));
        }
        // `6.250` is as exact as `6.25`.
        let significant = decimals.trim_end_matches('0');
        if significant.len() > DECIMALS {
            return Err(format!(
                "`{text}` has more than {DECIMALS} decimals, which is finer than any price per million"
            ));
        }
        let too_large =
            || format!("`{text}` is more than {LARGEST}: prices are USD per million tokens");
        // The point is moved by writing: no float, so nothing is rounded.
        let digits = format!("{whole}{significant:0<DECIMALS$}");
        let millionths: u64 = digits.parse().map_err(|_| too_large())?;
        if millionths > LARGEST * 1_000_000 {
            return Err(too_large());
        }
        Ok(Self { millionths })
    }
}

/// A factor as a fraction: money is multiplied first and divided once, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Factor {
    numerator: i128,
    denominator: i128,
}

impl Factor {
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

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecimalVisitor)
    }
}

struct DecimalVisitor;

impl Visitor<'_> for DecimalVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number such as \"0.125\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Decimal, E> {
        Decimal::parse(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Decimal, E> {
        self.visit_str(&number.to_string())
    }

    /// The shortest text that reads as the same float is what the file says, as long as that has at
    /// most 15 digits; `parse` takes at most eleven.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Decimal, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Decimal, Factor};
    use crate::model::Pico;

    #[test]
    fn only_what_does_not_divide_is_rounded_half_up() {
        let third = Factor {
            numerator: 1,
            denominator: 3,
        };
        let half = Factor {
            numerator: 1,
            denominator: 2,
        };
        for (factor, amount, expected) in [
            (third, 3, 1),
            (third, 4, 1),
            (third, 5, 2),
            (half, 1, 1),
            (half, 2, 1),
            (half, 3, 2),
            (Factor::ONE, 7, 7),
            (half, 0, 0),
        ] {
            assert_eq!(
                factor.of(Pico(amount)),
                Pico(expected),
                "{factor:?} {amount}"
            );
        }
    }

    #[test]
    fn decimals_are_read_to_the_last_digit() {
        for (text, millionths) in [
            ("0", 0),
            ("4", 4_000_000),
            ("0.125", 125_000),
            ("6.25", 6_250_000),
            ("1.00", 1_000_000),
            ("0.000001", 1),
            ("0.0000010", 1),
            ("10000", 10_000_000_000),
        ] {
            assert_eq!(Decimal::parse(text), Ok(Decimal { millionths }), "{text}");
        }
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "0.0000001",
            "10000.000001",
            "10001",
            "99999999999999999999999",
            "NaN",
            "inf",
            " 1",
            "1_000",
            "1.2.3",
        ] {
            assert!(Decimal::parse(text).is_err(), "{text}");
        }
    }

    #[derive(serde::Deserialize)]
    struct Row {
        price: Decimal,
    }

    proptest! {
        #[test]
        fn strings_floats_and_integers_read_the_same(millionths in 0_u64..=10_000_000_000) {
            let (whole, part) = (millionths / 1_000_000, millionths % 1_000_000);
            let written = [
                format!("price = \"{whole}.{part:06}\""),
                format!("price = {whole}.{part:06}"),
            ];
            for text in written {
                let row: Row = toml::from_str(&text).unwrap();
                prop_assert_eq!(row.price.millionths(), millionths);
            }
            let row: Row = toml::from_str(&format!("price = {whole}")).unwrap();
            prop_assert_eq!(row.price.millionths(), whole * 1_000_000);
        }
    }
}
