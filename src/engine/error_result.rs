//! The result of a job that failed: an error object in the API's own shape.

use crate::model::error_class::API_ERROR_TYPES;
use crate::model::{ErrorClass, Evidence, error_object};
use crate::provider::Message;
use crate::store::ResultBody;

/// What is exported for a job that failed like that. The message of a refusal stands beside its
/// error, since it may have been paid for.
pub(super) fn error_result(
    class: ErrorClass,
    evidence: &Evidence,
    message: Option<&Message>,
) -> ResultBody {
    let error = error_of(class, evidence);
    match message {
        Some(message) => ResultBody::Refusal {
            error,
            message: message.raw.clone(),
        },
        None => ResultBody::Error(error),
    }
}

/// The API's own error object where it sent a whole one, else one of the same shape, with one of the
/// API's types.
fn error_of(class: ErrorClass, evidence: &Evidence) -> String {
    if let Some(raw) = &evidence.raw_error
        && raw_is_whole(raw)
    {
        return raw.clone();
    }
    let told = evidence.error_type.as_deref();
    let told = told.filter(|kind| API_ERROR_TYPES.contains(kind));
    let kind = told.unwrap_or(class.api_type());
    let words = evidence.message.as_deref().unwrap_or(class.info().meaning);
    let error = error_object(kind, words, evidence.request_id.as_deref());
    match &evidence.unreadable {
        Some(answer) => with_answer(&error, answer),
        None => error,
    }
}

/// The error with the answer beside it that could not be read: it was paid for, and may be read by
/// hand.
fn with_answer(error: &str, answer: &str) -> String {
    let answer = serde_json::Value::from(answer);
    let inside = error.strip_suffix('}').unwrap_or(error);
    format!("{inside},\"raw_body\":{answer}}}")
}

fn raw_is_whole(raw: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(raw)
        .is_ok_and(|object| object["type"] == "error" && object["error"]["type"].is_string())
}
