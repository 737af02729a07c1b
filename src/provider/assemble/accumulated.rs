//! A streamed answer is what the official SDKs accumulate, for every kind of block there is.
//!
//! `streams.jsonl` has a stream a line: its events, and the message that the official SDKs make of
//! them (Python 2.14 and TypeScript 1.14, beta clients, fed with these very events). Ours differs from
//! theirs in nothing but members that are null.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Assembly, End};
use crate::provider::sse::Frame;
use crate::provider::tidy::tidy;

#[derive(Deserialize)]
struct Stream {
    name: String,
    events: Vec<Box<serde_json::value::RawValue>>,
    message: Map<String, Value>,
}

fn streams() -> impl Iterator<Item = Stream> {
    let lines = include_str!("streams.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap())
}

fn folded(stream: &Stream) -> Map<String, Value> {
    let mut fold = Assembly::default();
    for event in &stream.events {
        fold.take(Frame::Event {
            name: String::new(),
            data: event.get().to_owned(),
        });
    }
    assert_eq!(fold.end(), Some(&End::Complete), "{}", stream.name);
    let text = fold.message().unwrap();
    let text = tidy(text.as_bytes()).text.into_owned();
    let mut message: Map<String, Value> = serde_json::from_str(&text).unwrap();
    message.retain(|_, value| !value.is_null());
    if let Some(usage) = message.get_mut("usage").and_then(Value::as_object_mut) {
        usage.retain(|_, value| !value.is_null());
    }
    message
}

#[test]
fn a_streamed_answer_is_what_the_official_sdks_accumulate() {
    for stream in streams() {
        assert_eq!(
            Value::from(folded(&stream)),
            Value::from(stream.message.clone()),
            "{}",
            stream.name
        );
    }
}

#[test]
fn every_kind_of_block_there_is_has_a_stream() {
    let messages = streams().map(|stream| Value::from(stream.message));
    let kinds: std::collections::BTreeSet<String> = messages
        .flat_map(|message| message["content"].as_array().cloned().unwrap_or_default())
        .map(|block| block["type"].as_str().unwrap().to_owned())
        .collect();
    for kind in [
        "text",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "container_upload",
        "mcp_tool_use",
        "mcp_tool_result",
        "compaction",
        "fallback",
    ] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
}
