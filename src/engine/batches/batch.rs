//! One batch: where it stands with us, and what it wants next. Pure.

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
use crate::store::{BatchRow, RESULTS_KEPT_FOR};

/// Each wait between two polls is this many times the one before.
const BACKOFF: f64 = 1.5;
/// The first poll of a batch comes after this part of `poll_min`: a small one may take seconds.
const FIRST_POLL: f64 = 0.2;
/// While it is young, it is polled again when it has taken longer by this part of its age: so it is known
/// soon that it has ended, measured by what it took, and with few polls.
const OF_ITS_AGE: f64 = 0.5;
/// Waits are spread by up to this part of themselves, so that batches are not polled in step.
const JITTER: f64 = 0.1;

/// What a batch wants, whatever the other batches do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// What its state asks for.
    Act,
    /// To be cancelled at the API.
    Cancel(CancelReason),
    /// To be disbanded.
    Disband(Disband),
    /// Nothing more in this dispatch.
    Nothing,
}

/// How a batch is disbanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disband {
    /// Where its jobs go.
    pub(super) lane: Lane,
    /// Its requests may have been served, so its attempts stay on record.
    pub(super) keep_attempts: bool,
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
pub(super) struct LocalBatch {
    pub(super) row: BatchRow,
    /// Nothing is begun before.
    pub(super) due: Timestamp,
    /// Polls or tries in a row that brought nothing new: the place in the backoff.
    idle_polls: u32,
    /// When polls of it began anew; none once one has failed, or before it is polled at all.
    young_since: Option<Timestamp>,
    /// The jobs that it is to hold; `None`: all that wait.
    pub(super) only: Option<Vec<JobId>>,
    /// It is to be disbanded, whatever its state.
    disband: Option<Disband>,
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

impl LocalBatch {
    /// One that this dispatch has begun.
    pub(super) fn begun(row: BatchRow, only: Option<Vec<JobId>>) -> Self {
        Self {
            row,
            due: Timestamp::MIN,
            idle_polls: 0,
            young_since: None,
            only,
            disband: None,
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

    /// One that an earlier dispatch left; `disbands_unsent`: what was not sent is disbanded.
    pub(super) fn found(row: BatchRow, disbands_unsent: bool) -> Self {
        let is_unsent = matches!(row.state, BatchState::Filling | BatchState::Ready);
        let mut batch = Self::begun(row, None);
        // What we asked to cancel, the API is asked again; what somebody else did, not.
        batch.cancel_taken =
            batch.row.state == BatchState::Canceling && batch.row.cancel_reason.is_none();
        if is_unsent && disbands_unsent {
            batch.disband(Lane::Batch, false);
        }
        batch
    }

    /// What it wants now, or once it is `due`.
    pub(super) fn want(&self, view: &View, now: Timestamp) -> Want {
        if self.given_up {
            return Want::Nothing;
        }
        if let Some(disband) = self.disband {
            return Want::Disband(disband);
        }
        match self.row.state {
            BatchState::Filling | BatchState::Ready => {
                self.unsent_to(view, now).map_or(Want::Act, |lane| {
                    Want::Disband(Disband {
                        lane,
                        keep_attempts: false,
                    })
                })
            }
            BatchState::Open | BatchState::Canceling => {
                self.wants_cancel(view, now).map_or(Want::Act, Want::Cancel)
            }
            _ => Want::Act,
        }
    }

    /// Where the jobs of a batch that was not sent must go instead, if it is not to be sent.
    fn unsent_to(&self, view: &View, now: Timestamp) -> Option<Lane> {
        if view.canceling || self.is_late(view, now) {
            Some(Lane::Live)
        } else if view.ways.no_batches {
            // Each of them takes its way from there: what only a batch may do stays in the queue.
            Some(Lane::Batch)
        } else {
            None
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
    pub(super) fn is_late(&self, view: &View, now: Timestamp) -> bool {
        self.rescue_at(view).is_some_and(|at| at <= now)
    }

    /// When it must be given up for the live lane; none if never, or if it is already.
    pub(super) fn rescue_at(&self, view: &View) -> Option<Timestamp> {
        view.ways.rescue_at(self.row.deadline, self.row.undated)
    }

    /// What it is looked for by, among the remote batches.
    pub(super) fn search(&self, now: Timestamp) -> Search {
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

    /// It is disbanded although its requests may have been served.
    pub(super) fn may_be_billed(&self) -> bool {
        self.disband.is_some_and(|disband| disband.keep_attempts)
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

    /// Its create call leaves. If its answer is lost, it is searched for from this one on, not from an
    /// earlier one.
    pub(super) fn leaves(&mut self, now: Timestamp) {
        self.row.sent_at = Some(now);
    }

    /// It stands there now; what was waited for before is over.
    pub(super) fn moved(&mut self, to: BatchState) {
        self.row.state = to;
        self.again_at_once();
    }

    /// It is due at once, and the waits after that begin anew.
    pub(super) fn again_at_once(&mut self) {
        self.due = Timestamp::MIN;
        self.idle_polls = 0;
        self.young_since = None;
    }

    /// It stands anew, so polls of it begin anew: early, then rarer.
    pub(super) fn poll_anew(&mut self, view: &View, now: Timestamp, rng: &mut Rng) {
        self.again_at_once();
        self.young_since = Some(now);
        self.poll_later(view, None, now, rng);
    }

    /// A poll went well and it has not ended: the next one comes at least `hint` from now.
    pub(super) fn poll_later(
        &mut self,
        view: &View,
        hint: Option<Duration>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        match self.wait_while_young(view, now) {
            Some(seconds) => self.wait(seconds, view, hint, now, rng),
            None => self.back_off(view, hint, now, rng),
        }
    }

    /// The seconds to its next poll while it is so young that they are fewer than `poll_min`.
    fn wait_while_young(&self, view: &View, now: Timestamp) -> Option<f64> {
        // A clock that was set back would keep it young for as long.
        let since = self.young_since.filter(|since| *since <= now)?;
        let age = now.duration_since(since).as_secs_f64();
        let least = view.settings.poll_min.as_secs_f64() * view.scale;
        let wait = (least * FIRST_POLL).max(age * OF_ITS_AGE);
        (wait < least).then_some(wait)
    }

    /// It is to be disbanded.
    pub(super) fn disband(&mut self, lane: Lane, keep_attempts: bool) {
        self.disband = Some(Disband {
            lane,
            keep_attempts,
        });
    }

    /// The next poll or try, later each time, at least `hint` from now.
    pub(super) fn back_off(
        &mut self,
        view: &View,
        hint: Option<Duration>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        let settings = &view.settings;
        let steps = i32::try_from(self.idle_polls.min(64)).unwrap_or(64);
        let grown = settings.poll_min.as_secs_f64() * BACKOFF.powi(steps);
        let own = grown.min(settings.poll_max.as_secs_f64()) * view.scale;
        self.idle_polls += 1;
        self.young_since = None;
        self.wait(own, view, hint, now, rng);
    }

    fn wait(
        &mut self,
        seconds: f64,
        view: &View,
        hint: Option<Duration>,
        now: Timestamp,
        rng: &mut Rng,
    ) {
        let spread = seconds * (1.0 + JITTER * (2.0 * rng.f64() - 1.0));
        let own = Duration::try_from_secs_f64(spread).unwrap_or(view.settings.poll_max);
        let hint = hint.unwrap_or_default().min(LONGEST_HINT);
        self.due = add(now, hint.max(own));
    }

    /// The next poll is no later than the moment from which it may be created again.
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

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
