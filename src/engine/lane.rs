//! What the scheduler knows of one model's jobs.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::model::ClaimedJob;
use crate::store::{Claimed, LaneLoad};

/// One model's jobs: what is believed to wait in the store, and what is claimed.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) model: String,
    /// Jobs that wait in the store, as far as we know; corrected by every pulse.
    pub(super) queued: u64,
    /// No job of this model can succeed now: nothing of it is started.
    pub(super) blocked: bool,
    /// Claimed and not yet sent.
    pub(super) ready: VecDeque<ClaimedJob>,
    /// Jobs asked for by a claim that is under way.
    claiming: u32,
    /// The last claim found all that was due, so that another one would find nothing.
    dry: bool,
    /// When the earliest retry is due.
    next_due: Option<Timestamp>,
    /// The earliest retry that was recorded while a claim was under way, which its answer may not
    /// know of.
    noted: Option<Timestamp>,
}

impl Lane {
    pub(super) fn new(load: LaneLoad) -> Self {
        Self {
            model: load.model,
            queued: load.queued,
            blocked: false,
            ready: VecDeque::new(),
            claiming: 0,
            dry: false,
            next_due: None,
            noted: None,
        }
    }

    /// Takes over what a pulse tells. A lane that was dry is asked again: another process may have
    /// put jobs back.
    pub(super) fn refresh(&mut self, load: &LaneLoad) {
        self.queued = load.queued;
        self.dry = false;
    }

    /// Whether a claim would bring something now.
    pub(super) fn is_claimable(&self, now: Timestamp) -> bool {
        let due = self.next_due.is_some_and(|due| due <= now);
        !self.blocked && self.claiming == 0 && self.queued > 0 && (!self.dry || due)
    }

    /// When a lane that has nothing now is worth another claim.
    pub(super) fn wakes_at(&self) -> Option<Timestamp> {
        self.next_due
            .filter(|_| !self.blocked && self.claiming == 0 && self.queued > 0)
    }

    pub(super) fn claiming(&self) -> u32 {
        self.claiming
    }

    pub(super) fn claim_sent(&mut self, jobs: u32) {
        self.claiming = jobs;
        self.noted = None;
    }

    pub(super) fn claimed(&mut self, claimed: Claimed) {
        self.claiming = 0;
        self.queued = self.queued.saturating_sub(claimed.jobs.len() as u64);
        self.dry = !claimed.more;
        self.next_due = earliest(claimed.next_due, self.noted.take());
        self.ready.extend(claimed.jobs);
    }

    /// A claim came to nothing.
    pub(super) fn claim_failed(&mut self) {
        self.claiming = 0;
    }

    /// A job of this lane is back in the store's queue.
    pub(super) fn requeued(&mut self, due: Option<Timestamp>) {
        self.queued += 1;
        match due {
            Some(due) => {
                self.next_due = earliest(self.next_due, Some(due));
                self.noted = earliest(self.noted, Some(due));
            }
            None => self.dry = false,
        }
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
