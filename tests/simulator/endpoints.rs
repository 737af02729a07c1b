//! The endpoints beside Messages, and the life of the server.

use claude_run::simulator::{ImitatedPage, Indicator, Simulator, SimulatorSettings};
use serde_json::{Value, json};

use super::support::{ask, body, client, get, post, start};

#[tokio::test]
async fn models_are_listed_and_aliases_resolved() {
    let simulator = start(SimulatorSettings::default());
    let (status, list) = get(&simulator, "/v1/models").await;
    assert_eq!(status, 200);
    assert_eq!(list["data"].as_array().unwrap().len(), 18);
    assert_eq!(list["has_more"], false);
    let (_, model) = get(&simulator, "/v1/models/claude-opus-4-5").await;
    assert_eq!(model["id"], "claude-opus-4-5-20251101");
    assert_eq!(model["max_tokens"], 64_000);
    let (status, error) = get(&simulator, "/v1/models/claude-3-haiku-20240307").await;
    assert_eq!(
        (status, &error["error"]["type"]),
        (404, &json!("not_found_error"))
    );
    let (status, error) = get(&simulator, "/v1/complete").await;
    assert_eq!(
        (status, &error["error"]["type"]),
        (404, &json!("not_found_error"))
    );
    assert_eq!(get(&simulator, "/v1/messages").await.0, 405);
}

#[tokio::test]
async fn models_come_page_by_page() {
    let simulator = start(SimulatorSettings::default());
    let ids = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap();
        let id = |model: &Value| model["id"].as_str().unwrap().to_owned();
        data.iter().map(id).collect()
    };
    let (_, whole) = get(&simulator, "/v1/models?limit=1000").await;
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let (_, page) = get(&simulator, &format!("/v1/models?limit=7{after}")).await;
        let found = ids(&page);
        assert_eq!(page["first_id"], found[0].as_str());
        assert_eq!(page["last_id"], found.last().unwrap().as_str());
        after = format!("&after_id={}", found.last().unwrap());
        all.extend(found);
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(all, ids(&whole));
    let before = format!("/v1/models?limit=2&before_id={}", all[5]);
    let (_, page) = get(&simulator, &before).await;
    assert_eq!(
        (ids(&page), &page["has_more"]),
        (all[3..5].to_vec(), &json!(true))
    );
    for query in ["limit=0", "limit=1001", "limit=x"] {
        assert_eq!(
            get(&simulator, &format!("/v1/models?{query}")).await.0,
            400,
            "{query}"
        );
    }
    assert_eq!(get(&simulator, "/v1/models?after_id=nobody").await.0, 404);
}

#[tokio::test]
async fn tokens_are_counted_as_messages_count_them() {
    let simulator = start(SimulatorSettings::default());
    let mut question = body("How many tokens are these?");
    let answer: Value = post(&simulator, &question)
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    question.as_object_mut().unwrap().remove("max_tokens");
    let count: Value = client()
        .post(format!("{}/v1/messages/count_tokens", simulator.base_url()))
        .header("x-api-key", "k")
        .header("anthropic-version", "2023-06-01")
        .json(&question)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(count["input_tokens"], answer["usage"]["input_tokens"]);
}

#[tokio::test]
async fn the_status_page_says_what_it_is_told() {
    let simulator = start(SimulatorSettings::default());
    let (_, status) = get(&simulator, "/api/v2/status.json").await;
    assert_eq!(status["status"]["indicator"], "none");
    simulator.set_status_page(ImitatedPage {
        indicator: Indicator::Critical,
        challenge: false,
    });
    let (_, summary) = get(&simulator, "/api/v2/summary.json").await;
    assert_eq!(summary["components"][0]["status"], "major_outage");
    let told = client()
        .post(format!("{}/_simulator/status", simulator.base_url()))
        .body(r#"{"challenge": true}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(told.status(), 200);
    assert_eq!(get(&simulator, "/api/v2/status.json").await.0, 405);
}

#[tokio::test]
async fn a_restarted_simulator_gets_its_port_back() {
    let first = start(SimulatorSettings::default());
    let addr = first.addr();
    ask(&first, "Hi").await.unwrap();
    first.shutdown().await;
    let second = Simulator::start_on(addr, SimulatorSettings::default()).unwrap();
    assert_eq!(ask(&second, "Hi").await.unwrap().status(), 200);
}
