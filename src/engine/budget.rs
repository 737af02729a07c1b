//! The budget of a run under dispatch: who may start, what is held for whom, and when it is used up.
//!
//! It keeps the account (`policy::spend`) and knows which request, and which job of which remote
//! batch, holds how much. It has one owner, the dispatcher, which lends it to the plan of the live
//! lane and settles with it what either lane has spent. It starts and stops nothing itself: the
//! scheduler leaves the run when it is used up.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::batch_money::{Found, Item, Spent};
use crate::model::{BatchId, ClaimedJob, EventKind, Halt, JobId, Lane, Pico};
use crate::policy::{
    BatchCosts, Estimator, Hold, PriceTable, Prompt, Room, SHORTER, Spend, Unbounded, at_most,
    batch_reservation,
};
use crate::store::AnswerCosts;

/// How a budget is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetRule {
    /// A batch holds all that its requests can cost, as single requests do, and not what they are
    /// likely to cost together.
    pub strict: bool,
    /// Searches that a request is taken to make where its search tool names no bound.
    pub assume_searches: Option<u32>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct RunBudget {
    /// Without a bound everything fits, and nothing is held.
    is_bounded: bool,
    spend: Spend,
    rule: BudgetRule,
    prices: Arc<PriceTable>,
    /// What is held for each request on the wire.
    held: HashMap<JobId, Pico>,
    /// What is held for each job of a remote batch.
    in_batches: HashMap<BatchId, HashMap<JobId, Held>>,
    /// What answers have cost.
    costs: BatchCosts,
    /// The request that was asked about last, and the most that it can cost.
    last: (Option<JobId>, Pico),
    /// Requests wait for money, and not for anything else; what there is to tell about it.
    tight: Option<Tight>,
    /// How few requests it allowed to be open when that was told last.
    told_tight: Option<u32>,
    /// Why nothing more can be started.
    used_up: Option<String>,
}

/// How few requests the budget allows to be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tight {
    /// So many like the next one.
    open: u32,
    /// With so small a `max_tokens`, so many.
    shorter: Option<(u64, u32)>,
}

/// What is held for a job of a batch.
#[derive(Clone, Copy, Debug)]
struct Held {
    hold: Hold,
    /// Tokens of its prompt by the plain tokenizer: what the guess rests on that is compared with
    /// its result.
    tokens: f64,
}

impl RunBudget {
    /// For a run that has `spent` so much already. No `budget`: it may spend any amount.
    pub(super) fn new(
        budget: Option<Pico>,
        rule: BudgetRule,
        spent: Pico,
        prices: Arc<PriceTable>,
    ) -> Self {
        Self {
            is_bounded: budget.is_some(),
            spend: Spend::new(budget.unwrap_or_default(), spent),
            rule,
            prices,
            held: HashMap::new(),
            in_batches: HashMap::new(),
            costs: BatchCosts::default(),
            last: (None, Pico::ZERO),
            tight: None,
            told_tight: None,
            used_up: None,
        }
    }

    /// So much of the run may have been billed already without anybody knowing.
    pub(super) fn keep(&mut self, amount: Pico) {
        self.spend.keep(amount);
    }

