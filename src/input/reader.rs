//! Reads a source to its end, one checked job or one explained error for each line.

use jiff::Timestamp;

use super::body_builder::Defaults;
use super::error::ReadError;
use super::line_error::LineError;
use super::lines::Lines;
use super::note::LineNote;
use super::parse::parse_line;
use super::place;
use super::source::Source;
use crate::model::{JsonStep, NewJob, Shaping};

/// What one line of the input is.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A job.
    Job {
        /// What is to be stored.
        job: NewJob,
        /// Remarks about the line; mostly none.
        notes: Vec<LineNote>,
    },
    /// A line that cannot become a job. Reading goes on after it.
    Bad(LineError),
}

/// Iterates over the lines of a source. Blank lines give nothing. After an `Err` nothing follows.
///
/// It does not look for `custom_id`s that come twice: the store does so when it loads a run, and
/// [`SeenIds`](crate::store::sqlite::SeenIds) where nothing is stored.
pub struct JobReader {
    lines: Lines,
    defaults: Defaults,
    submitted_at: Timestamp,
    ended: bool,
}

impl JobReader {
    /// A reader of that source. `shaping` fills what lines leave out (its `temperature` must be
    /// finite); relative deadlines count from `submitted_at`.
    #[must_use]
    pub fn new(source: Source, shaping: &Shaping, submitted_at: Timestamp) -> Self {
        Self {
            lines: Lines::new(source),
            defaults: Defaults::new(shaping),
            submitted_at,
            ended: false,
        }
    }

    /// What errors call the source.
    #[must_use]
    pub fn name(&self) -> &str {
        self.lines.source().name()
    }

    /// The hash of the whole unpacked content; none before the iteration has ended, or if reading
    /// broke off.
    #[must_use]
    pub fn content_hash(&self) -> Option<[u8; 32]> {
        self.lines.source().content_hash()
    }

    /// The column in the line that was read last of that part of its request, from 1.
    #[must_use]
    pub fn column_of(&self, path: &[JsonStep]) -> usize {
        let line = self.lines.text();
        line.map_or(1, |line| place::column_of(line, path))
    }

    /// How many lines were read so far, blank ones included.
    #[must_use]
    pub fn lines_read(&self) -> u64 {
        self.lines.number()
    }

    /// How many unpacked bytes were read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.lines.source().bytes_read()
    }
}

impl Iterator for JobReader {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = match self.lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => {
                self.ended = true;
                return None;
            }
            Err(error) => {
                // A stream that failed once would fail on the same line for ever.
                self.ended = true;
                return Some(Err(error));
            }
        };
        let parsed = line.and_then(|line| parse_line(&line, &self.defaults, self.submitted_at));
        Some(Ok(match parsed {
            Ok((job, notes)) => Item::Job { job, notes },
            Err(error) => Item::Bad(error),
        }))
    }
}
