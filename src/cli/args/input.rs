//! What reads an input file: `check`, and the options that shape requests.

use std::path::PathBuf;

use clap::Args;

use crate::cli::settings::flags::{FlagsOf, OfPace};
use crate::cli::values::{AtLeastOne, ModelId};
use crate::model::Shaping;

use super::MORE;
use crate::cli::values::parse;

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
    /// Exit with 2 if the API is known to refuse any of the requests
    #[arg(long)]
    pub strict: bool,
    /// What the expected time depends on.
    #[command(flatten)]
    pub pace: FlagsOf<OfPace>,
    /// Count the tokens of a sample at the API, which costs nothing
    #[arg(long)]
    pub exact: bool,
    /// With --exact: requests in the sample
    #[arg(
        long,
        value_name = "N",
        default_value = "100",
        requires = "exact",
        hide_short_help = true
    )]
    pub sample: AtLeastOne,
    /// What fills the lines.
    #[command(flatten)]
    pub shaping: ShapingArgs,
}

/// What fills in what an input line leaves out. Never changes once a run is stored.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Requests (for lines that do not say it themselves)")]
pub struct ShapingArgs {
    /// Model, such as claude-sonnet-5-5
    #[arg(long, value_name = "ID")]
    pub model: Option<ModelId>,
    /// Most tokens of an answer [default: 4096]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub max_tokens: Option<AtLeastOne>,
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
            model: self.model.clone().map(|id| id.0),
            max_tokens: self.max_tokens.map(|n| n.0.into()),
            system: self.system.clone(),
            temperature: self.temperature,
            skip_invalid,
        }
    }
}
