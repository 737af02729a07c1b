//! What every task of the batch lane needs: the store, the API, and the way to the dispatcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use tokio::sync::{mpsc, oneshot, watch};

use super::signals::News;
use super::ways::Ways;
use crate::clock::Clock;
use crate::engine::batch_money::{Grant, Item, Wish};
use crate::engine::events::EventMaker;
use crate::engine::settings::EngineSettings;
use crate::model::{AttemptOutcome, BatchId, EventKind, Run, RunId};
use crate::provider::{BatchApi, Failure};
use crate::store::{BatchEntry, BatchRow, BatchStore, Result, StoreError};

/// What a call of the API brought.
pub(super) type ApiResult<T> = std::result::Result<T, Box<Failure>>;

/// What every task needs.
pub(super) struct BatchIo<S, B> {
    pub(super) store: Arc<S>,
    pub(super) api: Arc<B>,
    pub(super) clock: Clock,
    pub(super) events: EventMaker,
    pub(super) run: RunId,
    pub(super) settings: EngineSettings,
    news: mpsc::Sender<News>,
    leaving: watch::Sender<bool>,
    /// Some job of the run has succeeded, now or in an earlier dispatch.
    goes_well: AtomicBool,
}

/// What one task needs to decide on jobs.
pub(super) struct Context {
    pub(super) ways: Ways,
    pub(super) rng: Rng,
}

impl<S: BatchStore, B: BatchApi> BatchIo<S, B> {
    pub(super) fn new(
        store: Arc<S>,
        api: Arc<B>,
        clock: Clock,
        events: EventMaker,
        run: &Run,
        settings: &EngineSettings,
        news: mpsc::Sender<News>,
    ) -> Self {
        Self {
            store,
            api,
            clock,
            events,
            run: run.id,
            goes_well: (run.jobs.succeeded > 0).into(),
            settings: settings.clone(),
            news,
            leaving: watch::Sender::new(false),
        }
    }

    /// Whether some job of the run has succeeded.
    pub(super) fn goes_well(&self) -> bool {
        self.goes_well.load(Ordering::Relaxed)
    }

    /// An attempt ended like that.
    pub(super) fn note(&self, outcome: AttemptOutcome) {
        if outcome == AttemptOutcome::Succeeded {
            self.goes_well.store(true, Ordering::Relaxed);
        }
    }

    /// Tells the dispatcher; if it is gone, nobody wants to know.
    pub(super) async fn tell(&self, news: News) {
        let _ = self.news.send(news).await;
    }

    pub(super) async fn observe(&self, kind: EventKind) {
        let event = self.events.make(self.clock.now(), kind);
        self.tell(News::Events(vec![event])).await;
    }

    /// Long tasks that can be taken up again are to end.
    pub(super) fn leave(&self) {
        self.leaving
            .send_if_modified(|leaving| !std::mem::replace(leaving, true));
    }

    pub(super) fn leaving(&self) -> watch::Receiver<bool> {
        self.leaving.subscribe()
    }

    pub(super) async fn row(&self, batch: BatchId) -> Result<BatchRow> {
        let rows = self.store.batches(self.run).await?;
        let row = rows.into_iter().find(|row| row.id == batch);
        row.ok_or_else(|| {
            StoreError::IllegalTransition(format!("batch {} is gone from the store", batch.0))
        })
    }

    /// How many of these, from the first one on, the budget has room for. It is held for the batch,
    /// if there is one.
    pub(super) async fn room_for(&self, batch: Option<BatchId>, entries: &[BatchEntry]) -> usize {
        let (answer, granted) = oneshot::channel();
        let items = entries.iter().map(Item::read).collect();
        let wish = Wish {
            batch,
            items,
            answer,
        };
        self.tell(News::Wish(wish)).await;
        let Grant { fits } = granted.await.unwrap_or_default();
        fits.min(entries.len())
    }
}
