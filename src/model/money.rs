//! Money in integers: no rounding, so sums are right to the last digit.

use std::borrow::Cow;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::thousands::thousands;

/// US dollars in units of 10⁻¹² (pico-USD). A cached token in a batch costs fractions of a
/// nano-dollar, so nothing coarser would be exact. In JSON it is a decimal string such as
/// `"0.0000055"`: most programs read a number as binary floating point and lose digits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Pico(pub i128);

impl Pico {
    /// The largest cost of one attempt that is counted: a million dollars. A receipt that tells more
    /// is broken, and its cost would not fit the store's integers.
    pub const MOST: Self = Self(1_000_000 * Self::USD.0);
    /// No money.
    pub const ZERO: Self = Self(0);
    /// One dollar.
    pub const USD: Self = Self(1_000_000_000_000);
    /// Decimals that a whole number of pico-dollars can have.
    const DECIMALS: usize = 12;
}

impl Add for Pico {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Pico {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Pico {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Pico {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Pico {
    /// Every digit that is not a trailing zero, at least two after the point: `0.00`, `1.25`,
    /// `0.0000055`, `-0.10`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let unit = Self::USD.0.unsigned_abs();
        let decimals = format!("{:012}", magnitude % unit);
        // Two at least: money is written with cents.
        let significant = decimals.trim_end_matches('0').len().max(2);
        write!(f, "{sign}{}.{}", magnitude / unit, &decimals[..significant])
    }
}

impl Pico {
    /// The amount as people read it, with two to four significant digits where it has decimals:
    /// `0.00407`, `0.20`, `12.34`, `123`, `4,567`. Rounded; sums of such texts need not add up.
    #[must_use]
    pub fn rounded(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let usd = Self::USD.0.unsigned_abs();
        let digits = magnitude.checked_ilog10().map_or(1, |log| log + 1);
        let drop = match magnitude / usd {
            // Below a dollar three digits that count, however small the amount.
            0 => digits.saturating_sub(3),
            1..100 => 10,
            _ => 12,
        };
        let step = 10_u128.pow(drop);
        let near = (magnitude + step / 2) / step * step;
        // Rounding may carry 99.999 to 100.00, which is shown without cents.
        if near >= 100 * usd {
            let whole = u64::try_from(near / usd).unwrap_or(u64::MAX);
            return format!("{sign}{}", thousands(whole));
        }
        let near = i128::try_from(near).map_or(self, Self);
        format!("{sign}{near}")
    }

    /// The amount with all its digits, or as people read it.
    #[must_use]
    pub fn shown(self, all_digits: bool) -> String {
        if all_digits {
            self.to_string()
        } else {
            self.rounded()
        }
    }
}

impl FromStr for Pico {
    type Err = String;

    /// Reads a decimal number of dollars exactly: `3`, `1.25`, `-0.10`, `0.0000055`; at most twelve
    /// decimals, because a thirteenth could not be kept. Reads back whatever `Display` writes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text),
        };
        let (whole, decimals) = match digits.split_once('.') {
            Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
            None => (digits, ""),
            // `5.` may be a number that was cut off.
            Some(_) => return Err(no_amount(text)),
        };
        let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(decimals) {
            return Err(no_amount(text));
        }
        // Refused and not rounded: nobody means less than a pico-USD.
        if decimals.len() > Self::DECIMALS {
            return Err(format!(
                "`{text}` has more than {} decimals: round it to them",
                Self::DECIMALS
            ));
        }
        // All digits with the point moved twelve places are the count of pico-dollars.
        format!("{sign}{whole}{decimals:0<width$}", width = Self::DECIMALS)
            .parse()
            .map(Self)
            .map_err(|_| format!("`{text}` is more money than can be counted"))
    }
}

fn no_amount(text: &str) -> String {
    format!("`{text}` is no amount of dollars: write it like 5, 1.25 or 0.0000055")
}

impl From<Pico> for String {
    fn from(amount: Pico) -> Self {
        amount.to_string()
    }
}

impl TryFrom<String> for Pico {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl JsonSchema for Pico {
    fn schema_name() -> Cow<'static, str> {
        // What a reader of the schema sees: dollars, however they are counted here.
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

/// What an attempt cost, and what it would have cost otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// What the API charges for it.
    pub total: Pico,
    /// What the batch lane's discount saved against the live price.
    pub saved_by_batch: Pico,
    /// What the prompt cache saved against sending every token uncached: reads save, writes cost
    /// extra, so this can be negative.
    pub saved_by_cache: Pico,
    /// The model has no known price: `total` is not zero dollars but unknown.
    pub unknown_price: bool,
}

impl Cost {
    /// What is known of it. None if nothing is: what was billed is never called zero.
    #[must_use]
    pub fn known(&self) -> Option<Pico> {
        let is_unknown = self.unknown_price && self.total == Pico::ZERO;
        (!is_unknown).then_some(self.total)
    }
}

/// What the cost of an attempt rests on, where that is not the usage which the answer told, at the
/// price of the model that gave it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CostBasis {
    /// The answer told no usage that can be priced: the cost is the most that the request allows.
    AtMost,
    /// The answer told more than can be: the cost is the largest that is counted.
    Saturated,
    /// The model that answered has no known price: the price of the model that was asked.
    AskedModel,
}

impl CostBasis {
    /// The name used in the store and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The basis of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Pico;

