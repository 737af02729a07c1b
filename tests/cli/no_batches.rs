//! Endpoints without Message Batches, through the binary: a gateway that forwards Messages alone.

use claude_run::simulator::{BatchSettings, SimulatorSettings};
use serde_json::Value;

use crate::harness::{Desk, plain_jobs};

/// In the API's shape, in a gateway's, as a page, and as a plain word.
const CASES: [(&str, &str); 8] = [
    ("404-path", "404"),
    ("404-gateway", "404"),
    ("404-html", "404"),
    ("405", "405"),
    ("405-gateway", "405"),
    ("403", "403"),
    ("403-challenge", "403"),
    ("501", "501"),
];

fn desk(case: &str) -> Desk {
    let desk = Desk::with(SimulatorSettings {
        batches: BatchSettings {
            script: Some(case.parse().unwrap()),
            ..BatchSettings::default()
        },
        ..SimulatorSettings::default()
    });
    desk.write("jobs.jsonl", plain_jobs(25));
    desk
}

fn assert_nothing_is_owed(desk: &Desk) {
    let report = desk.report();
    assert_eq!(report["attempts"]["maybe_billed"], 0, "{report}");
    assert_eq!(report["attempts"]["interrupted"], 0, "{report}");
}

#[test]
fn jobs_with_a_deadline_go_live_at_an_endpoint_without_batches() {
    for (case, status) in CASES {
        let desk = desk(case);
        let submit = [
            "submit",
            "jobs.jsonl",
            "--deadline",
            "30h",
            "--retry-scale",
            "0.001",
        ];
        desk.run(&submit).expect(0).says(&[
            "no batch can be created at this endpoint",
            status,
            "goes live, at the full price",
        ]);
        assert_nothing_is_owed(&desk);
        let live = |it: &Value| it["lane"] == "live" && it["outcome"] == "succeeded";
        let attempts = desk.attempts();
        assert_eq!(attempts.len(), 25, "{case}");
        assert!(attempts.iter().all(live), "{case}");
    }
}

#[test]
fn a_forced_batch_is_halted_with_the_way_on_and_lane_live_takes_it() {
    for (case, status) in CASES {
        let desk = desk(case);
        let submit = [
            "submit",
            "jobs.jsonl",
            "--lane",
            "batch",
            "--retry-scale",
            "0.001",
        ];
        let halted = desk.run(&submit).expect(4).says(&[
            "no batch can be created at this endpoint",
            status,
            "25 jobs",
            "--lane live",
        ]);
        assert!(!halted.stderr.contains("base URL"), "{}", halted.stderr);
        desk.run(&["submit", "jobs.jsonl", "--quiet"])
            .expect(4)
            .says(&["no batch can be created", "--lane live"]);
        desk.run(&["status", "latest"]).expect(0);
        assert_nothing_is_owed(&desk);
        desk.run(&["resume", "--lane", "live"]).expect(0);
        assert_nothing_is_owed(&desk);
        assert_eq!(desk.results().len(), 25, "{case}");
    }
}

/// The key is refused after the batch was filled, so it lies in the store unsent.
#[test]
fn lane_live_takes_a_batch_apart_that_was_not_sent() {
    let desk = desk("401, ok");
    desk.run(&["submit", "jobs.jsonl", "--lane", "batch"])
        .expect(4);
    assert_eq!(desk.only_run()["jobs"]["in_batch"], 25);
    desk.run(&["resume", "--lane", "live"]).expect(0);
    assert_nothing_is_owed(&desk);
    let attempts = desk.attempts();
    assert_eq!(attempts.len(), 25);
    assert!(attempts.iter().all(|it| it["lane"] == "live"));
}

#[test]
fn what_was_refused_a_batch_owes_nothing_when_it_is_cancelled() {
    let desk = desk("401");
    desk.run(&["submit", "jobs.jsonl", "--lane", "batch"])
        .expect(4);
    desk.run(&["cancel"]).expect(0);
    assert_nothing_is_owed(&desk);
    assert_eq!(desk.only_run()["jobs"]["canceled"], 25);
}
