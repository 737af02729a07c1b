//! The commands that send nothing: they read the store or the settings, or change the queue.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use secrecy::SecretString;

use crate::model::ErrorClass;
use crate::model::duration::parse_duration;
use crate::simulator::BatchScript;

use super::parse;

/// `claude-run status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Run to show in detail [default: all runs]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Print one JSON object per run and line
    #[arg(long)]
    pub json: bool,
}

/// `claude-run verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Run to check [default: all runs]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `claude-run attempts`.
#[derive(Args, Clone, Debug)]
pub struct AttemptsArgs {
    /// Run to show [default: the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Only the attempts of the job with this `custom_id`
    #[arg(long, value_name = "ID")]
    pub job: Option<String>,
    /// Print one JSON object per attempt and line
    #[arg(long)]
    pub json: bool,
}

/// `claude-run export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Run to export [default: the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// File to write, replaced as a whole; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Shape of the file: jsonl (one result per line) or csv
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "jsonl",
        hide_possible_values = true
    )]
    pub format: ExportFormat,
    /// Which ended jobs to write: succeeded, failed or all
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "all",
        hide_possible_values = true
    )]
    pub only: ExportOnly,
}

/// The shape of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object per line, as the Message Batches API writes its results
    Jsonl,
    /// One row per job, with a header
    Csv,
}

/// Which ended jobs to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportOnly {
    /// Jobs with a message
    Succeeded,
    /// Jobs that failed or were cancelled
    Failed,
    /// Every job that has ended
    All,
}

/// `claude-run report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Run to report on [default: the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Shape of the report: text or json
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    format: ReportFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Sums over all runs of the store
    #[arg(long, conflicts_with = "run")]
    pub all: bool,
    /// With --all: a row for each day, model or run
    #[arg(
        long,
        value_name = "WHAT",
        requires = "all",
        default_value = "day",
        hide_possible_values = true
    )]
    pub by: TotalsKey,
}

/// What the rows of `report --all` stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TotalsKey {
    /// Days
    Day,
    /// Models
    Model,
    /// Runs
    Run,
}

impl ReportArgs {
    /// The shape asked for, by either flag.
    #[must_use]
    pub fn format(&self) -> ReportFormat {
        if self.json {
            ReportFormat::Json
        } else {
            self.format
        }
    }
}

/// The shape of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// `claude-run retry`.
#[derive(Args, Clone, Debug)]
pub struct RetryArgs {
    /// Run whose jobs to retry [default: the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Only jobs that failed with this error class (repeatable)
    #[arg(long = "class", value_name = "CLASS", value_parser = parse::error_class(), hide_possible_values = true)]
    pub classes: Vec<ErrorClass>,
    /// Only the job with this `custom_id` (repeatable)
    #[arg(long = "job", value_name = "ID")]
    pub jobs: Vec<String>,
}

/// `claude-run cancel`.
#[derive(Args, Clone, Debug)]
pub struct CancelArgs {
    /// Run to cancel [default: the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
}

/// `claude-run simulate`.
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// Port on this machine; 0 takes a free one
    #[arg(long, value_name = "N", value_parser = parse::port, default_value = "8080")]
    pub port: u16,
    /// Seed of every random choice
    #[arg(long, value_name = "N", value_parser = parse::natural)]
    pub seed: Option<u64>,
    /// Time that an answer takes, such as 200ms
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub latency: Option<Duration>,
    /// Limit of requests per minute
    #[arg(long, value_name = "N", value_parser = parse::natural)]
    pub rpm: Option<u64>,
    /// Limit of input tokens per minute
    #[arg(long, value_name = "N", value_parser = parse::natural)]
    pub itpm: Option<u64>,
    /// Limit of output tokens per minute
    #[arg(long, value_name = "N", value_parser = parse::natural)]
    pub otpm: Option<u64>,
    /// Time that a batch takes, such as 1h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub batch_takes: Option<Duration>,
    /// Factor by which batches live faster; 360 makes an hour 10 s
    #[arg(long, value_name = "X", value_parser = parse::factor)]
    pub batch_clock: Option<f64>,
    /// Share of a batch after which it stands still, such as 0.4
    #[arg(long, value_name = "SHARE", value_parser = parse::share)]
    pub batch_stall: Option<f64>,
    /// Most requests that may wait in all batches together
    #[arg(long, value_name = "N", value_parser = parse::count)]
    pub batch_queue: Option<u32>,
    /// Fate of the first, second, ... batch, such as "lost-answer, ok"
    #[arg(long, value_name = "SCRIPT")]
    pub batch_script: Option<BatchScript>,
    /// Share of requests that get this fault, such as 529=0.1 (repeatable)
    #[arg(long = "fault", value_name = "CASE=RATE")]
    pub faults: Vec<String>,
    /// Behave like a busy day: a mixture of faults, limits and slow answers
    #[arg(long)]
    pub lively: bool,
}

/// `claude-run explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Class, HTTP status, error type or pasted error; `-` reads standard input
    #[arg(value_name = "WHAT", required = true, num_args = 1..)]
    pub what: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

const DOCTOR_EXAMPLES: &str = "\
Examples:
  claude-run doctor                        what is in order, what is not, and what to do about it
  claude-run doctor --send                 also see whether the account can pay
  claude-run doctor --bundle support.json  a file for a support ticket, without secrets or prompts

Exit codes: 0 nothing failed (warnings aside), 1 something did.";

/// `claude-run doctor`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = DOCTOR_EXAMPLES)]
pub struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Also send one real message of 10 tokens to the cheapest model
    #[arg(long)]
    pub send: bool,
    /// Write what a support ticket needs to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Root of the API. It may hold a password by mistake, so it is checked where nothing echoes it.
    #[arg(
        long,
        value_name = "URL",
        help = "API root [default: https://api.anthropic.com] [env: ANTHROPIC_BASE_URL]"
    )]
    pub base_url: Option<SecretString>,
    /// Trust the certificates of this PEM file too
    #[arg(long, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// Whether the key may go unencrypted to another machine.
    #[arg(
        long,
        help = "Allow http:// beyond this machine [env: CLAUDE_RUN_INSECURE_HTTP]"
    )]
    pub insecure_http: bool,
}

/// `claude-run completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// Shell to write for
    pub shell: Shell,
}
