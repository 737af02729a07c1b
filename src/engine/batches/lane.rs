//! The handle by which the dispatcher and the loop of the batch lane talk.
//!
//! The dispatcher says how urgent things are and how the live lane does; the loop sends news. One
//! value is shared: whether the batch lane has work. It is set before jobs change their queue, so
//! whoever finds one queue empty and this value false can leave.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::batch_io::BatchIo;
use super::driver::Driver;
use super::intake::first_rule;
use super::planner::Planner;
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
        let mut planner = Planner::new(run, settings, rows.clone());
        let mut after_line = Some(0);
        while let Some(line) = after_line
            && stop.current() == Stop::No
        {
            let rule = first_rule(&planner.view, now);
            after_line = store.route(run.id, rule, line).await?.next;
        }
        let queue = store.batch_queue(run.id, now).await?;
        planner.intake.begins_with(queue, now);
        let mut warm_up = WarmUp::new(settings, now);
        let warmers = store.warmers(warm_up.jobs(), now).await?;
        warm_up.begins_with(&warmers, &rows, now);
        planner.warm_up = warm_up;
        let may_spill = settings.batch.settings.spill_after.is_some();
        if !planner.is_busy() && planner.remote_batches() == 0 && !may_spill {
            return Ok(None);
        }
        let lane = Self::start(store, api, clock, run, settings, planner);
        Ok(Some(Self { found, ..lane }))
    }

    fn start<S: BatchStore, B: BatchApi>(
        store: Arc<S>,
        api: Arc<B>,
        clock: Clock,
        run: &Run,
        settings: &EngineSettings,
        planner: Planner,
    ) -> Self {
        let (news_sender, news) = mpsc::channel(NEWS);
        let (orders, orders_receiver) = watch::channel(Orders::default());
        let first = Status {
            busy: planner.is_busy(),
            remote_batches: planner.remote_batches(),
        };
        let (status_sender, status) = watch::channel(first);
        let hands = BatchIo::new(
            store,
            api,
            clock,
            EventMaker::new(run.id, settings.second.as_ref()),
            run,
            settings.clone(),
            news_sender,
        );
        let driver = Driver::new(
            hands,
            planner,
            settings.seed,
            orders_receiver,
            status_sender,
        );
        let mut task = JoinSet::new();
        task.spawn(driver.run());
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
