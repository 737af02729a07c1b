//! The model queues of a run, and which of them may act now.
//!
//! A run may name tens of thousands of models, and a plan is made after every answer: so no plan passes
//! over all queues. Each queue is looked at when something of it has changed, or when a time has come at
//! which it may stand differently; what was found is kept in sets and sums, which are all that a plan
//! reads. Promises that they are true whenever they are read: whoever changes a queue does so through
//! [`QueueMut`], which counts it anew.

use std::collections::{BTreeSet, HashMap};
use std::ops::{Deref, DerefMut};

use jiff::Timestamp;

use super::model_queue::ModelQueue;
use crate::model::Endpoint;
use crate::policy::ModelClasses;

/// See the module's documentation. A queue's place never changes.
#[derive(Debug)]
pub(super) struct ModelQueues {
    queues: Vec<ModelQueue>,
    by_model: HashMap<String, usize>,
    /// Queues whose models share limits, by the name of their class.
    by_class: HashMap<String, Vec<usize>>,
    classes: ModelClasses,
    /// What of each queue is in the sums and sets below.
    counted: Vec<Facts>,
    sums: Sums,
    /// Times at which a queue without input may have something to do.
    wakes: BTreeSet<(Timestamp, usize)>,
    /// Times at which a queue may stand differently from when it was looked at.
    turns: BTreeSet<(Timestamp, usize)>,
    /// When a job of each model succeeded last at the first endpoint.
    successes: BTreeSet<(Timestamp, usize)>,
    /// Queues whose first endpoint keeps failing.
    failing: BTreeSet<usize>,
    /// Queues with claimed jobs.
    with_ready: BTreeSet<usize>,
    /// Changed since they were looked at.
    changed: BTreeSet<usize>,
    /// Looked at since that was asked last.
    looked_at: BTreeSet<usize>,
    standing: Standing,
    /// How many queues were visited: what a plan costs.
    visits: u64,
}

/// What was found when the queues were looked at last.
#[derive(Debug, Default)]
struct Standing {
    /// Have claimed jobs that may be sent.
    sendable: BTreeSet<usize>,
    /// A claim would bring something that may be sent.
    claimable: BTreeSet<usize>,
    /// Their requests go to the second endpoint.
    diverted: BTreeSet<usize>,
}

/// What of a queue counts in the sums, whatever the time is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, true whatever the others are"
)]
struct Facts {
    ready: u32,
    claiming: u32,
    queued: u64,
    is_blocked: bool,
    has_jobs_left: bool,
    is_proven: bool,
    is_failing: bool,
    succeeded_at: Option<Timestamp>,
    wakes: [Option<Timestamp>; 2],
    turns: [Option<Timestamp>; 8],
}

/// Over all queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    ready: u64,
    claiming: u64,
    queued: u64,
    /// Queues with jobs that wait, and of those: that are not blocked, that are failing.
    with_queued: usize,
    with_work: usize,
    with_queued_failing: usize,
    /// Queues with jobs that have not ended, and of those: that are not blocked.
    with_jobs_left: usize,
    with_jobs_to_try: usize,
    proven: usize,
}

impl Facts {
    fn of(queue: &ModelQueue) -> Self {
        let first = queue.routes.to(Endpoint::First);
        let mut turns = queue.turns_at();
        Self {
            ready: u32::try_from(queue.ready()).unwrap_or(u32::MAX),
            claiming: queue.claiming(),
            queued: queue.queued,
            is_blocked: queue.blocked,
            has_jobs_left: queue.has_jobs_left(),
            is_proven: first.doubt.is_proven(),
            is_failing: first.circuit.open().is_some(),
            succeeded_at: first.last_success,
            wakes: queue.wakes_at(),
            turns: std::array::from_fn(|_| turns.next()),
        }
    }

    fn sums(&self) -> Sums {
        let is_queued = self.queued > 0;
        Sums {
            ready: u64::from(self.ready),
            claiming: u64::from(self.claiming),
            queued: self.queued,
            with_queued: usize::from(is_queued),
            with_work: usize::from(is_queued && !self.is_blocked),
            with_queued_failing: usize::from(is_queued && self.is_failing),
            with_jobs_left: usize::from(self.has_jobs_left),
            with_jobs_to_try: usize::from(self.has_jobs_left && !self.is_blocked),
            proven: usize::from(self.is_proven),
        }
    }
}

impl Sums {
    /// These, with one queue's part replaced.
    fn with(self, before: Self, after: Self) -> Self {
        let count = |sum: usize, before: usize, after: usize| sum - before + after;
        let sum = |sum: u64, before: u64, after: u64| (sum - before).saturating_add(after);
        Self {
            ready: sum(self.ready, before.ready, after.ready),
            claiming: sum(self.claiming, before.claiming, after.claiming),
            queued: sum(self.queued, before.queued, after.queued),
            with_queued: count(self.with_queued, before.with_queued, after.with_queued),
            with_work: count(self.with_work, before.with_work, after.with_work),
            with_queued_failing: count(
                self.with_queued_failing,
                before.with_queued_failing,
                after.with_queued_failing,
            ),
            with_jobs_left: count(
                self.with_jobs_left,
                before.with_jobs_left,
                after.with_jobs_left,
            ),
            with_jobs_to_try: count(
                self.with_jobs_to_try,
                before.with_jobs_to_try,
                after.with_jobs_to_try,
            ),
            proven: count(self.proven, before.proven, after.proven),
        }
    }
}

