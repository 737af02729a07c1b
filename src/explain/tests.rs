//! Whatever people paste finds its class.

mod platforms;

use proptest::prelude::*;
use serde_json::json;

use super::{explain, explained_text, recognise};
use crate::model::ErrorClass as C;
use crate::policy::RetrySettings;

fn classes(text: &str) -> Vec<C> {
    recognise(text)
        .unwrap_or_else(|| panic!("not recognised: {text}"))
        .classes
}

/// The class, for texts that must be clear.
fn class(text: &str) -> C {
    let classes = classes(text);
    assert_eq!(classes.len(), 1, "{text}: {classes:?}");
    classes[0]
}

#[test]
fn every_class_name_is_explained() {
    for expected in C::all() {
        assert_eq!(class(expected.as_str()), expected);
        assert_eq!(class(&format!(" `{}`. ", expected.as_str())), expected);
    }
    assert_eq!(class("Rate-Limited"), C::RateLimited);
    assert_eq!(class("prompt too long"), C::PromptTooLong);
}

/// Every status of the API's errors page, and those of what stands in front of it.
const STATUSES: &[(u16, C)] = &[
    (200, C::Truncated),
    (301, C::WrongEndpoint),
    (400, C::InvalidRequest),
    (401, C::Authentication),
    (402, C::Billing),
    (403, C::Permission),
    (404, C::ModelNotFound),
    (405, C::WrongEndpoint),
    (408, C::RequestTimeout),
    (409, C::Conflict),
    (413, C::RequestTooLarge),
    (422, C::InvalidRequest),
    (429, C::RateLimited),
    (500, C::ServerError),
    (502, C::BadGateway),
    (503, C::Unavailable),
    (504, C::GatewayTimeout),
    (520, C::EdgeError),
    (522, C::EdgeError),
    (524, C::EdgeError),
    (525, C::EdgeError),
    (529, C::Overloaded),
];

#[test]
fn every_status_is_explained_most_likely_class_first() {
    for (status, expected) in STATUSES {
        for text in [
            format!("{status}"),
            format!("HTTP {status}"),
            format!("status {status}"),
            format!("status code: {status}"),
            format!("HTTP/1.1 {status}"),
            format!("Error code: {status}"),
        ] {
            assert_eq!(classes(&text)[0], *expected, "{text}");
        }
    }
    for (text, more) in [
        ("400", true),
        ("404", true),
        ("429", true),
        ("529", false),
        ("401", false),
    ] {
        assert_eq!(classes(text).len() > 1, more, "{text}");
    }
    assert_eq!(classes("429 Too Many Requests"), classes("429"));
    assert_eq!(
        classes("Client error '429 Too Many Requests' for url 'https://x/v1/messages'")[0],
        C::RateLimited
    );
}

#[test]
fn error_types_codes_and_stop_reasons_are_explained() {
    for (word, expected) in [
        ("invalid_request_error", C::InvalidRequest),
        ("authentication_error", C::Authentication),
        ("billing_error", C::Billing),
        ("permission_error", C::Permission),
        ("not_found_error", C::ModelNotFound),
        ("conflict_error", C::Conflict),
        ("request_too_large", C::RequestTooLarge),
        ("rate_limit_error", C::RateLimited),
        ("api_error", C::ServerError),
        ("timeout_error", C::GatewayTimeout),
        ("overloaded_error", C::Overloaded),
        ("enforced_spend_limit_reached", C::SpendLimit),
        ("max_tokens", C::Truncated),
        ("model_context_window_exceeded", C::ContextWindowExceeded),
        ("pause_turn", C::Paused),
        ("compaction", C::Paused),
        ("refusal", C::Refused),
    ] {
        assert_eq!(classes(word)[0], expected, "{word}");
    }
    assert_eq!(class("stop_reason: refusal"), C::Refused);
    assert_eq!(class("\"stop_reason\": \"pause_turn\","), C::Paused);
    for word in ["end_turn", "stop_sequence", "tool_use"] {
        assert!(classes(word).is_empty(), "{word}");
    }
}

