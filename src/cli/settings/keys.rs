//! Every setting, in one table: its key in the config file, its flag, its variable, what it means,
//! and how it is shown. `config` prints this table and the documentation is written from it.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Origin, Setting, Settings};
use crate::cli::environment;
use crate::model::duration::format_duration;

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its dotted name. With a dot it is a key of the config file; without, there is only the flag.
    pub name: &'static str,
    /// Its flag.
    pub flag: Option<&'static str>,
    /// Its environment variable.
    pub env: Option<&'static str>,
    /// What it means, in one line.
    pub about: &'static str,
    rows: fn(&Settings) -> Vec<Row>,
}

/// One line of `claude-run config`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The key; for [`WAITS`] with the class in its place.
    pub key: String,
    /// The value without anything secret; null if there is none.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

impl Key {
    /// The setting as it may be shown.
    #[must_use]
    pub fn rows(&self, settings: &Settings) -> Vec<Row> {
        let mut rows = (self.rows)(settings);
        for row in rows.iter_mut().filter(|row| row.key.is_empty()) {
            self.name.clone_into(&mut row.key);
        }
        rows
    }

    /// Whether the config file may set it.
    #[must_use]
    pub fn is_in_file(&self) -> bool {
        self.name.contains('.')
    }
}

fn one<T>(setting: &Setting<T>, show: impl Fn(&T) -> Value) -> Vec<Row> {
    vec![Row {
        key: String::new(),
        value: show(&setting.value),
        origin: setting.origin.clone(),
    }]
}

fn duration(value: &Duration) -> Value {
    json!(format_duration(*value))
}

#[expect(
    clippy::ref_option,
    reason = "it is given to `one`, which lends the value"
)]
fn path(value: &Option<PathBuf>) -> Value {
    json!(value.as_ref().map(|path| path.display().to_string()))
}

