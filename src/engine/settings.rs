//! What a dispatcher goes by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::budget::BudgetRule;
use super::status::StatusProbe;
use super::terms::Terms;
use crate::model::{Lane, OnHalt, Pico, SharedPrefix, StreamMode};
use crate::policy::{
    AmendSettings, BatchSettings, Ceilings, Hours, PriceTable, RetrySettings, patience,
};

/// An endpoint that has never answered is given so long, times the retry scale.
const UNREACHABLE_AFTER: Duration = Duration::from_mins(1);

/// What a dispatcher goes by; resolved from flags, the run, the environment and the config file.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Requests open at the same time, at most.
    pub concurrency: u32,
    /// Least time between two starts; a jitter of up to a fifth is added.
    pub stagger: Duration,
    /// How fast requests are sent besides.
    pub limits: LimitSettings,
    /// When and how often failures are retried.
    pub retry: RetrySettings,
    /// Time allowed for one request.
    pub timeout: Duration,
    /// When the next attempt of a job asks differently.
    pub amend: AmendSettings,
    /// When answers are streamed.
    pub stream: StreamMode,
    /// Time that requests in flight get to finish when the run is stopped.
    pub grace: Duration,
    /// What answers cost.
    pub prices: Arc<PriceTable>,
    /// Seed of every random choice; none takes one from the system.
    pub seed: Option<u64>,
    /// The run stopped because no job could succeed: try with one request first.
    pub after_halt: bool,
    /// What to do when no job can succeed.
    pub on_halt: OnHalt,
    /// An endpoint that takes the place of the first while that does not work.
    pub second: Option<SecondEndpoint>,
    /// Asks the API's status page during an outage; none asks nobody.
    pub status: Option<StatusProbe>,
    /// How jobs take the batch lane.
    pub batch: BatchOptions,
    /// How often the dispatcher looks up of its own accord.
    pub heartbeat: Heartbeat,
}

/// How often the dispatcher looks up of its own accord, whatever else happens.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Those who watch are told the time.
    pub tick: Duration,
    /// Control changes by other processes are looked for, and whether the store is still there.
    pub snapshot: Duration,
}

impl Default for Heartbeat {
    /// 200 ms, which the eye takes for steady; a second, within which another process is obeyed.
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(200),
            snapshot: Duration::from_secs(1),
        }
    }
}

/// The user's wishes about how fast requests are sent, besides concurrency and stagger.
#[derive(Clone, Debug, Default)]
pub struct LimitSettings {
    /// Ceilings of requests and tokens per minute over the whole run.
    pub ceilings: Ceilings,
    /// Requests are sent only in these hours.
    pub only_between: Option<Hours>,
    /// Requests that share a cached prefix wait until one of them has warmed it.
    pub cache_warm: bool,
    /// Prefixes that requests share and that are marked for the cache; chosen before.
    pub cache_prefixes: Arc<[SharedPrefix]>,
    /// The run may cost so much, with what earlier dispatches spent.
    pub budget: Option<Pico>,
    /// How what may still be spent is held.
    pub budget_rule: BudgetRule,
}

/// A second endpoint, as far as the engine needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondEndpoint {
    /// Its base URL as it may be shown and stored: without secrets.
    pub shown: String,
    /// How long a model's circuit at the first endpoint must have been open before its requests go
    /// to this one. Not scaled.
    pub after: Duration,
    /// Ids of models in the requests, and what it calls them, where that is something else.
    pub models: BTreeMap<String, String>,
}

/// How jobs take the batch lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchOptions {
    /// Sizes, waits and limits.
    pub settings: BatchSettings,
    /// The lane that the user forced for jobs whose line names none; none: their deadline decides.
    pub lane: Option<Lane>,
    /// The deadline of jobs whose line names none.
    pub deadline: Option<Timestamp>,
    /// Leave when the batches are created; their results are fetched when the run is taken up again.
    pub no_wait: bool,
}

impl EngineSettings {
    /// What the bound of a request's cost rests on.
    #[must_use]
    pub fn terms(&self) -> Terms<'_> {
        Terms {
            prices: &self.prices,
            prefixes: &self.limits.cache_prefixes,
            assume_searches: self.limits.budget_rule.assume_searches,
            others: self.second.as_ref().map(|second| &second.models),
        }
    }

    /// How long an endpoint may stay silent before it is called unreachable: a minute, scaled as every
    /// [`patience`] is.
    #[must_use]
    pub fn unreachable_after(&self) -> Duration {
        patience(UNREACHABLE_AFTER, self.retry.scale)
    }
}
