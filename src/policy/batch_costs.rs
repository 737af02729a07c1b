//! What a request of a remote batch is taken to cost, by what answers of its run have cost.
//!
//! Single requests hold all that each can cost. So many can be in a batch that this would let a
//! budget buy a fraction of what it is worth, so a batch holds what answers have cost, with a margin,
//! once enough of them were seen: what they cost, whatever it was for, searches included. Until then
//! it holds all that its requests can cost, so that a small batch goes first.
//!
//! Answers may change: the short ones may all have come first. So the doubt fades only as answers
//! come in, and never to nothing: what a batch costs beyond what it holds is at most
//! [`MOST_TIMES`] - 1 times that, if all of it costs all that it can.
//!
//! Pure.

use std::collections::HashMap;

use crate::model::Pico;

/// So many answers of a model prove nothing: each request holds all that it can cost. A run of this
/// size loses little by it, and a few answers that are all alike are no promise for the next.
const PROOF: u64 = 1_000;
/// A batch costs at most so many times what it holds.
const MOST_TIMES: i128 = 4;
/// Held beyond the mean, in per cent of it: means of another thousand answers are rarely further off.
const MARGIN_PERCENT: i128 = 25;

/// What answers have cost, by model.
#[derive(Clone, Debug, Default)]
pub struct BatchCosts {
    by_model: HashMap<String, Answers>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    count: u64,
    cost: Pico,
}

impl BatchCosts {
    /// So many answers to requests for this model cost that much together.
    pub fn observe(&mut self, model: &str, answers: u64, cost: Pico) {
        let known = self.by_model.entry(model.to_owned()).or_default();
        known.count += answers;
        known.cost += cost;
    }

    /// What is held for a request of a batch that can cost `most`.
    #[must_use]
    pub fn reservation(&self, model: &str, most: Pico) -> Pico {
        let Answers { count, cost } = self.by_model.get(model).copied().unwrap_or_default();
        if count <= PROOF {
            return most;
        }
        let (count, doubt) = (i128::from(count), i128::from(PROOF));
        let likely = cost.0 / count * (100 + MARGIN_PERCENT) / 100;
        let held = (most.0 * doubt + likely * (count - doubt)) / count;
        Pico(held.max(most.0 / MOST_TIMES).min(most.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchCosts, MOST_TIMES, PROOF};
    use crate::model::Pico;

    const MODEL: &str = "claude-haiku-4-5";
    const MOST: Pico = Pico(1_000_000);

    fn held(answers: u64, each: i128) -> i128 {
        let mut costs = BatchCosts::default();
        costs.observe(MODEL, answers, Pico(each * i128::from(answers)));
        costs.reservation(MODEL, MOST).0
    }

    #[test]
    fn before_enough_answers_a_request_holds_all_that_it_can_cost() {
        assert_eq!(BatchCosts::default().reservation(MODEL, MOST), MOST);
        for answers in [1, 200, PROOF] {
            assert_eq!(held(answers, 10), MOST.0, "{answers}");
        }
        let mut others = BatchCosts::default();
        others.observe("claude-opus-5", 1_000_000, Pico(1));
        assert_eq!(
            others.reservation(MODEL, MOST),
            MOST,
            "each model for itself"
        );
    }

    #[test]
    fn the_doubt_fades_with_answers_but_never_below_a_quarter_of_the_most() {
        let table: Vec<_> = [2_000, 4_000, 10_000, 1_000_000]
            .map(|answers| held(answers, 400_000))
            .into();
        // A margin of a quarter above the mean, and doubt.
        assert_eq!(table, [750_000, 625_000, 550_000, 500_500]);
        assert_eq!(held(1_000_000, 10), MOST.0 / MOST_TIMES);
        assert_eq!(
            held(1_000_000, 2_000_000),
            MOST.0,
            "never more than the most"
        );
    }
}
