//! The config file: TOML whose keys are the flags' names under a table of their area.
//!
//! Every mistake is an error that names file, line, column and what is allowed instead; a key that
//! nobody reads is one. The file never holds credentials: it would be committed. The types here
//! are also what `schemas/config.schema.json` is generated from.

mod checked;
mod foreign_keys;
mod load;
mod position;
mod retry;
mod standing;
mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::args::ColorChoice;
use crate::model::{AutoOrOff, LaneChoice, OnHalt, OnTruncated, StreamMode};

pub use checked::{
    AtLeastOne, BaseUrlText, BatchSize, BudgetUsd, Concurrency, HeaderTable, HeaderText, HoursText,
    KeyVariable, ModelId, PerMinute, PositiveWait, Scale, Wait, Waits,
};
pub use load::{FILE_NAME, LoadedFile, load, parse, parse_as, read_found};
pub use retry::{ClassTable, RetryTable};
pub use standing::Standing;

/// What a config file may hold. Every key is optional.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigFile {
    /// How runs are dispatched.
    pub dispatch: DispatchTable,
    /// How the batch lane is used.
    pub batch: BatchTable,
    /// When and how often failed attempts are repeated.
    pub retry: RetryTable,
    /// Who is asked instead.
    pub fallback: FallbackTable,
    /// How fast requests are sent.
    pub limits: LimitsTable,
    /// Where requests go, and with which headers.
    pub api: ApiTable,
    /// Where runs are kept.
    pub store: StoreTable,
    /// Which status page is asked.
    pub status: StatusTable,
    /// What requests cost.
    pub prices: PricesTable,
    /// What standard error shows.
    pub output: OutputTable,
}

/// `[dispatch]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DispatchTable {
    /// Requests open at the same time.
    pub concurrency: Option<Concurrency>,
    /// Least time between two starts.
    pub stagger: Option<Wait>,
    /// Time for one request before it counts as failed; a stream may take six times as long.
    pub timeout: Option<PositiveWait>,
    /// When answers are streamed: `auto` (those that may take long), `always` or `never`.
    pub stream: Option<StreamMode>,
    /// Longest silence within a streamed answer; at most the timeout counts.
    pub idle_timeout: Option<PositiveWait>,
    /// Time for requests in flight to finish after Ctrl-C.
    pub grace: Option<Wait>,
    /// Seed of every random choice.
    pub seed: Option<u64>,
    /// What to do when no job can succeed: leave the run, or wait and try again.
    pub on_halt: Option<OnHalt>,
    /// Lane of jobs whose line names none: `auto`, `live` or `batch`.
    pub lane: Option<LaneChoice>,
    /// What to do with an answer cut at `max_tokens`: `keep` it, marked, or `raise` the `max_tokens`
    /// and try once more.
    pub on_truncated: Option<OnTruncated>,
}

/// `[batch]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchTable {
    /// Most requests in one batch.
    pub size: Option<BatchSize>,
    /// Time before the first look at a batch; looks grow rarer.
    pub poll_min: Option<PositiveWait>,
    /// Longest time between two looks at a batch.
    pub poll_max: Option<PositiveWait>,
    /// How long a batch whose create answer was lost is looked for before it is created again.
    pub uncertain_for: Option<Wait>,
    /// How long a created batch that the API does not find is asked for again.
    pub not_found_for: Option<Wait>,
    /// How long results of an ended batch that come short are asked for again before the run halts.
    pub short_for: Option<Wait>,
    /// When the live lane has been down so long, jobs whose deadline allows it go to batches.
    pub spill_after: Option<PositiveWait>,
    /// Fewer jobs than this go live instead, unless the batch lane is forced.
    pub min_jobs: Option<AtLeastOne>,
    /// Requests that may wait in the API's processing queue at once.
    pub queue_limit: Option<AtLeastOne>,
}

/// `[limits]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsTable {
    /// Requests per minute, at most, over the whole run.
    pub rpm: Option<PerMinute>,
    /// Input tokens per minute, at most, over the whole run; cache reads do not count.
    pub itpm: Option<PerMinute>,
    /// Output tokens per minute, at most, over the whole run.
    pub otpm: Option<PerMinute>,
    /// What a run may cost in all, in dollars: it halts before it costs more.
    pub budget_usd: Option<BudgetUsd>,
    /// For a batch all that its requests can cost is held against the budget. Without it batches may
    /// cost up to 2 % more than the budget.
    pub budget_strict: Option<bool>,
    /// Searches that a request is taken to make, under a budget, where its search tool names no
    /// `max_uses`.
    pub budget_assume_searches: Option<AtLeastOne>,
    /// Hours in which requests are sent, such as `18:00-08:00@America/Los_Angeles`.
    pub only_between: Option<HoursText>,
    /// `auto`: one of the requests that share a cached beginning goes first, the rest after its answer.
    /// `off`: all go as they come.
    pub cache_warm: Option<AutoOrOff>,
    /// `auto`: long beginnings that requests share are marked with one `cache_control` where that pays.
    /// `off`: requests are sent as they were written.
    pub cache_prefix: Option<AutoOrOff>,
}

/// `[fallback]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FallbackTable {
    /// Models to ask, in this order, when a job's own refuses or is overloaded twice in a row.
    pub models: Option<Vec<ModelId>>,
    /// A second endpoint, for a model that has failed at the first for a while.
    pub endpoint: SecondEndpointTable,
}

/// `[api]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiTable {
    /// Root of the API.
    pub base_url: Option<BaseUrlText>,
    /// Version of the API that requests are written for.
    pub version: Option<HeaderText>,
    /// Beta features to ask for.
    pub beta: Option<Vec<HeaderText>>,
    /// Workspace, for keys that span several.
    pub workspace_id: Option<HeaderText>,
    /// PEM file of further certificates to trust; relative to this file's folder.
    pub ca_bundle: Option<PathBuf>,
    /// Let keys and prompts go unencrypted (`http://`) to another machine.
    pub insecure_http: Option<bool>,
    /// Headers added to every request. Credentials belong into the environment.
    pub headers: Option<HeaderTable>,
}

/// `[fallback.endpoint]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecondEndpointTable {
    /// Root of the second endpoint's API; without it there is none.
    pub base_url: Option<BaseUrlText>,
    /// Name of the environment variable that holds its key; it ends in `_KEY` or `_TOKEN`.
    pub api_key_env: Option<KeyVariable>,
    /// Let `api_key_env` name a variable that is known to hold another service's secret.
    pub allow_foreign_key_env: Option<bool>,
    /// Headers added to every request to it. Credentials belong into the environment.
    pub headers: Option<HeaderTable>,
    /// How long a model must have failed at the first endpoint before this one is used.
    pub after: Option<Wait>,
    /// Ids of models here, and what the second endpoint calls them.
    pub models: Option<BTreeMap<String, String>>,
}

/// `[store]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreTable {
    /// File that holds runs, jobs and results; relative to this file's folder.
    pub path: Option<PathBuf>,
}

/// `[status]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatusTable {
    /// Whether the status page is asked at all.
    pub enabled: Option<bool>,
    /// Root of the status page, for an endpoint that is not the first-party API.
    pub url: Option<BaseUrlText>,
}

/// `[prices]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PricesTable {
    /// Price table laid over the built-in one, model by model; relative to this file's folder.
    pub file: Option<PathBuf>,
}

/// `[output]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutputTable {
    /// Colour on standard error.
    pub color: Option<ColorChoice>,
    /// Print results and errors only.
    pub quiet: Option<bool>,
}

#[cfg(test)]
mod tests;
