//! When to stop sending to a model that keeps failing, and when to try again.
//!
//! A model whose requests all fail opens its circuit: one probe at a time goes out, everything else
//! waits without using up attempts, and the first success closes it. So an outage of hours costs
//! about as many requests as there were probes, and no job its life. A sprinkle of failures, and
//! jobs that alone keep failing, open nothing. Pure: time is an argument.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::add;
use crate::model::{Budget, ErrorClass, JobId};

/// So many failures in a row open a circuit: at one failure in two this happens once in a million
/// answers, in an outage within one round of requests.
const OPENS_AFTER: u32 = 20;
/// And as many times more of them than of requests that left meanwhile and are still open although the
/// failures came back long ago: a service that refuses half of all at once takes its time for the other half.
const FAILURES_PER_SURVIVOR: u32 = 4;
/// Until that can be told, there are as many more of them for each request that may still survive.
const FAILURES_PER_CANDIDATE: u32 = 2;
/// A request survives when it has been open as many times as long as the slowest failure took,
const SURVIVAL: u32 = 2;
/// and this much longer,
const LEAST_SURVIVAL: Duration = Duration::from_millis(100);
/// and not so long that it seems to hang.
const SEEMS_TO_HANG: Duration = Duration::from_mins(1);
/// They must be of so many different jobs: a few jobs that cannot work say nothing of the model.
pub const DIFFERENT_JOBS: usize = 5;
/// Probes are at least so far apart after the first: three a minute.
const LEAST_PROBE_WAIT: Duration = Duration::from_secs(20);
/// And at most so far: a model that is well again is noticed within two minutes.
const MOST_PROBE_WAIT: Duration = Duration::from_secs(90);

/// Whether a model is sent to, and when it is probed.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    failures_in_row: u32,
    /// The first few different jobs of this row of failures.
    failed_jobs: Vec<JobId>,
    /// When the first of this row of failures had left, and how long the slowest of them took.
    row: Option<(Timestamp, Duration)>,
    /// When the requests on the wire left.
    on_wire: HashMap<JobId, Timestamp>,
    open: Option<OpenCircuit>,
}

/// An open circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCircuit {
    /// What the last failure was.
    pub class: ErrorClass,
    /// Since when.
    pub since: Timestamp,
    /// When the next probe may go.
    pub next_probe_at: Timestamp,
    /// The job that is the probe on the wire.
    probe: Option<JobId>,
    probes: u32,
    /// When the model failed last that counted: the waits run from here.
    failed_at: Timestamp,
}

/// What a failure did to a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Nothing.
    No,
    /// It opened.
    Opened,
    /// It closed.
    Closed,
}

impl Circuit {
    /// The state of the circuit if it is open.
    #[must_use]
    pub fn open(&self) -> Option<&OpenCircuit> {
        self.open.as_ref()
    }

    /// Which failure in a row the next one will be, for its place in the schedule of waits.
    #[must_use]
    pub fn next_probe_failure(&self) -> u32 {
        self.open.map_or(1, |open| open.probes + 1)
    }

    /// Whether a request may be sent now: always while closed, one probe at a time while open.
    #[must_use]
    pub fn lets_through(&self, now: Timestamp) -> bool {
        self.open
            .is_none_or(|open| open.probe.is_none() && open.next_probe_at <= now)
    }

    /// A request of this job was sent.
    pub fn sent(&mut self, job: JobId, now: Timestamp) {
        self.on_wire.insert(job, now);
        if let Some(open) = &mut self.open {
            open.probe.get_or_insert(job);
        }
    }

    /// A request that had been sent came to nothing that says anything (it was abandoned).
    pub fn forgotten(&mut self, job: JobId) {
        self.on_wire.remove(&job);
        if let Some(open) = &mut self.open
            && open.probe == Some(job)
        {
            open.probe = None;
        }
    }

    /// The model answered this job, whatever it said: it is alive.
    pub fn answered(&mut self, job: JobId) -> Changed {
        self.on_wire.remove(&job);
        self.failures_in_row = 0;
        self.failed_jobs.clear();
        self.row = None;
        match self.open.take() {
            Some(_) => Changed::Closed,
            None => Changed::No,
        }
    }

