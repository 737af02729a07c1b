//! The command line as clap reads it: nothing but what was typed.
//!
//! Values are checked one by one; what they mean together with the config file and the environment
//! is decided in `settings`. Clap reads no environment variable, because the origin of a value
//! would be lost.

mod batches;
mod config;
mod dispatch;
mod input;
mod reading;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::settings::Flags;
use super::values::ColorChoice;

pub use batches::{AdoptArgs, BatchesAction, BatchesArgs, ForgetArgs};
pub use config::{ConfigAction, ConfigArgs, TrustArgs};
pub use dispatch::{DispatchArgs, ResumeArgs, SubmitArgs};
pub use input::{CheckArgs, ShapingArgs};
pub use reading::{
    AttemptsArgs, CancelArgs, CompletionsArgs, DoctorArgs, ExplainArgs, ExportArgs, ExportAs,
    ExportOnly, ReportArgs, ReportFormat, RetryArgs, SimulateArgs, StatusArgs, TotalsKey,
    VerifyArgs,
};

/// What stands below the short help.
const MORE: &str = "All options, with examples: --help";

const EXAMPLES: &str = "\
Examples:
  claude-run submit jobs.jsonl --model claude-sonnet-5-5   store the jobs, then run them all
  claude-run resume                                        continue after a crash or Ctrl-C
  claude-run status                                        where every run stands
  claude-run export -o results.jsonl                       results of the latest run, in input order
  claude-run retry --class overloaded                      put those failures back in the queue
  claude-run submit jobs.jsonl --simulate                  try it without a key and without cost

RUN is a run id, the beginning or the end of one, a name, or `latest`.

Exit codes:
  0 all done   1 fault of the program or machine   2 wrong command line, configuration or input
  3 some jobs failed   4 halted before the end     130 interrupted (`resume` continues)";

/// A batch-job runner with durable retries for the Claude API
#[derive(Clone, Debug, Parser)]
#[command(name = "claude-run", bin_name = "claude-run", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What holds everywhere.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArgs {
    /// The store. (Help texts that name variables are no Markdown, so they stand in the attribute.)
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "PATH",
        help = "File with runs and results [default: ./claude-run.db] [env: CLAUDE_RUN_STORE]"
    )]
    pub store: Option<PathBuf>,
    /// The config file.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "FILE",
        help = "Config file [default: ./claude-run.toml] [env: CLAUDE_RUN_CONFIG]"
    )]
    pub config: Option<PathBuf>,
    /// Print results and errors only
    #[arg(
        long,
        global = true,
        conflicts_with = "verbose",
        hide_short_help = true
    )]
    pub quiet: bool,
    /// Log what happens to standard error; -vv and -vvv say more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, hide_short_help = true)]
    pub verbose: u8,
    /// Colour on standard error.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "WHEN",
        hide_possible_values = true,
        help = "Colour: auto, always or never [default: auto] [env: NO_COLOR]"
    )]
    pub color: Option<ColorChoice>,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check and store a file of jobs, then run it until every job has ended
    Submit(Box<SubmitArgs>),
    /// Continue a run, or every unfinished run
    Resume(Box<ResumeArgs>),
    /// Show runs and their counts
    Status(StatusArgs),
    /// Show remote batches and what happens next; adopt or forget one
    Batches(BatchesArgs),
    /// List every attempt: when it was, how it ended and what it cost
    Attempts(AttemptsArgs),
    /// Write the results to a file, in input order
    Export(ExportArgs),
    /// Show costs and errors of a run
    Report(ReportArgs),
    /// Put failed jobs back in the queue
    Retry(RetryArgs),
    /// End what has not ended: a whole run, or some of its jobs
    Cancel(CancelArgs),
    /// Check a file and estimate its cost; nothing is stored and no job is sent
    Check(CheckArgs),
    /// Check credentials, network, endpoint, status page and store, one line each
    Doctor(DoctorArgs),
    /// Check the store: every job once, sums right, no orphans, no damage
    Verify(VerifyArgs),
    /// Serve a local imitation of the API, with faults and limits
    Simulate(SimulateArgs),
    /// Explain an error: what it means and what to do
    Explain(ExplainArgs),
    /// Show every setting, its value and its origin; trust a config file
    Config(ConfigArgs),
    /// Write a completion script for a shell
    Completions(CompletionsArgs),
}

impl Command {
    /// The settings that flags of the command gave.
    #[must_use]
    pub fn flags(&self) -> Flags {
        match self {
            Self::Submit(args) => args.dispatch.settings.0.clone(),
            Self::Resume(args) => args.dispatch.settings.0.clone(),
            Self::Doctor(args) => args.endpoint.0.clone(),
            Self::Check(args) => args.pace.0.clone(),
            _ => Flags::default(),
        }
    }
}

#[cfg(test)]
mod tests;
