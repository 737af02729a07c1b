//! A long run with faults, kills and onlookers: nothing may grow, and nothing may be lost.
//!
//! ```sh
//! cargo bench --bench long_run              # 30 minutes, 1,000,000 jobs, a kill every minute, 3 GB of disk
//! MINUTES=2 JOBS=50000 KILL_SECONDS=15 cargo bench --bench long_run
//! ```
//!
//! A server in this process answers so slowly that the jobs take about `MINUTES` at concurrency
//! 256, with 5xx, 529, 429 and cut connections. Every `KILL_SECONDS` (60) the process is killed (-9)
//! and started again. Beside it others read the store all the time: `status`, `report`, `export` and
//! `verify`, one after the other.
//!
//! Once a second memory (`VmRSS`) and open files (`/proc/PID/fd`) are sampled, and every 50 ms the size
//! of the write-ahead log. At the end the limits below are checked, that every job ended once, that
//! requests and attempts explain each other, that the money is the server's, and `verify`. The exit
//! code is 1 if anything of that is broken.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, measures real time, and gives up by panicking"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use claude_run::simulator::{FaultRate, Latency, OutputLength, Simulator, SimulatorSettings};
use serde_json::Value;
use support::{ask_claude_run, at_home, claude_run, number, runtime, write_input};

const CONCURRENCY: &str = "256";
/// The part of the time that is left for faults, starts and what the machine needs.
const SLACK: f64 = 0.7;
const MB: f64 = 1_048_576.0;

/// `journal_size_limit`; a log beyond it has grown without bound for a while.
const MOST_WAL: u64 = 64 << 20;
/// Most memory in the last third of the time, over the most in the first third.
const MOST_GROWTH: f64 = 1.25;
/// Open files more than in the first third: connections come and go.
const MORE_FILES: usize = 32;

/// Refusals for a limit are few, since each slows the run down for a while, as it should.
const FAULTS: [(&str, f64); 6] = [
    ("500", 0.01),
    ("503", 0.01),
    ("529", 0.01),
    ("reset", 0.01),
    ("429", 0.000_05),
    ("429-bare", 0.000_05),
];

/// What is asked for.
struct Plan {
    jobs: usize,
    time: Duration,
    kill_every: Duration,
}

impl Plan {
    fn from_env() -> Self {
        Self {
            jobs: number("JOBS", 1_000_000),
            time: Duration::from_secs(number("MINUTES", 30) as u64 * 60),
            kill_every: Duration::from_secs(number("KILL_SECONDS", 60) as u64),
        }
    }

    fn server(&self) -> Simulator {
        let open: f64 = CONCURRENCY.parse().unwrap();
        let fault = |(name, probability): (&str, f64)| FaultRate {
            case: name.parse().unwrap(),
            probability,
        };
        Simulator::start(SimulatorSettings {
            log_requests: false,
            latency: Latency {
                median: self.time.mul_f64(SLACK * open / self.jobs as f64),
                spread: 0.3,
            },
            // Every answer is cut at its `max_tokens` and costs the same, so that those that a kill
            // kept from us can be priced.
            output: OutputLength {
                median: 400,
                spread: 0.0,
            },
            faults: FAULTS.map(fault).into(),
            ..SimulatorSettings::default()
        })
        .unwrap()
    }
}

/// Prompts of one length, so that each costs the same.
fn body(line: usize) -> String {
    format!(
        r#"{{"model":"claude-haiku-5-5","max_tokens":64,"messages":[{{"role":"user","content":"Job {line:09}: say in one sentence what a durable queue is."}}]}}"#
    )
}

fn main() -> ExitCode {
    let plan = Plan::from_env();
    let runtime = runtime();
    let _guard = runtime.enter();
    let server = plan.server();
    let folder = tempfile::tempdir_in(".").unwrap();
    write_input(&folder.path().join("jobs.jsonl"), plan.jobs, body);
    let loaded = claude_run(folder.path(), &["submit", "jobs.jsonl", "--no-run"]);
    println!(
        "{} jobs stored in {:.0} s",
        plan.jobs,
        loaded.took.as_secs_f64()
    );
    let onlooker = Onlooker::start(folder.path());
    let course = Course::run(&plan, folder.path(), &server);
    let looks = onlooker.stop();
    let mut verdict = Verdict::default();
    verdict.of_growth(&course);
    verdict.of_jobs(&plan, folder.path(), &server);
    println!(
        "{} kills, {looks} looks of others beside it; {:.0} minutes",
        course.kills,
        course.took.as_secs_f64() / 60.0
    );
    verdict.exit()
}

