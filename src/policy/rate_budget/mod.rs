//! What may be sent now without being refused.
//!
//! One budget for each class of models that share limits, with three token buckets that refill
//! continuously: requests, input tokens (cache reads do not count), output tokens. A start reserves
//! all three or none, the answer settles it with what was really used, a failure gives it back. The
//! limits are learned from the first answer's headers and corrected by each one after: a count of
//! what remains is believed as far as it contradicts ours, given that it may be as old as the request
//! and rounded to thousands; a reset is the time of a full bucket. What is missing beyond our own
//! doing was taken by others, whose rate is then left to them, unless answers deny what the server goes
//! on giving (`denials`). The user's own ceilings are buckets of
//! the same kind over the whole run.
//!
//! Pure: time and randomness are arguments. It does not choose which job goes (`engine`), nor guess
//! what a job needs (`estimate`).

mod account;
mod bucket;
mod denials;
pub(super) mod numbers;
mod pacer;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::model_classes::ModelClasses;
use crate::clock::add;
use crate::model::RateLimits;
use account::{Account, Heard, Marks, When};
use bucket::Bucket;
use numbers::count;
use pacer::Pacer;

/// Our own ceilings are kept over about this many seconds of tokens.
const OWN_BURST_S: f64 = 1.0;
/// Of requests only a late wake-up is made good, so that no minute has more than the ceiling.
const OWN_REQUEST_BURST_S: f64 = 0.02;
/// How much a new latency counts in the mean.
const FLIGHT_WEIGHT: f64 = 0.1;
/// A refusal with at least this part of every limit left was not for want of tokens.
const PLENTY: f64 = 0.05;

/// What one request needs, in expectation or in fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Input tokens that count: not those read from the cache.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
}

/// The user's own limits over the whole run; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Input tokens per minute.
    pub itpm: Option<u64>,
    /// Output tokens per minute.
    pub otpm: Option<u64>,
}

/// When a start will fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Free {
    /// At once.
    Now,
    /// At this time, if nothing else happens.
    At(Timestamp),
    /// Only when requests on the wire have given back some of what is held for them.
    AfterAnAnswer,
}

impl Free {
    fn after(wait: Duration, now: Timestamp) -> Self {
        if wait.is_zero() {
            return Self::Now;
        }
        // Times are whole milliseconds; a wake-up that comes too early would find nothing.
        let whole_ms = u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        Self::At(add(now, Duration::from_millis(whole_ms)))
    }
}

/// A class of models that share limits, in this budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(usize);

/// A reservation that was granted: given back when its request has come to an end.
#[derive(Debug, PartialEq)]
#[must_use = "what is reserved must be settled"]
pub struct Ticket {
    class: ClassId,
    want: Demand,
    at: Timestamp,
    marks: Marks,
}

/// How a request ended, as far as the budget is concerned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ended<'a> {
    /// What it used; none if it came to nothing.
    pub used: Option<Demand>,
    /// The server let it in, and so has counted its start, whatever came of it.
    pub admitted: bool,
    /// What the answer told of the limits.
    pub limits: Option<&'a RateLimits>,
    /// It was refused for a limit.
    pub refused: bool,
}

/// The limits of a class as they are believed to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Input tokens per minute.
    pub itpm: Option<u64>,
    /// Output tokens per minute.
    pub otpm: Option<u64>,
    /// The largest part of any of these that others are thought to take, in per cent.
    pub foreign_percent: u8,
}

#[derive(Clone, Debug)]
struct Class {
    name: String,
    told: Account,
    pacer: Pacer,
    /// How long its requests take, on the mean.
    flight: Duration,
}

/// The budgets of a run: one for each class of models, and the user's own over all of them.
#[derive(Clone, Debug)]
pub struct RateBudget {
    table: ModelClasses,
    classes: Vec<Class>,
    /// Classes by their names, and by those of their models.
    by_name: HashMap<String, ClassId>,
    ours: Account,
    /// Jobs that have not been sent, if all of them fit into the free slots of the run.
    last_jobs: Option<u64>,
}

