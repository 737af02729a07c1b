//! Kills around files: an export that replaces another, and the very first start of a store.

use std::time::Duration;

use claude_run::simulator::{OutputLength, SimulatorSettings};
use fastrand::Rng;

use super::bench::{Bench, size_of};
use super::ledger::Ledger;
use super::process::{Process, Waited};
use super::setting;

const WHENEVER: Duration = Duration::from_mins(1);

#[test]
fn an_export_that_is_killed_leaves_the_old_file_whole() {
    const JOBS: u64 = 300;
    let bench = Bench::new(SimulatorSettings {
        output: OutputLength {
            median: 4_000,
            spread: 0.0,
        },
        ..SimulatorSettings::default()
    });
    bench.write_jobs(JOBS);
    Process::start(bench.go_on(32)).end().must_succeed();
    let export = || Process::start(bench.command(&["export", "-o", "out.jsonl"]));
    export().end().must_succeed();
    let target = bench.path("out.jsonl");
    let whole = std::fs::read_to_string(&target).unwrap();
    assert_eq!(whole.lines().count() as u64, JOBS);
    let size = whole.len() as u64;
    let seed = setting("SEED", fastrand::u64(..=u64::from(u32::MAX)));
    let mut rng = Rng::with_seed(seed);
    let mut killed = 0;
    for _ in 0..10 {
        std::fs::write(&target, "the old file").unwrap();
        for part in bench.parts() {
            std::fs::remove_file(bench.path(&part)).unwrap();
        }
        let goal = rng.u64(1..size);
        let mut process = export();
        let waited = process.wait_until(WHENEVER, || bench.part_size() >= goal);
        process.kill();
        let found = std::fs::read_to_string(&target).unwrap();
        if waited == Waited::Met {
            killed += 1;
        }
        assert!(
            found == "the old file" || found == whole,
            "SEED={seed}: a part of a file"
        );
    }
    assert!(killed > 0, "no export was killed in its middle");
    export().end().must_succeed();
    assert_eq!(std::fs::read_to_string(&target).unwrap(), whole);
    eprintln!("{killed} exports killed");
}

/// The store may have any shape in between; whoever comes next must cope.
fn the_next_start_works(bench: &Bench) {
    let status = bench.output(&["status", "--json"]);
    let has_run = !status.stdout.is_empty();
    let code = if has_run { 0 } else { 2 };
    assert_eq!(status.status.code(), Some(code), "{status:?}");
    bench.load().end().must_succeed();
    assert_eq!(bench.counts().pending, 3);
    Ledger::open(&bench.store()).must_be_sound();
}

#[test]
fn a_first_start_that_is_killed_does_not_hinder_the_next() {
    let seed = setting("SEED", fastrand::u64(..=u64::from(u32::MAX)));
    eprintln!("SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    for _ in 0..setting("START_KILLS", 30) {
        let bench = Bench::new(SimulatorSettings::default());
        bench.write_jobs(3);
        let mut process = bench.load();
        // Half of the moments begin when the file of the store appears.
        if rng.bool() {
            process.wait_until(WHENEVER, || bench.store().exists());
        }
        process.wait_until(Duration::from_micros(rng.u64(0..40_000)), || false);
        process.kill();
        the_next_start_works(&bench);
    }
}

/// What a crash in the middle of the first commit leaves: pages in the file, and the journal that
/// takes them back.
fn break_off_the_first_commit(bench: &Bench) {
    let made = bench.path("made.db");
    let connection = rusqlite::Connection::open(&made).unwrap();
    // So few cached pages that the transaction spills into the file before its end.
    connection
        .execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE;")
        .unwrap();
    let schema = include_str!("../../schemas/sqlite/0001_initial.sql");
    connection.execute_batch(schema).unwrap();
    std::fs::copy(&made, bench.store()).unwrap();
    std::fs::copy(
        bench.path("made.db-journal"),
        bench.path("store.db-journal"),
    )
    .unwrap();
    assert!(size_of(&bench.store()) > 0 && size_of(&bench.path("store.db-journal")) > 0);
}

#[test]
fn a_first_commit_that_was_broken_off_is_taken_back_by_whoever_comes_next() {
    let bench = Bench::new(SimulatorSettings::default());
    bench.write_jobs(3);
    break_off_the_first_commit(&bench);
    the_next_start_works(&bench);
}
