//! A sample spread evenly over an input of unknown length, and what a count of it says.

use crate::model::RequestBody;

/// Bytes of bodies that are held, about.
const MAX_BYTES: usize = 64 << 20;

/// One request of the sample.
#[derive(Clone, Debug)]
pub(super) struct Sampled {
    pub(super) body: RequestBody,
    /// Its input tokens by the estimate.
    pub(super) estimated: u64,
}

/// Keeps every so-many-th request; when there are twice too many, every second goes.
#[derive(Debug)]
pub(super) struct Sample {
    wanted: usize,
    stride: u64,
    seen: u64,
    bytes: usize,
    kept: Vec<Sampled>,
}

impl Sample {
    pub(super) fn of(wanted: usize) -> Self {
        Self {
            wanted,
            stride: 1,
            seen: 0,
            bytes: 0,
            kept: Vec::new(),
        }
    }

    pub(super) fn offer(&mut self, body: &RequestBody, estimated: u64) {
        let is_due = self.seen.is_multiple_of(self.stride);
        self.seen += 1;
        if !is_due || self.wanted == 0 {
            return;
        }
        self.bytes += body.len();
        let body = body.clone();
        self.kept.push(Sampled { body, estimated });
        while self.kept.len() > 1 && (self.kept.len() >= 2 * self.wanted || self.bytes > MAX_BYTES)
        {
            self.thin_out();
        }
    }

    fn thin_out(&mut self) {
        let mut at = 0;
        self.kept.retain(|_| {
            at += 1;
            at % 2 == 1
        });
        self.bytes = self.kept.iter().map(|sampled| sampled.body.len()).sum();
        self.stride *= 2;
    }

    /// At most as many as were wanted, evenly spread.
    pub(super) fn take(self) -> Vec<Sampled> {
        let (have, wanted) = (self.kept.len(), self.wanted.min(self.kept.len()));
        let is_taken = |at: usize| (at + 1) * wanted / have.max(1) > at * wanted / have.max(1);
        let each = self.kept.into_iter().enumerate();
        each.filter(|(at, _)| is_taken(*at))
            .map(|(_, one)| one)
            .collect()
    }
}

/// What counting a sample has shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Counted {
    pub(super) requests: u64,
    /// Tokens that came for each one estimated.
    pub(super) ratio: f64,
    /// The ratio of the whole input is likely (19 times in 20) within this part of it.
    pub(super) margin: f64,
}

/// From pairs of estimated and counted tokens. None without any.
pub(super) fn evaluate(pairs: &[(u64, u64)]) -> Option<Counted> {
    let sum = |of: fn(&(u64, u64)) -> u64| pairs.iter().map(of).sum::<u64>();
    let (estimated, counted) = (float(sum(|pair| pair.0)), float(sum(|pair| pair.1)));
    if estimated <= 0.0 || counted <= 0.0 {
        return None;
    }
    let (n, ratio) = (float(pairs.len() as u64), counted / estimated);
    let off = |pair: &(u64, u64)| (float(pair.1) - ratio * float(pair.0)).powi(2);
    let spread = (pairs.iter().map(off).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    Some(Counted {
        requests: pairs.len() as u64,
        ratio,
        margin: 1.96 * spread / n.sqrt() / (counted / n),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio needs no more than a float's precision"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::{Sample, evaluate};
    use crate::model::RequestBody;

    fn sampled(wanted: usize, of: u64) -> Vec<u64> {
        let mut sample = Sample::of(wanted);
        for n in 0..of {
            sample.offer(&RequestBody::from_json(format!("{{\"n\":{n}}}")), n);
        }
        sample.take().iter().map(|one| one.estimated).collect()
    }

    #[test]
    fn a_sample_is_spread_over_the_whole() {
        assert_eq!(sampled(5, 3), [0, 1, 2]);
        assert!(sampled(0, 10).is_empty());
        for (wanted, of) in [(1, 1_000), (10, 10), (10, 11), (10, 1_000), (100, 12_345)] {
            let taken = sampled(wanted, of);
            assert!(
                taken.len() <= wanted && taken.len() * 2 > wanted,
                "{wanted} {of}"
            );
            let gaps = taken.windows(2).map(|pair| pair[1] - pair[0]);
            let even = of / taken.len() as u64;
            assert!(
                gaps.into_iter().all(|gap| gap <= 3 * even.max(1)),
                "{taken:?}"
            );
        }
    }

    #[test]
    fn the_margin_is_small_where_the_estimate_is_off_by_the_same_everywhere() {
        assert_eq!(evaluate(&[]), None);
        assert_eq!(evaluate(&[(0, 5)]), None);
        let same: Vec<_> = (1..=100).map(|n| (n * 10, n * 12)).collect();
        let same = evaluate(&same).unwrap();
        assert!(
            (same.ratio - 1.2).abs() < 1e-9 && same.margin < 1e-6,
            "{same:?}"
        );
        let mixed: Vec<_> = (1..=100)
            .map(|n| (100, if n % 2 == 0 { 80 } else { 120 }))
            .collect();
        let mixed = evaluate(&mixed).unwrap();
        assert!((mixed.ratio - 1.0).abs() < 1e-9, "{mixed:?}");
        assert!((0.03..0.05).contains(&mixed.margin), "{mixed:?}");
    }
}
