//! The handle by which the dispatcher and the batch lane talk.
//!
//! The dispatcher says how urgent things are and how the live lane does; the loop sends news. One
//! value is shared: whether the batch lane has work. It is set before jobs change their queue, so
//! whoever finds one queue empty and this value false can leave.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::batch::LocalBatch;
use super::batch_io::BatchIo;
use super::coordinator::{Coordinator, left_by_earlier};
use super::driver::Driver;
use super::intake::first_rule;
use super::shared::SharedLane;
use super::signals::{LiveView, Mode, News, Orders, Status};
use super::warm_up::WarmUp;
use crate::clock::Clock;
use crate::engine::batch_money::{Found, Item};
use crate::engine::events::EventMaker;
use crate::engine::settings::EngineSettings;
use crate::engine::stop::{Stop, StopSignal};
use crate::model::{BatchId, BatchState, Run};
use crate::provider::BatchApi;
use crate::store::{BatchRow, BatchStore, StoreError};

/// News that wait for the dispatcher; each may hold the events of some hundred lines.
const NEWS: usize = 16;

/// The dispatcher's end. The loop ends with it.
#[derive(Debug)]
pub(crate) struct BatchLane {
    news: mpsc::Receiver<News>,
    orders: watch::Sender<Orders>,
    status: watch::Receiver<Status>,
    has_left: bool,
    /// What an earlier dispatch left, if there is a budget to hold it against.
    found: Found,
    _task: JoinSet<()>,
}

impl BatchLane {
    /// Sends the jobs of the run to their lanes, and starts the loop if there is or may be work for
    /// it; none otherwise.
    pub(crate) async fn open<S: BatchStore, B: BatchApi>(
        store: Arc<S>,
        api: Arc<B>,
        clock: Clock,
        run: &Run,
        settings: &EngineSettings,
        stop: &StopSignal,
    ) -> Result<Option<Self>, StoreError> {
        let now = clock.now();
        let rows = store.batches(run.id).await?;
        let found = match settings.limits.budget {
            Some(_) => Found {
                batches: found(&*store, &rows).await?,
                costs: store.answer_costs(run.id).await?,
            },
            None => Found::default(),
        };
        let mut coordinator = Coordinator::new(run, settings, &rows);
        let batches = left_by_earlier(&rows, settings);
        for batch in &batches {
            coordinator.show(batch);
        }
        let mut after_line = Some(0);
        while let Some(line) = after_line
            && stop.current() == Stop::No
        {
            let rule = first_rule(&coordinator.view, now);
            after_line = store.route(run.id, rule, line).await?.next;
        }
        let queue = store.batch_queue(run.id, now).await?;
        coordinator.intake.begins_with(queue, now);
        let mut warm_up = WarmUp::new(settings, now);
        let warmers = store.warmers(warm_up.jobs(), now).await?;
        warm_up.begins_with(&warmers, &rows, now);
        coordinator.warm_up = warm_up;
        let may_spill = settings.batch.settings.spill_after.is_some();
        let has_work = coordinator.is_busy() || coordinator.has_remote_batches();
        if !has_work && !may_spill {
            return Ok(None);
        }
        let (news_sender, news) = mpsc::channel(NEWS);
        let events = EventMaker::new(run.id, settings.second.as_ref());
        let io = BatchIo::new(store, api, clock, events, run, settings, news_sender);
        let lane = Self::start(io, news, coordinator, batches);
        Ok(Some(Self { found, ..lane }))
    }

    fn start<S: BatchStore, B: BatchApi>(
        io: BatchIo<S, B>,
        news: mpsc::Receiver<News>,
        coordinator: Coordinator,
        batches: Vec<LocalBatch>,
    ) -> Self {
        let (orders, orders_receiver) = watch::channel(Orders::default());
        let (status_sender, status) = watch::channel(coordinator.status());
        let seed = io.settings.seed;
        let shared = Arc::new(SharedLane::new(io, coordinator, status_sender));
        let driver = Driver::new(shared, seed, orders_receiver);
        let mut task = JoinSet::new();
        task.spawn(driver.run(batches));
        Self {
            news,
            orders,
            status,
            has_left: false,
            found: Found::default(),
            _task: task,
        }
    }

    /// What an earlier dispatch left, if there is a budget; told once.
    pub(crate) fn take_found(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    /// The news that lie here already.
    pub(crate) fn told(&mut self) -> Vec<News> {
        let told: Vec<_> = std::iter::from_fn(|| self.news.try_recv().ok()).collect();
        self.has_left |= told.iter().any(|news| matches!(news, News::Left));
        told
    }

    /// The next news; waits for ever when the loop has ended.
    pub(crate) async fn news(&mut self) -> News {
        if self.has_left {
            std::future::pending::<()>().await;
        }
        match self.news.recv().await {
            Some(News::Left) => {
                self.has_left = true;
                News::Left
            }
            Some(news) => news,
            None => {
                self.has_left = true;
                News::Broken(StoreError::IllegalTransition(
                    "the batch lane was lost".to_owned(),
                ))
            }
        }
    }

    /// Says how urgent it is and how the live lane does.
    pub(crate) fn tell(&self, mode: Mode, live: LiveView) {
        let orders = Orders { mode, live };
        self.orders.send_if_modified(|current| {
            let is_new = *current != orders;
            *current = orders;
            is_new
        });
    }

    /// It has work, or waits here for the API.
    pub(crate) fn is_busy(&self) -> bool {
        !self.has_left && self.status.borrow().busy
    }

    /// Batches that the API works on, or may.
    pub(crate) fn remote_batches(&self) -> u64 {
        self.status.borrow().remote_batches
    }

    /// The loop has ended.
    pub(crate) fn has_left(&self) -> bool {
        self.has_left
    }
}

/// The jobs of the batches that the API has, or may have, whose results are not recorded.
async fn found<S: BatchStore>(
    store: &S,
    rows: &[BatchRow],
) -> Result<Vec<(BatchId, Vec<Item>)>, StoreError> {
    let mut found = Vec::new();
    let unsent = [BatchState::Filling, BatchState::Ready];
    let bought = |row: &&BatchRow| !row.state.is_over() && !unsent.contains(&row.state);
    for row in rows.iter().filter(bought) {
        let (mut items, mut after) = (Vec::new(), None);
        loop {
            let page = store.batch_entries(row.id, after).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.attempt);
            items.extend(page.iter().map(Item::read));
        }
        found.push((row.id, items));
    }
    Ok(found)
}
