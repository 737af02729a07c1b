//! What a request of a remote batch is likely to cost, by what answers of its run have cost.
//!
//! A single request holds all that it can cost. Of the many in a batch this is far more than they
//! cost together, so what they are likely to cost is held beside it ([`Hold`]): what answers have
//! cost, whatever it was for, searches included, with a margin. Before any answer was seen that is
//! all that they can cost, and the doubt fades only as answers come in.
//!
//! Pure.

use std::collections::HashMap;

use super::spend::Hold;
use crate::model::Pico;

/// All that a request can cost weighs as much as this many answers.
const DOUBT: i128 = 200;
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
    /// This many answers to requests for this model cost that much together.
    pub fn observe(&mut self, model: &str, answers: u64, cost: Pico) {
        let known = self.by_model.entry(model.to_owned()).or_default();
        known.count += answers;
        known.cost += cost;
    }

    /// What is held for a request of a batch that can cost `most`.
    #[must_use]
    pub fn hold(&self, model: &str, most: Pico) -> Hold {
        let Answers { count, cost } = self.by_model.get(model).copied().unwrap_or_default();
        let seen = Pico(cost.0 * (100 + MARGIN_PERCENT) / 100);
        let likely = Pico((most.0 * DOUBT + seen.0) / (DOUBT + i128::from(count)));
        Hold {
            likely: likely.min(most),
            most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchCosts, Hold};
    use crate::model::Pico;

    const MODEL: &str = "claude-haiku-4-5";
    const MOST: Pico = Pico(1_000_000);

    fn likely(answers: u64, each: i128) -> i128 {
        let mut costs = BatchCosts::default();
        costs.observe(MODEL, answers, Pico(each * i128::from(answers)));
        let hold = costs.hold(MODEL, MOST);
        assert_eq!(hold.most, MOST, "whatever was seen");
        hold.likely.0
    }

    #[test]
    fn before_any_answer_a_request_holds_all_that_it_can_cost() {
        let all = Hold::exactly(MOST);
        assert_eq!(BatchCosts::default().hold(MODEL, MOST), all);
        let mut others = BatchCosts::default();
        others.observe("claude-opus-5", 1_000_000, Pico(1));
        assert_eq!(others.hold(MODEL, MOST), all, "each model for itself");
    }

    #[test]
    fn the_doubt_fades_with_answers_and_a_margin_stays() {
        let table: Vec<_> = [200, 1_800, 19_800, 1_999_800]
            .map(|answers| likely(answers, 400_000))
            .into();
        assert_eq!(table, [750_000, 550_000, 505_000, 500_050]);
        assert_eq!(likely(1_000_000, 2_000_000), MOST.0, "never beyond it");
    }
}
