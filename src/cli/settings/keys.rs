//! Every setting, in one table: its key in the config file, its flag, its variable, what it means,
//! and how it is shown. `config` prints this table and the documentation is written from it.

mod endpoint;
mod limits;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

pub use limits::{
    BUDGET_ASSUME_SEARCHES, BUDGET_STRICT, BUDGET_USD, CACHE_PREFIX, CACHE_WARM, ITPM,
    ONLY_BETWEEN, OTPM, RPM,
};

use super::{Origin, Setting, Settings};
use crate::cli::environment;
use crate::model::duration::format_duration;

pub use endpoint::{
    BASE_URL, BETA, CA_BUNDLE, HEADERS, INSECURE_HTTP, SECOND_AFTER, SECOND_ALLOW_FOREIGN_KEY_ENV,
    SECOND_API_KEY_ENV, SECOND_BASE_URL, SECOND_HEADERS, SECOND_MODELS, STATUS_ENABLED, STATUS_URL,
    VERSION, WORKSPACE_ID,
};

/// Which config files may set a key. A file that was merely found lies in a folder that somebody
/// else may have made: what says where keys, prompts and answers go is not taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFile {
    /// None: there is only the flag or the variable.
    Never,
    /// Any, a merely found one too.
    Any,
    /// A merely found one only with a path that stays in its own folder.
    Inside,
    /// Only one that the user named, that lies in the user's own config folder, or that
    /// `config trust` has accepted.
    Trusted,
}

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its dotted name; without a dot it is no key of the config file.
    pub name: &'static str,
    /// Its flag.
    pub flag: Option<&'static str>,
    /// Its environment variable.
    pub env: Option<&'static str>,
    /// Which config files may set it.
    pub file: InFile,
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
        self.file != InFile::Never
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
    env: Some(environment::CONFIG),
    file: InFile::Never,
    about: "Config file in use",
    rows: |s| one(&s.config, path),
};
/// The store.
pub const STORE: Key = Key {
    name: "store.path",
    flag: Some("--store"),
    env: Some(environment::STORE),
    file: InFile::Inside,
    about: "File that holds runs, jobs and results",
    rows: |s| one(&s.store, |path| json!(path.display().to_string())),
};
/// Requests open at the same time.
pub const CONCURRENCY: Key = Key {
    name: "dispatch.concurrency",
    flag: Some("--concurrency"),
    env: None,
    file: InFile::Any,
    about: "Requests open at the same time, 1 to 10000",
    rows: |s| one(&s.dispatch.concurrency, |n| json!(n)),
};
/// Least time between two starts.
pub const STAGGER: Key = Key {
    name: "dispatch.stagger",
    flag: Some("--stagger"),
    env: None,
    file: InFile::Any,
    about: "Least time between two starts",
    rows: |s| one(&s.dispatch.stagger, duration),
};
/// Time for one request.
pub const TIMEOUT: Key = Key {
    name: "dispatch.timeout",
    flag: Some("--timeout"),
    env: None,
    file: InFile::Any,
    about: "Time for one request before it counts as failed; a stream may take six times as long",
    rows: |s| one(&s.dispatch.timeout, duration),
};
/// When answers are streamed.
pub const STREAM: Key = Key {
    name: "dispatch.stream",
    flag: Some("--stream"),
    env: None,
    file: InFile::Any,
    about: "Stream answers: auto (those that may take long), always or never",
    rows: |s| one(&s.dispatch.stream, |mode| json!(mode)),
};
/// Longest silence within a stream.
pub const IDLE_TIMEOUT: Key = Key {
    name: "dispatch.idle_timeout",
    flag: None,
    env: None,
    file: InFile::Any,
    about: "Longest silence within a streamed answer; at most the timeout counts",
    rows: |s| one(&s.dispatch.idle_timeout, duration),
};
/// Time to finish when stopped.
pub const GRACE: Key = Key {
    name: "dispatch.grace",
    flag: Some("--grace"),
    env: None,
    file: InFile::Any,
    about: "Time for requests in flight to finish after Ctrl-C",
    rows: |s| one(&s.dispatch.grace, duration),
};
/// Seed of every random choice.
pub const SEED: Key = Key {
    name: "dispatch.seed",
    flag: Some("--seed"),
    env: None,
    file: InFile::Any,
    about: "Seed of every random choice",
    rows: |s| one(&s.dispatch.seed, |n| json!(n)),
};
/// What to do when no job can succeed.
pub const ON_HALT: Key = Key {
    name: "dispatch.on_halt",
    flag: Some("--on-halt"),
    env: None,
    file: InFile::Any,
    about: "When no job can succeed: exit, or wait and try again now and then",
    rows: |s| one(&s.dispatch.on_halt, |on_halt| json!(on_halt.as_str())),
};
/// The lane of jobs whose line names none.
pub const LANE: Key = Key {
    name: "dispatch.lane",
    flag: Some("--lane"),
    env: None,
    file: InFile::Any,
    about: "Lane of jobs whose line names none: auto (the cheapest that keeps the deadline), live or batch",
    rows: |s| one(&s.dispatch.lane, |lane| json!(lane)),
};
/// When the answers are wanted.
pub const DEADLINE: Key = Key {
    name: "deadline",
    flag: Some("--deadline"),
    env: None,
    file: InFile::Never,
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
    file: InFile::Any,
    about: "Most requests in one batch, 1 to 100000",
    rows: |s| one(&s.batch.size, |n| json!(n)),
};
/// Time before the first look at a batch.
pub const POLL_MIN: Key = Key {
    name: "batch.poll_min",
    flag: None,
    env: None,
    file: InFile::Any,
    about: "Time before the first look at a batch; looks grow rarer up to poll_max",
    rows: |s| one(&s.batch.poll_min, duration),
};
/// Longest time between two looks at a batch.
pub const POLL_MAX: Key = Key {
    name: "batch.poll_max",
    flag: None,
    env: None,
    file: InFile::Any,
    about: "Longest time between two looks at a batch",
    rows: |s| one(&s.batch.poll_max, duration),
};
/// How long a batch that may exist is looked for.
pub const UNCERTAIN_FOR: Key = Key {
    name: "batch.uncertain_for",
    flag: None,
    env: None,
    file: InFile::Any,
    about: "How long a batch whose create answer was lost is looked for before it is created again",
    rows: |s| one(&s.batch.uncertain_for, duration),
};
/// How long "not found" is no answer.
pub const NOT_FOUND_FOR: Key = Key {
    name: "batch.not_found_for",
    flag: None,
    env: None,
    file: InFile::Any,
    about: "How long a created batch that the API does not find is asked for again",
    rows: |s| one(&s.batch.not_found_for, duration),
};
/// How long results that come short are asked for again.
pub const SHORT_FOR: Key = Key {
    name: "batch.short_for",
    flag: None,
    env: None,
    about: "How long results of an ended batch that come short are asked for again before the run halts",
    file: InFile::Any,
    rows: |s| one(&s.batch.short_for, duration),
};
/// When live jobs go to batches instead.
pub const SPILL_AFTER: Key = Key {
    name: "batch.spill_after",
    flag: None,
    env: None,
    file: InFile::Any,
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
    file: InFile::Any,
    about: "Fewer jobs than this go live instead, unless the batch lane is forced",
    rows: |s| one(&s.batch.min_jobs, |n| json!(n)),
};
/// Limit of the API's processing queue.
pub const QUEUE_LIMIT: Key = Key {
    name: "batch.queue_limit",
    flag: None,
    env: None,
    file: InFile::Any,
    about: "Requests that may wait in the API's processing queue at once (a limit of your tier)",
    rows: |s| one(&s.batch.queue_limit, |n| json!(n)),
};
/// What to do with a truncated answer.
pub const ON_TRUNCATED: Key = Key {
    name: "dispatch.on_truncated",
    flag: Some("--on-truncated"),
    env: None,
    file: InFile::Any,
    about: "An answer cut at max_tokens: keep it, or raise max_tokens and try once more",
    rows: |s| one(&s.dispatch.on_truncated, |choice| json!(choice.as_str())),
};
/// Models to ask instead.
pub const FALLBACK_MODELS: Key = Key {
    name: "fallback.models",
    flag: Some("--fallback-model"),
    env: None,
    file: InFile::Any,
    about: "Models to ask, in this order, when a job's own refuses or is overloaded twice",
    rows: |s| one(&s.fallback.models, |models| json!(models)),
};
/// Failed attempts after which a job fails.
pub const MAX_ATTEMPTS: Key = Key {
    name: "retry.max_attempts",
    flag: Some("--max-attempts"),
    env: None,
    file: InFile::Any,
    about: "Failed attempts after which a job fails",
    rows: |s| one(&s.retry.max_attempts, |n| json!(n)),
};
/// Factor of every wait.
pub const RETRY_SCALE: Key = Key {
    name: "retry.scale",
    flag: Some("--retry-scale"),
    env: None,
    file: InFile::Any,
    about: "Multiplies every wait before a retry",
    rows: |s| one(&s.retry.scale, |x| json!(x)),
};
/// Time after which a job is given up.
pub const GIVE_UP_AFTER: Key = Key {
    name: "retry.give_up_after",
    flag: Some("--give-up-after"),
    env: None,
    file: InFile::Any,
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
    file: InFile::Any,
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
/// Price table.
pub const PRICES: Key = Key {
    name: "prices.file",
    flag: None,
    env: None,
    file: InFile::Any,
    about: "Price table laid over the built-in one, model by model",
    rows: |s| one(&s.prices, path),
};
/// Colour.
pub const COLOR: Key = Key {
    name: "output.color",
    flag: Some("--color"),
    env: Some(environment::NO_COLOR),
    file: InFile::Any,
    about: "Colour on standard error: auto, always or never",
    rows: |s| one(&s.output.color, |color| json!(color)),
};
/// Only results and errors.
pub const QUIET: Key = Key {
    name: "output.quiet",
    flag: Some("--quiet"),
    env: None,
    file: InFile::Any,
    about: "Print results and errors only",
    rows: |s| one(&s.output.quiet, |on| json!(on)),
};
/// How much is logged.
pub const VERBOSITY: Key = Key {
    name: "verbose",
    flag: Some("-v"),
    env: None,
    file: InFile::Never,
    about: "How much is logged to standard error, 0 to 3",
    rows: |s| one(&s.output.verbosity, |n| json!(n)),
};

/// Every setting, in the order in which they are shown.
pub const ALL: [&Key; 55] = [
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
    &BUDGET_STRICT,
    &BUDGET_ASSUME_SEARCHES,
    &ONLY_BETWEEN,
    &CACHE_WARM,
    &CACHE_PREFIX,
    &BASE_URL,
    &VERSION,
    &BETA,
    &WORKSPACE_ID,
    &HEADERS,
    &CA_BUNDLE,
    &INSECURE_HTTP,
    &SECOND_BASE_URL,
    &SECOND_API_KEY_ENV,
    &SECOND_ALLOW_FOREIGN_KEY_ENV,
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

#[cfg(test)]
mod tests;
