//! Durable throughput as ratios: the same jobs through claude-run and through a bare client.
//!
//! ```sh
//! cargo bench --bench throughput            # 50,000 jobs, concurrency 256, five rounds
//! JOBS=20000 CONCURRENCY=64 ROUNDS=3 cargo bench --bench throughput
//! ```
//!
//! One server stands in this process. Two clients take turns against it, each in a process of its
//! own: `bare`, a reqwest loop that reads every answer and keeps none, and claude-run, which
//! commits every attempt before its request leaves and every answer before it counts (the jobs are
//! stored beforehand; the time is that of `resume`). What is printed is the ratio of the two in the
//! same run, since the machine's own speed says nothing: jobs per second, and CPU time per job.
//!
//! Then the server takes 200 ms for each answer, and claude-run keeps 1,000 requests open: here the
//! bound is 1,000 / 0.2 s = 5,000 jobs/s, if machine and server can carry that at all, which the
//! bare client shows. `SLOW_JOBS` (150,000: half a minute a round) says over how many jobs: the ramp
//! from 64 to 1,000 costs claude-run 0.6 s, however many there are.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, measures real time, and gives up by panicking"
)]

mod support;

use std::time::Duration;

use claude_run::simulator::{Latency, Simulator, SimulatorSettings};
use futures_util::StreamExt as _;
use support::{Cost, body, claude_run, load, measure, median, number, runtime, this_program};

/// How long the slow server takes for an answer.
const LATENCY: Duration = Duration::from_millis(200);
/// Requests open at the slow server.
const WIDE: usize = 1_000;

fn main() {
    if let (Ok(_), Ok(url)) = (std::env::var("ROLE"), std::env::var("URL")) {
        return bare_client(&url);
    }
    let runtime = runtime();
    let _guard = runtime.enter();
    let rounds = number("ROUNDS", 5);
    without_latency(number("JOBS", 50_000), number("CONCURRENCY", 256), rounds);
    with_latency(number("SLOW_JOBS", 150_000), rounds.min(3));
}

fn without_latency(jobs: usize, concurrency: usize, rounds: usize) {
    let server = serve(Duration::ZERO);
    println!("{jobs} jobs, concurrency {concurrency}, a server without latency\n");
    println!("round   bare jobs/s  us CPU   claude-run jobs/s  us CPU   ratio   CPU ratio   load");
    let (mut ratios, mut cpu_ratios) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let bare = measure_bare(&server.base_url(), jobs, concurrency);
        let durable = measure_claude_run(&server.base_url(), jobs, concurrency);
        let ratio = bare.took.as_secs_f64() / durable.took.as_secs_f64();
        let cpu_ratio = durable.cpu.as_secs_f64() / bare.cpu.as_secs_f64();
        println!(
            "{round:>5} {:>13.0} {:>7.1} {:>19.0} {:>7.1} {ratio:>7.2} {cpu_ratio:>11.2} {:>6}",
            bare.per_second(jobs),
            bare.cpu_us_per(jobs),
            durable.per_second(jobs),
            durable.cpu_us_per(jobs),
            load(),
        );
        ratios.push(ratio);
        cpu_ratios.push(cpu_ratio);
    }
    println!(
        "\nmedian: {:.2} of the bare client's jobs/s (floor 0.25, goal 0.50)",
        median(ratios)
    );
    println!(
        "median: {:.2} times its CPU per job (floor 3.0, goal 2.0)\n",
        median(cpu_ratios)
    );
}

#[expect(clippy::cast_precision_loss, reason = "a count of requests")]
fn with_latency(jobs: usize, rounds: usize) {
    let bound = WIDE as f64 / LATENCY.as_secs_f64();
    let server = serve(LATENCY);
    println!("{jobs} jobs, concurrency {WIDE}, a server that takes 200 ms\n");
    println!("round   bare over bound   claude-run over bound   load");
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let bare = measure_bare(&server.base_url(), jobs, WIDE).per_second(jobs) / bound;
        let durable = measure_claude_run(&server.base_url(), jobs, WIDE).per_second(jobs) / bound;
        println!("{round:>5} {bare:>17.3} {durable:>23.3} {:>6}", load());
        ratios.push(durable);
    }
    println!(
        "\nmedian: {:.3} of {bound:.0} jobs/s (floor 0.90, goal 0.97)",
        median(ratios)
    );
}

fn serve(latency: Duration) -> Simulator {
    let settings = SimulatorSettings {
        log_requests: false,
        latency: Latency {
            median: latency,
            spread: 0.0,
        },
        ..SimulatorSettings::default()
    };
    Simulator::start(settings).unwrap()
}

fn measure_bare(url: &str, jobs: usize, concurrency: usize) -> Cost {
    let mut command = this_program("bare", url);
    command.env("JOBS", jobs.to_string());
    command.env("CONCURRENCY", concurrency.to_string());
    measure(&mut command)
}

/// The other client: nothing is stored, parsed or retried.
fn bare_client(url: &str) {
    let (jobs, concurrency) = (number("JOBS", 0), number("CONCURRENCY", 0));
    runtime().block_on(async {
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

fn measure_claude_run(url: &str, jobs: usize, concurrency: usize) -> Cost {
    let folder = tempfile::tempdir_in(".").unwrap();
    support::write_input(&folder.path().join("jobs.jsonl"), jobs, body);
    claude_run(folder.path(), &["submit", "jobs.jsonl", "--no-run"]);
    let concurrency = concurrency.to_string();
    let resume = ["resume", "--base-url", url, "--concurrency", &concurrency];
    claude_run(folder.path(), &resume)
}
