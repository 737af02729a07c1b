//! Kills while an input is being stored: the run is there as a whole or not at all.

use std::time::Duration;

use claude_run::simulator::SimulatorSettings;
use fastrand::Rng;

use super::bench::{Bench, MODEL, size_of};
use super::ledger::Ledger;
use super::process::{Process, Waited};
use super::setting;

/// Enough lines for many commits.
const LINES: u64 = 60_000;
/// Stores whose load is killed, in the plain suite; `INGEST_KILLS=n` asks for more.
const KILLS: u64 = 5;
/// Loads that are killed one after the other in one store.
const IN_A_ROW: u64 = 3;
/// No load of this size takes so long.
const WHENEVER: Duration = Duration::from_mins(2);

/// How much has been written so far; it only grows while a load goes on.
fn written(bench: &Bench) -> u64 {
    size_of(&bench.store()) + size_of(&bench.path("store.db-wal"))
}

/// Kills a load when that much more has been written; false if it ended before.
fn kill_a_load(bench: &Bench, bytes: u64) -> bool {
    let goal = written(bench) + bytes;
    let mut process = bench.load();
    let waited = process.wait_until(WHENEVER, || written(bench) >= goal);
    if waited == Waited::Ended {
        process.end().must_succeed();
        return false;
    }
    process.kill();
    true
}

/// No run, or the whole one.
fn there_is_no_part_of_a_run(bench: &Bench, lines: u64) {
    let output = bench.output(&["status", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    match text.lines().next() {
        None => assert_eq!(output.status.code(), Some(2), "{:?}", output.stderr),
        Some(line) => {
            let run: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(run["jobs"]["total"], lines, "{text}");
            assert_eq!(run["jobs"]["pending"], lines, "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
}

/// One whole run and nothing else: no row and no file of a load that was broken off.
fn there_is_one_run_and_nothing_else(bench: &Bench, lines: u64) {
    let ledger = Ledger::open(&bench.store());
    ledger.must_be_sound();
    for table in ["jobs", "bodies"] {
        let rows = ledger.number(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(u64::try_from(rows).unwrap(), lines, "{table}");
    }
    assert_eq!(ledger.number("SELECT count(*) FROM runs"), 1);
    assert_eq!(bench.counts().pending, lines);
    assert_eq!(bench.files(|name| name.contains(".load-")), [""; 0]);
}

fn bench(lines: u64) -> Bench {
    let bench = Bench::new(SimulatorSettings::default());
    bench.write_jobs(lines);
    bench
}

#[test]
fn a_load_that_is_killed_leaves_no_part_of_a_run() {
    let seed = setting("SEED", fastrand::u64(..=u64::from(u32::MAX)));
    eprintln!("SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let whole = bench(LINES);
    whole.load().end().must_succeed();
    there_is_one_run_and_nothing_else(&whole, LINES);
    let size = written(&whole);
    let mut killed = 0;
    for _ in 0..setting("INGEST_KILLS", KILLS) {
        let bench = bench(LINES);
        killed += u64::from(kill_a_load(&bench, rng.u64(0..size)));
        there_is_no_part_of_a_run(&bench, LINES);
        bench.load().end().must_succeed();
        there_is_one_run_and_nothing_else(&bench, LINES);
    }
    assert!(killed > 0, "no load was killed");
    eprintln!("{killed} loads killed");
}

#[test]
fn what_many_killed_loads_left_is_swept_away_at_the_next_start() {
    let bench = bench(LINES);
    for _ in 0..IN_A_ROW {
        assert!(kill_a_load(&bench, 1 << 20));
    }
    there_is_no_part_of_a_run(&bench, LINES);
    // A short load, so that its process would end long before the sweep by itself.
    bench.write_jobs(3);
    bench.load().end().must_succeed();
    there_is_one_run_and_nothing_else(&bench, 3);
}

#[test]
fn a_load_that_goes_on_is_not_swept_away_by_another_process() {
    let bench = bench(LINES);
    let mut load = bench.load();
    load.must_live_until("the beginning of the load", || written(&bench) > 1 << 18);
    let line = r#"{"custom_id":"other","prompt":"another file"}"#;
    std::fs::write(bench.path("other.jsonl"), line).unwrap();
    let args = ["submit", "other.jsonl", "--model", MODEL, "--no-run"];
    Process::start(bench.command(&args)).end().must_succeed();
    load.end().must_succeed();
    let ledger = Ledger::open(&bench.store());
    ledger.must_be_sound();
    let of_whole_runs =
        "SELECT count(*) FROM jobs JOIN runs ON runs.id = run_id WHERE runs.state = 'ready'";
    assert_eq!(ledger.number("SELECT count(*) FROM runs"), 2);
    assert_eq!(
        u64::try_from(ledger.number(of_whole_runs)).unwrap(),
        LINES + 1
    );
}
