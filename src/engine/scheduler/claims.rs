//! How much is claimed ahead, and of which queue.

use jiff::Timestamp;

use super::{Effect, Scheduler};
use crate::engine::budget::RunBudget;
use crate::model::Endpoint;
use crate::store::Claim;

/// Request bodies held in memory at the same time, claimed or on the wire.
const MAX_OPEN_BYTES: u64 = 64 << 20;
/// Model queues that a plan asks whether they may claim, at most, beside those that then do. Where so many
/// may not, their limits or the budget are used up, and what frees them is an answer: the next plan goes
/// on behind them.
const VISITS: u32 = 64;
/// Jobs are claimed ahead for so many seconds at the present rate, so that the wire does not wait
/// for the disk.
const LOOK_AHEAD_SECONDS: f64 = 0.25;

impl Scheduler {
    /// The queues share what is wanted; the queue whose turn it is chooses first.
    pub(super) fn plan_claims(
        &mut self,
        effects: &mut Vec<Effect>,
        budget: &RunBudget,
        now: Timestamp,
    ) {
        let room = MAX_OPEN_BYTES.saturating_sub(self.open_bytes);
        let mut wanted = self.wanted();
        if self.leaving.is_some() || wanted == 0 || (room == 0 && self.open() > 0) {
            return;
        }
        self.queues.look(now);
        let claimable = self.queues.claimable();
        let sharers = u32::try_from(claimable).unwrap_or(u32::MAX).max(1);
        let share = wanted.div_ceil(sharers);
        let from = self.claim_from.take().unwrap_or(self.turn);
        let mut visits = VISITS.saturating_add(wanted);
        let mut found = self.queues.next_claimable(from, None);
        while let Some(at) = found.filter(|_| wanted > 0) {
            if visits == 0 {
                self.claim_from = Some(at);
                return;
            }
            visits -= 1;
            found = self.queues.next_claimable(from, Some(at));
            let mut queue = self.queues.at(at);
            let ready = u32::try_from(queue.ready()).unwrap_or(u32::MAX);
            // How many more the budget has room for.
            let affordable = budget.worth().saturating_sub(ready);
            let throttle = self.throttles.to(queue.routes.mostly_to(now));
            let max_jobs = share
                .min(wanted)
                .min(queue.routes.most_per_claim(now))
                .min(throttle.claimable(&queue.model, ready, now))
                .min(affordable);
            // A claim that brings less than what is about to leave can wait and bring more. What is
            // parked is not: it may wait for the very request that would be claimed.
            let about_to_leave = ready.saturating_sub(self.throttles.parked());
            let worth_it = max_jobs >= about_to_leave;
            if max_jobs == 0 || !worth_it {
                continue;
            }
            wanted -= max_jobs;
            queue.claim_sent(max_jobs);
            effects.push(Effect::Claim(Claim {
                run: self.run,
                model: queue.model.clone(),
                max_jobs,
                max_bytes: room / u64::from(sharers),
                new_first: self.gate.is_probing()
                    || queue.routes.to(Endpoint::First).doubt.is_open(),
                now,
            }));
        }
    }

    /// Free slots, and a look ahead at the present rate; at most twice the concurrency is open.
    fn wanted(&self) -> u32 {
        let rate = self.start_rate.rate();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let look_ahead = (rate * LOOK_AHEAD_SECONDS).ceil() as u32;
        let limit = self.limit();
        let most = limit.saturating_add(look_ahead.min(limit));
        let about_to_leave = self.ready().saturating_sub(self.throttles.parked());
        let claimed = self.on_wire() + about_to_leave + self.claiming();
        let open_room = limit.saturating_mul(2).saturating_sub(self.open());
        most.saturating_sub(claimed).min(open_room)
    }
}