    #[test]
    fn every_digit_is_written_and_no_more() {
        let cases = [
            (0, "0.00"),
            (1, "0.000000000001"),
            (5_500, "0.0000000055"),
            (1_250_000_000_000, "1.25"),
            (3_000_000_000_000, "3.00"),
            (-100_000_000_000, "-0.10"),
            (12_345_678_901_234, "12.345678901234"),
        ];
        for (pico, text) in cases {
            assert_eq!(Pico(pico).to_string(), text);
        }
    }

    #[test]
    fn people_read_two_to_four_digits() {
        let cases = [
            ("0", "0.00"),
            ("0.004071", "0.00407"),
            ("0.0000055", "0.0000055"),
            ("0.000000000001", "0.000000000001"),
            ("0.1", "0.10"),
            ("0.123456", "0.123"),
            ("0.9996", "1.00"),
            ("1.006", "1.01"),
            ("12.345678901234", "12.35"),
            ("99.999", "100"),
            ("123.456", "123"),
            ("4567.89", "4,568"),
            ("-0.004071", "-0.00407"),
        ];
        for (exact, short) in cases {
            let amount: Pico = exact.parse().unwrap();
            assert_eq!(amount.rounded(), short, "{exact}");
            assert_eq!(amount.shown(true), amount.to_string());
        }
    }

    #[test]
    fn amounts_are_read_exactly() {
        let cases = [
            ("0", 0),
            ("0.00", 0),
            ("-0", 0),
            ("3", 3_000_000_000_000),
            ("003.5", 3_500_000_000_000),
            ("1.25", 1_250_000_000_000),
            ("-0.10", -100_000_000_000),
            ("0.0000055", 5_500_000),
            ("0.000000000001", 1),
            ("12.345678901234", 12_345_678_901_234),
        ];
        for (text, pico) in cases {
            assert_eq!(text.parse(), Ok(Pico(pico)), "{text}");
        }
    }

    #[test]
    fn what_is_no_exact_amount_is_refused() {
        let too_big = format!("1{}", "0".repeat(40));
        let cases = [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "+1",
            "--1",
            "1.-5",
            "1e3",
            "1,5",
            "$1",
            " 1",
            "1 ",
            "0x1",
            "1.2.3",
            "١",
            "0.0000000000001",
            "NaN",
            &too_big,
        ];
        for text in cases {
            assert!(text.parse::<Pico>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_undoes_writing(pico: i128) {
            let text = Pico(pico).to_string();
            proptest::prop_assert_eq!(text.parse(), Ok(Pico(pico)));
            // A number would lose digits in most programs.
            let json = serde_json::to_string(&Pico(pico)).unwrap();
            proptest::prop_assert_eq!(json, format!("\"{text}\""));
        }

        #[test]
        fn no_text_breaks_the_reader(text: String) {
            let _ = text.parse::<Pico>();
        }
    }

    #[test]
    fn the_ends_of_the_range_are_read_too() {
        for pico in [i128::MIN, i128::MIN + 1, -1, i128::MAX] {
            assert_eq!(Pico(pico).to_string().parse(), Ok(Pico(pico)));
        }
    }
}
