//! Error objects that every reader of the API's results takes.
//!
//! What is stored of an error is what came, or what was made in its place, by this version or an older
//! one. A gateway's object may lack what the API's has, and its type may be anybody's word. In an
//! export it has the API's shape and one of the API's own types.

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::model::ErrorClass;
use crate::model::error_class::API_ERROR_TYPES;

/// Where the type stands that gave way to one of the API's.
const ORIGINAL: &str = "original_type";

/// The error as a strict reader takes it: as it is, if that does.
pub(super) fn strict_error(error: &RawValue, class: Option<ErrorClass>) -> Cow<'_, RawValue> {
    // What even a lenient reader cannot read is left to whoever reads it by hand.
    let Ok(object) = serde_json::from_str::<Value>(error.get()) else {
        return Cow::Borrowed(error);
    };
    if is_strict(&object) {
        return Cow::Borrowed(error);
    }
    match to_raw_value(&rebuilt(object, class.unwrap_or(ErrorClass::Unknown))) {
        Ok(rebuilt) => Cow::Owned(rebuilt),
        Err(_) => Cow::Borrowed(error),
    }
}

fn is_strict(object: &Value) -> bool {
    let inner = &object["error"];
    object["type"] == "error"
        && inner["type"]
            .as_str()
            .is_some_and(|kind| API_ERROR_TYPES.contains(&kind))
        && inner["message"].is_string()
        && (object["request_id"].is_null() || object["request_id"].is_string())
}

/// The same with whatever is missing, and whatever else stood in it.
fn rebuilt(object: Value, class: ErrorClass) -> Value {
    let (mut outer, mut inner) = match object {
        Value::Object(mut outer) => match outer.remove("error") {
            Some(Value::Object(inner)) => (outer, inner),
            Some(other) => (outer, Map::from_iter([("message".to_owned(), other)])),
            None => (outer, Map::new()),
        },
        other => (Map::new(), Map::from_iter([("message".to_owned(), other)])),
    };
    let told = inner.remove("type").filter(|kind| !kind.is_null());
    let known = told.as_ref().and_then(Value::as_str);
    let known = known.and_then(|told| API_ERROR_TYPES.into_iter().find(|kind| *kind == told));
    if let Some(told) = told.filter(|_| known.is_none()) {
        inner.insert(ORIGINAL.to_owned(), told);
    }
    inner.insert("type".to_owned(), known.unwrap_or(class.api_type()).into());
    let message = match inner.remove("message") {
        Some(Value::String(text)) => text,
        None | Some(Value::Null) => class.info().meaning.to_owned(),
        Some(other) => other.to_string(),
    };
    inner.insert("message".to_owned(), message.into());
    outer.insert("error".to_owned(), inner.into());
    outer.insert("type".to_owned(), "error".into());
    if outer.get("request_id").is_some_and(|id| !id.is_string()) {
        outer.insert("request_id".to_owned(), Value::Null);
    }
    outer.into()
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::{is_strict, strict_error};
    use crate::model::{ErrorClass, error_object};

    fn strict(error: &str, class: ErrorClass) -> String {
        let raw = RawValue::from_string(error.to_owned()).unwrap();
        strict_error(&raw, Some(class)).get().to_owned()
    }

    #[test]
    fn whatever_was_stored_of_any_class_is_exported_with_a_type_of_the_api() {
        for class in ErrorClass::all() {
            // What this version makes, and what older ones have stored.
            for kind in [class.api_type(), class.as_str()] {
                let stored = error_object(kind, class.info().meaning, None);
                let object: Value = serde_json::from_str(&strict(&stored, class)).unwrap();
                assert!(is_strict(&object), "{class}: {object}");
                assert_eq!(object["error"]["type"], class.api_type(), "{class}");
                assert_eq!(object["error"]["message"], class.info().meaning, "{class}");
            }
        }
    }

    #[test]
    fn an_object_of_the_api_stays_byte_for_byte() {
        let error = r#"{ "error":{"message":"no\u0021","type":"api_error","details":null}, "type":"error"}"#;
        assert_eq!(strict(error, ErrorClass::ServerError), error);
    }

    #[test]
    fn what_others_made_keeps_all_that_it_says() {
        for (stored, exported) in [
            (
                json!({"error": {"type": "request_too_large", "message": "large"}}),
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": "large", "original_type": "request_too_large"}}),
            ),
            (
                json!({"type": "error", "error": {"type": "api_error", "message": {"a": 1}, "code": 7}, "request_id": 5}),
                json!({"type": "error", "error": {"type": "api_error", "message": "{\"a\":1}", "code": 7}, "request_id": null}),
            ),
            (
                json!({"error": "teapot", "raw_body": "x"}),
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": "teapot"}, "raw_body": "x"}),
            ),
            (
                json!({"type": "error", "error": {"type": 5}}),
                json!({"type": "error", "error": {"type": "invalid_request_error", "original_type": 5, "message": ErrorClass::RequestTooLarge.info().meaning}}),
            ),
            (
                json!("teapot"),
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": "teapot"}}),
            ),
        ] {
            let found = strict(&stored.to_string(), ErrorClass::RequestTooLarge);
            assert_eq!(serde_json::from_str::<Value>(&found).unwrap(), exported);
        }
    }
}
