//! `submit` and `resume`, and the options by which a run is dispatched.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::cli::values;
use crate::model::duration::parse_duration;
use crate::model::{AutoOrOff, LaneChoice, OnHalt, OnTruncated, Pico, StreamMode};
use crate::policy::Hours;

use super::input::ShapingArgs;
use super::{MORE, parse};

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

/// How a run is dispatched. All but `--no-wait`, `--simulate`, `--events` and
/// `--insecure-http` are stored with the run.
#[derive(Args, Clone, Debug, Default)]
pub struct DispatchArgs {
    /// Requests open at the same time, 1 to 10000 [default: 64]
    #[arg(long, value_name = "N", value_parser = parse::concurrency, help_heading = "Dispatch")]
    pub concurrency: Option<u32>,
    /// Least time between two starts, such as 50ms [default: 0s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Dispatch", hide_short_help = true)]
    pub stagger: Option<Duration>,
    /// Requests per minute, at most [default: what the headers tell]
    #[arg(long, value_name = "N", value_parser = parse::per_minute, help_heading = "Limits", hide_short_help = true)]
    pub rpm: Option<u64>,
    /// Input tokens per minute, at most; cache reads do not count
    #[arg(long, value_name = "N", value_parser = parse::per_minute, help_heading = "Limits", hide_short_help = true)]
    pub itpm: Option<u64>,
    /// Output tokens per minute, at most
    #[arg(long, value_name = "N", value_parser = parse::per_minute, help_heading = "Limits", hide_short_help = true)]
    pub otpm: Option<u64>,
    /// Send only in hours such as 18:00-08:00@America/Los_Angeles
    #[arg(long, value_name = "WINDOW", value_parser = values::hours, help_heading = "Limits", hide_short_help = true)]
    pub only_between: Option<Hours>,
    /// What the run may cost in all: it halts before it costs more
    #[arg(long, value_name = "X", value_parser = parse::budget, help_heading = "Limits")]
    pub budget_usd: Option<Pico>,
    /// Hold for batches no less than all they can cost
    #[arg(
        hide_short_help = true,
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        help_heading = "Limits"
    )]
    pub budget_strict: Option<bool>,
    /// Searches to hold for where a search tool sets no limit
    #[arg(long, value_name = "N", value_parser = parse::at_least_one, help_heading = "Limits", hide_short_help = true)]
    pub budget_assume_searches: Option<u32>,
    /// Let one request warm a shared prompt cache first [default: auto]
    #[arg(long, value_name = "auto|off", value_parser = auto_or_off, help_heading = "Limits", hide_short_help = true)]
    pub cache_warm: Option<AutoOrOff>,
    /// Cache long beginnings that requests share [default: off]
    #[arg(long, value_name = "auto|off", value_parser = auto_or_off, help_heading = "Limits", hide_short_help = true)]
    pub cache_prefix: Option<AutoOrOff>,
    /// Stream answers: auto, always or never [default: auto]
    #[arg(long, value_name = "WHEN", value_parser = parse::stream_mode(), hide_possible_values = true, help_heading = "Dispatch", hide_short_help = true)]
    pub stream: Option<StreamMode>,
    /// Time for one request; a stream may take six times as long [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration, help_heading = "Dispatch", hide_short_help = true)]
    pub timeout: Option<Duration>,
    /// Time for requests in flight to finish after Ctrl-C [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Dispatch", hide_short_help = true)]
    pub grace: Option<Duration>,
    /// Seed of every random choice, to repeat a run
    #[arg(long, value_name = "N", value_parser = parse::natural, help_heading = "Dispatch", hide_short_help = true)]
    pub seed: Option<u64>,
    /// Append events to this file, one JSON object per line; `-` is standard output. Into a FIFO or a
    /// pipe whose reader does not keep up, some are left out
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Dispatch",
        hide_short_help = true
    )]
    pub events: Option<PathBuf>,
    /// Lane: auto (by deadline), live or batch (half the price) [default: auto]
    #[arg(long, value_name = "LANE", value_parser = parse::lane(), hide_possible_values = true, help_heading = "Batches")]
    pub lane: Option<LaneChoice>,
    /// When the answers are wanted: 6h (from now on), or a time
    #[arg(long, value_name = "WHEN", value_parser = parse::deadline, help_heading = "Batches")]
    pub deadline: Option<Timestamp>,
    /// Most requests in one batch, 1 to 100000 [default: 100000]
    #[arg(long, value_name = "N", value_parser = parse::batch_size, help_heading = "Batches", hide_short_help = true)]
    pub batch_size: Option<u32>,
    /// Create the batches and leave; `resume` fetches their results
    #[arg(long, help_heading = "Batches", hide_short_help = true)]
    pub no_wait: bool,
    /// Failed attempts that end a job, rate limits aside [default: 8]
    #[arg(long, value_name = "N", value_parser = parse::at_least_one, help_heading = "Retries", hide_short_help = true)]
    pub max_attempts: Option<u32>,
    /// Multiply our own waits before a retry [default: 1]
    #[arg(long, value_name = "X", value_parser = parse::scale, help_heading = "Retries", hide_short_help = true)]
    pub retry_scale: Option<f64>,
    /// Give up a job that fails so long after its first attempt
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration, help_heading = "Retries", hide_short_help = true)]
    pub give_up_after: Option<Duration>,
    /// What to do when no job can succeed [default: exit]
    #[arg(long, value_name = "exit|wait", value_parser = on_halt, help_heading = "Retries", hide_short_help = true)]
    pub on_halt: Option<OnHalt>,
    /// What to do with an answer cut at `max_tokens`.
    #[arg(
        hide_short_help = true,
        long,
        value_name = "keep|raise",
        value_parser = on_truncated,
        help_heading = "Retries",
        help = "Answers cut at max_tokens: keep, or raise it once [default: keep]"
    )]
    pub on_truncated: Option<OnTruncated>,
    /// Model to ask after a refusal or two overloads; repeat for more
    #[arg(long = "fallback-model", value_name = "ID", value_parser = parse::model_id, help_heading = "Retries", hide_short_help = true)]
    pub fallback_models: Vec<String>,
    /// Root of the API. It may hold a password by mistake, so it is checked where nothing echoes it.
    #[arg(
        hide_short_help = true,
        long,
        value_name = "URL",
        help_heading = "Endpoint",
        help = "API root [default: https://api.anthropic.com] [env: ANTHROPIC_BASE_URL]"
    )]
    pub base_url: Option<SecretString>,
    /// Trust the certificates of this PEM file too
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Endpoint",
        hide_short_help = true
    )]
    pub ca_bundle: Option<PathBuf>,
    /// Whether keys and prompts may go unencrypted to another machine.
    #[arg(
        hide_short_help = true,
        long,
        help_heading = "Endpoint",
        help = "Allow http:// beyond this machine [env: CLAUDE_RUN_INSECURE_HTTP]"
    )]
    pub insecure_http: bool,
    /// Run against a simulator in this process: no key, no cost, no real answers
    #[arg(long, conflicts_with = "base_url", help_heading = "Endpoint")]
    pub simulate: bool,
}

fn on_halt(text: &str) -> Result<OnHalt, String> {
    text.parse()
}

fn auto_or_off(text: &str) -> Result<AutoOrOff, String> {
    text.parse()
}

fn on_truncated(text: &str) -> Result<OnTruncated, String> {
    text.parse()
}