impl RateBudget {
    /// A budget that knows no limit but the user's own.
    #[must_use]
    pub fn new(table: ModelClasses, ceilings: Ceilings, now: Timestamp) -> Self {
        let bucket = |limit: Option<u64>, burst: fn(f64) -> f64| {
            let per_minute = count(limit?.max(1));
            Some(Bucket::ours(per_minute, burst(per_minute / 60.0), now))
        };
        let of_requests = |rate: f64| 1.0 + rate * OWN_REQUEST_BURST_S;
        let of_tokens = |rate: f64| (rate * OWN_BURST_S).max(1.0);
        Self {
            table,
            classes: Vec::new(),
            by_name: HashMap::new(),
            ours: Account::new().bounded_by(&[
                bucket(ceilings.rpm, of_requests),
                bucket(ceilings.itpm, of_tokens),
                bucket(ceilings.otpm, of_tokens),
            ]),
            last_jobs: None,
        }
    }

    /// Tells how many jobs have not been sent, if all of them fit into the free slots of the run. Where
    /// they may all leave at once, none waits for output that is on its way: no job comes after them that
    /// would need the room.
    pub fn set_last_jobs(&mut self, jobs: Option<u64>) {
        self.last_jobs = jobs;
    }

    /// The class of that model; made when it is asked for first.
    pub fn class_of(&mut self, model: &str) -> ClassId {
        if let Some(known) = self.by_name.get(model) {
            return *known;
        }
        let name = self.table.class_of(model).to_owned();
        let class = self.by_name.get(&name).copied().unwrap_or_else(|| {
            self.classes.push(Class {
                name: name.clone(),
                told: Account::new(),
                pacer: Pacer::default(),
                flight: Duration::ZERO,
            });
            ClassId(self.classes.len() - 1)
        });
        self.by_name.insert(name, class);
        self.by_name.insert(model.to_owned(), class);
        class
    }

    /// The name of a class, for people.
    #[must_use]
    pub fn name(&self, class: ClassId) -> &str {
        &self.classes[class.0].name
    }

