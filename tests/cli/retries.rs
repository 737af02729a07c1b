//! Retries, as they are seen on the wire.

use serde_json::json;

use crate::harness::{Desk, jobs};

/// When each request arrived, in milliseconds.
fn arrivals(desk: &Desk) -> Vec<u64> {
    let log = desk.simulator.log();
    log.iter().map(|request| request.at_ms).collect()
}

fn gaps(desk: &Desk) -> Vec<u64> {
    let arrivals = arrivals(desk);
    arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Runs one job with this script and these flags; expects this exit code.
fn run_one(script: &str, flags: &[&str], code: i32) -> Desk {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs([format!("[[sim: {script}]]")]));
    desk.run(&[&["submit", "jobs.jsonl"], flags].concat())
        .expect(code);
    desk
}

const FAST: [&str; 2] = ["--retry-scale", "0.001"];

#[test]
fn a_retry_waits_as_long_as_the_server_asks() {
    for (script, least, most) in [
        ("429 retry-after=1, ok", 1_000, 6_000),
        ("529 retry-after=1, ok", 1_000, 6_000),
        // The header has whole seconds: two from now may be one and a bit.
        ("429 retry-after=date:+2s, ok", 1_000, 7_000),
        ("429 retry-after-ms=600, ok", 600, 5_000),
    ] {
        // The scale is for our own waits; what the server asks for is kept.
        let desk = run_one(script, &FAST, 0);
        let gaps = gaps(&desk);
        assert_eq!(gaps.len(), 1, "{script}");
        assert!((least..most).contains(&gaps[0]), "{script}: {gaps:?} ms");
    }
}

#[test]
fn the_wait_that_was_asked_for_is_in_the_ledger() {
    let desk = run_one("429 retry-after-ms=250, ok", &FAST, 0);
    let attempts = desk.attempts();
    assert_eq!(attempts[0]["retry_after_ms"], 250);
    assert_eq!(attempts[0]["error_class"], "rate_limited");
    assert!(attempts[0]["next_try_at"].is_string());
    assert_eq!(attempts[1]["retry_after_ms"], json!(null));
}

#[test]
fn the_ledger_says_which_rule_set_each_wait() {
    let by_table = ["--retry-scale", "0.001"];
    let desk = run_one("429 retry-after-ms=50, 500, ok", &by_table, 0);
    let rules = |desk: &Desk| -> Vec<_> {
        let attempts = desk.attempts();
        attempts.iter().map(|it| it["wait_rule"].clone()).collect()
    };
    assert_eq!(
        rules(&desk),
        [json!("retry_after"), json!("table"), json!(null)]
    );
    let desk = Desk::new();
    desk.write(
        "claude-run.toml",
        "[retry.server_error]\nwaits = [\"1ms\"]\n",
    );
    let mut prompts = vec!["Hello".to_owned(); 20];
    prompts.extend(["[[sim: 500, ok]]".to_owned(), "[[sim: 529, ok]]".to_owned()]);
    desk.write("jobs.jsonl", jobs(prompts));
    let one_by_one = ["--concurrency", "1", "--retry-scale", "0.001"];
    desk.run(&[&["submit", "jobs.jsonl"], &one_by_one[..]].concat())
        .expect(0);
    let told: Vec<_> = rules(&desk)
        .into_iter()
        .filter(|it| !it.is_null())
        .collect();
    assert_eq!(told, [json!("settings"), json!("evidence")]);
}

#[test]
fn our_own_waits_are_scaled() {
    let desk = run_one("500*2, ok", &["--retry-scale", "0.1"], 0);
    let gaps = gaps(&desk);
    // 2 s and 5 s, each between half and one and a half times, of which a tenth.
    assert_eq!(gaps.len(), 2);
    assert!((100..3_000).contains(&gaps[0]), "{gaps:?}");
    assert!((250..4_000).contains(&gaps[1]), "{gaps:?}");
    let bodies: std::collections::BTreeSet<_> = desk
        .simulator
        .log()
        .into_iter()
        .map(|request| request.body_hash)
        .collect();
    assert_eq!(bodies.len(), 1, "a retry sends the same bytes");
}

#[test]
fn nonsense_in_retry_after_is_ignored() {
    for value in ["garbage", "-1", "nan"] {
        let desk = run_one(&format!("429 retry-after={value}, ok"), &FAST, 0);
        assert_eq!(desk.simulator.stats().requests, 2, "{value}");
    }
}

