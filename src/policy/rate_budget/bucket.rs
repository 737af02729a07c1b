//! One token bucket as we believe it to stand on the server.

use std::time::Duration;

use jiff::Timestamp;

use super::denials::{Denials, Word};
use super::numbers::{count, seconds_between};
use crate::model::Limit;

const SECONDS_PER_MINUTE: f64 = 60.0;
/// What somebody else takes is told apart from noise over about this many seconds.
const FOREIGN_MEMORY_S: f64 = 8.0;
/// A foreign rate that nothing confirms is forgotten over about this many seconds.
const FOREIGN_DECAY_S: f64 = 60.0;
/// Whatever others take, this much of the refill we go on counting as ours.
const LEAST_SHARE: f64 = 0.2;
/// What is never counted on, as a part of the bucket: estimates are a little off.
const MARGIN: f64 = 0.01;
/// Others who take less than this part of the refill do not slow a run down by much.
const FOREIGN_THAT_MATTERS: f64 = 0.25;
/// Somebody else takes as they please: this many seconds of their rate are left to them,
const FOREIGN_MARGIN_S: f64 = 3.0;
/// and at most this part of the bucket.
const FOREIGN_MARGIN: f64 = 0.1;
/// The server tells the time of a full bucket in whole seconds.
const RESET_ROUNDING_S: f64 = 1.0;
/// Sums of fractions are a little off.
const TOLERANCE: f64 = 1e-6;

/// What an answer tells of a bucket, and what of our doing it may not know yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) limit: Limit,
    /// How far the remaining count may be off, for being rounded.
    pub(super) rounding: f64,
    /// When the request left: the count was taken at some time since.
    pub(super) since: Timestamp,
    /// What we have been charged since then, by our own account.
    pub(super) spent_since: f64,
    /// All that we were ever charged.
    pub(super) spent: f64,
    /// What this very answer cost at its end.
    pub(super) spent_at_end: f64,
    /// The request was answered, not refused.
    pub(super) answered: bool,
}

/// Refills continuously up to its capacity. What is taken may exceed what is there: the debt is paid
/// off by waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    per_minute: f64,
    capacity: f64,
    /// The least of what answers have told the capacity to be at most.
    bound: f64,
    level: f64,
    margin: f64,
    /// What others are thought to take, per second.
    foreign: f64,
    at: Timestamp,
    /// When an answer told of it last.
    told_at: Timestamp,
    denials: Denials,
}

impl Bucket {
    /// A full bucket of our own making, which nobody else draws on.
    pub(super) fn ours(per_minute: f64, capacity: f64, now: Timestamp) -> Self {
        Self {
            per_minute,
            capacity,
            bound: f64::INFINITY,
            level: capacity,
            margin: 0.0,
            foreign: 0.0,
            at: now,
            told_at: now,
            denials: Denials::default(),
        }
    }

    /// The bucket that an answer tells of, in the less favourable reading.
    pub(super) fn learned(told: &Told, now: Timestamp) -> Self {
        let mut bucket = Self::ours(count(told.limit.limit), count(told.limit.limit), now);
        bucket.resize(told, now);
        // Nothing is known before the first answer, so the lower reading starts: a 429 costs more
        // than a wait.
        bucket.level = bucket.readings(told, now).0.min(bucket.capacity);
        bucket
    }

    pub(super) fn per_minute(&self) -> f64 {
        self.per_minute
    }

    /// What others are thought to take, per minute.
    pub(super) fn foreign_per_minute(&self) -> f64 {
        self.foreign * SECONDS_PER_MINUTE
    }

    /// What comes back in this many seconds for us.
    pub(super) fn refill_in(&self, seconds: f64) -> f64 {
        self.per_second() * seconds
    }

    /// How long the bucket takes to fill, in seconds.
    pub(super) fn depth_s(&self) -> f64 {
        self.capacity * SECONDS_PER_MINUTE / self.per_minute
    }

    fn per_second(&self) -> f64 {
        let all = self.per_minute / SECONDS_PER_MINUTE;
        // Never all of it: with no refill of ours we would wait for ever and never learn better.
        (all - self.foreign).max(all * LEAST_SHARE)
    }

    /// What is there now, in our belief.
    pub(super) fn level(&self, now: Timestamp) -> f64 {
        let passed = seconds_between(self.at, now);
        (self.level + passed * self.per_second()).min(self.capacity)
    }

    /// What may be spent now.
    pub(super) fn free(&self, now: Timestamp) -> f64 {
        self.level(now) - self.withheld()
    }

    fn withheld(&self) -> f64 {
        self.withheld_for(self.foreign)
    }

    /// What is left alone when others take so much per second.
    fn withheld_for(&self, foreign: f64) -> f64 {
        let for_others = (foreign * FOREIGN_MARGIN_S).min(self.capacity * FOREIGN_MARGIN);
        self.margin + for_others
    }

    /// The most that others are ever thought to take, per second.
    fn most_foreign(&self) -> f64 {
        self.per_minute / SECONDS_PER_MINUTE * (1.0 - LEAST_SHARE)
    }

    pub(super) fn take(&mut self, amount: f64, now: Timestamp) {
        self.level = self.level(now) - amount;
        // Time may step back when the system clock is set.
        self.at = self.at.max(now);
    }

