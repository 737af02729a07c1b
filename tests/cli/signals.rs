//! Ctrl-C, SIGTERM and kill -9.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Desk, jobs, plain_jobs, stuck_jobs, wait_until};

fn count(desk: &Desk, outcome: &Value) -> usize {
    let attempts = desk.attempts();
    attempts
        .iter()
        .filter(|attempt| attempt["outcome"] == *outcome)
        .count()
}

#[test]
fn the_first_signal_drains_and_resume_completes() {
    for signal in [Signal::INT, Signal::TERM] {
        let desk = Desk::new();
        let prompts = (0..30).map(|n| format!("{n} [[sim: ok delay=700ms]]"));
        desk.write("jobs.jsonl", jobs(prompts));
        let mut process = desk.spawn(&["submit", "jobs.jsonl", "--concurrency", "3"]);
        desk.wait_for_open(3);
        process.signal(signal);
        let ended = process.wait().expect(130);
        assert_eq!(ended.stdout, "");
        ended.says(&["claude-run resume"]);
        let sent = desk.simulator.stats().requests;
        assert!(sent < 30);
        let run = desk.only_run();
        assert_eq!(run["jobs"]["in_flight"], 0);
        assert_eq!(run["jobs"]["succeeded"], sent, "what was in flight is kept");
        assert_eq!(count(&desk, &json!("succeeded")) as u64, sent);
        assert_eq!(count(&desk, &json!(null)), 0);
        desk.run(&["resume", "--concurrency", "30"]).expect(0);
        assert_eq!(desk.simulator.stats().requests, 30, "nothing is sent twice");
        assert_eq!(desk.report()["attempts"]["interrupted"], 0);
    }
}

#[test]
fn the_second_signal_leaves_at_once() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", stuck_jobs(4));
    let mut process = desk.spawn(&["submit", "jobs.jsonl"]);
    desk.wait_for_open(4);
    process.signal(Signal::INT);
    process.wait_for("stopping");
    assert!(!process.has_ended());
    let began = Instant::now();
    process.signal(Signal::INT);
    process.wait().expect(130);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    desk.run(&["resume"]).expect(0);
    assert_eq!(count(&desk, &json!("interrupted")), 4);
    assert_eq!(count(&desk, &json!("succeeded")), 4);
    assert_eq!(desk.report()["attempts"]["maybe_billed"], 4);
}

#[test]
fn the_grace_ends_the_wait_for_what_is_in_flight() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", stuck_jobs(2));
    let mut process = desk.spawn(&["submit", "jobs.jsonl", "--grace", "300ms"]);
    desk.wait_for_open(2);
    process.signal(Signal::TERM);
    process.wait().expect(130);
    assert_eq!(desk.only_run()["jobs"]["in_flight"], 0);
    assert_eq!(count(&desk, &json!("interrupted")), 2);
    desk.run(&["resume"]).expect(0);
}

#[test]
fn a_signal_ends_the_wait_for_a_retry() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: 429 retry-after=600, ok]]"]));
    let mut process = desk.spawn(&["submit", "jobs.jsonl"]);
    wait_until("the job to wait", || {
        desk.simulator.stats().requests == 1 && desk.only_run()["jobs"]["pending"] == 1
    });
    process.signal(Signal::INT);
    process.wait().expect(130);
}

#[test]
fn a_resume_of_several_runs_stops_at_the_first_signal() {
    let desk = Desk::new();
    desk.write("one.jsonl", jobs(["[[sim: ok delay=1s]]"]));
    desk.write("two.jsonl", plain_jobs(2));
    for file in ["one.jsonl", "two.jsonl"] {
        desk.run(&["submit", file, "--no-run"]).expect(0);
    }
    let mut process = desk.spawn(&["resume"]);
    desk.wait_for_open(1);
    process.signal(Signal::INT);
    // The one job in flight ends its run, but what the user asked for is not done.
    process.wait().expect(130);
    assert_eq!(desk.simulator.stats().requests, 1);
    assert_eq!(desk.status()[1]["jobs"]["pending"], 2);
}

#[test]
fn after_kill_9_resume_starts_at_once_and_owns_up_to_what_was_open() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", stuck_jobs(5) + &plain_jobs_after(5, 5));
    let process = desk.spawn(&["submit", "jobs.jsonl"]);
    wait_until("five to end and five to be open", || {
        desk.simulator.stats().requests == 10 && desk.only_run()["jobs"]["succeeded"] == 5
    });
    process.kill();
    assert_eq!(desk.only_run()["state"], "interrupted");
    assert_eq!(desk.results().len(), 5);
    let began = Instant::now();
    desk.run(&["resume"]).expect(0);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(desk.simulator.stats().requests, 15);
    let report = desk.report();
    assert_eq!(report["attempts"]["interrupted"], 5);
    assert_eq!(report["attempts"]["maybe_billed"], 5);
    assert_eq!(report["jobs"]["succeeded"], 10);
    let interrupted: Vec<_> = desk
        .attempts()
        .into_iter()
        .filter(|attempt| attempt["outcome"] == "interrupted")
        .collect();
    assert_eq!(interrupted.len(), 5);
    for attempt in interrupted {
        assert_eq!(attempt["error_class"], "interrupted");
        assert_eq!(attempt["n"], 1);
        assert_eq!(attempt["maybe_billed"], true);
        assert!(attempt["ended_at"].is_string());
    }
}

/// Plain jobs whose names begin after those of `before` others.
fn plain_jobs_after(before: usize, count: usize) -> String {
    let lines = (before + 1..=before + count).map(|n| {
        let line = json!({"custom_id": format!("job-{n}"), "model": crate::harness::MODEL, "prompt": format!("Say {n}.")});
        line.to_string() + "\n"
    });
    lines.collect()
}

#[test]
fn a_signal_during_a_load_stores_nothing() {
    let desk = Desk::new();
    for flags in [&[][..], &["--no-run"]] {
        let mut command = desk.command(&[&["submit", "-"], flags].concat());
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, plain_jobs(5_000).as_bytes()).unwrap();
        wait_until("the load to begin", || {
            let loads = crate::harness::files_in(&desk.path(""));
            loads.iter().any(|(name, _)| name.contains(".load-"))
        });
        let pid = i32::try_from(child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        // The lock stands an instant before somebody listens for signals.
        let mut status = None;
        wait_until("the end", || {
            let _ = rustix::process::kill_process(pid, Signal::INT);
            status = child.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        drop(input);
        // Before that instant the signal ends it as it ends any program: nothing is stored either.
        assert!(matches!(status.code(), Some(130) | None), "{status:?}");
        desk.assert_no_run();
    }
}

#[test]
fn kill_9_during_a_load_leaves_no_run() {
    let desk = Desk::new();
    let mut command = desk.command(&["submit", "-", "--no-run"]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, plain_jobs(5_000).as_bytes()).unwrap();
    wait_until("the load to begin", || {
        desk.path("claude-run.db-wal").exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    desk.assert_no_run();
    desk.write("jobs.jsonl", plain_jobs(2));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    assert_eq!(desk.only_run()["jobs"]["total"], 2);
}
