//! Disks that fail under the real binary: a sync that brings an error, and room that ends. The run
//! stops, says why, and has lost nothing that it said; a later process goes on without repair, and
//! no answer is paid twice.

use std::process::Command;

use claude_run::simulator::{Latency, SimulatorSettings};
use claude_run::store::sqlite::spooled;
use fastrand::Rng;

use super::bench::{Bench, MODEL};
use super::disk::{Disk, Syncs};
use super::power::{Story, in_memory, open_and_verify, paid, resume};
use super::process::{Ended, Process};
use super::recording::Recorder;
use super::setting;

const JOBS: u64 = 120;
/// Faults of each kind in the plain suite; `DISK_FAULTS` asks for more.
const FAULTS: u64 = 6;

/// A run that is stored, on a disk that is still in order.
struct Stored {
    bench: Bench,
    recorder: Recorder,
    loaded_at: usize,
}

impl Stored {
    fn new() -> Self {
        let bench = Bench::new(SimulatorSettings {
            seed: 1,
            latency: Latency {
                median: std::time::Duration::from_millis(5),
                spread: 0.5,
            },
            ..SimulatorSettings::default()
        });
        let recorder = Recorder::new();
        bench.write_jobs(JOBS);
        let load = bench.command(&["submit", "jobs.jsonl", "--model", MODEL, "--no-run"]);
        let load = recorder.watch(load, &bench.path(""));
        Process::start(load).end().must_succeed();
        let loaded_at = recorder.position();
        Self {
            bench,
            recorder,
            loaded_at,
        }
    }

    /// A resume on a disk with this fault.
    fn resume(&self, fault: &[(&str, &str)]) -> Ended {
        let mut command: Command = resume(&self.bench);
        command.envs(fault.iter().copied());
        let command = self.recorder.watch(command, &self.bench.path(""));
        Process::start(command).end()
    }

    /// After a resume that a fault ended with these words: cuts of the power find all that was
    /// said, with the spool if that could be synced, and the next process brings the run to its end.
    /// Tells how many answers were paid twice.
    fn must_go_on(self, ended: &Ended, words: &str, spool_is_synced: bool, seed: u64) -> u64 {
        assert_eq!(ended.status.code(), Some(1), "{}", ended.said);
        assert!(ended.said.contains(words), "{}", ended.said);
        assert!(ended.said.contains("claude-run resume"), "{}", ended.said);
        assert!(
            ended.said.contains("nothing that was recorded is lost"),
            "{}",
            ended.said
        );
        let broke_at = self.recorder.position();
        let bench = &self.bench;
        let in_spool = spooled(&bench.store()).unwrap();
        Process::start(resume(bench)).end().must_succeed();
        assert_eq!(bench.counts().succeeded, JOBS);
        open_and_verify(&bench.store()).unwrap();
        assert_eq!(spooled(&bench.store()).unwrap(), 0);
        let story = Story::of(bench, &self.recorder, JOBS, self.loaded_at);
        let broke = story
            .records
            .partition_point(|record| record.to <= broke_at);
        let mut rng = Rng::with_seed(seed);
        for back in [0, rng.usize(..50), rng.usize(..200)] {
            let mut disk = Disk::new(&story.records, Syncs::AsRecorded, seed);
            let instant = broke.saturating_sub(back);
            disk.go_on_to(instant);
            let folder = in_memory();
            disk.cut(&mut rng, folder.path());
            let still_in_spool = spooled(&folder.path().join("store.db")).unwrap();
            assert!(
                back > 0 || !spool_is_synced || still_in_spool == in_spool,
                "SEED={seed}: {still_in_spool}"
            );
            let found = story.examine(folder.path(), instant);
            assert_eq!((found.lost, found.corrupt), (vec![], None), "SEED={seed}");
        }
        paid(bench) - JOBS
    }
}

fn seeds() -> impl Iterator<Item = u64> {
    let first = setting("SEED", fastrand::u64(..=u64::from(u32::MAX)));
    eprintln!("SEED={first}");
    first..first + setting("DISK_FAULTS", FAULTS)
}

#[test]
fn a_sync_that_fails_stops_the_run_and_costs_nothing() {
    let mut stopped = 0;
    for seed in seeds() {
        let stored = Stored::new();
        let nth = Rng::with_seed(seed).u64(2..20).to_string();
        let fault = [("RECORDER_EIO", nth.as_str()), ("RECORDER_ONLY", "-wal")];
        let ended = stored.resume(&fault);
        if ended.status.success() {
            continue;
        }
        stopped += 1;
        let paid_twice = stored.must_go_on(&ended, "store.db failed", true, seed);
        assert_eq!(paid_twice, 0, "SEED={seed}, sync {nth}: {}", ended.said);
    }
    assert!(stopped > 0, "no sync failed");
}

#[test]
fn a_disk_on_which_no_sync_succeeds_any_more_loses_no_more_than_what_was_in_flight() {
    for seed in seeds() {
        let stored = Stored::new();
        let nth = Rng::with_seed(seed).u64(8..20);
        let fault = format!("{nth}+");
        let ended = stored.resume(&[("RECORDER_EIO", fault.as_str())]);
        let paid_twice = stored.must_go_on(&ended, "store.db failed", false, seed);
        assert!(
            paid_twice <= 16,
            "SEED={seed}: {paid_twice} answers paid twice"
        );
    }
}

#[test]
fn a_disk_that_fills_up_stops_the_run_and_costs_nothing() {
    for seed in seeds() {
        let stored = Stored::new();
        // The spool takes the first megabyte.
        let room = (1 << 20) + Rng::with_seed(seed).u64(60_000..300_000);
        let ended = stored.resume(&[("RECORDER_ROOM", room.to_string().as_str())]);
        let paid_twice = stored.must_go_on(&ended, "is full", true, seed);
        assert_eq!(paid_twice, 0, "SEED={seed}, room {room}: {}", ended.said);
    }
}

#[test]
fn a_disk_with_little_room_has_a_small_spool_and_one_with_none_sends_nothing() {
    let stored = Stored::new();
    let ended = stored.resume(&[("RECORDER_ROOM", "30000")]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.said);
    assert!(ended.said.contains("is full"), "{}", ended.said);
    assert_eq!(stored.bench.requests(), 0);
    let ended = stored.resume(&[("RECORDER_ROOM", "400000")]);
    assert!(ended.said.contains("kept in the spool"), "{}", ended.said);
    let paid_twice = stored.must_go_on(&ended, "is full", true, 0);
    assert_eq!(paid_twice, 0, "{}", ended.said);
}
