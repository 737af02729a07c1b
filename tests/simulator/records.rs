//! Usage, ledger, log.

use claude_run::simulator::SimulatorSettings;
use serde_json::{Value, json};

use super::support::{ask, body, client, get, post, start};

#[tokio::test]
async fn the_ledger_is_the_sum_of_the_answers() {
    let simulator = start(SimulatorSettings::default());
    let (mut input, mut output) = (0, 0);
    for n in 0..5 {
        let answer: Value = ask(&simulator, &format!("question {n}"))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        input += answer["usage"]["input_tokens"].as_u64().unwrap();
        output += answer["usage"]["output_tokens"].as_u64().unwrap();
    }
    ask(&simulator, "[[sim: 500]]").await.unwrap();
    ask(&simulator, "[[sim: truncated-json]]").await.unwrap();
    let stats = simulator.stats();
    let row = stats.ledger["claude-haiku-4-5-20251001"];
    assert_eq!(
        (row.messages, row.input_tokens, row.output_tokens),
        (5, input, output)
    );
    assert_eq!(stats.cut["claude-haiku-4-5-20251001"].messages, 1);
    assert_eq!(stats.requests, 7);
    assert_eq!((stats.by_status[&200], stats.by_status[&500]), (6, 1));
}

#[tokio::test]
async fn cached_prefixes_show_in_the_usage() {
    let simulator = start(SimulatorSettings::default());
    let mut cached = body("question");
    cached["system"] = json!([{"type": "text", "text": "s".repeat(20_000),
        "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    let mut usages = Vec::new();
    for question in ["a", "b"] {
        cached["messages"][0]["content"] = json!(question);
        let answer: Value = post(&simulator, &cached)
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        usages.push(answer["usage"].clone());
    }
    assert_eq!(
        usages[0]["cache_creation"]["ephemeral_1h_input_tokens"],
        5_000
    );
    assert_eq!(usages[0]["cache_read_input_tokens"], 0);
    assert_eq!(usages[1]["cache_creation_input_tokens"], 0);
    assert_eq!(usages[1]["cache_read_input_tokens"], 5_000);
    assert_eq!(usages[0]["input_tokens"], usages[1]["input_tokens"]);
}

#[tokio::test]
async fn another_process_can_read_and_clear_the_records() {
    let simulator = start(SimulatorSettings {
        log_bodies: true,
        ..SimulatorSettings::default()
    });
    ask(&simulator, "Hello there").await.unwrap();
    let (_, log) = get(&simulator, "/_simulator/log").await;
    assert_eq!(log["prompt"], "Hello there");
    assert_eq!(log["status"], 200);
    assert_eq!(log["headers"]["anthropic-version"], "2023-06-01");
    assert!(!log.to_string().contains("sk-ant-test"));
    assert_eq!(log["body"], body("Hello there").to_string());
    let (_, stats) = get(&simulator, "/_simulator/stats").await;
    assert_eq!(stats["by_status"]["200"], 1);
    let cleared = client()
        .post(format!("{}/_simulator/reset", simulator.base_url()))
        .send()
        .await
        .unwrap();
    assert_eq!(cleared.status(), 200);
    assert!(simulator.log().is_empty());
    assert_eq!(simulator.stats().requests, 0);
}
