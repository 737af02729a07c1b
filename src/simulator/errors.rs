//! Error bodies as the API makes them.
//!
//! Owns the envelope `{"type":"error","error":{...},"request_id":...}` and the statuses that go
//! with its kinds. It does not decide when an error is due.

use bytes::Bytes;
use serde_json::{Value, json};

/// An error that the API itself answers with.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) details: Option<Value>,
}

impl ApiError {
    pub(super) fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            details: None,
        }
    }

    /// 400: the request is at fault.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found_error", message)
    }

    pub(super) fn authentication(message: impl Into<String>) -> Self {
        Self::new(401, "authentication_error", message)
    }

    pub(super) fn rate_limited(message: impl Into<String>) -> Self {
        Self::new(429, "rate_limit_error", message)
    }

    /// The error without its envelope.
    pub(super) fn object(&self) -> Value {
        let mut error = json!({"type": self.kind, "message": self.message});
        if let Some(details) = &self.details {
            error["details"] = details.clone();
        }
        error
    }

    /// The whole body. Without an id the key is left out, as older bodies do.
    pub(super) fn body(&self, request_id: Option<&str>) -> Bytes {
        let mut body = json!({"type": "error", "error": self.object()});
        if let Some(id) = request_id {
            body["request_id"] = id.into();
        }
        Bytes::from(body.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_documented_shape() {
        let body = ApiError::invalid("max_tokens: Field required").body(Some("req_1"));
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            value,
            json!({"type": "error", "request_id": "req_1", "error": {
                "type": "invalid_request_error", "message": "max_tokens: Field required"}})
        );
    }
}
