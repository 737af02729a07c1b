//! A desk to work at as an outside user: a folder, an environment with nothing of ours in it, the
//! real binary, and a simulator to talk to.
//!
//! Nothing here sleeps for a guessed time: what must happen first is waited for, with a bound that
//! only a hanging program reaches.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use claude_run::simulator::{Simulator, SimulatorSettings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::Instant;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_claude-run");
/// Most that anything here is waited for: a program that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(10);
/// The model of the jobs that [`jobs`] makes.
pub(crate) const MODEL: &str = "claude-haiku-4-5";

/// A folder to work in, and a simulator that its environment points to.
pub(crate) struct Desk {
    folder: TempDir,
    /// What every command finds in its environment, and nothing else.
    environment: Vec<(String, String)>,
    pub(crate) simulator: Simulator,
    runtime: Runtime,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Output {
    line: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that goes on beside the test. It is killed when it is dropped.
pub(crate) struct Process {
    line: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Desk {
    /// With a simulator that answers at once and always well.
    pub(crate) fn new() -> Self {
        Self::with(SimulatorSettings::default())
    }

    pub(crate) fn with(settings: SimulatorSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let simulator = runtime.block_on(async { Simulator::start(settings) });
        let simulator = simulator.unwrap();
        let mut desk = Self {
            folder: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
            simulator,
            runtime,
        };
        desk.set("HOME", &desk.path("").display().to_string());
        desk.set("ANTHROPIC_API_KEY", "sk-ant-test");
        desk.set("ANTHROPIC_BASE_URL", &desk.simulator.base_url());
        desk
    }

    /// One more simulator, which nothing points to.
    pub(crate) fn start_simulator(&self, settings: SimulatorSettings) -> Simulator {
        let simulator = self.runtime.block_on(async { Simulator::start(settings) });
        simulator.unwrap()
    }

    /// Sets a variable for all commands that follow.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known != name);
    }

    /// What a variable is set to.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// The command, ready to be started here.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let output = self.command(args).output().unwrap();
        Output::of(args, &output)
    }

    /// Runs a command to its end, with this on its standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that refuses its input early closes it, which is its right.
        let _ = child.stdin.take().unwrap().write_all(input);
        Output::of(args, &child.wait_with_output().unwrap())
    }

    /// Starts a command beside the test.
    pub(crate) fn spawn(&self, args: &[&str]) -> Process {
        self.start(self.command(args))
    }

    /// Starts it beside the test, whatever it is.
    pub(crate) fn start(&self, mut command: Command) -> Process {
        let unique = uuid::Uuid::now_v7();
        let stdout = self.path(&format!("{unique}.stdout"));
        let stderr = self.path(&format!("{unique}.stderr"));
        command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap());
        let args = command.get_args().map(|arg| arg.to_string_lossy());
        Process {
            line: args.collect::<Vec<_>>().join(" "),
            child: command.spawn().unwrap(),
            stdout,
            stderr,
        }
    }

    /// The lines of `status --json`.
    pub(crate) fn status(&self) -> Vec<Value> {
        self.run(&["status", "--json"]).expect(0).json_lines()
    }

    /// `status --json` of the only run.
    pub(crate) fn only_run(&self) -> Value {
        let mut runs = self.status();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    /// The lines of `attempts --json` of the latest run.
    pub(crate) fn attempts(&self) -> Vec<Value> {
        self.run(&["attempts", "--json"]).expect(0).json_lines()
    }

    /// The latest run's results.
    pub(crate) fn results(&self) -> Vec<Value> {
        let export = self.run(&["export", "-o", "-"]).expect(0);
        export.json_lines()
    }

    /// The latest run's report.
    pub(crate) fn report(&self) -> Value {
        let report = self.run(&["report", "--format", "json"]).expect(0);
        serde_json::from_str(&report.stdout).unwrap()
    }

    /// Asserts that not one run is stored.
    pub(crate) fn assert_no_run(&self) {
        let status = self.run(&["status", "--json"]).expect(2);
        assert_eq!(status.stdout, "");
        assert!(status.stderr.contains("no run"), "{}", status.stderr);
    }

    /// Waits until the simulator has received that many Messages requests.
    pub(crate) fn wait_for_requests(&self, count: u64) {
        wait_until(&format!("{count} requests"), || {
            self.simulator.stats().requests >= count
        });
    }

    /// Waits until `count` requests are open at the simulator.
    pub(crate) fn wait_for_open(&self, count: usize) {
        wait_until(&format!("{count} open requests"), || {
            self.simulator.stats().open == count
        });
    }

    /// Takes the simulator away, so that nobody listens at its address any more.
    pub(crate) fn close_simulator(&self) {
        self.runtime.block_on(self.simulator.shutdown());
    }
}

impl Output {
    pub(crate) fn of(args: &[&str], output: &std::process::Output) -> Self {
        Self {
            line: args.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Asserts that standard error holds all of these.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in: {self}");
        }
        self
    }

    /// Asserts that an error says what happened, and what to do next.
    #[track_caller]
    pub(crate) fn clear_error(self) -> Self {
        self.says(&["error: ", "\n  next: "])
    }

    /// Standard output as JSON lines.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        json_lines(&self.stdout)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "claude-run {} ended with {:?}", self.line, self.code)?;
        writeln!(f, "--- stdout\n{}", self.stdout)?;
        writeln!(f, "--- stderr\n{}", self.stderr)
    }
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) -> Output {
        self.signal(Signal::KILL);
        self.wait()
    }

    /// Waits until standard error holds this.
    pub(crate) fn wait_for(&self, text: &str) {
        wait_until(&format!("`{text}` of `{}`", self.line), || {
            self.stderr().contains(text)
        });
    }

    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Output {
        let mut status = None;
        wait_until(&format!("the end of `{}`", self.line), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        Output {
            line: self.line.clone(),
            code: status.and_then(|status| status.code()),
            stdout: fs::read_to_string(&self.stdout).unwrap(),
            stderr: fs::read_to_string(&self.stderr).unwrap(),
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The most memory that it has had until its end, in bytes.
pub(crate) fn peak_memory(process: &mut Process) -> u64 {
    let status = format!("/proc/{}/status", process.pid());
    let mut peak = 0;
    wait_until("its end", || {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        process.has_ended()
    });
    peak * 1024
}

/// Looks again and again until it is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::park_timeout(POLL);
    }
}

/// One job a prompt, named `job-1`, `job-2`, ...
pub(crate) fn jobs<P: AsRef<str>>(prompts: impl IntoIterator<Item = P>) -> String {
    let lines = (1..).zip(prompts).map(|(n, prompt)| {
        let id = format!("job-{n}");
        let prompt = prompt.as_ref();
        json!({"custom_id": id, "model": MODEL, "prompt": prompt}).to_string() + "\n"
    });
    lines.collect()
}

/// So many jobs that all succeed at once.
pub(crate) fn plain_jobs(count: usize) -> String {
    jobs((0..count).map(|n| format!("Say {n}.")))
}

/// So many jobs whose first answer takes a minute, and every later one no time.
pub(crate) fn stuck_jobs(count: usize) -> String {
    jobs((0..count).map(|n| format!("Say {n}. [[sim: ok delay=60s, ok]]")))
}

pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect()
}

/// Asserts that an object has every one of these keys.
#[track_caller]
pub(crate) fn assert_keys(object: &Value, keys: &str) {
    for key in keys.split_whitespace() {
        assert!(object.get(key).is_some(), "no `{key}` in {object}");
    }
}

/// The bytes of every file in the folder, those of its folders excluded.
pub(crate) fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}
