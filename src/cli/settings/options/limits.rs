//! `[limits]`: how fast requests are sent, and what they may cost.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cli::values::{AtLeastOne, BudgetUsd, PerMinute, Window};
use crate::model::AutoOrOff;

/// `[limits]`
#[derive(Args, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests per minute, at most [default: what the headers tell].
    ///
    /// Over the whole run.
    #[arg(
        long,
        value_name = "N",
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub rpm: Option<PerMinute>,
    /// Input tokens per minute, at most; cache reads do not count.
    ///
    /// Over the whole run.
    #[arg(
        long,
        value_name = "N",
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub itpm: Option<PerMinute>,
    /// Output tokens per minute, at most.
    ///
    /// Over the whole run.
    #[arg(
        long,
        value_name = "N",
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub otpm: Option<PerMinute>,
    /// What the run may cost in all: it halts before it costs more.
    ///
    /// In dollars.
    #[arg(long, value_name = "X", help_heading = "Limits")]
    pub budget_usd: Option<BudgetUsd>,
    /// Hold for batches no less than all they can cost.
    ///
    /// Without it batches may cost up to 2 % more than the budget.
    #[arg(
        long,
        value_name = "BOOL",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub budget_strict: bool,
    /// Searches to hold for where a search tool sets no limit.
    ///
    /// So many are taken to be made by a request whose search tool names no `max_uses`. Without it such
    /// lines are refused under a budget.
    #[arg(
        long,
        value_name = "N",
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub budget_assume_searches: Option<AtLeastOne>,
    /// Send only in hours such as 18:00-08:00@America/Los_Angeles.
    #[arg(
        long,
        value_name = "WINDOW",
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub only_between: Option<Window>,
    /// Let one request warm a shared prompt cache first.
    ///
    /// `auto`: one of the requests that share a cached prefix goes first, the rest after its answer.
    /// `off`: all go as they come.
    #[arg(
        long,
        value_name = "auto|off",
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub cache_warm: AutoOrOff,
    /// Cache long prefixes that requests share.
    ///
    /// `auto`: long prefixes that requests share are marked with one `cache_control` where that pays.
    /// `off`: requests are sent as they were written.
    #[arg(
        long,
        value_name = "auto|off",
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub cache_prefix: AutoOrOff,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rpm: None,
            itpm: None,
            otpm: None,
            budget_usd: None,
            budget_strict: false,
            budget_assume_searches: None,
            only_between: None,
            cache_warm: AutoOrOff::Auto,
            cache_prefix: AutoOrOff::Off,
        }
    }
}
