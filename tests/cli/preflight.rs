//! What the API is known to refuse is told before it is sent.

use serde_json::{Value, json};

use crate::harness::{Desk, MODEL};

/// Three lines: the second asks for more tokens than its model gives, the third for a model that is
/// misspelt. (The simulator is no first party, so names of models are checked in a simulated run alone.)
fn faulty() -> String {
    [
        json!({"prompt": "fine", "model": MODEL}),
        json!({"prompt": "too much", "model": MODEL, "max_tokens": 999_999}),
        json!({"params": {"model": "claude-sonet-5", "max_tokens": 9,
            "messages": [{"role": "user", "content": " "}]}}),
    ]
    .map(|line| line.to_string() + "\n")
    .concat()
}

const TOO_MANY: &str =
    "`max_tokens` is 999999, but claude-haiku-4-5-20251001 gives at most 64,000 tokens: lower it";

#[test]
fn check_tells_what_the_api_refuses_with_line_and_column_and_strict_makes_it_an_error() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", faulty());
    desk.run(&["check", "jobs.jsonl"]).expect(0).says(&[
        &format!("line 2, column 15: {TOO_MANY}"),
        "1 line: the API refuses it: a text is blank",
    ]);
    desk.run(&["check", "jobs.jsonl", "--strict"])
        .expect(2)
        .says(&[
            "2 lines are invalid",
            &format!("line 2, column 15: {TOO_MANY}"),
            "line 3, column ",
        ]);
    let told = desk.run(&["check", "jobs.jsonl", "--json"]).expect(0);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["refused"], 2);
    let rules: Vec<_> = told["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["rule"].clone())
        .collect();
    assert_eq!(rules, ["max-tokens", "blank-text"]);
}

#[test]
fn submit_warns_and_goes_on_and_with_strict_stores_nothing() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", faulty());
    desk.run(&["submit", "jobs.jsonl", "--strict"])
        .expect(2)
        .says(&[TOO_MANY]);
    assert_eq!(desk.simulator.stats().requests, 0);
    desk.run(&["status"]).says(&["no run"]);
    // It only tells: the API, which the simulator is here, is asked: it refuses the one request
    // and knows the other's model as little.
    let told = format!(
        "1 line: the API refuses it: `max_tokens` is above what the model gives (line 2, column 15: {TOO_MANY})"
    );
    desk.run(&["submit", "jobs.jsonl"]).expect(4).says(&[&told]);
}

#[test]
fn a_simulated_run_is_told_of_names_that_the_first_party_does_not_know() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", faulty());
    desk.run(&["submit", "jobs.jsonl", "--simulate", "--no-run"])
        .expect(0)
        .says(&["`model` is `claude-sonet-5`, which is no model that is known: did you mean claude-sonnet-5?"]);
}

#[test]
fn rules_of_the_users_own_come_first() {
    let desk = Desk::new();
    let line = json!({"prompt": "x", "model": "claude-opus-5-5", "temperature": 0.2});
    desk.write("jobs.jsonl", line.to_string());
    desk.run(&["check", "jobs.jsonl", "--strict"])
        .expect(2)
        .says(&["`temperature` is refused by this model: leave it out"]);
    desk.write("claude-run.toml", "[preflight]\nfile = \"rules.toml\"\n");
    desk.write(
        "rules.toml",
        "version = \"mine\"\n[[model]]\nmodels = [\"claude-opus-5-5\"]\n",
    );
    desk.run(&["check", "jobs.jsonl", "--strict"]).expect(0);
    desk.write("rules.toml", "version = \"mine\"\n[[model]]\nmodles = []\n");
    desk.run(&["check", "jobs.jsonl"])
        .expect(2)
        .says(&["rules.toml:3:1: the rules cannot be used"]);
}

#[test]
fn strict_leaves_no_lines_out() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", faulty());
    desk.run(&["submit", "jobs.jsonl", "--strict", "--skip-invalid"])
        .expect(2);
}
