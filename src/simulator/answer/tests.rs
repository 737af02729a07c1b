//! Answers have the content that their request asks for, and say why they stopped.

use super::*;
use crate::simulator::request::{self, Endpoint};

fn answer(changes: &Value, twist: Twist) -> Value {
    let mut body = json!({"model": "claude-haiku-4-5", "max_tokens": 500,
        "messages": [{"role": "user", "content": "What is the capital of France?"}]});
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    let text = body.to_string();
    let fields = request::fields(text.as_bytes()).unwrap();
    let ask = Ask::read(fields, Endpoint::Messages).unwrap();
    let question = Question {
        ask: &ask,
        prompt_tokens: 20,
        cached: &CacheUse::default(),
        service_tier: "standard",
        seed: 1,
        body: 2,
        nth: 0,
        output: OutputLength::default(),
    };
    serde_json::to_value(message(&question, twist)).unwrap()
}

#[test]
fn an_answer_quotes_the_prompt_and_resolves_the_alias() {
    let message = answer(&json!({}), Twist::Plain);
    assert_eq!(message["model"], "claude-haiku-4-5-20251001");
    let text = message["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("What is the capital of France?"), "{text}");
    assert_eq!(message["stop_reason"], "end_turn");
    assert_eq!(message["usage"]["input_tokens"], 20);
    let tokens = usize::try_from(message["usage"]["output_tokens"].as_u64().unwrap()).unwrap();
    assert_eq!(tokens, text.len().div_ceil(4));
}

#[test]
fn max_tokens_cuts_and_says_so() {
    let message = answer(&json!({"max_tokens": 5}), Twist::Plain);
    assert_eq!(message["stop_reason"], "max_tokens");
    assert_eq!(message["usage"]["output_tokens"], 5);
    assert_eq!(message["content"][0]["text"].as_str().unwrap().len(), 20);
    let message = answer(&json!({"max_tokens": 0}), Twist::Plain);
    assert_eq!(message["content"], json!([]));
    assert_eq!(message["usage"]["output_tokens"], 0);
}

#[test]
fn a_stop_sequence_ends_the_text() {
    let message = answer(
        &json!({"stop_sequences": ["capital", "simulated"]}),
        Twist::Plain,
    );
    assert_eq!(message["stop_reason"], "stop_sequence");
    assert_eq!(message["stop_sequence"], "simulated");
    assert_eq!(message["content"][0]["text"], "This is a ");
}

#[test]
fn a_tool_is_called_with_fitting_input() {
    let tools = json!([{"name": "look", "input_schema": {"type": "object",
        "properties": {"at": {"type": "string"}}, "required": ["at"]}}]);
    let message = answer(&json!({"tools": tools}), Twist::Plain);
    assert_eq!(message["stop_reason"], "tool_use");
    assert_eq!(message["content"][1]["input"], json!({"at": "simulated"}));
    let off = json!({"tools": tools, "tool_choice": {"type": "none"}});
    assert_eq!(answer(&off, Twist::Plain)["stop_reason"], "end_turn");
}

#[test]
fn a_forced_tool_is_called_and_nothing_else_is_said() {
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    let tools = json!([tool("look"), tool("listen")]);
    for (choice, name) in [
        (json!({"type": "any"}), "look"),
        (json!({"type": "tool", "name": "listen"}), "listen"),
    ] {
        // Where the last message answers a call, too.
        let messages = json!([
            {"role": "user", "content": "Look"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
        ]);
        for changes in [
            json!({"tools": tools, "tool_choice": choice}),
            json!({"tools": tools, "tool_choice": choice, "messages": messages}),
        ] {
            let message = answer(&changes, Twist::Plain);
            assert_eq!(message["stop_reason"], "tool_use", "{changes}");
            let content = message["content"].as_array().unwrap();
            let called: Vec<_> = content.iter().map(|block| &block["name"]).collect();
            assert_eq!(called, [name], "{changes}");
        }
    }
}

#[test]
fn a_structured_answer_is_json() {
    let format = json!({"output_config": {"format": {"type": "json_schema", "schema":
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}}});
    assert_eq!(
        answer(&format, Twist::Plain)["content"][0]["text"],
        r#"{"n":1}"#
    );
}

#[test]
fn every_twist_has_its_stop_reason() {
    let cases = [
        (Twist::Thinking, "end_turn"),
        (Twist::Empty, "end_turn"),
        (Twist::Refusal, "refusal"),
        (Twist::RefusalWithOutput, "refusal"),
        (Twist::MaxTokens, "max_tokens"),
        (Twist::ContextWindow, "model_context_window_exceeded"),
        (Twist::PauseTurn, "pause_turn"),
        (Twist::UnknownStop, "ran_out_of_ink"),
    ];
    for (twist, reason) in cases {
        assert_eq!(
            answer(&json!({}), twist)["stop_reason"],
            reason,
            "{twist:?}"
        );
    }
    let refusal = answer(&json!({}), Twist::Refusal);
    assert_eq!(refusal["content"], json!([]));
    assert_eq!(refusal["stop_details"]["type"], "refusal");
}
