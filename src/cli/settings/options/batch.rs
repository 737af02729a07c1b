//! `[batch]`: how the batch lane is used.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cli::values::{AtLeastOne, BatchSize, PositiveWait, Wait, WholeNumber};
use crate::policy::BatchSettings;

/// `[batch]`
#[derive(Args, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// Most requests in one batch, 1 to 100000.
    #[arg(
        long = "batch-size",
        value_name = "N",
        help_heading = "Batches",
        hide_short_help = true
    )]
    pub size: BatchSize,
    /// Time between two polls of a batch, which backs off up to `poll_max`; a new batch is polled sooner,
    /// first after a fifth of it.
    #[arg(skip)]
    pub poll_min: PositiveWait,
    /// Longest time between two polls of a batch.
    #[arg(skip)]
    pub poll_max: PositiveWait,
    /// How long a batch whose create answer was lost is looked for before it is created again.
    #[arg(skip)]
    pub uncertain_for: Wait,
    /// How long a created batch that the API does not find is asked for again.
    #[arg(skip)]
    pub not_found_for: Wait,
    /// How long results of an ended batch that come short are asked for again before the run halts.
    #[arg(skip)]
    pub short_for: Wait,
    /// When the live lane has been down so long, jobs whose deadline allows it go to batches.
    #[arg(skip)]
    pub spill_after: Option<PositiveWait>,
    /// Fewer jobs than this go live instead, unless the batch lane is forced.
    #[arg(skip)]
    pub min_jobs: AtLeastOne,
    /// Requests that may wait in the API's processing queue at once (a limit of your tier).
    #[arg(skip)]
    pub queue_limit: AtLeastOne,
}

impl Default for Batch {
    fn default() -> Self {
        let default = BatchSettings::default();
        Self {
            size: WholeNumber(default.size),
            poll_min: PositiveWait(default.poll_min),
            poll_max: PositiveWait(default.poll_max),
            uncertain_for: Wait(default.uncertain_for),
            not_found_for: Wait(default.not_found_for),
            short_for: Wait(default.short_for),
            spill_after: default.spill_after.map(PositiveWait),
            min_jobs: WholeNumber(default.min_jobs),
            queue_limit: WholeNumber(u32::try_from(default.queue_limit).unwrap_or(u32::MAX)),
        }
    }
}

impl Batch {
    /// The same as plain values.
    #[must_use]
    pub fn to_policy(&self) -> BatchSettings {
        BatchSettings {
            size: self.size.0,
            poll_min: self.poll_min.0,
            // If only `poll_min` is raised, `poll_max` is raised with it.
            poll_max: self.poll_max.0.max(self.poll_min.0),
            uncertain_for: self.uncertain_for.0,
            not_found_for: self.not_found_for.0,
            short_for: self.short_for.0,
            spill_after: self.spill_after.map(|wait| wait.0),
            min_jobs: self.min_jobs.0,
            queue_limit: u64::from(self.queue_limit.0),
        }
    }
}
