//! Remarks about a good line: nothing is refused, but the user may want to know.

use std::fmt;

use super::line_error::column_at;
use crate::model::Lane;

/// What there is to remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoteKind {
    /// `stream` was taken out of the request: how it is sent is decided when it is sent.
    StreamTakenOut,
    /// The Batches API refuses requests with this key (or, for `max_tokens`, with 0).
    NotInBatch(&'static str),
    /// The Batches API ignores this key.
    IgnoredInBatch(&'static str),
    /// The deadline was over when the line was read.
    DeadlinePast,
}

impl NoteKind {
    /// Whether it matters in the batch lane alone.
    #[must_use]
    pub fn is_about_batch(self) -> bool {
        matches!(self, Self::NotInBatch(_) | Self::IgnoredInBatch(_))
    }
}

impl fmt::Display for NoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StreamTakenOut => f.write_str(
                "`stream` is taken out of the request: how an answer travels does not change it",
            ),
            Self::NotInBatch("max_tokens") => {
                f.write_str("the batch lane refuses `max_tokens` 0: raise it, or use the live lane")
            }
            Self::NotInBatch(key) => write!(
                f,
                "the batch lane refuses `{key}`: leave it out, or use the live lane"
            ),
            Self::IgnoredInBatch(key) => write!(f, "the batch lane ignores `{key}`"),
            Self::DeadlinePast => f.write_str("the deadline is over already"),
        }
    }
}

/// A remark about one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineNote {
    /// The physical line, from 1.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What there is to remark.
    pub kind: NoteKind,
    /// The lane that the line itself asks for, if it does.
    pub lane: Option<Lane>,
}

impl LineNote {
    /// Whether it matters in a run whose lane, for lines that name none, is `run_lane` (none is
    /// `auto`, which keeps such a request out of batches).
    #[must_use]
    pub fn concerns(&self, run_lane: Option<Lane>) -> bool {
        !self.kind.is_about_batch() || self.lane.or(run_lane) == Some(Lane::Batch)
    }
}

impl fmt::Display for LineNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line, column, kind, ..
        } = self;
        write!(f, "line {line}, column {column}: {kind}")
    }
}

/// Notes with their places in bytes, before the line's lane is known.
#[derive(Debug, Default)]
pub(super) struct LineNotes(Vec<(usize, NoteKind)>);

impl LineNotes {
    pub(super) fn push(&mut self, offset: usize, kind: NoteKind) {
        self.0.push((offset, kind));
    }

    /// Whether the Batches API would refuse the request.
    pub(super) fn forbid_batch(&self) -> bool {
        let refused = |kind: &NoteKind| matches!(kind, NoteKind::NotInBatch(_));
        self.0.iter().any(|(_, kind)| refused(kind))
    }

    /// The notes of a line; what concerns batches alone is left out of a line for the live lane.
    pub(super) fn locate(self, number: u64, text: &str, lane: Option<Lane>) -> Vec<LineNote> {
        self.0
            .into_iter()
            .filter(|(_, kind)| lane != Some(Lane::Live) || !kind.is_about_batch())
            .map(|(offset, kind)| LineNote {
                line: number,
                column: column_at(text, offset),
                kind,
                lane,
            })
            .collect()
    }
}
