//! What reads an input file: `check`, and the options that shape requests.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use crate::model::{LaneChoice, Shaping};

use super::parse;

/// `claude-run check`.
#[derive(Args, Clone, Debug)]
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
    #[arg(long, value_name = "N", value_parser = parse::concurrency)]
    pub concurrency: Option<u32>,
    /// Requests per minute, for the expected time
    #[arg(long, value_name = "N", value_parser = parse::per_minute)]
    pub rpm: Option<u64>,
    /// Input tokens per minute, for the expected time
    #[arg(long, value_name = "N", value_parser = parse::per_minute)]
    pub itpm: Option<u64>,
    /// Output tokens per minute, for the expected time
    #[arg(long, value_name = "N", value_parser = parse::per_minute)]
    pub otpm: Option<u64>,
    /// Count the tokens of a sample at the API, which costs nothing
    #[arg(long)]
    pub exact: bool,
    /// With --exact: requests in the sample
    #[arg(long, value_name = "N", value_parser = parse::at_least_one, default_value = "100", requires = "exact")]
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
    #[arg(long, value_name = "N", value_parser = parse::at_least_one)]
    pub max_tokens: Option<u32>,
    /// System prompt
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Temperature; newer models and API versions take none
    #[arg(long, value_name = "X", value_parser = parse::temperature)]
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
