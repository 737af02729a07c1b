//! Whether the next attempt of a job asks a little differently.
//!
//! Three things lead to that: a turn that paused is gone on with, an answer that was cut at
//! `max_tokens` may get more room once, and a model that is overloaded or refuses may be replaced by
//! another one. Everything else goes again as it was, or not at all (`retry`). Pure: what is decided
//! is an [`Amendment`], which the store keeps beside the job's request.
//!
//! What this does not do: say when the attempt goes, or what it costs.

use crate::model::{
    Amended, Amendment, ErrorClass, OnTruncated, Pico, RequestBody,
    amendment::{container_of, content_of},
};

use super::circuit::speaks_of_the_model;
use super::prices::PriceTable;
use super::retry::Step;
use super::stream::max_tokens_of;

/// A paused turn is continued so often; a turn that pauses once more is kept as it is.
pub const MAX_CONTINUATIONS: usize = 5;
/// This many failures in a row of one model are taken as its own.
const TWICE: u32 = 2;

/// When the next attempt asks differently. All of it can be set by the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AmendSettings {
    /// What to do with a truncated answer.
    pub on_truncated: OnTruncated,
    /// Models to ask instead, in the order of their use.
    pub fallback_models: Vec<String>,
}

/// What the attempt that has ended had asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The attempt's number.
    pub n: u32,
    /// The model.
    pub model: &'a str,
    /// The request as it was sent.
    pub body: &'a RequestBody,
    /// What made it differ from the input line.
    pub amendment: Option<&'a Amendment>,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Its class.
    pub class: ErrorClass,
    /// The class of the attempt before.
    pub last_class: Option<ErrorClass>,
    /// Failures of the server or the network in a row, this one included.
    pub faults_in_row: u32,
    /// What would happen without an amendment.
    pub step: Step,
    /// Retries are switched off, or the job's time is over.
    pub no_more_retries: bool,
    /// The model is known to be out of order: its circuit is open, and the status page says that the
    /// service is in trouble.
    pub outage: bool,
}

impl Asked<'_> {
    fn amendment(&self) -> Amendment {
        self.amendment
            .cloned()
            .unwrap_or_else(|| Amendment::none(self.model))
    }
}

/// What is asked after a message with that mark, if the job is not done with it. `cost` is the
/// message's own.
#[must_use]
pub fn after_message(
    settings: &AmendSettings,
    prices: &PriceTable,
    asked: Asked<'_>,
    mark: Option<ErrorClass>,
    message: &str,
    cost: Pico,
) -> Option<Amended> {
    match mark? {
        // A pause is no error: the turn goes on without a setting for it.
        ErrorClass::Paused => continued(asked, message, cost),
        ErrorClass::Truncated if settings.on_truncated == OnTruncated::Raise => {
            raised(prices, asked, message)
        }
        _ => None,
    }
}

/// What is asked after a failure, if it is to be another model.
#[must_use]
pub fn after_failure(
    settings: &AmendSettings,
    prices: &PriceTable,
    asked: Asked<'_>,
    trouble: &Trouble,
) -> Option<Amendment> {
    // Checked first, since holding the job would wait for a model that it does not need.
    if is_unusable_fallback(asked, trouble.step) {
        let next = next_model(settings, prices, asked);
        return Some(next.unwrap_or_else(|| back_to_the_original(settings, asked)));
    }
    wants_another_model(trouble)
        .then(|| next_model(settings, prices, asked))
        .flatten()
}

/// Whether a failure is a reason to ask another model: it refuses, has no capacity twice in a row,
/// or is known to be out of order.
#[must_use]
pub fn wants_another_model(trouble: &Trouble) -> bool {
    let is_out_of_capacity =
        |class| matches!(class, ErrorClass::Overloaded | ErrorClass::Unavailable);
    // One overload is mostly over at the next try, and the model that was asked for is preferred.
    let twice = is_out_of_capacity(trouble.class)
        && trouble.last_class.is_some_and(is_out_of_capacity)
        && trouble.faults_in_row >= TWICE;
    match trouble.step {
        // A refusal says nothing of the service, so neither patience nor outage matters.
        Step::Fail if trouble.class == ErrorClass::Refused => true,
        Step::RetryIn(_) | Step::Fail => {
            let out_of_order = trouble.outage && speaks_of_the_model(trouble.class);
            (twice || out_of_order) && !trouble.no_more_retries
        }
        Step::Requeue | Step::Hold | Step::Halt | Step::Done => false,
    }
}

