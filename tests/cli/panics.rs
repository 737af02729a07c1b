//! Bugs of our own: what a panic may cost, wherever it strikes. The failpoints panic as a bug would.

use serde_json::json;

use crate::harness::{Desk, plain_jobs};

/// Runs a command whose failpoint panics.
fn panicking(desk: &Desk, args: &[&str], failpoint: &str) -> crate::harness::Output {
    let mut command = desk.command(args);
    command.env("FAILPOINTS", failpoint);
    crate::harness::Output::of(args, &command.output().unwrap())
}

#[test]
fn a_panic_in_the_task_of_a_request_counts_as_an_attempt() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(2));
    let args = ["submit", "jobs.jsonl", "--retry-scale", "0"];
    let ended = panicking(&desk, &args, "request-after-answer=panic");
    ended
        .expect(3)
        .says(&["a bug of its own", "2 failed", "interrupted"]);
    assert_eq!(
        desk.simulator.stats().requests,
        16,
        "eight attempts for each"
    );
    for attempt in desk.attempts() {
        assert_eq!(attempt["outcome"], "interrupted");
        assert_eq!(attempt["error_class"], "interrupted");
        assert_eq!(attempt["maybe_billed"], true);
    }
}

#[test]
fn a_panic_that_passes_costs_one_attempt() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(5));
    let args = ["submit", "jobs.jsonl", "--retry-scale", "0"];
    panicking(&desk, &args, "request-after-answer=2*panic->off").expect(0);
    assert_eq!(desk.simulator.stats().requests, 7);
    assert_eq!(desk.report()["attempts"]["interrupted"], 2);
}

/// The thread that owns the write connection dies with what it had in hand.
#[test]
fn a_panic_of_the_stores_writer_keeps_the_answers_that_had_come() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(10));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    // The transactions before the first answers: taking the run up, and claiming.
    for passes in 2..8 {
        let failpoint = format!("store-before-commit={passes}*off->panic");
        let resume = ["resume", "--concurrency", "10"];
        panicking(&desk, &resume, &failpoint)
            .expect(1)
            .clear_error();
    }
    let paid = desk.simulator.stats().requests;
    desk.run(&["resume"]).expect(0);
    let report = desk.report();
    assert_eq!(report["jobs"]["succeeded"], 10);
    let interrupted = report["attempts"]["interrupted"].as_u64().unwrap();
    let sent = desk.simulator.stats().requests;
    assert_eq!(
        sent,
        10 + interrupted,
        "{paid} before; no answer that came is bought again"
    );
    assert_eq!(desk.run(&["verify"]).expect(0).code, Some(0));
}

/// On its way to the writer: the answers go into the spool.
#[test]
fn a_panic_while_answers_are_recorded_keeps_them() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(10));
    panicking(&desk, &["submit", "jobs.jsonl"], "store-finish=panic")
        .expect(1)
        .clear_error();
    let paid = desk.simulator.stats().requests;
    assert!(paid > 0);
    desk.run(&["resume"]).expect(0);
    assert_eq!(desk.simulator.stats().requests, 10);
    assert_eq!(desk.report()["attempts"]["interrupted"], 0);
}

#[test]
fn a_panic_of_a_batchs_task_ends_the_dispatch_and_buys_nothing_twice() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(4));
    let lane = ["submit", "jobs.jsonl", "--lane", "batch"];
    for failpoint in [
        "batch-before-create=panic",
        "batch-after-create=panic",
        "harvest-between-pages=panic",
    ] {
        let args: &[&str] = if desk.path("claude-run.db").exists() {
            &["resume", "--retry-scale", "0"]
        } else {
            &[&lane[..], &["--retry-scale", "0"]].concat()
        };
        panicking(&desk, args, failpoint).expect(1).clear_error();
    }
    desk.run(&["resume", "--retry-scale", "0"]).expect(0);
    assert_eq!(desk.report()["jobs"]["succeeded"], json!(4));
    let bought = desk.simulator.stats().batch_items;
    assert_eq!(bought["succeeded"], 4, "{bought:?}");
}
