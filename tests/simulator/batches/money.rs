//! What batches cost: ledger, records, cache.

use claude_run::simulator::{BatchSettings, ItemOutcome, Simulator, SimulatorSettings};
use serde_json::{Value, json};

use super::support::{HOUR, cancel, created, get, look, many, of, results, skip, slow, with};
use crate::support::{ask, body, get as get_any, post, start};

const HAIKU: &str = "claude-haiku-4-5-20251001";

#[tokio::test]
async fn the_ledger_is_the_sum_of_the_succeeded_results() {
    let simulator = start(SimulatorSettings::default());
    let id = created(
        &simulator,
        &of(&["one", "two", "[[sim: 529]]", "[[sim: item-expired]]"]),
    )
    .await;
    assert_eq!(look(&simulator, &id).await["processing_status"], "ended");
    let row = simulator.stats().batch_ledger[HAIKU];
    let sum = |field: &str, lines: &[Value]| -> u64 {
        let usages = lines.iter().map(|line| &line["result"]["message"]["usage"]);
        usages.filter_map(|usage| usage[field].as_u64()).sum()
    };
    let lines = results(&simulator, &id).await;
    assert_eq!(row.messages, 2);
    assert_eq!(row.input_tokens, sum("input_tokens", &lines));
    assert_eq!(row.output_tokens, sum("output_tokens", &lines));
    let stats = simulator.stats();
    assert_eq!(stats.batch_ledger[HAIKU], row, "a download costs nothing");
    assert!(
        stats.ledger.is_empty(),
        "batches have a ledger of their own"
    );
    let told: Vec<_> = stats
        .batch_items
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    assert_eq!(told, [("errored", 1), ("expired", 1), ("succeeded", 2)]);
}

#[tokio::test]
async fn what_was_done_before_a_cancellation_is_paid_for_and_nothing_else() {
    let simulator = with(slow());
    let id = created(&simulator, &many(10)).await;
    skip(HOUR / 2).await;
    cancel(&simulator, &id).await;
    look(&simulator, &id).await;
    assert_eq!(simulator.stats().batch_ledger[HAIKU].messages, 5);
    let items = simulator.batch_items();
    let succeeded: Vec<_> = items
        .iter()
        .filter(|item| item.outcome == Some(ItemOutcome::Succeeded))
        .map(|item| (item.custom_id.as_str(), item.prompt.as_str()))
        .collect();
    assert_eq!(succeeded[0], ("a-0", "question 0"));
    assert_eq!(succeeded.len(), 5);
}

#[tokio::test]
async fn a_body_that_is_bought_twice_can_be_found() {
    let simulator = start(SimulatorSettings::default());
    for _ in 0..2 {
        created(&simulator, &of(&["the same"])).await;
    }
    ask(&simulator, "the same").await.unwrap();
    let items = simulator.batch_items();
    assert_ne!(items[0].batch_id, items[1].batch_id);
    assert_eq!(items[0].body_hash, items[1].body_hash);
    let live = simulator.log().pop().unwrap();
    assert_eq!(live.body_hash, items[0].body_hash);
}

