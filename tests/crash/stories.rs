//! The stories that `rounds.rs` tells: phases of a run, each struck a few times, and the verdict.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use claude_run::simulator::{BatchSettings, Latency, OutputLength, SimulatorSettings};
use fastrand::Rng;

use super::batches::every_batch_was_bought_once;
use super::bench::Bench;
use super::endings::{an_old_run_ended_once, every_job_was_answered_or_canceled};
use super::kills::some_of_everything;
use super::ledger::{AttemptSet, Ledger};
use super::process::Process;
use super::strike::{Event, Phase, strike};
use super::verdict::every_job_ended_once;

const COMMITS: [(&str, u64); 2] = [("store-before-commit", 25), ("store-after-commit", 25)];
/// A store of version 1; its run `second` was killed with 10 of its 20 jobs in flight.
const OLD_STORE: &str = "tests/stores/v1.db";
/// Requests of one batch.
const BATCH: u64 = 5;

const LOAD: Phase = Phase {
    name: "load",
    failpoints: &[
        ("store-before-commit", 4),
        ("store-after-commit", 4),
        ("migrate-before-commit", 1),
        ("migrate-after-commit", 1),
    ],
    event: Event::StoreBytes,
    most_events: 250_000,
    exits: &[0],
};
const LIVE: Phase = Phase {
    name: "live",
    failpoints: &COMMITS,
    event: Event::Requests,
    most_events: 20,
    exits: &[0, 3],
};
const BATCHES: Phase = Phase {
    name: "batches",
    failpoints: &[
        ("store-before-commit", 12),
        ("store-after-commit", 12),
        ("batch-before-create", 2),
        ("batch-after-create", 2),
        ("harvest-between-pages", 2),
    ],
    event: Event::BatchCalls,
    most_events: 6,
    exits: &[0],
};
const RETRY: Phase = Phase {
    name: "retry",
    failpoints: &[("store-before-commit", 1), ("store-after-commit", 1)],
    event: Event::StoreBytes,
    most_events: 5_000,
    // 2: a kill came after the commit, and nothing is left to do.
    exits: &[0, 2],
};
const CANCEL: Phase = Phase {
    name: "cancel",
    failpoints: &[("store-before-commit", 3), ("store-after-commit", 3)],
    event: Event::StoreBytes,
    most_events: 20_000,
    // 2: a kill came after the commit, and nothing is left to do.
    exits: &[0, 2],
};
const EXPORT: Phase = Phase {
    name: "export",
    failpoints: &[("export-before-rename", 1), ("export-after-rename", 1)],
    event: Event::ExportBytes,
    most_events: 60_000,
    exits: &[0],
};
const MIGRATION: Phase = Phase {
    name: "migration",
    failpoints: &[
        ("backup-before-rename", 1),
        ("migrate-before-commit", 1),
        ("migrate-after-commit", 1),
    ],
    event: Event::StoreBytes,
    most_events: 60_000,
    exits: &[0],
};

/// Every phase, for who counts.
pub const PHASES: [&Phase; 7] = [&LOAD, &LIVE, &BATCHES, &RETRY, &CANCEL, &EXPORT, &MIGRATION];

/// Tells the story of this seed to its end, and counts the kills in it by phase.
pub fn tell(seed: u64, kills: &mut BTreeMap<&'static str, u64>) {
    let mut rng = Rng::with_seed(seed);
    let jobs = rng.u64(20..=60);
    let mut settings = SimulatorSettings {
        seed,
        latency: Latency {
            median: Duration::from_millis(5),
            spread: 0.5,
        },
        output: OutputLength {
            median: 300,
            spread: 0.5,
        },
        ..SimulatorSettings::default()
    };
    let in_batches = seed % 4 == 1;
    if in_batches {
        settings.batches = BatchSettings {
            takes: Duration::from_millis(rng.u64(..2) * 50),
            hidden_for: Duration::from_millis(rng.u64(..2) * 50),
            retry_after: Duration::ZERO,
            cuts: rng.u32(..2),
            ..BatchSettings::default()
        };
    } else {
        settings.faults = some_of_everything();
    }
    let mut story = Story {
        bench: Bench::new(settings),
        rng,
        jobs,
        left_open: AttemptSet::new(),
        kills,
    };
    match seed % 4 {
        0 => story.live(),
        1 => story.in_batches(),
        2 => story.canceled(),
        _ => story.old(),
    }
}

