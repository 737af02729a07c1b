//! An endpoint without Message Batches: how it shows, and where the jobs go then.
//!
//! A gateway that forwards Messages alone refuses every create call. So nothing was bought, and
//! what may go live does. What a line or the user forces into a batch stays in the queue; the run
//! halts for it when nothing else is left.

use jiff::Timestamp;

use super::planner::{Effect, Planner};
use super::track::Track;
use crate::model::{BatchId, ErrorClass, EventKind, Halt, Lane};
use crate::provider::{Failure, has_no_batches};
use crate::store::BatchRow;

/// Where batches of the run were created before, so many refusals in a row count: one alone is a
/// passing fault, and the live price is twice as high.
const REFUSALS_THAT_PROVE: u32 = 3;

/// What is known of whether there are Message Batches at the endpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Absence {
    /// A batch of the run was created here.
    was_there: bool,
    /// Refusals in a row that say that there are none.
    refusals: u32,
    /// What the last of them said.
    said: Option<Halt>,
    stranded: Stranded,
}

/// Whether jobs are left that only a batch may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stranded {
    #[default]
    No,
    /// The dispatcher is being told.
    Due,
    /// It has been told, so nobody need wait for them here.
    Told,
}

impl Absence {
    /// As the batches of earlier dispatches tell.
    pub(super) fn new(rows: &[BatchRow]) -> Self {
        Self {
            was_there: rows.iter().any(|row| row.remote_id.is_some()),
            ..Self::default()
        }
    }

    /// A batch was created.
    pub(super) fn seen(&mut self) {
        (self.was_there, self.refusals) = (true, 0);
    }

    /// The list of batches is refused by an endpoint that has never had one: nothing can have been
    /// created there. A key that may not list says nothing of that.
    pub(super) fn is_proved_by(&self, failure: &Failure) -> bool {
        let forbidden = failure.evidence.http_status == Some(403);
        !self.was_there && !forbidden && has_no_batches(failure)
    }

    /// The dispatcher knows that jobs are left that only a batch may do.
    pub(super) fn is_told(&self) -> bool {
        self.stranded == Stranded::Told
    }

    /// A page of something in front of the API may be a challenge that passes.
    fn is_refused_for_good(&mut self, class: ErrorClass) -> bool {
        self.refusals += 1;
        let may_pass = self.was_there || class == ErrorClass::EdgeError;
        !may_pass || self.refusals >= REFUSALS_THAT_PROVE
    }
}

impl Planner {
    /// A create call was refused as if there were no Message Batches.
    pub(super) fn on_no_batches(&mut self, batch: BatchId, failure: &Failure, now: Timestamp) {
        if self.absence.is_refused_for_good(failure.class) {
            self.go_without(failure, now);
        } else {
            self.wait_to_create(batch, failure, now);
        }
    }

    /// The list of batches was refused so, while a batch was looked for whose create call had no
    /// answer. Its jobs go again; that the call was billed all the same is unlikely, and told.
    pub(super) fn on_no_list(&mut self, batch: BatchId, failure: &Failure, now: Timestamp) {
        self.note_reach(Some(failure), now);
        if let Some(track) = self.freed(batch) {
            track.take_apart(Lane::Batch, true);
        }
        self.go_without(failure, now);
    }

    fn go_without(&mut self, failure: &Failure, now: Timestamp) {
        self.view.ways.no_batches = true;
        let said = said(failure);
        self.tell(EventKind::NoBatches {
            error_class: failure.class,
            message: said.clone(),
        });
        self.absence.said = Some(Halt {
            class: failure.class,
            message: said,
            at: now,
        });
    }

    /// When nothing is left in the queue but what only a batch may do: the run halts when the live
    /// lane is done, or waits and tries again.
    pub(super) fn strand(&mut self, now: Timestamp) {
        let is_settled = !self.intake.is_stale() && !self.tracks.values().any(Track::is_pending);
        let is_left = self.view.ways.no_batches && self.intake.holds_only_forced(&self.view);
        if !is_settled || !is_left || self.absence.stranded != Stranded::No {
            return;
        }
        let Some(said) = self.absence.said.clone() else {
            return;
        };
        let halt = Halt {
            message: self.words(&said.message),
            at: now,
            ..said
        };
        if self.gate.waits_when_halted() {
            self.view.ways.no_batches = false;
            self.absence.refusals = 0;
            self.halt(halt, now);
        } else {
            self.absence.stranded = Stranded::Due;
            self.ready.push(Effect::Held(halt));
        }
    }

    /// The dispatcher was told what the run halts for in the end.
    pub(super) fn on_held_told(&mut self) {
        if self.absence.stranded == Stranded::Due {
            self.absence.stranded = Stranded::Told;
        }
    }

    fn words(&self, said: &str) -> String {
        let jobs = match self.intake.jobs().unwrap_or_default() {
            1 => "1 job".to_owned(),
            many => format!("{many} jobs"),
        };
        if self.view.ways.forced == Some(Lane::Batch) {
            Halt::no_batches(&format!(
                "{said}. Left for a batch, by `--lane batch`: {jobs}; `claude-run resume {} --lane live` sends them live, at the full price",
                self.run
            ))
        } else {
            Halt::no_batches(&format!(
                "{said}. Left for a batch, by `\"lane\": \"batch\"` in their lines: {jobs}; `claude-run resume {} --base-url URL` goes on where there are Message Batches; without that key in its lines the file can be submitted anew and goes live",
                self.run
            ))
        }
    }
}

/// What the endpoint answered.
fn said(failure: &Failure) -> String {
    let status = failure.evidence.http_status.unwrap_or_default();
    match failure.evidence.message.as_deref().map(str::trim) {
        None | Some("") => format!("it answered {status}"),
        Some(message) => format!("it answered {status}: {message}"),
    }
}
