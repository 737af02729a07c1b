//! What can go wrong while something is read and shown.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::model::Problem;
use crate::store::StoreError;

/// What the functions of this room return.
pub type Result<T> = std::result::Result<T, ReportError>;

/// Why something could not be shown or exported.
#[derive(Debug)]
pub enum ReportError {
    /// The store could not be read.
    Store(StoreError),
    /// The given writer failed. A broken pipe is among them: its reader went away, which callers
    /// may take for a wish to stop.
    Output(io::Error),
    /// The target file could not be made, written or put in its place.
    File {
        /// The target as the user named it.
        path: PathBuf,
        /// What was tried.
        step: FileStep,
        /// The system's words.
        why: io::Error,
        /// What to do next.
        remedy: &'static str,
    },
    /// Something stored as JSON is none.
    NotJson {
        /// The job's input line.
        line: u64,
        /// Which part of the result.
        what: &'static str,
        /// What the parser said.
        why: serde_json::Error,
    },
}

impl ReportError {
    /// What happened, why, and what to do next.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Store(error) => error.problem(),
            Self::Output(why) => Problem::new(
                "the output could not be written",
                "the store is untouched; run the same command again when the cause is repaired",
            )
            .because(why),
            Self::File {
                path,
                step,
                why,
                remedy,
            } => Problem::new(
                format!("{} could not be {step}", path.display()),
                format!("what was there before is untouched; {remedy}"),
            )
            .because(why),
            Self::NotJson { line, what, why } => Problem::new(
                format!("the stored {what} of input line {line} cannot be read"),
                "keep a copy of the store, and report this as a bug of claude-run",
            )
            .because(why),
        }
    }

    /// Whether the reader of our output went away (`claude-run export -o - | head`): no reason to
    /// complain.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        let (Self::Output(why) | Self::File { why, .. }) = self else {
            return false;
        };
        why.kind() == io::ErrorKind::BrokenPipe
    }
}

impl From<StoreError> for ReportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for ReportError {}

/// A step on the way of an exported file to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileStep {
    /// Making the new file beside the target, or opening a device or pipe.
    Created,
    /// Writing and syncing it.
    Written,
    /// Renaming it over the target.
    Replaced,
}

impl fmt::Display for FileStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Written => "written",
            Self::Replaced => "put in its place",
        })
    }
}