/// What was seen of the process at one moment.
#[derive(Clone, Copy)]
struct Sample {
    rss_mb: f64,
    files: usize,
}

/// One after the other, processes of the run, until it has ended.
struct Course {
    began: Instant,
    samples: Vec<Sample>,
    largest_wal: u64,
    wal: PathBuf,
    minutes: u64,
    kills: u32,
    took: Duration,
}

impl Course {
    fn run(plan: &Plan, folder: &Path, server: &Simulator) -> Self {
        let mut course = Self {
            began: Instant::now(),
            samples: Vec::new(),
            largest_wal: 0,
            wal: folder.join("claude-run.db-wal"),
            minutes: 0,
            kills: 0,
            took: Duration::ZERO,
        };
        println!("\nminute      answers   memory    files      WAL    kills");
        while !course.one_process(plan, folder, server) {
            course.kills += 1;
            let late = course.began.elapsed() > 4 * plan.time;
            assert!(!late, "it does not come to an end: is the machine so slow?");
        }
        course.took = course.began.elapsed();
        course
    }

    /// Runs a process until its end, or until it is killed; true at the end of the run.
    fn one_process(&mut self, plan: &Plan, folder: &Path, server: &Simulator) -> bool {
        let mut child = resume(folder, &server.base_url());
        let began = Instant::now();
        let mut sampled = began;
        while began.elapsed() < plan.kill_every {
            std::thread::sleep(Duration::from_millis(50));
            self.look_at_the_log();
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "it ended with {status}");
                return true;
            }
            if sampled.elapsed() > Duration::from_secs(1) {
                sampled = Instant::now();
                self.samples.extend(Sample::of(child.id()));
                self.tell(server);
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        false
    }

    fn look_at_the_log(&mut self) {
        let size = std::fs::metadata(&self.wal).map_or(0, |file| file.len());
        self.largest_wal = self.largest_wal.max(size);
    }

    /// A line a minute.
    fn tell(&mut self, server: &Simulator) {
        let minutes = self.began.elapsed().as_secs() / 60;
        let (Some(last), true) = (self.samples.last(), minutes > self.minutes) else {
            return;
        };
        self.minutes = minutes;
        println!(
            "{minutes:>6} {:>12} {:>5.0} MB {:>8} {:>5.1} MB {:>8}",
            sold(server).messages,
            last.rss_mb,
            last.files,
            self.largest_wal as f64 / MB,
            self.kills
        );
    }

    /// The first and the last third of the samples.
    fn thirds(&self) -> [&[Sample]; 2] {
        let third = self.samples.len() / 3;
        [
            &self.samples[..third],
            &self.samples[self.samples.len() - third..],
        ]
    }
}

impl Sample {
    /// None of a process that has just ended.
    fn of(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        Some(Self {
            rss_mb: kilobytes / 1024.0,
            files,
        })
    }
}

