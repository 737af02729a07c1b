//! How many requests may be open at once: the user's concurrency, lowered when the service shows that
//! it is too much, and raised again step by step.
//!
//! A refusal is load only as far as refusals grow with what is open: so shares of refusals are compared
//! at different levels (`levels`). Where a border shows, the ceiling is set to it. Where nothing is known
//! of lower levels and much is refused, the ceiling is halved to find out. Either is set back if it does
//! not help; else higher ceilings are tried again, and the more rarely the more often that was in vain.
//! Where headers tell the limits, a refusal for a limit is the rate budget's business. That too much is
//! open, said in words, counts at once.

mod levels;

#[cfg(test)]
mod tests;

use std::time::Duration;

use levels::Levels;

/// A ceiling at which more than this part is refused may be too high.
const MUCH: f64 = 0.2;
/// That is judged by at least as many answers,
const LEAST_ANSWERS: f64 = 30.0;
/// and where fewer than this are known of lower levels, those are tried.
const LITTLE_KNOWN: f64 = 4.0;
/// A trial of a lower ceiling lasts for as many answers.
const TRIAL: u32 = 40;
/// A lower ceiling has helped if no more than this part of all refusals is left.
const HELPED: f64 = 0.7;
/// After one that has not, no other is tried for as many answers.
const QUIET_AFTER_A_TRIAL: u32 = 500;
/// The least number of good answers before a higher ceiling is tried; doubled after each time that failed,
const LEAST_GOOD: u32 = 20;
/// up to as many times.
const MOST_DOUBLINGS: u32 = 5;
/// Latency has collapsed when it is this many times what it was at its best,
const COLLAPSE: f64 = 4.0;
/// and longer than that by at least this,
const LEAST_COLLAPSE: Duration = Duration::from_secs(1);
/// judged by the mean of about as many answers.
const LATENCY_WEIGHT: f64 = 1.0 / 32.0;
/// What was best is forgotten slowly, since long prompts may have come after short ones.
const BEST_DRIFT: f64 = 1.002;
/// A step up is this part of what the user allows at most.
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
    seen: Levels,
    /// Good answers since the last step.
    good: u32,
    /// Higher ceilings that were tried in vain since the last one that held.
    failed: u32,
    /// The last step was one up: its ceiling has not held yet.
    was_raised: bool,
    trial: Option<Trial>,
    /// Answers before another lower ceiling is tried.
    quiet: u32,
    latency: Option<SeenLatency>,
}

/// A lower ceiling that is tried, to see whether fewer requests are refused.
#[derive(Clone, Copy, Debug)]
struct Trial {
    before: u32,
    part_before: f64,
    answers: u32,
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
            seen: Levels::default(),
            good: 0,
            failed: 0,
            was_raised: false,
            trial: None,
            quiet: 0,
            latency: None,
        }
    }

    /// How many may be open now; at least one.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.now
    }

    /// A request leaves, and `level` are open, itself included.
    pub fn started(&mut self, level: u32) {
        self.seen.sent(level);
    }

    /// An answer came to a request that left when `level` were open, itself included. `limits_are_told`:
    /// headers tell them.
    pub fn answered(&mut self, signal: Signal, level: u32, limits_are_told: bool) {
        self.quiet = self.quiet.saturating_sub(1);
        let refused = match signal {
            Signal::Good(_) => false,
            Signal::Overloaded | Signal::TooMuch => true,
            Signal::Refused if !limits_are_told => true,
            Signal::Refused | Signal::Nothing => return,
        };
        if refused {
            self.seen.refused(level);
        }
        if let Some(trial) = self.trial.as_mut().filter(|_| level <= self.now) {
            trial.answers += 1;
        }
        match signal {
            Signal::Good(latency) if self.has_collapsed(latency) && !limits_are_told => {
                self.lower_to(self.now.min(level).saturating_mul(3) / 4, None);
            }
            Signal::Good(_) => self.good = self.good.saturating_add(1),
            // What left before the last step down says nothing about it.
            Signal::TooMuch if level <= self.now => {
                let half = self.now.min(level) / 2;
                self.lower_to(self.border().unwrap_or(half), None);
            }
            _ => {}
        }
        self.judge(refused);
        self.raise();
    }

    /// The highest level at which no more is refused than below.
    fn border(&self) -> Option<u32> {
        self.seen.border().filter(|border| *border < self.now)
    }

    fn judge(&mut self, refused: bool) {
        if refused && self.quiet == 0 {
            match self.border() {
                Some(border) => self.try_ceiling(border),
                None => self.try_half(),
            }
        }
        if let Some(trial) = self.trial.filter(|trial| trial.answers >= TRIAL) {
            self.judge_trial(trial);
        }
    }

    fn lower_to(&mut self, ceiling: u32, trial: Option<Trial>) {
        self.now = ceiling.clamp(1, self.now);
        self.good = 0;
        self.failed = (self.failed + 1).min(MOST_DOUBLINGS);
        self.was_raised = false;
        self.trial = trial;
        self.latency = None;
    }

    fn try_ceiling(&mut self, ceiling: u32) {
        let trial = Trial {
            before: self.trial.map_or(self.now, |trial| trial.before),
            part_before: self.seen.up_to(self.most).part(),
            answers: 0,
        };
        self.lower_to(ceiling, Some(trial));
    }

    /// Much is refused, and nothing tells whether less would be with less open.
    fn try_half(&mut self) {
        let half = self.now / 2;
        let here = self.seen.between(half, self.now);
        let is_much = here.sent >= LEAST_ANSWERS && here.part() > MUCH;
        let is_unknown = self.seen.up_to(half).sent < LITTLE_KNOWN;
        if half > 0 && is_much && is_unknown && self.trial.is_none() {
            self.try_ceiling(half);
        }
    }

    fn judge_trial(&mut self, trial: Trial) {
        self.trial = None;
        if self.seen.up_to(self.now).part() > trial.part_before * HELPED {
            self.now = trial.before;
            self.failed = 0;
            self.quiet = QUIET_AFTER_A_TRIAL;
        }
    }

    /// One step after a whole round of good answers, and after the more of them the more steps failed.
    fn raise(&mut self) {
        let patience = self.now.max(LEAST_GOOD << self.failed.saturating_sub(1));
        if self.now >= self.most || self.trial.is_some() || self.good < patience {
            return;
        }
        self.seen.doubt_above(self.now);
        let step = (self.most / STEPS).min(self.now / 4).max(1);
        self.now = self.now.saturating_add(step).min(self.most);
        self.good = 0;
        if std::mem::replace(&mut self.was_raised, true) {
            self.failed = self.failed.saturating_sub(1);
        }
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
