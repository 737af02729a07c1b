//! The queue's way: jobs are counted, change their lane, and go into a batch when that is worth it.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::batch::LocalBatch;
use super::coordinator::Coordinator;
use super::intake::{Step, nonce};
use super::shared::SharedLane;
use super::signals::News;
use super::turn::Decision;
use crate::model::{Halt, JobId, Lane, OnHalt};
use crate::provider::BatchApi;
use crate::store::{BatchStore, NewBatch, Result, RouteRule};

/// What is done about the queue next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum QueueTurn {
    Step(Step),
    /// See how the jobs stand that went first.
    AskWarmers(Vec<JobId>),
    /// Jobs are left that only a batch may do, and there are none at this endpoint.
    Strand(Halt),
    /// The run is being left.
    Leave,
}

/// Keeps the queue until a batch has been begun; `None`: the run is being left.
pub(super) async fn next_batch<S: BatchStore, B: BatchApi>(
    shared: &SharedLane<S, B>,
    mut rng: Rng,
) -> Result<Option<LocalBatch>> {
    let (store, run) = (&shared.io.store, shared.io.run);
    loop {
        let turn = shared.decided(Coordinator::queue_turn).await;
        let now = shared.io.clock.now();
        match turn {
            QueueTurn::Leave => return Ok(None),
            QueueTurn::Step(Step::Ask) => {
                let queue = store.batch_queue(run, now).await?;
                shared.update(|it, now| it.intake.counted(queue, now));
            }
            QueueTurn::Step(Step::Spill(rule)) => {
                spill(shared, rule).await?;
                shared.update(|it, _| it.intake.stepped());
            }
            QueueTurn::Step(Step::Unroute(which)) => {
                while store.unroute(run, which).await? {}
                shared.io.tell(News::JobsForLive).await;
                shared.update(|it, _| it.intake.stepped());
            }
            QueueTurn::Step(Step::Begin) => {
                if let Some(batch) = begin(shared, rng.u64(..), now).await? {
                    return Ok(Some(batch));
                }
            }
            QueueTurn::AskWarmers(jobs) => {
                let found = store.warmers(jobs, now).await?;
                shared.update(|it, _| it.warm_up.told(&found));
            }
            QueueTurn::Strand(halt) => strand(shared, halt).await,
        }
    }
}

/// Sends jobs of the live lane to the queue.
async fn spill<S: BatchStore, B: BatchApi>(
    shared: &SharedLane<S, B>,
    rule: RouteRule,
) -> Result<()> {
    let mut after_line = Some(0);
    while let Some(line) = after_line {
        let routed = shared.io.store.route(shared.io.run, rule, line).await?;
        after_line = routed.next;
    }
    Ok(())
}

/// Begins a batch, unless not even the first job would go into it for want of money. `drawn` makes its
/// nonce.
async fn begin<S: BatchStore, B: BatchApi>(
    shared: &SharedLane<S, B>,
    drawn: u64,
    now: Timestamp,
) -> Result<Option<LocalBatch>> {
    let (io, run) = (&shared.io, shared.io.run);
    if io.settings.limits.budget.is_some() {
        let first = io.store.next_for_batch(run, now, 1).await?;
        if !first.is_empty() && io.room_for(None, &first).await == 0 {
            shared.update(|it, _| {
                it.intake.short = true;
                it.intake.stepped();
            });
            return Ok(None);
        }
    }
    let new = NewBatch {
        run,
        nonce: nonce(run, now, drawn),
        now,
    };
    let id = io.store.begin_batch(new).await?;
    let row = io.row(id).await?;
    let batch = shared.update(|it, now| {
        it.intake.stepped();
        // The store begins a batch once by its nonce. Under a fixed seed, a dispatch that follows the one
        // before within a second may draw a nonce again: that batch has its task already.
        if it.footprints.contains_key(&id) {
            it.warm_up.not_begun();
            return None;
        }
        let batch = LocalBatch::begun(row, it.warm_up.begun(id, now));
        it.show(&batch);
        Some(batch)
    });
    Ok(batch)
}

/// The run halts for the jobs that only a batch may do, when the live lane is done; or it waits, and
/// whether there are batches is tried again.
async fn strand<S: BatchStore, B: BatchApi>(shared: &SharedLane<S, B>, halt: Halt) {
    if shared.io.settings.on_halt == OnHalt::Wait {
        shared.halt(halt).await;
        shared.update(|it, _| it.try_batches_again());
    } else {
        shared.io.tell(News::Held(halt)).await;
        // Only now may the dispatcher see that nobody waits here any more.
        shared.update(|it, _| it.absence.was_told());
    }
}

impl Coordinator {
    /// What is to be done about the queue, with which nothing is being done.
    pub(super) fn queue_turn(&mut self, now: Timestamp) -> Decision<QueueTurn> {
        if self.is_leaving() {
            return Decision::Now(QueueTurn::Leave);
        }
        if !self.gate.wait_is_over(now) {
            return Decision::Later(self.gate.waiting());
        }
        self.gate.hours().look(now, Duration::ZERO);
        self.reckon(now);
        let footprints = &self.footprints;
        if let Some(jobs) = self.warm_up.asks(|batch| footprints.contains_key(&batch)) {
            return Decision::Now(QueueTurn::AskWarmers(jobs));
        }
        if let Some(step) = self.queue_step(now) {
            return Decision::Now(QueueTurn::Step(step));
        }
        if let Some(halt) = self.stranded(now) {
            return Decision::Now(QueueTurn::Strand(halt));
        }
        let of_intake = self.intake.wakes_at(&self.view, self.live.down_since, now);
        let others = [self.gate.closed_until(), self.warm_up.wakes_at(now)];
        let others = others.into_iter().flatten();
        Decision::Later(of_intake.into_iter().chain(others).min())
    }

    fn queue_step(&mut self, now: Timestamp) -> Option<Step> {
        let has_money = !self.intake.short || self.live.holds_nothing;
        let is_open = self.gate.closed_until().is_none() && !self.warm_up.holds(now);
        let may_begin = has_money && is_open && !self.is_one_pending();
        let (room, down_since) = (self.room(), self.live.down_since);
        let step = self
            .intake
            .step(&self.view, room, may_begin, down_since, now);
        if step == Some(Step::Begin) && self.goes_first() {
            self.warm_up.begins();
        }
        step
    }

    /// The batch that is begun is one that warms the cache for the next.
    fn goes_first(&self) -> bool {
        let queued = self.intake.jobs().unwrap_or_default();
        let is_forced = self.view.ways.forced == Some(Lane::Batch);
        let least = u64::from(self.view.settings.min_jobs);
        let least = if is_forced { 1 } else { least };
        self.warm_up.due(queued, least).is_some()
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
