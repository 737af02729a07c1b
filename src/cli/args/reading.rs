//! The commands that send nothing: they read the store or the settings, or change the queue.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::cli::settings::flags::{FlagsOf, OfEndpoint};

use crate::model::ErrorClass;
use crate::model::duration::parse_duration;
use crate::simulator::BatchScript;

use crate::cli::values::parse;

/// `claude-run status`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  claude-run status                     every run of the store\n  claude-run status night               one run in detail\n  claude-run status --json | jq .jobs   for programs"
)]
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
#[command(
    after_long_help = "Examples:\n  claude-run verify            the whole store, one line a run\n  claude-run verify --every    each check by itself"
)]
pub struct VerifyArgs {
    /// Run to check [default: all runs]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Show what holds too, not only what is broken
    #[arg(long)]
    pub every: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `claude-run attempts`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  claude-run attempts --job a-1             what happened to one job\n  claude-run attempts --json > ledger.jsonl  the whole ledger, for programs"
)]
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
#[command(
    after_long_help = "Examples:\n  claude-run export -o results.jsonl                  every ended job, in input order\n  claude-run export -o - --only failed | jq .         what failed, to standard output\n  claude-run export -o table.csv --format csv         one row a job"
)]
pub struct ExportArgs {
    /// Run to export [default: the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// File to write, replaced as a whole; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Format of the file: jsonl (one result per line) or csv
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "jsonl",
        hide_possible_values = true
    )]
    pub format: ExportAs,
    /// In CSV, put an apostrophe before cells that look like a formula
    #[arg(long)]
    pub csv_safe: bool,
    /// In CSV, begin with a byte order mark, so that Excel reads UTF-8
    #[arg(long)]
    pub csv_bom: bool,
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
pub enum ExportAs {
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
#[command(
    after_long_help = "Examples:\n  claude-run report                    costs and errors of the latest run\n  claude-run report --json             for programs\n  claude-run report --all --by model   all runs, summed up by model"
)]
pub struct ReportArgs {
    /// Run to report on [default: the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Format of the report: text or json
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
#[command(
    after_long_help = "Examples:\n  claude-run retry                              all failed and cancelled jobs\n  claude-run retry --class overloaded           only those\n  claude-run retry night --job a-1 --job a-7    two jobs of the run called night"
)]
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
#[command(
    after_long_help = "Examples:\n  claude-run cancel                              what has not ended of the latest run\n  claude-run cancel night                        the same of the run called night\n  claude-run cancel --job a-1 --job a-7          two jobs alone; the others go on\n  claude-run cancel --class permission           jobs that wait after they failed so\n  claude-run cancel night --model claude-opus-5  jobs that ask this model"
)]
pub struct CancelArgs {
    /// Run to cancel, or to take jobs out of [default: the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Only the job with this `custom_id` (repeatable)
    #[arg(long = "job", value_name = "ID")]
    pub jobs: Vec<String>,
    /// Only jobs that last failed with this error class (repeatable)
    #[arg(long = "class", value_name = "CLASS", value_parser = parse::error_class(), hide_possible_values = true)]
    pub classes: Vec<ErrorClass>,
    /// Only jobs that ask this model (repeatable)
    #[arg(long = "model", value_name = "MODEL")]
    pub models: Vec<String>,
}

/// `claude-run simulate`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  claude-run simulate --lively                       a busy day on port 8080\n  claude-run simulate --fault 529=0.1 --rpm 50       with faults and limits of your own\n  claude-run simulate --list-faults                  what can go wrong"
)]
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
    #[arg(long, value_name = "N", value_parser = parse::natural, hide_short_help = true)]
    pub rpm: Option<u64>,
    /// Limit of input tokens per minute
    #[arg(long, value_name = "N", value_parser = parse::natural, hide_short_help = true)]
    pub itpm: Option<u64>,
    /// Limit of output tokens per minute
    #[arg(long, value_name = "N", value_parser = parse::natural, hide_short_help = true)]
    pub otpm: Option<u64>,
    /// Time that a batch takes, such as 1h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, hide_short_help = true)]
    pub batch_takes: Option<Duration>,
    /// Factor by which batches live faster; 360 makes an hour 10 s
    #[arg(long, value_name = "X", value_parser = parse::factor, hide_short_help = true)]
    pub batch_clock: Option<f64>,
    /// Stop working on a batch after this share of it, such as 0.4
    #[arg(long, value_name = "SHARE", value_parser = parse::share, hide_short_help = true)]
    pub batch_stall: Option<f64>,
    /// Most requests that may wait in all batches together
    #[arg(long, value_name = "N", value_parser = parse::count, hide_short_help = true)]
    pub batch_queue: Option<u32>,
    /// What happens to the first, second, ... batch, such as "lost-answer, ok"
    #[arg(long, value_name = "SCRIPT", hide_short_help = true)]
    pub batch_script: Option<BatchScript>,
    /// Share of requests that get this fault, such as 529=0.1 (repeatable); --list-faults names them
    #[arg(long = "fault", value_name = "CASE=RATE")]
    pub faults: Vec<String>,
    /// List the names of all cases with what each does, and serve nothing
    #[arg(long)]
    pub list_faults: bool,
    /// Behave like a busy day: a mixture of faults, limits and slow answers
    #[arg(long)]
    pub lively: bool,
}

/// `claude-run explain`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  claude-run explain 529                  a status\n  claude-run explain overloaded           a class\n  pbpaste | claude-run explain -          an error as it was pasted"
)]
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
  claude-run doctor                        what works, what does not, and what to do about it
  claude-run doctor --send                 also find out whether the account has credit
  claude-run doctor --bundle support.json  a file for a support ticket, without secrets or prompts

Exit codes: 0 if nothing failed (warnings do not count), 1 if something did.";

/// `claude-run doctor`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_long_help = DOCTOR_EXAMPLES)]
pub struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Also send one real message of at most 10 tokens to the cheapest model
    #[arg(long)]
    pub send: bool,
    /// Write what a support ticket needs to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Where to look.
    #[command(flatten)]
    pub endpoint: FlagsOf<OfEndpoint>,
}

/// `claude-run completions`.
#[derive(Args, Clone, Debug)]
#[command(
    after_long_help = "Examples:\n  claude-run completions bash > ~/.local/share/bash-completion/completions/claude-run\n  claude-run completions fish > ~/.config/fish/completions/claude-run.fish"
)]
pub struct CompletionsArgs {
    /// Shell to write for
    pub shell: Shell,
}
