//! What is known to be refused, found before it is sent.
//!
//! A request that the API refuses in every case, by its documentation of the day in `rules.toml` and
//! the price table, is told when the file is read, with the place and the remedy. Nothing is changed
//! and nothing is kept back by it: what was refused may have been allowed since, and the API decides.
//! So a rule speaks only where a refusal is documented, and of a model that it knows.
//!
//! - `rules`: what each model accepts, as data;
//! - `fault`: what is told: the rule, the place in the request, the words;
//! - one file for each part of a request: `model_id`, `params`, `thinking`, `turns`,
//!   `tools`, `cache_marks`, `media`.

mod cache_marks;
mod fault;
mod media;
mod model_id;
mod params;
mod rules;
#[cfg(test)]
mod tests;
mod thinking;
mod tools;
mod turns;

use std::sync::Arc;

use jiff::Timestamp;

use self::fault::Faults;
pub use self::fault::{Foreseen, Rule};
pub use self::rules::{ModelRules, RuleError, Rules};
use self::tools::KnownTools;
use super::PriceTable;
use super::prices::ModelPrices;
use crate::model::{JsonView, ObjectView};

/// Whom the requests are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The endpoint is Anthropic's own: others have models and names of their own.
    pub first_party: bool,
    /// The version of the API that is asked for.
    pub api_version: String,
    /// A beta is asked for: betas allow what is refused without them.
    pub has_betas: bool,
}

/// Looks requests over.
#[derive(Debug)]
pub struct Reviewer {
    rules: Rules,
    prices: Arc<PriceTable>,
    to: Addressee,
    now: Timestamp,
    /// Tools that were looked over already: a file repeats them on every line.
    tools: KnownTools,
}

/// One request that is looked over.
struct Draft<'v, 'a> {
    members: &'v ObjectView<'a>,
    body: &'v JsonView<'a>,
    rules: Option<&'v ModelRules>,
    sizes: Option<&'v ModelPrices>,
    to: &'v Addressee,
}

impl<'a> Draft<'_, 'a> {
    /// A member that is given: `null` is how clients write what they leave out.
    fn given(&self, key: &str) -> Option<&JsonView<'a>> {
        self.members.last(key).filter(|value| !value.is_null())
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.given(key)?.raw().parse().ok()
    }
}

impl Reviewer {
    /// One that goes by these rules and sizes, for requests that leave at about `now`.
    #[must_use]
    pub fn new(rules: Rules, prices: Arc<PriceTable>, to: Addressee, now: Timestamp) -> Self {
        Self {
            rules,
            prices,
            to,
            now,
            tools: KnownTools::default(),
        }
    }

    /// What is known to be refused in this request of that model, in the order of its parts.
    pub fn look_over(&mut self, model: &str, body: &JsonView<'_>) -> Vec<Foreseen> {
        let mut faults = Faults::default();
        let Some(members) = body.members() else {
            return faults.into_vec();
        };
        let rules = self.rules.of(model);
        let sizes = self.prices.model(model);
        model_id::look_over(self, model, rules, sizes, &mut faults);
        let request = Draft {
            members,
            body,
            rules,
            sizes,
            to: &self.to,
        };
        params::look_over(&request, &mut faults);
        thinking::look_over(&request, &mut faults);
        turns::look_over(&request, &mut faults);
        self.tools.look_over(&request, &mut faults);
        cache_marks::look_over(&request, &mut faults);
        media::look_over(&request, &mut faults);
        faults.into_vec()
    }
}
