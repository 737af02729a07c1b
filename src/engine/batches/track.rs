//! One batch: where it stands with us, and what it needs next. Pure.

use std::collections::HashSet;
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::search::Search;
use super::short::ResultDoubts;
use super::view::View;
use crate::clock::add;
use crate::model::{
    BatchState, CancelReason, JobId, Lane, RemoteBatch, RemoteStatus, ResultLines, StuckBatch,
};
use crate::policy::LONGEST_HINT;
use crate::provider::Failure;
use crate::store::{BatchRow, RESULTS_KEPT_FOR};

/// Each wait between two looks is so many times the one before.
const BACKOFF: f64 = 1.5;
/// Waits are spread by up to this part of themselves, so that batches are not looked at in step.
const JITTER: f64 = 0.1;

/// What a batch needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// More jobs, or to be called complete.
    Fill,
    /// To be sent, when there is room for it.
    Send,
    /// To be marked uncertain: its create call left, and nobody waits for the answer.
    Doubt,
    /// To be looked for among the remote batches.
    Find(Search),
    /// To be looked at.
    Poll,
    /// To be cancelled.
    Cancel(CancelReason),
    /// To have its results fetched.
    Harvest,
    /// To be taken apart.
    Disband { lane: Lane, keep_attempts: bool },
}

/// Whether the API has shown a batch since this dispatch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Not yet.
    None,
    /// Its create answer came, and no look has shown it since.
    Created,
    /// Yes.
    Seen,
}

/// A batch of the run that is not over.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each holds or not whatever the others do: they are no states of one machine"
)]
pub(super) struct Track {
    pub(super) row: BatchRow,
    /// Something is being done about it; nothing else is begun meanwhile.
    pub(super) busy: bool,
    /// Nothing is begun before.
    pub(super) due: Timestamp,
    /// Looks or tries in a row that brought nothing new: the place in the backoff.
    idle_looks: u32,
    /// The jobs that it is to hold; none: all that wait.
    pub(super) only: Option<Vec<JobId>>,
    /// All its jobs are in it.
    pub(super) filled: bool,
    /// Its only entry was refused, and nothing tells yet whether that is the entry's fault.
    pub(super) suspect: Option<Box<Failure>>,
    /// It is taken apart, and its jobs go there.
    apart: Option<(Lane, bool)>,
    /// Since when its create answer is missed.
    pub(super) lost_at: Option<Timestamp>,
    /// The list was read since, and showed these batches that may be it.
    pub(super) candidates: Option<Vec<String>>,
    /// Remote batches that turned out to be others.
    pub(super) others: HashSet<String>,
    /// Since when the API says that it knows no such batch.
    pub(super) not_found_since: Option<Timestamp>,
    pub(super) sight: Sight,
    /// The API has taken our cancel.
    pub(super) cancel_taken: bool,
    /// It is not asked to cancel before.
    pub(super) cancel_due: Timestamp,
    /// Since when this dispatch has seen it being cancelled.
    pub(super) canceling_since: Option<Timestamp>,
    /// What was told of it because it is overdue.
    pub(super) told_stuck: Vec<StuckBatch>,
    /// Whole downloads of its results.
    pub(super) downloads: u32,
    /// What is doubted of its results.
    pub(super) doubts: ResultDoubts,
    /// Its results were asked for in this dispatch.
    pub(super) was_asked: bool,
    /// Its results could not be had: nothing more is done about it in this dispatch.
    pub(super) given_up: bool,
    /// What the lines of all downloads were.
    pub(super) lines: ResultLines,
}

impl Track {
    pub(super) fn new(row: BatchRow) -> Self {
        Self {
            row,
            busy: false,
            due: Timestamp::MIN,
            idle_looks: 0,
            only: None,
            filled: false,
            suspect: None,
            apart: None,
            lost_at: None,
            candidates: None,
            others: HashSet::new(),
            not_found_since: None,
            sight: Sight::None,
            cancel_taken: false,
            cancel_due: Timestamp::MIN,
            canceling_since: None,
            told_stuck: Vec::new(),
            downloads: 0,
            doubts: ResultDoubts::default(),
            was_asked: false,
            given_up: false,
            lines: ResultLines::default(),
        }
    }

    /// One that an earlier dispatch left. What was not sent is taken apart if there is a budget: what
    /// was held for it is not known any more, and nothing is lost. So is it if the user wants the live
    /// lane now.
    pub(super) fn found(row: BatchRow, (has_budget, live): (bool, bool)) -> Self {
        let unsent = matches!(row.state, BatchState::Filling | BatchState::Ready);
        let mut track = Self::new(row);
        // What we asked to cancel, the API is asked again; what somebody else did, not.
        track.cancel_taken =
            track.row.state == BatchState::Canceling && track.row.cancel_reason.is_none();
        if unsent && (has_budget || live) {
            track.take_apart(Lane::Batch, false);
        }
        track
    }

