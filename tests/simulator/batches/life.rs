//! From `in_progress` to `ended` and on to the archive.

use std::time::Duration;

use claude_run::simulator::{BatchProgress, BatchSettings, SimulatorSettings};
use reqwest::Method;
use serde_json::Value;

use super::support::{
    HOUR, cancel, counts, created, get, look, many, of, read, request, results, skip, slow, with,
};
use crate::support::{header, start};

#[tokio::test]
async fn a_new_batch_is_in_progress_and_an_ended_one_has_results() {
    let simulator = with(slow());
    let id = created(&simulator, &many(4)).await;
    let response = get(&simulator, &format!("/{id}")).await;
    assert_eq!(header(&response, "retry-after"), Some("10"));
    let (_, batch) = read(response).await;
    assert_eq!(
        (&batch["type"], &batch["processing_status"]),
        (&"message_batch".into(), &"in_progress".into())
    );
    assert_eq!(counts(&batch), [4, 0, 0, 0, 0]);
    for name in [
        "ended_at",
        "results_url",
        "archived_at",
        "cancel_initiated_at",
    ] {
        assert_eq!(batch[name], Value::Null, "{name}");
    }
    skip(HOUR).await;
    let response = get(&simulator, &format!("/{id}")).await;
    assert_eq!(header(&response, "retry-after"), None);
    let (_, batch) = read(response).await;
    assert_eq!(batch["processing_status"], "ended");
    assert_eq!(counts(&batch), [0, 4, 0, 0, 0]);
    let url = batch["results_url"].as_str().unwrap();
    assert_eq!(
        url,
        format!("{}/v1/messages/batches/{id}/results", simulator.base_url())
    );
    assert_eq!(results(&simulator, &id).await.len(), 4);
}

#[tokio::test]
async fn times_have_microseconds_and_either_ending() {
    for (numeric_offset, ending) in [(false, "Z"), (true, "+00:00")] {
        let simulator = with(BatchSettings {
            numeric_offset,
            ..slow()
        });
        let id = created(&simulator, &many(1)).await;
        let batch = look(&simulator, &id).await;
        let time = |name: &str| {
            let text = batch[name].as_str().unwrap();
            assert!(text.ends_with(ending), "{text}");
            assert_eq!(
                text.len() - ending.len(),
                "2026-09-24T18:37:24.100435".len(),
                "{text}"
            );
            text.parse::<jiff::Timestamp>().unwrap()
        };
        let lifetime = time("expires_at").duration_since(time("created_at"));
        assert_eq!(lifetime.as_hours(), 24);
    }
}

#[tokio::test]
async fn counts_grow_only_if_they_are_told_to() {
    for (counts_grow, halfway) in [(false, [4, 0, 0, 0, 0]), (true, [2, 2, 0, 0, 0])] {
        let simulator = with(BatchSettings {
            counts_grow,
            ..slow()
        });
        let id = created(&simulator, &many(4)).await;
        skip(HOUR / 2).await;
        let batch = look(&simulator, &id).await;
        assert_eq!(batch["processing_status"], "in_progress");
        assert_eq!(counts(&batch), halfway);
        assert_eq!(simulator.batches()[0].succeeded, 2);
    }
}

#[tokio::test]
async fn everything_may_get_done_in_the_last_moment() {
    let simulator = with(BatchSettings {
        progress: BatchProgress::AtEnd,
        ..slow()
    });
    created(&simulator, &many(4)).await;
    skip(Duration::from_mins(59)).await;
    assert_eq!(simulator.batches()[0].succeeded, 0);
    skip(Duration::from_mins(1)).await;
    assert_eq!(simulator.batches()[0].succeeded, 4);
}

#[tokio::test]
async fn results_come_only_after_the_end() {
    let simulator = with(slow());
    let id = created(&simulator, &many(1)).await;
    let (status, error) = read(get(&simulator, &format!("/{id}/results")).await).await;
    assert_eq!(status, 404);
    assert_eq!(error["error"]["type"], "not_found_error");
    assert_eq!(
        error["error"]["message"],
        format!("Message Batch {id} has no available results.")
    );
}

#[tokio::test]
async fn an_unknown_batch_is_not_found_by_any_call() {
    let simulator = start(SimulatorSettings::default());
    for (method, path) in [
        (Method::GET, ""),
        (Method::GET, "/results"),
        (Method::POST, "/cancel"),
        (Method::DELETE, ""),
    ] {
        let call = request(&simulator, method, &format!("/msgbatch_none{path}"));
        let (status, error) = read(call.send().await.unwrap()).await;
        assert_eq!(status, 404);
        assert_eq!(
            error["error"]["message"],
            "Message Batch msgbatch_none not found."
        );
    }
}

