//! The queue of jobs that wait for a batch: when one is begun, and what goes live instead. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::narrowing::Narrowing;
use super::view::View;
use crate::clock::add;
use crate::model::batch::MAX_BATCH_REQUESTS;
use crate::model::{Lane, RunId};
use crate::store::{BatchQueue, RouteRule, Unroute};

/// The queue is asked for anew so often: another process may have put jobs back.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// What must go live is looked for again so often, since some of it may have to stay.
const RESCUE_EVERY: Duration = Duration::from_secs(30);

/// What the queue needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To be counted.
    Ask,
    /// Jobs of the live lane come to it.
    Spill(RouteRule),
    /// Jobs of it go live.
    Unroute(Unroute),
    /// A batch is begun.
    Begin,
}

/// What the last count is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    /// It is right, as far as we know.
    Right,
    /// The queue has changed since.
    Stale,
    /// For that reason it is being counted.
    UnderWay,
}

/// Whether jobs of a live lane that fails come to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spill {
    /// There is no need.
    No,
    /// They are to come, or are on their way.
    Due,
    /// They have come.
    Done,
}

/// The queue, as far as we know.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    /// None until it was counted.
    queue: Option<BatchQueue>,
    counted_at: Timestamp,
    count: Count,
    /// Jobs that stayed when all were sent live: their lines ask for a batch.
    spared: u64,
    /// The next count is that of the spared ones.
    sparing: bool,
    rescued_at: Option<Timestamp>,
    spill: Spill,
    /// The budget had no room for the next job of a batch, and no batch has come to its end since.
    pub(super) short: bool,
    /// Requests in one batch, at most.
    max_requests: u32,
    /// It may be fewer, while an entry at fault is looked for.
    pub(super) narrowing: Narrowing,
}

impl Intake {
    pub(super) fn new(max_requests: u32) -> Self {
        Self {
            queue: None,
            counted_at: Timestamp::MIN,
            count: Count::Stale,
            spared: 0,
            sparing: false,
            rescued_at: None,
            spill: Spill::No,
            short: false,
            max_requests: max_requests.clamp(1, MAX_BATCH_REQUESTS),
            narrowing: Narrowing::default(),
        }
    }

