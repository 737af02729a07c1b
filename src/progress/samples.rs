//! Events for the tests of this room.

use jiff::Timestamp;

use super::tally::Tally;
use crate::model::{
    AttemptOutcome, ErrorClass, Event, EventKind, Indicator, JobState, Lane, PageStatus, Pico,
    RunEnd,
};

/// A time that many milliseconds after the start of the sample runs.
pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + ms).unwrap()
}

/// An event at that time.
pub(super) fn event(ms: i64, kind: EventKind) -> Event {
    Event {
        at: at(ms),
        run_id: "r-1".to_owned(),
        kind,
    }
}

/// A fresh simulated run of that many jobs starts.
pub(super) fn run_started(total: u64) -> Event {
    let kind = EventKind::RunStarted {
        total,
        ended: 0,
        failed: 0,
        canceled: 0,
        interrupted: 0,
        simulated: true,
        cost_usd: Pico::ZERO,
    };
    event(0, kind)
}

/// A real run is taken up again after a crash.
pub(super) fn run_started_anew() -> Event {
    let kind = EventKind::RunStarted {
        total: 1_200,
        ended: 100,
        failed: 7,
        canceled: 0,
        interrupted: 1,
        simulated: false,
        cost_usd: Pico(1_250_000_000_000),
    };
    event(0, kind)
}

/// A request leaves.
pub(super) fn started(ms: i64, id: &str, n: u32) -> Event {
    let kind = EventKind::AttemptStarted {
        custom_id: id.to_owned(),
        n,
        model: "claude-haiku-5-5".to_owned(),
        lane: Lane::Live,
    };
    event(ms, kind)
}

/// An attempt brings its message.
pub(super) fn answered(ms: i64, id: &str, n: u32) -> Event {
    attempt_ended(ms, id, n, None, None)
}

/// An attempt fails with a 529; its job is tried again at `next`, if that is given.
pub(super) fn overloaded(ms: i64, id: &str, n: u32, next: Option<i64>) -> Event {
    attempt_ended(ms, id, n, Some(ErrorClass::Overloaded), next)
}

fn attempt_ended(ms: i64, id: &str, n: u32, class: Option<ErrorClass>, next: Option<i64>) -> Event {
    let failed = class.is_some();
    let kind = EventKind::AttemptEnded {
        custom_id: id.to_owned(),
        n,
        lane: Lane::Live,
        outcome: if failed {
            AttemptOutcome::Errored
        } else {
            AttemptOutcome::Succeeded
        },
        error_class: class,
        http_status: Some(if failed { 529 } else { 200 }),
        message: failed.then(|| "Overloaded".to_owned()),
        request_id: None,
        next_try_at: next.map(at),
        latency_ms: Some(800),
        input_tokens: if failed { 0 } else { 120 },
        output_tokens: if failed { 0 } else { 45 },
        cost_usd: Some(if failed { Pico::ZERO } else { Pico(34_500_000) }),
        cost_basis: None,
    };
    event(ms, kind)
}

/// A job ends in that state.
pub(super) fn job_ended(ms: i64, id: &str, state: JobState) -> Event {
    let kind = EventKind::JobEnded {
        custom_id: id.to_owned(),
        state,
        error_class: (state == JobState::Failed).then_some(ErrorClass::Overloaded),
        attempts: 1,
    };
    event(ms, kind)
}

/// A model keeps failing.
pub(super) fn circuit_opened(ms: i64) -> Event {
    let kind = EventKind::CircuitOpened {
        model: "claude-haiku-5-5".to_owned(),
        error_class: ErrorClass::Overloaded,
        next_probe_at: at(ms + 10_000),
        endpoint: None,
    };
    event(ms, kind)
}

/// It works again.
pub(super) fn circuit_closed(ms: i64) -> Event {
    let kind = EventKind::CircuitClosed {
        model: "claude-haiku-5-5".to_owned(),
        endpoint: None,
    };
    event(ms, kind)
}

/// The status page says something new.
pub(super) fn page_says(ms: i64, indicator: Indicator, incident: Option<&str>) -> Event {
    let status = PageStatus {
        indicator,
        incident: incident.map(str::to_owned),
        component: None,
    };
    event(ms, EventKind::StatusPage(status))
}

/// The run stops.
pub(super) fn halted(class: ErrorClass, message: &str) -> Event {
    let kind = EventKind::RunHalted {
        error_class: class,
        message: message.to_owned(),
    };
    event(9_900, kind)
}

/// The dispatcher leaves.
pub(super) fn run_ended(ms: i64) -> Event {
    let reason = RunEnd::Completed;
    event(
        ms,
        EventKind::RunEnded {
            reason,
            largest_stall_ms: 3,
        },
    )
}

/// Ten seconds of a run of 200: 118 succeed, two fail, sixty-four are in flight, three wait.
pub(super) fn busy_run() -> Vec<Event> {
    let mut events = vec![run_started(200)];
    let ids: Vec<_> = (0..187).map(|i| format!("job-{i}")).collect();
    for (i, ms) in (0..120_usize).zip((0..).step_by(80)) {
        let id = &ids[i];
        events.push(started(ms, id, 1));
        if i < 2 {
            events.push(overloaded(ms + 50, id, 1, None));
            events.push(job_ended(ms + 50, id, JobState::Failed));
        } else {
            events.push(answered(ms + 50, id, 1));
            events.push(job_ended(ms + 50, id, JobState::Succeeded));
        }
    }
    for (id, next) in ids[120..123].iter().zip([40_000, 21_500, 30_000]) {
        events.push(started(9_600, id, 1));
        events.push(overloaded(9_700, id, 1, Some(next)));
    }
    events.extend(ids[123..].iter().map(|id| started(9_800, id, 1)));
    events
}

/// What those events add up to.
pub(super) fn tally_of(events: &[Event]) -> Tally {
    let mut tally = Tally::default();
    for event in events {
        tally.observe(event);
    }
    tally
}
