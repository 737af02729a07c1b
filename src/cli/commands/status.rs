//! `claude-run status`: runs and their counts.

use crate::cli::args::StatusArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Out, width};
use crate::clock::Clock;
use crate::report::{StatusLine, status_detail, status_list};
use crate::store::Reader;

use super::{batches, select};

/// Shows all runs, or one in detail.
pub async fn status(ctx: &Context, args: StatusArgs) -> Result<Exit, Failure> {
    let opened = select::open(&ctx.settings.store.path)?;
    let all = opened.reader.runs().await?;
    let runs = match &args.run {
        Some(wanted) => vec![select::one(&opened.reader, Some(wanted)).await?],
        None => all.clone(),
    };
    if runs.is_empty() {
        return Err(select::no_run());
    }
    let now = Clock::system().now();
    let mut lines = Vec::new();
    for run in &runs {
        let line = StatusLine::new(run, opened.dispatcher_alive);
        let waiting = if run.jobs.pending > 0 {
            opened.reader.waiting(run.id, now).await?
        } else {
            None
        };
        lines.push(line.with_waiting(waiting));
    }
    let mut out = Out::stdout();
    if args.json {
        lines.iter().try_for_each(|line| out.json(line))?;
    } else if let (Some(_), [line]) = (&args.run, lines.as_slice()) {
        let batches = batches::lines(&opened, &runs[0], now).await?;
        let short = select::short_id(&all, &runs[0]);
        out.line(status_detail(line, &batches, now, &short, width()).trim_end())?;
    } else {
        out.line(status_list(&lines, width()).trim_end())?;
    }
    out.finish()?;
    select::tell_of_spool(ctx);
    Ok(Exit::Success)
}
