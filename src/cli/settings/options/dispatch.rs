//! `[dispatch]`: how runs are dispatched.

use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cli::values::parse;
use crate::cli::values::{Concurrency, PositiveWait, Wait, WholeNumber};
use crate::model::{LaneChoice, OnHalt, OnTruncated, StreamMode};
use crate::provider::DEFAULT_IDLE_TIMEOUT;

/// `[dispatch]`
#[derive(Args, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dispatch {
    /// Requests open at the same time, 1 to 10000.
    #[arg(long, value_name = "N", help_heading = "Dispatch")]
    pub concurrency: Concurrency,
    /// Least time between two starts, such as 50ms.
    #[arg(
        long,
        value_name = "DURATION",
        help_heading = "Dispatch",
        hide_short_help = true
    )]
    pub stagger: Wait,
    /// Time for one request; a stream may take six times as long.
    ///
    /// It counts as failed after it.
    #[arg(
        long,
        value_name = "DURATION",
        help_heading = "Dispatch",
        hide_short_help = true
    )]
    pub timeout: PositiveWait,
    /// Stream answers: auto, always or never.
    ///
    /// `auto` streams those that may take long.
    #[arg(long, value_name = "WHEN", value_parser = parse::stream_mode(), hide_possible_values = true, help_heading = "Dispatch", hide_short_help = true)]
    pub stream: StreamMode,
    /// Longest silence within a streamed answer; at most the timeout counts.
    #[arg(skip)]
    pub idle_timeout: PositiveWait,
    /// Time for requests in flight to finish after Ctrl-C.
    #[arg(
        long,
        value_name = "DURATION",
        help_heading = "Dispatch",
        hide_short_help = true
    )]
    pub grace: Wait,
    /// What to do when no job can succeed.
    ///
    /// Leave the run (`exit`), or wait and try again now and then.
    #[arg(
        long,
        value_name = "exit|wait",
        help_heading = "Retries",
        hide_short_help = true
    )]
    pub on_halt: OnHalt,
    /// What to do with an answer cut at `max_tokens`: `keep` it, marked, or `raise` the `max_tokens`
    /// and try once more.
    #[arg(
        long,
        value_name = "keep|raise",
        help_heading = "Retries",
        hide_short_help = true,
        help = "Answers cut at max_tokens: keep, or raise it once"
    )]
    pub on_truncated: OnTruncated,
    /// Lane: auto (by deadline), live or batch (half the price).
    ///
    /// It is that of jobs whose line names none.
    #[arg(long, value_name = "LANE", value_parser = parse::lane(), hide_possible_values = true, help_heading = "Batches")]
    pub lane: LaneChoice,
    /// Seed of every random choice, to repeat a run.
    #[arg(long, value_name = "N", value_parser = parse::natural, help_heading = "Dispatch", hide_short_help = true)]
    pub seed: Option<u64>,
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            concurrency: WholeNumber(64),
            stagger: Wait(Duration::ZERO),
            // The time that the official SDKs allow for an answer that is not streamed.
            timeout: PositiveWait(Duration::from_mins(10)),
            stream: StreamMode::Auto,
            idle_timeout: PositiveWait(DEFAULT_IDLE_TIMEOUT),
            grace: Wait(Duration::from_secs(30)),
            on_halt: OnHalt::Exit,
            on_truncated: OnTruncated::Keep,
            lane: LaneChoice::Auto,
            seed: None,
        }
    }
}