/// The config file in use.
pub const CONFIG: Key = Key {
    name: "config",
    flag: Some("--config"),
    env: None,
    about: "Config file in use",
    rows: |s| one(&s.config, path),
};
/// The store.
pub const STORE: Key = Key {
    name: "store.path",
    flag: Some("--store"),
    env: Some(environment::STORE),
    about: "File that holds runs, jobs and results",
    rows: |s| one(&s.store, |path| json!(path.display().to_string())),
};
/// Requests open at the same time.
pub const CONCURRENCY: Key = Key {
    name: "dispatch.concurrency",
    flag: Some("--concurrency"),
    env: None,
    about: "Requests open at the same time, 1 to 10000",
    rows: |s| one(&s.dispatch.concurrency, |n| json!(n)),
};
/// Least time between two starts.
pub const STAGGER: Key = Key {
    name: "dispatch.stagger",
    flag: Some("--stagger"),
    env: None,
    about: "Least time between two starts",
    rows: |s| one(&s.dispatch.stagger, duration),
};
/// Time for one request.
pub const TIMEOUT: Key = Key {
    name: "dispatch.timeout",
    flag: Some("--timeout"),
    env: None,
    about: "Time for one request before it counts as failed; a stream may take six times as long",
    rows: |s| one(&s.dispatch.timeout, duration),
};
/// When answers are streamed.
pub const STREAM: Key = Key {
    name: "dispatch.stream",
    flag: Some("--stream"),
    env: None,
    about: "Stream answers: auto (those that may take long), always or never",
    rows: |s| one(&s.dispatch.stream, |mode| json!(mode)),
};
/// Longest silence within a stream.
pub const IDLE_TIMEOUT: Key = Key {
    name: "dispatch.idle_timeout",
    flag: None,
    env: None,
    about: "Longest silence within a streamed answer; at most the timeout counts",
    rows: |s| one(&s.dispatch.idle_timeout, duration),
};
/// Time to finish when stopped.
pub const GRACE: Key = Key {
    name: "dispatch.grace",
    flag: Some("--grace"),
    env: None,
    about: "Time for requests in flight to finish after Ctrl-C",
    rows: |s| one(&s.dispatch.grace, duration),
};
/// Seed of every random choice.
pub const SEED: Key = Key {
    name: "dispatch.seed",
    flag: Some("--seed"),
    env: None,
    about: "Seed of every random choice",
    rows: |s| one(&s.dispatch.seed, |n| json!(n)),
};
/// What to do when no job can succeed.
pub const ON_HALT: Key = Key {
    name: "dispatch.on_halt",
    flag: Some("--on-halt"),
    env: None,
    about: "When no job can succeed: exit, or wait and try again now and then",
    rows: |s| one(&s.dispatch.on_halt, |on_halt| json!(on_halt.as_str())),
};
/// The lane of jobs whose line names none.
pub const LANE: Key = Key {
    name: "dispatch.lane",
    flag: Some("--lane"),
    env: None,
    about: "Lane of jobs whose line names none: auto (the cheapest that keeps the deadline), live or batch",
    rows: |s| one(&s.dispatch.lane, |lane| json!(lane)),
};
/// When the answers are wanted.
pub const DEADLINE: Key = Key {
    name: "deadline",
    flag: Some("--deadline"),
    env: None,
    about: "When the answers are wanted, for jobs whose line does not say it",
    rows: |s| {
        one(&s.dispatch.deadline, |at| {
            json!(at.map(|at| at.to_string()))
        })
    },
};
/// Requests in one batch.
pub const BATCH_SIZE: Key = Key {
    name: "batch.size",
    flag: Some("--batch-size"),
    env: None,
    about: "Most requests in one batch, 1 to 100000",
    rows: |s| one(&s.batch.size, |n| json!(n)),
};
/// Time before the first look at a batch.
pub const POLL_MIN: Key = Key {
    name: "batch.poll_min",
    flag: None,
    env: None,
    about: "Time before the first look at a batch; looks grow rarer up to poll_max",
    rows: |s| one(&s.batch.poll_min, duration),
};
/// Longest time between two looks at a batch.
pub const POLL_MAX: Key = Key {
    name: "batch.poll_max",
    flag: None,
    env: None,
    about: "Longest time between two looks at a batch",
    rows: |s| one(&s.batch.poll_max, duration),
};
/// How long a batch that may exist is looked for.
pub const UNCERTAIN_FOR: Key = Key {
    name: "batch.uncertain_for",
    flag: None,
    env: None,
    about: "How long a batch whose create answer was lost is looked for before it is created again",
    rows: |s| one(&s.batch.uncertain_for, duration),
};
/// How long "not found" is no answer.
pub const NOT_FOUND_FOR: Key = Key {
    name: "batch.not_found_for",
    flag: None,
    env: None,
    about: "How long a created batch that the API does not find is asked for again",
    rows: |s| one(&s.batch.not_found_for, duration),
};
/// How long results that come short are asked for again.
pub const SHORT_FOR: Key = Key {
    name: "batch.short_for",
    flag: None,
    env: None,
    about: "How long results of an ended batch that come short are asked for again before the run halts",
    rows: |s| one(&s.batch.short_for, duration),
};
/// When live jobs go to batches instead.
pub const SPILL_AFTER: Key = Key {
    name: "batch.spill_after",
    flag: None,
    env: None,
    about: "When the live lane has been down so long, jobs whose deadline allows it go to batches",
    rows: |s| {
        one(&s.batch.spill_after, |wait| {
            wait.as_ref().map_or(Value::Null, duration)
        })
    },
};
/// Fewest jobs that make a batch.
pub const MIN_JOBS: Key = Key {
    name: "batch.min_jobs",
    flag: None,
    env: None,
    about: "Fewer jobs than this go live instead, unless the batch lane is forced",
    rows: |s| one(&s.batch.min_jobs, |n| json!(n)),
};
/// Limit of the API's processing queue.
pub const QUEUE_LIMIT: Key = Key {
    name: "batch.queue_limit",
    flag: None,
    env: None,
    about: "Requests that may wait in the API's processing queue at once (a limit of your tier)",
    rows: |s| one(&s.batch.queue_limit, |n| json!(n)),
};
/// What to do with a truncated answer.
pub const ON_TRUNCATED: Key = Key {
    name: "dispatch.on_truncated",
    flag: Some("--on-truncated"),
    env: None,
    about: "An answer cut at max_tokens: keep it, or raise max_tokens and try once more",
    rows: |s| one(&s.dispatch.on_truncated, |choice| json!(choice.as_str())),
};
/// Models to ask instead.
pub const FALLBACK_MODELS: Key = Key {
    name: "fallback.models",
    flag: Some("--fallback-model"),
    env: None,
    about: "Models to ask, in this order, when a job's own refuses or is overloaded twice",
    rows: |s| one(&s.fallback.models, |models| json!(models)),
};
/// Our own ceiling of requests.
pub const RPM: Key = Key {
    name: "limits.rpm",
    flag: Some("--rpm"),
    env: None,
    about: "Requests per minute, at most, over the whole run",
    rows: |s| one(&s.limits.rpm, |n| json!(n)),
};
/// Our own ceiling of input tokens.
pub const ITPM: Key = Key {
    name: "limits.itpm",
    flag: Some("--itpm"),
    env: None,
    about: "Input tokens per minute, at most; cache reads do not count",
    rows: |s| one(&s.limits.itpm, |n| json!(n)),
};
/// Our own ceiling of output tokens.
pub const OTPM: Key = Key {
    name: "limits.otpm",
    flag: Some("--otpm"),
    env: None,
    about: "Output tokens per minute, at most",
    rows: |s| one(&s.limits.otpm, |n| json!(n)),
};
/// What a run may cost.
pub const BUDGET_USD: Key = Key {
    name: "limits.budget_usd",
    flag: Some("--budget-usd"),
    env: None,
    about: "What a run may cost in all, in dollars; it halts before it costs more",
    rows: |s| {
        one(&s.limits.budget_usd, |amount| {
            json!(amount.map(|amount| amount.to_string()))
        })
    },
};
/// Hours in which requests are sent.
pub const ONLY_BETWEEN: Key = Key {
    name: "limits.only_between",
    flag: Some("--only-between"),
    env: None,
    about: "Hours in which requests are sent, with their time zone",
    rows: |s| {
        one(&s.limits.only_between, |hours| {
            json!(hours.as_ref().map(ToString::to_string))
        })
    },
};
/// Whether one request warms the cache for others.
pub const CACHE_WARM: Key = Key {
    name: "limits.cache_warm",
    flag: Some("--cache-warm"),
    env: None,
    about: "Let one request warm a shared prompt cache before the rest: auto or off",
    rows: |s| one(&s.limits.cache_warm, |warm| json!(warm.as_str())),
};
/// Whether shared beginnings are marked for the cache.
pub const CACHE_PREFIX: Key = Key {
    name: "limits.cache_prefix",
    flag: Some("--cache-prefix"),
    env: None,
    about: "Mark long beginnings that many requests share for the prompt cache: auto or off",
    rows: |s| one(&s.limits.cache_prefix, |prefix| json!(prefix.as_str())),
};
/// Failed attempts after which a job fails.
pub const MAX_ATTEMPTS: Key = Key {
    name: "retry.max_attempts",
    flag: Some("--max-attempts"),
    env: None,
    about: "Failed attempts after which a job fails",
    rows: |s| one(&s.retry.max_attempts, |n| json!(n)),
};
/// Factor of every wait.
pub const RETRY_SCALE: Key = Key {
    name: "retry.scale",
    flag: Some("--retry-scale"),
    env: None,
    about: "Multiplies every wait before a retry",
    rows: |s| one(&s.retry.scale, |x| json!(x)),
};
/// Time after which a job is given up.
pub const GIVE_UP_AFTER: Key = Key {
    name: "retry.give_up_after",
    flag: Some("--give-up-after"),
    env: None,
    about: "Time since its first attempt after which a failure ends a job",
    rows: |s| {
        one(&s.retry.give_up_after, |limit| {
            limit.as_ref().map_or(Value::Null, duration)
        })
    },
};
/// Waits before the retries of one error class.
pub const WAITS: Key = Key {
    name: "retry.<class>.waits",
    flag: None,
    env: None,
    about: "Waits before the first, second, ... retry after this error class; the last one repeats",
    rows: |s| {
        let shown = |waits: &Vec<Duration>| waits.iter().map(duration).collect();
        let rows = s.retry.waits.iter().flat_map(|(class, setting)| {
            let mut row = one(setting, shown);
            row[0].key = format!("retry.{class}.waits");
            row
        });
        rows.collect()
    },
};
/// Root of the API.
pub const BASE_URL: Key = Key {
    name: "api.base_url",
    flag: Some("--base-url"),
    env: Some(environment::BASE_URL),
    about: "Root of the API",
    rows: |s| one(&s.api.base_url, |url| json!(url.to_string())),
};
/// Version of the API.
pub const VERSION: Key = Key {
    name: "api.version",
    flag: None,
    env: None,
    about: "Version of the API that requests are written for (header anthropic-version)",
    rows: |s| one(&s.api.version, |text| json!(text)),
};
/// Betas.
pub const BETA: Key = Key {
    name: "api.beta",
    flag: None,
    env: None,
    about: "Beta features to ask for (header anthropic-beta)",
    rows: |s| one(&s.api.betas, |names| json!(names)),
};
/// Workspace.
pub const WORKSPACE_ID: Key = Key {
    name: "api.workspace_id",
    flag: None,
    env: Some(environment::WORKSPACE_ID),
    about: "Workspace, for keys that span several (header anthropic-workspace-id)",
    rows: |s| one(&s.api.workspace_id, |id| json!(id)),
};
/// Further headers; their values are never shown.
pub const HEADERS: Key = Key {
    name: "api.headers",
    flag: None,
    env: Some(environment::CUSTOM_HEADERS),
    about: "Headers added to every request; only their names are shown",
    rows: |s| {
        one(&s.api.headers, |headers| {
            headers.iter().map(|header| json!(header.name)).collect()
        })
    },
};
/// Certificates to trust.
pub const CA_BUNDLE: Key = Key {
    name: "api.ca_bundle",
    flag: Some("--ca-bundle"),
    env: None,
    about: "PEM file of further certificates to trust",
    rows: |s| one(&s.api.ca_bundle, path),
};
/// Root of the second endpoint.
pub const SECOND_BASE_URL: Key = Key {
    name: "fallback.endpoint.base_url",
    flag: None,
    env: None,
    about: "Root of a second endpoint, used while the first does not work",
    rows: |s| {
        one(&s.fallback.endpoint.base_url, |url| {
            json!(url.as_ref().map(ToString::to_string))
        })
    },
};
/// The variable that holds the second endpoint's key; the key is never shown.
pub const SECOND_API_KEY_ENV: Key = Key {
    name: "fallback.endpoint.api_key_env",
    flag: None,
    env: None,
    about: "Name of the environment variable that holds the second endpoint's key",
    rows: |s| one(&s.fallback.endpoint.api_key_env, |name| json!(name)),
};
/// Headers for the second endpoint; their values are never shown.
pub const SECOND_HEADERS: Key = Key {
    name: "fallback.endpoint.headers",
    flag: None,
    env: None,
    about: "Headers added to requests to the second endpoint; only their names are shown",
    rows: |s| {
        one(&s.fallback.endpoint.headers, |headers| {
            headers.iter().map(|header| json!(header.name)).collect()
        })
    },
};
/// When the second endpoint is used.
pub const SECOND_AFTER: Key = Key {
    name: "fallback.endpoint.after",
    flag: None,
    env: None,
    about: "How long a model must have failed at the first endpoint before the second is used",
    rows: |s| one(&s.fallback.endpoint.after, duration),
};
/// What the second endpoint calls the models.
pub const SECOND_MODELS: Key = Key {
    name: "fallback.endpoint.models",
    flag: None,
    env: None,
    about: "Ids of models here, and what the second endpoint calls them",
    rows: |s| {
        one(&s.fallback.endpoint.models, |models| {
            let pairs = models.iter();
            pairs
                .map(|(ours, theirs)| json!(format!("{ours} = {theirs}")))
                .collect()
        })
    },
};
/// Whether the status page is asked.
pub const STATUS_ENABLED: Key = Key {
    name: "status.enabled",
    flag: None,
    env: None,
    about: "Whether the API's status page is asked",
    rows: |s| one(&s.status.enabled, |on| json!(on)),
};
/// Root of the status page.
pub const STATUS_URL: Key = Key {
    name: "status.url",
    flag: None,
    env: None,
    about: "Root of the status page; by default the first-party API's, for that API alone",
    rows: |s| {
        one(&s.status.url, |url| {
            json!(url.as_ref().map(ToString::to_string))
        })
    },
};
/// Price table.
pub const PRICES: Key = Key {
    name: "prices.file",
    flag: None,
    env: None,
    about: "Price table laid over the built-in one, model by model",
    rows: |s| one(&s.prices, path),
};
/// Colour.
pub const COLOR: Key = Key {
    name: "output.color",
    flag: Some("--color"),
    env: Some(environment::NO_COLOR),
    about: "Colour on standard error: auto, always or never",
    rows: |s| one(&s.output.color, |color| json!(color)),
};
/// Only results and errors.
pub const QUIET: Key = Key {
    name: "output.quiet",
    flag: Some("--quiet"),
    env: None,
    about: "Print results and errors only",
    rows: |s| one(&s.output.quiet, |on| json!(on)),
};
/// How much is logged.
pub const VERBOSITY: Key = Key {
    name: "verbose",
    flag: Some("-v"),
    env: None,
    about: "How much is logged to standard error, 0 to 3",
    rows: |s| one(&s.output.verbosity, |n| json!(n)),
};

