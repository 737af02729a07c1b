//! Two processes at one store: one dispatches, the other looks, stores, cancels or retries.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Desk, Process, jobs, plain_jobs, stuck_jobs, wait_until};

/// A desk where a process waits for the answers of `count` jobs, and that process.
fn at_work(count: usize) -> (Desk, Process) {
    let desk = Desk::new();
    desk.write("slow.jsonl", stuck_jobs(count));
    let process = desk.spawn(&["submit", "slow.jsonl", "--name", "slow"]);
    desk.wait_for_open(count);
    (desk, process)
}

#[test]
fn a_second_submit_stores_says_who_is_at_work_and_exits_4() {
    let (desk, process) = at_work(1);
    desk.write("other.jsonl", plain_jobs(3));
    let second = desk.run(&["submit", "other.jsonl", "--name", "other"]);
    let pid = process.pid().to_string();
    second
        .expect(4)
        .says(&["stored", &pid, "resume"])
        .clear_error();
    let runs = desk.status();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[1]["name"], "other");
    assert_eq!(runs[1]["jobs"]["pending"], 3);
    assert_eq!(desk.simulator.stats().requests, 1);
    process.kill();
    desk.run(&["resume", "other"]).expect(0);
}

#[test]
fn a_second_submit_of_what_is_being_run_does_not_claim_that_nobody_runs_it() {
    let (desk, process) = at_work(1);
    let pid = process.pid().to_string();
    let second = desk.run(&["submit", "slow.jsonl"]).expect(4);
    assert!(!second.stderr.contains("not started"), "{second}");
    let id = desk.only_run()["run_id"].as_str().unwrap().to_owned();
    second.clear_error().says(&["stored", &pid, &id]);
    assert_eq!(desk.simulator.stats().requests, 1);
}

#[test]
fn a_second_resume_exits_4_within_a_second() {
    let (desk, process) = at_work(1);
    let pid = process.pid().to_string();
    // A crowded machine may take a second for anything: the best of a few tries tells.
    let times = (0..5).map(|_| {
        let began = Instant::now();
        let resume = desk.run(&["resume"]).expect(4);
        resume.clear_error().says(&[&pid]);
        began.elapsed()
    });
    let best = times.min().unwrap();
    assert!(best < Duration::from_secs(1), "{best:?}");
    assert_eq!(desk.simulator.stats().requests, 1);
}

#[test]
fn onlookers_work_while_a_run_is_dispatched() {
    let (desk, mut process) = at_work(2);
    assert_eq!(desk.only_run()["state"], "running");
    assert_eq!(desk.only_run()["jobs"]["in_flight"], 2);
    let attempts = desk.attempts();
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        assert_eq!(attempt["outcome"], json!(null));
        assert_eq!(attempt["ended_at"], json!(null));
    }
    assert_eq!(desk.results().len(), 0);
    assert_eq!(desk.report()["jobs"]["in_flight"], 2);
    for args in [
        &["status"][..],
        &["status", "slow"],
        &["attempts"],
        &["report"],
        &["export", "-o", "out.csv", "--format", "csv"],
    ] {
        desk.run(args).expect(0);
    }
    desk.write("other.jsonl", plain_jobs(2_500));
    desk.run(&["submit", "other.jsonl", "--no-run"]).expect(0);
    assert_eq!(desk.status()[1]["jobs"]["pending"], 2_500);
    assert!(!process.has_ended());
}

#[test]
fn a_run_stored_meanwhile_is_taken_up_by_a_resume_of_all() {
    let desk = Desk::new();
    desk.write("one.jsonl", jobs(["[[sim: ok delay=3s]]"]));
    desk.write("two.jsonl", plain_jobs(2));
    desk.run(&["submit", "one.jsonl", "--no-run"]).expect(0);
    let mut process = desk.spawn(&["resume"]);
    desk.wait_for_open(1);
    desk.run(&["submit", "two.jsonl", "--no-run"]).expect(0);
    process.wait().expect(0);
    assert_eq!(desk.simulator.stats().requests, 3);
}

#[test]
fn cancel_from_outside_ends_the_run() {
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs((0..20).map(|n| format!("{n} [[sim: ok delay=1s]]"))),
    );
    let mut process = desk.spawn(&["submit", "jobs.jsonl", "--concurrency", "2"]);
    desk.wait_for_open(2);
    let began = Instant::now();
    desk.run(&["cancel"]).expect(0);
    process.wait().expect(3);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    let run = desk.only_run();
    assert_eq!(run["state"], "ended");
    let ends = |state: &str| run["jobs"][state].as_u64().unwrap();
    assert_eq!(ends("succeeded") + ends("canceled"), 20);
    assert!(ends("canceled") > 10, "{run}");
    assert_eq!(ends("succeeded"), desk.simulator.stats().requests);
}

#[test]
fn cancel_from_outside_does_not_wait_for_a_retry_that_is_far_away() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: 429 retry-after=600]]"]));
    let mut process = desk.spawn(&["submit", "jobs.jsonl"]);
    wait_until("the job to wait", || {
        desk.simulator.stats().by_status.contains_key(&429)
            && desk.only_run()["jobs"]["pending"] == 1
    });
    desk.run(&["cancel"]).expect(0);
    process.wait().expect(3);
    assert_eq!(desk.only_run()["jobs"]["canceled"], 1);
}

#[test]
fn retry_from_outside_is_taken_up_by_the_dispatcher() {
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs(["[[sim: ok delay=6s]]", "[[sim: 400, ok]]"]),
    );
    let mut process = desk.spawn(&["submit", "jobs.jsonl"]);
    wait_until("the job to fail", || {
        desk.simulator.stats().requests == 2 && desk.only_run()["jobs"]["failed"] == 1
    });
    desk.run(&["retry", "--job", "job-2"]).expect(0);
    desk.wait_for_requests(3);
    process.wait().expect(0);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 2);
}

#[test]
fn an_export_during_the_run_holds_what_has_ended() {
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs(["one", "[[sim: ok delay=60s]]", "three"]),
    );
    let process = desk.spawn(&["submit", "jobs.jsonl"]);
    wait_until("two jobs to end", || {
        desk.simulator.stats().requests == 3 && desk.only_run()["jobs"]["succeeded"] == 2
    });
    let results = desk.results();
    let ids: Vec<_> = results.iter().map(|line| &line["custom_id"]).collect();
    assert_eq!(ids, ["job-1", "job-3"]);
    drop(process);
}

#[test]
fn several_processes_store_at_once() {
    let desk = Desk::new();
    let mut loads: Vec<Process> = (0..4)
        .map(|n| {
            let file = format!("{n}.jsonl");
            desk.write(&file, plain_jobs(1_500 + n));
            desk.spawn(&["submit", &file, "--no-run"])
        })
        .collect();
    for load in &mut loads {
        load.wait().expect(0);
    }
    let mut totals: Vec<_> = desk
        .status()
        .iter()
        .map(|run| run["jobs"]["pending"].as_u64().unwrap())
        .collect();
    totals.sort_unstable();
    assert_eq!(totals, [1_500, 1_501, 1_502, 1_503]);
}
