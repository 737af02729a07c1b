//! What goes before batches whose requests share a prefix: one request of each that writes it
//! into the cache. Pure.
//!
//! Requests of one batch do not see what others of it write, so each would pay for writing the same.
//! So a small batch goes first, with one request for each such prefix, and the rest is marked
//! only once that has told that the cache holds it. Nothing is ever held back for good: a batch that
//! takes too long, or fails, is not waited for, and then the rest goes without marks.
//!
//! All that it knows is read from the store again when a run is taken up.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::add;
use crate::engine::settings::EngineSettings;
use crate::model::{BatchId, JobId, SharedPrefix};
use crate::policy::worth_warming;
use crate::store::{BatchRow, Warmer};

/// An entry lives for an hour from when it was written, which is no earlier than when its batch was
/// sent. The last third is kept for the next batch to begin; each of its reads gives it an hour more.
const WARM_FOR: Duration = Duration::from_mins(40);
/// Most bytes that a mark adds to a request.
pub(super) const MARK_BYTES: u64 = 80;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct WarmUp {
    prefixes: Vec<OfPrefix>,
    stage: Stage,
}

/// A prefix.
#[derive(Debug)]
struct OfPrefix {
    hash: u64,
    /// Jobs that can warm it.
    first: Vec<JobId>,
    /// The one of them that is to do so.
    by: Option<JobId>,
    warm_until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// There is nothing to warm, or that was tried.
    #[default]
    Over,
    /// A batch is to go first.
    Due,
    /// It is being begun.
    BeingBegun,
    /// It is on its way, and not waited for longer than that.
    UnderWay(BatchId, Timestamp),
    /// It is over, and the store is asked what came of it.
    Asking,
}

impl WarmUp {
    /// For the prefixes that are worth it. Whoever does not wait for batches cannot wait for this, and
    /// within a budget jobs go into batches in their order alone, at the plain price that is held for
    /// them.
    pub(super) fn new(settings: &EngineSettings, now: Timestamp) -> Self {
        let prefixes = settings.limits.cache_prefixes.iter();
        let pays = |prefix: &&SharedPrefix| {
            let model = settings.prices.model(&prefix.model);
            let prices = model.and_then(|model| model.prices(now, prefix.tokens, false));
            prices.is_some_and(|prices| worth_warming(prices, prefix.jobs))
        };
        let waits = !settings.batch.no_wait && settings.limits.budget.is_none();
        let usable = prefixes.filter(|prefix| waits && !prefix.first.is_empty());
        let prefixes = usable.filter(pays).map(|prefix| OfPrefix {
            hash: prefix.hash,
            first: prefix.first.iter().copied().map(JobId).collect(),
            by: None,
            warm_until: None,
        });
        Self {
            prefixes: prefixes.collect(),
            stage: Stage::Over,
        }
    }

    /// The jobs of which it must be known how they stand.
    pub(super) fn jobs(&self) -> Vec<JobId> {
        let of_prefix = |prefix: &OfPrefix| prefix.first.clone();
        self.prefixes.iter().flat_map(of_prefix).collect()
    }

    /// A run is taken up, and its jobs and batches stand so.
    pub(super) fn begins_with(&mut self, found: &[Warmer], rows: &[BatchRow], now: Timestamp) {
        self.learn(found);
        let is_ours = |row: &&BatchRow| {
            let is_small = row.requests as usize <= self.prefixes.len();
            let has_one = found.iter().any(|warmer| warmer.batch == Some(row.id));
            is_small && has_one && !row.state.is_over()
        };
        let under_way = rows.iter().find(is_ours);
        for prefix in &mut self.prefixes {
            let waits = |job: &&JobId| found.iter().any(|it| it.job == **job && it.waits);
            let is_cold = prefix.warm_until.is_none_or(|until| until <= now);
            prefix.by = prefix.first.iter().find(waits).copied();
            prefix.by = prefix.by.filter(|_| is_cold);
        }
        self.stage = match under_way {
            Some(row) => {
                let since = row.sent_at.unwrap_or(row.created_at);
                Stage::UnderWay(row.id, add(since, WARM_FOR))
            }
            None if self.prefixes.iter().any(|prefix| prefix.by.is_some()) => Stage::Due,
            None => Stage::Over,
        };
    }