    /// What it needs now, or at `due`. None: nothing, or nothing more.
    pub(super) fn need(&self, view: &View, now: Timestamp) -> Option<Need> {
        if self.busy || self.given_up {
            return None;
        }
        if let Some((lane, keep_attempts)) = self.apart {
            return Some(Need::Disband {
                lane,
                keep_attempts,
            });
        }
        let apart = |lane| Need::Disband {
            lane,
            keep_attempts: false,
        };
        match self.row.state {
            BatchState::Filling | BatchState::Ready if view.canceling => Some(apart(Lane::Live)),
            BatchState::Filling | BatchState::Ready if self.is_late(view, now) => {
                Some(apart(Lane::Live))
            }
            BatchState::Filling | BatchState::Ready if view.ways.no_batches => {
                Some(apart(Lane::Batch))
            }
            BatchState::Filling => Some(Need::Fill),
            BatchState::Ready if self.suspect.is_some() => None,
            BatchState::Ready => Some(Need::Send),
            BatchState::Sending => Some(Need::Doubt),
            BatchState::Uncertain => Some(Need::Find(self.search(now))),
            BatchState::Open | BatchState::Canceling => Some(
                self.wants_cancel(view, now)
                    .map_or(Need::Poll, Need::Cancel),
            ),
            BatchState::Ended => Some(Need::Harvest),
            BatchState::Harvested | BatchState::Lost => None,
        }
    }

    fn wants_cancel(&self, view: &View, now: Timestamp) -> Option<CancelReason> {
        let by_somebody_else = self.cancel_taken && self.row.cancel_reason.is_none();
        let wish = if view.canceling {
            Some(CancelReason::User)
        } else if self.is_late(view, now) && !by_somebody_else {
            Some(CancelReason::Deadline)
        } else {
            self.row.cancel_reason
        };
        let told_already = self.cancel_taken && self.row.cancel_reason == wish;
        wish.filter(|_| !told_already && self.cancel_due <= now)
    }

    /// Only the live lane still keeps its deadline.
    fn is_late(&self, view: &View, now: Timestamp) -> bool {
        self.rescue_at(view).is_some_and(|at| at <= now)
    }

    /// When it must be given up for the live lane; none if never, or if it is already.
    pub(super) fn rescue_at(&self, view: &View) -> Option<Timestamp> {
        view.ways.rescue_at(self.row.deadline, self.row.undated)
    }

    fn search(&self, now: Timestamp) -> Search {
        Search {
            requests: self.row.requests,
            sent_at: self.row.sent_at.unwrap_or(self.row.created_at),
            lost_at: self.lost_at.unwrap_or(now),
            others: self.others.clone(),
            ahead: SignedDuration::ZERO,
        }
    }

    /// When there may be something to do without any answer.
    pub(super) fn wakes_at(&self, view: &View, now: Timestamp) -> Option<Timestamp> {
        if self.busy || self.given_up || self.row.state.is_over() {
            return None;
        }
        let could_be_given_up = matches!(
            self.row.state,
            BatchState::Filling | BatchState::Ready | BatchState::Open
        );
        let rescue = self.rescue_at(view).filter(|_| could_be_given_up);
        [Some(self.due), rescue]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min()
    }

    /// It needs somebody here: a batch that the API works on does not, if nobody waits for it.
    pub(super) fn keeps_us(&self, no_wait: bool) -> bool {
        let elsewhere = match self.row.state {
            BatchState::Open | BatchState::Canceling => self.sight != Sight::None,
            BatchState::Uncertain => self.candidates.as_ref().is_some_and(|all| !all.is_empty()),
            // Its results are asked for again within hours.
            BatchState::Ended => self.was_asked && self.awaits_results(),
            _ => false,
        };
        !(self.given_up || self.row.state.is_over() || (no_wait && elsewhere && !self.busy))
    }

    /// It is being filled or waits to be sent, and no other is begun meanwhile.
    pub(super) fn is_pending(&self) -> bool {
        let is_unsent = matches!(self.row.state, BatchState::Filling | BatchState::Ready);
        is_unsent && self.suspect.is_none()
    }

    /// Requests of it that wait in the API's queue, as far as we know.
    pub(super) fn in_remote_queue(&self) -> u64 {
        match self.row.state {
            BatchState::Sending
            | BatchState::Uncertain
            | BatchState::Open
            | BatchState::Canceling => u64::from(self.row.requests),
            _ => 0,
        }
    }

