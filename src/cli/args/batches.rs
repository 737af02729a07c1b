//! `batches`: remote batches, and the two manual ways to set right what is known of one.

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  claude-run batches                      batches of the latest run and what happens next
  claude-run batches adopt msgbatch_01    the batch whose creation is in doubt is this one
  claude-run batches forget msgbatch_01   give a batch up: its jobs go back to the queue";

/// `claude-run batches`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, args_conflicts_with_subcommands = true, override_usage = "claude-run batches [OPTIONS] [RUN | COMMAND]")]
pub struct BatchesArgs {
    /// Run to show [default: the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Print one JSON object per batch and line
    #[arg(long)]
    pub json: bool,
    /// What to do instead of showing them.
    #[command(subcommand)]
    pub action: Option<BatchesAction>,
}

/// What can be done about a batch by hand.
#[derive(Clone, Debug, Subcommand)]
pub enum BatchesAction {
    /// Say which remote batch a create call without an answer has made
    Adopt(AdoptArgs),
    /// Give a batch up: its results are not fetched, and its jobs go back to the queue
    Forget(ForgetArgs),
}

/// `claude-run batches adopt`.
#[derive(Args, Clone, Debug)]
pub struct AdoptArgs {
    /// The API's id of the batch (msgbatch_...)
    #[arg(value_name = "ID")]
    pub id: String,
    /// Our id of the batch in doubt, if there are several
    #[arg(long, value_name = "LOCAL_ID")]
    pub batch: Option<String>,
}

/// `claude-run batches forget`.
#[derive(Args, Clone, Debug)]
pub struct ForgetArgs {
    /// The batch: the API's id or ours
    #[arg(value_name = "ID")]
    pub id: String,
}
