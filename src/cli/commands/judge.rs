//! What becomes of each line of an input: a job, or a bad line; and what there is to remark. `submit`
//! and `check` judge by it alike, so both list the same problems, and all of them.

use std::collections::BTreeMap;
use std::io;

use super::budget::Budgeted;
use super::lanes::{Lanes, Remark, Told};
use crate::cli::failure::Failure;
use crate::input::{Item, LineError, LineNote, Problems};
use crate::model::{JsonStep, JsonView, NewJob};
use crate::policy::Reviewer;
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
    preflight: Reviewer,
    /// What the API is known to refuse is a problem, and not only told.
    is_strict: bool,
    /// Lines that the API is known to refuse.
    pub(super) refused: u64,
    /// What is told, with what it is about.
    pub(super) notes: BTreeMap<Told, Noted>,
    /// The first remarks, in the order of lines.
    pub(super) warnings: Vec<Warning>,
}

/// What a remark is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted {
    pub(super) lines: u64,
    /// The first of them with the particulars, where each has its own.
    pub(super) first: Option<String>,
}

/// A remark about one line.
#[derive(Clone, Debug)]
pub(super) struct Warning {
    pub(super) line: u64,
    pub(super) column: usize,
    pub(super) told: Told,
    pub(super) text: String,
}

/// What lines are judged by.
pub(super) struct Measures {
    pub(super) lanes: Lanes,
    pub(super) budget: Option<Budgeted>,
    pub(super) preflight: Reviewer,
    /// See [`Judge::is_strict`].
    pub(super) is_strict: bool,
}

impl Judge {
    /// One that looks for doubled ids itself, because nothing is stored.
    pub(super) fn alone(name: &str, measures: Measures) -> Result<Self, Failure> {
        Ok(Self {
            seen: Some(SeenIds::new().map_err(|error| not_kept(&error))?),
            ..Self::beside_the_store(name, measures)
        })
    }

    /// One whose good lines are all stored, bad lines or not: the store finds doubled ids, for sure and
    /// in no memory.
    pub(super) fn beside_the_store(name: &str, measures: Measures) -> Self {
        Self {
            lanes: measures.lanes,
            budget: measures.budget,
            seen: None,
            problems: Problems::new(name),
            preflight: measures.preflight,
            is_strict: measures.is_strict,
            refused: 0,
            notes: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    /// The job of this line, if it is a good one; then `gather` sees it too, with the view of its
    /// request that was judged. `column_of` finds a part of the request in the line.
    pub(super) fn judge(
        &mut self,
        item: Item,
        column_of: impl Fn(&[JsonStep]) -> usize,
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
        let refused = refused.or_else(|| self.foresee(&job, &body, column_of));
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
            self.tell((note.line, note.column), told, None);
        }
        None
    }

    /// Notes what the API is known to refuse of a line; the first of it, if that is a problem.
    fn foresee(
        &mut self,
        job: &NewJob,
        body: &JsonView<'_>,
        column_of: impl Fn(&[JsonStep]) -> usize,
    ) -> Option<LineError> {
        let mut faults = self.preflight.look_over(&job.model, body);
        // Whoever submits has decided; `check`, which stores nothing, gives advice too.
        faults.retain(|fault| self.seen.is_some() || !fault.rule.is_advice());
        let refused = faults.iter().find(|fault| fault.rule.is_refused());
        if let (Some(fault), true) = (refused, self.is_strict) {
            return Some(LineError {
                line: job.line,
                column: column_of(&fault.path),
                reason: fault.text.clone(),
            });
        }
        self.refused += u64::from(refused.is_some());
        let mut told_before = None;
        for fault in &faults {
            // Counted by lines: a line with ten blank texts is one.
            let told = Told::Fault(fault.rule);
            if told_before.replace(told) != Some(told) {
                let place = (job.line, column_of(&fault.path));
                self.tell(place, told, Some(&fault.text));
            }
        }
        None
    }

    /// Counts a remark about the line at that place; `text` has its particulars.
    fn tell(&mut self, (line, column): (u64, usize), told: Told, text: Option<&str>) {
        let noted = self.notes.entry(told).or_default();
        noted.lines += 1;
        if noted.first.is_none() {
            noted.first = text.map(|text| format!("line {line}, column {column}: {text}"));
        }
        if self.warnings.len() < MAX_KEPT {
            self.warnings.push(Warning {
                line,
                column,
                told,
                text: text.map_or_else(|| told.to_string(), str::to_owned),
            });
        }
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
