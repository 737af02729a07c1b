//! The budget of a run under dispatch: who may start, what is held for whom, and when it is used up.
//!
//! It keeps the account (`policy::spend`) and knows which request holds how much. It starts and
//! stops nothing itself: `throttle` asks it, and `scheduler` leaves the run when it is used up.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{ClaimedJob, ErrorClass, EventKind, Halt, JobId, Lane, Pico};
use crate::policy::{Estimator, Prefix, PriceTable, Prompt, Room, Spend, reservation};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Purse {
    spend: Spend,
    prices: Arc<PriceTable>,
    /// What is held for each request on the wire.
    held: HashMap<JobId, Pico>,
    /// What the last request was taken to cost.
    last: Pico,
    /// Why nothing more can be started.
    used_up: Option<String>,
}

impl Purse {
    pub(super) fn new(budget: Pico, spent: Pico, prices: Arc<PriceTable>) -> Self {
        Self {
            spend: Spend::new(budget, spent),
            prices,
            held: HashMap::new(),
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
        let Some(price) = price else {
            self.used_up = Some(Halt::no_price_for_budget(&job.model, self.spend.budget()));
            return Room::Never;
        };
        let room = self.spend.room_for(price);
        if room == Room::Never {
            let (budget, spent) = (self.spend.budget(), self.spend.spent());
            self.used_up = Some(Halt::budget_used_up(budget, spent, price));
        }
        self.last = price;
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

    /// Something else of this run cost so much, for which nothing was held.
    pub(super) fn spent_beside(&mut self, cost: Pico) {
        self.spend.settle(Pico::ZERO, cost);
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
