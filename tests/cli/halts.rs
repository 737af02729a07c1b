//! Answers that no job can get past, through the binary: one job's word ends no run, and what all get
//! fails nobody.

use crate::harness::{Desk, jobs};

const QUICK: [&str; 2] = ["--retry-scale", "0.02"];

fn submit(desk: &Desk, code: i32) {
    desk.run(&[&["submit", "jobs.jsonl"][..], &QUICK].concat())
        .expect(code);
}

/// Forty jobs, of which the eleventh is answered by that script.
fn one_of_forty(script: &str) -> String {
    jobs((0..40).map(|n| match n {
        10 => format!("{n} [[sim: {script}]]"),
        _ => n.to_string(),
    }))
}

#[test]
fn one_job_that_is_refused_for_ever_fails_alone_with_exit_code_3() {
    for (case, class) in [
        ("403", "permission"),
        ("404-html", "wrong_endpoint"),
        ("302", "wrong_endpoint"),
        ("401", "authentication"),
        ("400-page", "bad_gateway"),
    ] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", one_of_forty(case));
        // Others are left that can tell whether it is the key.
        let two = ["--concurrency", "2"];
        desk.run(&[&["submit", "jobs.jsonl"][..], &QUICK, &two].concat())
            .expect(3);
        let run = desk.only_run();
        assert_eq!(run["jobs"]["succeeded"], 39, "{case}: {run}");
        let failed = desk.results().into_iter();
        let failed: Vec<_> = failed
            .filter(|line| line["result"]["type"] == "errored")
            .collect();
        assert_eq!(failed.len(), 1, "{case}");
        assert_eq!(failed[0]["run"]["error_class"], class, "{case}");
    }
}

#[test]
fn one_passing_refusal_in_the_middle_of_a_run_ends_nothing() {
    for case in [
        "401",
        "403",
        "404-html",
        "400-credit",
        "400-gateway",
        "429-quota",
    ] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", one_of_forty(&format!("{case}, ok")));
        submit(&desk, 0);
        assert_eq!(desk.only_run()["jobs"]["succeeded"], 40, "{case}");
    }
}

#[test]
fn words_of_the_prompt_halt_nothing() {
    let desk = Desk::new();
    let quoting = "What does \"Your credit balance is too low\" mean? [[sim: 400-credit]]";
    let other = (0..9).map(|n| n.to_string());
    desk.write("jobs.jsonl", jobs(other.chain([quoting.to_owned()])));
    submit(&desk, 3);
    let run = desk.only_run();
    assert_eq!(run["jobs"]["succeeded"], 9, "{run}");
    let failed = desk.results().pop().unwrap();
    assert_eq!(failed["run"]["error_class"], "invalid_request", "{failed}");
}

#[test]
fn what_every_job_gets_halts_the_run_with_what_was_seen_and_fails_nobody() {
    for (case, class, words) in [
        ("400-page", "wrong_endpoint", "sent to HTTPS port"),
        ("400-gateway", "wrong_endpoint", "No API key found"),
        ("400-budget", "spend_limit", "Budget has been exceeded"),
        ("429-quota", "spend_limit", "exceeded your current quota"),
        ("extra-usage", "spend_limit", "claude.ai"),
        ("litellm-budget", "spend_limit", "your gateway"),
        ("litellm-credit", "billing", "credit balance is too low"),
        ("litellm-denied", "permission", "bedrock:InvokeModel"),
        ("aws-denied", "permission", "bedrock:InvokeModel"),
        ("aws-daily-quota", "spend_limit", "quota of the day"),
        (
            "aws-operation",
            "wrong_endpoint",
            "UnknownOperationException",
        ),
        ("country", "permission", "VPN"),
        ("404-reason", "wrong_endpoint", "container c-1 is gone"),
        ("200-openai", "bad_response", "not what was asked for"),
        ("empty-200", "bad_response", "the body is empty"),
        (
            "400 should-retry=true",
            "invalid_request",
            "should be a valid list",
        ),
        (
            "429-bare",
            "rate_limited",
            "nothing has got past this limit",
        ),
    ] {
        let desk = Desk::new();
        desk.write(
            "jobs.jsonl",
            jobs((0..60).map(|n| format!("{n} [[sim: {case}]]"))),
        );
        let scale = if case == "429-bare" { "0.002" } else { "0.02" };
        desk.run(&["submit", "jobs.jsonl", "--retry-scale", scale])
            .expect(4)
            .says(&[class, words]);
        let run = desk.only_run();
        assert_eq!(run["jobs"]["failed"], 0, "{case}: {run}");
        assert_eq!(run["jobs"]["pending"], 60, "{case}: {run}");
        assert_eq!(run["halt"]["class"], class, "{case}: {run}");
    }
}

#[test]
fn each_resume_of_a_halted_run_goes_first_with_another_job() {
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs((0..8).map(|n| format!("{n} [[sim: 403, ok]]"))),
    );
    let two = ["--concurrency", "2"];
    desk.run(&[&["submit", "jobs.jsonl"][..], &two, &QUICK].concat())
        .expect(4);
    for _ in 0..6 {
        desk.run(&["resume"]).expect(4);
    }
    desk.run(&["resume"]).expect(0);
    assert_eq!(desk.simulator.stats().requests, 16);
}

#[test]
fn an_error_under_status_200_keeps_its_message_and_its_code() {
    let desk = Desk::new();
    let lines = (0..9).map(|n| n.to_string());
    let odd = "9 [[sim: 200-error-code, ok]]".to_owned();
    desk.write("jobs.jsonl", jobs(lines.chain([odd])));
    submit(&desk, 0);
    let attempts = desk.attempts().into_iter();
    let mut errored = attempts.filter(|row| row["error_class"] == "bad_gateway");
    let message = errored.next().unwrap()["message"].to_string();
    assert!(
        message.contains("Provider returned error (code 502)"),
        "{message}"
    );
}
