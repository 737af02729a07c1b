//! A message as a stream of server-sent events, and the ways such a stream goes wrong.
//!
//! Pure: it turns a message into the bytes of its events, each to be sent as a chunk of its own.
//! How and when they are sent is not decided here.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::faults::StreamTwist;
use super::message::{Block, Message};

/// A text delta carries about this many bytes; real ones carry a few words.
const DELTA_BYTES: usize = 48;
/// Most deltas of one block: long texts get longer deltas, so that a stream stays cheap.
const MAX_DELTAS: usize = 64;
/// A ping after this many deltas.
const PING_EVERY: usize = 16;
/// Chunks of a stream that is cut without regard to characters: a prime, so that cuts wander.
const SPLIT_BYTES: usize = 7;

pub(super) const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// A stream ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) chunks: Vec<Bytes>,
    pub(super) after: After,
    /// Whether any of the message was generated.
    pub(super) generated: bool,
    /// Whether the message arrives whole.
    pub(super) complete: bool,
}

/// What comes after the last chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    End,
    /// Nothing, and the connection stays open.
    Silence,
    /// Pings for ever.
    Pings,
}

/// The events of a good stream, in the documented order.
pub(super) fn plain(message: &Message) -> Script {
    let mut events = vec![start(message)];
    for (index, block) in message.content.iter().enumerate() {
        block_events(&mut events, index, block);
        if index == 0 {
            events.insert(2, Bytes::from_static(PING.as_bytes()));
        }
    }
    events.push(delta_of(message));
    events.push(event("message_stop", &json!({"type": "message_stop"})));
    Script {
        chunks: events,
        after: After::End,
        generated: true,
        complete: true,
    }
}

/// The same with a flaw.
pub(super) fn twisted(message: &Message, twist: StreamTwist, request_id: Option<&str>) -> Script {
    let good = plain(message);
    let broken = |chunks| Script {
        chunks,
        after: After::End,
        generated: !matches!(twist, StreamTwist::ErrorFirst | StreamTwist::Overloaded),
        complete: false,
    };
    let error = |kind, text: &str| {
        let body = ApiError::new(200, kind, text).body(request_id);
        frame("error", &String::from_utf8_lossy(&body))
    };
    match twist {
        StreamTwist::ErrorFirst => broken(vec![error("overloaded_error", "Overloaded")]),
        StreamTwist::Overloaded => broken(vec![
            start(message),
            Bytes::from_static(PING.as_bytes()),
            error("overloaded_error", "Overloaded"),
        ]),
        StreamTwist::ErrorMid => broken(until_middle(
            good.chunks,
            error("api_error", "Internal server error"),
        )),
        StreamTwist::ContentFilter => broken(until_middle(
            good.chunks,
            error(
                "invalid_request_error",
                "Output blocked by content filtering policy",
            ),
        )),
        StreamTwist::BareError => {
            let mut bare = ApiError::new(200, "api_error", "Internal server error")
                .body(request_id)
                .to_vec();
            bare.push(b'\n');
            broken(until_middle(good.chunks, Bytes::from(bare)))
        }
        StreamTwist::Eof => broken(until_middle(good.chunks, Bytes::new())),
        StreamTwist::Stall => Script {
            after: After::Silence,
            ..broken(until_middle(good.chunks, Bytes::new()))
        },
        StreamTwist::Pings => Script {
            after: After::Pings,
            ..broken(until_middle(good.chunks, Bytes::new()))
        },
        StreamTwist::Crlf => Script {
            chunks: good.chunks.iter().map(with_crlf).collect(),
            ..good
        },
        StreamTwist::SplitUtf8 => Script {
            chunks: split(&good.chunks.concat()),
            ..good
        },
        StreamTwist::UnknownEvents => Script {
            chunks: with_unknown_events(good.chunks),
            ..good
        },
        StreamTwist::ErrorLast => {
            whole::without_stop(good, &[error("api_error", "Internal server error")])
        }
        other => whole::twisted(message, other, good),
    }
}