struct Story<'a> {
    bench: Bench,
    rng: Rng,
    jobs: u64,
    /// The attempts that were open right after any kill.
    left_open: AttemptSet,
    kills: &'a mut BTreeMap<&'static str, u64>,
}

impl Story<'_> {
    /// Strikes the phase up to so many times in a row.
    fn strike(&mut self, phase: &Phase, times: u64, command: impl Fn(&Bench) -> Command) {
        for _ in 0..self.rng.u64(1..=times) {
            if !strike(&self.bench, phase, command(&self.bench), &mut self.rng) {
                break;
            }
            *self.kills.entry(phase.name).or_default() += 1;
            if phase.name != LOAD.name {
                let ledger = Ledger::open(&self.bench.store());
                self.left_open.append(&mut ledger.open_attempts());
            }
        }
    }

    /// Strikes the phase, then lets it end.
    fn pass(&mut self, phase: &Phase, times: u64, command: impl Fn(&Bench) -> Command) {
        self.strike(phase, times, &command);
        let ended = Process::start(command(&self.bench)).end();
        ended.must_exit_with(phase.exits);
    }

    fn load(&mut self) {
        self.pass(&LOAD, 3, Bench::load_command);
    }

    fn send(&mut self, times: u64) {
        let concurrency = self.rng.u32(2..=8);
        self.pass(&LIVE, times, |bench| bench.go_on(concurrency));
    }

    /// Every seventh job fails, and is put back in the queue by hand.
    fn live(&mut self) {
        self.bench.write_prompts(self.jobs, |n| match n % 7 {
            3 => "[[sim: 400, ok]]".to_owned(),
            _ => "tell me a number".to_owned(),
        });
        self.load();
        self.send(4);
        self.pass(&RETRY, 2, |bench| bench.command(&["retry"]));
        self.send(2);
        every_job_ended_once(&self.bench, self.jobs, &self.left_open);
        self.export("latest");
    }

    fn in_batches(&mut self) {
        self.bench.write_jobs(self.jobs);
        self.load();
        let size = BATCH.to_string();
        let flags = ["--lane", "batch", "--batch-size", &size];
        self.pass(&BATCHES, 12, |bench| {
            let flags = [&flags[..], &["--retry-scale", "0.005"]].concat();
            bench.go_on_with(&flags)
        });
        every_batch_was_bought_once(&self.bench, self.jobs, BATCH);
        self.export("latest");
    }

    /// The run is killed for good, and what is left of it is cancelled.
    fn canceled(&mut self) {
        self.bench.write_jobs(self.jobs);
        self.load();
        self.strike(&LIVE, 3, |bench| bench.go_on(4));
        self.pass(&CANCEL, 3, |bench| bench.command(&["cancel"]));
        every_job_was_answered_or_canceled(&self.bench, self.jobs);
        self.export("latest");
    }

    /// The run of an old store that was killed goes on, and one that had ended stays as it was.
    fn old(&mut self) {
        let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join(OLD_STORE);
        std::fs::copy(stored, self.bench.store()).unwrap();
        let ledger = Ledger::open(&self.bench.store());
        self.left_open.append(&mut ledger.open_attempts());
        self.pass(&MIGRATION, 6, |bench| bench.command(&["status", "second"]));
        let go_on = |bench: &Bench| {
            let url = bench.simulator.base_url();
            let args = ["resume", "second", "--base-url", &url];
            // Some of its jobs meet an error for ever.
            let few = ["--retry-scale", "0.001", "--max-attempts", "4", "-v"];
            bench.command(&[&args[..], &few].concat())
        };
        self.pass(&LIVE, 4, go_on);
        an_old_run_ended_once(&self.bench, &self.left_open);
        self.export("first");
    }

    /// The file is the old one or the new one, and in the end what standard output says.
    fn export(&mut self, run: &str) {
        let output = self.bench.output(&["export", run, "-o", "-"]);
        let whole = String::from_utf8(output.stdout).unwrap();
        let target = self.bench.path("out.jsonl");
        std::fs::write(&target, "the old file").unwrap();
        let command = |bench: &Bench| bench.command(&["export", run, "-o", "out.jsonl"]);
        for _ in 0..2 {
            self.strike(&EXPORT, 1, command);
            let found = std::fs::read_to_string(&target).unwrap();
            assert!(
                found == "the old file" || found == whole,
                "a part of a file: {found}"
            );
        }
        Process::start(command(&self.bench)).end().must_succeed();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), whole);
    }
}
