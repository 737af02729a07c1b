//! The classes of failures add up to the failed jobs, wherever both are shown.

use serde_json::Value;

use crate::harness::{Desk, jobs};

const QUICK: [&str; 4] = ["--retry-scale", "0.001", "--max-attempts", "2"];

fn assert_add_up(desk: &Desk, summary: &str) {
    let report = desk.report();
    let by_class = report["attempts"]["failed_by_class"].as_object().unwrap();
    let sum: u64 = by_class.values().filter_map(Value::as_u64).sum();
    assert_eq!(report["jobs"]["failed"], sum, "{report}");
    for (class, n) in by_class {
        assert!(
            summary.contains(&format!("    {n} {class}: ")),
            "{class}: {summary}"
        );
    }
    let exported = desk.results();
    let failed = |line: &&Value| line["result"]["type"] == "errored";
    assert_eq!(exported.iter().filter(failed).count() as u64, sum);
    for line in exported.iter().filter(failed) {
        let class = line["run"]["error_class"].as_str().unwrap();
        assert!(by_class.contains_key(class), "{class}");
    }
}

#[test]
fn classes_of_failures_add_up_to_the_failed_and_marks_stand_apart() {
    let cases = [
        "400",
        "400",
        "529*9",
        "refusal",
        "prompt-too-long",
        "reset*9",
        "max-tokens-stop",
        "ok",
        "422",
        "content-filter",
        "unknown-stop",
    ];
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs(cases.map(|case| format!("[[sim: {case}]]"))),
    );
    let summary = desk
        .run(&[&["submit", "jobs.jsonl"], &QUICK[..]].concat())
        .expect(3)
        .stderr;
    assert_add_up(&desk, &summary);
    assert!(
        summary.contains("1 of the succeeded truncated: "),
        "{summary}"
    );
    let failed: u64 = desk.only_run()["jobs"]["failed"].as_u64().unwrap();
    assert_eq!(failed, 8);
}

#[test]
fn so_do_those_of_batches_where_requests_expire_and_are_cancelled() {
    let cases = [
        "item-expired*2, ok",
        "400",
        "529*9",
        "ok",
        "item-canceled",
        "refusal",
    ];
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs(cases.map(|case| format!("[[sim: {case}]]"))),
    );
    let lane = ["submit", "jobs.jsonl", "--lane", "batch"];
    let summary = desk.run(&[&lane, &QUICK[..]].concat()).expect(3).stderr;
    assert_add_up(&desk, &summary);
}
