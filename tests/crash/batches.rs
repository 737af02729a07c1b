//! The batch lane through the real binary: killed at random moments, late, and large.

use std::process::Command;
use std::time::Duration;

use claude_run::simulator::{BatchSettings, ItemOutcome, Latency, SimulatorSettings};
use fastrand::Rng;

use super::bench::{Bench, MODEL};
use super::ledger::Ledger;
use super::process::{Process, Waited};
use super::setting;

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

/// `submit` to the batch lane, or `resume`, with waits that are a hundredth of the usual.
fn go_on(bench: &Bench, flags: &[&str]) -> Command {
    let base_url = bench.simulator.base_url();
    let first: &[&str] = match bench.run() {
        Some(_) => &["resume"],
        None => &["submit", "jobs.jsonl", "--model", MODEL],
    };
    bench.command(&[first, flags, &["--base-url", &base_url]].concat())
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

#[test]
fn a_run_in_batches_that_is_killed_again_and_again_buys_each_batch_once() {
    const SIZE: u64 = 100;
    let (jobs, kills) = (setting("BATCH_JOBS", 500), setting("BATCH_KILLS", 15));
    let seed = setting("SEED", fastrand::u64(..=u64::from(u32::MAX)));
    eprintln!("SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let bench = Bench::new(simulator(
        seed,
        BatchSettings {
            takes: Duration::from_secs(3),
            counts_grow: true,
            hidden_for: Duration::from_millis(300),
            cuts: 1,
            ..BatchSettings::default()
        },
    ));
    bench.write_jobs(jobs);
    let size = SIZE.to_string();
    let flags = [
        "--lane",
        "batch",
        "--batch-size",
        &size,
        "--retry-scale",
        "0.01",
    ];
    let mut killed = 0;
    while killed < kills {
        let mut process = Process::start(go_on(&bench, &flags));
        // Half of the moments lie around the creation of another batch.
        let batches = bench.simulator.stats().batches_created;
        if rng.bool() {
            let created = || bench.simulator.stats().batches_created > batches;
            process.wait_until(Duration::from_millis(1_500), created);
        }
        let moment = Duration::from_micros(rng.u64(0..400_000));
        if process.wait_until(moment, || false) == Waited::Ended {
            process.end().must_succeed();
            break;
        }
        process.kill();
        killed += 1;
    }
    assert!(killed > 3, "the run ended after {killed} kills");
    Process::start(go_on(&bench, &flags)).end().must_succeed();
    everything_once(&bench, jobs);
    let created = bench.simulator.stats().batches_created;
    assert_eq!(created, jobs.div_ceil(SIZE), "batches created");
    assert_eq!(bench.requests(), 0, "nothing goes live");
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
    let ended = Process::start(go_on(&bench, &flags)).end();
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
    let mut process = Process::start(go_on(&bench, &flags));
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