impl ModelQueues {
    /// No queue yet.
    pub(super) fn new() -> Self {
        Self {
            queues: Vec::new(),
            by_model: HashMap::new(),
            by_class: HashMap::new(),
            classes: ModelClasses::embedded(),
            counted: Vec::new(),
            sums: Sums::default(),
            wakes: BTreeSet::new(),
            turns: BTreeSet::new(),
            successes: BTreeSet::new(),
            failing: BTreeSet::new(),
            with_ready: BTreeSet::new(),
            changed: BTreeSet::new(),
            looked_at: BTreeSet::new(),
            standing: Standing::default(),
            visits: 0,
        }
    }

    /// Adds the queue of a model that has none.
    pub(super) fn add(&mut self, queue: ModelQueue) {
        let at = self.queues.len();
        self.by_model.insert(queue.model.clone(), at);
        let class = self.classes.class_of(&queue.model).to_owned();
        self.by_class.entry(class).or_default().push(at);
        self.queues.push(queue);
        self.counted.push(Facts::default());
        self.recount(at);
    }

    pub(super) fn of(&self, model: &str) -> Option<&ModelQueue> {
        self.by_model.get(model).map(|at| &self.queues[*at])
    }

    pub(super) fn of_mut(&mut self, model: &str) -> Option<QueueMut<'_>> {
        let at = *self.by_model.get(model)?;
        Some(self.at(at))
    }

    /// The queue at that place.
    pub(super) fn at(&mut self, at: usize) -> QueueMut<'_> {
        self.visits += 1;
        QueueMut { queues: self, at }
    }

    /// The queue at that place, for what counts nowhere: what was told of it.
    pub(super) fn noting(&mut self, at: usize) -> &mut ModelQueue {
        self.visits += 1;
        &mut self.queues[at]
    }

    /// The queues whose models draw on the same limits as this one.
    pub(super) fn sharing_limits(&self, model: &str) -> Vec<usize> {
        let class = self.by_class.get(self.classes.class_of(model));
        class.cloned().unwrap_or_default()
    }

    /// Changes every queue: for what concerns all of them, and is rare.
    pub(super) fn each(&mut self, mut change: impl FnMut(&mut ModelQueue)) {
        for at in 0..self.queues.len() {
            change(&mut self.at(at));
        }
    }

    /// Changes every queue whose first endpoint keeps failing.
    pub(super) fn each_failing(&mut self, mut change: impl FnMut(&mut ModelQueue)) {
        for at in self.failing.iter().copied().collect::<Vec<_>>() {
            change(&mut self.at(at));
        }
    }

    #[cfg(test)]
    pub(super) fn visits(&self) -> u64 {
        self.visits
    }

    fn recount(&mut self, at: usize) {
        self.changed.insert(at);
        let now = Facts::of(&self.queues[at]);
        if now == self.counted[at] {
            return;
        }
        let before = std::mem::replace(&mut self.counted[at], now.clone());
        self.sums = self.sums.with(before.sums(), now.sums());
        replace(&mut self.wakes, at, before.wakes, now.wakes);
        replace(&mut self.turns, at, before.turns, now.turns);
        let succeeded = ([before.succeeded_at], [now.succeeded_at]);
        replace(&mut self.successes, at, succeeded.0, succeeded.1);
        keep(&mut self.failing, at, now.is_failing);
        keep(&mut self.with_ready, at, now.ready > 0);
    }

    /// Looks at every queue that has changed, or for which a time has come.
    pub(super) fn look(&mut self, now: Timestamp) {
        while let Some((_, at)) = self.turns.first().copied().filter(|(time, _)| *time <= now) {
            self.turns.pop_first();
            self.changed.insert(at);
        }
        while let Some(at) = self.changed.pop_first() {
            self.visits += 1;
            let queue = &self.queues[at];
            let may_send = queue.ready() > 0 && queue.may_send(now);
            let (claimable, diverted) = (queue.is_claimable(now), queue.routes.is_diverted(now));
            keep(&mut self.standing.sendable, at, may_send);
            keep(&mut self.standing.claimable, at, claimable);
            keep(&mut self.standing.diverted, at, diverted);
            self.looked_at.insert(at);
        }
    }

    /// The queues that were looked at since this was asked last: only they can have news.
    pub(super) fn take_looked_at(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.looked_at)
    }

    /// The queues with claimed jobs; `stuck`: only those whose jobs may not be sent.
    pub(super) fn with_ready(&self, stuck: bool) -> Vec<usize> {
        let is_wanted = |at: &usize| !stuck || !self.standing.sendable.contains(at);
        self.with_ready.iter().copied().filter(is_wanted).collect()
    }

    /// The next queue from that place on, and around, that has jobs to send; `after` the last one found.
    pub(super) fn next_sendable(&self, from: usize, after: Option<usize>) -> Option<usize> {
        next_around(&self.standing.sendable, from, after)
    }

    /// The same, of queues that a claim would bring jobs of.
    pub(super) fn next_claimable(&self, from: usize, after: Option<usize>) -> Option<usize> {
        next_around(&self.standing.claimable, from, after)
    }

    /// How many queues a claim would bring jobs of.
    pub(super) fn claimable(&self) -> usize {
        self.standing.claimable.len()
    }

    /// Whether requests of some model go to the second endpoint.
    pub(super) fn is_diverted(&self) -> bool {
        !self.standing.diverted.is_empty()
    }

    /// Whether the first endpoint keeps failing for some model.
    pub(super) fn is_failing(&self) -> bool {
        !self.failing.is_empty()
    }

    /// Since when every model with jobs that wait has been failing, with nothing to take its place.
    pub(super) fn down_since(&self, now: Timestamp) -> Option<Timestamp> {
        if self.sums.with_queued_failing < self.sums.with_queued {
            return None;
        }
        let failing = self.failing.iter().map(|at| &self.queues[*at]);
        let with_queued = failing.filter(|queue| queue.queued > 0);
        let since: Option<Vec<_>> = with_queued.map(|queue| queue.down_since(now)).collect();
        since?.into_iter().max()
    }

    /// Claimed jobs that were not sent.
    pub(super) fn ready(&self) -> u32 {
        u32::try_from(self.sums.ready).unwrap_or(u32::MAX)
    }

    /// Jobs that claims under way were asked for.
    pub(super) fn claiming(&self) -> u32 {
        u32::try_from(self.sums.claiming).unwrap_or(u32::MAX)
    }

    /// Jobs that wait in the store.
    pub(super) fn queued(&self) -> u64 {
        self.sums.queued
    }

    /// No job waits that could be tried.
    pub(super) fn nothing_is_left(&self) -> bool {
        self.sums.with_work == 0
    }

    /// Whether a job has succeeded at the first endpoint since the start and the last halt.
    pub(super) fn is_proven(&self) -> bool {
        self.sums.proven > 0
    }

    /// Whether jobs of another model than this queue's have not ended.
    pub(super) fn has_jobs_beside(&self, queue: &ModelQueue) -> bool {
        self.sums.with_jobs_left > usize::from(queue.has_jobs_left())
    }

    /// The same, of models that are not blocked.
    pub(super) fn has_jobs_to_try_beside(&self, queue: &ModelQueue) -> bool {
        let own = queue.has_jobs_left() && !queue.blocked;
        self.sums.with_jobs_to_try > usize::from(own)
    }

    /// When a job of another model than this queue's succeeded last.
    pub(super) fn success_beside(&self, queue: &ModelQueue) -> Option<Timestamp> {
        let own = self.by_model.get(&queue.model);
        let mut latest = self.successes.iter().rev();
        let (time, _) = latest.find(|(_, at)| Some(at) != own)?;
        Some(*time)
    }

    /// The first time after that one at which a queue may have something to do.
    pub(super) fn wakes_after(&self, planned_at: Timestamp) -> Option<Timestamp> {
        let mut later = self.wakes.range((planned_at, usize::MAX)..);
        later
            .find(|(time, _)| *time > planned_at)
            .map(|(time, _)| *time)
    }
}

