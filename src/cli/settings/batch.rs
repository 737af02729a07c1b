//! The settings of the batch lane: their layers, and the plain values that the engine goes by.

use std::time::Duration;

use super::layers::{By, Layers};
use super::{Setting, keys};
use crate::cli::config_file::ConfigFile;
use crate::model::DispatchOptions;
use crate::policy;

/// How the batch lane is used.
#[derive(Clone, Debug)]
pub struct BatchLaneSettings {
    /// Requests in one batch, from 1 to what the API takes.
    pub size: Setting<u32>,
    /// Time before the first look at a batch; never zero.
    pub poll_min: Setting<Duration>,
    /// Longest time between two looks; never zero.
    pub poll_max: Setting<Duration>,
    /// How long a batch whose create answer was lost is looked for.
    pub uncertain_for: Setting<Duration>,
    /// How long "not found" is no answer about a batch that was created.
    pub not_found_for: Setting<Duration>,
    /// How long results that come short are asked for again.
    pub short_for: Setting<Duration>,
    /// How long the live lane must have been down before its jobs go to batches; none: they never do.
    pub spill_after: Setting<Option<Duration>>,
    /// Fewer jobs than this make no batch unless the user asks for one; at least one.
    pub min_jobs: Setting<u32>,
    /// Requests that may wait in the API's processing queue; at least one.
    pub queue_limit: Setting<u32>,
}

impl BatchLaneSettings {
    /// The same as plain values.
    #[must_use]
    pub fn to_policy(&self) -> policy::BatchSettings {
        policy::BatchSettings {
            size: self.size.value,
            poll_min: self.poll_min.value,
            // Whoever raises the one alone means both.
            poll_max: self.poll_max.value.max(self.poll_min.value),
            uncertain_for: self.uncertain_for.value,
            not_found_for: self.not_found_for.value,
            short_for: self.short_for.value,
            spill_after: self.spill_after.value,
            min_jobs: self.min_jobs.value,
            queue_limit: u64::from(self.queue_limit.value),
        }
    }
}

impl Layers {
    pub(super) fn batch_settings(
        &self,
        file: &ConfigFile,
        run: &DispatchOptions,
    ) -> BatchLaneSettings {
        let (default, file) = (policy::BatchSettings::default(), &file.batch);
        let in_file = |key, default, value: Option<Duration>| self.in_file(key, default, value);
        let queue_limit = u32::try_from(default.queue_limit).unwrap_or(u32::MAX);
        let wait = |value: &Option<_>| value.map(|wait: crate::cli::config_file::Wait| wait.0);
        let positive =
            |value: &Option<_>| value.map(|wait: crate::cli::config_file::PositiveWait| wait.0);
        let size = By {
            file: file.size.map(|n| n.0),
            run: run.batch_size,
            flag: self.dispatch.batch_size,
            ..By::nobody()
        };
        BatchLaneSettings {
            size: self.pick(&keys::BATCH_SIZE, default.size, size),
            poll_min: in_file(&keys::POLL_MIN, default.poll_min, positive(&file.poll_min)),
            poll_max: in_file(&keys::POLL_MAX, default.poll_max, positive(&file.poll_max)),
            uncertain_for: in_file(
                &keys::UNCERTAIN_FOR,
                default.uncertain_for,
                wait(&file.uncertain_for),
            ),
            not_found_for: in_file(
                &keys::NOT_FOUND_FOR,
                default.not_found_for,
                wait(&file.not_found_for),
            ),
            short_for: in_file(&keys::SHORT_FOR, default.short_for, wait(&file.short_for)),
            spill_after: self.in_file(
                &keys::SPILL_AFTER,
                default.spill_after,
                positive(&file.spill_after).map(Some),
            ),
            min_jobs: self.in_file(
                &keys::MIN_JOBS,
                default.min_jobs,
                file.min_jobs.map(|n| n.0),
            ),
            queue_limit: self.in_file(
                &keys::QUEUE_LIMIT,
                queue_limit,
                file.queue_limit.map(|n| n.0),
            ),
        }
    }

    /// A setting that only the config file may set.
    fn in_file<T>(&self, key: &keys::Key, default: T, value: Option<T>) -> Setting<T> {
        let by = By {
            file: value,
            ..By::nobody()
        };
        self.pick(key, default, by)
    }
}
