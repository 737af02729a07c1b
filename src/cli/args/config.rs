//! `config`: every setting, and which files and hosts the user trusts.

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  claude-run config                every setting in force and its origin
  claude-run config trust          let ./claude-run.toml say where keys and prompts go, as it is now
  claude-run config trust --list   files that are trusted, and hosts that are remembered";

/// `claude-run config`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, args_conflicts_with_subcommands = true, override_usage = "claude-run config [OPTIONS] [COMMAND]")]
pub struct ConfigArgs {
    /// Print a JSON array of {key, value, origin}
    #[arg(long)]
    pub json: bool,
    /// What to do instead of showing them.
    #[command(subcommand)]
    pub action: Option<ConfigAction>,
}

/// What can be done about the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigAction {
    /// Trust a config file of the working folder: it may say where keys and prompts go
    Trust(TrustArgs),
}

const TRUST_EXAMPLES: &str = "\
Read the file first: whoever wrote it decides where your key and your prompts go. It is trusted by its path
and its content; when it changes, it must be trusted again.

Examples:
  claude-run config trust                              accept ./claude-run.toml as it is now
  claude-run config trust --list                       what is trusted and remembered
  claude-run config trust --revoke                     stop trusting ./claude-run.toml
  claude-run config trust --revoke https://gate.test   forget a host that was remembered";

/// `claude-run config trust`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = TRUST_EXAMPLES)]
pub struct TrustArgs {
    /// Config file [default: ./claude-run.toml]; with --revoke also the address of a host
    #[arg(value_name = "FILE", conflicts_with = "list")]
    pub what: Option<String>,
    /// Show which files are trusted and which hosts are remembered
    #[arg(long)]
    pub list: bool,
    /// Stop trusting the file, or forget the host
    #[arg(long, conflicts_with = "list")]
    pub revoke: bool,
    /// With --list: print one JSON object per entry and line
    #[arg(long, requires = "list")]
    pub json: bool,
}