/// A queue that is about to change: counted anew when this is let go of.
pub(super) struct QueueMut<'a> {
    queues: &'a mut ModelQueues,
    at: usize,
}

impl Deref for QueueMut<'_> {
    type Target = ModelQueue;

    fn deref(&self) -> &ModelQueue {
        &self.queues.queues[self.at]
    }
}

impl DerefMut for QueueMut<'_> {
    fn deref_mut(&mut self) -> &mut ModelQueue {
        &mut self.queues.queues[self.at]
    }
}

impl Drop for QueueMut<'_> {
    fn drop(&mut self) {
        self.queues.recount(self.at);
    }
}

fn keep(set: &mut BTreeSet<usize>, at: usize, is_in: bool) {
    if is_in {
        set.insert(at);
    } else {
        set.remove(&at);
    }
}

fn replace<const N: usize>(
    set: &mut BTreeSet<(Timestamp, usize)>,
    at: usize,
    before: [Option<Timestamp>; N],
    after: [Option<Timestamp>; N],
) {
    if before == after {
        return;
    }
    for time in before.into_iter().flatten() {
        set.remove(&(time, at));
    }
    set.extend(after.into_iter().flatten().map(|time| (time, at)));
}

/// The first of these at or behind `from`, and around; `after` the last one found, until `from` comes
/// again.
fn next_around(set: &BTreeSet<usize>, from: usize, after: Option<usize>) -> Option<usize> {
    let next = |begin: usize, end: usize| set.range(begin..end.max(begin)).next().copied();
    match after {
        None => next(from, usize::MAX).or_else(|| next(0, from)),
        Some(last) if last >= from => next(last + 1, usize::MAX).or_else(|| next(0, from)),
        Some(last) => next(last + 1, from),
    }
}
