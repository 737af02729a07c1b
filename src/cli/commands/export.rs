//! `claude-run export`: results in input order.

use std::path::Path;

use crate::cli::args::{ExportArgs, ExportAs, ExportOnly};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::cli::signals::Signals;
use crate::model::Run;
use crate::progress::plural;
use crate::report::{self, CsvFit, ExportCounts, NamedJob, export_to_file, write_results};
use crate::store::Only;
use crate::store::sqlite::SqliteReader;

use super::select;
use super::targets;

/// Writes the results of a run to a file, or to standard output for `-`.
pub async fn export(ctx: &Context, args: ExportArgs) -> Result<Exit, Failure> {
    if args.format != ExportAs::Csv && (args.csv_safe || args.csv_bom) {
        return Err(Failure::usage(
            "--csv-safe and --csv-bom are about CSV alone",
            "add --format csv, or leave them out",
        ));
    }
    let reader = select::open(&ctx.settings.store.path)?.reader;
    let run = select::one(&reader, args.run.as_deref()).await?;
    let input = Path::new(&run.file);
    targets::refuse_ours(&args.output, "-o", &ctx.settings.store.path, Some(input))?;
    let mut signals = Signals::listen()?;
    let counts = tokio::select! {
        counts = write(&reader, &run, &args) => counts?,
        // Dropping the export removes what it had written beside its target.
        () = signals.next() => return Ok(Exit::Interrupted),
    };
    tell(ctx, &run, &args, &counts);
    tell_odd(ctx, &counts);
    if counts.damaged > 0 {
        return Err(damaged(&counts));
    }
    Ok(Exit::Success)
}

/// Everything else is written: a job with a damaged text keeps no other back, but a script must hear of it.
fn damaged(counts: &ExportCounts) -> Failure {
    Failure::internal(
        format!(
            "{} not written: what is stored of them is damaged",
            plural(counts.damaged, "result")
        ),
        "keep a copy of the store, and see with `claude-run verify` what else is damaged; restore a backup, or submit these lines anew with --new-run. All other results are written",
    )
    .because(named(&counts.damaged_jobs, counts.damaged))
}

/// The jobs that are named, and how many more there are.
fn named(jobs: &[NamedJob], all: u64) -> String {
    let mut named: Vec<_> = jobs
        .iter()
        .map(|job| format!("{} (line {}): {}", job.custom_id, job.line, job.why))
        .collect();
    let others = all - jobs.len() as u64;
    if others > 0 {
        named.push(format!("and {others} more"));
    }
    named.join("; ")
}

/// Their rows hold what can be shown; a person must hear that it is not what was stored.
fn tell_odd(ctx: &Context, counts: &ExportCounts) {
    if counts.odd > 0 {
        ctx.console.warn(format!(
            "{} not as tables show them ({}). `--format jsonl` has them as they came",
            plural(counts.odd, "answer"),
            named(&counts.odd_jobs, counts.odd)
        ));
    }
}

async fn write(
    reader: &SqliteReader,
    run: &Run,
    args: &ExportArgs,
) -> Result<ExportCounts, Failure> {
    let only = match args.only {
        ExportOnly::Succeeded => Only::Succeeded,
        ExportOnly::Failed => Only::Failed,
        ExportOnly::All => Only::All,
    };
    let format = match args.format {
        ExportAs::Jsonl => report::ExportFormat::Jsonl,
        ExportAs::Csv => report::ExportFormat::Csv(CsvFit {
            safe: args.csv_safe,
            bom: args.csv_bom,
        }),
    };
    // Standard output cannot be renamed: what is written there is final.
    if args.output == Path::new("-") {
        let mut out = Out::stdout();
        let counts = write_results(reader, run.id, only, format, &mut out).await?;
        out.finish()?;
        return Ok(counts);
    }
    Ok(export_to_file(reader, run.id, only, format, &args.output).await?)
}

fn tell(ctx: &Context, run: &Run, args: &ExportArgs, counts: &ExportCounts) {
    let to = match args.output.to_string_lossy() {
        path if path == "-" => "standard output".to_owned(),
        path => path.into_owned(),
    };
    let ExportCounts {
        total,
        succeeded,
        failed,
        canceled,
        ..
    } = counts;
    ctx.console.note(format!(
        "{} of run {} written to {to}: {succeeded} succeeded, {failed} failed, {canceled} cancelled",
        plural(*total, "result"),
        run.id
    ));
    if run.jobs.open() > 0 {
        ctx.console.note(format!(
            "{} not ended yet, so not among them",
            plural(run.jobs.open(), "job")
        ));
    }
    if run.simulated {
        ctx.console
            .warn("SIMULATED: these answers and costs are not real");
    }
}
