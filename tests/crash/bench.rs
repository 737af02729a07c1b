//! A store, an input and a simulator, which outlive every process that works with them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use claude_run::model::{JobCounts, Run};
use claude_run::simulator::{Simulator, SimulatorSettings};
use claude_run::store::sqlite::SqliteReader;
use claude_run::store::{Reader, StoreError};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::ledger::{AttemptSet, Ledger};
use super::process::Process;

pub const MODEL: &str = "claude-haiku-4-5";

pub struct Bench {
    pub simulator: Simulator,
    runtime: Runtime,
    folder: TempDir,
    /// Apart from the store, whose folder is watched and counted.
    home: TempDir,
}

impl Bench {
    pub fn new(settings: SimulatorSettings) -> Self {
        let runtime = Runtime::new().unwrap();
        let simulator = runtime.block_on(async { Simulator::start(settings).unwrap() });
        Self {
            simulator,
            runtime,
            folder: TempDir::new().unwrap(),
            home: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store.db")
    }

    /// Names of the files beside the store that fulfil the condition.
    pub fn files(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| wanted(name)).collect()
    }

    /// What exports have written beside their target.
    pub fn parts(&self) -> Vec<String> {
        self.files(|name| name.starts_with(".out.jsonl."))
    }

    /// The size of the file that an export is writing, beside its target.
    pub fn part_size(&self) -> u64 {
        let parts = self.parts().into_iter();
        let sizes = parts.map(|name| size_of(&self.path(&name)));
        sizes.max().unwrap_or_default()
    }

    /// Writes an input of so many jobs, each with a prompt that begins with its id.
    pub fn write_jobs(&self, jobs: u64) {
        self.write_prompts(jobs, |_| "tell me a number".to_owned());
    }

    /// Writes an input of so many jobs, with these prompts behind their ids.
    pub fn write_prompts(&self, jobs: u64, prompt: impl Fn(u64) -> String) {
        let mut text = String::new();
        for n in 1..=jobs {
            let prompt = format!("{}: {}", custom_id(n), prompt(n));
            let line = json!({"custom_id": custom_id(n), "prompt": prompt});
            writeln!(text, "{line}").unwrap();
        }
        std::fs::write(self.path("jobs.jsonl"), text).unwrap();
    }

    /// The binary in an environment of its own.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claude-run"));
        command
            .args(args)
            .arg("--store")
            .arg(self.store())
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("ANTHROPIC_API_KEY", "sk-ant-dummy")
            .stdout(Stdio::null());
        command
    }

    /// `submit`, or `resume` once there is a run, against the simulator.
    pub fn go_on(&self, concurrency: u32) -> Command {
        let concurrency = concurrency.to_string();
        self.go_on_with(&["--retry-scale", "0.01", "--concurrency", &concurrency])
    }

    /// The same with other options.
    pub fn go_on_with(&self, options: &[&str]) -> Command {
        let base_url = self.simulator.base_url();
        let first: &[&str] = match self.run() {
            Some(_) => &["resume"],
            None => &["submit", "jobs.jsonl", "--model", MODEL],
        };
        let endpoint = ["--base-url", &base_url];
        self.command(&[first, options, &endpoint].concat())
    }

    /// `submit --no-run`.
    pub fn load_command(&self) -> Command {
        self.command(&["submit", "jobs.jsonl", "--model", MODEL, "--no-run"])
    }

    pub fn load(&self) -> Process {
        Process::start(self.load_command())
    }

    pub fn output(&self, args: &[&str]) -> Output {
        self.command(args).stdout(Stdio::piped()).output().unwrap()
    }

    /// What a successful command printed, as JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.output(args);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The one run of the store, or none.
    pub fn run(&self) -> Option<Run> {
        let reader = match SqliteReader::open(&self.store()) {
            Ok(reader) => reader,
            // The second one: a first start was killed between two steps of the schema.
            Err(StoreError::Missing { .. } | StoreError::TooOld { .. }) => return None,
            Err(error) => panic!("{error}"),
        };
        let mut runs = self.runtime.block_on(reader.runs()).unwrap();
        assert!(runs.len() <= 1, "{runs:?}");
        runs.pop()
    }

    pub fn counts(&self) -> JobCounts {
        self.run().map(|run| run.jobs).unwrap_or_default()
    }

    /// The attempts that a crash left open.
    pub fn open_attempts(&self) -> AttemptSet {
        match self.run() {
            Some(_) => Ledger::open(&self.store()).open_attempts(),
            None => AttemptSet::new(),
        }
    }

    pub fn requests(&self) -> u64 {
        self.simulator.stats().requests
    }
}

pub fn custom_id(n: u64) -> String {
    format!("job-{n}")
}

/// The size of a file; nothing if it is not there.
pub fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}
