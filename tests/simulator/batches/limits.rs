//! Calls a minute, and requests that wait.

use claude_run::simulator::{BatchSettings, SimulatorSettings};
use reqwest::Response;
use serde_json::Value;

use super::support::{HOUR, create, created, get, many, read, skip, slow, with};
use crate::support::{ask, body, client, header, start};

#[tokio::test]
async fn the_queue_holds_so_many_requests_of_all_batches_together() {
    let simulator = with(BatchSettings {
        queue_limit: Some(10),
        ..slow()
    });
    created(&simulator, &many(6)).await;
    created(&simulator, &many(4)).await;
    let (status, error) = read(create(&simulator, &many(1)).await.unwrap()).await;
    assert_eq!(status, 429);
    assert_eq!(error["error"]["type"], "rate_limit_error");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("10 batch requests in the processing queue"),
        "{message}"
    );
    skip(HOUR / 2).await;
    created(&simulator, &many(5)).await;
    assert_eq!(create(&simulator, &many(1)).await.unwrap().status(), 429);
    assert_eq!(simulator.stats().batches_created, 3);
}

fn families(response: &Response) -> Vec<&str> {
    let names = response.headers().keys();
    names
        .filter_map(|name| name.as_str().strip_prefix("anthropic-ratelimit-"))
        .collect()
}

#[tokio::test]
async fn all_batch_endpoints_share_a_limit_and_tell_the_requests_family_alone() {
    let simulator = with(BatchSettings {
        requests_per_minute: Some(3),
        ..BatchSettings::default()
    });
    let id = created(&simulator, &many(1)).await;
    let list = get(&simulator, "").await;
    let mut told = families(&list);
    told.sort_unstable();
    assert_eq!(
        told,
        ["requests-limit", "requests-remaining", "requests-reset"]
    );
    assert_eq!(
        header(&list, "anthropic-ratelimit-requests-remaining"),
        Some("1")
    );
    assert_eq!(
        get(&simulator, &format!("/{id}/results")).await.status(),
        200
    );
    let refused = get(&simulator, &format!("/{id}")).await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(create(&simulator, &many(1)).await.unwrap().status(), 429);
    // Messages have limits of their own.
    assert_eq!(ask(&simulator, "Hi").await.unwrap().status(), 200);
}

#[tokio::test]
async fn token_counts_have_a_limit_of_their_own() {
    let simulator = start(SimulatorSettings {
        count_tokens_per_minute: Some(1),
        ..SimulatorSettings::default()
    });
    let count = || async {
        let mut question = body("Hi");
        question.as_object_mut().unwrap().remove("max_tokens");
        client()
            .post(format!("{}/v1/messages/count_tokens", simulator.base_url()))
            .header("x-api-key", "k")
            .header("anthropic-version", "2023-06-01")
            .json(&question)
            .send()
            .await
            .unwrap()
    };
    let first = count().await;
    assert_eq!(
        header(&first, "anthropic-ratelimit-requests-remaining"),
        Some("0")
    );
    let counted: Value = first.json().await.unwrap();
    assert!(counted["input_tokens"].as_u64().unwrap() > 0);
    assert_eq!(count().await.status(), 429);
    assert_eq!(simulator.stats().calls["count_tokens"], 2);
    let id = created(&simulator, &super::support::of(&["Hi"])).await;
    let lines = super::support::results(&simulator, &id).await;
    let billed = &lines[0]["result"]["message"]["usage"]["input_tokens"];
    assert_eq!(billed, &counted["input_tokens"]);
}
