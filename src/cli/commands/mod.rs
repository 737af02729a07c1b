//! The commands: each takes the context and its arguments and returns how it ended.

#![expect(
    clippy::unused_async,
    reason = "the commands that need the engine and the store will wait for them"
)]

pub(crate) mod completions;
mod config;

use super::args::{
    AttemptsArgs, CancelArgs, CheckArgs, ConfigArgs, ExportArgs, ReportArgs, ResumeArgs, RetryArgs,
    SimulateArgs, StatusArgs, SubmitArgs,
};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::output::Out;

/// Shows every setting, its value and where it came from.
pub fn config(ctx: &Context, args: &ConfigArgs) -> Result<Exit, Failure> {
    config::run(ctx, args, Out::stdout())
}

/// Checks and stores a file of jobs, then runs it until every job has ended.
pub async fn submit(_ctx: &Context, _args: SubmitArgs) -> Result<Exit, Failure> {
    not_built("submit")
}

/// Goes on with a run, or with every unfinished run.
pub async fn resume(_ctx: &Context, _args: ResumeArgs) -> Result<Exit, Failure> {
    not_built("resume")
}

/// Shows runs and their counts.
pub async fn status(_ctx: &Context, _args: StatusArgs) -> Result<Exit, Failure> {
    not_built("status")
}

/// Shows the ledger of attempts.
pub async fn attempts(_ctx: &Context, _args: AttemptsArgs) -> Result<Exit, Failure> {
    not_built("attempts")
}

/// Writes results in input order.
pub async fn export(_ctx: &Context, _args: ExportArgs) -> Result<Exit, Failure> {
    not_built("export")
}

/// Shows costs and errors of a run.
pub async fn report(_ctx: &Context, _args: ReportArgs) -> Result<Exit, Failure> {
    not_built("report")
}

/// Puts failed jobs back in the queue.
pub async fn retry(_ctx: &Context, _args: RetryArgs) -> Result<Exit, Failure> {
    not_built("retry")
}

/// Ends every job that has not ended.
pub async fn cancel(_ctx: &Context, _args: CancelArgs) -> Result<Exit, Failure> {
    not_built("cancel")
}

/// Says what submit would refuse or warn about.
pub async fn check(_ctx: &Context, _args: CheckArgs) -> Result<Exit, Failure> {
    not_built("check")
}

/// Serves a local imitation of the API.
pub async fn simulate(_ctx: &Context, _args: SimulateArgs) -> Result<Exit, Failure> {
    not_built("simulate")
}

fn not_built(command: &str) -> Result<Exit, Failure> {
    Err(Failure::internal(
        format!("`{command}` is not built yet"),
        "use a later version",
    ))
}
