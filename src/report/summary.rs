//! The shape of the cost and error report, as `report --format json` shows it.
//!
//! Every sum is exact: the parts add up to the total to the last digit.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shape;
use super::status::ShownState;
use crate::model::{ErrorClass, Indicator, JobCounts, Lane, PageStatus, Pico, Tokens};
use crate::store::{EstimateSums, HourOfDay, StatusChange};

/// What a run did, what went wrong, and what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The run's id.
    pub run_id: String,
    /// The user's name for it.
    pub name: Option<String>,
    /// The input it came from, as the user wrote it (`-` for standard input).
    pub file: String,
    /// Where it stands.
    pub state: ShownState,
    /// It ran against the simulator; its answers and costs are not real.
    pub simulated: bool,
    /// How many jobs stand where.
    pub jobs: JobCounts,
    /// The tries that they took.
    pub attempts: AttemptSums,
    /// What all attempts used together.
    pub tokens: TokenCounts,
    /// What all attempts cost together.
    pub cost_usd: CostSums,
    /// What the user allows the run to cost; null without a budget.
    pub budget_usd: Option<Pico>,
    /// By how much the run cost more than that: what requests in flight cost beyond what had been
    /// reserved for them, or what was spent before the budget was lowered. Null without a budget.
    pub over_budget_usd: Option<Pico>,
    /// The part of all prompt tokens that was read from the cache, 0 to 1; null before any answer.
    pub cache_hit_rate: Option<f64>,
    /// The same by the model that answered (by the model asked, where none answered), by name.
    pub by_model: Vec<ModelSums>,
    /// The same by lane; a lane that no attempt took is left out.
    pub by_lane: Vec<LaneSums>,
    /// Attempts by the hour of day (UTC) in which they began, and how many of them the service
    /// failed (HTTP 5xx and 529): when to run, and when not. Hours without attempts are left out.
    pub by_hour: Vec<HourSums>,
    /// What the API's status page said while models kept failing: one entry for each change of its
    /// indicator, oldest first.
    pub status_page: Vec<StatusLook>,
    /// How far the estimates of tokens were off that requests were paced by, by model.
    pub estimates: Vec<EstimateQuality>,
    /// From the first dispatch to the last end (or to the halt), pauses included; null before the
    /// first dispatch and while jobs are left.
    pub duration_s: Option<f64>,
    /// The prices that the costs rest on.
    pub price_table: PriceTableInfo,
}

/// One hour of the day, over all days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HourSums {
    /// 0 to 23, UTC.
    pub hour: u8,
    /// Attempts that began in it.
    pub attempts: u64,
    /// Those that the service failed.
    pub service_failures: u64,
}

impl From<HourOfDay> for HourSums {
    fn from(hour: HourOfDay) -> Self {
        Self {
            hour: hour.hour,
            attempts: hour.attempts,
            service_failures: hour.service_failures,
        }
    }
}

/// How far the estimates of one kind were off for one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateQuality {
    /// The model asked.
    pub model: String,
    /// `input` or `output`.
    pub kind: String,
    /// How many estimates were compared with what came.
    pub count: u64,
    /// Tokens that came for each token estimated, over all.
    pub mean_ratio: Option<f64>,
    /// Half of the estimates were off by no more than this part of what came.
    pub error_p50: Option<f64>,
    /// Nine in ten were off by no more than this.
    pub error_p90: Option<f64>,
}

impl From<EstimateSums> for EstimateQuality {
    fn from(sums: EstimateSums) -> Self {
        let rounded = |number: f64| (number * 10_000.0).round() / 10_000.0;
        Self {
            model: sums.model,
            kind: sums.kind.as_str().to_owned(),
            count: sums.errors.count,
            mean_ratio: sums.errors.ratio().map(rounded),
            error_p50: sums.errors.quantile(0.5).map(rounded),
            error_p90: sums.errors.quantile(0.9).map(rounded),
        }
    }
}

/// What the status page said from some moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusLook {
    /// When it was noticed: RFC 3339 in UTC.
    #[serde(with = "shape::time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// How bad the page said it was.
    pub indicator: Indicator,
    /// The name of the worst open incident, or of the maintenance under way.
    pub incident: Option<String>,
    /// The status of the API's own component.
    pub component: Option<String>,
}

impl From<StatusChange> for StatusLook {
    fn from(change: StatusChange) -> Self {
        let PageStatus {
            indicator,
            incident,
            component,
        } = change.status;
        Self {
            at: change.at,
            indicator,
            incident,
            component,
        }
    }
}

