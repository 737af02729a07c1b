//! What came of a stream, and that it does not matter how a message travels.

use std::fmt::Write as _;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::classify_stream;
use crate::model::{ErrorClass as C, Tokens};
use crate::provider::{Failure, HeaderView, Message, classify_response};

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn read(text: &str) -> Result<Message, Box<Failure>> {
    let pieces = [text.as_bytes()];
    classify_stream(HeaderView::none(), pieces, Timestamp::UNIX_EPOCH)
}

fn start() -> String {
    event(
        "message_start",
        &json!({"type":"message_start","message":{"type":"message","model":"c-1","content":[],
            "stop_reason":null,"usage":{"input_tokens":7,"output_tokens":1}}}),
    )
}

fn stop(reason: &str) -> String {
    let delta = json!({"type":"message_delta","delta":{"stop_reason":reason},
        "usage":{"output_tokens":9}});
    event("message_delta", &delta) + &event("message_stop", &json!({"type":"message_stop"}))
}

fn error(kind: &str, message: &str) -> String {
    let error =
        json!({"type":"error","error":{"type":kind,"message":message},"request_id":"req_1"});
    event("error", &error)
}

#[test]
fn a_whole_stream_is_judged_as_a_plain_answer() {
    for (reason, mark) in [
        ("end_turn", None),
        ("max_tokens", Some(C::Truncated)),
        ("pause_turn", Some(C::Paused)),
        ("ran_out_of_ink", Some(C::Unknown)),
    ] {
        let message = read(&(start() + &stop(reason))).unwrap();
        assert_eq!(message.mark, mark);
        assert_eq!(message.model.as_deref(), Some("c-1"));
        assert_eq!(message.usage.tokens.output, 9);
    }
    let refused = read(&(start() + &stop("refusal"))).unwrap_err();
    assert_eq!(refused.class, C::Refused);
    assert!(refused.message.is_some() && refused.partial.is_none());
}

#[test]
fn errors_within_a_stream_have_their_own_class() {
    for (text, class) in [
        (error("overloaded_error", "Overloaded"), C::Overloaded),
        (error("api_error", "Internal server error"), C::ServerError),
        (error("rate_limit_error", "slow down"), C::RateLimited),
        (
            error(
                "invalid_request_error",
                "Output blocked by content filtering policy",
            ),
            C::ContentFiltered,
        ),
        (
            "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}}\n"
                .to_owned(),
            C::ServerError,
        ),
        (
            "event: error\ndata: upstream gone\n\n".to_owned(),
            C::StreamCut,
        ),
        (
            "event: error\ndata: {\"error\":{\"code\":502,\"message\":\"x\"}}\n\n".to_owned(),
            C::BadGateway,
        ),
        // Nothing that the API would say.
        (
            "event: error\ndata: {\"message\":\"Your credit balance is too low\"}\n\n".to_owned(),
            C::StreamCut,
        ),
    ] {
        for before in [String::new(), start()] {
            let failure = read(&(before.clone() + &text)).unwrap_err();
            assert_eq!(failure.class, class, "{text}");
            assert_eq!(failure.evidence.http_status, Some(200));
            assert_eq!(failure.partial.is_some(), !before.is_empty());
        }
    }
    let failure = read(&error("api_error", "key sk-ant-api03-hidden")).unwrap_err();
    assert_eq!(failure.evidence.request_id.as_deref(), Some("req_1"));
    assert!(!format!("{failure:?}").contains("hidden"));
}

#[test]
fn a_stream_is_cut_until_its_message_is_whole_and_keeps_its_usage() {
    let begun = start().len();
    let whole = start() + &stop("end_turn");
    let last = whole.find("event: message_stop").unwrap();
    let tokens = |output| Tokens {
        input: 7,
        output,
        ..Tokens::default()
    };
    for end in 0..whole.len() {
        let read = read(&whole[..end]);
        // Once its stop reason is there (the empty line may be missing, or the line end before it
        // too), nothing of the message is missing.
        if end >= last - 2 {
            assert_eq!(read.unwrap().usage.tokens, tokens(9), "{end}");
            continue;
        }
        let failure = read.unwrap_err();
        assert_eq!(failure.class, C::StreamCut, "{end}");
        if end >= begun {
            let partial = failure.partial.unwrap();
            assert_eq!(partial.usage.tokens, tokens(1), "{end}");
            assert_eq!(partial.model.as_deref(), Some("c-1"));
        }
    }
}