/// A fallback model that does not exist or may not be used holds no job: it was only our second
/// choice.
fn is_unusable_fallback(asked: Asked<'_>, step: Step) -> bool {
    step == Step::Hold && asked.amendment.is_some_and(|a| a.model.is_some())
}

/// The turn goes on where it paused, in the container where its code ran. What it has brought is put
/// aside, for the case that it cannot go on.
fn continued(asked: Asked<'_>, message: &str, cost: Pico) -> Option<Amended> {
    let mut amendment = asked.amendment();
    let messages = asked.body.member("messages").ok().flatten()?;
    // Each continuation pays the whole prompt again, so a turn that never ends must.
    if amendment.continuations() >= MAX_CONTINUATIONS || !messages.starts_with('[') {
        return None;
    }
    let blocks = content_of(message).ok().flatten()?;
    let put_aside = amendment.joined(message).ok()?;
    amendment.paused.push(blocks.to_owned());
    // The final answer carries the cost of all its parts.
    amendment.paused_cost_pico += cost.0;
    amendment.container = container_of(message).or(amendment.container);
    // A truncated answer is more than the parts of one that was to be longer.
    let has_more =
        amendment.put_aside.is_some() && amendment.put_aside_mark() == ErrorClass::Truncated;
    if !has_more {
        amendment.put_aside = Some(asked.n);
        amendment.put_aside_mark = Some(ErrorClass::Paused);
    }
    Some(Amended {
        amendment,
        put_aside: (!has_more).then_some(put_aside),
    })
}

fn raised(prices: &PriceTable, asked: Asked<'_>, message: &str) -> Option<Amended> {
    let mut amendment = asked.amendment();
    let before = max_tokens_of(asked.body)?;
    let most = prices
        .model(asked.model)
        .map_or(u64::MAX, |model| model.max_output_tokens);
    // Twice: an answer that was cut says nothing of its whole length.
    let after = before.saturating_mul(2).min(most);
    // Once only, since each try pays for a whole answer.
    if amendment.raised || after <= before {
        return None;
    }
    let put_aside = amendment.joined(message).ok()?;
    amendment.raised = true;
    amendment.max_tokens = Some(after);
    amendment.put_aside = Some(asked.n);
    amendment.put_aside_mark = Some(ErrorClass::Truncated);
    Some(Amended {
        amendment,
        put_aside: Some(put_aside),
    })
}

fn next_model(
    settings: &AmendSettings,
    prices: &PriceTable,
    asked: Asked<'_>,
) -> Option<Amendment> {
    let amendment = asked.amendment();
    let is_new = |model: &String| *model != asked.model && *model != amendment.original_model;
    let models = settings.fallback_models.iter().enumerate();
    let (index, model) = models
        // A fallback that failed is not asked again, so the chain ends.
        .skip(amendment.fallbacks_used)
        .find(|(_, model)| is_new(model))?;
    let fits = max_tokens_for(prices, model, asked.body);
    Some(Amendment {
        model: Some(model.clone()),
        fallbacks_used: index + 1,
        // A raised `max_tokens` stays raised where the other model allows it.
        max_tokens: fits.or(amendment.max_tokens),
        ..anew(amendment)
    })
}

fn back_to_the_original(settings: &AmendSettings, asked: Asked<'_>) -> Amendment {
    Amendment {
        model: None,
        // All count as used, so that the job does not go round in circles.
        fallbacks_used: settings.fallback_models.len(),
        ..anew(asked.amendment())
    }
}

/// Another model begins the turn again: the half of it that this one spoke is not its to go on with.
fn anew(amendment: Amendment) -> Amendment {
    Amendment {
        paused: Vec::new(),
        container: None,
        paused_cost_pico: 0,
        ..amendment
    }
}

/// The most that this model produces, if the request asks for more: it would be refused.
fn max_tokens_for(prices: &PriceTable, model: &str, body: &RequestBody) -> Option<u64> {
    let most = prices.model(model)?.max_output_tokens;
    max_tokens_of(body)
        .filter(|asked| *asked > most)
        .map(|_| most)
}

#[cfg(test)]
mod tests;