/// Literal messages, with the type that the API sends them with and their class.
#[rustfmt::skip]
const MESSAGES: &[(&str, &str, C)] = &[
    ("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum", C::PromptTooLong),
    ("invalid_request_error", "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length or `max_tokens` and try again", C::MaxTokensTooLarge),
    ("request_too_large", "Request exceeds the maximum size", C::RequestTooLarge),
    ("invalid_request_error", "max_tokens: 128001 > 128000, which is the maximum allowed number of output tokens for claude-opus-5", C::MaxTokensTooLarge),
    ("invalid_request_error", "max_tokens: Field required", C::InvalidRequest),
    ("invalid_request_error", "max_tokens: must be greater than or equal to 1", C::InvalidRequest),
    ("invalid_request_error", "`max_tokens` must be greater than `thinking.budget_tokens`", C::InvalidRequest),
    ("invalid_request_error", "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024", C::InvalidRequest),
    ("invalid_request_error", "`temperature` may only be set to 1 when thinking is enabled", C::InvalidRequest),
    ("invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.", C::Billing),
    ("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.", C::SpendLimit),
    ("invalid_request_error", "You have reached your specified workspace API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.", C::SpendLimit),
    ("rate_limit_error", "You have reached your API usage limits: your organization has crossed its monthly API usage threshold, set based on your organization's API tier. You will regain access on 2026-09-01 at 00:00 UTC.", C::SpendLimit),
    ("rate_limit_error", "This request would exceed your organization's rate limit of 30,000 input tokens per minute (org: x, model: claude-opus-5). For details, refer to: https://example.com", C::RateLimited),
    ("rate_limit_error", "This request would exceed the rate limit for your organization (x) of 40,000 input tokens per minute.", C::RateLimited),
    ("rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit", C::RateLimited),
    ("rate_limit_error", "This request would exceed your account's rate limit. Please try again later.", C::RateLimited),
    ("rate_limit_error", "Rate limited", C::RateLimited),
    ("rate_limit_error", "Extra usage is required for long context requests", C::PromptTooLong),
    ("rate_limit_error", "This request would exceed your organization's (x) maximum usage increase rate for input tokens per minute. Please scale up your input tokens usage more gradually to stay within the acceleration limit.", C::AccelerationLimited),
    ("rate_limit_error", "Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales", C::ConcurrencyLimited),
    ("overloaded_error", "Overloaded", C::Overloaded),
    ("api_error", "Internal server error", C::ServerError),
    ("authentication_error", "invalid x-api-key", C::Authentication),
    ("authentication_error", "API key is invalid.", C::Authentication),
    ("authentication_error", "x-api-key header is required", C::Authentication),
    ("authentication_error", "OAuth token has expired. Please obtain a new token or refresh your existing token.", C::Authentication),
    ("authentication_error", "OAuth authentication is currently not supported.", C::Authentication),
    ("invalid_request_error", "This organization has been disabled.", C::OrganizationDisabled),
    ("permission_error", "Your API key does not have permission to use the specified resource.", C::Permission),
    ("not_found_error", "model: claude-does-not-exist-9", C::ModelNotFound),
    ("invalid_request_error", "messages.2: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", C::ToolPairing),
    ("invalid_request_error", "messages.1.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", C::ToolPairing),
    ("invalid_request_error", "A maximum of 4 blocks with cache_control may be provided. Found 5.", C::CacheControl),
    ("invalid_request_error", "system.0.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: tools, system, messages.", C::CacheControl),
    ("invalid_request_error", "cache_control cannot be set for empty text blocks", C::CacheControl),
    ("invalid_request_error", "messages.52.content.2.image.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels", C::Image),
    ("invalid_request_error", "messages.0.content.0: image exceeds 10 MB maximum: 10485761 bytes > 10485760 bytes", C::Image),
    ("invalid_request_error", "Could not process image", C::Image),
    ("invalid_request_error", "Image does not match the provided media type image/png", C::Image),
    ("invalid_request_error", "Unable to download the file. Please verify the URL and try again.", C::FileMissing),
    ("not_found_error", "File `file_011C` not found.", C::FileMissing),
    ("invalid_request_error", "Output blocked by content filtering policy", C::ContentFiltered),
    ("invalid_request_error", "messages: text content blocks must be non-empty", C::InvalidRequest),
    ("invalid_request_error", "messages: at least one message is required", C::InvalidRequest),
    ("invalid_request_error", "messages: roles must alternate between \"user\" and \"assistant\"", C::InvalidRequest),
    ("invalid_request_error", "all messages must have non-empty content except for the optional final assistant message", C::InvalidRequest),
    ("invalid_request_error", "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \"output_config.effort\"", C::ThinkingUnsupported),
    ("invalid_request_error", "\"thinking.type.disabled\" is not supported for this model.", C::ThinkingUnsupported),
    ("invalid_request_error", "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.", C::InvalidRequest),
    ("invalid_request_error", "Schema is too complex for compilation.", C::ToolSchema),
    ("invalid_request_error", "The request body is not valid JSON: expected value at line 1", C::InvalidRequest),
    ("invalid_request_error", "anthropic-version: header is required", C::InvalidRequest),
    // The Batches API.
    ("not_found_error", "Message Batch msgbatch_01 has no available results.", C::InvalidRequest),
    ("not_found_error", "Message Batch msgbatch_01 not found.", C::InvalidRequest),
    ("invalid_request_error", "In progress batches cannot be deleted. Consider canceling the batch instead.", C::InvalidRequest),
    ("invalid_request_error", "messages: Field required", C::InvalidRequest),
    ("invalid_request_error", "\"stream=True\" is not supported in the Message Batches API", C::InvalidRequest),
    ("invalid_request_error", "temperature: Extra inputs are not permitted", C::InvalidRequest),
];

