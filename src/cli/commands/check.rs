//! `claude-run check`: everything that submit would say of a file, without storing it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::budget::Budgeted;
use super::endpoint::{self, Endpoint};
use super::estimates::{Estimates, count};
use super::judge::{Judge, Measures, Warning};
use super::lanes::Lanes;
use super::load;
use super::preflight;
use super::sample::Sample;
use crate::cli::args::CheckArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::clock::Clock;
use crate::input::{JobReader, Problems, Source};
use crate::model::{JobId, JsonStep, JsonView, NewJob, Shaping};
use crate::policy::{Census, Forecast};
use crate::progress::{plural, thousands};

/// Remarks that are shown with their places.
const MOST_WARNINGS: usize = 20;

/// What a file holds; the answer of `check --json`.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct CheckReport {
    /// The file, as the user wrote it.
    file: String,
    /// Good lines.
    jobs: u64,
    /// Bytes of all request bodies.
    request_bytes: u64,
    /// Jobs by model.
    models: BTreeMap<String, u64>,
    /// Bad lines.
    invalid: u64,
    /// The first bad lines, at most 1,000.
    problems: Vec<Problem>,
    /// The first remarks, at most 1,000; `notes` counts all of them.
    warnings: Vec<Problem>,
    /// Remarks, with the number of lines that each is about.
    notes: Vec<Remarked>,
    /// Good lines that the API is known to refuse; `warnings` says why.
    refused: u64,
    /// What the good lines are expected to need and to cost.
    estimates: Option<Estimates>,
}

/// A bad line, or a remark about a good one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// Its number, from 1.
    line: u64,
    /// The column, from 1.
    column: usize,
    /// Why it is refused, or what there is to remark.
    reason: String,
    /// The rule by which a remark was made that the guide names; null for any other.
    rule: Option<String>,
}

impl From<&Warning> for Problem {
    fn from(warning: &Warning) -> Self {
        Self {
            line: warning.line,
            column: warning.column,
            reason: warning.text.clone(),
            rule: warning.told.rule().map(str::to_owned),
        }
    }
}

/// A remark, counted.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Remarked {
    /// Lines that it is about.
    lines: u64,
    /// What is to be said of them.
    note: String,
}

/// Reads a file of jobs through and says what submit would refuse or remark.
pub async fn check(ctx: &Context, args: CheckArgs) -> Result<Exit, Failure> {
    let (source, shaping) = (load::open(&args.file)?, args.shaping.to_shaping(false));
    let now = Clock::system().now();
    let lanes = Lanes::of(&ctx.settings, false, now);
    let prices = endpoint::prices(&ctx.settings)?;
    let budget = Budgeted::of(&ctx.settings, &prices, lanes, now)?;
    let to = preflight::addressee(&ctx.settings, false);
    let measures = Measures {
        lanes,
        budget,
        preflight: preflight::preflight(&ctx.settings, &prices, to, now)?,
        is_strict: args.strict,
    };
    let judge = Judge::alone(source.name(), measures)?;
    let gathered = Gathered {
        census: Census::new(prices.clone(), now),
        forecast: Forecast::new(
            prices,
            now,
            ctx.settings.limits.budget_assume_searches.map(|n| n.0),
        ),
        sample: Sample::of(if args.exact {
            args.sample.0 as usize
        } else {
            0
        }),
    };
    // Better to miss the key now than after a million lines.
    let endpoint = if args.exact {
        Some(Endpoint::api(ctx, &ctx.settings, Clock::system())?)
    } else {
        None
    };
    let reading = tokio::task::spawn_blocking(move || read(source, &shaping, judge, now, gathered));
    let (mut checked, problems, gathered) = reading.await.map_err(|_| load::lost_reader())??;
    checked.file = args.file.display().to_string();
    let Gathered {
        forecast,
        sample,
        census,
    } = gathered;
    let prefixes = census.choose();
    let estimates = estimate(ctx, &forecast, sample, endpoint.as_ref()).await;
    let prices = endpoint::prices(&ctx.settings)?;
    checked.estimates = Some(estimates.with_prefixes(&prefixes, &prices, now));
    if args.json {
        let mut out = Out::stdout();
        out.json(&checked)?;
        out.finish()?;
    } else {
        if problems.is_empty() && checked.jobs > 0 {
            tell(&checked, ctx.settings.verbose > 0)?;
        }
        warn(ctx, &checked);
    }
    if problems.is_empty() && checked.jobs > 0 {
        return Ok(Exit::Success);
    }
    if args.json {
        return Ok(Exit::Usage);
    }
    Err(match checked.invalid {
        0 => load::no_job(Path::new(&checked.file)),
        _ => Failure::usage(
            problems.to_string(),
            "correct the input, or submit it with --skip-invalid to leave these lines out",
        ),
    })
}

