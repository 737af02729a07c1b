//! Waits: how long a server's word is believed, what is told of it, and what a stored wait looks like.

use std::process::Command;
use std::time::Duration;

use claude_run::simulator::{ClassLimits, RateLimits, SimulatorSettings};
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{BINARY, Desk, MODEL, jobs, wait_until};

#[test]
fn a_wait_of_a_day_is_told_and_a_stored_wait_looks_the_same_after_a_crash() {
    let desk = Desk::new();
    let prompts = ["a", "b", "c [[sim: 429 retry-after=86400, ok]]"];
    desk.write("jobs.jsonl", jobs(prompts.map(str::to_owned)));
    let mut process = desk.spawn(&["submit", "jobs.jsonl"]);
    process.wait_for("the server asks for 24h00m (429 rate_limited)");
    // The warning does not wait for the disk.
    wait_until("the stored wait", || {
        desk.only_run()["waiting"]["jobs"] == 1
    });
    process.signal(Signal::KILL);
    process.wait();
    let run = desk.only_run();
    let waiting = &run["waiting"];
    assert_eq!(waiting["jobs"], 1, "{run}");
    assert_eq!(waiting["error_class"], "rate_limited");
    let id = run["run_id"].as_str().unwrap();
    let status = desk.run(&["status", id]).expect(0);
    assert!(
        status
            .stdout
            .contains("1 job waits for a next try, the first in "),
        "{}",
        status.stdout
    );
    let mut process = desk.spawn(&["resume"]);
    process.wait_for("1 waiting (429 rate_limited: next try in ");
    process.signal(Signal::INT);
    process.wait().expect(130);
    assert_eq!(desk.attempts().len(), 3, "nothing was sent before its time");
}

#[test]
fn a_date_of_retry_after_is_read_by_the_clock_of_its_answer() {
    for clock in ["+2h", "-2h"] {
        let desk = Desk::new();
        let prompt = format!("a [[sim: 429 clock={clock} retry-after=date:+1s, ok]]");
        desk.write("jobs.jsonl", jobs(std::iter::once(prompt)));
        desk.run(&["submit", "jobs.jsonl"]).expect(0);
        let first = &desk.attempts()[0];
        assert_eq!(first["error_class"], "rate_limited");
        let wait = first["retry_after_ms"].as_u64().unwrap();
        assert!(wait <= 1_000, "{clock}: {wait} ms");
    }
}

#[test]
fn a_prompt_larger_than_the_limit_is_told_at_once_and_holds_up_no_small_one() {
    let desk = Desk::with(SimulatorSettings {
        limits: Some(RateLimits::same_for_all(ClassLimits {
            requests_per_minute: 6_000,
            input_tokens_per_minute: 30_000,
            output_tokens_per_minute: 600_000,
            burst: Duration::from_mins(1),
        })),
        ..SimulatorSettings::default()
    });
    let huge = "word ".repeat(56_000);
    let prompts = (0..40).map(|n| {
        if n % 20 == 5 {
            huge.clone()
        } else {
            format!("{n}")
        }
    });
    desk.write("jobs.jsonl", jobs(prompts));
    let mut process = desk.spawn(&["submit", "jobs.jsonl"]);
    process.wait_for("tokens; your limit is 30,000 a minute");
    crate::harness::wait_until("the small ones to end", || {
        desk.only_run()["jobs"]["succeeded"] == 38
    });
    process.signal(Signal::INT);
    process.wait().expect(130);
}

#[test]
fn too_few_files_are_named_and_fewer_requests_are_open() {
    let desk = Desk::new();
    let prompts = (0..80).map(|n| format!("{n} [[sim: ok delay=300ms]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 40; exec \"$0\" \"$@\"", BINARY])
        .args([
            "submit",
            "jobs.jsonl",
            "--concurrency",
            "64",
            "--retry-scale",
            "0.1",
        ])
        .current_dir(desk.path(""))
        .env_clear();
    for name in ["HOME", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"] {
        limited.env(name, desk.variable(name).unwrap());
    }
    let ended = desk.start(limited).wait().expect(0);
    let ended = ended.says(&["too many open files", "ulimit -n", "--concurrency"]);
    assert!(!ended.stderr.contains("nothing succeeds"), "{ended}");
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 80);
}

#[test]
fn a_factor_that_no_wait_can_take_is_refused_with_its_place() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(std::iter::once("a".to_owned())));
    for (flag, value) in [
        ("--retry-scale", "1e18"),
        ("--retry-scale", "1001"),
        ("--timeout", "99999999d"),
        ("--give-up-after", "3651d"),
        ("--deadline", "9999999h"),
    ] {
        let refused = desk.run(&["submit", "jobs.jsonl", flag, value]).expect(2);
        refused.says(&[flag, "at most"]);
    }
    desk.write("claude-run.toml", "[retry]\nscale = 1e18\n");
    desk.run(&["submit", "jobs.jsonl"])
        .expect(2)
        .says(&["claude-run.toml:2:9", "at most"]);
    desk.write("claude-run.toml", "");
    desk.assert_no_run();
}

#[test]
fn people_read_short_sums_and_programs_all_digits() {
    let desk = Desk::new();
    let line = |n: u32| json!({"custom_id": format!("j-{n}"), "prompt": "Tell me a story", "model": MODEL});
    desk.write(
        "jobs.jsonl",
        (0..7)
            .map(|n| line(n).to_string())
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let ended = desk.run(&["submit", "jobs.jsonl"]).expect(0);
    let exact = desk.report()["cost_usd"]["total"]
        .as_str()
        .unwrap()
        .to_owned();
    let amount: claude_run::model::Pico = exact.parse().unwrap();
    assert_ne!(amount.rounded(), exact, "the sample has many digits");
    ended.says(&[&format!("cost: ${}\n", amount.rounded())]);
    let text = desk.run(&["report"]).expect(0).stdout;
    assert!(
        text.contains(&amount.rounded()) && !text.contains(&exact),
        "{text}"
    );
    let text = desk.run(&["report", "-v"]).expect(0).stdout;
    assert!(text.contains(&exact), "{text}");
}

#[test]
fn a_store_whose_lock_another_program_holds_is_named() {
    let desk = Desk::new();
    let prompts = (0..20).map(|n| format!("{n} [[sim: ok delay=200ms]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let mut process = desk.spawn(&["submit", "jobs.jsonl", "--concurrency", "2"]);
    desk.wait_for_requests(2);
    let other = rusqlite::Connection::open(desk.path("claude-run.db")).unwrap();
    crate::harness::wait_until("the lock", || {
        other.execute_batch("BEGIN IMMEDIATE").is_ok()
    });
    process.wait_for("another program holds its lock");
    other.execute_batch("ROLLBACK").unwrap();
    process.wait_for("the store answers again");
    process.wait().expect(0);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 20);
}
