//! The settings in force, each with where it came from.
//!
//! Five layers, each beating the ones before it: default, config file, environment, the options
//! stored with a run, flags. Credentials are no settings: they live in `cli::credentials` and are
//! never printed.

mod batch;
mod headers;
pub mod keys;
mod layers;
mod origin;
mod resolve;
mod second;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::args::ColorChoice;
use super::values::BaseUrl;
use crate::model::{
    AutoOrOff, DispatchOptions, ErrorClass, LaneChoice, OnHalt, OnTruncated, Pico, StreamMode,
};
use crate::policy::Hours;
use crate::provider::{Network, ProxyRules};

pub use batch::BatchLaneSettings;
pub use headers::{CustomHeader, parse_headers};
pub use keys::{InFile, Key, Row};
pub use layers::Layers;
pub use origin::{Origin, Setting};

/// Every setting, resolved. May be shown: nothing in it prints a secret.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The config file in use, if there is one.
    pub config: Setting<Option<PathBuf>>,
    /// File that holds runs, jobs and results.
    pub store: Setting<PathBuf>,
    /// How runs are dispatched.
    pub dispatch: DispatchSettings,
    /// How the batch lane is used.
    pub batch: BatchLaneSettings,
    /// When and how often failed attempts are repeated.
    pub retry: RetrySettings,
    /// Who is asked instead.
    pub fallback: FallbackSettings,
    /// How fast requests are sent.
    pub limits: LimitSettings,
    /// Where requests go, and with which headers.
    pub api: ApiSettings,
    /// Which status page is asked.
    pub status: StatusSettings,
    /// Price table laid over the built-in one, model by model.
    pub prices: Setting<Option<PathBuf>>,
    /// What standard error shows.
    pub output: OutputSettings,
}

/// How runs are dispatched.
#[derive(Clone, Debug)]
pub struct DispatchSettings {
    /// Requests open at the same time, from 1 to [`super::values::MAX_CONCURRENCY`].
    pub concurrency: Setting<u32>,
    /// Least time between two starts.
    pub stagger: Setting<Duration>,
    /// Time for one request; never zero.
    pub timeout: Setting<Duration>,
    /// When answers are streamed.
    pub stream: Setting<StreamMode>,
    /// Longest silence within a stream; never zero.
    pub idle_timeout: Setting<Duration>,
    /// Time for requests in flight to finish when the run is stopped.
    pub grace: Setting<Duration>,
    /// Seed of every random choice; none draws one.
    pub seed: Setting<Option<u64>>,
    /// What to do when no job can succeed.
    pub on_halt: Setting<OnHalt>,
    /// The lane of jobs whose line names none.
    pub lane: Setting<LaneChoice>,
    /// The deadline of jobs whose line names none.
    pub deadline: Setting<Option<Timestamp>>,
    /// What to do with a truncated answer.
    pub on_truncated: Setting<OnTruncated>,
}

/// When and how often failed attempts are repeated.
#[derive(Clone, Debug)]
pub struct RetrySettings {
    /// Attempts of one job that may fail before it fails; at least one.
    pub max_attempts: Setting<u32>,
    /// Multiplies every wait before a retry; finite and not negative.
    pub scale: Setting<f64>,
    /// Time after which a job is given up.
    pub give_up_after: Setting<Option<Duration>>,
    /// Waits before the retries of a class, where the user wrote them down; no list is empty.
    pub waits: BTreeMap<ErrorClass, Setting<Vec<Duration>>>,
}

/// Who is asked instead.
#[derive(Clone, Debug)]
pub struct FallbackSettings {
    /// Models, in the order of their use.
    pub models: Setting<Vec<String>>,
    /// What takes the place of the first endpoint while that does not work.
    pub endpoint: SecondEndpointSettings,
}

/// How fast requests are sent.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// Requests per minute over the whole run; none is no limit of ours.
    pub rpm: Setting<Option<u64>>,
    /// Input tokens per minute.
    pub itpm: Setting<Option<u64>>,
    /// Output tokens per minute.
    pub otpm: Setting<Option<u64>>,
    /// What a run may cost in all.
    pub budget_usd: Setting<Option<Pico>>,
    /// Whether a batch holds all that its requests can cost.
    pub budget_strict: Setting<bool>,
    /// Searches of a request whose search tool names no bound.
    pub budget_assume_searches: Setting<Option<u32>>,
    /// Hours in which requests are sent.
    pub only_between: Setting<Option<Hours>>,
    /// Whether one request warms the cache for those that share its beginning.
    pub cache_warm: Setting<AutoOrOff>,
    /// Whether long beginnings that requests share are marked for the cache.
    pub cache_prefix: Setting<AutoOrOff>,
}