/// What is gathered of the good lines on the way.
struct Gathered {
    forecast: Forecast,
    sample: Sample,
    /// What jobs share that no line marks.
    census: Census,
}

impl Gathered {
    fn add(&mut self, job: &NewJob, body: &JsonView<'_>) {
        let tokens = self.forecast.add(&job.model, body);
        self.sample.offer(&job.body, tokens);
        // No rows exist, since nothing is stored; the line's number tells jobs apart as well.
        let row = JobId(i64::try_from(job.line).unwrap_or(i64::MAX));
        self.census.add(row, &job.model, body);
    }
}

async fn estimate(
    ctx: &Context,
    forecast: &Forecast,
    sample: Sample,
    endpoint: Option<&Endpoint>,
) -> Estimates {
    let Some(endpoint) = endpoint else {
        return Estimates::new(forecast, &ctx.settings, None);
    };
    let sample = sample.take();
    let wanted = sample.len();
    let (counted, trouble) = count(&endpoint.provider, sample).await;
    if let Some(trouble) = trouble {
        let done = counted.map_or(0, |counted| counted.requests);
        ctx.console.warn(format!(
            "{done} of {wanted} requests could be counted: {trouble}"
        ));
    }
    Estimates::new(forecast, &ctx.settings, counted)
}

fn read(
    source: Source,
    shaping: &Shaping,
    mut judge: Judge,
    now: Timestamp,
    mut gathered: Gathered,
) -> Result<(CheckReport, Problems, Gathered), Failure> {
    let mut reader = JobReader::new(source, shaping, now);
    let mut checked = CheckReport::default();
    while let Some(item) = reader.next() {
        let item = item.map_err(|error| load::unreadable(&error))?;
        let place = |path: &[JsonStep]| reader.column_of(path);
        let Some(job) = judge.judge(item, place, |job, body| gathered.add(job, body))? else {
            continue;
        };
        checked.jobs += 1;
        checked.request_bytes += job.body.len() as u64;
        *checked.models.entry(job.model).or_default() += 1;
    }
    let Judge {
        problems,
        notes,
        warnings,
        refused,
        ..
    } = judge;
    checked.refused = refused;
    checked.invalid = problems.count();
    checked.problems = problems
        .first()
        .iter()
        .map(|error| Problem {
            line: error.line,
            column: error.column,
            reason: error.reason.clone(),
            rule: None,
        })
        .collect();
    checked.warnings = warnings.iter().map(Problem::from).collect();
    checked.notes = notes
        .into_iter()
        .map(|(told, noted)| Remarked {
            lines: noted.lines,
            note: told.to_string(),
        })
        .collect();
    Ok((checked, problems, gathered))
}

fn tell(checked: &CheckReport, all_digits: bool) -> Result<(), Failure> {
    let mut out = Out::stdout();
    let found = match checked.refused {
        0 => "all good".to_owned(),
        refused => format!("{} of them known to be refused", thousands(refused)),
    };
    out.line(format!(
        "{}: {}, {found}; {} bytes of requests",
        checked.file,
        plural(checked.jobs, "job"),
        thousands(checked.request_bytes)
    ))?;
    for (model, jobs) in &checked.models {
        out.line(format!("  {model}: {}", plural(*jobs, "job")))?;
    }
    let estimates = checked.estimates.iter();
    for line in estimates.flat_map(|estimates| estimates.lines(all_digits)) {
        out.line(line)?;
    }
    out.finish()?;
    Ok(())
}

/// The first remarks with their places, then how many there are of each kind.
fn warn(ctx: &Context, checked: &CheckReport) {
    for warning in checked.warnings.iter().take(MOST_WARNINGS) {
        let Problem {
            line,
            column,
            reason,
            ..
        } = warning;
        let line = format!("line {line}, column {column}: {reason}");
        ctx.console.note(line);
    }
    for note in &checked.notes {
        ctx.console
            .note(format!("{}: {}", plural(note.lines, "line"), note.note));
    }
}
