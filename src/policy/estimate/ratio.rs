//! How far guesses of one model are off, followed answer by answer.

/// How much a new answer counts in the end.
const LEAST_WEIGHT: f64 = 0.05;
/// One answer moves the ratio at most by this factor's worth: a picture of unusual size, say, must
/// not spoil the guesses of a thousand texts.
const BOUND: f64 = 3.0;

/// What came for each token guessed, as a robust moving mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio {
    value: f64,
    seen: u32,
}

impl Default for Ratio {
    fn default() -> Self {
        Self {
            value: 1.0,
            seen: 0,
        }
    }
}

impl Ratio {
    pub(super) fn get(&self) -> f64 {
        self.value
    }

    /// This much came where `guessed` was the guess without this ratio.
    pub(super) fn observe(&mut self, guessed: f64, came: f64) {
        if guessed <= 0.0 || came <= 0.0 {
            return;
        }
        self.seen = self.seen.saturating_add(1);
        let weight = (1.0 / f64::from(self.seen)).max(LEAST_WEIGHT);
        let seen = (came / guessed).clamp(self.value / BOUND, self.value * BOUND);
        self.value += weight * (seen - self.value);
    }
}

#[cfg(test)]
mod tests {
    use super::Ratio;

    #[test]
    fn it_follows_what_it_sees_and_forgets_an_outlier() {
        let mut ratio = Ratio::default();
        for _ in 0..50 {
            ratio.observe(100.0, 130.0);
        }
        assert!((ratio.get() - 1.3).abs() < 0.01);
        ratio.observe(100.0, 1_000_000.0);
        assert!(ratio.get() < 1.3 * 1.2, "{}", ratio.get());
        for _ in 0..100 {
            ratio.observe(100.0, 80.0);
        }
        assert!((ratio.get() - 0.8).abs() < 0.01);
        ratio.observe(0.0, 5.0);
        ratio.observe(5.0, 0.0);
        assert!((ratio.get() - 0.8).abs() < 0.01);
    }
}