fn quiet(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claude-run"));
    command.current_dir(folder).args(args);
    at_home(&mut command, folder);
    command.env("ANTHROPIC_API_KEY", "durable");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn resume(folder: &Path, url: &str) -> Child {
    let lane = ["resume", "--base-url", url, "--lane", "live"];
    let pace = ["--concurrency", CONCURRENCY, "--retry-scale", "0.05"];
    quiet(folder, &[&lane[..], &pace].concat()).spawn().unwrap()
}

/// Others who read the store meanwhile.
struct Onlooker {
    leave: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Onlooker {
    fn start(folder: &Path) -> Self {
        let (folder, leave) = (folder.to_owned(), Arc::new(AtomicBool::new(false)));
        let stop = Arc::clone(&leave);
        let thread = std::thread::spawn(move || {
            let looks: [&[&str]; 4] = [
                &["status"],
                &["report"],
                &["export", "-o", "-"],
                &["verify"],
            ];
            let mut done = 0;
            for args in looks.into_iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let status = quiet(&folder, args).status().unwrap();
                assert!(status.success(), "{args:?} ended with {status}");
                done += 1;
                std::thread::sleep(Duration::from_secs(2));
            }
            done
        });
        Self { leave, thread }
    }

    /// Waits for its last look; says how many there were.
    fn stop(self) -> u32 {
        self.leave.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Sums of what the server sold.
#[derive(Default)]
struct Sold {
    messages: u64,
    input: u64,
    output: u64,
}

fn sold(server: &Simulator) -> Sold {
    let rows = server.stats().ledger;
    rows.values().fold(Sold::default(), |sold, row| Sold {
        messages: sold.messages + row.messages,
        input: sold.input + row.input_tokens,
        output: sold.output + row.output_tokens,
    })
}

/// What was checked, as lines.
#[derive(Default)]
struct Verdict {
    broken: bool,
}

impl Verdict {
    fn check(&mut self, holds: bool, said: &str) {
        self.broken |= !holds;
        println!("{} {said}", if holds { "ok    " } else { "BROKEN" });
    }

    fn of_growth(&mut self, course: &Course) {
        println!();
        let [first, last] = course.thirds().map(|samples| {
            let rss = samples.iter().map(|sample| sample.rss_mb);
            let files = samples.iter().map(|sample| sample.files);
            (rss.fold(0.0, f64::max), files.max().unwrap_or_default())
        });
        let growth = last.0 / first.0;
        self.check(
            growth <= MOST_GROWTH,
            &format!(
                "memory: {:.0} MB in the first third, {:.0} MB in the last: {growth:.2} of it (limit {MOST_GROWTH})",
                first.0, last.0
            ),
        );
        self.check(
            last.1 <= first.1 + MORE_FILES,
            &format!(
                "open files: {} in the first third, {} in the last (limit {MORE_FILES} more)",
                first.1, last.1
            ),
        );
        let largest = course.largest_wal;
        self.check(
            largest <= MOST_WAL,
            &format!("largest WAL: {:.1} MB (limit 64)", largest as f64 / MB),
        );
    }

    fn of_jobs(&mut self, plan: &Plan, folder: &Path, server: &Simulator) {
        let report = ask_claude_run(folder, &["report", "--format", "json"]);
        let value = |path: &str| report.pointer(path).and_then(Value::as_u64).unwrap();
        let (jobs, sold) = (plan.jobs as u64, sold(server));
        let (attempts, interrupted) = (value("/attempts/total"), value("/attempts/interrupted"));
        let ended_once = value("/jobs/succeeded") == jobs && value("/attempts/results") == jobs;
        self.check(
            ended_once && value("/attempts/open") == 0,
            &format!(
                "{jobs} jobs, each with one result; {attempts} attempts, {interrupted} interrupted"
            ),
        );
        let requests = server.stats().requests;
        self.check(
            requests <= attempts && attempts <= requests + interrupted,
            &format!(
                "{requests} requests, none without an attempt, none but interrupted ones unsent"
            ),
        );
        let unheard = sold.messages.saturating_sub(jobs);
        let (input, output) = (value("/tokens/input"), value("/tokens/output"));
        let is_priced = |recorded: u64, sold_tokens: u64| {
            recorded + recorded / jobs * unheard == sold_tokens && recorded.is_multiple_of(jobs)
        };
        let money = is_priced(input, sold.input) && is_priced(output, sold.output);
        self.check(
            money && unheard <= interrupted && sold.messages >= jobs,
            &format!(
                "money: {} USD for {input} + {output} tokens; {unheard} answers more were sold that a kill kept from us",
                report["cost_usd"]["total"].as_str().unwrap()
            ),
        );
        let verify = quiet(folder, &["verify"]).status().unwrap();
        self.check(verify.success(), "verify");
    }

    fn exit(&self) -> ExitCode {
        ExitCode::from(u8::from(self.broken))
    }
}
