//! The batch lane through the real binary: killed at random moments, late, and large.

use std::time::Duration;

use claude_run::simulator::{BatchSettings, ItemOutcome, Latency, SimulatorSettings};
use fastrand::Rng;

use super::bench::Bench;
use super::ledger::Ledger;
use super::process::{Process, Waited};
use super::setting;

/// No run of these sizes takes so long.
const WHENEVER: Duration = Duration::from_mins(2);

fn simulator(seed: u64, batches: BatchSettings) -> SimulatorSettings {
    SimulatorSettings {
        seed,
        latency: Latency {
            median: Duration::from_millis(20),
            spread: 0.5,
        },
        batches,
        ..SimulatorSettings::default()
    }
}

/// Every job has one result, every request was bought once, and the tokens are the simulator's.
fn everything_once(bench: &Bench, jobs: u64) {
    let ledger = Ledger::open(&bench.store());
    let count = |of: &str| ledger.number(&format!("SELECT count(*) FROM {of}"));
    let jobs = i64::try_from(jobs).unwrap();
    assert_eq!(count("jobs WHERE state = 4"), jobs);
    assert_eq!(count("results"), jobs);
    assert_eq!(count("attempts WHERE outcome IS NULL"), 0);
    assert_eq!(count("batches WHERE state NOT IN ('harvested', 'lost')"), 0);
    let mut ids: Vec<_> = bench.simulator.batch_items();
    let bought = ids.len();
    ids.sort_by(|a, b| a.custom_id.cmp(&b.custom_id));
    ids.dedup_by(|a, b| a.custom_id == b.custom_id);
    assert_eq!(ids.len(), bought, "nothing is bought twice");
    let stats = bench.simulator.stats();
    let rows = || stats.batch_ledger.values().chain(stats.ledger.values());
    let report = bench.json(&["report", "--format", "json"]);
    let input: u64 = rows().map(|row| row.input_tokens).sum();
    let output: u64 = rows().map(|row| row.output_tokens).sum();
    assert_eq!(report["tokens"]["input"], input);
    assert_eq!(report["tokens"]["output"], output);
    assert!(bench.output(&["verify"]).status.success());
}

/// The same, everything went into batches of that size, and no more batches than needed were made.
pub fn every_batch_was_bought_once(bench: &Bench, jobs: u64, size: u64) {
    everything_once(bench, jobs);
    assert_eq!(bench.requests(), 0, "nothing goes live");
    assert_eq!(bench.simulator.batch_items().len() as u64, jobs);
    let created = bench.simulator.stats().batches_created;
    assert_eq!(created, jobs.div_ceil(size), "batches created");
}

/// How far the run has come: creations that the simulator has seen, and batches that are done with.
fn progress(bench: &Bench) -> u64 {
    let done =
        |ledger: Ledger| ledger.number("SELECT count(*) FROM batches WHERE state = 'harvested'");
    let harvested = bench
        .run()
        .map_or(0, |_| done(Ledger::open(&bench.store())));
    bench.simulator.stats().batches_created + u64::try_from(harvested).unwrap()
}

/// Kills a process at a moment that is counted in creations and downloads of batches, and a few
/// milliseconds on; false if it ended before.
fn kill_around_a_batch(bench: &Bench, flags: &[&str], share: u64, rng: &mut Rng) -> bool {
    let seen = || {
        let stats = bench.simulator.stats();
        let downloads = stats.calls.get("batches.results").copied();
        stats.batches_created + downloads.unwrap_or_default()
    };
    let goal = seen() + rng.u64(..=share);
    let mut process = Process::start(bench.go_on_with(flags));
    let moment = Duration::from_micros(rng.u64(..10_000));
    let ended = process.wait_until(WHENEVER, || seen() >= goal) == Waited::Ended
        || process.wait_until(moment, || false) == Waited::Ended;
    if ended {
        process.end().must_succeed();
    } else {
        process.kill();
    }
    !ended
}

