//! What an attempt cost, and what it may have cost at most: the one place of the engine that lays
//! prices on what was used.
//!
//! An answer without a receipt is not free. It costs the most that its request allows, which is what
//! a budget has held for it, and is marked. Whatever cannot be bounded either is of unknown price.

use jiff::Timestamp;

use super::settings::EngineSettings;
use crate::model::{ClaimedJob, Cost, CostBasis, Lane, Pico, RequestBody, SharedPrefix, Usage};
use crate::policy::{Bounds, Keep, Marker, PriceTable, Priced, at_most};

/// What an attempt is charged with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) priced: Priced,
    /// The most that its request allows, if that had to be asked for.
    pub(super) at_most: Option<Pico>,
}

/// What an attempt of this job cost by its answer: by that model, with that usage.
pub(super) fn of_answer(
    settings: &EngineSettings,
    job: &ClaimedJob,
    lane: Lane,
    (answered, usage): (Option<&str>, &Usage),
    now: Timestamp,
) -> Charge {
    let prices = &settings.prices;
    let priced = prices.priced(answered, &job.model, usage, now);
    let basis = match (usage.missing, priced.basis) {
        (true, _) => CostBasis::AtMost,
        (false, Some(CostBasis::Saturated)) => CostBasis::Saturated,
        _ => {
            return Charge {
                priced,
                at_most: None,
            };
        }
    };
    let at_most = of_request(settings, job, lane, now);
    let priced = match at_most {
        Some(most) => instead(prices, &job.model, basis, most),
        None if usage.missing => Priced::unknown(),
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
    let known = |(answered, usage): (Option<&str>, &Usage)| {
        let priced = settings.prices.priced(answered, &job.model, usage, now);
        let is_worth_nothing = usage.missing || priced.basis == Some(CostBasis::Saturated);
        (!is_worth_nothing).then_some(priced)
    };
    let priced = told.and_then(known).unwrap_or_default();
    let at_most = of_request(settings, job, lane, now);
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
    let marks = match lane {
        // What is sent live is marked already.
        Lane::Live => &[][..],
        Lane::Batch => &settings.limits.cache_prefixes,
    };
    let given = (marks, settings.limits.budget_rule.assume_searches);
    of_body(&settings.prices, &job.model, &job.body, given, (lane, now))
}

/// The same of a request as the store keeps it, which is marked for the cache when it is sent.
pub(super) fn of_body(
    prices: &PriceTable,
    model: &str,
    body: &RequestBody,
    (prefixes, assume_searches): (&[SharedPrefix], Option<u32>),
    (lane, at): (Lane, Timestamp),
) -> Option<Pico> {
    let marker = Marker::new(prefixes);
    let keep = match lane {
        Lane::Live => Keep::FiveMinutes,
        Lane::Batch => Keep::OneHour,
    };
    let marked = (!marker.is_idle()).then(|| marker.marked(body, keep));
    let bounds = Bounds::read(marked.as_ref().unwrap_or(body));
    at_most(prices, model, &bounds, (lane, at), assume_searches).ok()
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
