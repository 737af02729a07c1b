//! Calls of the batch endpoints, and a clock that can be put forward.

use std::time::Duration;

use claude_run::simulator::{BatchSettings, Simulator, SimulatorSettings};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::{body, client, start};

pub(super) const HOUR: Duration = Duration::from_hours(1);

/// A simulator with these batches.
pub(super) fn with(batches: BatchSettings) -> Simulator {
    start(SimulatorSettings {
        batches,
        ..SimulatorSettings::default()
    })
}

/// Batches that take an hour.
pub(super) fn slow() -> BatchSettings {
    BatchSettings {
        takes: HOUR,
        ..BatchSettings::default()
    }
}

/// Lets time pass without waiting for it.
pub(super) async fn skip(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

pub(super) fn request(simulator: &Simulator, method: Method, path: &str) -> RequestBuilder {
    client()
        .request(
            method,
            format!("{}/v1/messages/batches{path}", simulator.base_url()),
        )
        .header("x-api-key", "sk-ant-test")
        .header("anthropic-version", "2023-06-01")
}

pub(super) async fn get(simulator: &Simulator, path: &str) -> Response {
    request(simulator, Method::GET, path).send().await.unwrap()
}

/// The status and the JSON of an answer.
pub(super) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

pub(super) async fn create(simulator: &Simulator, body: &Value) -> reqwest::Result<Response> {
    request(simulator, Method::POST, "").json(body).send().await
}

/// The body of a call: one request for each prompt, with ids `a-0`, `a-1`, ...
pub(super) fn of(prompts: &[&str]) -> Value {
    let entries: Vec<Value> = prompts
        .iter()
        .enumerate()
        .map(|(at, prompt)| json!({"custom_id": format!("a-{at}"), "params": body(prompt)}))
        .collect();
    json!({"requests": entries})
}

/// So many plain prompts.
pub(super) fn many(count: usize) -> Value {
    let prompts: Vec<String> = (0..count).map(|at| format!("question {at}")).collect();
    of(&prompts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Creates a batch that must be created, and tells its id.
pub(super) async fn created(simulator: &Simulator, body: &Value) -> String {
    let (status, batch) = read(create(simulator, body).await.unwrap()).await;
    assert_eq!(status, 200, "{batch}");
    batch["id"].as_str().unwrap().to_owned()
}

pub(super) async fn look(simulator: &Simulator, id: &str) -> Value {
    let (status, batch) = read(get(simulator, &format!("/{id}")).await).await;
    assert_eq!(status, 200, "{batch}");
    batch
}

pub(super) async fn cancel(simulator: &Simulator, id: &str) -> (u16, Value) {
    let call = request(simulator, Method::POST, &format!("/{id}/cancel"));
    read(call.send().await.unwrap()).await
}

/// The lines of a batch's results, unreadable ones as text.
pub(super) async fn results(simulator: &Simulator, id: &str) -> Vec<Value> {
    let response = get(simulator, &format!("/{id}/results")).await;
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line)))
        .collect()
}

/// The only line of this id.
pub(super) fn line<'a>(lines: &'a [Value], id: &str) -> &'a Value {
    let mut found = lines.iter().filter(|line| line["custom_id"] == id);
    let line = found.next().unwrap();
    assert_eq!(found.next(), None);
    line
}

/// The counts of a batch: processing, succeeded, errored, canceled, expired.
pub(super) fn counts(batch: &Value) -> [u64; 5] {
    ["processing", "succeeded", "errored", "canceled", "expired"]
        .map(|name| batch["request_counts"][name].as_u64().unwrap())
}
