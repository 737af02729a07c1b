//! Peak memory of claude-run with a million jobs.
//!
//! ```sh
//! cargo bench --bench memory                # 1,000,000 queued, 1,000 in flight: ~2 min, 1 GB of disk
//! JOBS=100000 SECONDS=10 cargo bench --bench memory
//! ```
//!
//! Two figures, both `VmHWM`: of `submit --no-run`, and of `resume` with 1,000 requests open at a
//! server that takes half a second, for `SECONDS` seconds. The run is then broken off: by that time
//! everything has been in use many times over, and what has ended takes no memory.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, measures real time, and gives up by panicking"
)]

mod support;

use std::time::Duration;

use claude_run::simulator::{Latency, Simulator, SimulatorSettings};
use support::{body, claude_run, claude_run_for, number, runtime, write_input};

const IN_FLIGHT: &str = "1000";
const LATENCY: Duration = Duration::from_millis(500);

fn main() {
    let jobs = number("JOBS", 1_000_000);
    let time = Duration::from_secs(number("SECONDS", 30) as u64);
    let runtime = runtime();
    let _guard = runtime.enter();
    let server = Simulator::start(SimulatorSettings {
        log_requests: false,
        latency: Latency {
            median: LATENCY,
            spread: 0.3,
        },
        ..SimulatorSettings::default()
    })
    .unwrap();
    let folder = tempfile::tempdir_in(".").unwrap();
    write_input(&folder.path().join("jobs.jsonl"), jobs, body);
    let ingest = claude_run(folder.path(), &["submit", "jobs.jsonl", "--no-run"]);
    println!(
        "{jobs} jobs: submit --no-run took {:.1} s ({:.0} jobs/s) and at most {:.0} MB",
        ingest.took.as_secs_f64(),
        ingest.per_second(jobs),
        ingest.peak_mb
    );
    let url = server.base_url();
    let resume = ["resume", "--base-url", &url, "--concurrency", IN_FLIGHT];
    let peak_mb = claude_run_for(time, folder.path(), &resume);
    let stats = server.stats();
    println!(
        "{jobs} queued, {} in flight, {} requests in {} s: at most {peak_mb:.0} MB (floor 250, goal 120)",
        stats.max_open,
        stats.requests,
        time.as_secs()
    );
}
