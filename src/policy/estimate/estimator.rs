//! Guesses of a run, getting better with its answers.

use std::collections::HashMap;

use super::output::Outputs;
use super::prompt::Prompt;
use super::ratio::Ratio;
use crate::model::{Estimate, Tokens};
use crate::policy::model_classes::ModelClasses;
use crate::policy::rate_budget::Demand;

/// Prompts are guessed to a few per cent once answers have corrected the guess.
const LEAST_INPUT_MARGIN: f64 = 0.05;
/// And before any answer to half as much.
const MORE_INPUT_MARGIN: f64 = 0.45;

/// Guesses what requests need. Knows nothing of requests that it is not told of.
#[derive(Clone, Debug)]
pub struct Estimator {
    classes: ModelClasses,
    models: HashMap<String, Seen>,
}

/// What the answers of one model have shown.
#[derive(Clone, Debug, Default)]
struct Seen {
    input: Ratio,
    outputs: Outputs,
}

impl Default for Estimator {
    fn default() -> Self {
        Self {
            classes: ModelClasses::embedded(),
            models: HashMap::new(),
        }
    }
}

impl Estimator {
    /// What such a request will need: the whole prompt, cached or not, and a likely output.
    #[must_use]
    pub fn estimate(&self, model: &str, prompt: &Prompt) -> Estimate {
        let seen = self.models.get(model);
        let output = seen.map_or_else(
            || Outputs::default().guess(prompt.max_tokens),
            |seen| seen.outputs.guess(prompt.max_tokens),
        );
        Estimate {
            input: whole(self.tokens(model, prompt.tokens)),
            output,
        }
    }

    /// What of it counts against the limits, if `is_warm` tells what can be read from the cache.
    #[must_use]
    pub fn demand(
        &self,
        model: &str,
        prompt: &Prompt,
        is_warm: impl Fn(&super::Prefix) -> bool,
    ) -> Demand {
        let Estimate { input, output } = self.estimate(model, prompt);
        // The longest warm prefix holds all shorter ones.
        let warm = prompt.prefixes.iter().rev().find(|prefix| is_warm(prefix));
        let cached = warm.map_or(0, |prefix| whole(self.tokens(model, prefix.tokens)));
        Demand {
            // What is read from the cache does not count against the input limit of current models.
            input: input.saturating_sub(cached),
            output,
        }
    }

    /// Tokens that the `nth` (from 1) of requests that are paid together, as those of a batch are, adds
    /// to what their sum hardly exceeds, by kind: what is marked for the cache is written. The answer
    /// has at most `bound` tokens. Nobody has seen an answer yet: then it has them all, and the prompt
    /// may be half as large again.
    #[must_use]
    pub fn ceiling_of_nth(&self, model: &str, prompt: &Prompt, bound: u64, nth: u32) -> Tokens {
        let seen = self.models.get(model);
        let output = seen.map_or(bound, |seen| seen.outputs.ceiling_of_nth(bound, nth));
        // Before any answer the tokenizer of this model was never compared with ours.
        let doubt = seen.map_or(1.0, |seen| seen.outputs.doubt());
        let margin = 1.0 + LEAST_INPUT_MARGIN + MORE_INPUT_MARGIN * doubt;
        let tokens = |plain: f64| whole_up(self.tokens(model, plain) * margin);
        let prompt_tokens = tokens(prompt.tokens);
        let last = prompt.prefixes.last();
        // Rounded up by itself a prefix may come out larger than its prompt.
        let marked = last.map_or(0, |prefix| tokens(prefix.tokens).min(prompt_tokens));
        let for_an_hour = last.is_some_and(|prefix| prefix.for_an_hour);
        let (short_lived, long_lived) = if for_an_hour { (0, 1) } else { (1, 0) };
        Tokens {
            input: prompt_tokens - marked,
            output,
            cache_read: 0,
            cache_write_5m: marked * short_lived,
            cache_write_1h: marked * long_lived,
        }
    }

    /// A request of that model was answered, and used this much.
    pub fn observe(&mut self, model: &str, prompt: &Prompt, used: &Tokens) {
        let guessed = prompt.tokens * self.classes.tokenizer_factor(model);
        // `entry` would copy the name for every answer.
        if !self.models.contains_key(model) {
            self.models.insert(model.to_owned(), Seen::default());
        }
        if let Some(seen) = self.models.get_mut(model) {
            seen.input.observe(guessed, as_float(used.prompt()));
            seen.outputs.observe(used.output);
        }
    }

    fn tokens(&self, model: &str, plain: f64) -> f64 {
        let ratio = self.models.get(model).map_or(1.0, |seen| seen.input.get());
        plain * self.classes.tokenizer_factor(model) * ratio
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of tokens is small and positive"
)]
fn whole(tokens: f64) -> u64 {
    tokens.round() as u64
}

fn whole_up(tokens: f64) -> u64 {
    whole(tokens.ceil())
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
    use super::super::{Prefix, Prompt, estimate};
    use super::Estimator;
    use crate::model::{RequestBody, Tokens};

    fn used(input: u64, output: u64) -> Tokens {
        Tokens {
            input,
            output,
            ..Tokens::default()
        }
    }

    fn prompt(tokens: f64) -> Prompt {
        Prompt {
            tokens,
            max_tokens: Some(1_000),
            ..Prompt::default()
        }
    }

    #[test]
    fn a_newer_tokenizer_makes_more_tokens() {
        let body = RequestBody::from_json(
            r#"{"max_tokens":100,"messages":[{"role":"user","content":"A plain question, plainly asked, of some thirty words or so?"}]}"#,
        );
        let (old, new) = (
            estimate(&body, "claude-opus-4-6"),
            estimate(&body, "claude-opus-5-5"),
        );
        assert!(new.input > old.input * 12 / 10, "{old:?} {new:?}");
        assert_eq!(new.output, 25);
    }

    #[test]
    fn each_model_learns_from_its_own_answers() {
        let mut estimator = Estimator::default();
        for _ in 0..50 {
            estimator.observe("a", &prompt(100.0), &used(150, 40));
        }
        let learned = estimator.estimate("a", &prompt(200.0));
        assert_eq!((learned.input, learned.output), (300, 40));
        let fresh = estimator.estimate("b", &prompt(200.0));
        assert_eq!((fresh.input, fresh.output), (200, 250));
    }

    #[test]
    fn what_is_warm_does_not_count() {
        let prefix = |hash, tokens| Prefix {
            hash,
            tokens,
            in_last_turn: false,
            for_an_hour: false,
        };
        let prompt = Prompt {
            prefixes: vec![prefix(1, 600.0), prefix(2, 900.0)],
            ..prompt(1_000.0)
        };
        let estimator = Estimator::default();
        for (warm, counts) in [(0, 1_000), (1, 400), (2, 100)] {
            let demand = estimator.demand("m", &prompt, |prefix| prefix.hash == warm);
            assert_eq!(demand.input, counts, "{warm}");
        }
    }
}