#[test]
fn garbage_is_cut_too() {
    for text in [
        "",
        "\n\n",
        ": ping\n\n",
        "data: \u{1}\u{2}\n\nevent: message_stop\ndata: {}\n\n",
    ] {
        assert_eq!(read(text).unwrap_err().class, C::StreamCut, "{text:?}");
    }
}

/// A stream with one text, in these deltas as they are written.
fn with_deltas(deltas: &[&str]) -> Vec<u8> {
    let block = json!({"type":"content_block_start","index":0,
        "content_block":{"type":"text","text":""}});
    let mut text = start() + &event("", &block);
    for delta in deltas {
        write!(
            text,
            "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{delta}\"}}}}\n\n"
        )
        .unwrap();
    }
    text += &event("", &json!({"type":"content_block_stop","index":0}));
    (text + &stop("end_turn")).into_bytes()
}

#[test]
fn two_halves_of_a_character_are_one_and_half_of_one_is_told() {
    let told = "the answer was altered to be valid: 1 character of it was broken and is U+FFFD now";
    for (deltas, text, note) in [
        (&["a\\ud83e", "\\udd80b"][..], "a🦀b", None),
        (&["a\\ud83e", "b"], "a\u{fffd}b", Some(told)),
        (&["a\\udd80"], "a\u{fffd}", Some(told)),
    ] {
        let stream = with_deltas(deltas);
        let pieces = [&stream[..]];
        let message = classify_stream(HeaderView::none(), pieces, Timestamp::UNIX_EPOCH).unwrap();
        let value: Value = serde_json::from_str(&message.raw).unwrap();
        assert_eq!(value["content"][0]["text"], text);
        assert_eq!(message.note.as_deref(), note);
    }
}

#[test]
fn what_is_no_utf8_is_mended_and_told() {
    let mut stream = with_deltas(&["aXb"]);
    let at = stream.windows(3).position(|three| three == b"aXb").unwrap();
    stream[at + 1] = 0xFF;
    let pieces = [&stream[..]];
    let message = classify_stream(HeaderView::none(), pieces, Timestamp::UNIX_EPOCH).unwrap();
    let value: Value = serde_json::from_str(&message.raw).unwrap();
    assert_eq!(value["content"][0]["text"], "a\u{fffd}b");
    assert!(message.note.is_some());
}