#[test]
fn eight_failures_fail_a_job() {
    let desk = run_one("500", &FAST, 3);
    assert_eq!(desk.simulator.stats().requests, 8);
    let result = desk.results().remove(0);
    assert_eq!(result["run"]["error_class"], "server_error");
    assert_eq!(result["run"]["attempts"], 8);
    assert_eq!(result["result"]["error"]["error"]["type"], "api_error");
}

#[test]
fn rate_limits_do_not_count_towards_the_attempts() {
    let desk = run_one("429*12 retry-after-ms=1, 500*7, ok", &FAST, 0);
    assert_eq!(desk.simulator.stats().requests, 20);
}

#[test]
fn max_attempts_1_switches_retries_off() {
    for case in ["500", "529", "503", "429 retry-after-ms=1", "reset"] {
        let desk = Desk::new();
        // The first job proves that somebody answers: until then no broken connection is final.
        desk.write(
            "jobs.jsonl",
            jobs(["Hello", &format!("[[sim: {case}, ok]]")]),
        );
        let flags = ["--max-attempts", "1", "--concurrency", "1"];
        desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat())
            .expect(3);
        assert_eq!(desk.simulator.stats().requests, 2, "{case}");
    }
}

#[test]
fn the_server_s_word_whether_to_retry_overrides_the_status() {
    let desk = run_one("500 should-retry=false, ok", &FAST, 3);
    assert_eq!(desk.simulator.stats().requests, 1);
    let desk = run_one("400 should-retry=true, ok", &FAST, 0);
    assert_eq!(desk.simulator.stats().requests, 2);
}

#[test]
fn what_another_try_cannot_change_is_not_tried_again() {
    for (case, class) in [
        ("400", "invalid_request"),
        ("413-json", "request_too_large"),
        ("413-html", "request_too_large"),
        ("prompt-too-long", "prompt_too_long"),
        ("content-filter", "content_filtered"),
        ("tool-pairing", "tool_pairing"),
        ("refusal", "refused"),
    ] {
        let desk = run_one(&format!("{case}, ok"), &FAST, 3);
        assert_eq!(desk.simulator.stats().requests, 1, "{case}");
        assert_eq!(desk.results()[0]["run"]["error_class"], class, "{case}");
    }
}

#[test]
fn what_passes_is_tried_again() {
    for (case, class) in [
        ("429", "rate_limited"),
        ("429-acceleration", "acceleration_limited"),
        ("429-concurrency", "concurrency_limited"),
        ("429-bare", "rate_limited"),
        ("408", "request_timeout"),
        ("409", "conflict"),
        ("500", "server_error"),
        ("502", "bad_gateway"),
        ("503", "unavailable"),
        ("504-html", "gateway_timeout"),
        ("522", "edge_error"),
        ("529", "overloaded"),
        ("reset", "connection_cut"),
        ("reset-mid-body", "connection_cut"),
        ("truncated-json", "bad_response"),
        ("html-200", "bad_response"),
        ("200-overloaded-error-body", "overloaded"),
    ] {
        // An endpoint that has not answered at all has a minute, by the scale: enough for a second try.
        let scale = if case == "reset" { "0.1" } else { "0.001" };
        let desk = run_one(&format!("{case}, ok"), &["--retry-scale", scale], 0);
        let first = desk.attempts().remove(0);
        assert_eq!(first["error_class"], class, "{case}: {first}");
        assert_eq!(desk.simulator.stats().requests, 2, "{case}");
    }
}

#[test]
fn concurrency_is_never_exceeded() {
    let desk = Desk::new();
    let prompts = (0..24).map(|n| format!("{n} [[sim: ok delay=50ms]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    desk.run(&["submit", "jobs.jsonl", "--concurrency", "3"])
        .expect(0);
    assert_eq!(desk.simulator.stats().max_open, 3);
}

#[test]
fn starts_keep_the_stagger() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs((0..11).map(|n| format!("Say {n}."))));
    desk.run(&["submit", "jobs.jsonl", "--stagger", "100ms"])
        .expect(0);
    let arrivals = arrivals(&desk);
    let span = arrivals[10] - arrivals[0];
    // What is measured is the arrival, which may lag behind the start.
    assert!(span >= 950, "{arrivals:?}");
}

#[test]
fn an_answer_that_does_not_come_in_time_is_tried_again() {
    let flags = ["--timeout", "400ms", "--retry-scale", "0.05"];
    let desk = run_one("hang, ok", &flags, 0);
    let attempts = desk.attempts();
    assert_eq!(attempts[0]["error_class"], "timeout");
    assert_eq!(attempts[0]["maybe_billed"], true);
    assert_eq!(desk.report()["attempts"]["maybe_billed"], 1);
}
