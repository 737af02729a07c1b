//! What the API's status page says of an outage: when it is asked, and how long it is believed.
//!
//! The page is asked in the background while a circuit is open, and never often. It is a hint: it
//! makes probes rarer and explains an outage, and never opens or closes a circuit.

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::clock::add;
use crate::model::{Indicator, PageStatus};
use crate::policy::Circuit;
use crate::provider::StatusSource;

/// The page changes with the minutes at best, and everybody asks it in an outage. Not scaled: it is
/// somebody else's page.
const ASK_EVERY: Duration = Duration::from_mins(5);
/// What it said is believed until it says otherwise, or has said nothing at three looks.
const BELIEVED_FOR: Duration = Duration::from_mins(15);
/// While the page confirms a major outage, probes are at least so far apart, times the retry scale.
const CONFIRMED_PROBE_WAIT: Duration = Duration::from_mins(3);

type Look = Pin<Box<dyn Future<Output = PageStatus> + Send>>;

/// A way to ask the status page. Clones ask the same page.
#[derive(Clone)]
pub struct StatusProbe(Arc<dyn Fn() -> Look + Send + Sync>);

impl StatusProbe {
    /// Asks that page.
    #[must_use]
    pub fn new(source: impl StatusSource) -> Self {
        let source = Arc::new(source);
        Self(Arc::new(move || {
            let source = Arc::clone(&source);
            Box::pin(async move { source.ask().await })
        }))
    }
}

impl fmt::Debug for StatusProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StatusProbe")
    }
}

/// Looks at the page in the background, one look at a time. Dropped, it stops looking.
#[derive(Debug)]
pub(super) struct Lookout {
    probe: Option<StatusProbe>,
    look: JoinSet<PageStatus>,
}

impl Lookout {
    pub(super) fn new(probe: Option<StatusProbe>) -> Self {
        Self {
            probe,
            look: JoinSet::new(),
        }
    }

    /// Begins a look.
    pub(super) fn ask(&mut self) {
        if let Some(StatusProbe(ask)) = &self.probe {
            self.look.spawn(ask());
        }
    }

    /// What the look under way brings; never ends without one. May be dropped and called again.
    pub(super) async fn told(&mut self) -> PageStatus {
        match self.look.join_next().await {
            // A look that was lost knows nothing.
            Some(told) => told.unwrap_or_default(),
            None => pending().await,
        }
    }
}

/// What is known of the page. Pure: time is an argument.
#[derive(Debug)]
pub(super) struct PageWatch {
    enabled: bool,
    asked_at: Option<Timestamp>,
    asking: bool,
    /// The last word of the page that was one, and when it was heard.
    told: Option<(PageStatus, Timestamp)>,
}

impl PageWatch {
    pub(super) fn new(enabled: bool) -> Self {
        Self {
            enabled,
            asked_at: None,
            asking: false,
            told: None,
        }
    }

