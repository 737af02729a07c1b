//! The largest stall of the dispatcher while 100,000 results are written.
//!
//! ```sh
//! cargo bench --bench stall                 # 100,000 jobs, concurrency 256, three rounds
//! JOBS=20000 ROUNDS=1 cargo bench --bench stall
//! ```
//!
//! A stall is a time in which the dispatcher's loop listened to nothing: neither to the user nor to
//! an answer, nor to the clock. It keeps the largest one itself (a turn of the loop, or how late a
//! tick of the clock was heard) and tells it in the event `run_ended` as `largest_stall_ms`. The
//! server has no latency and sends answers of about 3 kB, so that the store is written to as fast
//! as the machine can.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, measures real time, and gives up by panicking"
)]

mod support;

use std::path::Path;

use claude_run::simulator::{OutputLength, Simulator, SimulatorSettings};
use support::{claude_run, load, median, number, runtime, write_input};

fn main() {
    let (jobs, rounds) = (number("JOBS", 100_000), number("ROUNDS", 3));
    let runtime = runtime();
    let _guard = runtime.enter();
    let server = Simulator::start(SimulatorSettings {
        log_requests: false,
        output: OutputLength {
            median: 500,
            spread: 0.5,
        },
        ..SimulatorSettings::default()
    })
    .unwrap();
    println!("{jobs} results, concurrency 256\n\nround   jobs/s   largest stall   load");
    let mut stalls = Vec::new();
    for round in 1..=rounds {
        let folder = tempfile::tempdir_in(".").unwrap();
        write_input(&folder.path().join("jobs.jsonl"), jobs, body);
        claude_run(folder.path(), &["submit", "jobs.jsonl", "--no-run"]);
        let url = server.base_url();
        let resume = [
            "resume",
            "--base-url",
            &url,
            "--concurrency",
            "256",
            "--events",
            "events",
        ];
        let cost = claude_run(folder.path(), &resume);
        let stall = largest_stall(&folder.path().join("events"));
        println!(
            "{round:>5} {:>8.0} {stall:>12.0} ms {:>6}",
            cost.per_second(jobs),
            load()
        );
        stalls.push(stall);
    }
    println!("\nmedian: {:.0} ms (floor 250, goal 100)", median(stalls));
}

fn body(line: usize) -> String {
    format!(
        r#"{{"model":"claude-haiku-5-5","max_tokens":2000,"messages":[{{"role":"user","content":"Job {line}: what is a durable queue?"}}]}}"#
    )
}

fn largest_stall(events: &Path) -> f64 {
    let text = std::fs::read_to_string(events).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "run_ended");
    last["largest_stall_ms"].as_f64().unwrap()
}
