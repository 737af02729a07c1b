//! How near to the limits' own time a run comes, and how many 429s that costs.
//!
//! ```sh
//! cargo bench --bench makespan              # 3,000 jobs, alone and beside another client: ~2 min
//! JOBS=1500 BURST_MS=5000 cargo bench --bench makespan
//! SIZE=20 BURST_MS=5000 RETRY_SCALE=1 cargo bench --bench makespan    # usual waits, ~25 min
//! ```
//!
//! The simulator allows 6,000 requests, 600,000 input tokens and 200,000 output tokens a minute, in
//! buckets that refill continuously and hold `BURST_MS` worth (one second, unless told otherwise; a
//! bucket of a whole minute would let all jobs through at once). Five in a hundred admitted requests
//! get a 529. Nothing tells claude-run the limits but the headers of the answers. The jobs are
//! stored beforehand; the makespan is the time of `resume`, from the start of the process to its
//! end.
//!
//! Waits before retries are `RETRY_SCALE` (a twentieth, unless told otherwise) of the usual ones. With
//! the usual ones the last 529 of a run decides a makespan of half a minute, by its ten seconds or,
//! the second time, thirty. `SIZE` makes prompts and answers that many times as long, and so the run:
//! with 20 they are about as long as people's are, and the usual waits weigh as they do for people.
//!
//! No runner can be faster than
//!
//! ```text
//! T_min = shortest latency + max( latencies / concurrency,
//!                                 (requests - bucket) / RPM,
//!                                 (input tokens - bucket) / ITPM,
//!                                 (output tokens - bucket - debt) / OTPM )
//! ```
//!
//! The buckets are full when the run begins, so what they hold is taken off. Requests are all that
//! were admitted: those that got a 529 took from the buckets too, with the mean of the others'
//! tokens. Output is counted when it has been produced, so what is on the wire in the end need not
//! be paid off: the debt is the most requests that were open times the mean output. The shortest
//! latency is that of the last answer.
//!
//! In the second part another client eats a third of the input bucket, in requests of random size
//! at random times. Its requests and tokens during the run are added to ours: the bound is the time
//! in which the buckets give both.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a benchmark prints, measures real time, and gives up by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claude_run::simulator::{
    Case, ClassLimits, FaultRate, Latency, OutputLength, RateLimits, Simulator, SimulatorSettings,
};
use support::{ask_claude_run, claude_run, load, number, runtime, write_input};
use tokio::runtime::Runtime;

/// What the waits before retries are multiplied by, unless told otherwise.
const RETRY_SCALE: &str = "0.05";
const REQUESTS_PER_MINUTE: u32 = 6_000;
const INPUT_PER_MINUTE: u32 = 600_000;
const OUTPUT_PER_MINUTE: u32 = 200_000;
const LATENCY: Duration = Duration::from_millis(600);
/// The simulator keeps latencies above a third of the median.
const SHORTEST_LATENCY: Duration = Duration::from_millis(200);
const CONCURRENCY: usize = 256;
/// Most output tokens of a job of size 1.
const MAX_TOKENS: usize = 256;
/// The other client's mean request; a request takes so much and 12 tokens more.
const OTHER_TOKENS: f64 = 1_000.0;

fn main() {
    let runtime = runtime();
    let jobs = number("JOBS", 3_000);
    let burst = Duration::from_millis(number("BURST_MS", 1_000) as u64);
    let retry_scale = std::env::var("RETRY_SCALE").unwrap_or_else(|_| RETRY_SCALE.to_owned());
    println!(
        "{jobs} jobs of size {} at 6,000 RPM, 600k ITPM, 200k OTPM; buckets of {} ms; 5 % 529s; waits x {retry_scale}\n",
        size(),
        burst.as_millis()
    );
    println!("               makespan   T_min   ratio   429s per 100 jobs   binding   load");
    let alone = run(&runtime, jobs, burst, &retry_scale, false);
    let shared = run(&runtime, jobs, burst, &retry_scale, true);
    println!(
        "\nalone:  {:.3} of the bound (floor 1.10, goal 1.03), {:.2} 429s per 100 jobs (floor 1, goal 0.2)",
        alone.0, alone.1
    );
    println!(
        "shared: {:.3} of the bound (floor 1.25, goal 1.10), {:.2} 429s per 100 jobs (floor 5, goal 2)",
        shared.0, shared.1
    );
}

/// One run; the ratio to its bound, and its 429s per 100 jobs.
fn run(
    runtime: &Runtime,
    jobs: usize,
    burst: Duration,
    retry_scale: &str,
    shared: bool,
) -> (f64, f64) {
    let _guard = runtime.enter();
    let server = Simulator::start(settings(burst)).unwrap();
    let folder = tempfile::tempdir_in(".").unwrap();
    write_input(&folder.path().join("jobs.jsonl"), jobs, mixed_body);
    claude_run(folder.path(), &["submit", "jobs.jsonl", "--no-run"]);
    let eaten = Arc::new(Eaten::default());
    let url = server.base_url();
    let other = shared.then(|| runtime.spawn(eat(url.clone(), Arc::clone(&eaten))));
    let concurrency = CONCURRENCY.to_string();
    let dispatch = ["--base-url", &url, "--concurrency", &concurrency];
    let resume = [&["resume", "--retry-scale", retry_scale], &dispatch[..]].concat();
    let took = claude_run(folder.path(), &resume).took.as_secs_f64();
    if let Some(other) = other {
        other.abort();
    }
    let refused = refused_in(folder.path());
    let (bound, binding) = bound(&server, jobs, burst, &eaten);
    let (ratio, per_hundred) = (took / bound, refused * 100.0 / jobs as f64);
    println!(
        "{:<12} {took:>8.2} s {bound:>5.2} s {ratio:>7.3} {per_hundred:>19.2}   {binding:<7} {:>6}",
        if shared { "with another" } else { "alone" },
        load()
    );
    (ratio, per_hundred)
}

