//! Jobs whose later attempts ask a little differently: paused turns that are continued, truncated
//! answers that get more room, and other models.

use claude_run::simulator::SimulatorSettings;
use serde_json::{Value, json};

use crate::harness::{Desk, MODEL, jobs};

const FAST: [&str; 2] = ["--retry-scale", "0.001"];
const OTHER: &str = "claude-sonnet-5-5";

/// Runs one job with this script and these flags; expects this exit code.
fn run_one(script: &str, flags: &[&str], code: i32) -> Desk {
    let desk = Desk::with(SimulatorSettings {
        log_bodies: true,
        ..SimulatorSettings::default()
    });
    desk.write("jobs.jsonl", jobs([format!("[[sim: {script}]]")]));
    desk.run(&[&["submit", "jobs.jsonl"], &FAST[..], flags].concat())
        .expect(code);
    desk
}

/// What of each attempt is compared.
fn ledger(desk: &Desk) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    desk.attempts()
        .iter()
        .map(|a| {
            (
                text(&a["model"]),
                text(&a["outcome"]),
                a["error_class"].clone(),
            )
        })
        .collect()
}

fn row(model: &str, outcome: &str, class: impl Into<Value>) -> (String, String, Value) {
    (model.to_owned(), outcome.to_owned(), class.into())
}

/// The bodies that were sent.
fn bodies(desk: &Desk) -> Vec<Value> {
    let log = desk.simulator.log().into_iter();
    log.filter_map(|request| request.body)
        .map(|body| serde_json::from_str(&body).unwrap())
        .collect()
}

#[test]
fn a_refused_job_is_answered_by_the_fallback_model() {
    let script = format!("refusal-with-output model={MODEL}, ok");
    let desk = run_one(&script, &["--fallback-model", OTHER], 0);
    assert_eq!(
        ledger(&desk),
        [
            row(MODEL, "errored", "refused"),
            row(OTHER, "succeeded", Value::Null)
        ]
    );
    let attempts = desk.attempts();
    assert_ne!(
        attempts[0]["cost_usd"], "0.00",
        "a refusal in the middle is billed"
    );
    let result = desk.results().remove(0);
    assert_eq!(result["result"]["type"], "succeeded");
    assert_eq!(result["result"]["message"]["model"], OTHER);
    assert_eq!(result["run"]["model"], OTHER);
    assert_eq!(result["run"]["error_class"], Value::Null);
    let report = desk.report();
    let models: Vec<_> = report["by_model"].as_array().unwrap().iter().collect();
    assert_eq!(models.len(), 2, "{report}");
    let wasted = &report["cost_usd"]["wasted_on_retries"];
    assert_eq!(*wasted, attempts[0]["cost_usd"]);
}

#[test]
fn without_a_fallback_model_a_refusal_fails_the_job() {
    let desk = run_one("refusal", &[], 3);
    assert_eq!(ledger(&desk), [row(MODEL, "errored", "refused")]);
}

#[test]
fn fallback_models_are_tried_in_their_order_until_none_is_left() {
    let flags = [
        "--fallback-model",
        OTHER,
        "--fallback-model",
        "claude-opus-5",
    ];
    let desk = run_one("refusal", &flags, 3);
    let models: Vec<_> = ledger(&desk).into_iter().map(|row| row.0).collect();
    assert_eq!(models, [MODEL, OTHER, "claude-opus-5"]);
    let result = desk.results().remove(0);
    assert_eq!(result["run"]["error_class"], "refused");
}

#[test]
fn two_overloads_in_a_row_lead_to_the_fallback_model() {
    let script = format!("529 model={MODEL}, 503 model={MODEL}, ok");
    let desk = run_one(&script, &["--fallback-model", OTHER], 0);
    assert_eq!(
        ledger(&desk),
        [
            row(MODEL, "errored", "overloaded"),
            row(MODEL, "errored", "unavailable"),
            row(OTHER, "succeeded", Value::Null)
        ]
    );
}

#[test]
fn retry_by_hand_asks_the_model_of_the_input_line_again() {
    let script = format!("refusal model={MODEL}, ok model={MODEL}, 400 model={OTHER}");
    let desk = run_one(&script, &["--fallback-model", OTHER], 3);
    desk.run(&["retry"]).expect(0);
    desk.run(&["resume"]).expect(0);
    let models: Vec<_> = ledger(&desk).into_iter().map(|row| row.0).collect();
    assert_eq!(models, [MODEL, OTHER, MODEL]);
    assert_eq!(
        desk.results()[0]["run"]["model"],
        "claude-haiku-4-5-20251001"
    );
}

#[test]
fn a_truncated_answer_is_tried_again_with_twice_the_room() {
    let flags = ["--on-truncated", "raise", "--max-tokens", "300"];
    let desk = run_one("max-tokens-stop max-tokens=300, ok", &flags, 0);
    assert_eq!(
        ledger(&desk),
        [
            row(MODEL, "succeeded", "truncated"),
            row(MODEL, "succeeded", Value::Null)
        ]
    );
    let max_tokens: Vec<_> = bodies(&desk)
        .iter()
        .map(|b| b["max_tokens"].clone())
        .collect();
    assert_eq!(max_tokens, [300, 600]);
    let attempts = desk.attempts();
    let report = desk.report();
    assert_eq!(
        report["cost_usd"]["wasted_on_retries"],
        attempts[0]["cost_usd"]
    );
}

