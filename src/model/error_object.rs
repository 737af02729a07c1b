//! Error objects in the API's own shape, for failures that came without one.

use serde::Serialize;

#[derive(Serialize)]
struct ErrorObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Inner<'a>,
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Inner<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
}

/// `{"type":"error","error":{"type":KIND,"message":MESSAGE},"request_id":ID}`, in that order of
/// keys: the shape that the API documents for its errors.
#[must_use]
pub fn error_object(kind: &str, message: &str, request_id: Option<&str>) -> String {
    let object = ErrorObject {
        kind: "error",
        error: Inner { kind, message },
        request_id,
    };
    // Texts and nothing else: there is nothing in it that could fail.
    serde_json::to_string(&object).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::error_object;

    #[test]
    fn keys_stand_in_the_order_of_the_api() {
        assert_eq!(
            error_object("api_error", "no \"way\"", None),
            r#"{"type":"error","error":{"type":"api_error","message":"no \"way\""},"request_id":null}"#
        );
    }
}
