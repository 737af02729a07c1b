//! Whether a budget can be kept for the lines of an input, and how many of them at once: found out
//! before anything is stored or sent.

use jiff::Timestamp;

use super::lanes::Lanes;
use crate::cli::failure::Failure;
use crate::cli::settings::Settings;
use crate::input::LineError;
use crate::model::{JsonView, Lane, NewJob, Pico};
use crate::policy::{Bounds, PriceTable, SHORTER, Unbounded, Way, at_most};
use crate::progress::{allowed_at_once, dollars, plural, thousands};

/// Judges the lines of an input under a budget.
#[derive(Clone, Debug)]
pub(super) struct Budgeted {
    budget: Pico,
    assume_searches: Option<u32>,
    concurrency: u32,
    prices: PriceTable,
    lanes: Lanes,
    now: Timestamp,
    /// Lines that fit and go live, and those that may go into a batch.
    live: Sums,
    batched: Sums,
    /// Lines that fit, on any lane.
    fitting: u64,
    /// Lines that can cost more than the whole budget, and the least of what one of them can.
    too_large: u64,
    smallest: Option<Pico>,
}

/// What requests can cost at most.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: u64,
    most: Pico,
    max_tokens: u64,
    /// With each of [`SHORTER`] as their `max_tokens`, where they have more.
    shorter: [Pico; SHORTER.len()],
}

impl Budgeted {
    /// None without a budget.
    ///
    /// # Errors
    ///
    /// A model to fall back to has no price (exit code 2).
    pub(super) fn of(
        settings: &Settings,
        prices: &PriceTable,
        lanes: Lanes,
        now: Timestamp,
    ) -> Result<Option<Self>, Failure> {
        let Some(budget) = settings.limits.budget_usd.map(|amount| amount.0) else {
            return Ok(None);
        };
        refuse_unpriced_fallbacks(settings, prices)?;
        Ok(Some(Self {
            budget,
            assume_searches: settings.limits.budget_assume_searches.map(|n| n.0),
            concurrency: settings.dispatch.concurrency.0,
            prices: prices.clone(),
            lanes,
            now,
            live: Sums::default(),
            batched: Sums::default(),
            fitting: 0,
            too_large: 0,
            smallest: None,
        }))
    }

    /// Why the budget cannot be kept for this line, if it cannot.
    pub(super) fn judge(&mut self, job: &NewJob, body: &JsonView<'_>) -> Option<LineError> {
        let bounds = Bounds::of(body);
        let lane = match self.lanes.way(job) {
            // What no batch may hold is priced live, whatever the lane says.
            _ if job.live_only => Lane::Live,
            Way::Live => Lane::Live,
            // If it may go to a batch it fits if it fits there.
            _ => Lane::Batch,
        };
        let reason = match self.at_most(&job.model, &bounds, lane) {
            Err(unbounded) => format!(
                "a budget cannot be kept for it, because {}: {}",
                unbounded.what(),
                unbounded.remedy()
            ),
            // No order of jobs makes room for it, so it is refused now and not after the others
            // were paid.
            Ok(most) if most > self.budget => self.too_large(most),
            Ok(most) => {
                self.fitting += 1;
                self.add(&job.model, &bounds, (lane, most));
                return None;
            }
        };
        Some(LineError {
            line: job.line,
            column: 1,
            reason,
        })
    }

    fn too_large(&mut self, most: Pico) -> String {
        self.too_large += 1;
        self.smallest = Some(self.smallest.map_or(most, |smallest| smallest.min(most)));
        format!(
            "it may cost up to {}, which is more than the whole budget of {}: give it a smaller `max_tokens`, or raise --budget-usd",
            dollars(most),
            dollars(self.budget)
        )
    }

    fn at_most(&self, model: &str, bounds: &Bounds, lane: Lane) -> Result<Pico, Unbounded> {
        let way = (lane, self.now);
        at_most(&self.prices, model, bounds, way, self.assume_searches)
    }