#[test]
fn every_message_of_the_api_finds_its_class_alone_and_in_every_wrapping() {
    for (kind, message, expected) in MESSAGES {
        let status = crate::provider::status_of(kind).unwrap();
        assert_eq!(class(message), *expected, "{message}");
        let inner = json!({ "type": kind, "message": message, "details": null });
        let body = json!({ "type": "error", "error": inner, "request_id": "req_011C" });
        let item = json!({ "custom_id": "a", "result": { "type": "errored", "error": body } });
        let python = python_repr(&body);
        for text in [
            body.to_string(),
            serde_json::to_string_pretty(&body).unwrap(),
            inner.to_string(),
            json!({ "error": inner }).to_string(),
            item.to_string(),
            format!(
                "RateLimitError: {status} {body}\n    at Function.generate (core/error.ts:1:1) {{\n  status: {status}"
            ),
            format!(
                "Traceback (most recent call last):\n  File \"a.py\", line 3\nanthropic.APIStatusError: Error code: {status} - {python}"
            ),
            format!("API Error: {status} {body}"),
            json!({ "status": status, "headers": {}, "requestID": null, "error": body })
                .to_string(),
            format!("event: error\ndata: {body}\n\n"),
        ] {
            assert_eq!(class(&text), *expected, "{text}");
        }
        let prose = format!("anthropic.APIStatusError: Error code: {status} - {message}");
        assert_eq!(class(&prose), *expected, "{prose}");
    }
}

