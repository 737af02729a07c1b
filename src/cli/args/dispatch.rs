//! `submit` and `resume`, and the options by which a run is dispatched.

use std::path::PathBuf;

use clap::Args;

use crate::cli::settings::flags::{FlagsOf, OfRun};

use super::MORE;
use super::input::ShapingArgs;
use crate::cli::values::parse;

const SUBMIT_EXAMPLES: &str = "\
Examples:
  claude-run submit jobs.jsonl                       lines that name their model themselves
  claude-run submit jobs.jsonl.zst --model M         compressed input, one model for all lines
  cat jobs.jsonl | claude-run submit - --name night  standard input, with a name for the run
  claude-run submit jobs.jsonl --no-run              store now, `resume` later
  claude-run submit jobs.jsonl --concurrency 200 --stagger 20ms --max-attempts 12

An input line is one of:
  {\"custom_id\": \"a-1\", \"params\": { ...a Messages API request... }}
  {\"custom_id\": \"a-2\", \"prompt\": \"Summarise: ...\", \"system\": \"Be brief.\"}

Submitting the same content again while its run is unfinished goes on with that run.";

/// `claude-run submit`.
#[derive(Args, Clone, Debug)]
#[command(after_help = MORE, after_long_help = SUBMIT_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct SubmitArgs {
    /// Jobs as JSON lines; .gz and .zst are unpacked, `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Name by which the other commands find this run
    #[arg(long, value_name = "TEXT", value_parser = parse::run_name)]
    pub name: Option<String>,
    /// Leave bad lines out instead of refusing the file
    #[arg(long, hide_short_help = true)]
    pub skip_invalid: bool,
    /// Refuse the file if the API is known to refuse any of its requests
    #[arg(long, conflicts_with = "skip_invalid", hide_short_help = true)]
    pub strict: bool,
    /// Store the run, but start nothing
    #[arg(long)]
    pub no_run: bool,
    /// Make a new run even if the same content is unfinished already
    #[arg(long, hide_short_help = true)]
    pub new_run: bool,
    /// What fills the lines.
    #[command(flatten)]
    pub shaping: ShapingArgs,
    /// How the run is dispatched.
    #[command(flatten)]
    pub dispatch: DispatchArgs,
}

const RESUME_EXAMPLES: &str = "\
Examples:
  claude-run resume                        every unfinished run, oldest first
  claude-run resume night --lane live      one run, by its name, with other options from now on
  claude-run resume --budget-usd 20        with more money than before";

/// `claude-run resume`.
#[derive(Args, Clone, Debug)]
#[command(after_help = MORE, after_long_help = RESUME_EXAMPLES)]
pub struct ResumeArgs {
    /// Run to go on with [default: every unfinished run]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// How the run is dispatched: overrides what was stored with it.
    #[command(flatten)]
    pub dispatch: DispatchArgs,
}

/// How a run is dispatched.
#[derive(Args, Clone, Debug, Default)]
pub struct DispatchArgs {
    /// The settings that are flags.
    #[command(flatten)]
    pub settings: FlagsOf<OfRun>,
    /// Append events to this file, one JSON object per line; `-` is standard output. Into a FIFO or a
    /// pipe whose reader does not keep up, some are left out
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Dispatch",
        hide_short_help = true
    )]
    pub events: Option<PathBuf>,
    /// Create the batches and leave; `resume` fetches their results
    #[arg(long, help_heading = "Batches", hide_short_help = true)]
    pub no_wait: bool,
    /// Run against a simulator in this process: no key, no cost, no real answers
    #[arg(long, conflicts_with = "api.base_url", help_heading = "Endpoint")]
    pub simulate: bool,
}
