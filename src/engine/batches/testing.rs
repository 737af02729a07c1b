//! What the tests of this room share.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::settings::{BatchOptions, EngineSettings, LimitSettings, Pace};
use crate::model::{OnHalt, StreamMode};
use crate::policy::{AmendSettings, PriceTable, RetrySettings};

/// Nothing out of the ordinary but what is said of the batch lane.
pub(in crate::engine) fn settings(batch: BatchOptions) -> EngineSettings {
    EngineSettings {
        pace: Pace::default(),
        concurrency: 64,
        stagger: Duration::ZERO,
        retry: RetrySettings::default(),
        timeout: Duration::from_mins(10),
        stream: StreamMode::Auto,
        grace: Duration::from_secs(30),
        prices: Arc::new(PriceTable::embedded()),
        seed: None,
        after_halt: false,
        on_halt: OnHalt::Exit,
        amend: AmendSettings::default(),
        limits: LimitSettings::default(),
        status: None,
        second: None,
        batch,
    }
}