/// As Python prints it: single quotes, unless there is one in the text.
fn python_repr(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "None".to_owned(),
        serde_json::Value::String(text) if text.contains('\'') && !text.contains('"') => {
            format!("\"{}\"", text.replace('\\', "\\\\"))
        }
        serde_json::Value::String(text) => {
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
        }
        serde_json::Value::Object(members) => {
            let members: Vec<_> = members
                .iter()
                .map(|(key, value)| format!("'{key}': {}", python_repr(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

#[test]
fn refused_batch_lists_are_known_by_their_first_words() {
    for message in [
        "requests: custom_id's must be unique within a batch. Duplicate custom_id found: dup",
        "requests.0.custom_id: Field required",
        "requests.0.custom_id: String should have at most 64 characters",
        "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
        "requests: List should have at least 1 item after validation, not 0",
    ] {
        assert_eq!(classes(message)[0], C::BatchRejected, "{message}");
    }
}

#[test]
fn a_body_is_classified_as_a_run_would_classify_it() {
    for (text, expected) in [
        (
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"x","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
            C::SpendLimit,
        ),
        (
            r#"HTTP 503 {"type":"error","error":{"type":"overloaded_error","message":"x"}}"#,
            C::Unavailable,
        ),
        (
            r#"{"type":"error","error":{"type":"not_found_error","message":"Not found"}}"#,
            C::WrongEndpoint,
        ),
        (
            r#"{"type":"error","error":{"type":"brand_new_error","message":"x"}}"#,
            C::Unknown,
        ),
        (
            r#"HTTP 500 {"type":"error","error":{"type":"brand_new_error","message":"x"}}"#,
            C::ServerError,
        ),
        (r#"{"content":[],"stop_reason":"refusal"}"#, C::Refused),
        (
            r#"{"type":"message","content":[],"stop_reason":"max_tokens"}"#,
            C::Truncated,
        ),
        (
            r#"{"type":"message","content":[],"stop_reason":"brand_new"}"#,
            C::Unknown,
        ),
        (
            r#"{"custom_id":"a","result":{"type":"succeeded","message":{"content":[],"stop_reason":"pause_turn"}}}"#,
            C::Paused,
        ),
        (
            r#"{"custom_id":"a","result":{"type":"expired"}}"#,
            C::Expired,
        ),
        (
            r#"{"custom_id":"a","result":{"type":"canceled"}}"#,
            C::Canceled,
        ),
        (r#"502 {"message":"Bad gateway"}"#, C::BadGateway),
        (r#"{"message":"no healthy upstream"}"#, C::Unavailable),
        (
            r#"{"statusCode":529,"responseBody":"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}"}"#,
            C::Overloaded,
        ),
    ] {
        assert_eq!(class(text), expected, "{text}");
    }
    let fine = r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#;
    assert!(classes(fine).is_empty());
}

#[test]
fn our_own_lines_are_explained_by_their_class() {
    for (text, expected) in [
        (
            r#"{"custom_id":"a","line":2,"n":1,"outcome":"errored","error_class":"stream_cut","http_status":200}"#,
            C::StreamCut,
        ),
        (
            r#"{"custom_id":"a","result":{"type":"errored","error":{"type":"error","error":{"type":"api_error","message":"x"}}},"run":{"line":1,"error_class":"server_error"}}"#,
            C::ServerError,
        ),
        (
            r#"{"at":"2026-11-22T09:00:00Z","type":"run_halted","error_class":"billing","message":"x"}"#,
            C::Billing,
        ),
        (
            "   2  a-2  1  live  2026-11-22T09:58:47.125Z  0.152s  errored    overloaded   529  0.00      req_011C",
            C::Overloaded,
        ),
    ] {
        assert_eq!(class(text), expected, "{text}");
    }
    let fine = r#"{"custom_id":"a","outcome":"succeeded","error_class":null}"#;
    assert!(classes(fine).is_empty());
}

#[test]
fn pages_are_explained_by_their_status_or_title() {
    for (text, expected) in [
        (
            "<!DOCTYPE html><title>api.anthropic.com | 520: Web server is returning an unknown error</title>",
            C::EdgeError,
        ),
        (
            "<html>\r\n<head><title>504 Gateway Time-out</title></head></html>",
            C::GatewayTimeout,
        ),
        (
            "<html><head><title>502 Bad Gateway</title></head>",
            C::BadGateway,
        ),
        (
            "<html><head><title>413 Request Entity Too Large</title></head>",
            C::RequestTooLarge,
        ),
        (
            "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>",
            C::EdgeError,
        ),
        (
            "anthropic.InternalServerError: <!doctype html><title>api.anthropic.com | 524: A timeout occurred</title>",
            C::EdgeError,
        ),
        ("HTTP 404 <html><body>{} nothing here", C::WrongEndpoint),
        ("HTTP 200\n<html><title>Sign in</title>", C::BadResponse),
        ("no healthy upstream", C::Unavailable),
        (
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            C::Unavailable,
        ),
        ("error code: 524", C::EdgeError),
    ] {
        assert_eq!(class(text), expected, "{text}");
    }
    assert_eq!(classes("<html><title>Sign in</title>")[0], C::BadResponse);
}

#[test]
fn failed_connections_are_explained_in_every_runtimes_words() {
    for (text, expected) in [
        ("ECONNRESET", C::ConnectionCut),
        (
            "Error: read ECONNRESET\n    at TLSWrap.onStreamRead (node:internal:1)",
            C::ConnectionCut,
        ),
        ("socket hang up", C::ConnectionCut),
        (
            "httpx.RemoteProtocolError: peer closed connection without sending complete message body (incomplete chunked read)",
            C::ConnectionCut,
        ),
        (
            "ConnectionResetError: [Errno 104] Connection reset by peer",
            C::ConnectionCut,
        ),
        ("getaddrinfo ENOTFOUND api.anthropic.com", C::Dns),
        (
            "socket.gaierror: [Errno -2] Name or service not known",
            C::Dns,
        ),
        (
            "httpx.ConnectError: [Errno -3] Temporary failure in name resolution",
            C::Dns,
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)",
            C::Tls,
        ),
        ("SELF_SIGNED_CERT_IN_CHAIN", C::Tls),
        ("invalid peer certificate: UnknownIssuer", C::Tls),
        ("connect ECONNREFUSED 127.0.0.1:8080", C::Connect),
        ("Connection refused (os error 111)", C::Connect),
        ("httpx.ConnectTimeout: timed out", C::Connect),
        ("anthropic.APITimeoutError: Request timed out.", C::Timeout),
        ("timed out", C::Timeout),
        (
            "HTTPSConnectionPool(host='api.anthropic.com', port=443): Read timed out. (read timeout=600)",
            C::Timeout,
        ),
        // Our own words.
        (
            "no connection could be opened: operation timed out",
            C::Connect,
        ),
        (
            "the host name could not be resolved: failed to lookup address information",
            C::Dns,
        ),
        (
            "the connection broke before the whole answer had come: unexpected EOF during chunk size line",
            C::ConnectionCut,
        ),
    ] {
        assert_eq!(class(text), expected, "{text}");
    }
    assert_eq!(
        classes("anthropic.APIConnectionError: Connection error.")[0],
        C::Connect
    );
    assert_eq!(classes("TypeError: fetch failed")[0], C::Connect);
    assert_eq!(classes("TypeError: terminated")[0], C::ConnectionCut);
}

#[test]
fn words_met_elsewhere_are_explained_with_whose_they_are() {
    for (word, expected) in [
        ("service_unavailable", C::Unavailable),
        ("Service Unavailable", C::Unavailable),
        ("context_length_exceeded", C::PromptTooLong),
        ("invalid_api_key", C::Authentication),
        ("insufficient_quota", C::SpendLimit),
        ("vision_error", C::Image),
        ("batch_error", C::BatchRejected),
        ("model_not_found", C::ModelNotFound),
        ("ThrottlingException", C::RateLimited),
        ("RESOURCE_EXHAUSTED", C::RateLimited),
        ("RateLimitError", C::RateLimited),
        ("InternalServerError", C::ServerError),
        ("cancelled", C::Canceled),
    ] {
        assert_eq!(classes(word)[0], expected, "{word}");
    }
    let note = |text| recognise(text).unwrap().note.unwrap_or_default();
    let openai = r#"{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}"#;
    assert_eq!(class(openai), C::PromptTooLong);
    assert!(note(openai).contains("OpenAI"));
    let quota = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    assert_eq!(classes(quota)[0], C::SpendLimit);
}

#[test]
fn what_is_no_error_is_not_explained() {
    for text in [
        "",
        "   ",
        "hello",
        "how are you today?",
        "12",
        "999",
        "1000",
        "42 apples",
        "{}",
        "[1]",
        r#"{"hello":"world"}"#,
        "I paid 500 dollars",
        "I have three messages: here they are",
        "{'a': 1}",
        "the model answered",
    ] {
        assert_eq!(recognise(text), None, "{text}");
    }
}

#[test]
fn an_ambiguous_status_lists_its_classes_and_asks_for_more() {
    let found = recognise("413").unwrap();
    let text = explained_text(&explain(&found, &RetrySettings::default()));
    insta::assert_snapshot!(text, @r#"
    Read as: HTTP status 413

    It may be any of 2 classes, the most likely first. Paste the whole error to know which.

    request_too_large
      meaning       The request body is larger than the API takes (32 MB), or than something in front of it does.
      known by      413 (`request_too_large`), as JSON, text or HTML; "length less than or equal to" or "payload size exceeds the limit" in the message (400).
      usual causes  Images or documents inside the request; base64 adds a third to their size. A gateway or proxy may take far less than the API: its answer is a page.
      claude-run    The job fails at once, and the others go on. `claude-run retry` puts it back. Not billed, as far as is known.
      you           Use smaller or fewer images and documents, or upload them with the Files API; or have the limit of the gateway in front raised.

    prompt_too_long
      meaning       The prompt has more tokens than the model's context window.
      known by      "prompt is too long", "input is too long", "maximum context length" or the like in the message (400, 413).
      usual causes  A long document or conversation; images and tools count too.
      claude-run    The job fails at once, and the others go on. `claude-run retry` puts it back. Not billed, as far as is known.
      you           Shorten or split the prompt, or use a model with a larger window, and submit it again.
    "#);
    let fine = explain(&recognise("end_turn").unwrap(), &RetrySettings::default());
    insta::assert_snapshot!(explained_text(&fine), @r"
    Read as: stop reason `end_turn` (HTTP 200)

    Nothing went wrong: the answer is complete, and its job succeeds.
    ");
}

#[test]
fn every_class_says_what_happens_as_its_treatment_is() {
    let of = |class: &str| {
        let found = recognise(class).unwrap();
        explain(&found, &RetrySettings::default()).classes[0]
            .what_happens
            .clone()
    };
    let words: Vec<_> = [
        "rate_limited",
        "connect",
        "interrupted",
        "expired",
        "image",
        "truncated",
        "model_not_found",
        "billing",
    ]
    .iter()
    .map(|class| format!("{class}: {}", of(class)))
    .collect();
    insta::assert_snapshot!(words.join("\n"), @r"
    rate_limited: The job is tried again when `retry-after` says so, else after about 1s, 2s, 4s, 8s, 16s, 32s, then 1m each time. It costs the job no attempt.
    connect: The job is tried again after 1s to 8s while most others of its model succeed, else after about 1s, 2s, 5s, 15s, 30s, then 1m each time; a `retry-after` of the server goes first. It fails after 8 such attempts in all.
    interrupted: The job is sent again at once. It fails after 20 interruptions in a row: it may be what kills the process.
    expired: The job is sent again at once. It costs the job no attempt.
    image: The job fails at once, and the others go on. `claude-run retry` puts it back.
    truncated: The job succeeds. Its answer is kept and marked with the class (`error_class` in the export). With `--on-truncated raise` it is first tried once more with twice the max_tokens, as far as the model allows.
    model_not_found: The jobs of this model are held and none fails; other models go on. The run then ends with exit code 4, and `claude-run resume` tries again.
    billing: If other jobs get it too, the run halts with exit code 4: no further request starts, and no job fails. `claude-run resume` goes on, with one request first. A job that alone gets it, twice, fails alone.
    ");
    let once = RetrySettings {
        max_attempts: 1,
        ..RetrySettings::default()
    };
    let off = explain(&recognise("429").unwrap(), &once);
    assert!(off.classes[0].what_happens.contains("switched off"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,300}") {
        let _ = recognise(&text);
    }

    #[test]
    fn any_cut_of_an_error_is_read_without_a_panic(cut in any::<prop::sample::Index>(), prefix in "[ {}'<a-z0-9:]{0,12}") {
        let body = r#"anthropic.RateLimitError: Error code: 429 - {'type': 'error', 'error': {'type': 'rate_limit_error', 'message': "it's \u00e4"}} <html><title>x</title>"#;
        let _ = recognise(&format!("{prefix}{}", &body[..cut.index(body.len())]));
    }
}