/// Attempts, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttemptSums {
    /// All of them, open ones included.
    pub total: u64,
    /// Those that have not ended yet.
    pub open: u64,
    /// Those that brought their job's result, be it a message or a final error. `total - open -
    /// results` were followed by another try, or will be.
    pub results: u64,
    /// By error class. Successes have none and are not here, except marked ones (`truncated`), so
    /// the sum is not the number of failed attempts.
    pub by_class: BTreeMap<ErrorClass, u64>,
    /// Of `by_class`, those that brought their job's result: for what jobs failed in the end.
    pub results_by_class: BTreeMap<ErrorClass, u64>,
    /// Of `results_by_class`, those whose jobs failed: they add up to the failed jobs. The others mark
    /// jobs that succeeded (`truncated`).
    pub failed_by_class: BTreeMap<ErrorClass, u64>,
    /// Those cut off by an end of claude-run itself.
    pub interrupted: u64,
    /// Those that may have been billed although no answer says so. The sums of money hold what
    /// broken streams told, and else nothing of them.
    pub maybe_billed: u64,
    /// The most that those may have cost together, by all that their requests allow; null if for one
    /// of them nothing bounds it.
    pub maybe_billed_usd_at_most: Option<Pico>,
    /// Those of `maybe_billed` that nothing bounds, as their model has no known price or their
    /// request no limit.
    pub maybe_billed_unbounded: u64,
}

/// Tokens by kind. The whole prompt is `input + cache_read + cache_write_5m + cache_write_1h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCounts {
    /// Uncached input tokens.
    pub input: u64,
    /// Output tokens, thinking included.
    pub output: u64,
    /// Input tokens read from the cache.
    pub cache_read: u64,
    /// Input tokens written to the five-minute cache.
    pub cache_write_5m: u64,
    /// Input tokens written to the one-hour cache.
    pub cache_write_1h: u64,
}

impl From<Tokens> for TokenCounts {
    fn from(tokens: Tokens) -> Self {
        Self {
            input: tokens.input,
            output: tokens.output,
            cache_read: tokens.cache_read,
            cache_write_5m: tokens.cache_write_5m,
            cache_write_1h: tokens.cache_write_1h,
        }
    }
}

/// Money, in decimal strings of dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostSums {
    /// Everything that is known to be charged: `live + batch`.
    pub total: Pico,
    /// Of that, what the live lane cost.
    pub live: Pico,
    /// Of that, what the batch lane cost.
    pub batch: Pico,
    /// What the batch lane's discount saved.
    pub saved_by_batch: Pico,
    /// What the prompt cache saved; negative where writing it cost more than reading it saved.
    pub saved_by_cache: Pico,
    /// Of the total, what attempts cost that did not bring their job's result.
    pub wasted_on_retries: Pico,
    /// Part of the total: what answers cost in which the model refused.
    pub wasted_on_refusals: Pico,
    /// Attempts by models without a known price. Their cost is not zero but unknown, and in no
    /// sum here.
    pub unknown_price_attempts: u64,
    /// Attempts whose answers told no usage that can be priced: each is counted at the most that its request allows.
    pub at_most_attempts: u64,
    /// Attempts whose answers told more than any can have used: counted in the same way.
    pub saturated_attempts: u64,
    /// Attempts that were answered under a name without a known price: counted at the price of the
    /// model that was asked.
    pub asked_model_attempts: u64,
}

/// The sums of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSums {
    /// The model.
    pub model: String,
    /// Its attempts, open ones included.
    pub attempts: u64,
    /// Those that brought a message.
    pub succeeded: u64,
    /// What they used.
    pub tokens: TokenCounts,
    /// What they cost.
    pub cost_usd: Pico,
    /// What the prompt cache saved.
    pub saved_by_cache: Pico,
    /// Those without a known price.
    pub unknown_price_attempts: u64,
    /// The row of the price table that its cost was made with, by its id; null where none is known.
    /// Several, if the table was changed meanwhile or an answer had several models.
    pub price_row: Option<String>,
}

/// The sums of one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LaneSums {
    /// The lane.
    pub lane: Lane,
    /// Its attempts, open ones included.
    pub attempts: u64,
    /// Those that brought a message.
    pub succeeded: u64,
    /// What they used.
    pub tokens: TokenCounts,
    /// What they cost.
    pub cost_usd: Pico,
}

/// Which prices were used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceTableInfo {
    /// The version of the table.
    pub version: String,
}
