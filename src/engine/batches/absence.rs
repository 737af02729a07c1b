//! An endpoint without Message Batches: how it shows, and where the jobs go then.
//!
//! A gateway that forwards Messages alone refuses every create call. So nothing was bought, and
//! what may go live does. What a line or the user forces into a batch stays in the queue; the run
//! halts for it when nothing else is left.

use crate::model::{ErrorClass, Halt};
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
    /// The dispatcher knows that jobs are left that only a batch may do.
    is_told: bool,
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
        self.is_told
    }

    /// What is said when jobs are left that only a batch may do, if that is to be said still.
    pub(super) fn to_say(&self) -> Option<Halt> {
        self.said.clone().filter(|_| !self.is_told)
    }

    /// The endpoint said so when it refused.
    pub(super) fn learned(&mut self, said: Halt) {
        self.said = Some(said);
    }

    /// Whether there are any is tried again.
    pub(super) fn forgive(&mut self) {
        self.refusals = 0;
    }

    /// The dispatcher has been told of them, so nobody need wait for them here.
    pub(super) fn was_told(&mut self) {
        self.is_told = true;
    }

    /// A page of something in front of the API may be a challenge that passes.
    pub(super) fn is_refused_for_good(&mut self, class: ErrorClass) -> bool {
        self.refusals += 1;
        let may_pass = self.was_there || class == ErrorClass::EdgeError;
        !may_pass || self.refusals >= REFUSALS_THAT_PROVE
    }
}
