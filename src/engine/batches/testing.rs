//! What the tests of this room share.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::settings::{BatchOptions, EngineSettings, Heartbeat, LimitSettings};
use crate::model::{
    DispatchOptions, JobCounts, OnHalt, Pico, Run, RunId, RunState, Shaping, StreamMode,
};
use crate::policy::{AmendSettings, PriceTable, RetrySettings};

/// When every story begins.
pub(in crate::engine) fn start() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

/// A run at work, of which nothing is known yet.
pub(in crate::engine) fn run() -> Run {
    Run {
        id: RunId::generate(),
        name: None,
        file: "a.jsonl".to_owned(),
        state: RunState::Running,
        simulated: false,
        created_at: start(),
        started_at: None,
        ended_at: None,
        shaping: Shaping::default(),
        options: DispatchOptions::default(),
        halt: None,
        cancel_requested: false,
        answered: false,
        jobs: JobCounts::default(),
        cost: Pico::ZERO,
    }
}

/// Nothing out of the ordinary but what is said of the batch lane.
pub(in crate::engine) fn settings(batch: BatchOptions) -> EngineSettings {
    EngineSettings {
        heartbeat: Heartbeat::default(),
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