#[tokio::test]
async fn calls_are_counted_by_what_they_are_for() {
    let simulator = start(SimulatorSettings::default());
    let id = created(&simulator, &many(1)).await;
    get(&simulator, "").await;
    look(&simulator, &id).await;
    results(&simulator, &id).await;
    cancel(&simulator, &id).await;
    let calls = simulator.stats().calls;
    for name in ["create", "list", "retrieve", "results", "cancel"] {
        assert_eq!(calls[&format!("batches.{name}")], 1, "{name}");
    }
    let log = simulator.log();
    let paths: Vec<_> = log
        .iter()
        .map(|request| (request.method.as_str(), request.path.as_str()))
        .collect();
    assert_eq!(paths[0], ("POST", "/v1/messages/batches"));
    assert_eq!(
        paths[4],
        ("POST", format!("/v1/messages/batches/{id}/cancel").as_str())
    );
    assert!(log.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
}

#[tokio::test]
async fn another_process_can_read_the_records_of_batches() {
    let simulator = start(SimulatorSettings::default());
    let id = created(&simulator, &of(&["Hello"])).await;
    let (_, batch) = get_any(&simulator, "/_simulator/batches").await;
    assert_eq!((&batch["id"], &batch["succeeded"]), (&json!(id), &json!(1)));
    let (_, item) = get_any(&simulator, "/_simulator/batch-items").await;
    assert_eq!(
        (&item["custom_id"], &item["prompt"], &item["outcome"]),
        (&json!("a-0"), &json!("Hello"), &json!("succeeded"))
    );
    simulator.reset();
    assert!(simulator.batches().is_empty());
    assert_eq!(simulator.stats().batches_created, 0);
}

/// A request with a prefix of 5,000 tokens that is to be cached for an hour.
fn cached(question: &str) -> Value {
    let mut body = body(question);
    body["system"] = json!([{"type": "text", "text": "s".repeat(20_000),
        "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    body
}

/// Written and read tokens of each request of a batch with these questions.
async fn cache_use(simulator: &Simulator, questions: &[&str]) -> Vec<(u64, u64)> {
    let entries: Vec<_> = questions
        .iter()
        .map(|question| json!({"custom_id": question, "params": cached(question)}))
        .collect();
    let id = created(simulator, &json!({"requests": entries})).await;
    let lines = results(simulator, &id).await;
    let usage = |line: &Value| {
        let usage = &line["result"]["message"]["usage"];
        let number = |field: &str| usage[field].as_u64().unwrap();
        (
            number("cache_creation_input_tokens"),
            number("cache_read_input_tokens"),
        )
    };
    lines.iter().map(usage).collect()
}

#[tokio::test]
async fn requests_of_a_batch_do_not_see_each_others_writes() {
    let simulator = start(SimulatorSettings::default());
    assert_eq!(
        cache_use(&simulator, &["a", "b"]).await,
        [(5_000, 0), (5_000, 0)]
    );
    let row = simulator.stats().batch_ledger[HAIKU];
    assert_eq!(row.cache_write_1h_tokens, 10_000);
}

#[tokio::test]
async fn unless_they_are_told_to() {
    let simulator = with(BatchSettings {
        shared_cache: true,
        ..BatchSettings::default()
    });
    let mut used = cache_use(&simulator, &["a", "b"]).await;
    used.sort_unstable();
    assert_eq!(used, [(0, 5_000), (5_000, 0)]);
}

#[tokio::test]
async fn a_prefix_that_was_warmed_before_is_read() {
    let by_batch = start(SimulatorSettings::default());
    assert_eq!(cache_use(&by_batch, &["warm"]).await, [(5_000, 0)]);
    assert_eq!(
        cache_use(&by_batch, &["a", "b"]).await,
        [(0, 5_000), (0, 5_000)]
    );
    let live: Value = post(&by_batch, &cached("live"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(live["usage"]["cache_read_input_tokens"], 5_000);

    let by_message = start(SimulatorSettings::default());
    post(&by_message, &cached("warm")).await.unwrap();
    assert_eq!(cache_use(&by_message, &["a"]).await, [(0, 5_000)]);
    skip(HOUR).await;
    assert_eq!(
        cache_use(&by_message, &["b"]).await,
        [(5_000, 0)],
        "its hour is over"
    );
}

#[tokio::test]
async fn a_prefix_that_expires_before_its_batch_gets_its_turn_is_written_again() {
    let simulator = with(BatchSettings {
        takes: 2 * HOUR,
        ..BatchSettings::default()
    });
    post(&simulator, &cached("warm")).await.unwrap();
    created(
        &simulator,
        &json!({"requests": [{"custom_id": "a", "params": cached("a")}]}),
    )
    .await;
    skip(2 * HOUR).await;
    assert_eq!(
        simulator.stats().batch_ledger[HAIKU].cache_write_1h_tokens,
        5_000
    );
}
