//! Requests that the API refuses are refused here, in its words.

use serde_json::{Value, json};

use super::*;
use crate::simulator::request;

fn refusal_in(version: &str, body: &Value) -> String {
    let text = body.to_string();
    let dialect = Dialect::of(Some(version), false).unwrap();
    let checked = request::fields(text.as_bytes())
        .and_then(|fields| {
            known_fields(&fields, Endpoint::Messages, dialect)?;
            Ask::read(fields, Endpoint::Messages)
        })
        .and_then(|ask| check(&ask, dialect));
    checked.map_or_else(|error| error.message, |()| "fine".to_owned())
}

/// A good request to `model` with `changes` laid over it.
fn refusal(model: &str, changes: &Value) -> String {
    let mut body = json!({"model": model, "max_tokens": 2000, "messages": [{"role": "user", "content": "Hi"}]});
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    refusal_in("2023-06-01", &body)
}

fn table(cases: Vec<(&str, Value, &str)>) {
    for (model, changes, expected) in cases {
        let message = refusal(model, &changes);
        assert!(message.contains(expected), "{model} {changes}: {message}");
    }
}

#[test]
fn tools_have_names_that_the_api_takes_and_a_forced_one_is_there() {
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    let pattern = "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'";
    let long = "x".repeat(129);
    let model = "claude-haiku-4-5";
    table(vec![
        (model, json!({"tools": [tool("look-at_2")]}), "fine"),
        (model, json!({"tools": [tool("look at")]}), pattern),
        (model, json!({"tools": [tool("caf\u{e9}")]}), pattern),
        (model, json!({"tools": [tool("")]}), pattern),
        (model, json!({"tools": [tool(&long)]}), pattern),
        (
            model,
            json!({"tools": [{"input_schema": {}}]}),
            "tools.0.name: Field required",
        ),
        (
            model,
            json!({"tools": [tool("a"), tool("a")]}),
            "Tool names must be unique",
        ),
        (
            model,
            json!({"tools": [tool("a")], "tool_choice": {"type": "tool", "name": "b"}}),
            "Tool 'b' not found in provided tools",
        ),
    ]);
}

#[test]
fn parameters_are_refused_in_the_words_of_the_api() {
    table(vec![
        ("claude-opus-5", json!({}), "fine"),
        (
            "claude-opus-5",
            json!({"promt": 1}),
            "promt: Extra inputs are not permitted",
        ),
        (
            "claude-opus-5",
            json!({"fallbacks": []}),
            "fallbacks: Extra inputs",
        ),
        (
            "claude-opus-5",
            json!({"max_tokens": 128_001}),
            "max_tokens: 128001 > 128000, which is the maximum allowed number of output tokens for claude-opus-5",
        ),
        (
            "claude-haiku-4-5",
            json!({"max_tokens": 64_001}),
            "tokens for claude-haiku-4-5-20251001",
        ),
        ("claude-opus-5", json!({"max_tokens": 0}), "fine"),
        (
            "claude-opus-5",
            json!({"max_tokens": 0, "stream": true}),
            "when streaming",
        ),
        (
            "claude-opus-5",
            json!({"temperature": 0.5}),
            "`temperature` is deprecated for this model.",
        ),
        ("claude-opus-5", json!({"temperature": 1.0}), "fine"),
        (
            "claude-opus-4-6",
            json!({"temperature": 0.5, "top_p": 0.5}),
            "fine",
        ),
        ("claude-haiku-4-5", json!({"temperature": 0.5}), "fine"),
        (
            "claude-haiku-4-5",
            json!({"temperature": 0.5, "top_p": 0.5}),
            "cannot both be specified",
        ),
        (
            "claude-haiku-4-5",
            json!({"temperature": 1.5}),
            "temperature: Input should be less than or equal to 1",
        ),
        (
            "claude-haiku-4-5",
            json!({"service_tier": "gold"}),
            "service_tier: Input should be",
        ),
        (
            "claude-haiku-4-5",
            json!({"inference_geo": "us"}),
            "inference_geo",
        ),
        (
            "claude-sonnet-5-5",
            json!({"tool_choice": {"type": "any"}}),
            "forced tool use",
        ),
    ]);
}

