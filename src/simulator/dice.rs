//! Drawn numbers that depend on what is asked, never on when.
//!
//! A [`Dice`] is made of the seed, the hash of the request body, how often that body has been
//! admitted, and a purpose; the same four always give the same throws.

use std::time::Duration;

use super::settings::{Latency, OutputLength};

/// Longest told latency as a multiple of the median, so that a demo ends when it is said to.
const SLOWEST: f64 = 5.0;
/// Shortest, likewise.
const FASTEST: f64 = 1.0 / 3.0;

/// What a draw is for; draws for different purposes are independent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Fault,
    Latency,
    Text,
    Identifier,
    /// The order of a batch's results.
    Order,
    /// Where and whether a download breaks off.
    Download,
    /// The id of a batch.
    Batch,
}

/// A small random source.
#[derive(Debug)]
pub(super) struct Dice(fastrand::Rng);

impl Dice {
    pub(super) fn new(seed: u64, body: u64, nth: u32, purpose: Purpose) -> Self {
        let purpose = match purpose {
            Purpose::Fault => 1,
            Purpose::Latency => 2,
            Purpose::Text => 3,
            Purpose::Identifier => 4,
            Purpose::Order => 5,
            Purpose::Download => 6,
            Purpose::Batch => 7,
        };
        let mixed = [seed, body, u64::from(nth), purpose]
            .into_iter()
            // Mixed one by one: seed 1 of body 2 must not draw like seed 2 of body 1.
            .fold(0, |state, part| scramble(state ^ part));
        Self(fastrand::Rng::with_seed(mixed))
    }

    /// Uniform in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        self.0.f64()
    }

    /// Uniform in `[0, below)`; 0 when `below` is 0.
    pub(super) fn below(&mut self, below: usize) -> usize {
        // An empty range would panic.
        if below == 0 { 0 } else { self.0.usize(..below) }
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        self.0.shuffle(list);
    }

    /// `length` letters and digits.
    pub(super) fn letters(&mut self, length: usize) -> String {
        (0..length).map(|_| self.0.alphanumeric()).collect()
    }

    /// A factor with median 1 whose logarithm is normal with standard deviation `spread`.
    fn log_normal(&mut self, spread: f64) -> f64 {
        if spread == 0.0 {
            return 1.0;
        }
        // The unit is below one, so the logarithm is never that of zero.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        (spread * normal).exp()
    }

    pub(super) fn latency(&mut self, latency: Latency) -> Duration {
        if latency.median.is_zero() {
            return Duration::ZERO;
        }
        let factor = self.log_normal(latency.spread).clamp(FASTEST, SLOWEST);
        latency.median.mul_f64(factor)
    }

    pub(super) fn output_tokens(&mut self, output: OutputLength) -> u32 {
        let drawn = f64::from(output.median) * self.log_normal(output.spread).min(SLOWEST * 2.0);
        whole(drawn).max(1)
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood, 2014), which spreads every input bit.
fn scramble(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The whole part of a number, kept within `u32`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates, which is the wanted meaning"
)]
pub(super) fn whole(number: f64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_gives_the_same_throws() {
        let draw = |nth, purpose| Dice::new(1, 2, nth, purpose).letters(12);
        assert_eq!(draw(3, Purpose::Text), draw(3, Purpose::Text));
        assert_ne!(draw(3, Purpose::Text), draw(4, Purpose::Text));
        assert_ne!(draw(3, Purpose::Text), draw(3, Purpose::Fault));
    }

    #[test]
    fn latency_stays_within_its_bounds() {
        let latency = Latency {
            median: Duration::from_millis(600),
            spread: 3.0,
        };
        for nth in 0..1000 {
            let drawn = Dice::new(0, 0, nth, Purpose::Latency).latency(latency);
            assert!(drawn >= Duration::from_millis(199), "{drawn:?}");
            assert!(drawn <= Duration::from_secs(3), "{drawn:?}");
        }
    }

    #[test]
    fn unit_draws_are_spread_evenly() {
        let below: usize = (0..10_000)
            .filter(|nth| Dice::new(9, 9, *nth, Purpose::Fault).unit() < 0.25)
            .count();
        assert!((2_300..2_700).contains(&below), "{below}");
    }
}
