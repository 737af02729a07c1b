//! Runs: one submitted input each, with what shapes its requests and how they are dispatched.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::auto_or_off::AutoOrOff;
use super::cache_prefix::SharedPrefix;
use super::halt::Halt;
use super::ids::RunId;
use super::job::JobState;
use super::lane_choice::LaneChoice;
use super::money::Pico;
use super::stream_mode::StreamMode;

/// Where a run stands.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RunState {
    /// Its input is still being read; invisible, and swept away if the load breaks off.
    Loading,
    /// Stored, with jobs left to do, and nobody at work on it.
    Ready,
    /// A dispatcher is at work on it (or was, when the machine died).
    Running,
    /// Stopped because no job could succeed; `resume` goes on.
    Halted,
    /// Every job has ended.
    Ended,
}

impl RunState {
    /// The name used in the store and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// What shapes the requests besides the input itself. Never changes once the run is stored: the
/// same content with another shaping is another run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shaping {
    /// `--model`: fills what a line leaves out.
    pub model: Option<String>,
    /// `--max-tokens`: fills what a line leaves out.
    pub max_tokens: Option<u64>,
    /// `--system`: fills what a line leaves out.
    pub system: Option<String>,
    /// `--temperature`: fills what a line leaves out.
    pub temperature: Option<f64>,
    /// `--skip-invalid`: bad lines are left out instead of refused.
    pub skip_invalid: bool,
}

/// What to do when no job can succeed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnHalt {
    /// Leave the run; `resume` goes on.
    #[default]
    Exit,
    /// Wait for the time that the API names, or try again now and then with one request.
    Wait,
}

impl OnHalt {
    /// The name used in flags and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Wait => "wait",
        }
    }
}

impl FromStr for OnHalt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "exit" => Ok(Self::Exit),
            "wait" => Ok(Self::Wait),
            other => Err(format!("`{other}` is neither `exit` nor `wait`")),
        }
    }
}

/// What to do with an answer that was cut at `max_tokens`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnTruncated {
    /// Keep it, marked.
    #[default]
    Keep,
    /// Try once more with twice the `max_tokens`.
    Raise,
}

impl OnTruncated {
    /// The name used in flags and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Raise => "raise",
        }
    }
}

impl FromStr for OnTruncated {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "keep" => Ok(Self::Keep),
            "raise" => Ok(Self::Raise),
            other => Err(format!("`{other}` is neither `keep` nor `raise`")),
        }
    }
}

/// The dispatch options that the user gave with this run. They are kept with it, and `resume` may
/// override each; what is none here comes from the environment, the config file or the default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DispatchOptions {
    /// Requests open at the same time.
    pub concurrency: Option<u32>,
    /// Least time between two starts.
    pub stagger: Option<Duration>,
    /// Our own ceiling of requests per minute.
    pub rpm: Option<u64>,
    /// Our own ceiling of input tokens per minute.
    pub itpm: Option<u64>,
    /// Our own ceiling of output tokens per minute.
    pub otpm: Option<u64>,
    /// Hours in which requests are sent, as the user wrote them.
    pub only_between: Option<String>,
    /// Whether one request warms the cache for those that share its beginning.
    pub cache_warm: Option<AutoOrOff>,
    /// Whether long beginnings that requests share are marked for the cache.
    pub cache_prefix: Option<AutoOrOff>,
    /// The beginnings that are marked. No option of the user's: what was chosen when the run was first
    /// dispatched so; none before.
    pub cache_prefixes: Option<Vec<SharedPrefix>>,
    /// What the run may cost, over all its dispatches.
    pub budget_usd: Option<Pico>,
    /// Whether a batch holds all that its requests can cost against the budget.
    pub budget_strict: Option<bool>,
    /// Searches that a request is taken to make where its search tool names no bound.
    pub budget_assume_searches: Option<u32>,
    /// Attempts of one job that may fail before it fails.
    pub max_attempts: Option<u32>,
    /// Multiplies every wait before a retry.
    pub retry_scale: Option<f64>,
    /// A job fails with the first failure so long after its first attempt began.
    pub give_up_after: Option<Duration>,
    /// What to do when no job can succeed.
    pub on_halt: Option<OnHalt>,
    /// What to do with a truncated answer.
    pub on_truncated: Option<OnTruncated>,
    /// Models to ask instead, in the order of their use.
    pub fallback_models: Option<Vec<String>>,
    /// The lane for jobs that name none.
    pub lane: Option<LaneChoice>,
    /// When the answers are wanted.
    pub deadline: Option<Timestamp>,
    /// Requests in one batch.
    pub batch_size: Option<u32>,
    /// Time allowed for one request.
    pub timeout: Option<Duration>,
    /// Time that requests in flight get to finish when the run is stopped.
    pub grace: Option<Duration>,
    /// When answers are streamed.
    pub stream: Option<StreamMode>,
    /// Root of the API.
    pub base_url: Option<String>,
    /// Certificates to trust besides the system's.
    pub ca_bundle: Option<String>,
    /// Seed of every random choice.
    pub seed: Option<u64>,
}

