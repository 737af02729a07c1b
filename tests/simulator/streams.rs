//! Streams, good and flawed.

use claude_run::simulator::SimulatorSettings;
use reqwest::Response;
use serde_json::Value;

use super::support::{ask, header, start, stream};

/// The events of a stream, as far as it comes, and whether it ended well.
async fn events(response: Response) -> (Vec<Value>, String) {
    let text = response.text().await.unwrap().replace("\r\n", "\n");
    let events = text
        .split("\n\n")
        .filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    (events, text)
}

fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn good_streams_tell_the_same_answer_as_a_plain_request() {
    let simulator = start(SimulatorSettings::default());
    for case in [
        "ok",
        "stream-crlf",
        "stream-split-utf8",
        "stream-unknown-events",
    ] {
        let response = stream(&simulator, &format!("[[sim: {case}]]"))
            .await
            .unwrap();
        assert!(
            header(&response, "content-type")
                .unwrap()
                .starts_with("text/event-stream")
        );
        let (events, _) = events(response).await;
        let types = types(&events);
        assert_eq!(types.first(), Some(&"message_start"), "{case}");
        assert_eq!(types.last(), Some(&"message_stop"), "{case}");
        let text: String = events
            .iter()
            .filter_map(|event| event["delta"]["text"].as_str())
            .collect();
        assert!(
            text.starts_with("This is a simulated answer to"),
            "{case}: {text}"
        );
    }
    let ledger = simulator.stats().ledger;
    assert_eq!(ledger["claude-haiku-4-5-20251001"].messages, 4);
}

#[tokio::test]
async fn broken_streams_end_without_their_stop() {
    let simulator = start(SimulatorSettings::default());
    let cases = [
        ("stream-error-first", 1, "overloaded_error"),
        ("stream-error-overloaded", 3, "overloaded_error"),
        ("stream-error-mid", 4, "api_error"),
        (
            "stream-content-filter",
            4,
            "Output blocked by content filtering policy",
        ),
        ("stream-bare-error", 4, "\n{\"error\":"),
        ("stream-eof", 4, "content_block_delta"),
    ];
    for (case, least, fragment) in cases {
        let response = stream(&simulator, &format!("[[sim: {case}]]"))
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{case}");
        let (events, text) = events(response).await;
        assert!(events.len() >= least, "{case}: {events:?}");
        assert!(text.contains(fragment), "{case}: {text}");
        assert!(!text.contains("message_stop"), "{case}");
    }
    assert!(simulator.stats().ledger.is_empty());
}

#[tokio::test]
async fn a_stalled_stream_stays_open() {
    let simulator = start(SimulatorSettings::default());
    let mut response = stream(&simulator, "[[sim: stream-stall]]").await.unwrap();
    let mut seen = String::new();
    while !seen.contains("text_delta") {
        let chunk = response.chunk().await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert_eq!(simulator.stats().open, 1);
    simulator.shutdown().await;
    while let Ok(chunk) = response.chunk().await {
        assert!(chunk.is_some(), "a stalled stream must not end well");
    }
}

#[tokio::test]
async fn a_stream_case_needs_a_stream() {
    let simulator = start(SimulatorSettings::default());
    let response = ask(&simulator, "[[sim: stream-eof]]").await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("\\\"stream\\\": true")
    );
}

/// What a stream of that case says until it ends or says this.
async fn until(case: &str, words: &str) -> String {
    let simulator = start(SimulatorSettings::default());
    let mut response = stream(&simulator, &format!("[[sim: {case}]]"))
        .await
        .unwrap();
    let mut text = String::new();
    while !text.contains(words) {
        let Some(chunk) = response.chunk().await.unwrap() else {
            break;
        };
        text += &String::from_utf8_lossy(&chunk);
    }
    text
}

#[tokio::test]
async fn peculiar_streams_hold_their_whole_message() {
    let cases: [(&str, &str, bool); 11] = [
        ("stream-no-stop", "nothing", false),
        ("stream-done", "data: [DONE]", false),
        ("stream-error-last", "event: error", false),
        ("stream-started-twice", "nothing", true),
        ("stream-content-first", "nothing", true),
        ("stream-fallback", "nothing", true),
        ("stream-halves", "nothing", true),
        ("stream-half-character", "nothing", true),
        ("stream-stray", "nothing", true),
        ("stream-no-names", "nothing", true),
        ("stream-no-usage", "nothing", true),
    ];
    for (case, words, stops) in cases {
        let text = until(case, words).await;
        assert!(
            text.contains("\"stop_reason\":\"end_turn\""),
            "{case}: {text}"
        );
        assert_eq!(text.contains("message_stop"), stops, "{case}");
        assert_eq!(
            text.contains("event: "),
            case != "stream-no-names",
            "{case}"
        );
        let starts = text.matches("\"message_start\"").count();
        assert_eq!(
            starts,
            if case == "stream-started-twice" { 2 } else { 1 },
            "{case}"
        );
    }
    assert!(
        until("stream-content-first", "nothing")
            .await
            .contains("\"content\":[{\"caller\":")
    );
    assert!(
        until("stream-fallback", "nothing")
            .await
            .contains("\"to\":{\"model\":\"claude-opus-5\"}")
    );
}

#[tokio::test]
async fn pings_come_for_ever_where_nothing_else_does() {
    let many = "event: ping\ndata: {\"type\": \"ping\"}\n\n".repeat(5);
    let whole = until("stream-no-stop-pings", &many).await;
    assert!(whole.contains("message_delta") && !whole.contains("message_stop"));
    let half = until("stream-pings", &many).await;
    assert!(half.contains("content_block_delta") && !half.contains("message_delta"));
}
