//! How the dispatcher and the batch lane keep each other, the store and those who watch informed.

use super::{Called, Dispatcher};
use crate::engine::batch_money::{Grant, Recorded, Wish};
use crate::engine::batches::{LiveView, News};
use crate::engine::beside::{lets_go, urgency};
use crate::engine::scheduler::Leave;
use crate::provider::Provider;
use crate::store::Store;

impl<S: Store, P: Provider> Dispatcher<'_, S, P> {
    /// Tells each lane how the other one stands.
    pub(super) fn keep_in_step(&mut self) {
        self.hear_out_batches();
        let Some(lane) = &self.batches else {
            return;
        };
        let leaving = self.scheduler.leaving();
        let mode = urgency(leaving, self.grace_is_over, self.stop.current());
        let live = LiveView {
            speed: self.live_rate.speed(),
            queued: self.scheduler.queued(),
            down_since: self.scheduler.down_since(self.clock.now()),
            holds_nothing: self.budget.holds_nothing(),
        };
        lane.tell(mode, live);
    }

    /// Whether the batch lane has work. It tells its news before it rests, so these are heard before
    /// its rest is believed: why jobs are left in it is one of them.
    fn hear_out_batches(&mut self) {
        let Some(lane) = &mut self.batches else {
            return;
        };
        let is_busy = lane.is_busy();
        let told = if is_busy { Vec::new() } else { lane.told() };
        self.scheduler.on_beside(is_busy);
        for news in told {
            self.on_news(news);
        }
    }

    pub(super) fn may_leave(&self, leave: &Leave) -> bool {
        let lane = self.batches.as_ref();
        lane.is_none_or(|lane| lets_go(lane, leave, self.stop.current()))
    }

    pub(super) fn on_news(&mut self, news: News) {
        match news {
            News::Events(events) => {
                for event in &events {
                    self.observer.observe(event);
                }
            }
            News::Wish(wish) => self.on_wish(wish),
            News::Recorded(recorded) => self.on_batch_recorded(&recorded),
            News::Unused(batch, jobs) => self.budget.unused(batch, &jobs),
            News::Freed(batch) => self.budget.freed(batch),
            News::Kept(batch) => self.budget.keep_batch(batch),
            News::JobsForLive => self.ask_for_snapshot(),
            News::Held(because) => self.scheduler.on_held(because),
            News::Halted(halt) => self.scheduler.on_halt(halt),
            News::Broken(error) => {
                self.scheduler.on_store_failed();
                self.trouble.get_or_insert(error);
            }
            News::Left => {}
        }
    }

    /// The batch lane asks for room in the budget; while the run is being left there is none.
    fn on_wish(&mut self, wish: Wish) {
        if self.scheduler.leaving().is_some() {
            return;
        }
        let now = self.clock.now();
        let fits = self.budget.grant(wish.batch, &wish.items, now);
        // Whoever does not wait for the answer any more fills no batch.
        let _ = wish.answer.send(Grant { fits });
    }

    /// Results of a batch are recorded: they count against the budget, and later guesses are the
    /// better for them.
    fn on_batch_recorded(&mut self, recorded: &Recorded) {
        for (model, spent) in &recorded.spent {
            if let Some(tokens) = self.budget.settle(recorded.batch, model, spent) {
                self.scheduler.learn(model, tokens, &spent.used);
            }
        }
    }

    /// A second has passed: what is known of the lanes is told, kept and looked up.
    pub(super) fn snapshot(&mut self) {
        self.live_rate.look(self.scheduler.queued() > 0);
        let now = self.clock.now();
        for news in self.scheduler.news_of_pace() {
            self.tell(now, news);
        }
        let (run, sums) = (self.run.id, self.scheduler.take_estimates());
        if !sums.is_empty() {
            self.call(
                move |store| async move { Called::Kept(store.note_estimates(run, sums).await) },
            );
        }
        self.ask_for_snapshot();
    }
}