/// Name and data of an event.
fn frame(name: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

fn event(name: &str, data: &Value) -> Bytes {
    frame(name, &data.to_string())
}

fn start(message: &Message) -> Bytes {
    let mut empty = message.clone();
    empty.content.clear();
    empty.stop_reason = None;
    empty.stop_sequence = None;
    empty.stop_details = None;
    // A placeholder, as the real API sends it before there is any output.
    empty.usage.output_tokens = 1;
    empty.usage.output_tokens_details.thinking_tokens = 0;
    frame(
        "message_start",
        &with_part("\"type\":\"message_start\",\"message\"", &empty),
    )
}

/// An object that ends with this part: a part of a message keeps the order of its keys, which a
/// `Value` would sort.
fn with_part(before: &str, part: &impl Serialize) -> String {
    let part = serde_json::to_string(part).unwrap_or_default();
    format!("{{{before}:{part}}}")
}

/// The last word on stop reason and usage; counts are cumulative.
fn delta_of(message: &Message) -> Bytes {
    let mut delta = json!({
        "stop_reason": message.stop_reason,
        "stop_sequence": message.stop_sequence,
    });
    if let Some(details) = &message.stop_details {
        delta["stop_details"] = details.clone();
    }
    let usage = &message.usage;
    if let Some(receipt) = usage.receipt {
        let told = receipt.of(usage);
        let last = json!({"type": "message_delta", "delta": delta, "usage": told});
        return event("message_delta", &last);
    }
    event(
        "message_delta",
        &json!({"type": "message_delta", "delta": delta, "usage": {
            "input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": usage.cache_creation_input_tokens,
            "cache_read_input_tokens": usage.cache_read_input_tokens,
            "output_tokens": usage.output_tokens,
            "output_tokens_details": usage.output_tokens_details,
            "server_tool_use": usage.server_tool_use,
        }}),
    )
}

fn block_events(events: &mut Vec<Bytes>, index: usize, block: &Block) {
    let (opening, deltas) = match block {
        Block::Text { text } => (
            Block::Text {
                text: String::new(),
            },
            deltas("text_delta", "text", text),
        ),
        Block::Thinking {
            thinking,
            signature,
        } => {
            let mut parts = deltas("thinking_delta", "thinking", thinking);
            parts.push(json!({"type": "signature_delta", "signature": signature}));
            let empty = Block::Thinking {
                thinking: String::new(),
                signature: String::new(),
            };
            (empty, parts)
        }
        Block::ToolUse { id, name, input } => (
            Block::ToolUse {
                id: id.clone(),
                name: name.clone(),
                input: json!({}),
            },
            input_deltas(input),
        ),
        Block::ServerToolUse { id, name, input } => (
            Block::ServerToolUse {
                id: id.clone(),
                name: name.clone(),
                input: json!({}),
            },
            input_deltas(input),
        ),
        // It comes whole.
        Block::WebSearchToolResult { .. } => (block.clone(), Vec::new()),
    };
    let before = format!("\"type\":\"content_block_start\",\"index\":{index},\"content_block\"");
    events.push(frame("content_block_start", &with_part(&before, &opening)));
    for (count, delta) in deltas.into_iter().enumerate() {
        if count > 0 && count.is_multiple_of(PING_EVERY) {
            events.push(Bytes::from_static(PING.as_bytes()));
        }
        events.push(event(
            "content_block_delta",
            &json!({"type": "content_block_delta", "index": index, "delta": delta}),
        ));
    }
    events.push(event(
        "content_block_stop",
        &json!({"type": "content_block_stop", "index": index}),
    ));
}

/// The input of a tool in pieces; the first is often empty.
fn input_deltas(input: &Value) -> Vec<Value> {
    let mut parts = vec![json!({"type": "input_json_delta", "partial_json": ""})];
    parts.extend(deltas(
        "input_json_delta",
        "partial_json",
        &input.to_string(),
    ));
    parts
}

fn deltas(kind: &str, key: &str, text: &str) -> Vec<Value> {
    let size = DELTA_BYTES.max(text.len() / MAX_DELTAS);
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.ceil_char_boundary(size);
        let (part, after) = rest.split_at(at);
        parts.push(json!({"type": kind, key: part}));
        rest = after;
    }
    parts
}

/// The first half of a stream, some of its content included, and then `end`.
fn until_middle(mut chunks: Vec<Bytes>, end: Bytes) -> Vec<Bytes> {
    let middle = chunks.len().div_ceil(2).max(4);
    chunks.truncate(middle.min(chunks.len().saturating_sub(2)));
    if !end.is_empty() {
        chunks.push(end);
    }
    chunks
}

fn with_crlf(chunk: &Bytes) -> Bytes {
    Bytes::from(String::from_utf8_lossy(chunk).replace('\n', "\r\n"))
}

fn split(whole: &[u8]) -> Vec<Bytes> {
    whole
        .chunks(SPLIT_BYTES)
        .map(Bytes::copy_from_slice)
        .collect()
}

fn with_unknown_events(chunks: Vec<Bytes>) -> Vec<Bytes> {
    let strange = [
        Bytes::from_static(b": a comment\n\n"),
        event(
            "weather_report",
            &json!({"type": "weather_report", "sky": "clear"}),
        ),
        event(
            "content_block_delta",
            &json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "scent_delta", "scent": "lavender"}}),
        ),
    ];
    let mut out = Vec::with_capacity(chunks.len() + strange.len());
    for (index, chunk) in chunks.into_iter().enumerate() {
        out.push(chunk);
        if index == 2 {
            out.extend(strange.iter().cloned());
        }
    }
    out
}

mod whole;

#[cfg(test)]
mod tests;
