//! Results on their way out, in input order: JSON lines or CSV, to a file or any writer.
//!
//! Promises: the message of a job is written byte for byte as the API sent it (newlines between
//! its tokens excepted, which would break the lines); a file is either complete or not there.

mod answer;
mod csv;
mod file;
mod jsonl;
mod line;
mod strict;

use std::io::Write;
use std::path::Path;

use super::error::Result;
use crate::model::{JobState, RunId};
use crate::store::{Only, Reader, ResultBody, ResultRow};

pub use self::csv::{CsvFit, write_csv};
pub use self::file::TargetFile;
pub use self::jsonl::write_jsonl;
pub use self::line::{ExportResult, ResultLine, ResultRun};

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object per line, a superset of a Message Batches result line.
    #[default]
    Jsonl,
    /// One row per job, with a heading.
    Csv(CsvFit),
}

/// How many jobs were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportCounts {
    /// All of them.
    pub total: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that were cancelled.
    pub canceled: u64,
    /// Jobs that were not written, since what is stored of them is damaged.
    pub damaged: u64,
    /// The first few of those.
    pub damaged_jobs: Vec<NamedJob>,
    /// Jobs that were written with what can be shown of an odd answer.
    pub odd: u64,
    /// The first few of those.
    pub odd_jobs: Vec<NamedJob>,
}

/// A job that could not be exported, or not as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedJob {
    /// Its input line.
    pub line: u64,
    /// The user's id of it.
    pub custom_id: String,
    /// What is the matter with it.
    pub why: String,
}

impl NamedJob {
    fn of(row: &ResultRow, why: &str) -> Self {
        Self {
            line: row.line,
            custom_id: row.custom_id.clone(),
            why: why.to_owned(),
        }
    }
}

/// Jobs that are named; the others are counted.
const MOST_NAMED: usize = 20;

impl ExportCounts {
    fn count(&mut self, state: JobState) {
        self.total += 1;
        match state {
            JobState::Succeeded => self.succeeded += 1,
            JobState::Canceled => self.canceled += 1,
            _ => self.failed += 1,
        }
    }

    fn leave_out(&mut self, row: &ResultRow, why: &str) {
        self.damaged += 1;
        if self.damaged_jobs.len() < MOST_NAMED {
            self.damaged_jobs.push(NamedJob::of(row, why));
        }
    }

    fn note_odd(&mut self, row: &ResultRow, why: Option<&str>) {
        let Some(why) = why else { return };
        self.odd += 1;
        if self.odd_jobs.len() < MOST_NAMED {
            self.odd_jobs.push(NamedJob::of(row, why));
        }
    }
}

/// Writes the ended jobs of a run to any writer (standard output, say), and flushes it.
pub async fn write_results<R: Reader>(
    reader: &R,
    run: RunId,
    only: Only,
    format: ExportFormat,
    out: &mut impl Write,
) -> Result<ExportCounts> {
    match format {
        ExportFormat::Jsonl => write_jsonl(reader, run, only, out).await,
        ExportFormat::Csv(fit) => write_csv(reader, run, only, fit, out).await,
    }
}

/// Writes the ended jobs of a run to a file: all of it, or nothing and whatever was there before
/// stays (see [`TargetFile`]).
pub async fn export_to_file<R: Reader>(
    reader: &R,
    run: RunId,
    only: Only,
    format: ExportFormat,
    path: &Path,
) -> Result<ExportCounts> {
    let mut target = TargetFile::create(path)?;
    let written = write_results(reader, run, only, format, &mut target).await;
    let counts = written.map_err(|error| target.name_in(error))?;
    target.commit()?;
    Ok(counts)
}

/// The page after this line, or none at the end. Moves the line on. Damaged jobs are left out, and
/// counted: one of them is no reason to keep the others back.
async fn next_page<R: Reader>(
    reader: &R,
    run: RunId,
    only: Only,
    after_line: &mut u64,
    counts: &mut ExportCounts,
) -> Result<Option<Vec<ResultRow>>> {
    let mut page = reader.results(run, only, *after_line).await?;
    let Some(last) = page.last() else {
        return Ok(None);
    };
    *after_line = last.line;
    page.retain(|row| {
        let damaged = row.damaged.clone().or_else(|| no_json(row));
        if let Some(why) = &damaged {
            counts.leave_out(row, why);
        }
        damaged.is_none()
    });
    Ok(Some(page))
}

/// What of a row should be JSON and is none: it would break the line around it.
fn no_json(row: &ResultRow) -> Option<String> {
    let check = |what: &str, json: &str| {
        let read = serde_json::from_str::<&serde_json::value::RawValue>(json);
        read.err()
            .map(|why| format!("its {what} is no JSON: {why}"))
    };
    let of_result = match &row.result {
        ResultBody::Message(message) => check("message", message),
        ResultBody::Error(error) => check("error", error),
        ResultBody::Refusal { error, message } => {
            check("error", error).or_else(|| check("message", message))
        }
        ResultBody::Nothing => None,
    };
    let metadata = row.metadata.as_deref();
    of_result.or_else(|| metadata.and_then(|json| check("metadata", json)))
}
