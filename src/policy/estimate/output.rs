//! How long the answers of one model are, by those of this run.

/// Answers that are remembered.
const MEMORY: usize = 256;
/// Before any answer: this part of what the request allows.
const FIRST_GUESS: f64 = 0.25;
/// And for a request that names no bound.
const FIRST_GUESS_UNBOUNDED: u64 = 1_024;

/// The recent answers' lengths.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    recent: Vec<u64>,
    next: usize,
    guess: Option<u64>,
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

    pub(super) fn observe(&mut self, output: u64) {
        if self.recent.len() < MEMORY {
            self.recent.push(output);
        } else {
            self.recent[self.next] = output;
        }
        self.next = (self.next + 1) % MEMORY;
        self.guess = Some(quantile(&self.recent).max(mean(&self.recent)));
    }
}

/// The third quartile: few answers overrun what was reserved for them, and reservations are not so
/// large that they starve the others.
fn quantile(of: &[u64]) -> u64 {
    let mut of = of.to_vec();
    let at = (of.len() * 3 / 4).min(of.len() - 1);
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
    fn rare_long_answers_are_provided_for_on_the_mean() {
        let mut outputs = Outputs::default();
        for n in 0..200 {
            outputs.observe(if n % 10 == 0 { 10_000 } else { 1 });
        }
        assert_eq!(outputs.guess(None), 1_000);
    }
}
