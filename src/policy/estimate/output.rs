//! How long the answers of one model are, by those of this run.

const MEMORY: usize = 256;
/// Before any answer: this part of what the request allows.
const FIRST_GUESS: f64 = 0.25;
/// And for a request that names no bound.
const FIRST_GUESS_UNBOUNDED: u64 = 1_024;
/// Sums of many answers are provided for up to this many standard deviations above what is expected.
const DEVIATIONS: f64 = 3.0;
/// Answers after which the longest possible answer counts half.
const CAUTION: f64 = 4.0;

/// The recent answers' lengths.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    recent: Vec<u64>,
    next: usize,
    guess: Option<u64>,
    mean: f64,
    spread: f64,
    seen: u32,
}

impl Outputs {
    pub(super) fn guess(&self, max_tokens: Option<u64>) -> u64 {
        let most = max_tokens.unwrap_or(u64::MAX);
        match (self.guess, max_tokens) {
            // No answer is longer than the request allows, whatever the others had.
            (Some(guess), _) => guess.min(most),
            (None, Some(most)) => part(most, FIRST_GUESS),
            (None, None) => FIRST_GUESS_UNBOUNDED,
        }
    }

    /// How little is known, from 1 (nothing) towards 0: about the chance that the next answer is
    /// longer than any before, with some caution, since the short answers come first.
    pub(super) fn doubt(&self) -> f64 {
        CAUTION / (f64::from(self.seen) + CAUTION)
    }

    /// What the `nth` (from 1) of answers that are summed up adds to what the sum hardly exceeds: the
    /// mean; its share of the sum's deviation, which grows with the root of their number alone; how
    /// far the mean itself may be off; and something of the way to the bound while there is doubt.
    pub(super) fn ceiling_of_nth(&self, bound: u64, nth: u32) -> u64 {
        // Without an answer nothing is known, so each may have all that it is allowed.
        if self.recent.is_empty() {
            return bound;
        }
        let nth = f64::from(nth.max(1));
        // The deviation of a sum of n is √n times that of one; this is what the nth adds to it.
        let of_sum = nth.sqrt() - (nth - 1.0).sqrt();
        // The mean of few answers may itself be off by this share of their spread.
        let of_mean = 1.0 / as_float(self.recent.len() as u64).sqrt();
        let likely = self.mean + DEVIATIONS * self.spread * (of_sum + of_mean);
        let beyond = (as_float(bound) - likely).max(0.0);
        whole_up(likely + beyond * self.doubt()).min(bound)
    }

    pub(super) fn observe(&mut self, output: u64) {
        self.seen = self.seen.saturating_add(1);
        if self.recent.len() < MEMORY {
            self.recent.push(output);
        } else {
            self.recent[self.next] = output;
        }
        // The oldest answer is replaced: jobs of another kind may come later in the input.
        self.next = (self.next + 1) % MEMORY;
        // Worked out when an answer comes and not when a job is guessed: claims ask more often.
        self.guess = Some(quantile(&self.recent, 75).max(mean(&self.recent)));
        (self.mean, self.spread) = mean_and_spread(&self.recent);
    }
}

/// The third quartile is what is guessed: few answers overrun what was reserved for them, and
/// reservations are not so large that they starve the others.
fn quantile(of: &[u64], percent: usize) -> u64 {
    let mut of = of.to_vec();
    // At 100 % the index would be one past the end.
    let at = (of.len() * percent / 100).min(of.len() - 1);
    *of.select_nth_unstable(at).1
}

/// A few very long answers lift the mean above the quantile; the sum of reservations must hold them.
fn mean(of: &[u64]) -> u64 {
    of.iter().sum::<u64>() / of.len() as u64
}

fn mean_and_spread(of: &[u64]) -> (f64, f64) {
    let count = as_float(of.len() as u64);
    let mean = of.iter().copied().map(as_float).sum::<f64>() / count;
    let off = |one: &u64| (as_float(*one) - mean).powi(2);
    (mean, (of.iter().map(off).sum::<f64>() / count).sqrt())
}

fn part(of: u64, part: f64) -> u64 {
    whole_up(as_float(of) * part)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of tokens is small and positive"
)]
fn whole_up(tokens: f64) -> u64 {
    tokens.ceil() as u64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate needs no more than a float's precision"
)]
fn as_float(tokens: u64) -> f64 {
    tokens as f64
}

#[cfg(test)]
mod tests {
    use super::{MEMORY, Outputs};

    #[test]
    fn the_first_guess_is_a_part_of_the_bound() {
        let outputs = Outputs::default();
        assert_eq!(outputs.guess(Some(4_096)), 1_024);
        assert_eq!(outputs.guess(Some(0)), 0);
        assert_eq!(outputs.guess(None), 1_024);
    }

    #[test]
    fn three_answers_in_four_fit_and_the_old_are_forgotten() {
        let mut outputs = Outputs::default();
        for output in 1..=100 {
            outputs.observe(output);
        }
        assert_eq!(outputs.guess(None), 76);
        assert_eq!(outputs.guess(Some(50)), 50);
        for _ in 0..MEMORY {
            outputs.observe(10);
        }
        assert_eq!(outputs.guess(Some(4_096)), 10);
    }

    #[test]
    fn a_sum_of_many_answers_is_provided_for_nearer_to_their_mean_than_each_alone() {
        let mut outputs = Outputs::default();
        assert_eq!(outputs.ceiling_of_nth(1_000, 1), 1_000);
        for n in 0..4_000 {
            outputs.observe(if n % 2 == 0 { 50 } else { 150 });
        }
        // The mean is 100, the deviation 50; one more is the doubt of it.
        let of = |nth| outputs.ceiling_of_nth(1_000, nth);
        assert_eq!((of(1), outputs.ceiling_of_nth(200, 1)), (261, 200));
        assert!(of(2) < of(1) && of(1_000) < 115, "{} {}", of(2), of(1_000));
        for many in [1_u32, 10, 100, 1_000] {
            let sum: u64 = (1..=many).map(of).sum();
            let needed = f64::from(many) * 100.0 + 3.0 * 50.0 * f64::from(many).sqrt();
            assert!(super::as_float(sum) >= needed, "{many}: {sum}");
        }
    }

    #[test]
    fn rare_long_answers_are_provided_for_on_the_mean() {
        let mut outputs = Outputs::default();
        for n in 0..200 {
            outputs.observe(if n % 10 == 0 { 10_000 } else { 1 });
        }
        assert_eq!(outputs.guess(None), 1_000);
    }
}
