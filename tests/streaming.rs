//! The client against the simulator's streams: a good one brings the plain message, a flawed one
//! the class that its flaw has.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]

use std::time::Duration;

use claude_run::model::{Endpoint, ErrorClass as C, RequestBody};
use claude_run::provider::{
    ClientSettings, Credentials, Failure, Message, MessagesClient, Provider, Request,
};
use claude_run::simulator::{Simulator, SimulatorSettings};
use serde_json::{Value, json};

fn body(prompt: &str) -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 1000,
        "messages": [{"role": "user", "content": prompt}]})
}

async fn send(simulator: &Simulator, body: &Value, stream: bool) -> Result<Message, Box<Failure>> {
    let credentials = Credentials::new(Some("sk-ant-test"), None).unwrap();
    let mut settings = ClientSettings::new(simulator.base_url(), credentials);
    settings.idle_timeout = Duration::from_millis(300);
    let client = MessagesClient::new(&settings).unwrap();
    let request = Request {
        body: RequestBody::from_json(body.to_string()),
        timeout: Duration::from_secs(20),
        stream,
        endpoint: Endpoint::First,
    };
    client.send(request).await.result
}

/// The message's text with its id, which is drawn anew each time, replaced.
fn without_id(message: &Message) -> String {
    let value: Value = serde_json::from_str(&message.raw).unwrap();
    message.raw.replace(value["id"].as_str().unwrap(), "msg")
}

fn bodies() -> Vec<Value> {
    let tool = json!([{"name": "look_up", "description": "d",
        "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}}}]);
    let mut bodies: Vec<Value> = (0..12)
        .map(|n| body(&format!("Question {n}: é日🦀?")))
        .collect();
    for (n, body) in bodies.iter_mut().enumerate() {
        if n % 3 == 1 {
            body["tools"] = tool.clone();
            body["tool_choice"] = json!({"type": "any"});
        }
        if n % 3 == 2 {
            body["model"] = json!("claude-sonnet-4-6");
            body["thinking"] = json!({"type": "adaptive"});
        }
    }
    for case in [
        "thinking",
        "empty-answer",
        "max-tokens-stop",
        "context-window-stop",
        "pause-turn",
        "unknown-stop",
    ] {
        bodies.push(body(&format!("[[sim: {case}*9]]")));
    }
    bodies.push({
        let mut body = body("Say it.");
        body["stop_sequences"] = json!(["answer"]);
        body
    });
    bodies
}

#[tokio::test]
async fn a_streamed_answer_is_the_plain_one() {
    let simulator = Simulator::start(SimulatorSettings::default()).unwrap();
    let mut kinds = std::collections::BTreeSet::new();
    for body in bodies() {
        let plain = send(&simulator, &body, false).await.unwrap();
        let streamed = send(&simulator, &body, true).await.unwrap();
        assert_eq!(without_id(&streamed), without_id(&plain));
        assert_eq!((streamed.usage, streamed.mark), (plain.usage, plain.mark));
        let message: Value = serde_json::from_str(&plain.raw).unwrap();
        for block in message["content"].as_array().unwrap() {
            kinds.insert(block["type"].as_str().unwrap().to_owned());
        }
        kinds.extend(plain.stop_reason);
    }
    for kind in [
        "text",
        "thinking",
        "tool_use",
        "max_tokens",
        "stop_sequence",
        "end_turn",
    ] {
        assert!(kinds.contains(kind), "{kind} was never tried: {kinds:?}");
    }
}

#[tokio::test]
async fn each_flaw_has_its_class_and_keeps_its_usage() {
    let simulator = Simulator::start(SimulatorSettings::default()).unwrap();
    for (case, class, began) in [
        ("stream-error-first", Some(C::Overloaded), false),
        ("stream-error-overloaded", Some(C::Overloaded), true),
        ("stream-error-mid", Some(C::ServerError), true),
        ("stream-content-filter", Some(C::ContentFiltered), true),
        ("stream-bare-error", Some(C::ServerError), true),
        ("stream-eof", Some(C::StreamCut), true),
        ("stream-stall", Some(C::StreamCut), true),
        ("stream-crlf", None, false),
        ("stream-split-utf8", None, false),
        ("stream-unknown-events", None, false),
    ] {
        let result = send(&simulator, &body(&format!("[[sim: {case}]]")), true).await;
        let failure = result.err();
        assert_eq!(
            failure.as_ref().map(|failure| failure.class),
            class,
            "{case}"
        );
        let partial = failure.and_then(|failure| failure.partial);
        assert_eq!(partial.is_some(), began, "{case}");
        if let Some(partial) = partial {
            assert!(partial.usage.tokens.input > 0, "{case}");
            assert_eq!(partial.model.as_deref(), Some("claude-haiku-4-5-20251001"));
        }
    }
}

#[tokio::test]
async fn a_good_stream_of_any_spelling_is_the_plain_answer() {
    let simulator = Simulator::start(SimulatorSettings::default()).unwrap();
    for case in [
        "ok",
        "stream-crlf",
        "stream-split-utf8",
        "stream-unknown-events",
    ] {
        // The same prompt, whose script has a plain answer first.
        let body = body(&format!("Tell me. [[sim: ok, {case}]]"));
        let plain = send(&simulator, &body, false).await.unwrap();
        let streamed = send(&simulator, &body, true).await.unwrap();
        assert_eq!(without_id(&streamed), without_id(&plain), "{case}");
    }
}
