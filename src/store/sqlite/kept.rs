//! The kept file: answers that were paid for and that the store cannot hold, or has no place for.
//!
//! It stands beside the store, private, as JSON lines, so that people can read what they have paid for.
//! Nothing is ever taken out of it by us. A job with a line in it is not put back by `retry`.

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::companion::{self, beside};
use super::errors::explain_io;
use super::tx::line_of;
use crate::model::{JobId, RunId};
use crate::store::{Finish, Result};

/// What the name of the file ends with.
const ENDING: &str = ".kept.jsonl";

/// The kept file of one store.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    durable: bool,
    writing: Mutex<()>,
}

/// A line of it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct KeptAnswer {
    run_id: RunId,
    /// The job's input line.
    line: u64,
    attempt: u32,
    /// Why it is here.
    why: String,
    end: Finish,
}

impl Kept {
    pub(super) fn beside(store: &Path, durable: bool) -> Self {
        Self {
            path: beside(store, ENDING),
            durable,
            writing: Mutex::new(()),
        }
    }

    /// The name of the file, for words.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// Keeps an end. It is on the disk when this returns. One that is kept already is not kept twice.
    pub(super) fn keep(&self, run: RunId, end: Finish, why: &str) -> Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let line = KeptAnswer {
            run_id: run,
            line: line_of(end.record.attempt.job.0),
            attempt: end.record.attempt.n,
            why: why.to_owned(),
            end,
        };
        self.append(&line)
            .map_err(|error| explain_io(&self.path, &error))
    }

    fn append(&self, line: &KeptAnswer) -> io::Result<()> {
        let mut file = companion::open(&self.path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        if lines(&text).any(|known| known.run_id == line.run_id && known.end == line.end) {
            return Ok(());
        }
        let mut written = serde_json::to_string(line)?;
        written.push('\n');
        if !text.is_empty() && !text.ends_with('\n') {
            // What a crash cut off stays a line of its own.
            written.insert(0, '\n');
        }
        file.seek(SeekFrom::End(0))?;
        file.write_all(written.as_bytes())?;
        if self.durable {
            file.sync_all()?;
        }
        Ok(())
    }

    /// The jobs of the run that have a line in it; none if it cannot be read.
    pub(super) fn jobs_of(&self, run: RunId) -> HashSet<JobId> {
        let text = text_of(&self.path).unwrap_or_default();
        lines(&text)
            .filter(|line| line.run_id == run)
            .map(|line| line.end.record.attempt.job)
            .collect()
    }
}

/// How many answers are kept beside the store at this path (without links), and in which file.
pub(super) fn count(store: &Path) -> Result<(u64, PathBuf)> {
    let path = beside(store, ENDING);
    let text = text_of(&path).map_err(|error| explain_io(&path, &error))?;
    let count = text.lines().filter(|line| !line.trim().is_empty()).count();
    Ok((count as u64, path))
}

fn text_of(path: &Path) -> io::Result<String> {
    let bytes = companion::read(path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Lines of another version, and those that were cut, are passed over.
fn lines(text: &str) -> impl Iterator<Item = KeptAnswer> {
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}
