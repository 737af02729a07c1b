//! What is checked at once, in the words of the API, and who may ask at all.

use claude_run::simulator::{BatchSettings, SimulatorSettings};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{create, created, many, of, read, request, with};
use crate::support::{body, client, header, start};

#[tokio::test]
async fn a_wrong_envelope_is_refused_at_once_in_the_words_of_the_api() {
    let simulator = start(SimulatorSettings::default());
    let with_id = |id: &str| json!({"requests": [{"custom_id": id, "params": body("Hi")}]});
    let twice = json!({"requests": [{"custom_id": "dup", "params": {}}, {"custom_id": "dup", "params": {}}]});
    let cases = [
        (
            twice,
            "requests: custom_id's must be unique within a batch. Duplicate custom_id found: dup",
        ),
        (
            json!({"requests": [{"params": body("Hi")}]}),
            "requests.0.custom_id: Field required",
        ),
        (
            with_id(&"x".repeat(65)),
            "requests.0.custom_id: String should have at most 64 characters",
        ),
        (
            with_id("a b"),
            "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
        ),
        (
            with_id(""),
            "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
        ),
        (
            json!({"requests": []}),
            "requests: List should have at least 1 item after validation, not 0",
        ),
        (json!({}), "requests: Field required"),
        (
            json!({"requests": "x"}),
            "requests: Input should be a valid list",
        ),
        (
            json!({"requests": [5]}),
            "requests.0: Input should be a valid dictionary",
        ),
        (
            json!({"requests": [{"custom_id": "a"}]}),
            "requests.0.params: Field required",
        ),
        (
            json!({"requests": [{"custom_id": "a", "params": 5}]}),
            "requests.0.params: Input should be a valid dictionary",
        ),
        (
            json!({"requests": [{"custom_id": "a", "params": {}, "x": 1}]}),
            "requests.0.x: Extra inputs are not permitted",
        ),
        (
            json!({"requests": [{"custom_id": "a", "params": {}}], "x": 1}),
            "x: Extra inputs are not permitted",
        ),
    ];
    for (body, message) in cases {
        let (status, error) = read(create(&simulator, &body).await.unwrap()).await;
        assert_eq!(status, 400, "{message}");
        assert_eq!(error["error"]["type"], "invalid_request_error", "{message}");
        assert_eq!(error["error"]["message"], message);
    }
    assert_eq!(simulator.stats().batches_created, 0);
}

#[tokio::test]
async fn what_is_no_json_is_refused_wherever_it_breaks() {
    let simulator = start(SimulatorSettings::default());
    for text in [
        "{",
        "",
        r#"{"requests":[{"custom_id":"a","params":{]}]}"#,
        r#"{"requests":[{"a":1},]}"#,
    ] {
        let call = request(&simulator, Method::POST, "").body(text);
        let (status, error) = read(call.send().await.unwrap()).await;
        assert_eq!(status, 400, "{text}");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("The request body is not valid JSON: "),
            "{message}"
        );
    }
}

/// The API reads the whole before it looks at any entry, and its parser is strict.
#[tokio::test]
async fn what_no_strict_parser_takes_is_refused_whole_and_no_entry_is_named() {
    let simulator = start(SimulatorSettings::default());
    let deep = format!("{}1{}", "[".repeat(2_000), "]".repeat(2_000));
    let good = json!({"custom_id": "a", "params": body("Hi")}).to_string();
    for (value, why) in [
        (r#""\ud800""#, "no low surrogate in string"),
        (r#"{"\udc00":1}"#, "no low surrogate in string"),
        ("1e400", "number is infinity"),
        (&deep, "recursion depth"),
    ] {
        // An entry that is at fault by itself does not come first.
        let wrong = r#"{"custom_id":"a b","params":{}}"#;
        let bad = format!(r#"{{"custom_id":"b","params":{{"x":{value}}}}}"#);
        for entries in [format!("{good},{bad}"), format!("{wrong},{bad},{good}")] {
            let text = format!(r#"{{"requests":[{entries}]}}"#);
            let call = request(&simulator, Method::POST, "").body(text);
            let (status, error) = read(call.send().await.unwrap()).await;
            assert_eq!(status, 400);
            let message = error["error"]["message"].as_str().unwrap();
            let begins = "The request body is not valid JSON: ";
            assert!(
                message.starts_with(begins) && message.contains(why),
                "{message}"
            );
            assert!(!message.contains("requests."), "{message}");
        }
    }
    assert_eq!(simulator.stats().batches_created, 0);
}

#[tokio::test]
async fn sizes_are_limited_by_requests_and_by_bytes() {
    let limited = |max_requests, max_bytes| {
        with(BatchSettings {
            max_requests,
            max_bytes,
            ..BatchSettings::default()
        })
    };
    let simulator = limited(3, 1_000_000);
    created(&simulator, &many(3)).await;
    let (status, error) = read(create(&simulator, &many(4)).await.unwrap()).await;
    assert_eq!(status, 400);
    assert_eq!(
        error["error"]["message"],
        "requests: List should have at most 3 items after validation, not 4"
    );
    let body = many(3);
    let length = u64::try_from(body.to_string().len()).unwrap();
    created(&limited(3, length), &body).await;
    let response = create(&limited(3, length - 1), &body).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(
        header(&response, "content-type"),
        Some("text/html; charset=UTF-8")
    );
}

#[tokio::test]
async fn every_call_needs_a_good_key_and_a_version() {
    let simulator = start(SimulatorSettings::default());
    let cases = [
        (None, None, 401, "x-api-key header is required"),
        (
            Some("sk-invalid"),
            Some("2023-06-01"),
            401,
            "API key is invalid.",
        ),
        (
            Some("k"),
            None,
            400,
            "anthropic-version: header is required",
        ),
    ];
    for (key, version, status, message) in cases {
        for method in [Method::GET, Method::POST] {
            let url = format!("{}/v1/messages/batches", simulator.base_url());
            let mut call = client().request(method, url).json(&of(&["Hi"]));
            if let Some(key) = key {
                call = call.header("x-api-key", key);
            }
            if let Some(version) = version {
                call = call.header("anthropic-version", version);
            }
            let (got, error) = read(call.send().await.unwrap()).await;
            assert_eq!((got, &error["error"]["message"]), (status, &json!(message)));
        }
    }
}

#[tokio::test]
async fn parameters_are_not_looked_at_when_a_batch_is_created() {
    let simulator = start(SimulatorSettings::default());
    let body = json!({"requests": [{"custom_id": "a", "params": {"nonsense": true}}]});
    let (status, batch) = read(create(&simulator, &body).await.unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(batch["processing_status"], "in_progress");
    assert_eq!(batch["results_url"], Value::Null);
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_told_apart() {
    let simulator = start(SimulatorSettings::default());
    let cases = [
        (Method::PUT, "", 405),
        (Method::POST, "/msgbatch_1", 405),
        (Method::GET, "/msgbatch_1/cancel", 405),
        (Method::GET, "/msgbatch_1/other", 404),
        (Method::GET, "/msgbatch_1/results/more", 404),
    ];
    for (method, path, status) in cases {
        let response = request(&simulator, method, path).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
}
