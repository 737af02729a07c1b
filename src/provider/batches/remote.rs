//! Batches as the API describes them, read tolerantly: only the id must be there.

use jiff::Timestamp;
use serde_json::Value;

use super::BatchPage;
use crate::model::{RemoteBatch, RemoteStatus, RequestCounts};

/// Reads a batch; none if the text is no batch.
pub(super) fn read_batch(body: &[u8]) -> Option<RemoteBatch> {
    batch(&serde_json::from_slice(body).ok()?)
}

/// Reads a page of the list of batches; none if the text is no list. An element that is no batch is
/// passed over.
pub(super) fn read_page(body: &[u8]) -> Option<BatchPage> {
    let page: Value = serde_json::from_slice(body).ok()?;
    let batches: Vec<_> = page
        .get("data")?
        .as_array()?
        .iter()
        .filter_map(batch)
        .collect();
    let last = page["last_id"].as_str().filter(|id| !id.is_empty());
    let last = last.or_else(|| batches.last().map(|batch| batch.id.as_str()));
    let next = last.filter(|_| page["has_more"] == true).map(str::to_owned);
    Some(BatchPage {
        batches,
        next,
        server_time: None,
    })
}

fn batch(value: &Value) -> Option<RemoteBatch> {
    let is_batch = value.get("type").is_none_or(|kind| kind == "message_batch");
    let id = value.get("id")?.as_str().filter(|id| !id.is_empty())?;
    is_batch.then(|| RemoteBatch {
        id: id.to_owned(),
        status: status(&value["processing_status"]),
        counts: counts(&value["request_counts"]),
        created_at: time(&value["created_at"]),
        expires_at: time(&value["expires_at"]),
        ended_at: time(&value["ended_at"]),
        archived_at: time(&value["archived_at"]),
    })
}

fn status(value: &Value) -> RemoteStatus {
    match value.as_str() {
        Some("ended") => RemoteStatus::Ended,
        Some("canceling") => RemoteStatus::Canceling,
        _ => RemoteStatus::InProgress,
    }
}

/// Larger counts are garbage, and would overflow sums and the store's integers.
const MAX_COUNT: u64 = 1_000_000_000;

fn counts(value: &Value) -> RequestCounts {
    let count = |name: &str| value[name].as_u64().unwrap_or(0).min(MAX_COUNT);
    RequestCounts {
        processing: count("processing"),
        succeeded: count("succeeded"),
        errored: count("errored"),
        canceled: count("canceled"),
        expired: count("expired"),
    }
}

/// A time with `Z` or with an offset: the documents show the one, the API sends the other.
fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{read_batch, read_page};
    use crate::model::{RemoteBatch, RemoteStatus, RequestCounts};

    const BATCH: &str = r#"{"id":"msgbatch_1","type":"message_batch","processing_status":"canceling",
        "request_counts":{"processing":2,"succeeded":3,"errored":4,"canceled":5,"expired":6,"new":7},
        "created_at":"2026-09-24T18:37:24.100435+00:00","expires_at":"2026-09-25T18:37:24.100435Z",
        "ended_at":null,"cancel_initiated_at":null,"archived_at":"soon","results_url":null,"new":{}}"#;

    #[test]
    fn a_batch_is_read_with_both_forms_of_times() {
        let batch = read_batch(BATCH.as_bytes()).unwrap();
        let expected = RemoteBatch {
            id: "msgbatch_1".to_owned(),
            status: RemoteStatus::Canceling,
            counts: RequestCounts {
                processing: 2,
                succeeded: 3,
                errored: 4,
                canceled: 5,
                expired: 6,
            },
            created_at: Some("2026-09-24T18:37:24.100435Z".parse().unwrap()),
            expires_at: Some("2026-09-25T18:37:24.100435Z".parse().unwrap()),
            ended_at: None,
            archived_at: None,
        };
        assert_eq!(batch, expected);
    }

    #[test]
    fn an_id_is_enough_and_an_unknown_status_is_in_progress() {
        for (text, status) in [
            (r#"{"id":"b"}"#, RemoteStatus::InProgress),
            (
                r#"{"id":"b","processing_status":"pondering"}"#,
                RemoteStatus::InProgress,
            ),
            (
                r#"{"id":"b","processing_status":7,"request_counts":[]}"#,
                RemoteStatus::InProgress,
            ),
            (
                r#"{"id":"b","processing_status":"ended"}"#,
                RemoteStatus::Ended,
            ),
        ] {
            let batch = read_batch(text.as_bytes()).unwrap();
            assert_eq!((batch.status, batch.counts.total()), (status, 0), "{text}");
        }
        let huge =
            r#"{"id":"b","request_counts":{"processing":1e30,"expired":18446744073709551615}}"#;
        let counts = read_batch(huge.as_bytes()).unwrap().counts;
        assert_eq!(counts.total(), super::MAX_COUNT);
    }

    #[test]
    fn what_has_no_id_or_is_something_else_is_no_batch() {
        for text in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"id":""}"#,
            r#"{"id":7}"#,
            r#"{"id":"m","type":"message"}"#,
        ] {
            assert_eq!(read_batch(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_page_says_where_the_next_begins() {
        for (text, ids, next) in [
            (
                r#"{"data":[{"id":"a"},{"id":"b"}],"has_more":true,"last_id":"b"}"#,
                2,
                Some("b"),
            ),
            (
                r#"{"data":[{"id":"a"},7,{"id":"b"}],"has_more":true,"last_id":null}"#,
                2,
                Some("b"),
            ),
            (
                r#"{"data":[{"id":"a"}],"has_more":false,"last_id":"a"}"#,
                1,
                None,
            ),
            (r#"{"data":[{"id":"a"}],"last_id":"a"}"#, 1, None),
            (r#"{"data":[],"has_more":true,"last_id":null}"#, 0, None),
        ] {
            let page = read_page(text.as_bytes()).unwrap();
            assert_eq!(
                (page.batches.len(), page.next.as_deref()),
                (ids, next),
                "{text}"
            );
        }
        for text in ["{}", r#"{"data":{}}"#, "[]", "x"] {
            assert_eq!(read_page(text.as_bytes()), None, "{text}");
        }
    }
}
