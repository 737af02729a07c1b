//! The results as they are sent: shuffled, flawed, cut.

use std::collections::BTreeSet;

use claude_run::simulator::{BatchSettings, Simulator, SimulatorSettings};
use serde_json::Value;

use super::support::{created, get, many, of, results, with};
use crate::support::{header, start};

fn ids(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["custom_id"].as_str().unwrap_or("unreadable"))
        .collect()
}

#[tokio::test]
async fn lines_come_in_an_order_that_depends_on_the_seed() {
    let order = async |seed| {
        let simulator = start(SimulatorSettings {
            seed,
            ..SimulatorSettings::default()
        });
        // More than one block of requests.
        let id = created(&simulator, &many(2_000)).await;
        let lines = results(&simulator, &id).await;
        ids(&lines)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (one, same, other) = (order(1).await, order(1).await, order(2).await);
    assert_eq!(one, same);
    assert_ne!(one, other);
    let sent: Vec<_> = (0..2_000).map(|at| format!("a-{at}")).collect();
    assert_ne!(one, sent);
    let sorted = |ids: Vec<String>| ids.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(one.len(), 2_000);
    assert_eq!(sorted(one), sorted(sent));
}

#[tokio::test]
async fn results_are_lines_of_json() {
    let simulator = start(SimulatorSettings::default());
    let id = created(&simulator, &of(&["Hi"])).await;
    let response = get(&simulator, &format!("/{id}/results")).await;
    assert_eq!(
        header(&response, "content-type"),
        Some("application/x-jsonl")
    );
    assert!(header(&response, "request-id").is_some());
    assert!(response.text().await.unwrap().ends_with("}\n"));
}

#[tokio::test]
async fn a_line_can_be_missing_doubled_strange_or_unreadable() {
    let simulator = start(SimulatorSettings::default());
    let prompts = [
        "plain",
        "[[sim: item-missing]]",
        "[[sim: item-duplicate]]",
        "[[sim: item-stranger]]",
        "[[sim: item-unreadable]]",
    ];
    let id = created(&simulator, &of(&prompts)).await;
    let lines = results(&simulator, &id).await;
    let mut ids = ids(&lines);
    ids.sort_unstable();
    assert_eq!(ids.len(), 6);
    assert_eq!(ids[..4], ["a-0", "a-2", "a-2", "a-3"]);
    assert!(ids[4].starts_with("stranger-"), "{ids:?}");
    assert_eq!(ids[5], "unreadable");
    // All of them were processed and paid for; only four can be read.
    let stats = simulator.stats();
    assert_eq!(stats.batch_items["succeeded"], 5);
    assert_eq!(stats.batch_ledger["claude-haiku-4-5-20251001"].messages, 3);
    assert_eq!(stats.batch_lost["claude-haiku-4-5-20251001"].messages, 2);
}

/// The bytes that come until the download ends or breaks off, and whether it breaks off.
async fn download(simulator: &Simulator, id: &str) -> (Vec<u8>, bool) {
    let mut response = get(simulator, &format!("/{id}/results")).await;
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return (bytes, false),
            Err(_) => return (bytes, true),
        }
    }
}

#[tokio::test]
async fn the_first_downloads_can_break_off_in_the_middle_of_a_line() {
    let simulator = with(BatchSettings {
        cuts: 1,
        ..BatchSettings::default()
    });
    let once = created(&simulator, &many(50)).await;
    let twice = created(&simulator, &of(&["[[batch: ok cuts=2]]", "b", "c"])).await;
    for (id, cuts, count) in [(once, 1, 50), (twice, 2, 3)] {
        for _ in 0..cuts {
            let (bytes, broken) = download(&simulator, &id).await;
            assert!(broken);
            assert_ne!(
                bytes.last(),
                Some(&b'\n'),
                "a cut is in the middle of a line"
            );
        }
        let (bytes, broken) = download(&simulator, &id).await;
        assert!(!broken);
        assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), count);
    }
    let downloads: Vec<_> = simulator
        .batches()
        .iter()
        .map(|batch| batch.downloads)
        .collect();
    assert_eq!(downloads, [2, 3]);
}

#[tokio::test]
async fn a_share_of_all_downloads_can_break_off() {
    let simulator = with(BatchSettings {
        cut_rate: 0.5,
        ..BatchSettings::default()
    });
    let id = created(&simulator, &many(3)).await;
    let mut broken = 0;
    for _ in 0..40 {
        broken += usize::from(download(&simulator, &id).await.1);
    }
    assert!((8..33).contains(&broken), "{broken}");
}

#[tokio::test]
async fn a_second_download_has_the_same_lines() {
    let simulator = start(SimulatorSettings::default());
    let id = created(&simulator, &many(20)).await;
    let sorted = |mut lines: Vec<Value>| {
        lines.sort_by_key(|line| line["custom_id"].to_string());
        lines
    };
    let first = sorted(results(&simulator, &id).await);
    assert_eq!(first, sorted(results(&simulator, &id).await));
    assert_eq!(
        simulator.stats().batch_ledger["claude-haiku-4-5-20251001"].messages,
        20
    );
}
