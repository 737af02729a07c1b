//! What reads an input file: `check`, and the options that shape requests.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use crate::model::{LaneChoice, Shaping};

use super::{MORE, parse};

const CHECK_EXAMPLES: &str = "\
Examples:
  claude-run check jobs.jsonl --model claude-haiku-5-5   what is wrong, and what it would cost
  claude-run check jobs.jsonl --exact                    with tokens counted by the API
  claude-run check jobs.jsonl --json | jq .problems      the first 1,000 bad lines";

/// `claude-run check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = MORE, after_long_help = CHECK_EXAMPLES)]
pub struct CheckArgs {
    /// Jobs as JSON lines; .gz and .zst are unpacked, `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
    /// Lane: auto (by deadline), live or batch [default: auto]
    #[arg(long, value_name = "LANE", value_parser = parse::lane(), hide_possible_values = true)]
    pub lane: Option<LaneChoice>,
    /// When the answers are wanted: 6h (from now on), or a time
    #[arg(long, value_name = "WHEN", value_parser = parse::deadline)]
    pub deadline: Option<Timestamp>,
    /// Requests open at the same time, for the expected time [default: 64]
    #[arg(long, value_name = "N", value_parser = parse::concurrency, hide_short_help = true)]
    pub concurrency: Option<u32>,
    /// Requests per minute, for the expected time
    #[arg(long, value_name = "N", value_parser = parse::per_minute, hide_short_help = true)]
    pub rpm: Option<u64>,
    /// Input tokens per minute, for the expected time
    #[arg(long, value_name = "N", value_parser = parse::per_minute, hide_short_help = true)]
    pub itpm: Option<u64>,
    /// Output tokens per minute, for the expected time
    #[arg(long, value_name = "N", value_parser = parse::per_minute, hide_short_help = true)]
    pub otpm: Option<u64>,
    /// Count the tokens of a sample at the API, which costs nothing
    #[arg(long)]
    pub exact: bool,
    /// With --exact: requests in the sample
    #[arg(long, value_name = "N", value_parser = parse::at_least_one, default_value = "100", requires = "exact", hide_short_help = true)]
    pub sample: u32,
    /// What fills the lines.
    #[command(flatten)]
    pub shaping: ShapingArgs,
}

/// What fills in what an input line leaves out. Never changes once a run is stored.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Requests (for lines that do not say it themselves)")]
pub struct ShapingArgs {
    /// Model, such as claude-sonnet-5-5
    #[arg(long, value_name = "ID", value_parser = parse::model_id)]
    pub model: Option<String>,
    /// Most tokens of an answer [default: 4096]
    #[arg(long, value_name = "N", value_parser = parse::at_least_one, hide_short_help = true)]
    pub max_tokens: Option<u32>,
    /// System prompt
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub system: Option<String>,
    /// Temperature; newer models and API versions take none
    #[arg(long, value_name = "X", value_parser = parse::temperature, hide_short_help = true)]
    pub temperature: Option<f64>,
}

impl ShapingArgs {
    /// The same in the vocabulary of a run.
    #[must_use]
    pub fn to_shaping(&self, skip_invalid: bool) -> Shaping {
        Shaping {
            model: self.model.clone(),
            max_tokens: self.max_tokens.map(u64::from),
            system: self.system.clone(),
            temperature: self.temperature,
            skip_invalid,
        }
    }
}
