//! The most that one request can cost, by what the request itself allows.
//!
//! A budget that is a promise rests on this: what a request holds while it is open is never less
//! than what it can be billed, whatever its text, its answer and the searches in between turn out to
//! be. So nothing here is learned from answers. Input is counted high ([`Bounds`]); the answer has
//! all of `max_tokens`, thinking included; what is marked for the cache is written to it at the
//! dearest price; every use of a server tool that is allowed is made, and the model reads everything
//! before it once more after each.
//!
//! What a request leaves open can have no bound: [`Unbounded`] says which part of it, and what to
//! change. A turn that pauses ends its request; whatever continues it is a request of its own.
//!
//! Pure.

mod bounds;
mod server_tools;
mod unbounded;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use bounds::Bounds;
pub use unbounded::Unbounded;

use super::prices::{ModelPrices, Most, PriceTable};
use crate::model::{Lane, Pico};

/// The most that a request with these bounds can cost on that lane, sent at that time. Where a
/// search tool names no `max_uses`, the user's word on searches counts, if there is one.
///
/// # Errors
///
/// What of the request has no bound.
pub fn at_most(
    prices: &PriceTable,
    model: &str,
    bounds: &Bounds,
    (lane, at): (Lane, Timestamp),
    assume_searches: Option<u32>,
) -> Result<Pico, Unbounded> {
    let no_price = || Unbounded::NoPrice {
        model: model.to_owned(),
    };
    let known = prices.model(model).ok_or_else(no_price)?;
    let most = most(known, bounds, lane, assume_searches)?;
    prices
        .dearest(model, &most, (lane, at))
        .ok_or_else(no_price)
}

/// Values of `max_tokens` to advise where a budget allows few requests to be open, the largest first.
pub const SHORTER: [u64; 2] = [2_000, 500];

fn most(
    model: &ModelPrices,
    bounds: &Bounds,
    lane: Lane,
    assume_searches: Option<u32>,
) -> Result<Most, Unbounded> {
    if let Some(unbounded) = &bounds.unbounded {
        return Err(unbounded.clone());
    }
    let window = model.context_window;
    let output = bounds.max_tokens.unwrap_or(model.max_output_tokens);
    let prompt = bounds.prompt(window);
    let rounds = bounds.server_tools.rounds(lane, assume_searches)?;
    Ok(Most {
        input: rounds.input(prompt, output, window),
        output,
        searches: rounds.searches(),
        written: bounds.written.max(rounds.written()),
        fast: bounds.fast,
        us_geo: bounds.us_geo,
    })
}
