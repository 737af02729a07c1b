//! Durable throughput as a ratio: the same jobs through claude-run and through a bare client.
//!
//! ```sh
//! cargo bench --bench throughput            # 20,000 jobs, concurrency 256, three rounds
//! JOBS=50000 CONCURRENCY=64 ROUNDS=5 cargo bench --bench throughput
//! ```
//!
//! One server without latency stands in this process. Two clients take turns against it, each in a
//! process of its own: `bare`, a reqwest loop that reads every answer and keeps none, and
//! claude-run, which commits every attempt before its request leaves and every answer before it
//! counts (the jobs are stored beforehand; the time is that of `resume`). What is printed is the
//! ratio of the two in the same run, since the machine's own speed says nothing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, measures real time, and gives up by panicking"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use claude_run::simulator::{Simulator, SimulatorSettings};
use futures_util::StreamExt as _;

fn main() {
    if let Ok(url) = std::env::var("BARE_CLIENT_URL") {
        return bare_client(&url);
    }
    let (jobs, concurrency, rounds) = (
        number("JOBS", 20_000),
        number("CONCURRENCY", 256),
        number("ROUNDS", 3),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let _guard = runtime.enter();
    let settings = SimulatorSettings {
        log_requests: false,
        ..SimulatorSettings::default()
    };
    let simulator = Simulator::start(settings).unwrap();
    println!("{jobs} jobs, concurrency {concurrency}, a server without latency, {rounds} rounds\n");
    println!("round   bare jobs/s   claude-run jobs/s   ratio");
    let mut ratios: Vec<f64> = (1..=rounds)
        .map(|round| {
            let bare = time_bare(&simulator.base_url(), jobs, concurrency);
            let durable = time_claude_run(&simulator.base_url(), jobs, concurrency);
            let ratio = bare.as_secs_f64() / durable.as_secs_f64();
            println!(
                "{round:>5} {:>13.0} {:>19.0} {ratio:>7.2}",
                rate(jobs, bare),
                rate(jobs, durable)
            );
            ratio
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!("\nmedian ratio: {:.2}", ratios[ratios.len() / 2]);
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
fn rate(jobs: usize, took: Duration) -> f64 {
    jobs as f64 / took.as_secs_f64()
}

fn body(line: usize) -> String {
    format!(
        r#"{{"model":"claude-haiku-5-5","max_tokens":64,"messages":[{{"role":"user","content":"Job {line}: say in one sentence what a durable queue is."}}]}}"#
    )
}

fn time_bare(url: &str, jobs: usize, concurrency: usize) -> Duration {
    let began = Instant::now();
    let status = Command::new(std::env::current_exe().unwrap())
        .env("BARE_CLIENT_URL", url)
        .env("JOBS", jobs.to_string())
        .env("CONCURRENCY", concurrency.to_string())
        .status()
        .unwrap();
    assert!(status.success());
    began.elapsed()
}

/// The other client: nothing is stored, parsed or retried.
fn bare_client(url: &str) {
    let (jobs, concurrency) = (number("JOBS", 20_000), number("CONCURRENCY", 256));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(concurrency)
            .build()
            .unwrap();
        let requests = futures_util::stream::iter(0..jobs).map(|line| {
            let request = client
                .post(format!("{url}/v1/messages"))
                .header("x-api-key", "bare")
                .header("anthropic-version", "2023-06-01")
                .header("content-type", "application/json")
                .body(body(line));
            tokio::spawn(async move { request.send().await.unwrap().bytes().await.unwrap().len() })
        });
        let answers = requests.buffer_unordered(concurrency);
        let bytes = answers
            .fold(0, async |sum, answer| sum + answer.unwrap())
            .await;
        assert!(bytes > 0);
    });
}

fn time_claude_run(url: &str, jobs: usize, concurrency: usize) -> Duration {
    let folder = tempfile::tempdir_in(".").unwrap();
    let mut input =
        std::io::BufWriter::new(std::fs::File::create(folder.path().join("jobs.jsonl")).unwrap());
    for line in 0..jobs {
        writeln!(
            input,
            r#"{{"custom_id":"job-{line}","params":{}}}"#,
            body(line)
        )
        .unwrap();
    }
    input.flush().unwrap();
    let claude_run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claude-run"));
        command
            .current_dir(folder.path())
            .env("ANTHROPIC_API_KEY", "durable")
            .args(args);
        let status = command.stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "claude-run {args:?} ended with {status}");
    };
    claude_run(&["submit", "jobs.jsonl", "--no-run"]);
    let concurrency = concurrency.to_string();
    let began = Instant::now();
    claude_run(&["resume", "--base-url", url, "--concurrency", &concurrency]);
    began.elapsed()
}