    /// A request failed for the model's or the network's sake. `wait` is the drawn wait of its class
    /// at [`Circuit::next_probe_failure`], scaled; `scale` scales the bounds likewise.
    pub fn failed(
        &mut self,
        job: JobId,
        class: ErrorClass,
        wait: Duration,
        scale: f64,
        now: Timestamp,
    ) -> Changed {
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        if self.failed_jobs.len() < DIFFERENT_JOBS && !self.failed_jobs.contains(&job) {
            self.failed_jobs.push(job);
        }
        self.note_in_row(job, now);
        if let Some(open) = &mut self.open {
            // What was on its way when the circuit opened is no probe.
            if open.probe == Some(job) {
                open.class = class;
                open.probe = None;
                open.probes += 1;
                open.failed_at = now;
                open.next_probe_at = add(now, bounded(wait, scale));
            }
            return Changed::No;
        }
        let are_few = self.failures_in_row < OPENS_AFTER || self.failed_jobs.len() < DIFFERENT_JOBS;
        if are_few || self.others_may_succeed(now) {
            return Changed::No;
        }
        self.open = Some(OpenCircuit {
            class,
            since: now,
            next_probe_at: add(now, wait.min(MOST_PROBE_WAIT.mul_f64(scale))),
            probe: None,
            probes: 0,
            failed_at: now,
        });
        Changed::Opened
    }

    fn note_in_row(&mut self, job: JobId, now: Timestamp) {
        let left = self.on_wire.remove(&job).unwrap_or(now);
        let took = now.duration_since(left).try_into().unwrap_or_default();
        let (first_left, slowest) = self.row.unwrap_or((left, took));
        self.row = Some((first_left, slowest.max(took)));
    }

    /// Whether requests that left since this row of failures began outlast it.
    fn others_may_succeed(&self, now: Timestamp) -> bool {
        let Some((first_left, slowest)) = self.row else {
            return false;
        };
        let open_for = |left| Duration::try_from(now.duration_since(left)).unwrap_or_default();
        let survival = slowest * SURVIVAL + LEAST_SURVIVAL;
        let is_early = open_for(first_left) < survival;
        let least = if is_early { Duration::ZERO } else { survival };
        let survives = |left: &&Timestamp| {
            **left >= first_left && (least..SEEMS_TO_HANG).contains(&open_for(**left))
        };
        let survivors = self.on_wire.values().filter(survives).count();
        let survivors = u32::try_from(survivors).unwrap_or(u32::MAX);
        if is_early {
            let candidates = survivors.saturating_mul(FAILURES_PER_CANDIDATE);
            self.failures_in_row < candidates.saturating_add(OPENS_AFTER)
        } else {
            survivors.saturating_mul(FAILURES_PER_SURVIVOR) > self.failures_in_row
        }
    }

    /// Somebody who should know says that it will last: the next probe waits at least so long after
    /// the failure before it. Said again, it changes nothing.
    pub fn hold_off(&mut self, wait: Duration) {
        if let Some(open) = &mut self.open {
            open.next_probe_at = open.next_probe_at.max(add(open.failed_at, wait));
        }
    }
}

/// Whether a failure of this class speaks about the model: server and network failures do.
#[must_use]
pub fn speaks_of_the_model(class: ErrorClass) -> bool {
    class.budget() == Budget::Faults
}

