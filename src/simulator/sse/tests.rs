//! Streams have the events of the API in its order, and break off where they are told to.

use super::super::answer::{self, Question};
use super::super::cache::CacheUse;
use super::super::faults::Twist;
use super::super::request::{self, Ask, Endpoint};
use super::super::settings::OutputLength;
use super::*;

fn message(twist: Twist) -> Message {
    let body = json!({"model": "claude-haiku-5-5", "max_tokens": 900, "stream": true,
        "tools": [{"name": "look", "input_schema": {"type": "object", "required": ["at"],
            "properties": {"at": {"type": "string"}}}}],
        "messages": [{"role": "user", "content": "naïve 日本"}]})
    .to_string();
    let ask = Ask::read(
        request::fields(body.as_bytes()).unwrap(),
        Endpoint::Messages,
    )
    .unwrap();
    let question = Question {
        ask: &ask,
        prompt_tokens: 20,
        cached: &CacheUse::default(),
        service_tier: "standard",
        seed: 1,
        body: 2,
        nth: 0,
        output: OutputLength {
            median: 400,
            spread: 0.0,
        },
    };
    answer::message(&question, twist)
}

/// Name and data of each event; panics on anything that is no event.
fn parse(bytes: &[u8]) -> Vec<(String, Value)> {
    std::str::from_utf8(bytes)
        .unwrap()
        .split_terminator("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            (name.strip_prefix("event: ").unwrap().to_owned(), data)
        })
        .collect()
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_good_stream_has_the_documented_order() {
    let events = parse(&plain(&message(Twist::Thinking)).chunks.concat());
    for (name, data) in &events {
        assert_eq!(data["type"], name.as_str());
    }
    let mut order = names(&events);
    assert_eq!(order[0], "message_start");
    assert_eq!(order[order.len() - 2..], ["message_delta", "message_stop"]);
    assert!(order.iter().filter(|name| **name == "ping").count() > 1);
    order.retain(|name| name.starts_with("content_block_st"));
    assert_eq!(
        order,
        ["content_block_start", "content_block_stop"].repeat(3)
    );
}

#[test]
fn the_deltas_add_up_to_the_message() {
    let message = message(Twist::Thinking);
    let events = parse(&plain(&message).chunks.concat());
    let whole = serde_json::to_value(&message).unwrap();
    let joined = |index: u64, key: &str| -> String {
        events
            .iter()
            .filter(|(name, data)| name == "content_block_delta" && data["index"] == index)
            .filter_map(|(_, data)| data["delta"][key].as_str())
            .collect()
    };
    assert_eq!(
        joined(0, "thinking"),
        whole["content"][0]["thinking"].as_str().unwrap()
    );
    assert_eq!(
        joined(0, "signature"),
        whole["content"][0]["signature"].as_str().unwrap()
    );
    assert_eq!(
        joined(1, "text"),
        whole["content"][1]["text"].as_str().unwrap()
    );
    let input: Value = serde_json::from_str(&joined(2, "partial_json")).unwrap();
    assert_eq!(input, whole["content"][2]["input"]);
}

#[test]
fn usage_is_cumulative_and_last_told_at_the_end() {
    let message = message(Twist::Plain);
    let events = parse(&plain(&message).chunks.concat());
    assert_eq!(events[0].1["message"]["usage"]["output_tokens"], 1);
    assert_eq!(events[0].1["message"]["content"], json!([]));
    assert_eq!(events[0].1["message"]["stop_reason"], Value::Null);
    let delta = &events[events.len() - 2].1;
    assert_eq!(delta["usage"]["output_tokens"], message.usage.output_tokens);
    assert_eq!(delta["delta"]["stop_reason"], "tool_use");
}

#[test]
fn a_broken_stream_never_has_its_stop() {
    let broken = [
        StreamTwist::Overloaded,
        StreamTwist::ErrorFirst,
        StreamTwist::ErrorMid,
        StreamTwist::ContentFilter,
        StreamTwist::Eof,
        StreamTwist::BareError,
        StreamTwist::Stall,
    ];
    for twist in broken {
        let script = twisted(&message(Twist::Plain), twist, Some("req_1"));
        let bytes = script.chunks.concat();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!script.complete, "{twist:?}");
        assert!(!text.contains("message_stop"), "{twist:?}");
        assert_eq!(script.after == After::Silence, twist == StreamTwist::Stall);
    }
}

#[test]
fn an_error_in_the_middle_comes_after_some_content() {
    let script = twisted(&message(Twist::Plain), StreamTwist::ErrorMid, Some("req_1"));
    let events = parse(&script.chunks.concat());
    assert!(names(&events).contains(&"content_block_delta"));
    let (name, data) = events.last().unwrap();
    assert_eq!(name, "error");
    assert_eq!(data["error"]["type"], "api_error");
    assert_eq!(data["request_id"], "req_1");
}

#[test]
fn odd_framings_carry_the_same_stream() {
    let message = message(Twist::Plain);
    let good = plain(&message).chunks.concat();
    let split = twisted(&message, StreamTwist::SplitUtf8, None);
    assert_eq!(split.chunks.concat(), good);
    assert!(
        split
            .chunks
            .iter()
            .any(|chunk| std::str::from_utf8(chunk).is_err())
    );
    let crlf = twisted(&message, StreamTwist::Crlf, None).chunks.concat();
    let crlf = String::from_utf8(crlf).unwrap();
    assert!(!crlf.replace("\r\n", "").contains('\n'));
    assert_eq!(crlf.replace("\r\n", "\n").as_bytes(), good);
}

#[test]
fn unknown_events_stand_between_known_ones() {
    let script = twisted(&message(Twist::Plain), StreamTwist::UnknownEvents, None);
    let text = String::from_utf8(script.chunks.concat()).unwrap();
    assert!(text.contains("event: weather_report"));
    assert!(text.contains("scent_delta"));
    assert!(text.ends_with("data: {\"type\":\"message_stop\"}\n\n"));
    assert!(script.complete);
}