    /// How long until `amount` fits beside what is `held` for others of ours; none if no time alone
    /// brings that about. More than the bucket can ever hold goes when it is full.
    pub(super) fn wait_for(&self, amount: f64, held: f64, now: Timestamp) -> Option<Duration> {
        let most = self.capacity - self.withheld();
        // A request larger than the bucket can only go when the bucket is full.
        let missing = amount.min(most) - (self.free(now) - held);
        // Else a wait of a nanosecond would be asked for, again and again.
        if missing <= TOLERANCE * self.capacity {
            return Some(Duration::ZERO);
        }
        // Even a full bucket would not hold both: an answer must come first.
        if held > 0.0 && amount.min(most) > most - held {
            return None;
        }
        Duration::try_from_secs_f64(missing / self.per_second()).ok()
    }

    /// Takes over what an answer tells: limits as they are, and a level that agrees with it.
    pub(super) fn correct(&mut self, told: &Told, now: Timestamp) {
        self.take(0.0, now);
        // The limit itself was changed: nothing that was believed of the old one holds.
        if (count(told.limit.limit) - self.per_minute).abs() > 0.5 {
            *self = self.changed(told, now);
            return;
        }
        self.resize(told, now);
        self.weigh(told, now);
        let (low, high) = self.readings(told, now);
        let believed = self.level;
        if self.denials.are_passed_over() {
            // More than we believe is taken over all the same: it slows nobody down.
            self.level = believed.max(low).min(self.capacity);
            self.foreign = 0.0;
            return;
        }
        // What we believe stays where the answer allows it: counts in headers lag behind.
        self.level = believed.clamp(low, high).min(self.capacity);
        self.forget_foreign(now);
        if is_as_good_as_full(&told.limit, now) {
            return;
        }
        self.foreign = (self.foreign + (believed - believed.clamp(low, high)) / FOREIGN_MEMORY_S)
            .clamp(0.0, self.most_foreign());
    }

    /// The bucket with another limit, as an answer tells it.
    fn changed(&self, told: &Told, now: Timestamp) -> Self {
        let mut changed = Self::learned(told, now);
        if self.denials.are_passed_over() {
            changed.level = self.level.min(changed.capacity);
        }
        changed.denials = self.denials;
        changed
    }

    /// Whether the word of such answers is worth anything.
    fn weigh(&mut self, told: &Told, now: Timestamp) {
        if !told.answered {
            return;
        }
        let word = Word {
            remaining: told.limit.remaining,
            rounding: told.rounding,
            withheld: self.withheld(),
            most_withheld: self.withheld_for(self.most_foreign()),
            since: told.since,
            spent_then: told.spent - told.spent_since,
            spent: told.spent,
        };
        let matters = self.foreign > self.per_minute / SECONDS_PER_MINUTE * FOREIGN_THAT_MATTERS;
        self.denials.answered(&word, matters, now);
    }

    /// A request was refused for a limit.
    pub(super) fn refused(&mut self) {
        self.denials.refused();
    }

    /// Whether answers deny what the server goes on giving, so that our own account alone counts.
    pub(super) fn passes_over(&self) -> bool {
        self.denials.are_passed_over()
    }

    fn forget_foreign(&mut self, now: Timestamp) {
        let passed = seconds_between(self.told_at, now);
        self.foreign *= 1.0 - (passed / FOREIGN_DECAY_S).min(1.0);
        self.told_at = self.told_at.max(now);
    }

    /// Between what and what the level lies now. The count was taken at the earliest when the
    /// request left, and then what came in and what we spent since is not in it; at the latest now.
    fn readings(&self, told: &Told, now: Timestamp) -> (f64, f64) {
        let remaining = count(told.limit.remaining);
        let since = seconds_between(told.since, now);
        let if_early = remaining + since * self.per_second() - told.spent_since;
        let low = if_early.min(remaining - told.spent_at_end) - told.rounding;
        let high = if_early.max(remaining) + told.rounding;
        (low.min(self.capacity), high)
    }

    /// A bucket may hold less than a minute's worth: what remains and what comes in until it is full
    /// is its size, give or take the rounding of that time, so the least such sum is nearest.
    fn resize(&mut self, told: &Told, now: Timestamp) {
        let (limit, remaining) = (count(told.limit.limit), count(told.limit.remaining));
        let per_second = limit / SECONDS_PER_MINUTE;
        let bound = told.limit.full_at.map_or(limit, |full_at| {
            let until_full = full_at.duration_since(told.since.min(now)).as_secs_f64();
            remaining + told.rounding + per_second * (until_full + RESET_ROUNDING_S)
        });
        // Each answer only gives an upper bound, so the least one of all is nearest to the truth.
        self.bound = self.bound.min(bound);
        // It holds at least what is in it, and a bucket of nothing would stop all.
        let least = remaining.max(per_second).max(1.0).min(limit);
        self.capacity = self.bound.clamp(least, limit);
        self.margin = (MARGIN * self.capacity + told.rounding).min(self.capacity / 20.0);
    }
}

/// Whether the bucket had nothing left to take in, as far as whole seconds tell. What is not in it
/// then ran over its rim, and nobody took it: to blame others would slow us down, which keeps the
/// bucket full, which would blame them more.
fn is_as_good_as_full(limit: &Limit, now: Timestamp) -> bool {
    let full_in = |full_at: Timestamp| full_at.duration_since(now).as_secs_f64();
    limit
        .full_at
        .is_some_and(|full_at| full_in(full_at) <= RESET_ROUNDING_S)
}