/// How many times as long prompts and answers are.
fn size() -> usize {
    number("SIZE", 1)
}

fn settings(burst: Duration) -> SimulatorSettings {
    SimulatorSettings {
        latency: Latency {
            median: LATENCY,
            spread: 0.4,
        },
        output: OutputLength {
            median: 30 * size() as u32,
            spread: 0.5,
        },
        faults: vec![FaultRate {
            case: Case::named("529").unwrap(),
            probability: 0.05,
        }],
        limits: Some(RateLimits::same_for_all(ClassLimits {
            requests_per_minute: REQUESTS_PER_MINUTE,
            input_tokens_per_minute: INPUT_PER_MINUTE,
            output_tokens_per_minute: OUTPUT_PER_MINUTE,
            burst,
        })),
        log_requests: false,
        ..SimulatorSettings::default()
    }
}

/// Nine in ten are short, the tenth is long; on average 110 tokens, so that all three limits are
/// near.
fn mixed_body(line: usize) -> String {
    let mut rng = fastrand::Rng::with_seed(line as u64);
    let bytes = match rng.u8(0..10) {
        0 => rng.usize(1_600..2_800),
        _ => rng.usize(40..280),
    };
    prompt(line, bytes * size())
}

fn prompt(number: usize, bytes: usize) -> String {
    let text = "a durable queue keeps its word ".repeat(bytes / 31 + 1);
    let text = &text[..bytes];
    format!(
        r#"{{"model":"claude-haiku-5-5","max_tokens":{},"messages":[{{"role":"user","content":"{number}: {text}"}}]}}"#,
        MAX_TOKENS * size()
    )
}

/// 429s, by the attempts that claude-run recorded.
fn refused_in(folder: &std::path::Path) -> f64 {
    let report = ask_claude_run(folder, &["report", "--format", "json"]);
    assert_eq!(report["jobs"]["succeeded"], report["jobs"]["total"]);
    let refused = &report["attempts"]["by_class"]["rate_limited"];
    refused.as_f64().unwrap_or_default()
}

/// `T_min` in seconds, and what binds.
fn bound(server: &Simulator, jobs: usize, burst: Duration, eaten: &Eaten) -> (f64, &'static str) {
    let stats = server.stats();
    let answered: u64 = stats.ledger.values().map(|row| row.messages).sum();
    let sum = |of: fn(&claude_run::simulator::LedgerRow) -> u64| -> f64 {
        stats.ledger.values().map(of).sum::<u64>() as f64
    };
    let overloaded = stats.by_status.get(&529).copied().unwrap_or_default();
    let admitted = (answered + overloaded) as f64;
    // Those of the other client are in the ledger too.
    let input = sum(|row| row.input_tokens) * admitted / answered as f64;
    let output = sum(|row| row.output_tokens);
    let debt = stats.max_open as f64 * output / answered as f64;
    let time = |amount: f64, per_minute: u32| {
        let per_second = f64::from(per_minute) / 60.0;
        amount / per_second - burst.as_secs_f64()
    };
    let latencies = LATENCY.as_secs_f64() * jobs as f64 / CONCURRENCY as f64;
    let bounds = [
        (latencies, "latency"),
        (time(admitted, REQUESTS_PER_MINUTE), "RPM"),
        (time(input, INPUT_PER_MINUTE), "ITPM"),
        (time(output - debt, OUTPUT_PER_MINUTE), "OTPM"),
    ];
    let (longest, binding) = bounds
        .into_iter()
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap();
    let other = eaten.requests.load(Ordering::Relaxed);
    if other > 0 {
        let tokens = eaten.tokens.load(Ordering::Relaxed) as f64;
        println!(
            "  the other client got {other} requests through, {:.0} % of all input tokens",
            tokens / input * 100.0
        );
    }
    (longest + SHORTEST_LATENCY.as_secs_f64(), binding)
}

/// What the other client got.
#[derive(Default)]
struct Eaten {
    requests: AtomicU64,
    tokens: AtomicU64,
}

/// Another user of the same bucket: a third of it on average, at random times, in random sizes. What
/// is refused is not tried again.
async fn eat(url: String, eaten: Arc<Eaten>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    let third = f64::from(INPUT_PER_MINUTE) / 60.0 / 3.0;
    let mut due = tokio::time::Instant::now();
    for number in 0.. {
        // Exponential gaps: a Poisson process.
        let gap = -(1.0 - rng.f64()).ln() * OTHER_TOKENS / third;
        due += Duration::from_secs_f64(gap);
        let bytes = (4.0 * OTHER_TOKENS * (0.5 + rng.f64())) as usize;
        let request = client
            .post(format!("{url}/v1/messages"))
            .header("x-api-key", "another")
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
            .body(prompt(number, bytes));
        let eaten = Arc::clone(&eaten);
        tokio::time::sleep_until(due).await;
        tokio::spawn(async move {
            let Ok(answer) = request.send().await else {
                return;
            };
            let answer: serde_json::Value = answer.json().await.unwrap_or_default();
            if let Some(tokens) = answer["usage"]["input_tokens"].as_u64() {
                eaten.requests.fetch_add(1, Ordering::Relaxed);
                eaten.tokens.fetch_add(tokens, Ordering::Relaxed);
            }
        });
    }
}
