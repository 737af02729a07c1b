//! kill -9 in the middle of a run.

use std::time::Duration;

use claude_run::simulator::{FaultRate, Latency, SimulatorSettings};
use fastrand::Rng;

use super::bench::Bench;
use super::ledger::AttemptSet;
use super::process::{Process, Waited};
use super::setting;
use super::verdict::every_job_ended_once;

/// Jobs and kills of the plain suite; the variables of the same names ask for more.
const JOBS: u64 = 400;
const KILLS: u64 = 12;
/// Requests open at the same time.
const CONCURRENCY: u32 = 32;
/// A process is killed at the latest this long after its start, if it is killed by the clock. The
/// beginning of it falls into the start itself.
const LATEST: Duration = Duration::from_millis(250);
/// By the count alone: no run of this size takes so long.
const WHENEVER: Duration = Duration::from_mins(2);

/// A few per cent of everything that is tried again.
pub fn some_of_everything() -> Vec<FaultRate> {
    let faults = [
        ("529", 0.03),
        ("500", 0.03),
        ("503", 0.02),
        ("reset", 0.02),
        ("429-bare", 0.03),
        ("429-concurrency", 0.02),
    ];
    let rate = |(name, probability): (&str, f64)| FaultRate {
        case: name.parse().unwrap(),
        probability,
    };
    faults.map(rate).into()
}

/// Faults, and quick answers.
fn a_bad_day(seed: u64) -> SimulatorSettings {
    SimulatorSettings {
        seed,
        latency: Latency {
            median: Duration::from_millis(20),
            spread: 0.5,
        },
        faults: some_of_everything(),
        ..SimulatorSettings::default()
    }
}

/// Every kill comes after at most its share of what is left, so that there is something to kill.
fn kill_some_time(bench: &Bench, rng: &mut Rng, share: u64) -> Waited {
    let by_count = rng.bool();
    let (requests, limit) = if by_count {
        (rng.u64(1..=share), WHENEVER)
    } else {
        (share, LATEST.mul_f64(rng.f64()))
    };
    let goal = bench.requests() + requests;
    let mut process = Process::start(bench.go_on(CONCURRENCY));
    let waited = process.wait_until(limit, || bench.requests() >= goal);
    if waited == Waited::Ended {
        process.end().must_succeed();
    } else {
        process.kill();
    }
    waited
}

#[test]
fn a_run_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing() {
    let (jobs, kills) = (setting("JOBS", JOBS), setting("KILLS", KILLS));
    let seed = setting("SEED", fastrand::u64(..=u64::from(u32::MAX)));
    eprintln!("SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let bench = Bench::new(a_bad_day(seed));
    bench.write_jobs(jobs);
    let (mut killed, mut left_open) = (0, AttemptSet::new());
    while killed < kills {
        let left = jobs - bench.counts().succeeded;
        let share = (left / (kills - killed + 1)).max(1);
        if kill_some_time(&bench, &mut rng, share) == Waited::Ended {
            break;
        }
        killed += 1;
        left_open.append(&mut bench.open_attempts());
    }
    assert!(killed * 2 > kills, "the run ended after {killed} kills");
    Process::start(bench.go_on(CONCURRENCY))
        .end()
        .must_succeed();
    let verdict = every_job_ended_once(&bench, jobs, &left_open);
    assert!(verdict.interrupted as u64 <= u64::from(CONCURRENCY) * 2 * killed);
    eprintln!("{killed} kills: {verdict}");
}

#[test]
fn a_resume_after_a_kill_starts_at_once() {
    let bench = Bench::new(SimulatorSettings {
        latency: Latency {
            median: Duration::from_hours(1),
            spread: 0.0,
        },
        ..SimulatorSettings::default()
    });
    bench.write_jobs(4);
    for processes in 1..=3 {
        let mut process = Process::start(bench.go_on(4));
        process.must_live_until("its requests", || bench.requests() >= 4 * processes);
        process.kill();
    }
    assert_eq!(bench.requests(), 12);
    assert_eq!(bench.counts().in_flight, 4);
}
