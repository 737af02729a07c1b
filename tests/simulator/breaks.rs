//! Exchanges that break below HTTP.

use std::io;

use claude_run::simulator::SimulatorSettings;
use reqwest::Client;
use serde_json::Value;

use super::support::{ask, body, client, io_kind, one_request, start, stream};

#[tokio::test]
async fn truncated_json_arrives_whole_and_does_not_parse() {
    let simulator = start(SimulatorSettings::default());
    let response = ask(&simulator, "[[sim: truncated-json]]").await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    assert!(text.starts_with("{\"id\":\"msg_01"));
    assert!(serde_json::from_str::<Value>(&text).is_err());
}

#[tokio::test]
async fn a_wrong_length_ends_the_body_early() {
    let simulator = start(SimulatorSettings::default());
    let mut response = ask(&simulator, "[[sim: wrong-length]]").await.unwrap();
    assert_eq!(response.status(), 200);
    let promised = response.content_length().unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(u64::try_from(first.len()).unwrap() < promised);
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn a_reset_gives_no_answer() {
    let simulator = start(SimulatorSettings::default());
    let error = ask(&simulator, "[[sim: reset]]").await.unwrap_err();
    assert_eq!(
        io_kind(&error),
        Some(io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
    assert_eq!(simulator.stats().unanswered, 1);
    assert_eq!(simulator.log()[0].status, None);
}

#[tokio::test]
async fn a_reset_in_the_body_comes_after_some_bytes() {
    let simulator = start(SimulatorSettings::default());
    for streams in [false, true] {
        let prompt = "[[sim: reset-mid-body]]";
        let response = if streams {
            stream(&simulator, prompt).await
        } else {
            ask(&simulator, prompt).await
        };
        let mut response = response.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.chunk().await.unwrap().is_some());
        let error = response.chunk().await.unwrap_err();
        assert_eq!(
            io_kind(&error),
            Some(io::ErrorKind::ConnectionReset),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_request_that_hangs_is_open_until_the_client_leaves() {
    let simulator = start(SimulatorSettings::default());
    let url = simulator.base_url();
    let request = tokio::spawn(async move {
        client()
            .post(format!("{url}/v1/messages"))
            .header("x-api-key", "k")
            .header("anthropic-version", "2023-06-01")
            .json(&body("[[sim: hang]]"))
            .send()
            .await
    });
    assert_eq!(one_request(&simulator).await.case, "hang");
    assert_eq!(simulator.stats().open, 1);
    request.abort();
    while simulator.stats().open > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_shutdown_ends_what_hangs() {
    let simulator = start(SimulatorSettings::default());
    let asked = ask(&simulator, "[[sim: hang]]");
    tokio::pin!(asked);
    tokio::select! {
        answer = &mut asked => panic!("a hanging request was answered: {answer:?}"),
        _ = one_request(&simulator) => {}
    }
    simulator.shutdown().await;
    assert!(asked.await.is_err());
    assert!(client().get(simulator.base_url()).send().await.is_err());
}

#[tokio::test]
async fn http2_is_spoken_too_and_a_reset_there_takes_one_stream() {
    let simulator = start(SimulatorSettings::default());
    let client = Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let ask = |prompt: &str| {
        client
            .post(format!("{}/v1/messages", simulator.base_url()))
            .header("x-api-key", "k")
            .header("anthropic-version", "2023-06-01")
            .json(&body(prompt))
            .send()
    };
    assert_eq!(ask("Hi").await.unwrap().status(), 200);
    assert!(ask("[[sim: reset]]").await.is_err());
    assert_eq!(ask("Hi again").await.unwrap().status(), 200);
    assert_eq!(simulator.stats().connections, 1);
}
