//! The budget of a run under dispatch: who may start, what is held for whom, and when it is used up.
//!
//! It keeps the account (`policy::spend`) and knows which request, and which job of which remote
//! batch, holds how much. It starts and stops nothing itself: `throttle` asks it, and so does the
//! batch lane (`batch_money`), and `scheduler` leaves the run when it is used up.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::batch_money::{Item, Spent};
use super::throttle::BudgetRule;
use crate::model::{BatchId, ClaimedJob, ErrorClass, EventKind, Halt, JobId, Lane, Pico};
use crate::policy::{
    Estimator, Prefix, PriceTable, Prompt, Room, Spend, batch_reservation, reservation,
};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Purse {
    spend: Spend,
    rule: BudgetRule,
    prices: Arc<PriceTable>,
    /// What is held for each request on the wire.
    held: HashMap<JobId, Pico>,
    /// What is held for each job of a remote batch.
    in_batches: HashMap<BatchId, HashMap<JobId, Held>>,
    /// What the last request was taken to cost.
    last: Pico,
    /// Why nothing more can be started.
    used_up: Option<String>,
}

/// What is held for a job of a batch.
#[derive(Clone, Copy, Debug)]
struct Held {
    price: Pico,
    /// Tokens of its prompt by the plain tokenizer: what the guess rests on that is compared with
    /// its result.
    tokens: f64,
}

impl Purse {
    pub(super) fn new(
        (budget, rule): (Pico, BudgetRule),
        spent: Pico,
        prices: Arc<PriceTable>,
    ) -> Self {
        Self {
            spend: Spend::new(budget, spent),
            rule,
            prices,
            held: HashMap::new(),
            in_batches: HashMap::new(),
            last: Pico::ZERO,
            used_up: None,
        }
    }

    /// Whether this job may start. If it never may, the budget is used up.
    pub(super) fn room(
        &mut self,
        job: &ClaimedJob,
        prompt: &Prompt,
        (estimator, is_warm): (&Estimator, impl Fn(&Prefix) -> bool),
        now: Timestamp,
    ) -> Room {
        let way = (Lane::Live, now);
        let price = reservation(&self.prices, estimator, &job.model, prompt, is_warm, way);
        let room = self.room_at(price, &job.model);
        self.last = price.unwrap_or(self.last);
        room
    }

    fn room_at(&mut self, price: Option<Pico>, model: &str) -> Room {
        let Some(price) = price else {
            self.used_up = Some(Halt::no_price_for_budget(model, self.spend.budget()));
            return Room::Never;
        };
        let room = self.spend.room_for(price);
        if room == Room::Never {
            let (budget, spent) = (self.spend.budget(), self.spend.spent());
            self.used_up = Some(Halt::budget_used_up(budget, spent, price));
        }
        room
    }

    /// The job that was asked about last starts.
    pub(super) fn started(&mut self, job: JobId) {
        self.spend.hold(self.last);
        self.held.insert(job, self.last);
    }

    /// A request came to its end, and cost so much.
    pub(super) fn ended(&mut self, job: JobId, cost: Pico) {
        let held = self.held.remove(&job).unwrap_or_default();
        self.spend.settle(held, cost);
    }

    /// How many of these jobs, from the first one on, fit into a batch. They are held for `batch`,
    /// if there is one. If not even the first ever does, the budget is used up.
    pub(super) fn grant(
        &mut self,
        batch: Option<BatchId>,
        items: &[Item],
        estimator: &Estimator,
        now: Timestamp,
    ) -> usize {
        let fits = |item: &&Item| {
            let price = self.price_in_batch(batch, item, estimator, now);
            let has_room = self.room_at(price, &item.model) == Room::Now;
            if let (true, Some(price), Some(batch)) = (has_room, price, batch) {
                self.hold(batch, item, price);
            }
            has_room
        };
        items.iter().take_while(fits).count()
    }

    /// Jobs that were in a batch before this dispatch: they are held whether they fit or not.
    pub(super) fn found(
        &mut self,
        batch: BatchId,
        items: &[Item],
        estimator: &Estimator,
        now: Timestamp,
    ) {
        for item in items {
            let price = self.price_in_batch(Some(batch), item, estimator, now);
            self.hold(batch, item, price.unwrap_or_default());
        }
    }

    fn price_in_batch(
        &self,
        batch: Option<BatchId>,
        item: &Item,
        estimator: &Estimator,
        now: Timestamp,
    ) -> Option<Pico> {
        let in_it = batch.and_then(|batch| self.in_batches.get(&batch));
        let nth = 1 + u32::try_from(in_it.map_or(0, HashMap::len)).unwrap_or(u32::MAX - 1);
        let (prices, prompt) = (&self.prices, &item.prompt);
        batch_reservation(prices, estimator, &item.model, prompt, nth, now)
    }

    fn hold(&mut self, batch: BatchId, item: &Item, price: Pico) {
        let tokens = item.prompt.tokens;
        self.spend.hold(price);
        let in_it = self.in_batches.entry(batch).or_default();
        if let Some(before) = in_it.insert(item.job, Held { price, tokens }) {
            self.spend.settle(before.price, Pico::ZERO);
        }
    }

    /// The result of a job in a batch is recorded. Tells what its prompt was counted as.
    pub(super) fn settle(&mut self, batch: BatchId, spent: &Spent) -> Option<f64> {
        let in_it = self.in_batches.get_mut(&batch);
        let held = in_it.and_then(|in_it| in_it.remove(&spent.job));
        let price = held.map(|held| held.price).unwrap_or_default();
        self.spend.settle(price, spent.cost);
        held.map(|held| held.tokens)
    }

    /// These jobs did not go into the batch after all.
    pub(super) fn unused(&mut self, batch: BatchId, jobs: &[JobId]) {
        if let Some(in_it) = self.in_batches.get_mut(&batch) {
            for held in jobs.iter().filter_map(|job| in_it.remove(job)) {
                self.spend.settle(held.price, Pico::ZERO);
            }
        }
    }

    /// A batch is over, or came to nothing: what is still held for it is free.
    pub(super) fn freed(&mut self, batch: BatchId) {
        let left = self.in_batches.remove(&batch).unwrap_or_default();
        for held in left.into_values() {
            self.spend.settle(held.price, Pico::ZERO);
        }
    }

    /// Nothing in flight, on either lane, could free anything.
    pub(super) fn holds_nothing(&self) -> bool {
        self.spend.held() == Pico::ZERO
    }

    /// How many requests like the last one the budget still has room for; at least the one that
    /// finds out that there is none.
    pub(super) fn worth(&self) -> u32 {
        let left = self.spend.left().0.max(0);
        let worth = left.checked_div(self.last.0).unwrap_or(i128::MAX);
        u32::try_from(worth).unwrap_or(u32::MAX).max(1)
    }

    /// A warning that is due.
    pub(super) fn warning(&mut self) -> Option<EventKind> {
        let percent = self.spend.warning()?;
        Some(EventKind::BudgetWarning {
            percent,
            spent_usd: self.spend.spent().to_string(),
            budget_usd: self.spend.budget().to_string(),
        })
    }

    /// The halt of a run whose next job does not fit any more.
    pub(super) fn used_up(&self, now: Timestamp) -> Option<Halt> {
        self.used_up.clone().map(|message| Halt {
            class: ErrorClass::SpendLimit,
            message,
            at: now,
        })
    }
}

#[cfg(test)]
#[path = "purse_tests.rs"]
mod tests;
