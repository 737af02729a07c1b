//! What an attempt cost, and what it may have cost at most: the one place of the engine that lays
//! prices on what was used.
//!
//! An answer without a receipt is not free. It costs the most that its request allows, which is what
//! a budget has held for it, and is marked. Whatever cannot be bounded either is of unknown price.

use jiff::Timestamp;

use super::settings::EngineSettings;
use super::terms::Terms;
use crate::model::{ClaimedJob, Cost, CostBasis, Endpoint, Lane, Pico, Usage};
use crate::policy::{PriceTable, Priced};

/// What an attempt is charged with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) priced: Priced,
    /// The most that its request allows, if that had to be asked for.
    pub(super) at_most: Option<Pico>,
}

/// What an attempt of this job cost by its answer: by that model, with that usage. Where that has no
/// known price (a speed that the table does not know of, say), but what was asked for has a bound,
/// it is the bound.
pub(super) fn of_answer(
    settings: &EngineSettings,
    job: &ClaimedJob,
    lane: Lane,
    (answered, usage): (Option<&str>, &Usage),
    now: Timestamp,
) -> Charge {
    let priced = settings.prices.priced(answered, &job.model, usage, now);
    let is_unknown = usage.missing || priced.cost.unknown_price;
    let basis = match (is_unknown, priced.basis) {
        (true, _) => CostBasis::AtMost,
        (false, Some(CostBasis::Saturated)) => CostBasis::Saturated,
        _ => {
            return Charge {
                priced,
                at_most: None,
            };
        }
    };
    // Whoever answered may be dearer than who was asked.
    let at_most = of_request(settings, job, lane, now).map(|most| {
        let theirs = answered.and_then(|model| bound(settings, model, job, lane, now));
        theirs.map_or(most, |theirs| most.max(theirs))
    });
    let priced = match at_most {
        Some(most) => instead(&settings.prices, &job.model, basis, most),
        None if is_unknown => Priced::unknown(),
        None => priced,
    };
    Charge { priced, at_most }
}

/// What an attempt cost that brought no whole answer, and may have been billed for more than a
/// stream told before it broke.
pub(super) fn of_partial(
    settings: &EngineSettings,
    job: &ClaimedJob,
    lane: Lane,
    told: Option<(Option<&str>, &Usage)>,
    now: Timestamp,
) -> Charge {
    let at_most = of_request(settings, job, lane, now);
    let known = |(answered, usage): (Option<&str>, &Usage)| {
        let priced = settings.prices.priced(answered, &job.model, usage, now);
        let is_unknown = priced.cost.unknown_price && at_most.is_some();
        let is_worth_nothing =
            usage.missing || is_unknown || priced.basis == Some(CostBasis::Saturated);
        (!is_worth_nothing).then_some(priced)
    };
    let priced = told.and_then(known).unwrap_or_default();
    Charge {
        at_most: at_most.map(|most| most.max(priced.cost.total)),
        priced,
    }
}

/// The most that an attempt of this job can cost by what it asks. None if nothing bounds it.
pub(super) fn of_request(
    settings: &EngineSettings,
    job: &ClaimedJob,
    lane: Lane,
    now: Timestamp,
) -> Option<Pico> {
    let theirs = settings
        .second
        .as_ref()
        .filter(|_| job.endpoint == Endpoint::Second);
    let theirs = theirs.and_then(|second| second.models.get(&job.model));
    let most = bound(settings, &job.model, job, lane, now);
    let theirs = theirs.and_then(|model| bound(settings, model, job, lane, now));
    most.map(|most| theirs.map_or(most, |theirs| most.max(theirs)))
}

/// The most that this model can make of the job.
fn bound(
    settings: &EngineSettings,
    model: &str,
    job: &ClaimedJob,
    lane: Lane,
    now: Timestamp,
) -> Option<Pico> {
    let terms = match lane {
        // What is sent live is marked already.
        Lane::Live => Terms {
            prefixes: &[],
            ..settings.terms()
        },
        Lane::Batch => settings.terms(),
    };
    terms.at_most(model, &job.body, (lane, now))
}

/// The most that a request allows, in place of a receipt.
fn instead(prices: &PriceTable, model: &str, basis: CostBasis, most: Pico) -> Priced {
    Priced {
        cost: Cost {
            total: most,
            ..Cost::default()
        },
        basis: Some(basis),
        row: prices.model(model).map(|model| model.id.clone()),
    }
}
