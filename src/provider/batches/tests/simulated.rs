//! The client against the simulator, which shares no type with it: a whole life of batches.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::download;
use crate::model::{ErrorClass as C, RemoteStatus};
use crate::provider::{
    BatchApi, BatchUpload, BatchesClient, ClientSettings, Credentials, ItemResult, is_missing,
    may_have_been_created, rejected_entry,
};
use crate::simulator::{BatchSettings, ErrorNesting, Simulator, SimulatorSettings};

fn world(shape: impl FnOnce(&mut BatchSettings)) -> (Simulator, BatchesClient) {
    let mut settings = SimulatorSettings::default();
    shape(&mut settings.batches);
    let simulator = Simulator::start(settings).unwrap();
    let credentials = Credentials::new(Some("sk-ant-x"), None).unwrap();
    let client = BatchesClient::new(&ClientSettings::new(simulator.base_url(), credentials));
    (simulator, client.unwrap())
}

fn entry(id: &str, params: &str) -> String {
    format!(r#"{{"custom_id":"{id}","params":{{"model":"claude-haiku-5-5",{params}}}}}"#)
}

fn good(id: &str) -> String {
    entry(
        id,
        r#""max_tokens":50,"messages":[{"role":"user","content":"hello"}]"#,
    )
}

fn upload(entries: &[String]) -> BatchUpload {
    let body = format!("{{\"requests\":[{}]}}", entries.join(","));
    let (sender, chunks) = mpsc::channel(1);
    let bytes = body.len() as u64;
    sender.try_send(Bytes::from(body)).unwrap();
    BatchUpload { bytes, chunks }
}

#[tokio::test]
async fn a_batch_is_created_ends_and_gives_its_results() {
    for nesting in [ErrorNesting::Twice, ErrorNesting::Once] {
        let (_simulator, client) = world(|batches| {
            batches.nesting = nesting;
            batches.numeric_offset = true;
        });
        let bad = entry("k-3-1", r#""max_tokens":50"#);
        let created = client
            .create(upload(&[good("k-1-1"), good("k-2-1"), bad]))
            .await;
        let id = created.unwrap().id;
        let batch = client.retrieve(&id).await.unwrap().batch;
        assert_eq!(batch.status, RemoteStatus::Ended);
        assert!(batch.created_at < batch.expires_at && batch.ended_at.is_some());
        assert_eq!((batch.counts.succeeded, batch.counts.errored), (2, 1));
        let page = client.list(None).await.unwrap();
        assert_eq!((&page.batches, &page.next), (&vec![batch], &None));

        let (count, lines) = download(&client, &id).await;
        assert_eq!(count.unwrap(), 3);
        let by_id: BTreeMap<_, _> = lines
            .into_iter()
            .map(|line| (line.custom_id.unwrap(), line.result))
            .collect();
        let ItemResult::Succeeded(message) = &by_id["k-1-1"] else {
            panic!("{by_id:?}");
        };
        assert!(message.usage.tokens.output > 0);
        let ItemResult::Errored(failure) = &by_id["k-3-1"] else {
            panic!("{by_id:?}");
        };
        assert_eq!(
            (failure.class, failure.evidence.http_status),
            (C::InvalidRequest, None)
        );
    }
}

#[tokio::test]
async fn before_its_end_a_batch_has_no_results_and_can_be_cancelled() {
    let (_simulator, client) = world(|batches| batches.stall_at = Some(0.0));
    let id = client.create(upload(&[good("k-1-1")])).await.unwrap().id;
    let polled = client.retrieve(&id).await.unwrap();
    assert_eq!(polled.batch.status, RemoteStatus::InProgress);
    assert!(polled.retry_after.is_some());
    let (count, _) = download(&client, &id).await;
    assert!(is_missing(&count.unwrap_err()));
    let canceled = client.cancel(&id).await.unwrap();
    assert_ne!(canceled.status, RemoteStatus::InProgress);
    assert!(is_missing(
        &client.retrieve("msgbatch_none").await.unwrap_err()
    ));
}

#[tokio::test]
async fn a_refused_batch_names_its_entry_or_the_full_queue() {
    let (_simulator, client) = world(|batches| {
        batches.queue_limit = Some(1);
        batches.stall_at = Some(0.0);
    });
    let spaced = entry("not ours", r#""max_tokens":5,"messages":[]"#);
    let failure = client
        .create(upload(&[good("k-1-1"), spaced]))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.class, rejected_entry(&failure)),
        (C::BatchRejected, Some(1))
    );
    let both = upload(&[good("k-1-1"), good("k-2-1")]);
    let failure = client.create(both).await.unwrap_err();
    assert_eq!(failure.class, C::BatchQueueFull, "{failure:?}");
    assert!(!may_have_been_created(&failure));
}
