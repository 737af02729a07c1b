//! What a failure means for a batch: pure, on top of the one classifier.

use crate::model::{ErrorClass, Treatment};
use crate::provider::{Failure, take_back_what_it_quotes};

/// Whether a batch may exist although its create call failed. True whenever nobody can know: no
/// answer came, its beginning was a success, or it was made by something (5xx) that may have lost
/// the API's own answer. False if no whole request can have left, or if the API refused it.
#[must_use]
pub fn may_have_been_created(failure: &Failure) -> bool {
    match failure.evidence.http_status {
        _ if failure.unsent => false,
        // 501 is an endpoint's own word that it does no such thing.
        Some(status) => matches!(status, 200..=299 | 408 | 500 | 502..),
        // `Unknown` without a status is a request that could not be made or not be sent whole, and
        // `WrongEndpoint` a proxy's refusal.
        None => !matches!(
            failure.class,
            ErrorClass::Dns
                | ErrorClass::Connect
                | ErrorClass::Tls
                | ErrorClass::WrongEndpoint
                | ErrorClass::Unknown
        ),
    }
}

/// Which entry the API refused a batch for, from 0, if its message says so (it begins with
/// `requests.7.custom_id`, say; seen live).
#[must_use]
pub fn rejected_entry(failure: &Failure) -> Option<usize> {
    let message = failure.evidence.message.as_deref()?;
    if failure.class != ErrorClass::BatchRejected {
        return None;
    }
    let (_, after) = message.split_once("requests.")?;
    let end = after.find(|c: char| !c.is_ascii_digit());
    after[..end.unwrap_or(after.len())].parse().ok()
}

/// Whether the API itself said that it has no such batch, or no results of it. Minutes after the
/// creation of a batch, and before its end, that is no loss.
#[must_use]
pub fn is_missing(failure: &Failure) -> bool {
    failure.evidence.http_status == Some(404)
        && failure.evidence.error_type.as_deref() == Some("not_found_error")
}

/// Whether this answer to a call under `/v1/messages/batches` says that there are no Message Batches
/// here, or none for this key: a gateway that forwards Messages alone, say. Whatever it is written
/// like, it says nothing of the requests.
#[must_use]
pub fn has_no_batches(failure: &Failure) -> bool {
    match failure.evidence.http_status {
        Some(405 | 410 | 501) => true,
        Some(404) => failure.class == ErrorClass::WrongEndpoint,
        Some(403) => matches!(
            failure.class,
            ErrorClass::Permission | ErrorClass::EdgeError
        ),
        _ => false,
    }
}

/// Takes back what words made of a create call's failure that one of its requests holds. True if the
/// failure is another one now.
pub fn take_back_what_a_request_holds(failure: &mut Box<Failure>, request: &str) -> bool {
    let before = failure.class;
    take_back_what_it_quotes(failure, request);
    if failure.class == before {
        return false;
    }
    let read_anew = of_create(failure.clone());
    *failure = read_anew;
    true
}

/// A create call's failure in the words of the batch lane: what would be one job's fault is the
/// batch's.
pub(super) fn of_create(mut failure: Box<Failure>) -> Box<Failure> {
    let status = failure.evidence.http_status;
    let of_job = matches!(
        failure.class.treatment(),
        Treatment::Fail | Treatment::HoldModel
    );
    // A 404 may also be about a model or a file that a request names.
    let names_something = matches!(
        failure.class,
        ErrorClass::ModelNotFound | ErrorClass::FileMissing
    );
    failure.class = match (status, failure.class) {
        (Some(413), _) => ErrorClass::RequestTooLarge,
        (Some(404 | 405 | 410 | 501), _) if !names_something => ErrorClass::WrongEndpoint,
        (Some(429), ErrorClass::RateLimited) if speaks_of_a_queue(&failure) => {
            ErrorClass::BatchQueueFull
        }
        (Some(400..=499), _) if of_job => ErrorClass::BatchRejected,
        (_, class) => class,
    };
    failure
}

/// The wording of a full processing queue is documented nowhere; its name is (rate-limit page:
/// "batch requests in the processing queue", limiter `enqueued_batch_requests`).
fn speaks_of_a_queue(failure: &Failure) -> bool {
    let message = failure.evidence.message.as_deref().unwrap_or_default();
    let message = message.to_ascii_lowercase();
    ["queue", "batch requests"]
        .iter()
        .any(|word| message.contains(word))
}

#[cfg(test)]
mod tests {
    use super::{has_no_batches, is_missing, may_have_been_created, of_create, rejected_entry};
    use crate::model::{ErrorClass as C, Evidence};
    use crate::provider::{Broken, Failure, HeaderView, classify_response, classify_transport};

    fn failure(status: u16, kind: &str, message: &str) -> Box<Failure> {
        let error = serde_json::json!({"type": kind, "message": message});
        let body = serde_json::json!({"type": "error", "error": error}).to_string();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let read = classify_response(status, HeaderView::none(), body.as_bytes(), now);
        of_create(read.unwrap_err())
    }

    const BAD: &str = "invalid_request_error";
    const LIMIT: &str = "rate_limit_error";

