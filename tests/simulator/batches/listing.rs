//! The list: newest first, in pages.

use std::time::Duration;

use claude_run::simulator::{BatchSettings, Simulator, SimulatorSettings};
use serde_json::{Value, json};

use super::support::{created, get, look, many, of, read, skip, slow, with};
use crate::support::start;

async fn page(simulator: &Simulator, query: &str) -> (Vec<String>, Value) {
    let (status, list) = read(get(simulator, query).await).await;
    assert_eq!(status, 200, "{list}");
    let ids = list["data"].as_array().unwrap().iter();
    let ids: Vec<_> = ids
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(list["first_id"].as_str(), ids.first().map(String::as_str));
    assert_eq!(list["last_id"].as_str(), ids.last().map(String::as_str));
    (ids, list["has_more"].clone())
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest_and_back() {
    let simulator = start(SimulatorSettings::default());
    assert_eq!(page(&simulator, "").await, (vec![], json!(false)));
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, created(&simulator, &of(&["Hi"])).await);
    }
    assert_eq!(page(&simulator, "").await, (ids.clone(), json!(false)));
    assert_eq!(
        page(&simulator, "?limit=2").await,
        (ids[..2].to_vec(), json!(true))
    );
    let after = format!("?limit=2&after_id={}", ids[1]);
    assert_eq!(
        page(&simulator, &after).await,
        (ids[2..4].to_vec(), json!(true))
    );
    let after = format!("?limit=2&after_id={}", ids[3]);
    assert_eq!(
        page(&simulator, &after).await,
        (ids[4..].to_vec(), json!(false))
    );
    let before = format!("?limit=2&before_id={}", ids[3]);
    assert_eq!(
        page(&simulator, &before).await,
        (ids[1..3].to_vec(), json!(true))
    );
    let before = format!("?limit=20&before_id={}", ids[3]);
    assert_eq!(
        page(&simulator, &before).await,
        (ids[..3].to_vec(), json!(false))
    );
}

#[tokio::test]
async fn a_page_has_twenty_batches_unless_it_is_told_otherwise() {
    let simulator = start(SimulatorSettings::default());
    for _ in 0..21 {
        created(&simulator, &of(&["Hi"])).await;
    }
    let (ids, more) = page(&simulator, "").await;
    assert_eq!((ids.len(), more), (20, json!(true)));
}

#[tokio::test]
async fn a_wrong_query_is_refused() {
    let simulator = start(SimulatorSettings::default());
    let cases = [
        (
            "?limit=0",
            400,
            "limit: Input should be greater than or equal to 1",
        ),
        (
            "?limit=1001",
            400,
            "limit: Input should be less than or equal to 1000",
        ),
        ("?limit=x", 400, "limit: Input should be a valid integer"),
        (
            "?after_id=msgbatch_none",
            404,
            "Message Batch msgbatch_none not found.",
        ),
    ];
    for (query, status, message) in cases {
        let (got, error) = read(get(&simulator, query).await).await;
        assert_eq!((got, &error["error"]["message"]), (status, &json!(message)));
    }
}

#[tokio::test]
async fn a_new_batch_may_not_be_found_at_first_though_it_is_listed() {
    let simulator = with(BatchSettings {
        hidden_for: Duration::from_mins(2),
        ..slow()
    });
    let id = created(&simulator, &many(1)).await;
    assert_eq!(get(&simulator, &format!("/{id}")).await.status(), 404);
    assert_eq!(page(&simulator, "").await.0, std::slice::from_ref(&id));
    skip(Duration::from_mins(2)).await;
    look(&simulator, &id).await;
}

#[tokio::test]
async fn a_new_batch_may_be_left_out_of_the_list_at_first() {
    let simulator = start(SimulatorSettings::default());
    let id = created(&simulator, &of(&["[[batch: ok unlisted=1m]]"])).await;
    assert!(page(&simulator, "").await.0.is_empty());
    skip(Duration::from_mins(1)).await;
    assert_eq!(page(&simulator, "").await.0, [id]);
}