#[tokio::test]
async fn a_cancelled_batch_keeps_what_was_done() {
    let simulator = with(BatchSettings {
        cancel_takes: Duration::from_mins(1),
        ..slow()
    });
    let id = created(&simulator, &many(10)).await;
    skip(HOUR / 2).await;
    let (status, batch) = cancel(&simulator, &id).await;
    assert_eq!(
        (status, &batch["processing_status"]),
        (200, &"canceling".into())
    );
    assert_eq!(counts(&batch), [10, 0, 0, 0, 0]);
    let first = batch["cancel_initiated_at"].clone();
    assert!(first.is_string());
    skip(Duration::from_secs(30)).await;
    let (_, again) = cancel(&simulator, &id).await;
    assert_eq!(
        (&again["processing_status"], &again["cancel_initiated_at"]),
        (&"canceling".into(), &first)
    );
    skip(Duration::from_secs(30)).await;
    let batch = look(&simulator, &id).await;
    assert_eq!(batch["processing_status"], "ended");
    assert_eq!(counts(&batch), [0, 5, 0, 5, 0]);
    let lines = results(&simulator, &id).await;
    let of_type = |kind: &str| {
        lines
            .iter()
            .filter(|line| line["result"]["type"] == kind)
            .count()
    };
    assert_eq!((of_type("succeeded"), of_type("canceled")), (5, 5));
    let (status, error) = cancel(&simulator, &id).await;
    assert_eq!(status, 400, "{error}");
}

#[tokio::test]
async fn requests_go_on_while_a_batch_is_being_cancelled() {
    let simulator = with(BatchSettings {
        cancel_takes: 2 * HOUR,
        ..slow()
    });
    let id = created(&simulator, &many(4)).await;
    cancel(&simulator, &id).await;
    skip(HOUR).await;
    let batch = look(&simulator, &id).await;
    assert_eq!(
        (&batch["processing_status"], counts(&batch)),
        (&"ended".into(), [0, 4, 0, 0, 0])
    );
}

#[tokio::test]
async fn a_batch_that_stalls_expires_after_a_day() {
    let simulator = with(BatchSettings {
        stall_at: Some(0.4),
        counts_grow: true,
        ..slow()
    });
    let id = created(&simulator, &many(10)).await;
    skip(23 * HOUR).await;
    let batch = look(&simulator, &id).await;
    assert_eq!(
        (&batch["processing_status"], counts(&batch)),
        (&"in_progress".into(), [6, 4, 0, 0, 0])
    );
    skip(HOUR).await;
    let batch = look(&simulator, &id).await;
    assert_eq!(
        (&batch["processing_status"], counts(&batch)),
        (&"ended".into(), [0, 4, 0, 0, 6])
    );
    assert_eq!(batch["ended_at"], batch["expires_at"]);
}

#[tokio::test]
async fn results_are_gone_after_29_days() {
    let simulator = with(slow());
    let id = created(&simulator, &many(1)).await;
    skip((29 * 24 - 1) * HOUR).await;
    assert_eq!(results(&simulator, &id).await.len(), 1);
    skip(HOUR).await;
    let batch = look(&simulator, &id).await;
    assert!(batch["archived_at"].is_string());
    assert_eq!(batch["results_url"], Value::Null);
    assert_eq!(
        get(&simulator, &format!("/{id}/results")).await.status(),
        404
    );
}

#[tokio::test]
async fn a_faster_clock_compresses_the_whole_life() {
    let simulator = with(BatchSettings {
        clock: 3_600.0,
        stall_at: Some(0.5),
        ..slow()
    });
    let id = created(&simulator, &many(2)).await;
    let response = get(&simulator, &format!("/{id}")).await;
    assert_eq!(header(&response, "retry-after"), Some("1"));
    skip(Duration::from_secs(24)).await;
    assert_eq!(counts(&look(&simulator, &id).await), [0, 1, 0, 0, 1]);
    skip(Duration::from_secs(28 * 24)).await;
    assert!(look(&simulator, &id).await["archived_at"].is_string());
}

#[tokio::test]
async fn only_an_ended_batch_can_be_deleted() {
    let simulator = with(slow());
    let id = created(&simulator, &of(&["Hi"])).await;
    let delete = || async {
        let call = request(&simulator, Method::DELETE, &format!("/{id}"));
        read(call.send().await.unwrap()).await
    };
    let (status, error) = delete().await;
    assert_eq!(status, 400);
    assert_eq!(
        error["error"]["message"],
        "In progress batches cannot be deleted. Consider canceling the batch instead."
    );
    skip(HOUR).await;
    let (status, deleted) = delete().await;
    assert_eq!(
        (status, &deleted["type"]),
        (200, &"message_batch_deleted".into())
    );
    assert_eq!(deleted["id"], id);
    assert_eq!(get(&simulator, &format!("/{id}")).await.status(), 404);
    assert!(simulator.batches()[0].deleted);
}
