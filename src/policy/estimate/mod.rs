//! What a request will need, guessed before it is sent.
//!
//! Input is counted from the body's texts by kind of character, times a factor of the model's
//! tokenizer, times what this run's answers have shown the guess to be off. Output is what this
//! run's answers had: a quantile of the recent ones. The user's `max_tokens` is its bound, not its
//! guess, since most answers are far shorter.
//!
//! Pure, and one pass or two over the text. It promises no exactness: for the number that is billed,
//! ask the API.

mod estimator;
mod output;
mod prompt;
mod ratio;
mod text;

pub use estimator::Estimator;
pub use prompt::{Prefix, Prompt};
pub(in crate::policy) use prompt::{REQUEST, TOOLS, TURN, tokens_of_content, tokens_of_tool};

use crate::model::{Estimate, RequestBody};

/// What a request of that model will need, as far as its body alone tells.
#[must_use]
pub fn estimate(body: &RequestBody, model: &str) -> Estimate {
    Estimator::default().estimate(model, &Prompt::read(body))
}