    fn learn(&mut self, found: &[Warmer]) {
        for prefix in &mut self.prefixes {
            let ours = found.iter().filter(|it| prefix.first.contains(&it.job));
            let warmed_at = ours.filter_map(|it| it.warmed_at).max();
            prefix.warm_until = warmed_at.map(|at| add(at, WARM_FOR));
        }
    }

    /// The batch that went first is over, and this came of it.
    pub(super) fn told(&mut self, found: &[Warmer]) {
        self.learn(found);
        self.stage = Stage::Over;
    }

    /// The jobs that are to go first, of which there are so many in the queue. None if there is
    /// nothing to warm, or if too few would be left to wait for it.
    pub(super) fn due(&self, queued: u64, least: u64) -> Option<Vec<JobId>> {
        let jobs: Vec<_> = self.prefixes.iter().filter_map(|it| it.by).collect();
        let left = queued.saturating_sub(jobs.len() as u64);
        (self.stage == Stage::Due && left >= least.max(1)).then_some(jobs)
    }

    /// A batch of those jobs is begun.
    pub(super) fn begins(&mut self) {
        self.stage = Stage::BeingBegun;
    }

    /// No batch was begun after all.
    pub(super) fn not_begun(&mut self) {
        if self.stage == Stage::BeingBegun {
            self.stage = Stage::Due;
        }
    }

    /// A batch was begun. The jobs that it is to hold, if it is the one that goes first.
    pub(super) fn begun(&mut self, batch: BatchId, now: Timestamp) -> Option<Vec<JobId>> {
        if self.stage != Stage::BeingBegun {
            return None;
        }
        self.stage = Stage::UnderWay(batch, add(now, WARM_FOR));
        Some(self.prefixes.iter().filter_map(|it| it.by).collect())
    }

    /// What is to be asked of the store, once the batch that went first is over.
    pub(super) fn asks(&mut self, is_tracked: impl Fn(BatchId) -> bool) -> Option<Vec<JobId>> {
        match self.stage {
            Stage::UnderWay(batch, _) if !is_tracked(batch) => {
                self.stage = Stage::Asking;
                Some(self.jobs())
            }
            _ => None,
        }
    }

    /// Other batches must wait.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        match self.stage {
            Stage::Over | Stage::Due => false,
            Stage::BeingBegun | Stage::Asking => true,
            Stage::UnderWay(_, until) => now < until,
        }
    }

    /// When they need no longer wait.
    pub(super) fn wakes_at(&self, now: Timestamp) -> Option<Timestamp> {
        match self.stage {
            Stage::UnderWay(_, until) => Some(until).filter(|until| *until > now),
            _ => None,
        }
    }

    /// The prefixes that are marked in that batch.
    pub(super) fn marks(&self, batch: BatchId, now: Timestamp) -> Vec<u64> {
        let goes_first = matches!(self.stage, Stage::UnderWay(first, _) if first == batch);
        let is_marked = |prefix: &&OfPrefix| match prefix.warm_until {
            _ if goes_first => true,
            Some(until) => now < until,
            None => false,
        };
        let marked = self.prefixes.iter().filter(is_marked);
        marked.map(|prefix| prefix.hash).collect()
    }

    /// Most bytes that marks add to so many requests.
    pub(super) fn most_bytes(&self, requests: u32) -> u64 {
        if self.prefixes.is_empty() {
            return 0;
        }
        MARK_BYTES * u64::from(requests)
    }
}

#[cfg(test)]
mod tests;