    /// The next step, when the one before has ended. `room`: requests that the API's queue still takes; `may_begin`: no other batch
    /// is being filled or waits to be sent; `down_since`: the live lane has been failing since.
    pub(super) fn step(
        &mut self,
        view: &View,
        room: u64,
        may_begin: bool,
        down_since: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Step> {
        if view.canceling {
            return None;
        }
        self.begin_spill(view, down_since, now);
        self.choose(view, room, may_begin, now)
    }

    fn choose(&mut self, view: &View, room: u64, may_begin: bool, now: Timestamp) -> Option<Step> {
        if self.spill == Spill::Due {
            return Some(Step::Spill(spill_rule(view, now)));
        }
        let is_old = add(self.counted_at, ASK_EVERY) <= now;
        let Some(queue) = self.queue.filter(|_| self.count == Count::Right && !is_old) else {
            // What changes from here on may be missed by the count, and makes it stale again.
            if self.count == Count::Stale {
                self.count = Count::UnderWay;
            }
            return Some(Step::Ask);
        };
        if self.must_rescue(view, &queue, now) {
            self.rescued_at = Some(now);
            return Some(Step::Unroute(Unroute {
                before: Some(view.ways.only_live_before(now)),
                deadline: view.ways.deadline,
            }));
        }
        let total = queue.due + queue.waiting;
        if view.ways.all_live() && total > self.spared {
            self.sparing = true;
            return Some(Step::Unroute(Unroute::default()));
        }
        if view.ways.no_batches {
            return None;
        }
        let forced = view.ways.forced == Some(Lane::Batch);
        if total < u64::from(view.settings.min_jobs) && !forced && total > self.spared {
            self.sparing = true;
            return Some(Step::Unroute(Unroute::default()));
        }
        let begins = may_begin && is_worth_it(view, &queue, now) && self.fits(&queue, room);
        begins.then(|| {
            self.spared = 0;
            Step::Begin
        })
    }

    fn must_rescue(&self, view: &View, queue: &BatchQueue, now: Timestamp) -> bool {
        let rescue = view.ways.rescue_at(queue.earliest_deadline, queue.undated);
        let tried_lately = self
            .rescued_at
            .is_some_and(|at| add(at, RESCUE_EVERY) > now);
        queue.due + queue.waiting > 0 && !tried_lately && rescue.is_some_and(|at| at <= now)
    }

    /// A batch that fills a good part of what is left of the API's queue, or takes all there is.
    fn fits(&self, queue: &BatchQueue, room: u64) -> bool {
        room > 0 && room >= queue.due.min(u64::from(self.most_requests()).div_ceil(4))
    }

    /// When the live lane has been failing for so long, its jobs come to the queue; once for each
    /// time that it fails.
    fn begin_spill(&mut self, view: &View, down_since: Option<Timestamp>, now: Timestamp) {
        let Some(since) = down_since else {
            self.spill = Spill::No;
            return;
        };
        let due = view.settings.spill_after.map(|after| add(since, after));
        let is_due = due.is_some_and(|at| at <= now);
        let may_spill = view.ways.forced.is_none() && !view.ways.no_batches;
        if is_due && self.spill == Spill::No && may_spill {
            self.spill = Spill::Due;
        }
    }

    /// When it may need a step without any change.
    pub(super) fn wakes_at(
        &self,
        view: &View,
        down_since: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let queue = self.queue?;
        let rescue = view.ways.rescue_at(queue.earliest_deadline, queue.undated);
        let spill = down_since
            .zip(view.settings.spill_after)
            .filter(|_| self.spill == Spill::No)
            .map(|(since, after)| add(since, after));
        [
            rescue,
            queue.next_due,
            spill,
            Some(add(self.counted_at, ASK_EVERY)),
        ]
        .into_iter()
        .flatten()
        .filter(|at| *at > now)
        .min()
    }

    /// How many jobs wait in it; none if that is not known.
    pub(super) fn jobs(&self) -> Option<u64> {
        self.queue.map(|queue| queue.due + queue.waiting)
    }

    /// Jobs wait in it that only a batch may do.
    pub(super) fn holds_only_forced(&self, view: &View) -> bool {
        let all = self.jobs().unwrap_or_default();
        all > 0 && (all <= self.spared || !view.ways.all_live())
    }

    /// What was counted is no longer so, or is just being counted after a change.
    pub(super) fn is_stale(&self) -> bool {
        self.spill == Spill::Due || self.count != Count::Right
    }

    /// The first count.
    pub(super) fn begins_with(&mut self, queue: BatchQueue, now: Timestamp) {
        self.count = Count::UnderWay;
        self.counted(queue, now);
    }

    pub(super) fn counted(&mut self, queue: BatchQueue, now: Timestamp) {
        if self.count == Count::UnderWay {
            self.count = Count::Right;
        }
        self.counted_at = now;
        if std::mem::take(&mut self.sparing) {
            self.spared = queue.due + queue.waiting;
        }
        self.queue = Some(queue);
    }

    /// Jobs came or went live, or a batch was begun.
    pub(super) fn stepped(&mut self) {
        if self.spill == Spill::Due {
            self.spill = Spill::Done;
        }
        self.count = Count::Stale;
    }

    /// Jobs came to it, or left it. What came while all were being sent live has yet to be sent.
    pub(super) fn changed(&mut self) {
        self.sparing = false;
        self.count = Count::Stale;
    }

    /// Requests in the next batch, at most.
    pub(super) fn most_requests(&self) -> u32 {
        self.narrowing.limit(self.max_requests)
    }

    /// A batch was created.
    pub(super) fn accepted(&mut self) {
        self.narrowing.accepted(self.max_requests);
    }

    /// A batch of that size was too large: the next ones are half as large.
    pub(super) fn halve(&mut self, requests: u32) {
        self.max_requests = (requests / 2).max(1);
    }
}

/// Enough is due, or nothing more will be for a while.
fn is_worth_it(view: &View, queue: &BatchQueue, now: Timestamp) -> bool {
    let patience = view.settings.poll_max.mul_f64(view.scale);
    let more_comes_soon = queue.next_due.is_some_and(|at| at <= add(now, patience));
    let is_enough = queue.due >= u64::from(view.settings.min_jobs);
    queue.due > 0 && (is_enough || !more_comes_soon)
}

/// Jobs without a deadline have time, too.
fn spill_rule(view: &View, now: Timestamp) -> RouteRule {
    RouteRule {
        lane: None,
        deadline: Some(view.ways.deadline.unwrap_or(Timestamp::MAX)),
        batch_from: view.ways.batch_from(now),
    }
}

/// The rule by which a run's jobs take their lanes when it is taken up.
pub(super) fn first_rule(view: &View, now: Timestamp) -> RouteRule {
    RouteRule {
        lane: view.ways.forced,
        deadline: view.ways.deadline,
        batch_from: view.ways.batch_from(now),
    }
}

/// Letters and digits that no other batch has.
pub(super) fn nonce(run: RunId, now: Timestamp, drawn: u64) -> String {
    let run = run.as_bytes();
    let tail = u64::from(run[14]) << 8 | u64::from(run[15]);
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    base36(&[seconds, tail, drawn % 36_u64.pow(5)])
}

fn base36(numbers: &[u64]) -> String {
    let mut digits = Vec::new();
    for number in numbers {
        let mut left = *number;
        loop {
            let digit = u32::try_from(left % 36).unwrap_or_default();
            digits.extend(char::from_digit(digit, 36));
            left /= 36;
            if left == 0 {
                break;
            }
        }
    }
    digits.into_iter().collect()
}
