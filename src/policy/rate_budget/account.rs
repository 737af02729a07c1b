//! Three buckets that are drawn on together: requests, input tokens, output tokens.

use std::time::Duration;

use jiff::Timestamp;

use super::bucket::{Bucket, Told};
use super::numbers::count;
use super::{Demand, Free};
use crate::model::{Limit, RateLimits};

/// Token counts of the headers are rounded to thousands.
const TOKEN_ROUNDING: f64 = 500.0;
/// Requests are told as whole numbers, rounded nobody knows how.
const REQUEST_ROUNDING: f64 = 1.0;
/// Below this a limit of tokens is hardly rounded to thousands.
const LEAST_ROUNDED: u64 = 10_000;

/// How a kind of spending is counted by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// When the request comes in.
    AtStart,
    /// As it is produced, so at the end at the latest; held until then.
    AtEnd,
}

/// One kind of spending, and its bucket if a limit of it is known.
#[derive(Clone, Debug)]
struct Meter {
    counted: Counted,
    rounded: bool,
    bucket: Option<Bucket>,
    /// All that was ever spent, so that an answer's count can be set against what came after it.
    spent: f64,
    held: f64,
}

/// What was spent when a request had left, itself included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Marks([f64; 3]);

impl Marks {
    /// As they were before a request with that need left.
    pub(super) fn without(self, want: Demand) -> Self {
        let [requests, input, output] = self.0;
        let [one, tokens, _] = amounts(want);
        Self([requests - one, input - tokens, output])
    }
}

/// What is known of an answer beside its headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// When its request left.
    pub(super) since: Timestamp,
    /// Its tokens of output; none if it is no answer but a refusal or a failure.
    pub(super) produced: Option<u64>,
}

/// In which circumstances a start is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    pub(super) now: Timestamp,
    /// How long a request takes, on the mean.
    pub(super) flight: Duration,
    /// Nothing comes after what can leave at once.
    pub(super) last: bool,
}

/// The three kinds together.
#[derive(Clone, Debug)]
pub(super) struct Account {
    requests: Meter,
    input: Meter,
    output: Meter,
}

impl Meter {
    fn new(counted: Counted, rounded: bool) -> Self {
        Self {
            counted,
            rounded,
            bucket: None,
            spent: 0.0,
            held: 0.0,
        }
    }

    fn spend(&mut self, amount: f64, now: Timestamp) {
        self.spent += amount;
        if let Some(bucket) = &mut self.bucket {
            bucket.take(amount, now);
        }
    }

    /// A request leaves that will need `amount`.
    fn start(&mut self, amount: f64, now: Timestamp) {
        match self.counted {
            Counted::AtStart => self.spend(amount, now),
            // Output is charged as it is written; held meanwhile, so that many answers do not
            // overrun it together.
            Counted::AtEnd => self.held += amount,
        }
    }

    /// It needed `used` in the end.
    fn end(&mut self, amount: f64, used: f64, now: Timestamp) {
        match self.counted {
            Counted::AtStart => self.spend(used - amount, now),
            Counted::AtEnd => {
                // Sums of fractions may end a little below zero.
                self.held = (self.held - amount).max(0.0);
                self.spend(used, now);
            }
        }
    }

    /// What is held less what will have come in by the time it is spent; half a bucket stays as a
    /// cushion. Without it requests that take minutes could never use what comes in meanwhile.
    fn held(&self, bucket: &Bucket, flight: Duration) -> f64 {
        let beyond = (flight.as_secs_f64() - bucket.depth_s() / 2.0).max(0.0);
        (self.held - bucket.refill_in(beyond)).max(0.0)
    }

    fn wait_for(&self, amount: f64, when: When) -> Option<Duration> {
        let Some(bucket) = &self.bucket else {
            return Some(Duration::ZERO);
        };
        if self.is_let_in(when) {
            // A request is let in while anything is left, and nobody comes after it.
            return bucket.wait_for(1.0, 0.0, when.now);
        }
        bucket.wait_for(amount, self.held(bucket, when.flight), when.now)
    }

    /// What counts at the end needs no room while the last jobs of a run leave together.
    fn is_let_in(&self, when: When) -> bool {
        when.last && self.counted == Counted::AtEnd
    }

    /// How many times `amount` fits within so many seconds.
    fn times(&self, amount: f64, within_s: f64, when: When) -> f64 {
        let Some(bucket) = self.bucket.as_ref().filter(|_| !self.is_let_in(when)) else {
            // What has no known limit never decides.
            return f64::INFINITY;
        };
        let When { flight, now, .. } = when;
        let there = bucket.free(now) - self.held(bucket, flight) + bucket.refill_in(within_s);
        there.max(0.0) / amount.max(1.0)
    }