impl DispatchOptions {
    /// These options, overridden by whatever `newer` says.
    #[must_use]
    pub fn overridden_by(self, newer: Self) -> Self {
        Self {
            concurrency: newer.concurrency.or(self.concurrency),
            stagger: newer.stagger.or(self.stagger),
            rpm: newer.rpm.or(self.rpm),
            itpm: newer.itpm.or(self.itpm),
            otpm: newer.otpm.or(self.otpm),
            only_between: newer.only_between.or(self.only_between),
            cache_warm: newer.cache_warm.or(self.cache_warm),
            cache_prefix: newer.cache_prefix.or(self.cache_prefix),
            cache_prefixes: newer.cache_prefixes.or(self.cache_prefixes),
            budget_usd: newer.budget_usd.or(self.budget_usd),
            budget_strict: newer.budget_strict.or(self.budget_strict),
            budget_assume_searches: newer.budget_assume_searches.or(self.budget_assume_searches),
            max_attempts: newer.max_attempts.or(self.max_attempts),
            retry_scale: newer.retry_scale.or(self.retry_scale),
            give_up_after: newer.give_up_after.or(self.give_up_after),
            on_halt: newer.on_halt.or(self.on_halt),
            on_truncated: newer.on_truncated.or(self.on_truncated),
            fallback_models: newer.fallback_models.or(self.fallback_models),
            lane: newer.lane.or(self.lane),
            deadline: newer.deadline.or(self.deadline),
            batch_size: newer.batch_size.or(self.batch_size),
            timeout: newer.timeout.or(self.timeout),
            grace: newer.grace.or(self.grace),
            stream: newer.stream.or(self.stream),
            base_url: newer.base_url.or(self.base_url),
            ca_bundle: newer.ca_bundle.or(self.ca_bundle),
            seed: newer.seed.or(self.seed),
        }
    }
}

/// How many jobs stand where.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct JobCounts {
    /// All jobs of the run.
    pub total: u64,
    /// Ended with a message.
    pub succeeded: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Ended by the user.
    pub canceled: u64,
    /// Waiting for a slot, a retry or a repair.
    pub pending: u64,
    /// Claimed or on the wire.
    pub in_flight: u64,
    /// Part of a remote batch.
    pub in_batch: u64,
}

impl JobCounts {
    /// Adds `n` jobs in that state.
    pub fn add(&mut self, state: JobState, n: u64) {
        self.total += n;
        match state {
            JobState::Queued | JobState::Held => self.pending += n,
            JobState::InFlight => self.in_flight += n,
            JobState::InBatch => self.in_batch += n,
            JobState::Succeeded => self.succeeded += n,
            JobState::Failed => self.failed += n,
            JobState::Canceled => self.canceled += n,
        }
    }

    /// Jobs that have not ended.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.pending + self.in_flight + self.in_batch
    }
}

/// A stored run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The user's name for it.
    pub name: Option<String>,
    /// The input it came from, as the user wrote it (`-` for standard input).
    pub file: String,
    /// Where it stands.
    pub state: RunState,
    /// It runs against the simulator; its answers and costs are not real.
    pub simulated: bool,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When its first dispatch began.
    pub started_at: Option<Timestamp>,
    /// When its last job ended; it stays when jobs are put back, until the run is taken up.
    pub ended_at: Option<Timestamp>,
    /// What shapes its requests.
    pub shaping: Shaping,
    /// How it is dispatched.
    pub options: DispatchOptions,
    /// Why it stopped, if it is halted.
    pub halt: Option<Halt>,
    /// The user asked to end what has not ended.
    pub cancel_requested: bool,
    /// The endpoint has answered at least once.
    pub answered: bool,
    /// How many jobs stand where.
    pub jobs: JobCounts,
    /// What its attempts have cost so far.
    pub cost: Pico,
}
