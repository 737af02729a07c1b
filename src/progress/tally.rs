//! The fold from events to the numbers that people see. Pure: no clock, no terminal.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::batches::BatchTally;
use super::numbers::approximate;
use super::rate::RateWindow;
use crate::model::{
    AttemptOutcome, ErrorClass, Event, EventKind, JobState, Lane, PageStatus, Pico, thousands,
};

/// With fewer ends in the window than this, an estimate from the window alone would jump about.
const ENOUGH_FOR_ETA: u64 = 10;
/// This many failures without a success between, and none for this long: nothing succeeds.
const SEVERAL: u64 = 5;
const RECENT: SignedDuration = SignedDuration::from_secs(10);
/// After this long of the same failure the words of whoever says it are shown.
const STUCK_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Why a job waits for its next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextTry {
    /// When it is tried again.
    pub next_try_at: Timestamp,
    /// What went wrong.
    pub class: Option<ErrorClass>,
    /// The HTTP status, if there was one.
    pub http_status: Option<u16>,
}

/// What is said again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// How every request fails.
    pub class: ErrorClass,
    /// What the API or the network said last.
    pub message: String,
    /// Since when they fail so, and nothing else happens.
    pub since: Timestamp,
}

/// Where a model's requests go while the first endpoint fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The second endpoint.
    pub endpoint: String,
    /// How its requests keep failing there too.
    pub failing: Option<ErrorClass>,
}

/// What the dispatcher is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No run has started yet.
    #[default]
    Before,
    /// Jobs are being sent.
    Running,
    /// No job can succeed now, and the run waits to try again.
    Waiting {
        /// Why.
        class: ErrorClass,
        /// When one request tries again.
        next_try_at: Timestamp,
    },
    /// Nothing new is started; what is in flight is finished.
    Draining,
    /// Stopped because no job could succeed.
    Halted {
        /// Why.
        class: ErrorClass,
        /// What the API or the network said.
        message: String,
    },
    /// The dispatcher left the run.
    Ended,
}

/// Where a run stands, as far as its events tell. A `run_started` event begins it again, so several
/// runs may follow each other.
///
/// Its memory grows with the jobs that are in flight or wait for a retry, never with the run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// All jobs of the run.
    pub total: u64,
    /// Jobs that ended with a message.
    pub succeeded: u64,
    /// Jobs that ended with an error; those cancelled before this dispatch are among them.
    pub failed: u64,
    /// Jobs that were cancelled during this dispatch.
    pub canceled: u64,
    /// Requests that left during this dispatch.
    pub attempts: u64,
    /// Those among them that were not their job's first.
    pub retries: u64,
    /// Attempts that an earlier crash had cut off.
    pub interrupted: u64,
    /// Input tokens of every kind, of this dispatch.
    pub input_tokens: u64,
    /// Output tokens, of this dispatch.
    pub output_tokens: u64,
    /// Money spent on the run, earlier dispatches included.
    pub cost: Pico,
    /// Money is shown with all its digits.
    pub all_digits: bool,
    /// Attempts of this dispatch without a known price: their cost is in no sum.
    pub unknown_price: u64,
    /// Attempts of this dispatch that brought no message, by class.
    pub errors: BTreeMap<ErrorClass, u64>,
    /// The run is against the simulator.
    pub simulated: bool,
    /// What the dispatcher is doing.
    pub phase: Phase,
    /// Models that keep failing, and how: they are only probed.
    pub outages: BTreeMap<String, ErrorClass>,
    /// When those are probed next.
    pub probes: BTreeMap<String, Timestamp>,
    /// Remote batches that are not over.
    pub batches: BatchTally,
    /// Models whose requests go to the second endpoint, and whether they keep failing there too.
    pub elsewhere: BTreeMap<String, Elsewhere>,
    /// Why the second endpoint is not used any more.
    pub endpoint_off: Option<String>,
    /// The store has answered nothing since then.
    pub store_silent: Option<Timestamp>,
    /// Nothing is sent before, for the hours that the user has set.
    pub closed_until: Option<Timestamp>,
    /// The last warning: this many per cent of a budget of this many dollars are spent.
    pub budget: Option<(u8, Pico)>,
    /// How few requests the budget allows to be open, and with what `max_tokens` how many, if it is
    /// what keeps more from being open.
    pub tight: Option<(u32, Option<(u64, u32)>)>,
    /// Requests that may be open at once, once that has been told.
    pub ceiling: Option<u32>,
    /// What is known of the limits of each class of models: per minute, in words.
    pub limits: BTreeMap<String, String>,
    /// What the API's status page said last in this dispatch.
    pub page: Option<PageStatus>,
    started_at: Option<Timestamp>,
    ended_here: u64,
    window: RateWindow,
    in_flight: HashSet<Box<str>>,
    waiting: HashMap<Box<str>, NextTry>,
    /// Jobs that wait since before this dispatch, and the first of them.
    before: Option<(u64, NextTry)>,
    succeeded_here: u64,
    /// Attempts that failed since the last one that did not.
    failing: u64,
    last_success: Option<Timestamp>,
    said: Option<Said>,
}

