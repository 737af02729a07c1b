//! A process that is stopped (Ctrl-Z, `kill -STOP`) for longer than its timeouts, and goes on.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Desk, Process, jobs, wait_until};

/// Longer than every timeout here.
const LONG: Duration = Duration::from_millis(2_500);

/// Stops the process until every answer has been sent, and for longer than its timeouts.
fn stop_until_answered(desk: &Desk, process: &Process) {
    process.signal(Signal::STOP);
    wait_until("the answers to be sent", || {
        desk.simulator.stats().open == 0
    });
    // How long the process stands still is what this is about.
    std::thread::park_timeout(LONG);
    process.signal(Signal::CONT);
}

fn slow(count: usize) -> String {
    jobs((0..count).map(|n| format!("{n} [[sim: ok delay=700ms]]")))
}

#[test]
fn answers_that_came_during_a_stop_are_kept() {
    for flags in [
        &["--timeout", "1s", "--stream", "never"][..],
        &["--timeout", "1s", "--stream", "always"],
    ] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", slow(8));
        let mut process = desk.spawn(&[&["submit", "jobs.jsonl"], flags].concat());
        desk.wait_for_open(8);
        stop_until_answered(&desk, &process);
        let ended = process.wait().expect(0);
        assert_eq!(desk.simulator.stats().requests, 8, "{ended}");
        assert_eq!(desk.report()["attempts"]["by_class"], serde_json::json!({}));
        ended.says(&["warning: claude-run stood still for "]);
    }
}

#[test]
fn a_stop_during_the_grace_throws_no_answer_away() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", slow(8) + "\n");
    let mut process = desk.spawn(&[
        "submit",
        "jobs.jsonl",
        "--grace",
        "2s",
        "--concurrency",
        "4",
    ]);
    desk.wait_for_open(4);
    process.signal(Signal::INT);
    process.wait_for("stopping");
    stop_until_answered(&desk, &process);
    process.wait().expect(130);
    let report = desk.report();
    assert_eq!(report["jobs"]["succeeded"], 4);
    assert_eq!(report["attempts"]["interrupted"], 0);
}

/// The looks at a batch and the download of its results have timeouts too.
#[test]
fn a_stop_costs_a_batch_nothing() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", slow(3));
    let flags = [
        "--lane",
        "batch",
        "--timeout",
        "1s",
        "--retry-scale",
        "0.01",
    ];
    let mut process = desk.spawn(&[&["submit", "jobs.jsonl"][..], &flags].concat());
    wait_until("a batch", || desk.simulator.stats().batches_created == 1);
    process.signal(Signal::STOP);
    std::thread::park_timeout(LONG);
    process.signal(Signal::CONT);
    process.wait().expect(0);
    assert_eq!(desk.report()["attempts"]["by_class"], serde_json::json!({}));
    assert_eq!(desk.simulator.stats().batches_created, 1);
}
