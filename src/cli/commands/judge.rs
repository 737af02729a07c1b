//! What becomes of each line of an input: a job, or a bad line; and what there is to remark. `submit`
//! and `check` judge by it alike, so both list the same problems, and all of them.

use std::collections::BTreeMap;
use std::io;

use super::budget::Budgeted;
use super::lanes::{Lanes, Remark, Told};
use crate::cli::failure::Failure;
use crate::input::{Item, LineError, LineNote, Problems};
use crate::model::{JsonView, NewJob};
use crate::store::sqlite::SeenIds;

/// Remarks that are kept with their places; the rest is counted.
const MAX_KEPT: usize = 1_000;

/// Judges the lines of one input, in order.
pub(super) struct Judge {
    lanes: Lanes,
    /// How the jobs fit into the budget, if there is one.
    pub(super) budget: Option<Budgeted>,
    /// `None` where the store looks for doubled ids.
    seen: Option<SeenIds>,
    pub(super) problems: Problems,
    /// What is told, with the number of lines that it is about.
    pub(super) notes: BTreeMap<Told, u64>,
    /// The first remarks, in the order of lines.
    pub(super) warnings: Vec<Warning>,
}

/// A remark about one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Warning {
    pub(super) line: u64,
    pub(super) column: usize,
    pub(super) told: Told,
}

impl Judge {
    /// One that looks for doubled ids itself, because nothing is stored.
    pub(super) fn alone(
        name: &str,
        lanes: Lanes,
        budget: Option<Budgeted>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            seen: Some(SeenIds::new().map_err(|error| not_kept(&error))?),
            ..Self::beside_the_store(name, lanes, budget)
        })
    }

    /// One whose good lines are all stored, bad lines or not: the store finds doubled ids, for sure and
    /// in no memory.
    pub(super) fn beside_the_store(name: &str, lanes: Lanes, budget: Option<Budgeted>) -> Self {
        Self {
            lanes,
            budget,
            seen: None,
            problems: Problems::new(name),
            notes: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    /// The job of this line, if it is a good one; then `gather` sees it too, with the view of its
    /// request that was judged.
    pub(super) fn judge(
        &mut self,
        item: Item,
        gather: impl FnOnce(&NewJob, &JsonView<'_>),
    ) -> Result<Option<NewJob>, Failure> {
        let (job, about) = match item {
            Item::Job { job, notes } => (job, notes),
            Item::Bad(error) => {
                self.problems.push(error);
                return Ok(None);
            }
        };
        let body = job.body.view();
        let refused = match self.remark(&job, &body, &about) {
            Some(refused) => Some(refused),
            None => self.doubled(&job)?,
        };
        if let Some(refused) = refused {
            self.problems.push(refused);
            return Ok(None);
        }
        gather(&job, &body);
        drop(body);
        Ok(Some(job))
    }

    fn doubled(&mut self, job: &NewJob) -> Result<Option<LineError>, Failure> {
        let Some(seen) = &mut self.seen else {
            return Ok(None);
        };
        let first = seen.see(&job.custom_id, job.line);
        let first = first.map_err(|error| not_kept(&error))?;
        Ok(first.map(|first| LineError::duplicate_id(job.line, &job.custom_id, first)))
    }

    /// Notes what is to be told of a line; why it cannot be carried out, if it cannot.
    fn remark(
        &mut self,
        job: &NewJob,
        body: &JsonView<'_>,
        about: &[LineNote],
    ) -> Option<LineError> {
        let mut told = Vec::new();
        for note in about {
            match self.lanes.judge(job, note) {
                Remark::Refuse(error) => return Some(error),
                Remark::Tell(what) => told.push((note, what)),
                Remark::Nothing => {}
            }
        }
        let budget = self.budget.as_mut();
        if let Some(refused) = budget.and_then(|budget| budget.judge(job, body)) {
            return Some(refused);
        }
        for (note, told) in told {
            *self.notes.entry(told).or_default() += 1;
            if self.warnings.len() < MAX_KEPT {
                self.warnings.push(Warning {
                    line: note.line,
                    column: note.column,
                    told,
                });
            }
        }
        None
    }
}

/// Nothing is stored, but the ids of a large input must be kept somewhere while it is read.
fn not_kept(error: &io::Error) -> Failure {
    Failure::internal(
        "the ids of the lines could not be kept while the file was read",
        "make room in the folder for temporary files, or name another one with TMPDIR, then run the command again",
    )
    .because(error.to_string())
}
