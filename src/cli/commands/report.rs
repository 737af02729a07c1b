//! `claude-run report`: what it cost and what went wrong.

use crate::cli::args::{ReportArgs, ReportFormat};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::report::{load_report, report_text};

use super::{endpoint, select};

/// Shows the cost and error report of a run.
pub async fn report(ctx: &Context, args: ReportArgs) -> Result<Exit, Failure> {
    let opened = select::open(&ctx.settings.store.value)?;
    let run = select::one(&opened.reader, args.run.as_deref()).await?;
    let prices = endpoint::prices(&ctx.settings)?;
    let report = load_report(
        &opened.reader,
        &run,
        opened.dispatcher_alive,
        prices.version(),
    )
    .await?;
    let mut out = Out::stdout();
    match args.format() {
        ReportFormat::Json => out.json(&report)?,
        ReportFormat::Text => out.line(report_text(&report).trim_end())?,
    }
    out.finish()?;
    Ok(Exit::Success)
}
