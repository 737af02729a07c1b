//! `cancel --job`, `--class` and `--model`: some jobs end, and the others go on.

use std::time::Duration;

use claude_run::simulator::{BatchSettings, SimulatorSettings};
use serde_json::json;

use crate::harness::{Desk, MODEL, jobs, plain_jobs};

/// Overloaded once, and to be tried again in five minutes.
const WAITS: &str = "b [[sim: 529 retry-after=300, ok]]";

fn counts(desk: &Desk) -> (u64, u64, u64) {
    let jobs = desk.only_run()["jobs"].clone();
    let n = |key: &str| jobs[key].as_u64().unwrap();
    (n("succeeded"), n("canceled"), n("pending"))
}

#[test]
fn jobs_that_are_named_are_taken_out_and_the_others_go_on() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(6));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    desk.run(&["cancel", "--job", "job-2", "--job", "job-5"])
        .expect(0)
        .says(&["2 jobs", "the others go on"]);
    assert_eq!(counts(&desk), (0, 2, 4));
    assert_eq!(desk.only_run()["state"], "ready");
    desk.run(&["resume"]).expect(3);
    assert_eq!(counts(&desk), (4, 2, 0));
    assert_eq!(desk.results()[1]["result"], json!({"type": "canceled"}));
    desk.run(&["retry", "--class", "canceled"]).expect(0);
    desk.run(&["resume"]).expect(0);
    assert_eq!(counts(&desk), (6, 0, 0));
}

#[test]
fn jobs_that_wait_after_a_failure_are_taken_out_by_its_class() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["a", WAITS, "c"]));
    let mut running = desk.spawn(&["submit", "jobs.jsonl"]);
    desk.wait_for_requests(3);
    crate::harness::wait_until("job 2 waits", || counts(&desk) == (2, 0, 1));
    running.signal(rustix::process::Signal::INT);
    running.wait().expect(130);
    desk.run(&["cancel", "--class", "overloaded"])
        .expect(0)
        .says(&["1 job "]);
    assert_eq!(counts(&desk), (2, 1, 0));
    assert_eq!(desk.only_run()["state"], "ended");
    desk.run(&["verify"]).expect(0);
}

#[test]
fn jobs_of_one_model_are_taken_out() {
    let desk = Desk::new();
    let other = json!({"custom_id": "o", "prompt": "x", "model": "claude-opus-5"});
    desk.write("jobs.jsonl", format!("{}{other}\n", plain_jobs(3)));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    desk.run(&["cancel", "--model", MODEL]).expect(0);
    desk.run(&["resume"]).expect(3);
    assert_eq!(counts(&desk), (1, 3, 0));
}

#[test]
fn the_last_jobs_taken_out_end_the_run() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    desk.run(&["cancel", "--job", "job-1"]).expect(0);
    assert_eq!(desk.only_run()["state"], "ended");
}

#[test]
fn what_cannot_be_taken_out_is_said_with_the_reason() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(3));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    for (args, why) in [
        (["--job", "job-9"], "no job of it has this"),
        (["--class", "overloaded"], "no job of it has this"),
        (["--model", "claude-none"], "no job of it has this"),
    ] {
        desk.run(&["cancel", args[0], args[1]])
            .expect(2)
            .says(&["nothing to cancel", why]);
    }
    desk.run(&["cancel", "--job", "job-1", "--model", "claude-none"])
        .expect(2);
    desk.run(&["resume"]).expect(0);
    desk.run(&["cancel", "--job", "job-1"])
        .expect(2)
        .says(&["it has ended"]);
    desk.run(&["cancel", "--class", "no-such-class"]).expect(2);
}

#[test]
fn jobs_are_taken_out_beside_a_dispatcher_but_not_off_the_wire() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["slow [[sim: ok delay=4s]]", WAITS]));
    let mut running = desk.spawn(&["submit", "jobs.jsonl"]);
    desk.wait_for_requests(2);
    crate::harness::wait_until("job 2 waits", || {
        desk.run(&["cancel", "--job", "job-2"]).code == Some(0)
    });
    desk.run(&["cancel", "--job", "job-1"])
        .expect(2)
        .says(&["in flight"]);
    running.wait().expect(3);
    assert_eq!(counts(&desk), (1, 1, 0));
    desk.run(&["verify"]).expect(0);
}

#[test]
fn jobs_are_taken_out_of_a_batch_that_was_not_sent() {
    let desk = Desk::with(SimulatorSettings {
        batches: BatchSettings {
            script: Some("401, ok".parse().unwrap()),
            ..BatchSettings::default()
        },
        ..SimulatorSettings::default()
    });
    desk.write("jobs.jsonl", plain_jobs(5));
    desk.run(&["submit", "jobs.jsonl", "--lane", "batch"])
        .expect(4);
    assert_eq!(desk.only_run()["jobs"]["in_batch"], 5);
    desk.run(&["cancel", "--job", "job-3"]).expect(0);
    assert_eq!(counts(&desk), (0, 1, 4));
    assert_eq!(desk.only_run()["state"], "halted");
    desk.run(&["resume"]).expect(3);
    assert_eq!(counts(&desk), (4, 1, 0));
    assert_eq!(desk.report()["attempts"]["maybe_billed"], 0);
    desk.run(&["verify"]).expect(0);
}

#[test]
fn what_is_in_a_batch_at_the_api_stays_there() {
    let desk = Desk::with(SimulatorSettings {
        batches: BatchSettings {
            takes: Duration::from_hours(1),
            ..BatchSettings::default()
        },
        ..SimulatorSettings::default()
    });
    desk.write("jobs.jsonl", plain_jobs(5));
    desk.run(&["submit", "jobs.jsonl", "--lane", "batch", "--no-wait"])
        .expect(0);
    desk.run(&["cancel", "--job", "job-3"])
        .expect(2)
        .says(&["in a batch at the API"]);
    assert_eq!(desk.only_run()["jobs"]["in_batch"], 5);
}