/// Every setting, in the order in which they are shown.
pub const ALL: [&Key; 51] = [
    &CONFIG,
    &STORE,
    &CONCURRENCY,
    &STAGGER,
    &TIMEOUT,
    &STREAM,
    &IDLE_TIMEOUT,
    &GRACE,
    &ON_HALT,
    &ON_TRUNCATED,
    &LANE,
    &DEADLINE,
    &SEED,
    &BATCH_SIZE,
    &POLL_MIN,
    &POLL_MAX,
    &UNCERTAIN_FOR,
    &NOT_FOUND_FOR,
    &SHORT_FOR,
    &SPILL_AFTER,
    &MIN_JOBS,
    &QUEUE_LIMIT,
    &MAX_ATTEMPTS,
    &RETRY_SCALE,
    &GIVE_UP_AFTER,
    &WAITS,
    &FALLBACK_MODELS,
    &RPM,
    &ITPM,
    &OTPM,
    &BUDGET_USD,
    &ONLY_BETWEEN,
    &CACHE_WARM,
    &CACHE_PREFIX,
    &BASE_URL,
    &VERSION,
    &BETA,
    &WORKSPACE_ID,
    &HEADERS,
    &CA_BUNDLE,
    &SECOND_BASE_URL,
    &SECOND_API_KEY_ENV,
    &SECOND_HEADERS,
    &SECOND_AFTER,
    &SECOND_MODELS,
    &STATUS_ENABLED,
    &STATUS_URL,
    &PRICES,
    &COLOR,
    &QUIET,
    &VERBOSITY,
];
