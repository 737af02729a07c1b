//! Attempts: one try of one job, as the ledger keeps it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error_class::ErrorClass;
use super::evidence::Evidence;
use super::ids::AttemptId;
use super::money::{Cost, CostBasis, Pico};
use super::usage::Usage;
use super::wait_rule::WaitRule;

/// How an attempt ended.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AttemptOutcome {
    /// It brought the job's message.
    Succeeded,
    /// It brought an error, or the exchange broke.
    Errored,
    /// We stopped before its answer was recorded; it may have been billed.
    Interrupted,
    /// Its batch ran out of time before it was processed.
    Expired,
    /// It was cancelled before it was processed.
    Canceled,
}

impl AttemptOutcome {
    /// The name used in the store and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The outcome of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// The end of an attempt, as it is written to the ledger; never changed afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Which attempt.
    pub attempt: AttemptId,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How.
    pub outcome: AttemptOutcome,
    /// What went wrong, or what a success is marked with (`truncated`).
    pub error_class: Option<ErrorClass>,
    /// The facts.
    pub evidence: Evidence,
    /// The base URL of the second endpoint, without secrets, if it was sent there; none is the first.
    pub endpoint: Option<String>,
    /// The model that answered, if one did.
    pub answered_by: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Cost,
    /// What the cost rests on, if not on the answer's usage at the price of its model.
    #[serde(default)]
    pub cost_basis: Option<CostBasis>,
    /// The row of the price table that the cost was made with.
    #[serde(default)]
    pub price_row: Option<String>,
    /// If it may have been billed, or told no usage: the most that its request allows. None if nothing
    /// bounds it, and for every other attempt.
    #[serde(default)]
    pub at_most: Option<Pico>,
    /// It may have been billed although we hold no whole answer that says so; usage and cost are
    /// what a broken stream told, else zero.
    pub maybe_billed: bool,
    /// From the first byte sent to the last byte read.
    pub latency: Option<Duration>,
    /// Which rule set the time of the job's next try, if one did.
    #[serde(default)]
    pub wait_rule: Option<WaitRule>,
}

impl AttemptRecord {
    /// The end of an attempt that brought nothing, and for all that is known was not billed.
    #[must_use]
    pub fn unbilled(
        attempt: AttemptId,
        outcome: AttemptOutcome,
        error_class: ErrorClass,
        ended_at: Timestamp,
    ) -> Self {
        Self {
            attempt,
            ended_at,
            outcome,
            error_class: Some(error_class),
            evidence: Evidence::default(),
            endpoint: None,
            answered_by: None,
            usage: Usage::default(),
            cost: Cost::default(),
            cost_basis: None,
            price_row: None,
            at_most: None,
            maybe_billed: false,
            latency: None,
            wait_rule: None,
        }
    }
}
