//! Streaming, as it is seen on the wire and in the results.

use serde_json::{Value, json};

use crate::harness::{Desk, MODEL};

/// A job with this prompt and this `max_tokens`.
fn job(prompt: &str, max_tokens: u64) -> String {
    let params = json!({"model": MODEL, "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": prompt}]});
    json!({"custom_id": "a", "params": params}).to_string() + "\n"
}

/// Which of the requests asked for a stream.
fn streamed(desk: &Desk) -> Vec<bool> {
    let log = desk.simulator.log();
    log.iter().map(|request| request.stream).collect()
}

fn submit(prompt: &str, max_tokens: u64, flags: &[&str]) -> Desk {
    let desk = Desk::new();
    desk.write("jobs.jsonl", job(prompt, max_tokens));
    let fast = ["submit", "jobs.jsonl", "--retry-scale", "0.001"];
    desk.run(&[&fast, flags].concat()).expect(0);
    desk
}

#[test]
fn requests_are_streamed_where_a_plain_answer_would_take_too_long_or_did() {
    let cases: &[(&str, u64, &[&str], &[bool])] = &[
        ("hi", 21_333, &[], &[false]),
        ("hi", 21_334, &[], &[true]),
        ("hi", 21_334, &["--stream", "never"], &[false]),
        ("hi", 10, &["--stream", "always"], &[true]),
        ("[[sim: 504*2, ok]]", 10, &[], &[false, true, true]),
        (
            "[[sim: 504, ok]]",
            10,
            &["--stream", "never"],
            &[false, false],
        ),
        (
            "[[sim: 529, ok]]",
            10,
            &["--stream", "auto"],
            &[false, false],
        ),
    ];
    for (prompt, max_tokens, flags, expected) in cases {
        let desk = submit(prompt, *max_tokens, flags);
        assert_eq!(
            streamed(&desk),
            *expected,
            "{prompt} {max_tokens} {flags:?}"
        );
    }
}

#[test]
fn results_do_not_tell_how_they_travelled() {
    let message = |flag| {
        let desk = submit("Tell me about é日🦀.", 500, &["--stream", flag]);
        let mut result = desk.results().remove(0);
        result["result"]["message"]["id"].take();
        result["run"]["latency_ms"].take();
        result
    };
    let plain = message("never");
    assert_eq!(plain["result"]["message"]["stop_reason"], "end_turn");
    assert_eq!(message("always"), plain);
}

#[test]
fn a_broken_stream_is_retried_and_what_it_told_is_counted() {
    let desk = submit("[[sim: stream-eof, ok]]", 500, &["--stream", "always"]);
    let attempts = desk.attempts();
    assert_eq!(attempts[0]["error_class"], "stream_cut");
    assert_eq!(attempts[0]["http_status"], 200);
    assert_eq!(attempts[0]["maybe_billed"], true);
    assert_eq!(
        attempts[0]["tokens"]["input"],
        attempts[1]["tokens"]["input"]
    );
    assert_ne!(attempts[0]["cost_usd"], "0.00");
    assert_eq!(attempts[1]["outcome"], "succeeded");
    assert_eq!(attempts[1]["maybe_billed"], false);
    let report = desk.report();
    assert_eq!(report["attempts"]["maybe_billed"], 1);
    let wasted = &report["cost_usd"]["wasted_on_retries"];
    assert_eq!(*wasted, attempts[0]["cost_usd"]);
}

#[test]
fn an_error_in_mid_stream_has_its_own_class() {
    for (case, class) in [
        ("stream-error-overloaded", "overloaded"),
        ("stream-error-mid", "server_error"),
        ("stream-bare-error", "server_error"),
    ] {
        let prompt = format!("[[sim: {case}, ok]]");
        let desk = submit(&prompt, 500, &["--stream", "always"]);
        assert_eq!(desk.attempts()[0]["error_class"], class, "{case}");
    }
}

#[test]
fn a_stream_that_falls_silent_is_cut_by_the_idle_timeout_of_the_config_file() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", job("[[sim: stream-stall, ok]]", 500));
    let config =
        "[dispatch]\nstream = \"always\"\nidle_timeout = \"200ms\"\n[retry]\nscale = 0.001\n";
    desk.write("claude-run.toml", config);
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    let first = &desk.attempts()[0];
    assert_eq!(first["error_class"], "stream_cut");
    assert_eq!(first["message"], "the stream was silent for 200ms");
}

#[test]
fn the_way_of_streaming_is_kept_with_the_run() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", job("hi", 10));
    desk.run(&["submit", "jobs.jsonl", "--no-run", "--stream", "always"])
        .expect(0);
    desk.run(&["resume"]).expect(0);
    assert_eq!(streamed(&desk), [true]);
    let refused = desk.run(&["submit", "jobs.jsonl", "--stream", "sometimes"]);
    refused.expect(2).says(&["auto", "always", "never"]);
    let settings: Value = serde_json::from_str(&desk.run(&["config", "--json"]).stdout).unwrap();
    let of = |key| {
        settings
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["key"] == key)
    };
    assert_eq!(of("dispatch.stream").unwrap()["value"], "auto");
}
