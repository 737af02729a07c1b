//! How many requests may be open at once: the user's concurrency, lowered when the service shows that
//! it is too much, and raised again step by step.
//!
//! Additive increase, multiplicative decrease. Where headers tell the limits, a refusal is the rate
//! budget's business; here it counts only where nothing else tells how much is too much. That the
//! service is overloaded, or says that too much is open, counts everywhere.

use std::collections::VecDeque;
use std::time::Duration;

/// Answers that are looked back on for overload.
const LOOK_BACK: usize = 50;
/// More of them overloaded than this is too many.
const MOST_OVERLOADED: usize = LOOK_BACK / 5;
/// Latency has collapsed when it is so many times what it was at its best,
const COLLAPSE: f64 = 4.0;
/// and longer than that by at least this,
const LEAST_COLLAPSE: Duration = Duration::from_secs(1);
/// judged by the mean of about so many answers.
const LATENCY_WEIGHT: f64 = 1.0 / 32.0;
/// What was best is forgotten slowly, since long prompts may have come after short ones.
const BEST_DRIFT: f64 = 1.002;
/// A step up is this part of what is allowed at most.
const STEPS: u32 = 32;

/// What an answer says about how much is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It came as it should, after this time.
    Good(Duration),
    /// The service is overloaded.
    Overloaded,
    /// Refused for a limit that no header told.
    Refused,
    /// Refused because too much was open, or grew too fast.
    TooMuch,
    /// It says nothing about that.
    Nothing,
}

/// The ceiling of open requests.
#[derive(Clone, Debug)]
pub struct Concurrency {
    most: u32,
    now: u32,
    /// Good answers since the last step.
    good: u32,
    /// Answers to requests that left before the last step down: they say nothing about it.
    old: u32,
    overloaded: VecDeque<bool>,
    latency: Option<SeenLatency>,
}

#[derive(Clone, Copy, Debug)]
struct SeenLatency {
    mean_s: f64,
    best_s: f64,
    seen: u32,
}

impl Concurrency {
    /// Starts at the user's ceiling; the ramp sees to a slow start.
    #[must_use]
    pub fn new(most: u32) -> Self {
        let most = most.max(1);
        Self {
            most,
            now: most,
            good: 0,
            old: 0,
            overloaded: VecDeque::with_capacity(LOOK_BACK),
            latency: None,
        }
    }

    /// How many may be open now; at least one.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.now
    }

    /// An answer came while `open` others were on the wire. `limits_are_told`: headers tell them.
    pub fn answered(&mut self, signal: Signal, open: u32, limits_are_told: bool) {
        let is_old = self.old > 0;
        self.old = self.old.saturating_sub(1);
        self.look_back_on(signal == Signal::Overloaded);
        let factor = match signal {
            Signal::TooMuch => Some(0.5),
            Signal::Refused if !limits_are_told => Some(0.5),
            Signal::Overloaded if self.is_overloaded() => Some(0.5),
            Signal::Good(latency) if self.has_collapsed(latency) && !limits_are_told => Some(0.75),
            _ => None,
        };
        match (factor, signal) {
            (Some(factor), _) if !is_old => self.lower(factor, open),
            (None, Signal::Good(_)) => self.raise(),
            _ => {}
        }
    }

    fn lower(&mut self, factor: f64, open: u32) {
        // What was never reached is no measure.
        let reached = self.now.min(open.saturating_add(1));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a small number"
        )]
        let lowered = (f64::from(reached) * factor) as u32;
        self.now = lowered.max(1);
        self.good = 0;
        self.old = open;
        self.overloaded.clear();
        self.latency = None;
    }

    /// One step after a whole round of good answers.
    fn raise(&mut self) {
        if self.now >= self.most {
            return;
        }
        self.good += 1;
        if self.good >= self.now {
            let step = (self.most / STEPS).max(1);
            self.now = self.now.saturating_add(step).min(self.most);
            self.good = 0;
        }
    }

    fn look_back_on(&mut self, overloaded: bool) {
        if self.overloaded.len() == LOOK_BACK {
            self.overloaded.pop_front();
        }
        self.overloaded.push_back(overloaded);
    }

    fn is_overloaded(&self) -> bool {
        self.overloaded
            .iter()
            .filter(|overloaded| **overloaded)
            .count()
            > MOST_OVERLOADED
    }

    fn has_collapsed(&mut self, latency: Duration) -> bool {
        let seconds = latency.as_secs_f64();
        let seen = self.latency.get_or_insert(SeenLatency {
            mean_s: seconds,
            best_s: f64::MAX,
            seen: 0,
        });
        seen.mean_s += (seconds - seen.mean_s) * LATENCY_WEIGHT;
        seen.seen = seen.seen.saturating_add(1);
        if f64::from(seen.seen) * LATENCY_WEIGHT < 1.0 {
            return false;
        }
        seen.best_s = (seen.best_s * BEST_DRIFT).min(seen.mean_s);
        seen.mean_s > seen.best_s * COLLAPSE
            && seen.mean_s > seen.best_s + LEAST_COLLAPSE.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Concurrency, Signal};

    const GOOD: Signal = Signal::Good(Duration::from_secs(1));

    fn many(concurrency: &mut Concurrency, signal: Signal, times: u32) {
        for _ in 0..times {
            concurrency.answered(signal, concurrency.now(), false);
        }
    }

    #[test]
    fn it_halves_at_once_and_comes_back_step_by_step() {
        let mut concurrency = Concurrency::new(8);
        concurrency.answered(Signal::TooMuch, 7, true);
        assert_eq!(concurrency.now(), 4);
        many(&mut concurrency, GOOD, 4);
        assert_eq!(concurrency.now(), 5);
        many(&mut concurrency, GOOD, 1_000);
        assert_eq!(concurrency.now(), 8);
        many(&mut concurrency, Signal::TooMuch, 100);
        assert_eq!(concurrency.now(), 1, "it never falls to nothing");
    }

    #[test]
    fn one_volley_of_refusals_lowers_it_once() {
        let mut concurrency = Concurrency::new(64);
        for open in (0..64).rev() {
            concurrency.answered(Signal::Refused, open, false);
        }
        assert_eq!(concurrency.now(), 32);
    }

    #[test]
    fn a_refusal_counts_only_where_no_header_tells_the_limit() {
        for (told, expected) in [(true, 64), (false, 32)] {
            let mut concurrency = Concurrency::new(64);
            concurrency.answered(Signal::Refused, 63, told);
            assert_eq!(concurrency.now(), expected);
        }
    }

    #[test]
    fn overload_above_a_fifth_lowers_it_and_below_does_not() {
        for (every, lowered) in [(10, false), (6, false), (4, true), (2, true)] {
            let mut concurrency = Concurrency::new(64);
            for n in 1..=100 {
                let signal = if n % every == 0 {
                    Signal::Overloaded
                } else {
                    GOOD
                };
                concurrency.answered(signal, 63, true);
            }
            assert_eq!(concurrency.now() < 64, lowered, "every {every}th");
        }
    }

    #[test]
    fn a_collapse_of_latency_lowers_it_and_a_long_answer_does_not() {
        let after = |slow: u32| {
            let mut concurrency = Concurrency::new(64);
            many(&mut concurrency, GOOD, 200);
            many(
                &mut concurrency,
                Signal::Good(Duration::from_secs(20)),
                slow,
            );
            concurrency.now()
        };
        assert_eq!(after(2), 64);
        assert!(after(60) < 64);
    }
}