    /// Whether this job may start, asking for one of these models. If it never may, the budget is used
    /// up.
    pub(super) fn room<'a>(
        &mut self,
        job: &ClaimedJob,
        models: impl Iterator<Item = &'a str>,
        prompt: &Prompt,
        now: Timestamp,
    ) -> Room {
        if !self.is_bounded {
            return Room::Now;
        }
        let price = match self.at_most(models, prompt, now) {
            Ok(price) => price,
            Err(unbounded) => {
                let budget = self.spend.budget();
                let message = Halt::no_bound_for_budget(&job.custom_id, &unbounded, budget);
                self.used_up = Some(message);
                return Room::Never;
            }
        };
        // It may be asked about for both endpoints before it starts, at one of them.
        let price = match self.last {
            (Some(last), dearer) if last == job.job() => price.max(dearer),
            _ => price,
        };
        self.last = (Some(job.job()), price);
        let room = self.room_at(Hold::exactly(price));
        // Whether or not it starts, one more like it does not.
        let was_the_last = room == Room::Now && self.spend.left() - price < price;
        let is_tight = was_the_last || room == Room::AfterAnAnswer;
        self.tight = is_tight.then(|| self.tighter(job, prompt, now)).flatten();
        room
    }

    /// The most that a request can cost which is answered by one of these models.
    fn at_most<'a>(
        &self,
        models: impl Iterator<Item = &'a str>,
        prompt: &Prompt,
        now: Timestamp,
    ) -> Result<Pico, Unbounded> {
        let bounds = prompt.bounds.as_deref().ok_or(Unbounded::Unreadable)?;
        let (way, searches) = ((Lane::Live, now), self.rule.assume_searches);
        let price = |model| at_most(&self.prices, model, bounds, way, searches);
        let prices = models.map(price).collect::<Result<Vec<_>, _>>()?;
        prices.into_iter().max().ok_or(Unbounded::Unreadable)
    }

    /// That requests wait for money, told when it begins.
    fn tighter(&self, job: &ClaimedJob, prompt: &Prompt, now: Timestamp) -> Option<Tight> {
        let (bounds, (_, each)) = (prompt.bounds.as_deref()?, self.last);
        let open = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        let max_tokens = bounds.max_tokens()?;
        let fewer = SHORTER.into_iter().find(|shorter| *shorter < max_tokens);
        let shorter = fewer.and_then(|max_tokens| {
            let bounds = bounds.with_max_tokens(max_tokens);
            let (way, searches) = ((Lane::Live, now), self.rule.assume_searches);
            let each = at_most(&self.prices, &job.model, &bounds, way, searches).ok()?;
            Some((max_tokens, each))
        });
        let room = self.spend.left().0.max(0) + self.spend.held().0;
        let allows = |each: Pico| u32::try_from(room / each.0.max(1)).unwrap_or(u32::MAX);
        Some(Tight {
            open: open.max(allows(each)),
            shorter: shorter.map(|(max_tokens, each)| (max_tokens, allows(each))),
        })
    }

    fn room_at(&mut self, hold: Hold) -> Room {
        let room = self.spend.room_for(hold);
        if room == Room::Never {
            self.used_up = Some(self.too_little_for(hold.most));
        }
        room
    }

    fn too_little_for(&self, next: Pico) -> String {
        let (spent, kept) = (self.spend.spent(), self.spend.kept());
        Halt::budget_used_up(self.spend.budget(), (spent, kept), next)
    }

    /// The job that was asked about last starts.
    pub(super) fn started(&mut self, job: JobId) {
        if !self.is_bounded {
            return;
        }
        let (_, price) = std::mem::take(&mut self.last);
        self.last = (None, price);
        self.spend.hold(Hold::exactly(price));
        self.held.insert(job, price);
    }

    /// A request came to its end, and cost so much. If it may have been billed for more, what was held
    /// for it is kept until the run ends.
    pub(super) fn ended(&mut self, job: JobId, cost: Pico, maybe_billed: bool) {
        if !self.is_bounded {
            return;
        }
        let held = self.held.remove(&job).unwrap_or_default();
        self.spend.settle(Hold::exactly(held), cost);
        if maybe_billed {
            self.spend.keep(held - cost);
        }
    }

    /// That it alone keeps requests from being open, if that is news: told again once only half as many
    /// may be.
    pub(super) fn tight(&mut self) -> Option<EventKind> {
        let tight = self.tight.take()?;
        if self
            .told_tight
            .is_some_and(|told| tight.open >= told.div_ceil(2))
        {
            return None;
        }
        self.told_tight = Some(tight.open);
        let shorter = tight.shorter.filter(|(_, open)| *open > tight.open);
        Some(EventKind::BudgetTight {
            open: tight.open,
            shorter_max_tokens: shorter.map(|(max_tokens, _)| max_tokens),
            shorter_open: shorter.map(|(_, open)| open),
        })
    }

    /// What answers of the run have cost until now.
    fn learn(&mut self, costs: &[AnswerCosts]) {
        for of_model in costs {
            let (answers, cost) = (of_model.answers, of_model.cost);
            self.costs.observe(&of_model.model, answers, cost);
        }
    }

    /// How many of these jobs, from the first one on, fit into a batch. They are held for `batch`,
    /// if there is one. If not even the first ever does, the budget is used up.
    pub(super) fn grant(
        &mut self,
        batch: Option<BatchId>,
        items: &[Item],
        now: Timestamp,
    ) -> usize {
        if !self.is_bounded {
            return items.len();
        }
        let fits = |item: &&Item| {
            let hold = match self.hold_in_batch(item, now) {
                Ok(hold) => hold,
                Err(unbounded) => {
                    let budget = self.spend.budget();
                    self.used_up = Some(Halt::no_bound_in_batch(&unbounded, budget));
                    return false;
                }
            };
            let has_room = self.room_at(hold) == Room::Now;
            if let (true, Some(batch)) = (has_room, batch) {
                self.hold(batch, item, hold);
            }
            has_room
        };
        items.iter().take_while(fits).count()
    }

    /// Takes up what an earlier dispatch left: what answers have cost until now, and what is in remote
    /// batches.
    pub(super) fn take_up(&mut self, found: &Found, estimator: &Estimator, now: Timestamp) {
        self.learn(&found.costs);
        for (batch, items) in &found.batches {
            self.found(*batch, items, estimator, now);
        }
    }

    /// Jobs that were in a batch before this dispatch: they are held whether they fit or not. What
    /// has no bound is held at what it is likely to cost.
    fn found(&mut self, batch: BatchId, items: &[Item], estimator: &Estimator, now: Timestamp) {
        for (nth, item) in (1..).zip(items) {
            let hold = self.hold_in_batch(item, now).ok();
            let (prices, prompt) = (&self.prices, &item.prompt);
            let likely = || batch_reservation(prices, estimator, &item.model, prompt, nth, now);
            let hold = hold.or_else(|| likely().map(Hold::exactly));
            self.hold(batch, item, hold.unwrap_or_default());
        }
    }

    /// What is held for a job of a batch: the most that it can cost, and, unless the budget is strict,
    /// what it is likely to cost.
    fn hold_in_batch(&self, item: &Item, now: Timestamp) -> Result<Hold, Unbounded> {
        let bounds = item.prompt.bounds.as_deref().ok_or(Unbounded::Unreadable)?;
        let (way, searches) = ((Lane::Batch, now), self.rule.assume_searches);
        let most = at_most(&self.prices, &item.model, bounds, way, searches)?;
        Ok(if self.rule.strict {
            Hold::exactly(most)
        } else {
            self.costs.hold(&item.model, most)
        })
    }

    fn hold(&mut self, batch: BatchId, item: &Item, hold: Hold) {
        let tokens = item.prompt.tokens;
        self.spend.hold(hold);
        let in_it = self.in_batches.entry(batch).or_default();
        if let Some(before) = in_it.insert(item.job, Held { hold, tokens }) {
            self.spend.settle(before.hold, Pico::ZERO);
        }
    }

    /// The result of a job in a batch is recorded. Tells what its prompt was counted as.
    pub(super) fn settle(&mut self, batch: BatchId, model: &str, spent: &Spent) -> Option<f64> {
        let in_it = self.in_batches.get_mut(&batch);
        let before = in_it.and_then(|in_it| in_it.remove(&spent.job));
        let hold = before.map(|held| held.hold).unwrap_or_default();
        self.spend.settle(hold, spent.cost);
        if spent.maybe_billed {
            self.spend.keep(hold.most - spent.cost);
        }
        if spent.cost > Pico::ZERO {
            self.costs.observe(model, 1, spent.cost);
        }
        before.map(|held| held.tokens)
    }

    /// These jobs did not go into the batch after all.
    pub(super) fn unused(&mut self, batch: BatchId, jobs: &[JobId]) {
        if let Some(in_it) = self.in_batches.get_mut(&batch) {
            for held in jobs.iter().filter_map(|job| in_it.remove(job)) {
                self.spend.settle(held.hold, Pico::ZERO);
            }
        }
    }

    /// A batch is over, or came to nothing: what is still held for it is free.
    pub(super) fn freed(&mut self, batch: BatchId) {
        let left = self.in_batches.remove(&batch).unwrap_or_default();
        for held in left.into_values() {
            self.spend.settle(held.hold, Pico::ZERO);
        }
    }

    /// Nothing more comes of a batch in this dispatch, but it may be billed: what is held for it stays
    /// out of reach.
    pub(super) fn keep_batch(&mut self, batch: BatchId) {
        let left = self.in_batches.remove(&batch).unwrap_or_default();
        for held in left.into_values() {
            self.spend.settle(held.hold, Pico::ZERO);
            self.spend.keep(held.hold.most);
        }
    }

    /// Nothing in flight, on either lane, could free anything.
    pub(super) fn holds_nothing(&self) -> bool {
        self.spend.held() == Pico::ZERO
    }

    /// How many requests like the last one the budget still has room for, and before any the one that
    /// tells. Not more, since what a crash leaves claimed is held until the run ends. While nothing is
    /// in flight at least the one that finds out that there is no room.
    pub(super) fn worth(&self) -> u32 {
        if !self.is_bounded {
            return u32::MAX;
        }
        let left = self.spend.left().0.max(0);
        let worth = left.checked_div(self.last.1.0).unwrap_or(1);
        let least = u32::from(self.holds_nothing());
        u32::try_from(worth).unwrap_or(u32::MAX).max(least)
    }

    /// A warning that is due.
    pub(super) fn warning(&mut self) -> Option<EventKind> {
        let percent = self.spend.warning().filter(|_| self.is_bounded)?;
        Some(EventKind::BudgetWarning {
            percent,
            spent_usd: self.spend.spent(),
            budget_usd: self.spend.budget(),
        })
    }

    /// The halt of a run whose next job does not fit any more.
    pub(super) fn used_up(&self, now: Timestamp) -> Option<Halt> {
        let message = self.used_up.clone()?;
        Some(Halt::own_budget(message, now))
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
