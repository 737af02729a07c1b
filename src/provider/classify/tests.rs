//! Answers as the API and what stands in front of it send them, each with its class.

mod foreign;

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Broken, MAX_ERROR_TEXT, MAX_RAW_ERROR, classify_error, classify_response, classify_transport,
};
use crate::model::ErrorClass as C;
use crate::provider::{ErrorFacts, Failure, HeaderView, Message};

pub(super) fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn header_map(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                value.parse::<HeaderValue>().unwrap(),
            )
        })
        .collect()
}

pub(super) fn read(
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Message, Box<Failure>> {
    let map = header_map(headers);
    classify_response(status, HeaderView::new(&map), body.as_bytes(), now())
}

fn class_of(status: u16, body: &str) -> C {
    let failure = read(status, &[], body).expect_err(body);
    assert_eq!(failure.evidence.http_status, Some(status));
    assert!(failure.evidence.message.is_some(), "{status} {body}");
    failure.class
}

pub(super) fn api_error(kind: &str, message: &str) -> String {
    serde_json::json!({"type":"error","error":{"type":kind,"message":message},"request_id":"req_011C"})
        .to_string()
}

/// Messages under the status and type that the API sends them with.
#[rustfmt::skip]
const API_ERRORS: &[(u16, &str, &str, C)] = &[
    // Prompt and sizes.
    (400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum", C::PromptTooLong),
    (413, "invalid_request_error", "Prompt is too long: 1 tokens > 0 maximum", C::PromptTooLong),
    (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length or `max_tokens` and try again", C::MaxTokensTooLarge),
    (400, "invalid_request_error", "max_tokens: 128001 > 128000, which is the maximum allowed number of output tokens for claude-opus-5", C::MaxTokensTooLarge),
    (413, "request_too_large", "Request exceeds the maximum size", C::RequestTooLarge),
    // Money and quota, at any 4xx.
    (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.", C::Billing),
    (402, "billing_error", "Your credit balance is too low to access the Anthropic API.", C::Billing),
    (403, "permission_error", "Your credit balance is too low", C::Billing),
    (500, "api_error", "Your credit balance is too low", C::ServerError),
    (500, "invalid_request_error", "This organization has been disabled.", C::ServerError),
    (400, "api_error", "Your credit balance is too low", C::InvalidRequest),
    (400, "invalid_request_error", "messages.0: `Your credit balance is too low` is not allowed", C::InvalidRequest),
    (400, "invalid_request_error", "text: this organization has been disabled", C::InvalidRequest),
    (400, "invalid_request_error", "messages.1.content: you have reached your specified API usage limits", C::InvalidRequest),
    (400, "invalid_request_error", "system: no anthropic-workspace-id here", C::InvalidRequest),
    (503, "invalid_request_error", "Output blocked by content filtering policy", C::Unavailable),
    (400, "invalid_request_error", "litellm.BadRequestError: AnthropicException - b'{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too low\"}}'", C::Billing),
    // Quotas of gateways.
    (400, "budget_exceeded", "Budget has been exceeded! Current cost: 12.5, Max budget: 10.0", C::SpendLimit),
    (429, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details.", C::SpendLimit),
    (200, "insufficient_quota", "You exceeded your current quota", C::SpendLimit),
    (429, "rate_limit_error", "You exceeded your current quota, please check your plan.", C::SpendLimit),
    (429, "rate_limit_error", "messages.0: You exceeded your current quota", C::RateLimited),
    (402, "billing_error", "Payment required", C::Billing),
    (400, "invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.", C::SpendLimit),
    (400, "invalid_request_error", "You have reached your specified workspace API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.", C::SpendLimit),
    (429, "rate_limit_error", "You have reached your API usage limits: your organization has crossed its monthly API usage threshold, set based on your organization's API tier. You will regain access on 2026-09-01 at 00:00 UTC.", C::SpendLimit),
    // 429.
    (429, "rate_limit_error", "This request would exceed your organization's rate limit of 30,000 input tokens per minute (org: x, model: claude-opus-5). For details, refer to: https://example", C::RateLimited),
    (429, "rate_limit_error", "This request would exceed the rate limit for your organization (x) of 40,000 input tokens per minute.", C::RateLimited),
    (429, "rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit", C::RateLimited),
    (429, "rate_limit_error", "This request would exceed your account's rate limit. Please try again later.", C::RateLimited),
    (429, "rate_limit_error", "Rate limited", C::RateLimited),
    (429, "invalid_request_error", "whatever", C::RateLimited),
    (429, "rate_limit_error", "This request would exceed your organization's (x) maximum usage increase rate for input tokens per minute. Please scale up your input tokens usage more gradually to stay within the acceleration limit.", C::AccelerationLimited),
    (429, "rate_limit_error", "Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales", C::ConcurrencyLimited),
    // Capacity and server.
    (529, "overloaded_error", "Overloaded", C::Overloaded),
    (529, "api_error", "Overloaded", C::Overloaded),
    (500, "api_error", "Internal server error", C::ServerError),
    (500, "invalid_request_error", "prompt is too long", C::ServerError),
    (502, "api_error", "Bad gateway", C::BadGateway),
    (503, "overloaded_error", "Service unavailable", C::Unavailable),
    (503, "api_error", "the request said cache_control", C::Unavailable),
    (504, "timeout_error", "Request timed out", C::GatewayTimeout),
    (408, "timeout_error", "Request timeout", C::RequestTimeout),
    (409, "conflict_error", "Conflict", C::Conflict),
    // Keys and rights.
    (401, "authentication_error", "invalid x-api-key", C::Authentication),
    (401, "authentication_error", "API key is invalid.", C::Authentication),
    (401, "authentication_error", "x-api-key header is required", C::Authentication),
    (401, "authentication_error", "OAuth token has expired. Please obtain a new token or refresh your existing token.", C::Authentication),
    (401, "authentication_error", "CORS requests are not allowed for this Organization", C::Authentication),
    (400, "invalid_request_error", "This organization has been disabled.", C::OrganizationDisabled),
    (403, "permission_error", "This organization has been disabled.", C::OrganizationDisabled),
    (403, "permission_error", "Your API key does not have permission to use the specified resource.", C::Permission),
    (400, "invalid_request_error", "anthropic-workspace-id header is required for this key", C::Permission),
    // 404.
    (404, "not_found_error", "model: claude-does-not-exist-9", C::ModelNotFound),
    (404, "invalid_request_error", "The model `x` does not exist", C::ModelNotFound),
    (404, "not_found_error", "File `file_011abc` not found.", C::FileMissing),
    (404, "not_found_error", "File not found: file_011abc", C::FileMissing),
    (404, "not_found_error", "Not Found", C::WrongEndpoint),
    (404, "not_found_error", "Not found: POST /v1/messages", C::WrongEndpoint),
    (404, "invalid_request_error", "Invalid URL (POST /v1/messages)", C::WrongEndpoint),
    (404, "not_found_error", "container container_01 was not found", C::InvalidRequest),
    (405, "invalid_request_error", "Method Not Allowed", C::WrongEndpoint),
    // Tools.
    (400, "invalid_request_error", "messages.3: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", C::ToolPairing),
    (400, "invalid_request_error", "messages.3.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", C::ToolPairing),
    (400, "invalid_request_error", "Schema is too complex for compilation.", C::ToolSchema),
    (400, "invalid_request_error", "tools.0.custom.input_schema: JSON schema is invalid", C::ToolSchema),
    (422, "invalid_request_error", "Unprocessable", C::InvalidRequest),
    (422, "invalid_request_error", "tools.0.custom.input_schema: JSON schema is invalid", C::ToolSchema),
    // Caching.
    (400, "invalid_request_error", "A maximum of 4 blocks with cache_control may be provided. Found 5.", C::CacheControl),
    (400, "invalid_request_error", "system.1.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.", C::CacheControl),
    (400, "invalid_request_error", "cache_control cannot be set for empty text blocks", C::CacheControl),
    // Media and files.
    (400, "invalid_request_error", "messages.52.content.2.image.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels", C::Image),
    (400, "invalid_request_error", "image exceeds 10 MB maximum: 11 bytes > 10485760 bytes", C::Image),
    (400, "invalid_request_error", "Could not process image", C::Image),
    (400, "invalid_request_error", "Image does not match the provided media type image/png", C::Image),
    (400, "invalid_request_error", "Unable to download the file. Please verify the URL and try again.", C::FileMissing),
    // What a model does not take.
    (400, "invalid_request_error", "This model does not support assistant message prefill. The conversation must end with a user message.", C::PrefillUnsupported),
    (400, "invalid_request_error", "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \"output_config.effort\"", C::ThinkingUnsupported),
    (400, "invalid_request_error", "\"thinking.type.disabled\" is not supported for this model", C::ThinkingUnsupported),
    (400, "invalid_request_error", "adaptive thinking is not supported on this model", C::ThinkingUnsupported),
    (400, "invalid_request_error", "Output blocked by content filtering policy", C::ContentFiltered),
    // The rest of 400.
    (400, "invalid_request_error", "max_tokens: Field required", C::InvalidRequest),
    (400, "invalid_request_error", "model: Field required", C::InvalidRequest),
    (400, "invalid_request_error", "`max_tokens` must be greater than `thinking.budget_tokens`", C::InvalidRequest),
    (400, "invalid_request_error", "`temperature` is deprecated for this model.", C::InvalidRequest),
    (400, "invalid_request_error", "role 'system' is not supported on this model", C::InvalidRequest),
    (400, "invalid_request_error", "foo: Extra inputs are not permitted", C::InvalidRequest),
    (400, "invalid_request_error", "text content blocks must be non-empty", C::InvalidRequest),
    (400, "invalid_request_error", "The request body is not valid JSON: x", C::InvalidRequest),
    (400, "invalid_request_error", "Unexpected value(s) `x` for the `anthropic-beta` header", C::InvalidRequest),
    // Types and statuses of another day.
    (400, "brand_new_error", "?", C::InvalidRequest),
    (418, "brand_new_error", "?", C::InvalidRequest),
    (499, "overloaded_error", "?", C::Overloaded),
    (555, "brand_new_error", "?", C::ServerError),
    (529, "brand_new_error", "?", C::Overloaded),
    (600, "brand_new_error", "?", C::Unknown),
    (600, "rate_limit_error", "?", C::RateLimited),
    // A success status with an error inside: only the type tells.
    (200, "overloaded_error", "Overloaded", C::Overloaded),
    (200, "api_error", "Internal server error", C::ServerError),
    (200, "timeout_error", "?", C::GatewayTimeout),
    (200, "rate_limit_error", "Number of concurrent connections has exceeded", C::ConcurrencyLimited),
    (200, "invalid_request_error", "Output blocked by content filtering policy", C::ContentFiltered),
    (200, "not_found_error", "model: gone", C::ModelNotFound),
    (200, "brand_new_error", "?", C::Unknown),
];

#[test]
fn every_known_error_of_the_api_has_its_class() {
    for (status, kind, message, class) in API_ERRORS {
        let failure = read(*status, &[], &api_error(kind, message)).unwrap_err();
        assert_eq!(failure.class, *class, "{status} {kind} {message}");
        assert_eq!(failure.evidence.error_type.as_deref(), Some(*kind));
        assert_eq!(failure.evidence.request_id.as_deref(), Some("req_011C"));
    }
}

#[test]
fn an_error_code_outranks_wording_and_status() {
    let body = r#"{"type":"error","error":{"details":{"error_code":"enforced_spend_limit_reached"},
        "type":"rate_limit_error","message":"This request would exceed your rate limit"}}"#;
    assert_eq!(class_of(429, body), C::SpendLimit);
    assert_eq!(class_of(400, body), C::SpendLimit);
    let other = body.replace("enforced_spend_limit_reached", "brand_new_code");
    assert_eq!(class_of(429, &other), C::RateLimited);
    let visibility = r#"{"error":{"details":{"error_visibility":"user_facing"},
        "type":"api_error","message":"Internal server error"}}"#;
    assert_eq!(class_of(500, visibility), C::ServerError);
}

/// Bodies that no part of the API makes.
#[rustfmt::skip]
const FOREIGN_BODIES: &[(u16, &str, C)] = &[
    (503, "no healthy upstream", C::Unavailable),
    (503, "upstream connect error or disconnect/reset before headers. reset reason: overflow", C::Unavailable),
    (502, "<html><head><title>502 Bad Gateway</title></head></html>", C::BadGateway),
    (504, "<html><head><title>504: Gateway time-out</title></head></html>", C::GatewayTimeout),
    (520, "<!DOCTYPE html><title>api.anthropic.com | 520: Web server is returning an unknown error</title>", C::EdgeError),
    (522, "<!DOCTYPE html>", C::EdgeError),
    (524, "error code: 524", C::EdgeError),
    (525, "", C::EdgeError),
    (530, "error code: 1033", C::EdgeError),
    (500, "", C::ServerError),
    (500, r#"{"type":"error","error":{"type":"api_er"#, C::ServerError),
    (500, r#"{"type":"message","content":[]}"#, C::ServerError),
    (529, "<html>", C::Overloaded),
    (429, "error code: 1015", C::RateLimited),
    (429, "", C::RateLimited),
    (413, "<html><head><title>413 Request Entity Too Large</title></head></html>", C::RequestTooLarge),
    (413, "", C::RequestTooLarge),
    (403, "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>", C::EdgeError),
    (403, "forbidden", C::Permission),
    (403, r#"{"message":"Forbidden"}"#, C::Permission),
    (401, "Unauthorized", C::Authentication),
    (402, "", C::Billing),
    (407, "<html>proxy", C::WrongEndpoint),
    (404, "<html><title>404 Not Found</title></html>", C::WrongEndpoint),
    (404, "404 page not found", C::WrongEndpoint),
    (404, r#"{"detail":"Not Found"}"#, C::WrongEndpoint),
    (404, "", C::WrongEndpoint),
    (404, r#"{"error":"model 'claude-x' not found"}"#, C::ModelNotFound),
    (405, "<html>405</html>", C::WrongEndpoint),
    (301, "", C::WrongEndpoint),
    (308, "<html>moved", C::WrongEndpoint),
    (408, "", C::RequestTimeout),
    (409, "", C::Conflict),
    (422, r#"{"detail":[{"loc":["body"]}]}"#, C::InvalidRequest),
    (400, "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>", C::WrongEndpoint),
    (400, "", C::WrongEndpoint),
    (400, r#"{"message":"no API key found in request"}"#, C::WrongEndpoint),
    (411, "", C::WrongEndpoint),
    (414, "<html>", C::WrongEndpoint),
    (415, "", C::WrongEndpoint),
    (431, "", C::WrongEndpoint),
    (451, "<html>", C::WrongEndpoint),
    (499, "", C::WrongEndpoint),
    // Errors of gateways without a type.
    (429, r#"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan","status":"RESOURCE_EXHAUSTED"}}"#, C::SpendLimit),
    (429, r#"{"error":{"code":429,"message":"Resource exhausted"}}"#, C::RateLimited),
    (400, r#"{"error":{"code":"budget_exceeded","message":"no"}}"#, C::SpendLimit),
    (400, r#"{"detail":"ExceededBudget: User has exceeded their budget"}"#, C::SpendLimit),
    (429, r#"{"detail":"ExceededBudget: User has exceeded their budget"}"#, C::SpendLimit),
    (200, r#"{"error":{"code":429,"message":"Rate limit exceeded"}}"#, C::RateLimited),
    (200, r#"{"error":{"code":502,"message":"Provider returned error"}}"#, C::BadGateway),
    (200, r#"{"error":{"code":"insufficient_quota","message":"no"}}"#, C::SpendLimit),
    (200, r#"{"error":{"code":"odd","message":"no"}}"#, C::BadResponse),
    (400, r#"{"error":{"message":"prompt is too long: 5 tokens > 4 maximum"}}"#, C::PromptTooLong),
    (400, r#"{"detail":"Your credit balance is too low"}"#, C::Billing),
    (500, r#"{"detail":"Your credit balance is too low"}"#, C::ServerError),
    (400, r#"{"detail":"text: Your credit balance is too low"}"#, C::WrongEndpoint),
    // The words of a page are nobody's message.
    (400, "<html><p>Your credit balance is too low</p>", C::WrongEndpoint),
    (418, "teapot", C::WrongEndpoint),
    (0, "", C::Unknown),
    (101, "", C::Unknown),
    (999, "x", C::Unknown),
    // Success that is none.
    (200, "<!DOCTYPE html><html><title>Sign in</title>", C::BadResponse),
    (200, "", C::BadResponse),
    (200, "  \n", C::BadResponse),
    (200, r#"{"id":"msg_01","type":"message","content":[{"type":"text","te"#, C::BadResponse),
    (200, r#"{"type":"message","content":[]}{"more":1}"#, C::BadResponse),
    (200, r#"{"input_tokens":2095}"#, C::BadResponse),
    (200, "[]", C::BadResponse),
    (200, "null", C::BadResponse),
    (200, "OK", C::BadResponse),
    (200, "event: message_start\ndata: {}\n\n", C::BadResponse),
    (204, "", C::BadResponse),
];

#[test]
fn bodies_that_the_api_did_not_make_have_their_class() {
    for (status, body, class) in FOREIGN_BODIES {
        assert_eq!(class_of(*status, body), *class, "{status} {body}");
        let failure = read(*status, &[], body).unwrap_err();
        assert_eq!(failure.evidence.raw_error, None);
    }
}

#[test]
fn the_body_counts_more_than_its_content_type() {
    let html = [("content-type", "text/html; charset=UTF-8")];
    let json = api_error("permission_error", "no");
    assert_eq!(read(403, &html, &json).unwrap_err().class, C::Permission);
    let message = r#"{"type":"message","content":[]}"#;
    assert!(read(200, &html, message).is_ok());
    let challenge = [("cf-mitigated", "challenge")];
    assert_eq!(read(403, &challenge, "x").unwrap_err().class, C::EdgeError);
}

#[test]
fn an_error_event_or_batch_item_is_classified_by_its_words_and_type() {
    let class = |kind, message| {
        classify_error(&ErrorFacts {
            kind: Some(kind),
            message: Some(message),
            ..ErrorFacts::default()
        })
    };
    assert_eq!(class("overloaded_error", "Overloaded"), C::Overloaded);
    assert_eq!(class("invalid_request_error", "?"), C::InvalidRequest);
    assert_eq!(
        class("invalid_request_error", "prompt is too long"),
        C::PromptTooLong
    );
    assert_eq!(class("not_found_error", "model: x"), C::ModelNotFound);
    assert_eq!(class("not_found_error", "Not found"), C::InvalidRequest);
    assert_eq!(class("billing_error", "?"), C::Billing);
    assert_eq!(class("brand_new_error", "?"), C::Unknown);
    assert_eq!(
        class("brand_new_error", "prompt is too long"),
        C::PromptTooLong
    );
    assert_eq!(classify_error(&ErrorFacts::default()), C::Unknown);
}

#[test]
fn stop_reasons_mark_a_success() {
    let cases = [
        (r#""end_turn""#, None),
        (r#""stop_sequence""#, None),
        (r#""tool_use""#, None),
        (r#""max_tokens""#, Some(C::Truncated)),
        (
            r#""model_context_window_exceeded""#,
            Some(C::ContextWindowExceeded),
        ),
        (r#""pause_turn""#, Some(C::Paused)),
        (r#""compaction""#, Some(C::Paused)),
        (r#""brand_new_reason""#, Some(C::Unknown)),
        ("null", Some(C::Unknown)),
    ];
    for (reason, mark) in cases {
        let body = format!(r#"{{"type":"message","content":[],"stop_reason":{reason}}}"#);
        let message = read(200, &[], &body).unwrap();
        assert_eq!(message.mark, mark, "{reason}");
        assert_eq!(message.stop_reason.is_none(), reason == "null");
    }
}

#[test]
fn a_message_is_kept_byte_for_byte_with_what_it_used() {
    let body = "{\"id\": \"msg_01\",\"type\":\"message\", \"model\":\"claude-haiku-4-5-20251001\",\
        \"content\":[{\"type\":\"text\",\"text\":\"h\\u00e4 sk-ant-example\"}],\n\"stop_reason\":\"end_turn\",\
        \"usage\":{\"input_tokens\":12,\"output_tokens\":6,\"cache_read_input_tokens\":null}}";
    let headers = [("request-id", "req_7")];
    let message = read(200, &headers, &format!("{body}\n")).unwrap();
    assert_eq!(message.raw, body);
    assert_eq!(message.model.as_deref(), Some("claude-haiku-4-5-20251001"));
    assert_eq!(
        (message.usage.tokens.input, message.usage.tokens.output),
        (12, 6)
    );
    assert_eq!(message.request_id.as_deref(), Some("req_7"));
}

#[test]
fn a_refusal_fails_and_keeps_its_message_and_usage() {
    let body = r#"{"type":"message","content":[],"model":"m","stop_reason":"refusal",
        "stop_details":{"type":"refusal","category":"cyber","explanation":"Not this."},
        "usage":{"input_tokens":3,"output_tokens":0}}"#;
    let failure = read(200, &[("request-id", "req_8")], body).unwrap_err();
    assert_eq!(failure.class, C::Refused);
    assert_eq!(failure.evidence.error_type.as_deref(), Some("refused"));
    let words = failure.evidence.message.unwrap();
    assert!(words.contains("(cyber): Not this."), "{words}");
    let message = failure.message.unwrap();
    assert_eq!(
        (message.raw.as_str(), message.usage.tokens.input),
        (body, 3)
    );
    let bare = r#"{"content":[],"stop_reason":"refusal","stop_details":null}"#;
    assert_eq!(class_of(200, bare), C::Refused);
}

#[test]
fn evidence_carries_the_hints_and_the_raw_error() {
    let body = r#" {"error":{"type":"rate_limit_error","message":"slow\ndown"},"type":"error"} "#;
    let headers = [
        ("request-id", "req_1"),
        ("retry-after", "7"),
        ("x-should-retry", "false"),
    ];
    let evidence = read(429, &headers, body).unwrap_err().evidence;
    assert_eq!(evidence.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(evidence.should_retry, Some(false));
    assert_eq!(evidence.request_id.as_deref(), Some("req_1"));
    assert_eq!(evidence.message.as_deref(), Some("slow down"));
    assert_eq!(evidence.raw_error.as_deref(), Some(body.trim()));
}

#[test]
fn what_is_kept_of_an_error_is_bounded_and_free_of_keys() {
    let long = api_error("invalid_request_error", &"x".repeat(MAX_RAW_ERROR));
    let evidence = read(400, &[], &long).unwrap_err().evidence;
    assert_eq!(evidence.message.unwrap().len(), MAX_ERROR_TEXT);
    assert_eq!(evidence.raw_error, None);
    let leaking = api_error("authentication_error", "invalid key sk-ant-api03-hidden");
    let shown = format!("{:?}", read(401, &[], &leaking).unwrap_err());
    assert!(!shown.contains("hidden"), "{shown}");
    assert!(shown.contains("sk-ant-[redacted]"), "{shown}");
    // A key across the cut must not leave its first half.
    let padding = "x".repeat(MAX_ERROR_TEXT - 30);
    let cut = api_error(
        "api_error",
        &format!("{padding} sk-ant-api03-{}", "h".repeat(90)),
    );
    let message = read(500, &[], &cut).unwrap_err().evidence.message.unwrap();
    assert!(!message.contains("hhh"), "{message}");
}

#[test]
fn a_page_is_told_by_its_title_and_a_redirect_by_its_target() {
    let words = |status, headers: &[(&str, &str)], body| {
        read(status, headers, body)
            .unwrap_err()
            .evidence
            .message
            .unwrap()
    };
    let page = "<html><title>Sign in</title>";
    assert_eq!(
        words(200, &[], page),
        "HTTP 200, but the body is an HTML page titled \"Sign in\""
    );
    assert_eq!(
        words(502, &[], page),
        "HTTP 502 with an HTML page titled \"Sign in\""
    );
    assert_eq!(words(503, &[], ""), "HTTP 503 with an empty body");
    let target = [("location", "https://login.example/x?token=hidden")];
    assert_eq!(
        words(302, &target, ""),
        "HTTP 302, which redirects to https://login.example/x"
    );
    let stream = [("content-type", "text/event-stream; charset=utf-8")];
    assert!(words(200, &stream, "event: ping\n\n").contains("not asked for"));
}

#[test]
fn a_break_in_the_body_is_the_class_unless_the_status_asks_for_another_try() {
    use super::{Altered, Answer, Redactor};
    let break_at = |status, body: &str| {
        let answer = Answer {
            status,
            headers: HeaderView::none(),
            body: body.as_bytes(),
            now: now(),
            redactor: &Redactor::default(),
            altered: Altered::default(),
        };
        answer
            .classify_broken(Broken::Cut, "reset")
            .unwrap_err()
            .class
    };
    let cases = [
        (200, C::ConnectionCut),
        (400, C::ConnectionCut),
        (401, C::ConnectionCut),
        (404, C::ConnectionCut),
        // Who says so closes before the request has come whole.
        (413, C::RequestTooLarge),
        (429, C::RateLimited),
        (503, C::Unavailable),
        (529, C::Overloaded),
        (520, C::EdgeError),
    ];
    for (status, class) in cases {
        assert_eq!(break_at(status, r#"{"type":"er"#), class, "{status}");
    }
}

#[test]
fn broken_exchanges_have_their_class() {
    let cases = [
        (Broken::Dns, C::Dns),
        (Broken::Connect, C::Connect),
        (Broken::Certificate, C::Tls),
        (Broken::Alert, C::Tls),
        (Broken::ProxyLogin, C::WrongEndpoint),
        (Broken::Timeout, C::Timeout),
        (Broken::Cut, C::ConnectionCut),
        (Broken::Undecodable, C::BadResponse),
        (Broken::Unsendable, C::Unknown),
    ];
    for (broken, class) in cases {
        let failure = classify_transport(broken, "why");
        assert_eq!(failure.class, class);
        assert_eq!(failure.evidence.http_status, None);
        assert_eq!(failure.evidence.message.as_deref(), Some("why"));
    }
}

fn check_bounds(status: u16, headers: &HeaderMap, body: &[u8]) {
    let Err(failure) = classify_response(status, HeaderView::new(headers), body, now()) else {
        assert!((200..300).contains(&status));
        return;
    };
    let evidence = failure.evidence;
    let message = evidence.message.unwrap();
    assert!(message.len() <= MAX_ERROR_TEXT && !message.contains(char::is_control));
    assert_eq!(evidence.http_status, Some(status));
    assert_eq!(failure.message.is_some(), failure.class == C::Refused);
}

proptest! {
    #[test]
    fn any_answer_has_a_class(
        status in any::<u16>(),
        body in prop::collection::vec(any::<u8>(), 0..300),
        name in prop::sample::select(vec!["retry-after", "retry-after-ms", "request-id", "location",
            "content-type", "x-should-retry", "cf-mitigated"]),
        value in prop::collection::vec(0x20_u8..=0xff, 0..40),
    ) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.insert(name, value);
        }
        check_bounds(status, &headers, &body);
    }

    #[test]
    fn any_text_in_an_error_object_has_a_class(
        status in any::<u16>(),
        kind in ".{0,30}",
        message in ".{0,200}",
        cut in any::<prop::sample::Index>(),
    ) {
        let body = api_error(&kind, &message);
        let headers = HeaderMap::new();
        check_bounds(status, &headers, body.as_bytes());
        check_bounds(status, &headers, &body.as_bytes()[..cut.index(body.len())]);
    }

    #[test]
    fn a_message_cut_anywhere_is_a_bad_response(cut in any::<prop::sample::Index>()) {
        let body = r#"{"type":"message","content":[{"type":"text","text":"hällo \"x\""}],"stop_reason":"end_turn"}"#;
        let part = &body.as_bytes()[..cut.index(body.len())];
        let failure = classify_response(200, HeaderView::none(), part, now()).unwrap_err();
        prop_assert_eq!(failure.class, C::BadResponse);
    }
}

#[test]
fn what_came_whole_stands_whatever_broke_after_it() {
    use super::{Altered, Answer, Redactor};
    let break_after = |status, body: &str| {
        let answer = Answer {
            status,
            headers: HeaderView::none(),
            body: body.as_bytes(),
            now: now(),
            redactor: &Redactor::default(),
            altered: Altered::default(),
        };
        answer.classify_broken(Broken::Cut, "reset")
    };
    let message = r#"{"type":"message","content":[]}"#;
    assert_eq!(break_after(200, message).unwrap().raw, message);
    let error = api_error("invalid_request_error", "messages: Field required");
    assert_eq!(
        break_after(400, &error).unwrap_err().class,
        C::InvalidRequest
    );
    // JSON that is nothing of the API's shows no end that counts.
    assert_eq!(break_after(200, "{}").unwrap_err().class, C::ConnectionCut);
}
