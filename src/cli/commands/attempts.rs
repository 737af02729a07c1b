//! `claude-run attempts`: the ledger.

use crate::cli::args::AttemptsArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Out, width};
use crate::report::{Layout, write_attempts_json, write_attempts_text};

use super::select;

/// Shows every attempt of a run, or of one job.
pub async fn attempts(ctx: &Context, args: AttemptsArgs) -> Result<Exit, Failure> {
    let reader = select::open(&ctx.settings.store.path)?.reader;
    let run = select::one(&reader, args.run.as_deref()).await?;
    let layout = Layout {
        width: width(),
        all_digits: ctx.settings.verbose > 0,
    };
    let (mut out, job) = (Out::stdout(), args.job.as_deref());
    let written = if args.json {
        write_attempts_json(&reader, run.id, job, &mut out).await?
    } else {
        write_attempts_text(&reader, run.id, job, layout, &mut out).await?
    };
    out.finish()?;
    match job {
        Some(job) if written == 0 => Err(Failure::usage(
            format!("no attempt of a job `{job}` in run {}", run.id),
            "see the ids with `claude-run attempts`, or name another run",
        )),
        None if written == 0 => {
            ctx.console
                .note("no attempt yet: `claude-run resume` starts the run");
            Ok(Exit::Success)
        }
        _ => Ok(Exit::Success),
    }
}