    /// It was taken apart although its requests may have been served.
    pub(super) fn is_lost(&self) -> bool {
        self.apart.is_some_and(|(_, keep_attempts)| keep_attempts)
    }

    /// Its results came short, and are asked for again.
    pub(super) fn awaits_results(&self) -> bool {
        self.row.state == BatchState::Ended && self.row.short.is_some() && !self.given_up
    }

    /// Requests of it that the live lane would have to do if it were given up now.
    pub(super) fn unprocessed(&self) -> u64 {
        let counted = self.row.counts.total() > 0;
        match self.row.state {
            BatchState::Open | BatchState::Canceling if counted => self.row.counts.processing,
            BatchState::Ended | BatchState::Harvested | BatchState::Lost => 0,
            _ => u64::from(self.row.requests),
        }
    }

    /// The API told how the batch stands; true if that is new.
    pub(super) fn noted(&mut self, remote: &RemoteBatch, now: Timestamp) -> bool {
        let row = &mut self.row;
        let before = (row.state, row.counts);
        row.state = match (remote.status, row.cancel_reason) {
            (RemoteStatus::Ended, _) => BatchState::Ended,
            (RemoteStatus::Canceling, _) | (_, Some(_)) => BatchState::Canceling,
            (RemoteStatus::InProgress, None) => BatchState::Open,
        };
        row.remote_id = Some(remote.id.clone());
        row.counts = remote.counts;
        row.remote_created_at = remote.created_at.or(row.remote_created_at);
        row.expires_at = remote.expires_at.or(row.expires_at);
        row.ended_at = remote.ended_at.or(row.ended_at);
        row.polled_at = Some(now);
        self.cancel_taken |= remote.status == RemoteStatus::Canceling;
        self.sight = Sight::Seen;
        self.not_found_since = None;
        self.lost_at = None;
        self.candidates = None;
        before != (self.row.state, self.row.counts)
    }

    /// It stands there now; what was waited for before is over.
    pub(super) fn moved(&mut self, to: BatchState) {
        self.row.state = to;
        self.again_at_once();
    }

    /// Looks at it begin anew.
    pub(super) fn again_at_once(&mut self) {
        self.due = Timestamp::MIN;
        self.idle_looks = 0;
    }

    /// It is taken apart, page by page.
    pub(super) fn take_apart(&mut self, lane: Lane, keep_attempts: bool) {
        self.apart = Some((lane, keep_attempts));
        self.due = Timestamp::MIN;
    }

    /// The next look, later each time, at least `hint` from now.
    pub(super) fn back_off(
        &mut self,
        view: &View,
        hint: Option<Duration>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        let settings = &view.settings;
        let steps = i32::try_from(self.idle_looks.min(64)).unwrap_or(64);
        let grown = settings.poll_min.as_secs_f64() * BACKOFF.powi(steps);
        let own = grown.min(settings.poll_max.as_secs_f64()) * view.scale;
        let spread = own * (1.0 + JITTER * (2.0 * rng.f64() - 1.0));
        let own = Duration::try_from_secs_f64(spread).unwrap_or(settings.poll_max);
        self.idle_looks += 1;
        let hint = hint.unwrap_or_default().min(LONGEST_HINT);
        self.due = add(now, hint.max(own));
    }

    /// The next look is no later than the moment from which it may be created again.
    pub(super) fn not_after_patience(&mut self, view: &View, now: Timestamp) {
        let patience = view.settings.uncertain_for.mul_f64(view.scale);
        let over = self.lost_at.map(|since| add(since, patience));
        if let Some(over) = over.filter(|over| *over > now) {
            self.due = self.due.min(over);
        }
    }

    /// When the API created it, as well as we know.
    fn born_at(&self) -> Timestamp {
        let sent = self.row.sent_at.unwrap_or(self.row.created_at);
        self.row.remote_created_at.unwrap_or(sent)
    }

    /// Its results have been removed by now.
    pub(super) fn is_archived(&self, now: Timestamp) -> bool {
        add(self.born_at(), RESULTS_KEPT_FOR) <= now
    }

    /// So soon after its creation "not found" is no answer.
    pub(super) fn may_yet_be_found(&self, view: &View, now: Timestamp) -> bool {
        let for_long = view.settings.not_found_for;
        let since = self.not_found_since.unwrap_or(now);
        add(self.born_at(), for_long) > now || add(since, for_long) > now
    }

    /// Nothing has shown up for so long that it can be created again.
    pub(super) fn was_never_heard(&self, view: &View, now: Timestamp) -> bool {
        let patience = view.settings.uncertain_for.mul_f64(view.scale);
        self.lost_at
            .is_some_and(|since| add(since, patience) <= now)
    }
}
