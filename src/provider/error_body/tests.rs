//! Bodies of every shape, out of their wrappers.

use super::{ErrorBody, MAX_WORDS, read_error, read_text};

fn told(body: &str) -> (Option<String>, Option<String>, Option<u16>, Option<String>) {
    let error = read_error(body).unwrap_or_else(|| panic!("no error: {body}"));
    (error.kind, error.code, error.status, error.message)
}

/// A body, and what it gives up: type, code, status, message.
type Shape = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<u16>,
    &'static str,
);

const SHAPES: &[Shape] = &[
    (
        r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#,
        Some("api_error"),
        None,
        Some(500),
        "m",
    ),
    (
        r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}"#,
        Some("RESOURCE_EXHAUSTED"),
        Some("429"),
        Some(429),
        "m",
    ),
    (
        r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#,
        Some("RESOURCE_EXHAUSTED"),
        Some("429"),
        Some(429),
        "m",
    ),
    (
        r#"{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED","details":[{"@type":"x","reason":"BILLING_DISABLED"}]}}"#,
        Some("PERMISSION_DENIED"),
        Some("BILLING_DISABLED"),
        Some(403),
        "m",
    ),
    (r#"{"message":"m"}"#, None, None, None, "m"),
    (r#"{"Message":"m"}"#, None, None, None, "m"),
    (
        r#"{"__type":"com.amazon.coral.service#ThrottlingException","message":"m"}"#,
        Some("ThrottlingException"),
        None,
        Some(429),
        "m",
    ),
    (
        r#"{"message":"m","originalStatusCode":400,"resourceName":"r"}"#,
        None,
        None,
        Some(400),
        "m",
    ),
    (r#"{"detail":"m"}"#, None, None, None, "m"),
    (r#"{"detail":{"error":"m"}}"#, None, None, None, "m"),
    (
        r#"{"detail":[{"loc":["body","messages",0],"msg":"m","type":"missing","input":{}}]}"#,
        None,
        None,
        None,
        "body.messages.0: m",
    ),
    (
        r#"{"error":{"message":"m","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
        Some("invalid_request_error"),
        Some("context_length_exceeded"),
        Some(400),
        "m",
    ),
    (
        r#"{"error":{"code":"DeploymentNotFound","message":"m"}}"#,
        None,
        Some("DeploymentNotFound"),
        None,
        "m",
    ),
    (
        r#"{"error":"forbidden","message":"m"}"#,
        None,
        Some("forbidden"),
        None,
        "m",
    ),
    (
        r#"{"statusCode":401,"message":"m"}"#,
        None,
        None,
        Some(401),
        "m",
    ),
    (
        r#"{"success":false,"errors":[{"code":2001,"message":"m"}]}"#,
        None,
        Some("2001"),
        None,
        "m",
    ),
    (
        r#"{"fault":{"faultstring":"m","detail":{"errorcode":"x"}}}"#,
        None,
        None,
        None,
        "m",
    ),
    (
        r#"{"type":"about:blank","title":"t","status":403,"detail":"m"}"#,
        None,
        None,
        Some(403),
        "m",
    ),
];

#[test]
fn every_shape_gives_up_type_code_status_and_message() {
    for (body, kind, code, status, message) in SHAPES {
        let expected = (
            kind.map(str::to_owned),
            code.map(str::to_owned),
            *status,
            Some((*message).to_owned()),
        );
        assert_eq!(told(body), expected, "{body}");
    }
}

#[test]
fn an_error_inside_an_error_is_read_up_to_three_levels_deep() {
    let nested = |levels: u32| {
        let mut body =
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#
                .to_owned();
        for _ in 0..levels {
            body = serde_json::json!({"error":{"message":body,"type":"None","code":"500"}})
                .to_string();
        }
        read_error(&body).unwrap()
    };
    for levels in 0..=3 {
        let error = nested(levels);
        assert_eq!(error.kind.as_deref(), Some("overloaded_error"), "{levels}");
        assert_eq!((error.is_wrapped, error.status), (levels > 0, Some(529)));
    }
    assert_eq!(nested(4).kind.as_deref(), Some("None"));
}

#[test]
fn wrapped_errors_are_found_wherever_gateways_put_them() {
    let inner = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"}}"#;
    let python = "{'type': 'error', 'error': {'type': 'invalid_request_error', 'message': 'prompt is too long'}}";
    for body in [
        serde_json::json!({"error":{"message":format!("litellm.BadRequestError: AnthropicException - {inner}. Received Model Group=x\nAvailable Model Group Fallbacks=None"),"type":null,"code":"400"}}),
        serde_json::json!({"error":{"message":format!("litellm.BadRequestError: AnthropicException - b'{inner}'"),"type":"None"}}),
        serde_json::json!({"error":{"message":"Provider returned error","code":400,"metadata":{"raw":inner,"provider_name":"Anthropic"}}}),
        serde_json::json!({"error":{"message":"Provider returned error","code":400,"metadata":{"raw":serde_json::from_str::<serde_json::Value>(inner).unwrap()}}}),
        serde_json::json!({"error":{"message":format!("Error from provider(openrouter,x: 400): {inner}Error: Error from provider"),"type":"api_error","code":"provider_response_error"}}),
        serde_json::json!({"error":{"message":format!("Error code: 400 - {python}"),"type":"api_error"}}),
        serde_json::json!({"detail":{"error":inner}}),
        serde_json::json!(inner),
        serde_json::json!({"error":{"message":serde_json::to_string(inner).unwrap()}}),
    ] {
        let error = read_error(&body.to_string()).unwrap();
        assert_eq!(
            error.message.as_deref(),
            Some("prompt is too long"),
            "{body}"
        );
        assert_eq!(
            error.kind.as_deref(),
            Some("invalid_request_error"),
            "{body}"
        );
    }
    let text = format!("litellm.APIError: AnthropicException - {inner}");
    assert_eq!(
        read_text(&text).unwrap().message.as_deref(),
        Some("prompt is too long")
    );
    assert_eq!(read_text("no healthy upstream"), None);
}

#[test]
fn json_that_a_message_quotes_is_no_error_inside() {
    for message in [
        r#"messages.0.content: got {"error":{"type":"billing_error","message":"x"}}"#,
        r#"The prompt {"error":{"message":"x"}} is not allowed"#,
    ] {
        let body = serde_json::json!({"error":{"type":"invalid_request_error","message":message}});
        let error = read_error(&body.to_string()).unwrap();
        assert_eq!(error.message.as_deref(), Some(message));
        assert!(!error.is_wrapped);
    }
}

#[test]
fn hostile_bodies_are_bounded() {
    let deep = |open: &str, close: &str, n: usize| format!("{}{}", open.repeat(n), close.repeat(n));
    for body in [
        deep("[", "]", 100_000),
        deep(r#"{"detail":"#, "}", 100_000),
        deep(r#"{"error":["#, "]}", 100_000),
        format!(r#"{{"detail":[{}]}}"#, r#"{"x":1},"#.repeat(100_000)),
        format!(
            r#"{{"error":{{"message":"{}"}}}}"#,
            "litellm.XError: ".repeat(10_000)
        ),
        format!(r#"{{"error":{{"message":"{}"}}}}"#, "{'".repeat(MAX_WORDS)),
        format!(r#"{{"message":"{}"}}"#, "x".repeat(10 * MAX_WORDS)),
        "{'".repeat(MAX_WORDS),
        "\"".to_owned(),
        "[".to_owned(),
        "b'".to_owned(),
    ] {
        let words = |error: Option<ErrorBody>| {
            error
                .and_then(|error| error.message)
                .map_or(0, |words| words.len())
        };
        assert!(words(read_error(&body)) <= MAX_WORDS);
        assert!(words(read_text(&body)) <= MAX_WORDS);
    }
}
