//! What holds a whole lane back, whatever its jobs and models: the hours in which requests may be sent,
//! a halt that is waited out, and an endpoint that has never answered.
//!
//! Both lanes consult one of these. Each lane has its own, since each learns from calls of its own: a
//! create call that is refused says nothing of single requests. Pure: time is an argument.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::settings::EngineSettings;
use crate::clock::add;
use crate::model::{EventKind, Evidence, Halt, OnHalt};
use crate::policy::Hours;
use crate::policy::halt::next_try;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct RunGate {
    hours: OpenHours,
    connectivity: Connectivity,
    on_halt: OnHalt,
    /// Multiplies our own waits.
    scale: f64,
    /// No job can succeed, and the user wants to wait: nothing is begun before.
    waiting: Option<Timestamp>,
    /// After a halt one request goes first; the rest follow if it does not halt again.
    probing: bool,
}

impl RunGate {
    /// `answered`: the endpoint has answered in this run before.
    pub(super) fn new(settings: &EngineSettings, answered: bool) -> Self {
        Self {
            hours: OpenHours::new(settings.limits.only_between.clone()),
            connectivity: Connectivity {
                answered,
                last_failure: None,
                since: None,
                patience: settings.unreachable_after(),
            },
            on_halt: settings.on_halt,
            scale: settings.retry.scale,
            waiting: None,
            probing: settings.after_halt,
        }
    }

    /// The user wants a halted run to wait, and not to be left.
    pub(super) fn waits_when_halted(&self) -> bool {
        self.on_halt == OnHalt::Wait
    }

    /// No job can succeed. When the lane tries again; `None`: the run is left instead.
    pub(super) fn halted(&mut self, halt: &Halt, now: Timestamp) -> Option<Timestamp> {
        if !self.waits_when_halted() {
            return None;
        }
        self.probing = true;
        self.connectivity.forgive();
        Some(next_try(&halt.message, self.scale, now))
    }

    /// Nothing is begun before.
    pub(super) fn wait_until(&mut self, until: Timestamp) {
        self.waiting = Some(until);
    }

    /// Until when a halt is waited out, as far as was looked.
    pub(super) fn waiting(&self) -> Option<Timestamp> {
        self.waiting
    }

    /// Whether a halt is being waited out.
    pub(super) fn is_waiting(&self, now: Timestamp) -> bool {
        self.waiting.is_some_and(|until| until > now)
    }

    /// The wait is over, if it is: true unless it still lasts.
    pub(super) fn wait_is_over(&mut self, now: Timestamp) -> bool {
        let is_over = !self.is_waiting(now);
        if is_over {
            self.waiting = None;
        }
        is_over
    }

    /// One request goes first, since the run has halted.
    pub(super) fn is_probing(&self) -> bool {
        self.probing
    }

    /// An answer came that does not halt again: the rest may follow.
    pub(super) fn probe_passed(&mut self) {
        self.probing = false;
    }

    pub(super) fn hours(&mut self) -> &mut OpenHours {
        &mut self.hours
    }

    /// The hours allow nothing before, as of the last look.
    pub(super) fn closed_until(&self) -> Option<Timestamp> {
        self.hours.closed_until
    }

    pub(super) fn connectivity(&mut self) -> &mut Connectivity {
        &mut self.connectivity
    }

    /// The endpoint has answered at least once in this run, whatever it said.
    pub(super) fn ever_answered(&self) -> bool {
        self.connectivity.answered
    }

    /// When the endpoint is called unreachable, unless it answers before; `longer` than usual is waited
    /// where another one may take its place.
    pub(super) fn unreachable_at(&self, longer: Duration) -> Option<Timestamp> {
        self.connectivity.unreachable_at(longer)
    }
}

/// The hours in which requests may be sent.
#[derive(Debug)]
pub(super) struct OpenHours {
    hours: Option<Hours>,
    closed_until: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    /// What was told last.
    told: Option<Timestamp>,
}

impl OpenHours {
    fn new(hours: Option<Hours>) -> Self {
        Self {
            hours,
            closed_until: None,
            looked_at: None,
            told: None,
        }
    }

    /// Until when nothing may be sent, if the hours say so. What was found so lately stands, because to
    /// find it out takes the rules of a time zone.
    pub(super) fn look(&mut self, now: Timestamp, fresh_for: Duration) -> Option<Timestamp> {
        let hours = self.hours.as_ref()?;
        let fresh_for = SignedDuration::try_from(fresh_for).unwrap_or_default();
        let is_fresh = |at: Timestamp| now.duration_since(at) < fresh_for;
        let is_over = self.closed_until.is_some_and(|until| until <= now);
        if is_over || !self.looked_at.is_some_and(is_fresh) {
            self.closed_until = Some(hours.next_open(now)).filter(|open| *open > now);
            self.looked_at = Some(now);
        }
        self.closed_until
    }

    /// That they end or begin, if that was not told.
    pub(super) fn news(&mut self) -> Option<EventKind> {
        let closed = self.closed_until;
        let is_news = std::mem::replace(&mut self.told, closed) != closed;
        let news = match closed {
            Some(opens_at) => EventKind::HoursClosed { opens_at },
            None => EventKind::HoursOpened {},
        };
        is_news.then_some(news)
    }
}

/// What is known of the endpoint: an address that never answers is a mistake of the settings and not
/// an outage.
#[derive(Debug)]
pub(super) struct Connectivity {
    answered: bool,
    /// How the last exchange failed that brought no answer.
    last_failure: Option<Evidence>,
    /// Patience runs from here.
    since: Option<Timestamp>,
    patience: Duration,
}

impl Connectivity {
    /// Patience begins now, unless it has.
    pub(super) fn waits_from(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// A request was answered.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    /// A request brought no answer.
    pub(super) fn failed(&mut self, evidence: &Evidence) {
        self.last_failure = Some(evidence.clone());
    }

    /// How the last exchange failed that brought no answer.
    pub(super) fn last_failure(&self) -> Evidence {
        self.last_failure.clone().unwrap_or_default()
    }

    /// It is given another chance, from the next request on.
    fn forgive(&mut self) {
        self.since = None;
    }

    fn unreachable_at(&self, longer: Duration) -> Option<Timestamp> {
        let is_silent = !self.answered && self.last_failure.is_some();
        let since = self.since.filter(|_| is_silent)?;
        Some(add(since, self.patience + longer))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::OpenHours;

    /// What was found a moment ago stands, but not beyond the time that it names.
    #[test]
    fn the_hours_open_on_time_however_lately_somebody_looked() {
        let hours = "22:00-06:00@UTC".parse().unwrap();
        let mut hours = OpenHours::new(Some(hours));
        let at = |time: &str| -> Timestamp { format!("2026-11-{time}Z").parse().unwrap() };
        let mut look = |time| hours.look(at(time), Duration::from_secs(1));
        assert_eq!(look("22T21:59:59.5"), Some(at("22T22:00:00")));
        assert_eq!(look("22T21:59:59.9"), Some(at("22T22:00:00")));
        assert_eq!(look("22T22:00:00"), None);
        assert_eq!(look("22T22:00:00.2"), None);
        assert_eq!(look("23T06:00:01"), Some(at("23T22:00:00")));
    }
}