#[test]
fn a_truncated_answer_is_kept_when_the_second_try_fails() {
    let flags = ["--on-truncated", "raise", "--max-tokens", "300"];
    let desk = run_one("max-tokens-stop max-tokens=300, 400", &flags, 0);
    let result = desk.results().remove(0);
    assert_eq!(result["result"]["type"], "succeeded");
    assert_eq!(result["result"]["message"]["stop_reason"], "max_tokens");
    assert_eq!(result["run"]["error_class"], "truncated");
    assert_eq!(result["run"]["attempts"], 2);
    assert_eq!(desk.report()["jobs"]["succeeded"], 1);
}

#[test]
fn a_truncated_answer_is_kept_by_default_and_at_the_cap_of_the_model() {
    for flags in [
        &["--max-tokens", "300"][..],
        &["--max-tokens", "64000", "--on-truncated", "raise"],
    ] {
        let desk = run_one("max-tokens-stop", flags, 0);
        assert_eq!(ledger(&desk), [row(MODEL, "succeeded", "truncated")]);
    }
}

#[test]
fn a_paused_turn_is_continued_and_exported_as_one_message() {
    // Each way of asking brings the same.
    for stream in ["never", "always"] {
        // A model that would refuse any other prefilled answer.
        let model = format!("[[sim: pause-turn*2, 529, ok]]\n{stream}");
        let desk = Desk::with(SimulatorSettings {
            log_bodies: true,
            ..SimulatorSettings::default()
        });
        let line = json!({"custom_id": "a", "model": OTHER, "prompt": model});
        desk.write("jobs.jsonl", line.to_string());
        let flags = [&["submit", "jobs.jsonl", "--stream", stream], &FAST[..]].concat();
        desk.run(&flags).expect(0);
        assert_eq!(
            ledger(&desk),
            [
                row(OTHER, "succeeded", "paused"),
                row(OTHER, "succeeded", "paused"),
                row(OTHER, "errored", "overloaded"),
                row(OTHER, "succeeded", Value::Null)
            ]
        );
        let message = desk.results().remove(0)["result"]["message"].take();
        let content = message["content"].as_array().unwrap();
        let pauses = content.iter().filter(|b| b["type"] == "server_tool_use");
        assert_eq!(pauses.count(), 2, "{message}");
        // What was sent back last is what the exported message begins with.
        let sent = bodies(&desk).pop().unwrap();
        let turn = &sent["messages"].as_array().unwrap()[1];
        assert_eq!(turn["role"], "assistant");
        let sent = turn["content"].as_array().unwrap();
        assert!(sent.len() < content.len() && content.starts_with(sent));
        assert_eq!(message["stop_reason"], "end_turn");
        let report = desk.report();
        assert_eq!(report["cost_usd"]["wasted_on_retries"], "0.00");
    }
}

#[test]
fn a_turn_that_keeps_pausing_is_kept_and_marked() {
    let desk = run_one("pause-turn", &[], 0);
    assert_eq!(desk.attempts().len(), 6);
    let result = desk.results().remove(0);
    assert_eq!(result["run"]["error_class"], "paused");
    assert_eq!(result["result"]["message"]["stop_reason"], "pause_turn");
}

#[test]
fn a_continuation_that_is_refused_tells_what_the_pauses_cost() {
    let desk = run_one("pause-turn, refusal", &[], 3);
    let paid = desk.attempts()[0]["cost_usd"].as_str().unwrap().to_owned();
    let result = desk.results().remove(0);
    let error = result["result"]["error"]["error"]["message"]
        .as_str()
        .unwrap();
    let told = format!("1 earlier answer of it cost {paid} USD");
    assert!(error.contains(&told), "{error}");
}

#[test]
fn the_choice_is_kept_with_the_run_and_may_stand_in_the_config_file() {
    let desk = Desk::new();
    desk.write(
        "claude-run.toml",
        format!("[fallback]\nmodels = [\"{OTHER}\"]\n[dispatch]\non_truncated = \"raise\"\n"),
    );
    let script = format!("[[sim: refusal model={MODEL}, max-tokens-stop max-tokens=300, ok]]");
    desk.write("jobs.jsonl", jobs([script]));
    let submit = ["submit", "jobs.jsonl", "--max-tokens", "300", "--no-run"];
    let opus = ["--fallback-model", "claude-opus-5"];
    desk.run(&[&submit[..], &opus].concat()).expect(0);
    desk.run(&[&["resume"], &FAST[..]].concat()).expect(0);
    let models: Vec<_> = ledger(&desk).into_iter().map(|row| row.0).collect();
    // The flag that was stored beats the file; what no flag said comes from it.
    assert_eq!(models, [MODEL, "claude-opus-5", "claude-opus-5"]);
}

#[test]
fn a_model_id_that_cannot_be_one_is_refused() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["x"]));
    for id in ["", "a b"] {
        desk.run(&["submit", "jobs.jsonl", "--fallback-model", id])
            .expect(2)
            .says(&["must be the id of one model"]);
    }
    desk.run(&["submit", "jobs.jsonl", "--on-truncated", "maybe"])
        .expect(2);
    desk.assert_no_run();
}
