//! Sequences of events, and the messages that they make.

use super::{Assembly, End};
use crate::model::Tokens;
use crate::provider::sse::Frame;

const START: &str = r#"{"type":"message_start","message":{"id":"m_1","type":"message","role":"assistant","model":"c-1","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"cache_read_input_tokens":3,"output_tokens":1,"service_tier":"standard"}}}"#;
const OTHER_START: &str = r#"{"type":"message_start","message":{"id":"m_2","content":[]}}"#;
const DELTA: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

/// Data of events; each event is named after the type in its data.
fn fold(events: &[&str]) -> Assembly {
    let mut fold = Assembly::default();
    for data in events {
        let value: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
        fold.take(Frame::Event {
            name: value["type"].as_str().unwrap_or_default().to_owned(),
            data: (*data).to_owned(),
        });
    }
    fold
}

fn begin(index: u64, block: &str) -> String {
    format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#)
}

fn delta(index: u64, delta: &str) -> String {
    format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}   }}"#)
}

/// The `content` that one block with these deltas makes.
fn content(block: &str, deltas: &[&str]) -> String {
    let mut events = vec![START.to_owned(), begin(0, block)];
    events.extend(deltas.iter().map(|one| delta(0, one)));
    events.push(r#"{"type":"content_block_stop","index":0}"#.to_owned());
    events.extend([DELTA, STOP].map(str::to_owned));
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let fold = fold(&events);
    assert_eq!(fold.end(), Some(&End::Complete));
    let message = fold.message().unwrap();
    let (_, rest) = message.split_once(r#""content":["#).unwrap();
    rest.split_once(r#"],"stop_reason""#).unwrap().0.to_owned()
}

fn nonsense(events: &[&str]) -> String {
    match fold(events).end() {
        Some(End::Nonsense(why)) => why.clone(),
        end => panic!("{events:?}: {end:?}"),
    }
}

#[test]
fn a_message_keeps_the_keys_of_its_beginning_in_their_order() {
    let text = [
        begin(0, r#"{"type":"text","text":""}"#),
        delta(0, r#"{"type":"text_delta","text":"Hi"}"#),
    ];
    let whole = fold(&[START, &text[0], &text[1], DELTA, STOP]);
    assert_eq!(
        whole.message().unwrap(),
        r#"{"id":"m_1","type":"message","role":"assistant","model":"c-1","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"cache_read_input_tokens":3,"output_tokens":9,"service_tier":"standard"}}"#
    );
}

/// A block as it begins, its deltas, and what they make.
const BLOCKS: &[(&str, &[&str], &str)] = &[
    (
        r#"{"type":"text","text":""}"#,
        &[],
        r#"{"type":"text","text":""}"#,
    ),
    (
        r#"{"type":"text","text":"a"}"#,
        &[
            r#"{"type":"text_delta","text":"b\n\"\u00fc"}"#,
            r#"{"type":"text_delta","text":"\ud83e\udd80"}"#,
        ],
        r#"{"type":"text","text":"ab\n\"ü🦀"}"#,
    ),
    (
        r#"{"type":"thinking","thinking":"","signature":""}"#,
        &[
            r#"{"type":"thinking_delta","thinking":"Hm"}"#,
            r#"{"type":"thinking_delta","thinking":"m"}"#,
            r#"{"type":"signature_delta","signature":"Eq=="}"#,
        ],
        r#"{"type":"thinking","thinking":"Hmm","signature":"Eq=="}"#,
    ),
    // Thinking that is not shown has a signature alone.
    (
        r#"{"type":"thinking","thinking":""}"#,
        &[r#"{"type":"signature_delta","signature":"Eq=="}"#],
        r#"{"type":"thinking","thinking":"","signature":"Eq=="}"#,
    ),
    (
        r#"{"type":"redacted_thinking","data":"xyz"}"#,
        &[],
        r#"{"type":"redacted_thinking","data":"xyz"}"#,
    ),
    (
        r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#,
        &[
            r#"{"type":"input_json_delta","partial_json":""}"#,
            r#"{"type":"input_json_delta","partial_json":"{\"b\": 1.50, \"a"}"#,
            r#"{"type":"input_json_delta","partial_json":"\": \"x y\"}"}"#,
        ],
        r#"{"type":"tool_use","id":"t","name":"f","input":{"b":1.50,"a":"x y"}}"#,
    ),
    (
        r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#,
        &[r#"{"type":"input_json_delta","partial_json":""}"#],
        r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#,
    ),
    (
        r#"{"type":"server_tool_use","name":"f"}"#,
        &[r#"{"type":"input_json_delta","partial_json":""}"#],
        r#"{"type":"server_tool_use","name":"f","input":{}}"#,
    ),
    // `max_tokens` cut the input.
    (
        r#"{"type":"tool_use","input":{}}"#,
        &[r#"{"type":"input_json_delta","partial_json":"{\"a\":[1,2],\"b\":\"unfin"}"#],
        r#"{"type":"tool_use","input":{"a":[1,2]}}"#,
    ),
    (
        r#"{"type":"tool_use","input":{}}"#,
        &[r#"{"type":"input_json_delta","partial_json":"oops"}"#],
        r#"{"type":"tool_use","input":"oops"}"#,
    ),
    (
        r#"{"type":"text","text":"","citations":[]}"#,
        &[
            r#"{"type":"citations_delta","citation":{"type":"page","n":1.0}}"#,
            r#"{"type":"text_delta","text":"x"}"#,
            r#"{"type":"citations_delta","citation":{"n":2}}"#,
        ],
        r#"{"type":"text","text":"x","citations":[{"type":"page","n":1.0},{"n":2}]}"#,
    ),
    (
        r#"{"type":"text","text":"","citations":null}"#,
        &[r#"{"type":"citations_delta","citation":{"n":2}}"#],
        r#"{"type":"text","text":"","citations":[{"n":2}]}"#,
    ),
    (
        r#"{"type":"compaction","content":null}"#,
        &[r#"{"type":"compaction_delta","content":"short"}"#],
        r#"{"type":"compaction","content":"short"}"#,
    ),
    // What is not known yet survives as far as it came with the block.
    (
        r#"{"type":"hologram","size":[1, 2],"x":{"y":null}}"#,
        &[r#"{"type":"light_delta","light":"red"}"#],
        r#"{"type":"hologram","size":[1,2],"x":{"y":null}}"#,
    ),
];

#[test]
fn every_kind_of_block_is_put_together() {
    for (block, deltas, expected) in BLOCKS {
        assert_eq!(content(block, deltas), *expected, "{block} {deltas:?}");
    }
}

#[test]
fn blocks_stand_in_the_order_of_their_index() {
    let events = [
        begin(1, r#"{"type":"b"}"#),
        begin(0, r#"{"type":"text","text":""}"#),
        delta(0, r#"{"type":"text_delta","text":"x"}"#),
    ];
    let fold = fold(&[START, &events[0], &events[1], &events[2], STOP]);
    let message = fold.message().unwrap();
    let expected = r#""content":[{"type":"text","text":"x"},{"type":"b"}],"#;
    assert!(message.contains(expected), "{message}");
}

#[test]
fn unknown_events_are_passed_over_and_remembered() {
    let strange = [
        r#"{"type":"ping"}"#,
        r#"{"type":"weather_report","error":{"type":"rain"}}"#,
        "[DONE]",
        "hello",
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"scent_delta","scent":"x"}}"#,
    ];
    let block = begin(0, r#"{"type":"text","text":""}"#);
    let mut events = vec![strange[0], START, block.as_str()];
    events.extend(&strange[1..]);
    events.extend([DELTA, STOP]);
    let whole = fold(&events);
    assert_eq!(whole.end(), Some(&End::Complete));
    assert_eq!(
        whole.unknown().collect::<Vec<_>>(),
        ["scent_delta", "weather_report"]
    );
    assert_eq!(
        whole.message(),
        fold(&[START, &block, DELTA, STOP]).message()
    );
}

#[test]
fn usage_is_cumulative_and_overridden_field_by_field() {
    let later = [
        r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":4,"output_tokens_details":{"thinking_tokens":2}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"category":"bio"}},"usage":{"input_tokens":20,"cache_read_input_tokens":null,"output_tokens":9,"new":1},"context_management":{"applied":[]}}"#,
    ];
    let fold = fold(&[START, later[0], later[1], STOP]);
    let message = fold.message().unwrap();
    let expected = r#""stop_reason":"refusal","stop_details":{"category":"bio"},"stop_sequence":null,"usage":{"input_tokens":20,"cache_read_input_tokens":3,"output_tokens":9,"new":1,"output_tokens_details":{"thinking_tokens":2},"service_tier":"standard"},"context_management":{"applied":[]}}"#;
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn usage_is_known_as_soon_as_the_message_has_begun() {
    assert_eq!(fold(&[r#"{"type":"ping"}"#]).partial(), None);
    let partial = fold(&[START]).partial().unwrap();
    assert_eq!(partial.model.as_deref(), Some("c-1"));
    let tokens = |output| Tokens {
        input: 7,
        cache_read: 3,
        output,
        ..Tokens::default()
    };
    assert_eq!(partial.usage.tokens, tokens(1));
    assert_eq!(
        fold(&[START, DELTA]).partial().unwrap().usage.tokens,
        tokens(9)
    );
}

#[test]
fn an_error_ends_the_stream_however_it_is_written() {
    let take = |frame| {
        let mut fold = fold(&[START]);
        fold.take(frame);
        fold.end().cloned()
    };
    let event = |name: &str, data: &str| Frame::Event {
        name: name.to_owned(),
        data: data.to_owned(),
    };
    let error = r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#;
    for frame in [
        event("error", error),
        event("", error),
        event("error", r#"{"detail":"x"}"#),
        event("error", "Overloaded"),
        event("", r#"{"error":{"type":"api_error"}}"#),
        Frame::Bare(error.to_owned()),
        Frame::Bare(r#"{"error":"x"}"#.to_owned()),
    ] {
        assert!(
            matches!(take(frame.clone()), Some(End::Error(_))),
            "{frame:?}"
        );
    }
    assert_eq!(take(Frame::Bare(r#"{"type":"ping"}"#.to_owned())), None);
    // What comes after the end changes nothing.
    assert_eq!(fold(&[START, STOP, error, "{"]).end(), Some(&End::Complete));
}

#[test]
fn a_message_is_whole_with_its_stop_reason_and_closed_blocks() {
    let block = begin(0, r#"{"type":"text","text":""}"#);
    let stop = r#"{"type":"content_block_stop","index":0}"#;
    let no_reason = r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{}}"#;
    let started = r#"{"type":"message_start","message":{"content":[{"type":"text","text":"x"}],"stop_reason":"end_turn"}}"#;
    let cases: &[(&[&str], bool)] = &[
        (&[], false),
        (&[START], false),
        (&[START, &block, stop], false),
        (&[START, &block, DELTA], false),
        (&[START, &block, stop, no_reason], false),
        (&[START, &block, stop, DELTA], true),
        (&[START, &block, stop, DELTA, r#"{"type":"ping"}"#], true),
        (&[START, DELTA], true),
        (&[started], true),
        (
            &[r#"{"type":"message_start","message":{"content":[],"stop_reason":"end_turn"}}"#],
            false,
        ),
        // Its reason was told too early: more content comes.
        (&[started, &block, stop], false),
    ];
    for (events, whole) in cases {
        let fold = fold(events);
        assert_eq!(fold.is_whole(), *whole, "{events:?}");
        assert_eq!(fold.end(), None, "{events:?}");
    }
}

#[test]
fn nothing_makes_void_what_is_whole() {
    let error = r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#;
    for after in [STOP, "[DONE]", error, "{", OTHER_START] {
        assert_eq!(
            fold(&[START, DELTA, after]).end(),
            Some(&End::Complete),
            "{after}"
        );
    }
    assert_eq!(fold(&[START, "[DONE]"]).end(), None);
}

#[test]
fn a_repeated_beginning_is_passed_over() {
    let block = begin(0, r#"{"type":"text","text":""}"#);
    let text = delta(0, r#"{"type":"text_delta","text":"x"}"#);
    let stop = r#"{"type":"content_block_stop","index":0}"#;
    let once = fold(&[START, &block, &text, stop, DELTA, STOP]);
    let again = fold(&[START, START, &block, START, &text, stop, DELTA, STOP]);
    assert_eq!(again.end(), Some(&End::Complete));
    assert_eq!(again.message(), once.message());
}

#[test]
fn only_what_is_no_ping_is_life() {
    let ping = r#"{"type":"ping"}"#;
    for (events, life) in [
        (&[ping, ping][..], 0),
        (&[ping, START, ping, DELTA], 2),
        (&[START, r#"{"type":"weather"}"#, "[DONE]"], 3),
    ] {
        assert_eq!(fold(events).life(), life, "{events:?}");
    }
    let thinking = begin(0, r#"{"type":"thinking","thinking":""}"#);
    let stop = r#"{"type":"content_block_stop","index":0}"#;
    assert!(fold(&[START, &thinking, ping]).is_thinking());
    assert!(!fold(&[START, &thinking, stop]).is_thinking());
}

#[test]
fn a_key_that_comes_twice_counts_with_its_last_value() {
    let start = r#"{"type":"message_start","message":{"id":"a","id":"b","content":[],"content":[{"type":"text","text":"x"}]}}"#;
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_reason":"end_turn"},"delta":{"stop_reason":"tool_use"}}"#;
    assert_eq!(
        fold(&[start, delta, STOP]).message().unwrap(),
        r#"{"id":"b","content":[{"type":"text","text":"x"}],"stop_reason":"tool_use"}"#
    );
}

#[test]
fn a_message_that_is_told_anew_from_its_beginning_is_one_message() {
    let block = |text: &str| [begin(0, r#"{"type":"text","text":""}"#), delta(0, text)];
    let half = block(r#"{"type":"text_delta","text":"PAI"}"#);
    let all = block(r#"{"type":"text_delta","text":"PAID"}"#);
    let again = fold(&[
        START, &half[0], &half[1], START, &all[0], &all[1], DELTA, STOP,
    ]);
    assert_eq!(again.end(), Some(&End::Complete));
    let message = again.message().unwrap();
    assert!(
        message.contains(r#""content":[{"type":"text","text":"PAID"}]"#),
        "{message}"
    );
    // Only a beginning allows it, and once.
    let why = nonsense(&[START, START, &half[0], &half[0], &half[0]]);
    assert!(why.contains("block 0 twice"), "{why}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let block = begin(0, r#"{"type":"text","text":""}"#);
    let of_one = delta(1, r#"{"type":"text_delta","text":"x"}"#);
    let no_text = delta(0, r#"{"type":"text_delta"}"#);
    let odd_text = delta(0, r#"{"type":"text_delta","text":7}"#);
    let cases: &[(&[&str], &str)] = &[
        (&[STOP], "had not begun"),
        (&[DELTA], "had not begun"),
        (&[&block], "had not begun"),
        (&[START, OTHER_START], "second message"),
        (&[START, &block, &block], "block 0 twice"),
        (&[START, &block, &of_one], "block 1, which it had not begun"),
        (&[START, &block, &no_text], "no `text`"),
        (&[START, &block, &odd_text], "`text` of an event is no text"),
        (
            &[START, r#"{"type":"content_block_start","index":0}"#],
            "no `content_block`",
        ),
        (
            &[
                START,
                r#"{"type":"content_block_start","index":-1,"content_block":{}}"#,
            ],
            "no number",
        ),
        (
            &[r#"{"type":"message_start","message":{"content":["x"]}}"#],
            "content that the stream began with",
        ),
        (
            &[r#"{"type":"message_start","message":[]}"#],
            "expected a JSON object",
        ),
        (&[START, r#"{"type":"content_block_de"#], "ends too early"),
    ];
    for (events, expected) in cases {
        let why = nonsense(events);
        assert!(why.contains(expected), "{events:?}: {why}");
    }
}
