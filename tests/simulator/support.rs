//! What the tests share: a client that asks as the official SDKs do, and ways to look at answers.

use std::error::Error as _;
use std::io;

use claude_run::simulator::{LoggedRequest, Simulator, SimulatorSettings};
use reqwest::{Client, Response};
use serde_json::{Value, json};

pub(crate) fn start(settings: SimulatorSettings) -> Simulator {
    Simulator::start(settings).unwrap()
}

pub(crate) fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

pub(crate) fn body(prompt: &str) -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 1000,
        "messages": [{"role": "user", "content": prompt}]})
}

pub(crate) async fn post(simulator: &Simulator, body: &Value) -> reqwest::Result<Response> {
    client()
        .post(format!("{}/v1/messages", simulator.base_url()))
        .header("x-api-key", "sk-ant-test")
        .header("anthropic-version", "2023-06-01")
        .json(body)
        .send()
        .await
}

pub(crate) async fn ask(simulator: &Simulator, prompt: &str) -> reqwest::Result<Response> {
    post(simulator, &body(prompt)).await
}

pub(crate) async fn stream(simulator: &Simulator, prompt: &str) -> reqwest::Result<Response> {
    let mut body = body(prompt);
    body["stream"] = json!(true);
    post(simulator, &body).await
}

pub(crate) async fn get(simulator: &Simulator, path: &str) -> (u16, Value) {
    let response = client()
        .get(format!("{}{path}", simulator.base_url()))
        .header("x-api-key", "k")
        .header("anthropic-version", "2023-06-01")
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

pub(crate) fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

/// The kind of the I/O error at the bottom of a failed request.
pub(crate) fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

/// Waits until the simulator has logged a request.
pub(crate) async fn one_request(simulator: &Simulator) -> LoggedRequest {
    loop {
        if let Some(request) = simulator.log().into_iter().next() {
            return request;
        }
        tokio::task::yield_now().await;
    }
}