#[test]
fn what_a_contradiction_came_after_is_kept() {
    let stray =
        json!({"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"x"}});
    let failure = read(&(start() + &event("", &stray) + &stop("end_turn"))).unwrap_err();
    assert_eq!(failure.class, C::StreamCut);
    let kept = failure.evidence.unreadable.unwrap();
    assert!(kept.contains("\"type\":\"message\""), "{kept}");
    let garbage = read("data: {\n\n").unwrap_err();
    assert_eq!(garbage.evidence.unreadable, None);
}

/// Renders a message as the API would stream it: each text in pieces of `size` characters, with
/// pings, padding and line ends of the given kind.
struct Renderer {
    size: usize,
    line_end: &'static str,
    padding: &'static str,
}

impl Renderer {
    fn render(&self, message: &Value) -> String {
        let mut head = message.clone();
        head["content"] = json!([]);
        head["stop_reason"] = Value::Null;
        head["stop_sequence"] = Value::Null;
        head["usage"]["output_tokens"] = json!(1);
        let mut text = self.event("message_start", &json!({"message": head}));
        for (index, block) in message["content"].as_array().unwrap().iter().enumerate() {
            self.block(&mut text, index, block);
        }
        text += &self.event(
            "message_delta",
            &json!({"delta": {"stop_reason": message["stop_reason"],
                "stop_sequence": message["stop_sequence"]},
                "usage": {"output_tokens": message["usage"]["output_tokens"]}}),
        );
        text + &self.event("message_stop", &json!({}))
    }

    fn event(&self, name: &str, data: &Value) -> String {
        let mut data = data.clone();
        data["type"] = json!(name);
        let (data, end) = (data.to_string(), self.line_end);
        let data = data.strip_suffix('}').unwrap();
        format!("event: {name}{end}data: {data}{}}}{end}{end}", self.padding)
    }

    fn block(&self, text: &mut String, index: usize, block: &Value) {
        let mut empty: Map<String, Value> = block.as_object().unwrap().clone();
        let mut deltas = Vec::new();
        for (key, value) in block.as_object().unwrap() {
            let (kind, start) = match key.as_str() {
                "text" => ("text_delta", json!("")),
                "thinking" => ("thinking_delta", json!("")),
                "signature" => ("signature_delta", json!("")),
                "input" => ("input_json_delta", json!({})),
                "citations" => ("citations_delta", json!([])),
                _ => continue,
            };
            empty.insert(key.clone(), start);
            deltas.extend(self.deltas(key, kind, value));
        }
        *text += &self.event(
            "content_block_start",
            &json!({"index": index, "content_block": empty}),
        );
        for delta in deltas {
            *text += &self.event(
                "content_block_delta",
                &json!({"index": index, "delta": delta}),
            );
            *text += &self.event("ping", &json!({}));
        }
        *text += &self.event("content_block_stop", &json!({"index": index}));
    }

    fn deltas(&self, key: &str, kind: &str, value: &Value) -> Vec<Value> {
        let pieces = |key: &str, text: &str| {
            let chars: Vec<char> = text.chars().collect();
            let pieces = chars.chunks(self.size).map(String::from_iter);
            pieces
                .map(|piece| json!({"type": kind, key: piece}))
                .collect()
        };
        match key {
            "input" => pieces("partial_json", &value.to_string()),
            "signature" => vec![json!({"type": kind, "signature": value})],
            "citations" => {
                let all = value.as_array().unwrap().iter();
                all.map(|one| json!({"type": kind, "citation": one}))
                    .collect()
            }
            key => pieces(key, value.as_str().unwrap()),
        }
    }
}

fn block() -> impl Strategy<Value = Value> {
    let text = "[a-z \"\\\\{}\\[\\]\n\r\t\u{1}é日🦀\u{2028}]{0,30}";
    let input = prop::collection::btree_map("[a-c\"]{1,3}", text, 0..4);
    prop_oneof![
        text.prop_map(|text| json!({"type": "text", "text": text})),
        (text, prop::collection::vec(text, 0..3)).prop_map(|(text, quotes)| {
            let quotes = quotes
                .iter()
                .map(|quote| json!({"cited_text": quote, "n": 1}));
            json!({"type": "text", "text": text, "citations": quotes.collect::<Vec<_>>()})
        }),
        (text, "[A-Za-z=]{0,9}").prop_map(|(text, signature)| {
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }),
        (input, any::<i64>()).prop_map(|(input, n)| {
            let input = json!({"deep": [input, {"n": n}], "none": null});
            json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": input})
        }),
        text.prop_map(|data| json!({"type": "redacted_thinking", "data": data})),
        any::<bool>().prop_map(|x| json!({"type": "of_tomorrow", "x": [x, {"y": "z"}]})),
    ]
}

fn message() -> impl Strategy<Value = Value> {
    let blocks = prop::collection::vec(block(), 0..5);
    let reason = prop::sample::select(vec!["end_turn", "max_tokens", "tool_use", "refusal"]);
    (blocks, reason, any::<u32>()).prop_map(|(content, reason, tokens)| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "c-1",
            "content": content, "stop_reason": reason, "stop_sequence": null,
            "usage": {"input_tokens": 5, "output_tokens": tokens, "cache_creation": null,
                "server_tool_use": {"web_search_requests": 1}, "inference_geo": "us"}})
    })
}

/// Cuts `text` at these places, wherever they fall.
fn cut<'a>(text: &'a str, places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|at| at.index(text.len())).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    let pieces = places.windows(2);
    pieces
        .map(|pair| &text.as_bytes()[pair[0]..pair[1]])
        .collect()
}

proptest! {
    #[test]
    fn a_streamed_message_equals_the_plain_one(
        message in message(),
        size in 1_usize..9,
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        padding in prop::sample::select(vec!["", "   "]),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let plain = message.to_string();
        let text = Renderer { size, line_end, padding }.render(&message);
        let (none, now) = (HeaderView::none(), Timestamp::UNIX_EPOCH);
        let streamed = classify_stream(none, cut(&text, &places), now);
        // The raw text, byte for byte, and everything that is read from it.
        prop_assert_eq!(streamed, classify_response(200, none, plain.as_bytes(), now));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "event: error\n", "data: {\"type\":\"message_start\",\"message\":{}}\n",
                "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{}}\n",
                "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{[\"}}\n",
                "data: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":-1}}\n",
                "data: {\"type\":\"message_stop\"}\n", "\n", "\n", "\n", "{\"error\":1}\n", "{", "\r",
            ]),
            0..16,
        ),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let text = lines.concat() + "\n";
        let (none, now) = (HeaderView::none(), Timestamp::UNIX_EPOCH);
        let cut = classify_stream(none, cut(&text, &places), now);
        prop_assert_eq!(cut, classify_stream(none, [text.as_bytes()], now));
    }
}
