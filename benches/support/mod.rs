//! What the benchmarks share: a server in this process, clients in processes of their own, and what
//! the kernel says of those processes.
//!
//! CPU time and memory are read from `/proc`, so the benchmarks want Linux.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "each benchmark uses its part; a benchmark counts in floats, and gives up by panicking"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

/// The kernel counts CPU time in hundredths of a second (`sysconf(_SC_CLK_TCK)` on Linux).
const TICKS_PER_SECOND: f64 = 100.0;
/// How often the peak memory of a process is looked at while it runs.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A number from the environment.
pub(crate) fn number(name: &str, default: usize) -> usize {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.replace('_', "").parse().unwrap())
}

/// A runtime of as many threads as there are cores.
pub(crate) fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().unwrap()
}

/// A short request body.
pub(crate) fn body(line: usize) -> String {
    format!(
        r#"{{"model":"claude-haiku-5-5","max_tokens":64,"messages":[{{"role":"user","content":"Job {line}: say in one sentence what a durable queue is."}}]}}"#
    )
}

/// Writes an input file of so many lines.
pub(crate) fn write_input(path: &Path, jobs: usize, body: impl Fn(usize) -> String) {
    let mut input = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for line in 0..jobs {
        let params = body(line);
        writeln!(input, r#"{{"custom_id":"job-{line}","params":{params}}}"#).unwrap();
    }
    input.flush().unwrap();
}

/// What a process took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// From its start to its end.
    pub(crate) took: Duration,
    /// CPU time, user and system.
    pub(crate) cpu: Duration,
    /// Most memory that it held at once (`VmHWM`), in MB.
    pub(crate) peak_mb: f64,
}

impl Cost {
    pub(crate) fn per_second(&self, jobs: usize) -> f64 {
        jobs as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn cpu_us_per(&self, jobs: usize) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / jobs as f64
    }
}

/// Runs a process to its end, which must be a success.
pub(crate) fn measure(command: &mut Command) -> Cost {
    let cpu_before = children_cpu();
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_mb: f64 = 0.0;
    let status = loop {
        peak_mb = peak_mb.max(peak_of(&status_file));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(LOOK_EVERY.min(began.elapsed() / 50)),
        }
    };
    let took = began.elapsed();
    assert!(status.success(), "{command:?} ended with {status}");
    Cost {
        took,
        cpu: children_cpu().saturating_sub(cpu_before),
        peak_mb,
    }
}

/// Its home is this folder, so that nothing of the user's own is read or written.
pub(crate) fn at_home(command: &mut Command, folder: &Path) {
    command.env("HOME", folder);
    for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "CLAUDE_RUN_CONFIG"] {
        command.env_remove(variable);
    }
}

/// Runs claude-run in that folder, with its words thrown away.
pub(crate) fn claude_run(folder: &Path, args: &[&str]) -> Cost {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claude-run"));
    command.current_dir(folder).args(args);
    command.env("ANTHROPIC_API_KEY", "durable");
    at_home(&mut command, folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    measure(&mut command)
}

/// Runs claude-run for that time and breaks it off; returns the most memory it held, in MB.
pub(crate) fn claude_run_for(time: Duration, folder: &Path, args: &[&str]) -> f64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claude-run"));
    command.current_dir(folder).args(args);
    command.env("ANTHROPIC_API_KEY", "durable");
    at_home(&mut command, folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(time);
    assert!(child.try_wait().unwrap().is_none(), "it ended too early");
    let peak_mb = peak_of(&format!("/proc/{}/status", child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    peak_mb
}

/// What claude-run prints, as JSON.
pub(crate) fn ask_claude_run(folder: &Path, args: &[&str]) -> serde_json::Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claude-run"));
    at_home(&mut command, folder);
    let output = command.current_dir(folder).args(args).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// This benchmark in a process of its own, in another role.
pub(crate) fn this_program(role: &str, url: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("ROLE", role).env("URL", url);
    command
}

/// CPU time of the children that have ended.
fn children_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The second field is a name in brackets, which may hold anything; `cutime` and `cstime` are
    // the fields 16 and 17 (proc_pid_stat(5)), the fourteenth and fifteenth behind the name.
    let behind_name = stat.rsplit_once(')').unwrap().1;
    let fields = behind_name.split_whitespace().skip(13).take(2);
    let ticks: f64 = fields.map(|field| field.parse::<f64>().unwrap()).sum();
    Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
}

/// `VmHWM` in MB; zero of a process that has just ended.
fn peak_of(status_file: &str) -> f64 {
    let status = std::fs::read_to_string(status_file).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How busy the machine was: a benchmark beside others says little.
pub(crate) fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().take(1).collect()
}
