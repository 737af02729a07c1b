//! What can go wrong while something is read and shown.

use std::io;
use std::path::PathBuf;

use crate::store::StoreError;

/// What the functions of this room return.
pub type Result<T> = std::result::Result<T, ReportError>;

/// Why something could not be shown or exported.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The given writer failed. A broken pipe is among them: its reader went away, which callers
    /// may take for a wish to stop.
    #[error(
        "the output could not be written: {0}. The store is untouched; run the same command again when the cause is repaired"
    )]
    Output(io::Error),
    /// The target file could not be made, written or put in its place.
    #[error("{path} could not be {step}: {why}. What was there before is untouched; {remedy}")]
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
    #[error(
        "the stored {what} of input line {line} cannot be read: {why}. Keep a copy of the store, and report this as a bug of claude-run"
    )]
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

impl std::fmt::Display for FileStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Written => "written",
            Self::Replaced => "put in its place",
        })
    }
}