    fn learn(&mut self, limit: Limit, mark: f64, heard: Heard, now: Timestamp) {
        let rounds = self.rounded && limit.limit >= LEAST_ROUNDED;
        let told = Told {
            limit,
            rounding: match (rounds, self.rounded) {
                (true, _) => TOKEN_ROUNDING,
                // Small token limits are told exactly.
                (false, true) => 0.0,
                (false, false) => REQUEST_ROUNDING,
            },
            since: heard.since,
            answered: heard.produced.is_some(),
            spent: self.spent,
            spent_since: self.spent - mark,
            spent_at_end: match self.counted {
                // It was counted when the request came in, so the header knows it.
                Counted::AtStart => 0.0,
                Counted::AtEnd => count(heard.produced.unwrap_or_default()),
            },
        };
        match &mut self.bucket {
            Some(bucket) => bucket.correct(&told, now),
            None => self.bucket = Some(Bucket::learned(&told, now)),
        }
    }
}

impl Account {
    pub(super) fn new() -> Self {
        Self {
            requests: Meter::new(Counted::AtStart, false),
            input: Meter::new(Counted::AtStart, true),
            output: Meter::new(Counted::AtEnd, true),
        }
    }

    /// Sets a bucket of our own for each kind that has one.
    pub(super) fn bounded_by(mut self, buckets: &[Option<Bucket>; 3]) -> Self {
        let [requests, input, output] = buckets;
        self.requests.bucket = *requests;
        self.input.bucket = *input;
        self.output.bucket = *output;
        self
    }

    fn all(&self) -> [&Meter; 3] {
        [&self.requests, &self.input, &self.output]
    }

    fn all_mut(&mut self) -> [&mut Meter; 3] {
        [&mut self.requests, &mut self.input, &mut self.output]
    }

    /// Whether as many requests may leave at once, whatever their tokens are.
    pub(super) fn has_room_for(&self, requests: u64, now: Timestamp) -> bool {
        let bucket = self.requests.bucket.as_ref();
        bucket.is_none_or(|bucket| bucket.free(now) >= count(requests))
    }

    pub(super) fn buckets(&self) -> [Option<&Bucket>; 3] {
        self.all().map(|meter| meter.bucket.as_ref())
    }

    pub(super) fn marks(&self) -> Marks {
        Marks(self.all().map(|meter| meter.spent))
    }

    /// When all of it fits together.
    pub(super) fn free(&self, want: Demand, when: When) -> Free {
        let meters = self.all().into_iter().zip(amounts(want));
        let waits = meters.map(|(meter, amount)| meter.wait_for(amount, when));
        // `None` beats every wait: where one kind needs an answer first, time alone brings nothing.
        let longest = waits.reduce(|a, b| Some(a?.max(b?))).flatten();
        longest.map_or(Free::AfterAnAnswer, |wait| Free::after(wait, when.now))
    }

    /// How many such requests fit within so many seconds.
    pub(super) fn times(&self, want: Demand, within_s: f64, when: When) -> f64 {
        let meters = self.all().into_iter().zip(amounts(want));
        meters
            .map(|(meter, amount)| meter.times(amount, within_s, when))
            .fold(f64::INFINITY, f64::min)
    }

    pub(super) fn start(&mut self, want: Demand, now: Timestamp) {
        for (meter, amount) in self.all_mut().into_iter().zip(amounts(want)) {
            meter.start(amount, now);
        }
    }

    /// Replaces what was reserved by what was used: nothing at all if the request came to nothing.
    pub(super) fn end(&mut self, want: Demand, used: Option<Demand>, now: Timestamp) {
        let used = used.map_or([0.0; 3], amounts);
        let meters = self.all_mut().into_iter().zip(amounts(want));
        for ((meter, amount), used) in meters.zip(used) {
            meter.end(amount, used, now);
        }
    }

    pub(super) fn learn(
        &mut self,
        limits: &RateLimits,
        marks: Marks,
        heard: Heard,
        now: Timestamp,
    ) {
        let told = [limits.requests, limits.input_tokens, limits.output_tokens];
        for ((meter, limit), mark) in self.all_mut().into_iter().zip(told).zip(marks.0) {
            if let Some(limit) = limit {
                meter.learn(limit, mark, heard, now);
            }
        }
    }

    /// A request was refused for a limit.
    pub(super) fn refused(&mut self) {
        for meter in self.all_mut() {
            if let Some(bucket) = &mut meter.bucket {
                bucket.refused();
            }
        }
    }

    /// Whether what answers say of requests is passed over.
    pub(super) fn passes_over_requests(&self) -> bool {
        self.requests
            .bucket
            .is_some_and(|bucket| bucket.passes_over())
    }
}

fn amounts(want: Demand) -> [f64; 3] {
    [1.0, count(want.input), count(want.output)]
}
