//! `claude-run check`: everything that submit would say of a file, without storing it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::lanes::{Lanes, Told};
use super::load;
use crate::cli::args::CheckArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::clock::Clock;
use crate::input::{DuplicateFinder, Item, JobReader, LineError, Problems, Source};
use crate::model::Shaping;
use crate::progress::{plural, thousands};

/// What a file holds; the answer of `check --json`.
#[derive(Debug, Default, Serialize)]
struct Checked {
    file: String,
    /// Good lines.
    jobs: u64,
    /// Bytes of all request bodies.
    request_bytes: u64,
    /// Jobs by model.
    models: BTreeMap<String, u64>,
    /// Bad lines; the first twenty are in `problems`.
    invalid: u64,
    problems: Vec<Problem>,
    /// Remarks, with the number of lines that each is about.
    notes: Vec<Note>,
}

#[derive(Debug, Serialize)]
struct Problem {
    line: u64,
    column: usize,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Note {
    lines: u64,
    note: String,
}

/// Reads a file of jobs through and says what submit would refuse or remark.
pub async fn check(ctx: &Context, args: CheckArgs) -> Result<Exit, Failure> {
    let (source, shaping) = (load::open(&args.file)?, args.shaping.to_shaping(false));
    let now = Clock::system().now();
    let lanes = Lanes::of(&ctx.settings, false, now);
    let reading = tokio::task::spawn_blocking(move || read(source, &shaping, lanes, now));
    let (mut checked, problems) = reading.await.map_err(|error| {
        Failure::internal(
            "reading the input failed",
            "report this if it happens again",
        )
        .because(error.to_string())
    })??;
    checked.file = args.file.display().to_string();
    if args.json {
        let mut out = Out::stdout();
        out.json(&checked)?;
        out.finish()?;
    } else if problems.is_empty() && checked.jobs > 0 {
        tell(ctx, &checked)?;
    }
    if problems.is_empty() && checked.jobs > 0 {
        return Ok(Exit::Success);
    }
    if args.json {
        return Ok(Exit::Usage);
    }
    Err(match checked.invalid {
        0 => Failure::usage(
            format!("{} has no job", checked.file),
            "write one JSON object on each line; `claude-run submit --help` shows the two forms",
        ),
        _ => Failure::usage(
            problems.to_string(),
            "correct the input, or submit it with --skip-invalid to leave these lines out",
        ),
    })
}

fn read(
    source: Source,
    shaping: &Shaping,
    lanes: Lanes,
    now: Timestamp,
) -> Result<(Checked, Problems), Failure> {
    let reader = JobReader::new(source, shaping, now);
    let (mut checked, mut problems) = (Checked::default(), Problems::new(reader.name()));
    let (mut seen, mut notes) = (DuplicateFinder::new(), BTreeMap::<Told, u64>::new());
    for item in reader {
        let (job, about) = match item.map_err(|error| load::unreadable(&error))? {
            Item::Job { job, notes } => (job, notes),
            Item::Bad(error) => {
                problems.push(error);
                continue;
            }
        };
        if let Some(first) = seen.see(&job.custom_id, job.line) {
            problems.push(LineError::duplicate_id(job.line, &job.custom_id, first));
            continue;
        }
        if let Some(refused) = load::remark(lanes, &job, &about, &mut notes) {
            problems.push(refused);
            continue;
        }
        checked.jobs += 1;
        checked.request_bytes += job.body.len() as u64;
        *checked.models.entry(job.model).or_default() += 1;
    }
    checked.invalid = problems.count();
    checked.problems = problems
        .first()
        .iter()
        .map(|error| Problem {
            line: error.line,
            column: error.column,
            reason: error.reason.clone(),
        })
        .collect();
    checked.notes = notes
        .into_iter()
        .map(|(told, lines)| Note {
            lines,
            note: told.to_string(),
        })
        .collect();
    Ok((checked, problems))
}

fn tell(ctx: &Context, checked: &Checked) -> Result<(), Failure> {
    let mut out = Out::stdout();
    out.line(format!(
        "{}: {}, all good; {} bytes of requests",
        checked.file,
        plural(checked.jobs, "job"),
        thousands(checked.request_bytes)
    ))?;
    for (model, jobs) in &checked.models {
        out.line(format!("  {model}: {}", plural(*jobs, "job")))?;
    }
    out.finish()?;
    for note in &checked.notes {
        ctx.console
            .note(format!("{}: {}", plural(note.lines, "line"), note.note));
    }
    Ok(())
}
