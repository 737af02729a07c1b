//! Money in integers: no rounding, so sums are right to the last digit.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

/// US dollars in units of 10⁻¹² (pico-USD). A cached token in a batch costs fractions of a
/// nano-dollar, so nothing coarser would be exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pico(pub i128);

impl Pico {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// One dollar.
    pub const USD: Self = Self(1_000_000_000_000);
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
        let significant = decimals.trim_end_matches('0').len().max(2);
        write!(f, "{sign}{}.{}", magnitude / unit, &decimals[..significant])
    }
}

/// What an attempt cost, and what it would have cost otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}