impl Tally {
    /// Takes in one event.
    pub fn observe(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RunStarted { .. } => {
                *self = Self {
                    // The choice of the user outlives the run that was watched before.
                    all_digits: self.all_digits,
                    ..Self::begin(event)
                };
            }
            EventKind::AttemptStarted { custom_id, n, .. } => self.attempt_started(custom_id, *n),
            EventKind::AttemptEnded { .. } => self.attempt_ended(&event.kind, event.at),
            EventKind::StillWaiting { .. } => self.still_waiting(&event.kind, event.at),
            EventKind::JobEnded {
                custom_id, state, ..
            } => self.job_ended(custom_id, *state, event.at),
            EventKind::RunHalted {
                error_class,
                message,
            } => {
                self.phase = Phase::Halted {
                    class: *error_class,
                    message: message.clone(),
                };
            }
            EventKind::CircuitOpened { .. }
            | EventKind::CircuitProbed { .. }
            | EventKind::CircuitClosed { .. } => self.circuit_changed(&event.kind),
            EventKind::EndpointSwitched { model, endpoint } => {
                // Without an endpoint the event says that the model is back at the first.
                self.elsewhere.remove(model);
                let elsewhere = endpoint.clone().map(|endpoint| Elsewhere {
                    endpoint,
                    failing: None,
                });
                let elsewhere = elsewhere.map(|elsewhere| (model.clone(), elsewhere));
                self.elsewhere.extend(elsewhere);
            }
            EventKind::EndpointOff {
                endpoint,
                error_class,
                message,
                ..
            } => {
                self.endpoint_off = Some(format!("{endpoint}: {error_class}: {message}"));
            }
            EventKind::StatusPage(status) => self.page = Some(status.clone()),
            EventKind::HaltWaiting {
                error_class,
                next_try_at,
                ..
            } => {
                self.phase = Phase::Waiting {
                    class: *error_class,
                    next_try_at: *next_try_at,
                };
            }
            EventKind::Pace { .. } => self.pace_changed(&event.kind),
            EventKind::HoursClosed { opens_at } => self.closed_until = Some(*opens_at),
            EventKind::HoursOpened {} => self.closed_until = None,
            EventKind::BudgetWarning { .. } | EventKind::BudgetTight { .. } => {
                self.budget_changed(&event.kind);
            }
            EventKind::StoreSilent { for_ms } => {
                self.store_silent = event.at.checked_sub(Duration::from_millis(*for_ms)).ok();
            }
            EventKind::StoreAnswers {} => self.store_silent = None,
            EventKind::Draining { .. } => self.phase = Phase::Draining,
            EventKind::RunEnded { .. } => self.phase = Phase::Ended,
            of_batch => self.batch_changed(of_batch, event.at),
        }
    }

    fn budget_changed(&mut self, kind: &EventKind) {
        match kind {
            EventKind::BudgetWarning {
                percent,
                budget_usd,
                ..
            } => self.budget = Some((*percent, *budget_usd)),
            EventKind::BudgetTight {
                open,
                shorter_max_tokens,
                shorter_open,
            } => self.tight = Some((*open, shorter_max_tokens.zip(*shorter_open))),
            _ => {}
        }
    }

    fn circuit_changed(&mut self, kind: &EventKind) {
        match kind {
            EventKind::CircuitOpened {
                model,
                error_class,
                endpoint,
                next_probe_at,
            } => {
                if endpoint.is_none() {
                    self.probes.insert(model.clone(), *next_probe_at);
                }
                self.circuit(model, endpoint.as_ref(), Some(*error_class));
            }
            EventKind::CircuitProbed {
                model,
                error_class,
                next_probe_at,
            } => {
                self.probes.insert(model.clone(), *next_probe_at);
                self.circuit(model, None, Some(*error_class));
            }
            EventKind::CircuitClosed { model, endpoint } => {
                self.circuit(model, endpoint.as_ref(), None);
            }
            _ => {}
        }
    }

    /// A circuit opened (with how its requests fail) or closed.
    fn circuit(&mut self, model: &str, endpoint: Option<&String>, failing: Option<ErrorClass>) {
        match (endpoint, failing) {
            (None, Some(class)) => {
                self.outages.insert(model.to_owned(), class);
            }
            (None, None) => {
                self.outages.remove(model);
                self.probes.remove(model);
            }
            (Some(_), failing) => {
                if let Some(elsewhere) = self.elsewhere.get_mut(model) {
                    elsewhere.failing = failing;
                }
            }
        }
    }

    fn pace_changed(&mut self, kind: &EventKind) {
        let EventKind::Pace {
            model_class,
            ceiling,
            requests_per_minute,
            input_tokens_per_minute,
            output_tokens_per_minute,
            others_percent,
        } = kind
        else {
            return;
        };
        self.ceiling = Some(*ceiling);
        let limits = [
            (requests_per_minute, "requests"),
            (input_tokens_per_minute, "in"),
            (output_tokens_per_minute, "out"),
        ];
        let told = limits.into_iter();
        let told = told.filter_map(|(limit, of)| Some(format!("{} {of}", thousands((*limit)?))));
        let mut told: Vec<_> = told.collect();
        if let Some(last) = told.last_mut() {
            last.push_str(" a minute");
        }
        if *others_percent > 0 {
            told.push(format!("others take {others_percent}%"));
        }
        if told.is_empty() {
            self.limits.remove(model_class);
        } else {
            self.limits.insert(model_class.clone(), told.join(", "));
        }
    }

    fn begin(event: &Event) -> Self {
        let mut tally = Self::default();
        if let EventKind::RunStarted {
            total,
            ended,
            failed,
            canceled,
            interrupted,
            simulated,
            cost_usd,
        } = &event.kind
        {
            tally.total = *total;
            tally.succeeded = ended.saturating_sub(failed + canceled);
            tally.failed = *failed;
            tally.canceled = *canceled;
            tally.interrupted = *interrupted;
            tally.simulated = *simulated;
            tally.cost = *cost_usd;
        }
        tally.started_at = Some(event.at);
        tally.phase = Phase::Running;
        tally
    }

    fn attempt_started(&mut self, custom_id: &str, n: u32) {
        // The attempt that goes first after a halt ends the wait.
        if matches!(self.phase, Phase::Waiting { .. }) {
            self.phase = Phase::Running;
        }
        self.attempts += 1;
        self.retries += u64::from(n > 1);
        // A retry of an earlier dispatch: it is among those whose number alone is known.
        if self.waiting.remove(custom_id).is_none() && n > 1 {
            self.fewer_before(1);
        }
        self.in_flight.insert(custom_id.into());
    }

    fn attempt_ended(&mut self, kind: &EventKind, at: Timestamp) {
        let EventKind::AttemptEnded {
            custom_id,
            lane,
            outcome,
            error_class,
            http_status,
            message,
            next_try_at,
            input_tokens,
            output_tokens,
            cost_usd,
            ..
        } = kind
        else {
            return;
        };
        self.in_flight.remove(custom_id.as_str());
        // A failure that ends its job is no reason why others wait.
        let again = error_class.filter(|_| next_try_at.is_some());
        self.heard(*outcome, again, message.as_deref(), at);
        self.input_tokens = self.input_tokens.saturating_add(*input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(*output_tokens);
        match cost_usd {
            Some(cost) => self.cost += *cost,
            // Counted apart, so that the sum does not look complete.
            None => self.unknown_price += 1,
        }
        if let Some(class) = error_class
            && *outcome != AttemptOutcome::Succeeded
        {
            *self.errors.entry(*class).or_default() += 1;
        }
        // Nobody tells when a job goes again as part of a batch.
        if let Some(next_try_at) = next_try_at
            && *lane == Lane::Live
        {
            let wait = NextTry {
                next_try_at: *next_try_at,
                class: *error_class,
                http_status: *http_status,
            };
            self.waiting.insert(custom_id.as_str().into(), wait);
        }
    }

    fn job_ended(&mut self, custom_id: &str, state: JobState, at: Timestamp) {
        self.in_flight.remove(custom_id);
        self.waiting.remove(custom_id);
        match state {
            JobState::Succeeded => {
                self.succeeded += 1;
                self.succeeded_here += 1;
            }
            JobState::Canceled => self.canceled += 1,
            _ => self.failed += 1,
        }
        self.ended_here += 1;
        self.window.record(at);
    }

    /// Jobs that have ended, one way or another.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.succeeded + self.failed + self.canceled
    }

    /// Jobs that have not ended.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.total.saturating_sub(self.ended())
    }

    /// Jobs with a request on the way.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.len() as u64
    }

    /// Jobs that failed and wait for their next try.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let before = self.before.map_or(0, |(jobs, _)| jobs);
        self.waiting.len() as u64 + before
    }

    /// Of the jobs that wait, the one that is tried first, and why it waits.
    #[must_use]
    pub fn next_wait(&self) -> Option<NextTry> {
        let before = self.before.map(|(_, wait)| wait);
        self.waiting.values().copied().chain(before).min()
    }

    /// Whole percent of the jobs that have ended.
    #[must_use]
    pub fn percent(&self) -> u64 {
        (self.ended() * 100)
            .checked_div(self.total)
            .map_or(100, |percent| percent.min(100))
    }

    /// Jobs that ended per second, over the last ten seconds before `now`.
    #[must_use]
    pub fn rate(&self, now: Timestamp) -> f64 {
        let (count, seconds) = self.window.look_back(self.started_at.unwrap_or(now), now);
        approximate(count) / seconds
    }

    /// How long the rest will take at this pace, in whole seconds; none while there is no pace
    /// yet, or nothing left. Where few jobs ended lately, the pace is that of the whole dispatch.
    #[must_use]
    pub fn eta(&self, now: Timestamp) -> Option<Duration> {
        let started = self.started_at?;
        if self.open() == 0 || self.ended_here == 0 || !self.is_getting_on(now) {
            return None;
        }
        let (recent, seconds) = self.window.look_back(started, now);
        // Slow jobs end more rarely than the window is long; then the mean since the start is
        // steadier.
        let pace = if recent >= ENOUGH_FOR_ETA {
            approximate(recent) / seconds
        } else {
            let age = now.duration_since(started).as_secs_f64().max(1.0);
            approximate(self.ended_here) / age
        };
        let eta = Duration::try_from_secs_f64((approximate(self.open()) / pace).ceil()).ok()?;
        // No run ends before its last retry is due.
        (self.longest_wait(now) <= eta).then_some(eta)
    }

    /// Whether the pace so far tells anything of what comes: something succeeds, and not everything
    /// waits.
    fn is_getting_on(&self, now: Timestamp) -> bool {
        let serves = |model: &String| {
            let elsewhere = self.elsewhere.get(model);
            elsewhere.is_some_and(|route| route.failing.is_none())
        };
        let is_recent = |at: Timestamp| now.duration_since(at) <= RECENT;
        let fails = self.failing >= SEVERAL && !self.last_success.is_some_and(is_recent);
        let sends = matches!(self.phase, Phase::Running) && self.closed_until.is_none();
        self.succeeded_here > 0 && self.outages.keys().all(serves) && !fails && sends
    }

    /// How long the job waits that waits longest, as far as is known.
    fn longest_wait(&self, now: Timestamp) -> Duration {
        let before = self.before.map(|(_, wait)| wait);
        let waits = self.waiting.values().copied().chain(before);
        let last = waits.map(|wait| wait.next_try_at).max();
        let left = last.map(|last| Duration::try_from(last.duration_since(now)));
        left.and_then(Result::ok).unwrap_or_default()
    }

    /// What is said again and again, if for over a minute nothing else has come and everything waits.
    #[must_use]
    pub fn stuck(&self, now: Timestamp) -> Option<&Said> {
        let waits = self.in_flight.is_empty() || !self.outages.is_empty();
        let said = self.said.as_ref().filter(|_| waits && self.open() > 0)?;
        (now.duration_since(said.since) >= STUCK_AFTER).then_some(said)
    }

    /// An attempt ended so; `again`: how it failed, if its job waits for another try.
    fn heard(
        &mut self,
        outcome: AttemptOutcome,
        again: Option<ErrorClass>,
        message: Option<&str>,
        at: Timestamp,
    ) {
        if outcome == AttemptOutcome::Succeeded {
            self.failing = 0;
            self.last_success = Some(at);
            self.said = None;
            return;
        }
        self.failing += 1;
        let Some(class) = again else {
            self.said = None;
            return;
        };
        let message = message.unwrap_or_default().to_owned();
        let same = self.said.as_ref().filter(|said| said.class == class);
        let since = same.map_or(at, |said| said.since);
        self.said = Some(Said {
            class,
            message,
            since,
        });
    }

    fn still_waiting(&mut self, kind: &EventKind, at: Timestamp) {
        let EventKind::StillWaiting {
            jobs,
            next_try_at,
            error_class,
            http_status,
            message,
        } = kind
        else {
            return;
        };
        let wait = NextTry {
            next_try_at: *next_try_at,
            class: *error_class,
            http_status: *http_status,
        };
        self.before = (*jobs > 0).then_some((*jobs, wait));
        self.said = error_class.map(|class| Said {
            class,
            message: message.clone().unwrap_or_default(),
            since: at,
        });
    }

    /// Nobody tells which jobs are in a batch that was created, but those whose time has come go first.
    fn batch_changed(&mut self, kind: &EventKind, at: Timestamp) {
        if let EventKind::BatchCreated { requests, .. } = kind
            && self.before.is_some_and(|(_, wait)| wait.next_try_at <= at)
        {
            self.fewer_before(u64::from(*requests));
        }
        self.batches.observe(kind);
    }

    /// This many jobs that waited since before this dispatch go again.
    fn fewer_before(&mut self, fewer: u64) {
        self.before = self
            .before
            .map(|(jobs, wait)| (jobs.saturating_sub(fewer), wait))
            .filter(|(jobs, _)| *jobs > 0);
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
