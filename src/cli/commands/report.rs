//! `claude-run report`: what it cost and what went wrong.

use crate::cli::args::{ReportArgs, ReportFormat, TotalsKey};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Out, width};
use crate::report::{Layout, TotalsBy, load_report, load_totals, report_text, totals_text};
use crate::store::Reader;

use super::{endpoint, select};

/// Shows the cost and error report of a run.
pub async fn report(ctx: &Context, args: ReportArgs) -> Result<Exit, Failure> {
    let opened = select::open(&ctx.settings.store.path)?;
    let layout = Layout {
        width: width(),
        all_digits: ctx.settings.verbose > 0,
    };
    if args.all {
        return of_all(&opened.reader, &args, layout).await;
    }
    let run = select::one(&opened.reader, args.run.as_deref()).await?;
    let prices = endpoint::prices(&ctx.settings)?;
    let mut run = run;
    // The budget in force may stand in the config file, where the store does not know of it.
    run.options.budget_usd = ctx
        .settings_for(&run.options)?
        .limits
        .budget_usd
        .map(|amount| amount.0);
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
        ReportFormat::Text => out.line(report_text(&report, layout).trim_end())?,
    }
    out.finish()?;
    Ok(Exit::Success)
}

/// Sums over all runs.
async fn of_all<R: Reader>(reader: &R, args: &ReportArgs, layout: Layout) -> Result<Exit, Failure> {
    let by = match args.by {
        TotalsKey::Day => TotalsBy::Day,
        TotalsKey::Model => TotalsBy::Model,
        TotalsKey::Run => TotalsBy::Run,
    };
    let runs = reader.runs().await?;
    let totals = load_totals(reader, &runs, by).await?;
    let mut out = Out::stdout();
    match args.format() {
        ReportFormat::Json => out.json(&totals)?,
        ReportFormat::Text => out.line(totals_text(&totals, layout).trim_end())?,
    }
    out.finish()?;
    Ok(Exit::Success)
}