    /// Status, type and message of an answer; its class, and the entry that it names.
    #[rustfmt::skip]
    const REFUSED: &[(u16, &str, &str, C, Option<usize>)] = &[
        (400, BAD, "requests.0.custom_id: Field required", C::BatchRejected, Some(0)),
        (400, BAD, "requests.71.params: Input should be an object", C::BatchRejected, Some(71)),
        (400, BAD, "requests.99999", C::BatchRejected, Some(99_999)),
        (400, BAD, "requests: custom_id's must be unique within a batch. Duplicate custom_id found: dup", C::BatchRejected, None),
        (400, BAD, "The request body is not valid JSON: x", C::BatchRejected, None),
        (400, BAD, "requests.3.params.cache_control: too many", C::BatchRejected, Some(3)),
        (422, BAD, "requests.x: no", C::BatchRejected, None),
        (404, "not_found_error", "model: m", C::BatchRejected, None),
        (413, "request_too_large", "Request exceeds the maximum size", C::RequestTooLarge, None),
        (413, BAD, "requests.1: prompt is too long", C::RequestTooLarge, None),
        (429, LIMIT, "Too many batch requests in the processing queue", C::BatchQueueFull, None),
        (429, LIMIT, "The queue is full: requests.1", C::BatchQueueFull, None),
        (429, LIMIT, "This request would exceed your rate limit of 50 requests per minute", C::RateLimited, None),
        (429, LIMIT, "You have reached your API usage limits: queue", C::SpendLimit, None),
        (400, BAD, "Your credit balance is too low to access the Anthropic API.", C::Billing, None),
        (400, BAD, "You have reached your specified API usage limits.", C::SpendLimit, None),
        (401, "authentication_error", "API key is invalid.", C::Authentication, None),
        (403, "permission_error", "no", C::Permission, None),
        (404, "not_found_error", "Not Found", C::WrongEndpoint, None),
        (529, "overloaded_error", "Overloaded", C::Overloaded, None),
    ];

    #[test]
    fn a_refused_create_call_is_the_batch_s_fault_or_everybody_s() {
        for (status, kind, message, class, entry) in REFUSED {
            let failure = failure(*status, kind, message);
            assert_eq!(failure.class, *class, "{status} {message}");
            assert_eq!(rejected_entry(&failure), *entry, "{status} {message}");
        }
    }

    #[test]
    fn only_what_cannot_have_been_heard_is_known_not_to_exist() {
        let told = |status: u16| failure(status, "x", "y");
        for status in [200, 201, 408, 500, 502, 503, 504, 520, 524, 529] {
            assert!(may_have_been_created(&told(status)), "{status}");
        }
        for status in [
            301, 307, 400, 401, 402, 403, 404, 405, 409, 413, 422, 429, 501,
        ] {
            assert!(!may_have_been_created(&told(status)), "{status}");
        }
        for (broken, may) in [
            (Broken::Dns, false),
            (Broken::Connect, false),
            (Broken::Certificate, false),
            (Broken::Alert, false),
            (Broken::ProxyLogin, false),
            (Broken::Unsendable, false),
            (Broken::Timeout, true),
            (Broken::Cut, true),
            (Broken::Undecodable, true),
        ] {
            let failure = classify_transport(broken, "why");
            assert_eq!(may_have_been_created(&failure), may, "{broken:?}");
        }
    }

    #[test]
    fn an_endpoint_without_batches_is_known_by_its_status_whoever_words_it() {
        let page = |status: u16, body: &str| {
            let now = jiff::Timestamp::UNIX_EPOCH;
            let read = classify_response(status, HeaderView::none(), body.as_bytes(), now);
            of_create(read.unwrap_err())
        };
        for status in [403, 404, 405, 410, 501] {
            for body in [
                "",
                "<html><title>no</title></html>",
                r#"{"detail":"Not Found"}"#,
                r#"{"error":{"message":"Invalid URL (POST /v1/messages/batches)","type":"invalid_request_error","code":null}}"#,
                r#"{"type":"error","error":{"type":"not_found_error","message":"Not Found"}}"#,
                r#"{"type":"error","error":{"type":"not_found_error","message":"batches: no such resource"}}"#,
            ] {
                let failure = page(status, body);
                assert!(
                    has_no_batches(&failure),
                    "{status} {body}: {}",
                    failure.class
                );
            }
        }
        for (status, kind, message) in [
            (404, "not_found_error", "model: m"),
            (404, "not_found_error", "File `file_1` not found."),
            (
                403,
                "permission_error",
                "This organization has been disabled.",
            ),
            (401, "authentication_error", "API key is invalid."),
            (400, BAD, "The request body is not valid JSON: x"),
            (429, LIMIT, "no"),
            (500, "api_error", "Internal server error"),
            (503, "api_error", "no"),
        ] {
            assert!(
                !has_no_batches(&failure(status, kind, message)),
                "{status} {message}"
            );
        }
    }

    #[test]
    fn a_missing_batch_is_one_that_the_api_does_not_know() {
        let unknown = "Message Batch msgbatch_1 not found.";
        let early = "Message Batch msgbatch_1 has no available results.";
        for message in [unknown, early] {
            assert!(is_missing(&failure(404, "not_found_error", message)));
        }
        assert!(!is_missing(&failure(400, "not_found_error", unknown)));
        let mut page = classify_transport(Broken::Cut, "404");
        page.evidence = Evidence {
            http_status: Some(404),
            ..Evidence::default()
        };
        assert!(!is_missing(&page));
    }
}