    /// When the page may be asked next: none while it is being asked, or is not to be.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        if !self.enabled || self.asking {
            return None;
        }
        let again = self.asked_at.map(|at| add(at, ASK_EVERY));
        Some(again.unwrap_or(Timestamp::MIN))
    }

    /// The page is asked now.
    pub(super) fn asked(&mut self, now: Timestamp) {
        self.asked_at = Some(now);
        self.asking = true;
    }

    /// Takes in what a look brought; true if the indicator changed. A look that brought nothing
    /// changes nothing.
    pub(super) fn hear(&mut self, status: PageStatus, now: Timestamp) -> bool {
        self.asking = false;
        if status.indicator == Indicator::Unknown {
            return false;
        }
        let before = self.told.as_ref().map(|(before, _)| before.indicator);
        let changed = before != Some(status.indicator);
        self.told = Some((status, now));
        changed
    }

    /// Whether this lane is in a confirmed outage: its requests keep failing, and the page says, and
    /// is still believed, that much of the API does not work.
    pub(super) fn confirms_outage_of(&self, circuit: &Circuit, now: Timestamp) -> bool {
        let believed = |heard_at: Timestamp| now <= add(heard_at, BELIEVED_FOR);
        let told = self.told.as_ref();
        circuit.open().is_some()
            && told.is_some_and(|(status, at)| status.indicator.is_major() && believed(*at))
    }

    /// Makes the probes of a confirmed outage rarer. `scale` is the retry scale.
    pub(super) fn slow_down(&self, circuit: &mut Circuit, scale: f64, now: Timestamp) {
        if self.confirms_outage_of(circuit, now) {
            circuit.hold_off(CONFIRMED_PROBE_WAIT.mul_f64(scale));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Circuit, Indicator, PageStatus, PageWatch, Timestamp};
    use crate::model::{ErrorClass, JobId};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// A circuit that opened at second 0 and probes ten seconds later.
    fn opened() -> Circuit {
        let mut circuit = Circuit::default();
        for job in 0..20 {
            let (class, wait) = (ErrorClass::Overloaded, Duration::from_secs(10));
            circuit.failed(JobId(job), class, wait, 1.0, at(0));
        }
        circuit
    }

    fn says(indicator: Indicator) -> PageStatus {
        PageStatus {
            indicator,
            ..PageStatus::default()
        }
    }

    #[test]
    fn the_page_is_asked_at_most_every_five_minutes_and_one_look_at_a_time() {
        let mut page = PageWatch::new(true);
        assert!(page.next_look().unwrap() <= at(0));
        page.asked(at(0));
        assert_eq!(page.next_look(), None, "it is being asked");
        page.hear(PageStatus::default(), at(3));
        assert_eq!(page.next_look(), Some(at(300)));
    }

    #[test]
    fn a_page_that_is_switched_off_is_never_asked() {
        assert_eq!(PageWatch::new(false).next_look(), None);
    }

    #[test]
    fn only_a_new_indicator_is_a_change_and_unknown_is_none() {
        let mut page = PageWatch::new(true);
        for (indicator, changed) in [
            (Indicator::Unknown, false),
            (Indicator::None, true),
            (Indicator::None, false),
            (Indicator::Major, true),
            (Indicator::Unknown, false),
            (Indicator::Major, false),
            (Indicator::Critical, true),
            (Indicator::Maintenance, true),
        ] {
            assert_eq!(page.hear(says(indicator), at(0)), changed, "{indicator}");
        }
    }

    #[test]
    fn only_major_and_critical_confirm_an_outage_and_make_probes_rarer() {
        for (indicator, confirms) in [
            (Indicator::None, false),
            (Indicator::Minor, false),
            (Indicator::Maintenance, false),
            (Indicator::Unknown, false),
            (Indicator::Major, true),
            (Indicator::Critical, true),
        ] {
            let mut page = PageWatch::new(true);
            page.hear(says(indicator), at(0));
            let mut circuit = opened();
            let confirmed = page.confirms_outage_of(&circuit, at(1));
            assert_eq!(confirmed, confirms, "{indicator}");
            page.slow_down(&mut circuit, 0.5, at(1));
            let probe = if confirms { 90 } else { 10 };
            assert_eq!(circuit.open().unwrap().next_probe_at, at(probe));
            let works = Circuit::default();
            assert!(!page.confirms_outage_of(&works, at(1)), "{indicator}");
        }
    }

    #[test]
    fn a_word_is_believed_until_it_is_taken_back_or_is_fifteen_minutes_old() {
        let (mut page, circuit) = (PageWatch::new(true), opened());
        page.hear(says(Indicator::Major), at(0));
        page.hear(says(Indicator::Unknown), at(600));
        let confirmed = |page: &PageWatch, now| page.confirms_outage_of(&circuit, at(now));
        assert!(confirmed(&page, 900), "unknown takes nothing back");
        assert!(!confirmed(&page, 901));
        page.hear(says(Indicator::Major), at(1_000));
        page.hear(says(Indicator::None), at(1_300));
        assert!(!confirmed(&page, 1_301));
    }
}