/// Where requests go, and with which headers.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Root of the API.
    pub base_url: Setting<BaseUrl>,
    /// `anthropic-version`.
    pub version: Setting<String>,
    /// `anthropic-beta`; may be empty.
    pub betas: Setting<Vec<String>>,
    /// `anthropic-workspace-id`.
    pub workspace_id: Setting<Option<String>>,
    /// Further headers; a layer that names any replaces those of the layers below.
    pub headers: Setting<Vec<CustomHeader>>,
    /// PEM file of further certificates to trust.
    pub ca_bundle: Setting<Option<PathBuf>>,
    /// Whether requests may go unencrypted to another machine.
    pub insecure_http: Setting<bool>,
    /// Which proxy requests go through: the environment alone says it.
    pub proxies: ProxyRules,
    /// The variables that say where the system's certificates are, as `NAME=PATH`.
    pub roots_from: Option<String>,
}

impl ApiSettings {
    /// The way out of this machine.
    #[must_use]
    pub fn network(&self) -> Network {
        Network {
            proxies: self.proxies.clone(),
            ca_bundle: self.ca_bundle.value.clone(),
            roots_from: self.roots_from.clone(),
        }
    }
}

/// The second endpoint.
#[derive(Clone, Debug)]
pub struct SecondEndpointSettings {
    /// Its root; without one there is no second endpoint.
    pub base_url: Setting<Option<BaseUrl>>,
    /// Name of the environment variable that holds its key.
    pub api_key_env: Setting<Option<String>>,
    /// Whether that may be a variable that is known to hold another service's secret.
    pub allow_foreign_key_env: Setting<bool>,
    /// Headers for it alone.
    pub headers: Setting<Vec<CustomHeader>>,
    /// How long a model must have failed at the first endpoint.
    pub after: Setting<Duration>,
    /// Ids of models here, and what the second endpoint calls them.
    pub models: Setting<BTreeMap<String, String>>,
}

/// Which status page is asked.
#[derive(Clone, Debug)]
pub struct StatusSettings {
    /// Whether one is asked at all.
    pub enabled: Setting<bool>,
    /// Its root; none is that of the first-party API, for that API alone.
    pub url: Setting<Option<BaseUrl>>,
}

/// What standard error shows.
#[derive(Clone, Debug)]
pub struct OutputSettings {
    /// Colour.
    pub color: Setting<ColorChoice>,
    /// Only results and errors are printed.
    pub quiet: Setting<bool>,
    /// How much is logged: the number of `-v`.
    pub verbosity: Setting<u8>,
}

impl Settings {
    /// The dispatch options that the user gave on this command line: what is stored with a new run
    /// or overrides what an old one has. Paths are absolute, because `resume` may be called from
    /// another folder.
    #[must_use]
    pub fn dispatch_options_given_by_flags(&self) -> DispatchOptions {
        let ca_bundle = self.api.ca_bundle.given_by_flag().and_then(Option::as_ref);
        let hours = self.limits.only_between.given_by_flag();
        let hours = hours.and_then(Option::as_ref);
        let searches = self.limits.budget_assume_searches.given_by_flag();
        DispatchOptions {
            concurrency: self.dispatch.concurrency.given_by_flag().copied(),
            stagger: self.dispatch.stagger.given_by_flag().copied(),
            rpm: self.limits.rpm.given_by_flag().copied().flatten(),
            itpm: self.limits.itpm.given_by_flag().copied().flatten(),
            otpm: self.limits.otpm.given_by_flag().copied().flatten(),
            budget_usd: self.limits.budget_usd.given_by_flag().copied().flatten(),
            budget_strict: self.limits.budget_strict.given_by_flag().copied(),
            budget_assume_searches: searches.copied().flatten(),
            only_between: hours.map(ToString::to_string),
            cache_warm: self.limits.cache_warm.given_by_flag().copied(),
            cache_prefix: self.limits.cache_prefix.given_by_flag().copied(),
            cache_prefixes: None,
            max_attempts: self.retry.max_attempts.given_by_flag().copied(),
            retry_scale: self.retry.scale.given_by_flag().copied(),
            timeout: self.dispatch.timeout.given_by_flag().copied(),
            stream: self.dispatch.stream.given_by_flag().copied(),
            grace: self.dispatch.grace.given_by_flag().copied(),
            on_halt: self.dispatch.on_halt.given_by_flag().copied(),
            lane: self.dispatch.lane.given_by_flag().copied(),
            deadline: self.dispatch.deadline.given_by_flag().copied().flatten(),
            batch_size: self.batch.size.given_by_flag().copied(),
            on_truncated: self.dispatch.on_truncated.given_by_flag().copied(),
            fallback_models: self.fallback.models.given_by_flag().cloned(),
            give_up_after: self.retry.give_up_after.given_by_flag().copied().flatten(),
            base_url: self
                .api
                .base_url
                .given_by_flag()
                .map(|url| url.expose().to_owned()),
            ca_bundle: ca_bundle.map(|path| path.to_string_lossy().into_owned()),
            seed: self.dispatch.seed.given_by_flag().copied().flatten(),
        }
    }

    /// Every setting as it may be shown, in the order of the table.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        keys::ALL.iter().flat_map(|key| key.rows(self)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
