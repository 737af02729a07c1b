//! Why a whole run stops before its jobs have ended.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error_class::ErrorClass;
use super::money::Pico;

/// Why a whole run stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The class that stopped it.
    pub class: ErrorClass,
    /// What stopped it.
    #[serde(default)]
    pub reason: HaltReason,
    /// What the API or the network said.
    pub message: String,
    /// When it stopped.
    pub at: Timestamp,
}

/// What stops a run: the class of the halt may be the same for all of them.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum HaltReason {
    /// An answer of the API, or none from the network.
    #[default]
    Failure,
    /// The budget that the user has set: no limit of the API was met.
    OwnBudget,
    /// Jobs are left that only a batch may do, and the endpoint has no Message Batches.
    NoBatches,
}

impl HaltReason {
    /// The name used in the store and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The reason of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// The message of the halt says all that is to be said: the words of its class would mislead.
    #[must_use]
    pub fn explains_itself(self) -> bool {
        self != Self::Failure
    }
}

impl Halt {
    /// A halt for what the API or the network said.
    #[must_use]
    pub fn new(class: ErrorClass, message: impl Into<String>, at: Timestamp) -> Self {
        Self {
            class,
            reason: HaltReason::Failure,
            message: message.into(),
            at,
        }
    }

    /// A halt for the user's own budget.
    #[must_use]
    pub fn own_budget(message: impl Into<String>, at: Timestamp) -> Self {
        Self {
            reason: HaltReason::OwnBudget,
            ..Self::new(ErrorClass::SpendLimit, message, at)
        }
    }

    /// The message of a run with jobs that only a batch may do, at an endpoint that has none: what it
    /// said, and what to do.
    #[must_use]
    pub fn no_batches(rest: &str) -> String {
        format!("no batch can be created at this endpoint: {rest}")
    }
    /// The message of a run of whose budget so much is spent, and so much kept for attempts that may
    /// have been billed, that the next request, which may cost `next`, does not fit.
    #[must_use]
    pub fn budget_used_up(budget: Pico, (spent, kept): (Pico, Pico), next: Pico) -> String {
        let kept = match kept {
            Pico::ZERO => String::new(),
            kept => format!(", ${kept} is kept for attempts that may have been billed"),
        };
        format!(
            "this run's own budget of ${budget} is used up: ${spent} is spent{kept}, and the next request may cost up to ${next}; `claude-run resume --budget-usd` with a larger amount goes on"
        )
    }

    /// The message of a run with a budget and a request whose cost nothing bounds: why, and what to
    /// do after a semicolon.
    #[must_use]
    pub fn no_bound_for_budget(
        custom_id: &str,
        unbounded: &dyn fmt::Display,
        budget: Pico,
    ) -> String {
        format!(
            "this run's own budget of ${budget} cannot be kept for job `{custom_id}`: {unbounded}, then submit it anew; `claude-run cancel --job` leaves it out"
        )
    }

    /// The message of a run with a budget and a job of a batch that can cost anything.
    #[must_use]
    pub fn no_bound_in_batch(unbounded: &dyn fmt::Display, budget: Pico) -> String {
        format!(
            "this run's own budget of ${budget} cannot be kept for a job of the batch lane: {unbounded}, then submit it anew; `claude-run check --budget-usd` names the line"
        )
    }
}