#[test]
fn thinking_is_accepted_by_model() {
    let enabled = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    let adaptive = json!({"thinking": {"type": "adaptive"}});
    let disabled = json!({"thinking": {"type": "disabled"}});
    table(vec![
        ("claude-haiku-4-5", enabled.clone(), "fine"),
        (
            "claude-haiku-4-5",
            adaptive.clone(),
            "adaptive thinking is not supported",
        ),
        ("claude-sonnet-4-6", enabled.clone(), "fine"),
        (
            "claude-sonnet-5",
            enabled.clone(),
            "\"thinking.type.enabled\" is not supported",
        ),
        ("claude-sonnet-5", adaptive, "fine"),
        ("claude-sonnet-5", disabled.clone(), "fine"),
        (
            "claude-opus-5-5",
            disabled.clone(),
            "\"thinking.type.disabled\" is not supported",
        ),
        ("claude-opus-5", disabled, "fine"),
        (
            "claude-opus-5",
            json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}),
            "\"thinking.type.disabled\"",
        ),
        (
            "claude-haiku-4-5",
            json!({"thinking": {"type": "enabled", "budget_tokens": 1000}}),
            "greater than or equal to 1024",
        ),
        (
            "claude-haiku-4-5",
            json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}),
            "`max_tokens` must be greater than `thinking.budget_tokens`",
        ),
        (
            "claude-haiku-4-5",
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "temperature": 0.0}),
            "may only be set to 1",
        ),
    ]);
}

#[test]
fn messages_are_refused_in_the_words_of_the_api() {
    let text = |text: &str| json!({"role": "user", "content": [{"type": "text", "text": text}]});
    let use_ = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "t", "input": {}}]});
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}]});
    table(vec![
        (
            "claude-opus-5",
            json!({"messages": []}),
            "messages: at least one message is required",
        ),
        (
            "claude-opus-5",
            json!({"messages": [text("")]}),
            "text content blocks must be non-empty",
        ),
        (
            "claude-opus-5",
            json!({"messages": [{"role": "user", "content": ""}]}),
            "messages.0: all messages must have non-empty content",
        ),
        (
            "claude-opus-5",
            json!({"messages": [{"role": "robot", "content": "x"}]}),
            "Input should be 'user' or 'assistant'",
        ),
        (
            "claude-sonnet-5",
            json!({"messages": [text("a"), {"role": "system", "content": "x"}]}),
            "role 'system' is not supported on this model",
        ),
        (
            "claude-opus-5",
            json!({"messages": [text("a"), {"role": "system", "content": "x"}]}),
            "fine",
        ),
        (
            "claude-opus-5",
            json!({"messages": [text("a"), {"role": "assistant", "content": "x"}]}),
            "does not support assistant message prefill",
        ),
        (
            "claude-haiku-4-5",
            json!({"messages": [text("a"), {"role": "assistant", "content": "x"}]}),
            "fine",
        ),
        (
            "claude-opus-5",
            json!({"messages": [text("a"), use_, text("b")]}),
            "messages.1: `tool_use` ids were found without",
        ),
        (
            "claude-opus-5",
            json!({"messages": [text("a"), use_, result]}),
            "fine",
        ),
        (
            "claude-opus-5",
            json!({"messages": [result]}),
            "messages.0.content.0: unexpected `tool_use_id`",
        ),
        (
            "claude-haiku-4-5",
            json!({"messages": [text(&"x".repeat(900_000))]}),
            "tokens > 200000 maximum",
        ),
    ]);
}

#[test]
fn breakpoints_are_counted_and_ordered() {
    let block = |ttl: &str| json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": ttl}});
    let system =
        |ttls: &[&str]| json!({"system": ttls.iter().map(|ttl| block(ttl)).collect::<Vec<_>>()});
    table(vec![
        ("claude-opus-5", system(&["5m"; 4]), "fine"),
        (
            "claude-opus-5",
            system(&["5m"; 5]),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        ("claude-opus-5", system(&["1h", "5m"]), "fine"),
        (
            "claude-opus-5",
            system(&["5m", "1h"]),
            "system.1.text.cache_control.ttl: a ttl='1h'",
        ),
        (
            "claude-opus-5",
            json!({"system": [{"type": "text", "text": "", "cache_control": {"type": "ephemeral"}}]}),
            "cannot be set for empty text blocks",
        ),
    ]);
}

#[test]
fn the_newer_version_takes_no_sampling_parameters() {
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "temperature": 1.0,
        "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(refusal_in("2023-06-01", &body), "fine");
    assert_eq!(
        refusal_in("2026-10-21", &body),
        "temperature: Extra inputs are not permitted"
    );
}

#[test]
fn the_version_header_is_required_and_known() {
    let missing = Dialect::of(None, false).unwrap_err();
    assert_eq!(missing.message, "anthropic-version: header is required");
    assert!(Dialect::of(Some("2020-01-01"), false).is_err());
}
