//! Files that are to be written.

use std::fs;

use super::Told;
use crate::harness::{Desk, plain_jobs};

#[test]
fn a_target_that_cannot_be_written_is_told() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    fs::create_dir(desk.path("folder")).unwrap();
    let mut told = Told::at(&desk);
    for (target, code) in [
        ("no/such/out.jsonl", 1),
        ("folder", 1),
        ("jobs.jsonl/out.jsonl", 1),
        ("/dev/full", 1),
        ("", 2),
    ] {
        told.run(&desk, &["export", "-o", target], code);
    }
    let submit = ["submit", "jobs.jsonl", "--new-run", "--quiet"];
    for flag in [
        "--events=no/such/events.jsonl",
        "--events=folder",
        "--ca-bundle=missing.pem",
        "--ca-bundle=jobs.jsonl",
        "--ca-bundle=folder",
    ] {
        told.run(&desk, &[&submit[..], &[flag]].concat(), 2);
    }
    insta::assert_snapshot!(told.text());
}

#[test]
fn neither_the_store_nor_the_input_is_ever_written_over() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(2));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    std::os::unix::fs::symlink("claude-run.db", desk.path("link.jsonl")).unwrap();
    let before = desk.read("jobs.jsonl");
    let mut told = Told::at(&desk);
    for args in [
        &["export", "-o", "claude-run.db"][..],
        &["export", "-o", "./link.jsonl"],
        &["export", "-o", "jobs.jsonl", "--format", "csv"],
        &[
            "submit",
            "jobs.jsonl",
            "--new-run",
            "--events",
            "claude-run.db",
        ],
        &[
            "submit",
            "jobs.jsonl",
            "--new-run",
            "--events",
            "jobs.jsonl",
        ],
        &["retry", "--store", "jobs.jsonl"],
    ] {
        let code = if args[0] == "retry" { 1 } else { 2 };
        told.run(&desk, args, code);
    }
    // The findings come first, on standard output.
    let bundle = desk.run(&["doctor", "--bundle", "claude-run.db"]).expect(2);
    bundle.clear_error().says(&["claude-run.db", "--bundle"]);
    assert_eq!(desk.read("jobs.jsonl"), before);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 2);
    desk.run(&["verify"]).expect(0);
    insta::assert_snapshot!(told.text());
}
