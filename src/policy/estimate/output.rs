//! How long the answers of one model are, by those of this run.

/// Answers that are remembered.
const MEMORY: usize = 256;
/// Before any answer: this part of what the request allows.
const FIRST_GUESS: f64 = 0.25;
/// And for a request that names no bound.
const FIRST_GUESS_UNBOUNDED: u64 = 1_024;
/// Of a hundred answers so many are not longer than what is taken for the longest.
const HIGH: usize = 98;
/// Answers after which the longest possible answer counts half.
const CAUTION: f64 = 4.0;

/// The recent answers' lengths.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    recent: Vec<u64>,
    next: usize,
    guess: Option<u64>,
    /// What hardly any of the recent ones exceeded.
    high: u64,
    seen: u32,
}

impl Outputs {
    pub(super) fn guess(&self, max_tokens: Option<u64>) -> u64 {
        let most = max_tokens.unwrap_or(u64::MAX);
        match (self.guess, max_tokens) {
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

    /// What the next answer hardly exceeds, where it has at most `bound` tokens: the high quantile,
    /// and the way from there to the bound in the measure of the doubt.
    pub(super) fn ceiling(&self, bound: u64) -> u64 {
        let beyond = bound.saturating_sub(self.high);
        (self.high + part(beyond, self.doubt())).min(bound)
    }

    pub(super) fn observe(&mut self, output: u64) {
        self.seen = self.seen.saturating_add(1);
        if self.recent.len() < MEMORY {
            self.recent.push(output);
        } else {
            self.recent[self.next] = output;
        }
        self.next = (self.next + 1) % MEMORY;
        self.guess = Some(quantile(&self.recent, 75).max(mean(&self.recent)));
        self.high = quantile(&self.recent, HIGH);
    }
}

/// The third quartile is what is guessed: few answers overrun what was reserved for them, and
/// reservations are not so large that they starve the others.
fn quantile(of: &[u64], percent: usize) -> u64 {
    let mut of = of.to_vec();
    let at = (of.len() * percent / 100).min(of.len() - 1);
    *of.select_nth_unstable(at).1
}

/// A few very long answers lift the mean above the quantile; the sum of reservations must hold them.
fn mean(of: &[u64]) -> u64 {
    of.iter().sum::<u64>() / of.len() as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part of a count of tokens is one"
)]
fn part(of: u64, part: f64) -> u64 {
    (of as f64 * part).ceil() as u64
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
    fn the_ceiling_comes_down_from_the_bound_with_every_answer() {
        let mut outputs = Outputs::default();
        assert_eq!(outputs.ceiling(1_000), 1_000);
        for (answers, ceiling) in [(4, 550), (12, 325), (96, 136)] {
            while outputs.seen < answers {
                outputs.observe(100);
            }
            assert_eq!(outputs.ceiling(1_000), ceiling, "{answers}");
        }
        assert_eq!(outputs.ceiling(50), 50);
        outputs.observe(5_000);
        assert_eq!(outputs.ceiling(1_000), 136);
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
