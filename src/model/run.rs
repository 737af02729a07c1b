//! Runs: one submitted input each, with what shapes its requests and how they are dispatched.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cache_prefix::SharedPrefix;
use super::halt::Halt;
use super::ids::RunId;
use super::job::JobState;
use super::money::Pico;

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
/// override each; what is unset here comes from the environment, the config file or the default.
///
/// Which there are is the matter of the command line, so all but the few that reports need are kept as
/// they were given, by the names of their settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DispatchOptions {
    /// What the run may cost, over all its dispatches.
    pub budget_usd: Option<Pico>,
    /// When the answers are wanted.
    pub deadline: Option<Timestamp>,
    /// The prefixes that are marked for the cache. No option of the user's: what was chosen when the run
    /// was first dispatched so; unset before.
    pub cache_prefixes: Option<Vec<SharedPrefix>>,
    /// Everything else.
    #[serde(flatten)]
    pub others: BTreeMap<String, Value>,
}

impl DispatchOptions {
    /// These options, overridden by whatever `newer` says.
    #[must_use]
    pub fn overridden_by(mut self, newer: Self) -> Self {
        self.budget_usd = newer.budget_usd.or(self.budget_usd);
        self.deadline = newer.deadline.or(self.deadline);
        self.cache_prefixes = newer.cache_prefixes.or(self.cache_prefixes);
        let said = |(_, value): &(String, Value)| !value.is_null();
        // Older versions wrote `null` for what was not given.
        self.others.extend(newer.others.into_iter().filter(said));
        self
    }

    /// The options but the deadline, by the names under which they are kept.
    pub fn kept(&self) -> impl Iterator<Item = (String, Value)> {
        let budget = self
            .budget_usd
            .map(|amount| Value::String(amount.to_string()));
        let budget = budget.map(|amount| (BUDGET_USD.to_owned(), amount));
        let others = self.others.clone().into_iter();
        // Older versions wrote what was not given as null.
        budget
            .into_iter()
            .chain(others.filter(|(_, value)| !value.is_null()))
    }
}

const BUDGET_USD: &str = "budget_usd";
const DEADLINE: &str = "deadline";

/// Options by the names under which they are kept. A budget or a deadline that is none is left out.
impl FromIterator<(String, Value)> for DispatchOptions {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(given: T) -> Self {
        let mut options = Self::default();
        for (name, value) in given {
            match name.as_str() {
                BUDGET_USD => options.budget_usd = serde_json::from_value(value).ok(),
                DEADLINE => options.deadline = serde_json::from_value(value).ok(),
                _ => {
                    options.others.insert(name, value);
                }
            }
        }
        options
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
