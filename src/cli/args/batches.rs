//! `batches`: remote batches, and the two manual ways to set right what is known of one.

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  claude-run batches                      batches of the latest run and what happens next
  claude-run batches adopt msgbatch_01    this is the batch whose create answer was lost
  claude-run batches forget msgbatch_01   give up a batch: its jobs go back to the queue";

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
    /// Name the remote batch that a create call made whose answer was lost
    Adopt(AdoptArgs),
    /// Give up a batch: its results are not fetched, and its jobs go back to the queue
    Forget(ForgetArgs),
}

const ADOPT_EXAMPLES: &str = "\
Examples:
  claude-run batches adopt msgbatch_01              the only uncertain batch is this one
  claude-run batches adopt msgbatch_01 --batch 7f3  one of several: `claude-run batches` shows their ids";

/// `claude-run batches adopt`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = ADOPT_EXAMPLES)]
pub struct AdoptArgs {
    /// The API's id of the batch (msgbatch_...)
    #[arg(value_name = "ID")]
    pub id: String,
    /// Our id of the uncertain batch, if there are several
    #[arg(long, value_name = "LOCAL_ID")]
    pub batch: Option<String>,
}

const FORGET_EXAMPLES: &str = "\
What the API has answered in it may be billed, and is bought again.

Examples:
  claude-run batches forget msgbatch_01   its jobs go back to the queue
  claude-run resume                       and are sent again";

/// `claude-run batches forget`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = FORGET_EXAMPLES)]
pub struct ForgetArgs {
    /// The batch: the API's id or ours
    #[arg(value_name = "ID")]
    pub id: String,
}