#[test]
fn a_run_in_batches_that_is_killed_again_and_again_buys_each_batch_once() {
    const SIZE: u64 = 20;
    let kills = setting("BATCH_KILLS", 15);
    // Each batch is created once and harvested once, so that there is enough to be killed in.
    let jobs = setting("BATCH_JOBS", kills * SIZE * 2);
    let seed = setting("SEED", fastrand::u64(..=u64::from(u32::MAX)));
    eprintln!("SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let bench = Bench::new(simulator(
        seed,
        BatchSettings {
            takes: Duration::from_millis(500),
            counts_grow: true,
            hidden_for: Duration::from_millis(300),
            // A second, which is the least that can be told.
            retry_after: Duration::ZERO,
            cuts: 1,
            ..BatchSettings::default()
        },
    ));
    bench.write_jobs(jobs);
    let size = SIZE.to_string();
    let lane = ["--lane", "batch", "--batch-size", &size];
    let flags = [&lane[..], &["--retry-scale", "0.01"]].concat();
    let mut killed = 0;
    while killed < kills {
        let left = (2 * jobs.div_ceil(SIZE)).saturating_sub(progress(&bench));
        let share = left / (kills - killed + 1);
        if !kill_around_a_batch(&bench, &flags, share, &mut rng) {
            break;
        }
        killed += 1;
    }
    assert_eq!(killed, kills, "the run ended before");
    let ended = Process::start(bench.go_on_with(&flags)).end();
    ended.must_succeed();
    every_batch_was_bought_once(&bench, jobs, SIZE);
    let created = bench.simulator.stats().batches_created;
    eprintln!("{killed} kills, {created} batches for {jobs} jobs");
}

#[test]
fn a_batch_that_stalls_is_finished_live_before_the_deadline() {
    const JOBS: u64 = 100;
    // A thousandth of the usual time: two hours are 7.2 seconds.
    let bench = Bench::new(simulator(
        1,
        BatchSettings {
            clock: 1_000.0,
            takes: Duration::from_mins(20),
            stall_at: Some(0.4),
            cancel_takes: Duration::from_secs(25),
            ..BatchSettings::default()
        },
    ));
    bench.write_jobs(JOBS);
    let deadline = Duration::from_millis(7_200);
    let flags = ["--deadline", "7200ms", "--retry-scale", "0.001"];
    let ended = Process::start(bench.go_on_with(&flags)).end();
    ended.must_succeed();
    let took = bench.run().unwrap();
    let took = took
        .ended_at
        .unwrap()
        .duration_since(took.created_at)
        .unsigned_abs();
    everything_once(&bench, JOBS);
    let items = bench.simulator.batch_items();
    let done = |item: &&claude_run::simulator::BatchItemRecord| {
        item.outcome == Some(ItemOutcome::Succeeded)
    };
    let by_batch = items.iter().filter(done).count() as u64;
    assert_eq!(by_batch, 40, "{}", ended.said);
    assert_eq!(
        bench.requests(),
        JOBS - by_batch,
        "what the batch did is not bought again"
    );
    assert!(took < deadline, "{took:?}: {}", ended.said);
}

/// `BATCH_LARGE=250000 cargo test --release --test crash large -- --nocapture` for the full size.
#[test]
fn a_large_run_goes_through_batches_in_bounded_memory() {
    let jobs = setting("BATCH_LARGE", 3_000);
    let bench = Bench::new(SimulatorSettings {
        log_capacity: 10,
        ..simulator(1, BatchSettings::default())
    });
    bench.write_jobs(jobs);
    let flags = ["--lane", "batch", "--retry-scale", "0.01"];
    let mut process = Process::start(bench.go_on_with(&flags));
    let mut most = 0;
    while process.wait_until(Duration::from_millis(50), || false) != Waited::Ended {
        most = most.max(process.peak_memory());
    }
    process.end().must_succeed();
    let run = bench.run().unwrap();
    let took = run
        .ended_at
        .unwrap()
        .duration_since(run.started_at.unwrap());
    let ledger = Ledger::open(&bench.store());
    let harvest_ms = ledger.number(
        "SELECT max(took) FROM (SELECT max(ended_at_ms) - min(ended_at_ms) AS took
         FROM attempts GROUP BY batch_id)",
    );
    eprintln!(
        "{jobs} jobs in {took:#}, the longest harvest {harvest_ms} ms, at most {} MB",
        most >> 20
    );
    assert_eq!(
        bench.simulator.stats().batches_created,
        jobs.div_ceil(100_000)
    );
    assert!(most < 200 << 20, "{most} bytes");
    let succeeded = ledger.number("SELECT count(*) FROM jobs WHERE state = 4");
    assert_eq!(u64::try_from(succeeded).unwrap(), jobs);
}
