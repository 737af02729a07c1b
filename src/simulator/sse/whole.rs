//! Streams that hold their whole message and are peculiar all the same: what gateways and rarer
//! features of the API make of them. And one that holds too much.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::faults::StreamTwist;
use super::super::message::Message;
use super::{After, Script, event, start};

/// The model that takes over in a stream with a fallback.
const TAKES_OVER: &str = "claude-opus-5";

/// The good stream with a peculiarity.
pub(super) fn twisted(message: &Message, twist: StreamTwist, good: Script) -> Script {
    match twist {
        StreamTwist::NoStop => without_stop(good, &[]),
        StreamTwist::Done => Script {
            after: After::Silence,
            ..without_stop(good, &[Bytes::from_static(b"data: [DONE]\n\n")])
        },
        StreamTwist::NoStopPings => Script {
            after: After::Pings,
            ..without_stop(good, &[])
        },
        StreamTwist::StartedTwice => inserted(good, 2, start(message)),
        StreamTwist::NoNames => Script {
            chunks: good.chunks.iter().map(without_name).collect(),
            ..good
        },
        StreamTwist::NoUsage => Script {
            chunks: good.chunks.iter().map(without_usage).collect(),
            ..good
        },
        StreamTwist::ContentFirst => content_first(message, good),
        StreamTwist::Fallback => fallback(good),
        StreamTwist::Halves => inserted(good, 3, text(r"\ud83e", r"\udd80")),
        StreamTwist::HalfCharacter => inserted(good, 3, text(r"\ud83e", "")),
        StreamTwist::Stray => Script {
            complete: false,
            ..inserted(good, 3, delta(77, "lost"))
        },
        _ => good,
    }
}

/// The stream with this in the place of its last event.
pub(super) fn without_stop(good: Script, instead: &[Bytes]) -> Script {
    let mut chunks = good.chunks;
    chunks.pop();
    chunks.extend_from_slice(instead);
    Script { chunks, ..good }
}

fn inserted(mut good: Script, at: usize, chunk: Bytes) -> Script {
    good.chunks.insert(at.min(good.chunks.len()), chunk);
    good
}

fn without_name(chunk: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(chunk);
    let data = text.split_once('\n').map_or("", |(_, data)| data);
    Bytes::from(data.to_owned())
}

/// The last word on the stop reason, without one on the usage.
fn without_usage(chunk: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(chunk);
    let Some(data) = text.strip_prefix("event: message_delta\ndata: ") else {
        return chunk.clone();
    };
    let mut data: Value = serde_json::from_str(data).unwrap_or_default();
    if let Some(members) = data.as_object_mut() {
        members.remove("usage");
    }
    event("message_delta", &data)
}

fn delta(index: usize, text: &str) -> Bytes {
    event(
        "content_block_delta",
        &json!({"type": "content_block_delta", "index": index,
            "delta": {"type": "text_delta", "text": text}}),
    )
}

/// Two deltas of the first block, with text as it is written in JSON.
fn text(first: &str, second: &str) -> Bytes {
    let written = |text: &str| {
        let event = delta(0, "TEXT");
        String::from_utf8_lossy(&event).replace("TEXT", text)
    };
    Bytes::from(written(first) + &written(second))
}

/// The first block comes whole with the beginning; the others follow as events.
fn content_first(message: &Message, good: Script) -> Script {
    let called = json!({"type": "tool_use", "id": "toolu_01SIMULATED", "name": "look_up",
        "input": {"q": "x"}, "caller": {"type": "code_execution_20260120", "tool_id": "srvtoolu_01SIMULATED"}});
    let mut chunks = good.chunks;
    let head = String::from_utf8_lossy(&start(message))
        .replace("\"content\":[]", &format!("\"content\":[{called}]"));
    chunks[0] = Bytes::from(head);
    let chunks = chunks.iter().map(|chunk| moved(chunk, 1)).collect();
    Script { chunks, ..good }
}

/// Another model takes over before the first block.
fn fallback(good: Script) -> Script {
    let block = json!({"type": "fallback", "from": {"model": "x"}, "to": {"model": TAKES_OVER},
        "trigger": {"type": "refusal", "category": "cyber"}});
    let chunks = good.chunks.into_iter();
    let mut chunks: Vec<Bytes> = chunks.map(|chunk| moved(&chunk, 1)).collect();
    let begins = json!({"type": "content_block_start", "index": 0, "content_block": block});
    let stops = json!({"type": "content_block_stop", "index": 0});
    let events = [
        event("content_block_start", &begins),
        event("content_block_stop", &stops),
    ];
    chunks.insert(1, Bytes::from(events.concat()));
    Script { chunks, ..good }
}

/// The event with a larger index.
fn moved(chunk: &Bytes, by: u64) -> Bytes {
    let text = String::from_utf8_lossy(chunk);
    let Some((name, data)) = text.trim_end().split_once("\ndata: ") else {
        return chunk.clone();
    };
    let Ok(mut data) = serde_json::from_str::<Value>(data) else {
        return chunk.clone();
    };
    let Some(index) = data["index"].as_u64() else {
        return chunk.clone();
    };
    data["index"] = json!(index + by);
    event(name.trim_start_matches("event: "), &data)
}