fn bounded(wait: Duration, scale: f64) -> Duration {
    wait.clamp(
        LEAST_PROBE_WAIT.mul_f64(scale),
        MOST_PROBE_WAIT.mul_f64(scale),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: ErrorClass = ErrorClass::Overloaded;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn fail(circuit: &mut Circuit, job: i64, now: i64) -> Changed {
        circuit.failed(JobId(job), CLASS, Duration::from_secs(10), 1.0, at(now))
    }

    fn opened() -> Circuit {
        let mut circuit = Circuit::default();
        for job in 0..19 {
            assert_eq!(fail(&mut circuit, job, 0), Changed::No);
        }
        assert_eq!(fail(&mut circuit, 19, 0), Changed::Opened);
        circuit
    }

    #[test]
    fn twenty_failures_in_a_row_open_it_and_a_success_before_does_not() {
        let mut circuit = Circuit::default();
        for round in 0..100 {
            for job in 0..19 {
                assert_eq!(fail(&mut circuit, job, round), Changed::No);
            }
            assert_eq!(circuit.answered(JobId(0)), Changed::No);
        }
        opened();
    }

    /// Half of all is refused at once, and the other half is worked at for seconds.
    #[test]
    fn failures_beside_requests_that_outlast_them_open_nothing() {
        let mut circuit = Circuit::default();
        for job in 0..60 {
            circuit.sent(JobId(job), at(0));
        }
        for job in 0..30 {
            assert_eq!(fail(&mut circuit, job, 1), Changed::No, "too early to tell");
        }
        for job in 100..130 {
            circuit.sent(JobId(job), at(4));
            assert_eq!(fail(&mut circuit, job, 5), Changed::No);
        }
        // What is open for a minute hangs, as the service does.
        circuit.sent(JobId(200), at(65));
        assert_eq!(fail(&mut circuit, 200, 66), Changed::Opened);
    }

    #[test]
    fn what_had_left_before_an_outage_does_not_hide_it() {
        let mut circuit = Circuit::default();
        for job in 0..60 {
            circuit.sent(JobId(job), at(0));
        }
        circuit.answered(JobId(0));
        for job in 100..120 {
            circuit.sent(JobId(job), at(20));
        }
        for job in 100..119 {
            assert_eq!(fail(&mut circuit, job, 21), Changed::No);
        }
        circuit.sent(JobId(120), at(29));
        assert_eq!(fail(&mut circuit, 120, 30), Changed::Opened);
    }

    #[test]
    fn a_few_jobs_that_keep_failing_open_nothing() {
        let mut circuit = Circuit::default();
        for failure in 0..1_000 {
            assert_eq!(fail(&mut circuit, failure % 4, failure), Changed::No);
        }
    }

    #[test]
    fn one_probe_goes_at_a_time_and_the_first_success_closes_it() {
        let mut circuit = opened();
        assert!(!circuit.lets_through(at(9)));
        assert!(circuit.lets_through(at(10)));
        circuit.sent(JobId(50), at(10));
        assert!(!circuit.lets_through(at(11)), "a probe is on the wire");
        fail(&mut circuit, 50, 12);
        assert!(
            !circuit.lets_through(at(31)),
            "probes are twenty seconds apart"
        );
        assert!(circuit.lets_through(at(32)));
        circuit.sent(JobId(51), at(30));
        assert_eq!(circuit.answered(JobId(0)), Changed::Closed);
        assert!(circuit.lets_through(at(33)));
    }

    #[test]
    fn failures_of_what_was_on_its_way_do_not_move_the_probe() {
        let mut circuit = opened();
        let before = circuit.open().unwrap().next_probe_at;
        fail(&mut circuit, 30, 8);
        assert_eq!(circuit.open().unwrap().next_probe_at, before);
        circuit.sent(JobId(50), at(10));
        fail(&mut circuit, 31, 11);
        assert!(!circuit.lets_through(at(100)), "the probe is still out");
        circuit.forgotten(JobId(50));
        assert!(circuit.lets_through(at(100)));
    }

    #[test]
    fn probes_are_neither_too_dense_nor_too_rare() {
        for (wait, expected) in [(1, 20), (60, 60), (450, 90)] {
            let mut circuit = opened();
            circuit.sent(JobId(50), at(10));
            circuit.failed(JobId(50), CLASS, Duration::from_secs(wait), 1.0, at(100));
            assert_eq!(circuit.open().unwrap().next_probe_at, at(100 + expected));
        }
    }

    #[test]
    fn bad_news_from_the_status_page_holds_the_probe_off() {
        let mut circuit = opened();
        for _ in 0..3 {
            circuit.hold_off(Duration::from_mins(3));
        }
        assert!(!circuit.lets_through(at(179)));
        assert!(circuit.lets_through(at(180)));
        circuit.sent(JobId(50), at(10));
        fail(&mut circuit, 50, 200);
        circuit.hold_off(Duration::from_mins(3));
        assert!(!circuit.lets_through(at(379)), "from the probe's failure");
        assert!(circuit.lets_through(at(380)));
    }
}
