//! Commands and flags.

use super::Told;
use crate::harness::{Desk, plain_jobs};

/// Flags of `submit` with values that they do not take.
const VALUES: [&str; 50] = [
    "--timeout=soon",
    "--timeout=5",
    "--timeout=0s",
    "--timeout=-1s",
    "--grace=",
    "--stagger=1,5s",
    "--give-up-after=10parsecs",
    "--concurrency=0",
    "--concurrency=many",
    "--concurrency=1.5",
    "--concurrency=100000",
    "--rpm=0",
    "--itpm=-1",
    "--otpm=fast",
    "--max-attempts=0",
    "--retry-scale=-1",
    "--retry-scale=nan",
    "--retry-scale=fast",
    "--budget-usd=0",
    "--budget-usd=ten",
    "--budget-usd=$5",
    "--budget-usd=1,5",
    "--budget-usd=0.00000000000001",
    "--lane=fast",
    "--deadline=soon",
    "--deadline=2020-01-01T00:00:00Z",
    "--only-between=night",
    "--only-between=22:00-06:00",
    "--only-between=25:00-06:00@UTC",
    "--only-between=22:00-22:00@UTC",
    "--only-between=22:00-06:00@Europe/Atlantis",
    "--batch-size=0",
    "--batch-size=100001",
    "--stream=maybe",
    "--on-halt=stay",
    "--on-truncated=x",
    "--cache-warm=on",
    "--fallback-model=a b",
    "--model=",
    "--model=claude haiku",
    "--max-tokens=0",
    "--temperature=hot",
    "--temperature=-1",
    "--name=",
    "--name=latest",
    "--color=red",
    "--seed=x",
    "--seed=-1",
    "--conncurrency=3",
    "--config=missing.toml",
];

#[test]
fn a_bad_value_is_told_with_its_flag() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    let mut told = Told::at(&desk);
    for flag in VALUES {
        told.run(&desk, &["submit", "jobs.jsonl", "--no-run", flag], 2);
    }
    desk.assert_no_run();
    insta::assert_snapshot!(told.text());
}

#[test]
fn a_bad_address_is_told_without_being_repeated() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    let mut told = Told::at(&desk);
    for url in [
        "",
        "api.example.com",
        "localhost:8080",
        "ftp://host",
        "file:///etc/hosts",
        "https://",
        "https://[::1",
        "https://host:99999",
        "https://a b",
        "https://me@host",
        "https://host/?key=1",
    ] {
        told.run(&desk, &["submit", "jobs.jsonl", "--base-url", url], 2);
    }
    desk.assert_no_run();
    insta::assert_snapshot!(told.text());
}

#[test]
fn what_does_not_go_together_is_told() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    let mut told = Told::at(&desk);
    for args in [
        &["sumbit", "jobs.jsonl"][..],
        &["submit"],
        &["submit", "jobs.jsonl", "more.jsonl"],
        &["submit", "jobs.jsonl", "--model"],
        &["submit", "jobs.jsonl", "--quiet", "-v"],
        &[
            "submit",
            "jobs.jsonl",
            "--simulate",
            "--base-url",
            "http://127.0.0.1:9",
        ],
        &["status", "--store="],
        &["report", "--json", "--format", "text"],
        &["report", "--all", "latest"],
        &["report", "--by", "day"],
        &["report", "--format", "xml"],
        &["check", "jobs.jsonl", "--sample", "5"],
        &["export"],
        &["export", "-o", "x", "--only", "good"],
        &["retry", "--class", "overload"],
        &["completions", "tcsh"],
        &["explain"],
        &["simulate", "--port", "99999"],
        &["simulate", "--rpm", "x"],
        &["simulate", "--batch-clock", "0"],
        &["simulate", "--batch-stall", "2"],
        &["simulate", "--batch-queue", "-"],
        &["simulate", "--batch-script", "nope"],
        &["simulate", "--fault", "529"],
        &["simulate", "--fault", "529=2"],
        &["simulate", "--fault", "nope=0.1"],
    ] {
        told.run(&desk, args, 2);
    }
    insta::assert_snapshot!(told.text());
}

#[test]
fn a_run_that_is_not_there_is_told() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    let mut told = Told::at(&desk);
    let no_store = [
        "status", "resume", "attempts", "report", "retry", "cancel", "verify", "batches",
    ];
    for command in no_store {
        told.run(&desk, &[command], 2);
    }
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    desk.run(&["submit", "jobs.jsonl", "--no-run", "--new-run"])
        .expect(0);
    for args in [
        &["status", "nope"][..],
        &["resume", "nope"],
        &["export", "nope", "-o", "x"],
        &["cancel", ""],
        &["batches", "adopt", "msgbatch_x"],
        &["batches", "forget", "msgbatch_x"],
    ] {
        told.run(&desk, args, 2);
    }
    insta::assert_snapshot!(told.text());
}
