//! The body of a create call, read from the store page by page as it is sent: never whole in
//! memory.

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::model::BatchId;
use crate::model::Treatment;
use crate::model::batch::{ENTRY, ENVELOPE, item_id};
use crate::policy::{Keep, Marker};
use crate::provider::{BatchUpload, Failure, take_back_what_a_request_holds};
use crate::store::{BatchEntry, BatchStore, Result};

/// Pages that wait for the wire.
const CHUNKS: usize = 2;

/// The upload, and the sender that [`feed`] fills it through.
pub(super) fn upload(bytes: u64) -> (BatchUpload, mpsc::Sender<Bytes>) {
    let (sender, chunks) = mpsc::channel(CHUNKS);
    (BatchUpload { bytes, chunks }, sender)
}

/// Feeds the entries of a batch to its create call, until all are sent or nobody takes them.
pub(super) async fn feed<S: BatchStore>(
    store: &S,
    batch: BatchId,
    nonce: &str,
    marker: &Marker,
    chunks: mpsc::Sender<Bytes>,
) -> Result<()> {
    let mut before = ENVELOPE.0;
    let mut after = None;
    loop {
        let page = marked(store.batch_entries(batch, after).await?, marker);
        let Some(last) = page.last() else {
            let _ = chunks.send(Bytes::from_static(ENVELOPE.1.as_bytes())).await;
            return Ok(());
        };
        after = Some(last.attempt);
        if chunks.send(page_bytes(before, nonce, &page)).await.is_err() {
            return Ok(());
        }
        before = ",";
    }
}

/// Bytes of the create call with the marks in it. Without any it is what the store has counted.
pub(super) async fn bytes_marked<S: BatchStore>(
    store: &S,
    batch: BatchId,
    plain: u64,
    marker: &Marker,
) -> Result<u64> {
    let (mut bytes, mut after) = (plain, None);
    while !marker.is_idle() {
        let page = store.batch_entries(batch, after).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.attempt);
        let before = length(&page);
        bytes += length(&marked(page, marker)) - before;
    }
    Ok(bytes)
}

/// Sees whether a refusal that would stop the run was read out of words that stand in the batch itself:
/// a message may quote the request, and nobody's credit is at an end because a prompt says so.
pub(super) async fn take_back_quotes<S: BatchStore>(
    store: &S,
    batch: BatchId,
    failure: &mut Box<Failure>,
) -> Result<()> {
    let mut after = None;
    while stops_the_run(failure) && failure.evidence.http_status.is_some() {
        let page = store.batch_entries(batch, after).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.attempt);
        for entry in &page {
            if take_back_what_a_request_holds(failure, entry.body.as_str()) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn stops_the_run(failure: &Failure) -> bool {
    let treatment = failure.class.treatment();
    matches!(treatment, Treatment::Halt | Treatment::HoldModel)
}

fn length(page: &[BatchEntry]) -> u64 {
    page.iter().map(|entry| entry.body.len() as u64).sum()
}

fn marked(mut page: Vec<BatchEntry>, marker: &Marker) -> Vec<BatchEntry> {
    if !marker.is_idle() {
        for entry in &mut page {
            entry.body = marker.marked(&entry.body, Keep::OneHour);
        }
    }
    page
}

fn page_bytes(before: &str, nonce: &str, page: &[BatchEntry]) -> Bytes {
    let bodies: usize = page.iter().map(|entry| entry.body.len()).sum();
    // Ids and what stands around them; a little more does no harm.
    let mut bytes = BytesMut::with_capacity(bodies + page.len() * 128);
    let mut before = before;
    for entry in page {
        let id = item_id(nonce, entry.attempt);
        for part in [before, ENTRY.0, &id, ENTRY.1, entry.body.as_str(), ENTRY.2] {
            bytes.extend_from_slice(part.as_bytes());
        }
        before = ",";
    }
    bytes.freeze()
}
