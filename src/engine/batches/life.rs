//! The life of one batch, from its first job to its last result: what its stored state asks for is
//! done, and what came of it is the next state.
//!
//! Each act writes down what it is about to do before it does it, so a crash anywhere leaves a state
//! from which the next start goes on: here, in the same loop. Nothing is tried again inside an act. What
//! did not go well leaves the batch as it was, due later.

mod cancel;
mod create;
mod fill;
mod harvest;
mod poll;
mod refused;
mod search;
mod short;
mod waits;

use std::sync::Arc;

use fastrand::Rng;
use jiff::Timestamp;

use super::batch::{Disband, LocalBatch};
use super::batch_io::{BatchIo, Context};
use super::coordinator::Coordinator;
use super::shared::SharedLane;
use super::signals::News;
use super::turn::BatchTurn;
use super::view::View;
use crate::engine::outcome::halt_for;
use crate::model::{BatchId, BatchState, EventKind, Lane};
use crate::provider::{BatchApi, Failure};
use crate::store::{BatchStore, Result};

/// One batch, and the task that it lives in.
pub(super) struct Life<S, B> {
    batch: LocalBatch,
    shared: Arc<SharedLane<S, B>>,
    rng: Rng,
}

impl<S: BatchStore, B: BatchApi> Life<S, B> {
    pub(super) fn new(batch: LocalBatch, shared: Arc<SharedLane<S, B>>, rng: Rng) -> Self {
        Self { batch, shared, rng }
    }

    /// Lives until the batch is over, or is left to the next start.
    pub(super) async fn run(mut self) -> Result<()> {
        loop {
            match self.turn().await {
                BatchTurn::Leave => return Ok(()),
                BatchTurn::Disband(how) => return self.disband(how).await,
                BatchTurn::Cancel(reason) => self.cancel(reason).await?,
                BatchTurn::FailEntry(failure) => self.fail_only_entry(failure).await?,
                BatchTurn::Halt(failure) => self.halt_for(&failure).await,
                BatchTurn::Act => match self.batch.row.state {
                    BatchState::Filling => self.fill().await?,
                    BatchState::Ready => self.create().await?,
                    // Its create call left, and nobody waits for the answer any more.
                    BatchState::Sending => self.mark_uncertain().await?,
                    BatchState::Uncertain => self.search().await?,
                    BatchState::Open | BatchState::Canceling => self.poll().await?,
                    BatchState::Ended => self.harvest().await?,
                    BatchState::Harvested | BatchState::Lost => return self.end().await,
                },
            }
        }
    }

    /// Waits until something is to be done: its time has come, there is room for it, the deadline of its
    /// jobs is near, or the run is being cancelled or left.
    async fn turn(&mut self) -> BatchTurn {
        let batch = &mut self.batch;
        let decided = |it: &mut Coordinator, now| it.turn(batch, now);
        self.shared.decided(decided).await
    }

    /// Takes it apart, page by page: its jobs go again.
    async fn disband(self, how: Disband) -> Result<()> {
        let Disband {
            lane,
            keep_attempts,
        } = how;
        let (store, id) = (&self.io().store, self.id());
        let now = self.now();
        while store.disband_batch(id, lane, keep_attempts, now).await? {}
        if lane == Lane::Live {
            self.io().tell(News::JobsForLive).await;
        }
        self.end().await
    }

    /// It is over: what is held for it of the budget is free, unless it may yet be billed.
    async fn end(self) -> Result<()> {
        let id = self.id();
        let news = if self.batch.may_be_billed() {
            News::Kept(id)
        } else {
            News::Freed(id)
        };
        // The dispatcher hears of it first: the next batch asks for the room that this one has held.
        self.io().tell(news).await;
        self.shared.update(|it, _| it.forget(id));
        Ok(())
    }

    /// Writes down that it stands there now. It may have been taken apart meanwhile, by a cancel in
    /// another process, say.
    async fn move_to(&mut self, to: BatchState) -> Result<()> {
        let state = self
            .io()
            .store
            .move_batch(self.id(), to, self.now())
            .await?;
        self.batch.row = self.io().row(self.id()).await?;
        self.batch.moved(state);
        Ok(())
    }

    fn id(&self) -> BatchId {
        self.batch.row.id
    }

    fn io(&self) -> &BatchIo<S, B> {
        &self.shared.io
    }

    fn now(&self) -> Timestamp {
        self.io().clock.now()
    }

    fn view(&self) -> View {
        self.shared.read(|it| it.view)
    }

    /// The id that the API knows it by; empty while it has none.
    fn remote_id(&self) -> String {
        self.batch.row.remote_id.clone().unwrap_or_default()
    }

    /// What decides on jobs of it.
    fn context(&mut self) -> Context {
        Context {
            ways: self.view().ways,
            rng: self.rng.fork(),
        }
    }

    /// No job can succeed, as this call has shown.
    async fn halt_for(&self, failure: &Failure) {
        let halt = halt_for(failure.class, &failure.evidence, self.now());
        self.shared.halt(halt).await;
    }

    async fn tell(&self, kind: EventKind) {
        self.io().observe(kind).await;
    }
}