    fn add(&mut self, model: &str, bounds: &Bounds, (lane, most): (Lane, Pico)) {
        let max_tokens = bounds.max_tokens().unwrap_or(u64::MAX);
        let shorter = SHORTER.map(|shorter| {
            let bounds = bounds.with_max_tokens(shorter.min(max_tokens));
            self.at_most(model, &bounds, lane).unwrap_or(most)
        });
        let sums = match lane {
            Lane::Live => &mut self.live,
            Lane::Batch => &mut self.batched,
        };
        sums.count += 1;
        sums.most += most;
        sums.max_tokens = sums.max_tokens.max(max_tokens);
        for (sum, shorter) in sums.shorter.iter_mut().zip(shorter) {
            *sum += shorter;
        }
    }

    /// That not one request fits, if that is what is wrong with the input.
    pub(super) fn nothing_fits(&self, problems: u64) -> Option<Failure> {
        let smallest = self.smallest.filter(|_| self.fitting == 0)?;
        // Other problems come first: with them corrected the budget may fit.
        if problems > self.too_large {
            return None;
        }
        let failure = Failure::usage(
            format!(
                "not one of {} fits into the budget of {}",
                plural(self.too_large, "request"),
                dollars(self.budget)
            ),
            "let answers be shorter (--max-tokens, or `max_tokens` in the lines), or raise --budget-usd; nothing was stored",
        );
        Some(failure.because(format!(
            "the smallest may cost up to {}, and a budget holds all that a request can cost",
            dollars(smallest)
        )))
    }

    /// How few requests the budget allows to be open at once, on each lane where that is fewer than
    /// there could be otherwise.
    pub(super) fn allows(&self) -> Vec<String> {
        let live = self.live.count.min(u64::from(self.concurrency));
        let lanes = [
            (&self.live, live, "open"),
            (&self.batched, self.batched.count, "in batches"),
        ];
        let allows = |(sums, wanted, place): (&Sums, u64, &str)| {
            let (allowed, shorter) = sums.allowed(self.budget, wanted)?;
            let words = allowed_at_once(place, allowed, shorter);
            Some(format!("{words} (of {})", thousands(wanted)))
        };
        lanes.into_iter().filter_map(allows).collect()
    }
}

impl Sums {
    /// How many of `wanted` requests the budget allows at once, and how many with a smaller
    /// `max_tokens`. None if it allows all.
    fn allowed(&self, budget: Pico, wanted: u64) -> Option<(u64, Option<(u64, u64)>)> {
        let allowed = |sum: Pico| {
            let allowed = budget.0.saturating_mul(i128::from(self.count)) / sum.0.max(1);
            u64::try_from(allowed).unwrap_or(u64::MAX).min(wanted)
        };
        // Every line fits by itself, so one is always allowed.
        let at_once = allowed(self.most).max(1);
        if at_once >= wanted {
            return None;
        }
        let mut shorter = SHORTER.into_iter().zip(self.shorter);
        let shorter = shorter.find(|(shorter, _)| *shorter < self.max_tokens);
        let more = shorter.map(|(max, sum)| (max, allowed(sum)));
        Some((at_once, more.filter(|(_, more)| *more > at_once)))
    }
}

/// A model that jobs may fall back to is asked under the budget too.
///
/// # Errors
///
/// One of them has no price (exit code 2).
pub(super) fn refuse_unpriced_fallbacks(
    settings: &Settings,
    prices: &PriceTable,
) -> Result<(), Failure> {
    let mut models = settings.fallback.model_ids().into_iter();
    let unpriced = models.find(|model| prices.model(model).is_none());
    let Some(model) = unpriced.filter(|_| settings.limits.budget_usd.is_some()) else {
        return Ok(());
    };
    Err(Failure::usage(
        format!("a budget cannot be kept with the fallback model `{model}`"),
        "give its price in a price table (`[prices] file`), or leave it out of --fallback-model",
    )
    .because("its price is not known".to_owned()))
}