    /// Reserves all of it now, or nothing. More than a bucket can hold is granted when it is full.
    pub fn reserve(
        &mut self,
        class: ClassId,
        want: Demand,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Option<Ticket> {
        if self.next_free(class, want, now) != Free::Now {
            return None;
        }
        let of_class = &mut self.classes[class.0];
        of_class.told.start(want, now);
        let marks = of_class.told.marks();
        if let [Some(requests), ..] = of_class.told.buckets() {
            let per_minute = requests.per_minute();
            of_class.pacer.started(per_minute, now, rng);
        }
        self.ours.start(want, now);
        Some(Ticket {
            class,
            want,
            at: now,
            marks,
        })
    }

    /// When such a start will fit, if nothing else happens.
    #[must_use]
    pub fn next_free(&self, class: ClassId, want: Demand, now: Timestamp) -> Free {
        let of_class = &self.classes[class.0];
        let told = of_class.told.free(want, self.when(class, now));
        let ours = self.ours.free(want, self.by_our_own(class, now));
        let paced = match of_class.pacer.next(now) {
            next if next <= now => Free::Now,
            next => Free::At(next),
        };
        told.max(ours).max(paced)
    }

    /// Whether it is the user's own ceiling, which all classes share, that such a start must wait for.
    #[must_use]
    pub fn is_over_ceiling(&self, class: ClassId, want: Demand, now: Timestamp) -> bool {
        self.ours.free(want, self.by_our_own(class, now)) != Free::Now
    }

    fn when(&self, class: ClassId, now: Timestamp) -> When {
        let of_class = &self.classes[class.0];
        let leave_at_once = |jobs| of_class.told.has_room_for(jobs, now);
        When {
            now,
            flight: of_class.flight,
            last: self.last_jobs.is_some_and(leave_at_once),
        }
    }

    /// The user's ceilings hold to the end.
    fn by_our_own(&self, class: ClassId, now: Timestamp) -> When {
        When {
            last: false,
            ..self.when(class, now)
        }
    }

    /// How many such requests could start within that time; what is claimed ahead is bounded by it.
    #[must_use]
    pub fn worth(&self, class: ClassId, want: Demand, within: Duration, now: Timestamp) -> u32 {
        let of_class = &self.classes[class.0];
        let within_s = within.as_secs_f64();
        let told = of_class.told.times(want, within_s, self.when(class, now));
        let ours = (self.ours).times(want, within_s, self.by_our_own(class, now));
        let paced = match of_class.told.buckets() {
            [Some(requests), ..] => of_class.pacer.times(requests.per_minute(), within_s, now),
            _ => f64::INFINITY,
        };
        whole(told.min(ours).min(paced))
    }

    /// A request has ended, as it may have: what was reserved is settled, and what its answer told
    /// is learned.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a reservation ends once: whoever ends it has it no more"
    )]
    pub fn ended(&mut self, ticket: Ticket, ended: Ended<'_>, now: Timestamp) {
        let class = &mut self.classes[ticket.class.0];
        let let_in = ended.admitted.then_some(Demand {
            output: 0,
            ..ticket.want
        });
        // Where the server has not counted it after all, its next count is higher than ours, and believed.
        let counted = ended.used.or(let_in);
        class.told.end(ticket.want, counted, now);
        self.ours.end(ticket.want, counted, now);
        if ended.used.is_some() {
            class.flew(now.duration_since(ticket.at).try_into().unwrap_or_default());
        }
        if ended.refused {
            class.told.refused();
        }
        let Some(limits) = ended.limits else {
            return;
        };
        let marks = match counted {
            Some(_) => ticket.marks,
            // What was not let in is not in the server's count.
            None => ticket.marks.without(ticket.want),
        };
        let heard = Heard {
            since: ticket.at,
            produced: ended.used.map(|used| used.output),
        };
        class.told.learn(limits, marks, heard, now);
        // Where nobody can be believed about what is there, no burst is tried.
        if (ended.refused && is_plenty(limits)) || class.told.passes_over_requests() {
            class.pacer.keep_to_the_rate();
        }
    }

    /// What is believed of the limits of that class.
    #[must_use]
    pub fn known(&self, class: ClassId) -> Known {
        let buckets = self.classes[class.0].told.buckets();
        let limit =
            |bucket: Option<&Bucket>| bucket.map(|bucket| u64::from(whole(bucket.per_minute())));
        let share = |bucket: &&Bucket| bucket.foreign_per_minute() / bucket.per_minute();
        let foreign = buckets.iter().flatten().map(share).fold(0.0, f64::max);
        Known {
            rpm: limit(buckets[0]),
            itpm: limit(buckets[1]),
            otpm: limit(buckets[2]),
            foreign_percent: u8::try_from(whole((foreign * 100.0).round())).unwrap_or(100),
        }
    }
}

impl Class {
    fn flew(&mut self, flight: Duration) {
        self.flight = match self.flight {
            Duration::ZERO => flight,
            mean => mean.mul_f64(1.0 - FLIGHT_WEIGHT) + flight.mul_f64(FLIGHT_WEIGHT),
        };
    }
}

/// Whether no limit that is told explains a refusal.
fn is_plenty(limits: &RateLimits) -> bool {
    let told = [limits.requests, limits.input_tokens, limits.output_tokens];
    let mut told = told.into_iter().flatten().peekable();
    told.peek().is_some()
        && told.all(|limit| count(limit.remaining) >= (PLENTY * count(limit.limit)).max(1.0))
}

/// The whole part of a number that is not negative; at most what fits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "floats are cut to the range of the integer"
)]
fn whole(number: f64) -> u32 {
    number as u32
}
