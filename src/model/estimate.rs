//! How far estimates of tokens were off: sums and a histogram that can be added up.

/// What a request was thought to need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens of the whole prompt, cached or not.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
}

/// Upper bounds of the histogram's bins: the error as a part of the actual number. The last bin has
/// none.
const BOUNDS: [f64; 18] = [
    0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0,
];
/// Bins of the histogram.
pub const ERROR_BINS: usize = BOUNDS.len() + 1;

/// Estimates of one kind, set against what came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EstimateErrors {
    /// How many were compared.
    pub count: u64,
    /// The sum of what was estimated.
    pub estimated: u64,
    /// The sum of what came.
    pub actual: u64,
    /// How many had an error of each size; [`error_bin`] tells which.
    pub bins: [u64; ERROR_BINS],
}

/// The bin of the histogram into which an error falls.
#[must_use]
pub fn error_bin(estimated: u64, actual: u64) -> usize {
    let error = as_float(estimated.abs_diff(actual)) / as_float(actual.max(1));
    BOUNDS
        .iter()
        .position(|bound| error <= *bound)
        .unwrap_or(BOUNDS.len())
}

impl EstimateErrors {
    /// Adds one comparison.
    pub fn add(&mut self, estimated: u64, actual: u64) {
        self.count += 1;
        self.estimated = self.estimated.saturating_add(estimated);
        self.actual = self.actual.saturating_add(actual);
        self.bins[error_bin(estimated, actual)] += 1;
    }

    /// Adds those comparisons to these.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.estimated = self.estimated.saturating_add(other.estimated);
        self.actual = self.actual.saturating_add(other.actual);
        for (ours, theirs) in self.bins.iter_mut().zip(other.bins) {
            *ours += theirs;
        }
    }

    /// What came for each token estimated; none before anything was compared.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.estimated > 0).then(|| as_float(self.actual) / as_float(self.estimated))
    }

    /// The error that so large a part (0 to 1) of the estimates did not exceed, as a part of the
    /// actual number; read off the histogram, so it is exact to the width of a bin. Ten is the most
    /// that it tells.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let wanted = as_float(self.count) * part.clamp(0.0, 1.0);
        let mut below = 0.0;
        let mut lower = 0.0;
        for (in_bin, upper) in self.bins.iter().zip(BOUNDS) {
            let in_bin = as_float(*in_bin);
            if in_bin > 0.0 && below + in_bin >= wanted {
                return Some(lower + (upper - lower) * ((wanted - below) / in_bin).max(0.0));
            }
            below += in_bin;
            lower = upper;
        }
        (self.count > 0).then_some(lower)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio needs no more than a float's precision"
)]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::{ERROR_BINS, EstimateErrors, error_bin};

    #[test]
    fn an_error_is_a_part_of_the_actual_number() {
        for (estimated, actual, bin) in [
            (100, 100, 0),
            (0, 0, 0),
            (101, 100, 0),
            (110, 100, 5),
            (90, 100, 5),
            (300, 100, 14),
            (0, 100, 12),
            (5_000, 100, ERROR_BINS - 1),
            (7, 0, 17),
        ] {
            assert_eq!(
                error_bin(estimated, actual),
                bin,
                "{estimated} for {actual}"
            );
        }
    }

    #[test]
    fn quantiles_are_read_off_the_bins() {
        let mut errors = EstimateErrors::default();
        assert_eq!((errors.ratio(), errors.quantile(0.5)), (None, None));
        for estimated in 100..200 {
            errors.add(estimated, 100);
        }
        let p50 = errors.quantile(0.5).unwrap();
        let p90 = errors.quantile(0.9).unwrap();
        assert!((p50 - 0.5).abs() < 0.02, "{p50}");
        assert!((p90 - 0.9).abs() < 0.02, "{p90}");
        assert!((errors.ratio().unwrap() - 0.669).abs() < 0.001);
    }
}
