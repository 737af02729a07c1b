//! Every case that is a whole answer, by the table.

use std::collections::BTreeSet;

use claude_run::simulator::{Case, SimulatorSettings};
use serde_json::Value;

use super::support::{ask, header, start, stream};

/// A whole answer that a case is expected to give.
struct Expected {
    name: &'static str,
    status: u16,
    content_type: &'static str,
    /// `error.type`, or the stop reason of a message.
    kind: &'static str,
    fragment: &'static str,
}

const fn expect(
    name: &'static str,
    status: u16,
    content_type: &'static str,
    kind: &'static str,
    fragment: &'static str,
) -> Expected {
    Expected {
        name,
        status,
        content_type,
        kind,
        fragment,
    }
}

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const TEXT: &str = "text/plain";
const INVALID: &str = "invalid_request_error";

#[rustfmt::skip] // One case a line: the table is read by column.
const WHOLE: [Expected; 119] = [
    expect("ok", 200, JSON, "end_turn", "simulated answer"),
    expect("thinking", 200, JSON, "end_turn", "\"signature\""),
    expect("empty-answer", 200, JSON, "end_turn", "\"content\":[]"),
    expect("refusal", 200, JSON, "refusal", "\"content\":[]"),
    expect("refusal-with-output", 200, JSON, "refusal", "simulated answer"),
    expect("max-tokens-stop", 200, JSON, "max_tokens", "\"output_tokens\":1000"),
    expect("context-window-stop", 200, JSON, "model_context_window_exceeded", ""),
    expect("pause-turn", 200, JSON, "pause_turn", "server_tool_use"),
    expect("pause-turn-container", 200, JSON, "pause_turn", "\"container\":{"),
    expect("unknown-stop", 200, JSON, "ran_out_of_ink", ""),
    expect("usage-absent", 200, JSON, "end_turn", "simulated answer"),
    expect("usage-null", 200, JSON, "end_turn", "\"usage\":null"),
    expect("usage-zeros", 200, JSON, "end_turn", "\"output_tokens\":0"),
    expect("usage-floats", 200, JSON, "end_turn", ".5"),
    expect("usage-strings", 200, JSON, "end_turn", "\"output_tokens\":\""),
    expect("usage-negative", 200, JSON, "end_turn", "\"output_tokens\":-"),
    expect("usage-huge", 200, JSON, "end_turn", "18446744073709551615"),
    expect("usage-beyond", 200, JSON, "end_turn", "1e+30"),
    expect("usage-searches", 200, JSON, "end_turn", "999999999"),
    expect("usage-many-steps", 200, JSON, "end_turn", "\"iterations\""),
    expect("usage-huge-steps", 200, JSON, "end_turn", "1000000000"),
    expect("usage-no-output", 200, JSON, "end_turn", "\"input_tokens\""),
    expect("usage-zero-output", 200, JSON, "end_turn", "\"output_tokens\":0"),
    expect("usage-empty-step", 200, JSON, "end_turn", "\"iterations\":[{}]"),
    expect("usage-half-step", 200, JSON, "end_turn", "\"iterations\":[{\"input_tokens\""),
    expect("usage-lesser-step", 200, JSON, "end_turn", "\"output_tokens\":1}]"),
    expect("usage-fast", 200, JSON, "end_turn", "\"speed\":\"fast\""),
    expect("usage-batch-tier", 200, JSON, "end_turn", "\"service_tier\":\"batch\""),
    expect("model-own", 200, JSON, "end_turn", "our-small-one"),
    expect("model-openrouter", 200, JSON, "end_turn", "anthropic/claude-haiku-4.5"),
    expect("model-bedrock", 200, JSON, "end_turn", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
    expect("429", 429, JSON, "rate_limit_error", "would exceed your organization's rate limit of"),
    expect("429-acceleration", 429, JSON, "rate_limit_error", "maximum usage increase rate"),
    expect("429-concurrency", 429, JSON, "rate_limit_error", "Number of concurrent connections"),
    expect("429-spend-cap", 429, JSON, "rate_limit_error", "enforced_spend_limit_reached"),
    expect("429-bare", 429, JSON, "rate_limit_error", "Rate limited"),
    expect("400", 400, JSON, INVALID, "Input should be"),
    expect("400-credit", 400, JSON, INVALID, "Your credit balance is too low"),
    expect("402-billing", 402, JSON, "billing_error", "Your credit balance is too low"),
    expect("400-spend-limit", 400, JSON, INVALID, "You have reached your specified API usage limits"),
    expect("400-workspace-spend-limit", 400, JSON, INVALID, "You have reached your specified workspace API usage limits"),
    expect("400-org-disabled", 400, JSON, INVALID, "This organization has been disabled."),
    expect("400-page", 400, HTML, "", "sent to HTTPS port"),
    expect("400-gateway", 400, JSON, "", "No API key found"),
    expect("400-budget", 400, JSON, "budget_exceeded", "Budget has been exceeded"),
    expect("429-quota", 429, JSON, "insufficient_quota", "exceeded your current quota"),
    expect("200-error-code", 200, JSON, "", "Provider returned error"),
    expect("200-openai", 200, JSON, "", "chat.completion"),
    expect("302", 302, HTML, "", "302 Found"),
    expect("401", 401, JSON, "authentication_error", "invalid x-api-key"),
    expect("401-expired", 401, JSON, "authentication_error", "OAuth token has expired"),
    expect("403", 403, JSON, "permission_error", "does not have permission to use the specified resource"),
    expect("403-model", 403, JSON, "permission_error", "claude-haiku-4-5-20251001"),
    expect("403-challenge", 403, HTML, "", "Just a moment..."),
    expect("404-model", 404, JSON, "not_found_error", "\"model: claude-haiku-4-5-20251001\""),
    expect("404-html", 404, HTML, "", "404 Not Found"),
    expect("404-path", 404, JSON, "not_found_error", "Not Found"),
    expect("404-gateway", 404, JSON, "", "{\"detail\":\"Not Found\"}"),
    expect("405", 405, JSON, INVALID, "Method Not Allowed"),
    expect("405-gateway", 405, JSON, "", "{\"detail\":\"Method Not Allowed\"}"),
    expect("408", 408, JSON, "timeout_error", ""),
    expect("409", 409, JSON, "conflict_error", ""),
    expect("413-html", 413, HTML, "", "Request Entity Too Large"),
    expect("413-json", 413, JSON, "request_too_large", "Request exceeds the maximum size"),
    expect("422", 422, JSON, INVALID, ""),
    expect("500", 500, JSON, "api_error", "Internal server error"),
    expect("501", 501, TEXT, "", "Not Implemented"),
    expect("502", 502, HTML, "", "502: Bad gateway"),
    expect("503", 503, TEXT, "", "no healthy upstream"),
    expect("503-upstream-connect", 503, TEXT, "", "upstream connect error"),
    expect("503-json", 503, JSON, "api_error", ""),
    expect("504", 504, JSON, "timeout_error", ""),
    expect("504-html", 504, HTML, "", "504: Gateway time-out"),
    expect("520", 520, HTML, "", "520: Web server is returning an unknown error"),
    expect("522", 522, HTML, "", "522:"),
    expect("524", 524, HTML, "", "524:"),
    expect("525", 525, HTML, "", "525:"),
    expect("529", 529, JSON, "overloaded_error", "Overloaded"),
    expect("unknown-error-type", 500, JSON, "quantum_error", ""),
    expect("prompt-too-long", 400, JSON, INVALID, "prompt is too long: 208310 tokens > 200000 maximum"),
    expect("context-limit", 400, JSON, INVALID, "exceed context limit: 178959 + 64000 > 200000"),
    expect("max-tokens", 400, JSON, INVALID, "max_tokens: 1000 > 64000, which is the maximum allowed"),
    expect("tool-pairing", 400, JSON, INVALID, "`tool_use` ids were found without `tool_result` blocks"),
    expect("tool-pairing-result", 400, JSON, INVALID, "unexpected `tool_use_id` found"),
    expect("tool-schema", 400, JSON, INVALID, "Schema is too complex for compilation."),
    expect("cache-control", 400, JSON, INVALID, "A maximum of 4 blocks with cache_control"),
    expect("cache-control-ttl", 400, JSON, INVALID, "must not come after a ttl='5m'"),
    expect("image", 400, JSON, INVALID, "image dimensions exceed max allowed size"),
    expect("image-undecodable", 400, JSON, INVALID, "Could not process image"),
    expect("image-url", 400, JSON, INVALID, "Unable to download the file"),
    expect("file-missing", 404, JSON, "not_found_error", "not found."),
    expect("prefill", 400, JSON, INVALID, "does not support assistant message prefill"),
    expect("thinking-unsupported", 400, JSON, INVALID, "is not supported for this model"),
    expect("content-filter", 400, JSON, INVALID, "Output blocked by content filtering policy"),
    expect("aws-throttled", 429, JSON, "", "Too many tokens"),
    expect("aws-daily-quota", 429, JSON, "", "per day"),
    expect("aws-model-invalid", 400, JSON, "", "model identifier is invalid"),
    expect("aws-use-case", 404, JSON, "", "use case details"),
    expect("aws-unable", 400, JSON, "", "unable to process"),
    expect("aws-denied", 403, JSON, "", "is not authorized to perform"),
    expect("aws-too-long", 400, JSON, "", "Input is too long"),
    expect("aws-fault", 400, JSON, "", "Field required"),
    expect("aws-operation", 200, JSON, "", "UnknownOperationException"),
    expect("google-limited", 429, JSON, "", "RESOURCE_EXHAUSTED"),
    expect("google-region", 400, JSON, "", "not servable"),
    expect("litellm-credit", 400, JSON, "", "credit balance"),
    expect("litellm-overloaded", 400, JSON, "None", "overloaded_error"),
    expect("litellm-denied", 500, JSON, "", "is not authorized to perform"),
    expect("litellm-budget", 400, JSON, "", "over budget"),
    expect("litellm-model", 401, JSON, "key_model_access_denied", "not allowed to access model"),
    expect("openrouter-raw", 400, JSON, "", "prompt is too long"),
    expect("openrouter-model", 404, JSON, "", "No endpoints found"),
    expect("extra-usage", 400, JSON, INVALID, "out of extra usage"),
    expect("country", 403, JSON, "forbidden", "Request not allowed"),
    expect("404-reason", 404, JSON, "", "is gone"),
    expect("422-detail", 422, JSON, "", "Field required"),
    expect("200-overloaded-error-body", 200, JSON, "overloaded_error", "Overloaded"),
    expect("empty-200", 200, JSON, "", ""),
    expect("html-200", 200, HTML, "", "guest network"),
];

/// Cases with a test of their own, since they are no whole answers; the last ones are for batches.
const BROKEN: [&str; 46] = [
    "truncated-json",
    "wrong-length",
    "reset",
    "reset-mid-body",
    "hang",
    "stream-error-overloaded",
    "stream-error-first",
    "stream-error-mid",
    "stream-content-filter",
    "stream-eof",
    "stream-bare-error",
    "stream-crlf",
    "stream-split-utf8",
    "stream-unknown-events",
    "stream-stall",
    "stream-no-stop",
    "stream-done",
    "stream-no-stop-pings",
    "stream-pings",
    "stream-started-twice",
    "stream-error-last",
    "stream-no-usage",
    "stream-no-names",
    "stream-content-first",
    "stream-fallback",
    "stream-halves",
    "stream-half-character",
    "stream-stray",
    "odd-repeated-key",
    "odd-half-character",
    "odd-not-utf8",
    "odd-deep",
    "odd-bom",
    "odd-padded",
    "odd-open-end",
    "odd-events",
    "odd-trailing-text",
    "item-expired",
    "item-canceled",
    "item-missing",
    "item-duplicate",
    "item-contradicted",
    "item-stranger",
    "item-unreadable",
    "item-flat-error",
    "lost-answer",
];

#[test]
fn every_case_is_covered() {
    let tested: BTreeSet<_> = WHOLE.iter().map(|row| row.name).chain(BROKEN).collect();
    let all: BTreeSet<_> = Case::all().map(Case::name).collect();
    assert_eq!(tested, all);
}

#[tokio::test]
async fn every_whole_answer_has_its_status_type_and_words() {
    let simulator = start(SimulatorSettings::default());
    for row in &WHOLE {
        let response = ask(&simulator, &format!("[[sim: {}]]", row.name))
            .await
            .unwrap();
        let name = row.name;
        assert_eq!(response.status().as_u16(), row.status, "{name}");
        let content_type = header(&response, "content-type").unwrap().to_owned();
        assert!(
            content_type.starts_with(row.content_type),
            "{name}: {content_type}"
        );
        let by_api = header(&response, "cf-ray").is_none();
        let id = header(&response, "request-id").map(str::to_owned);
        assert_eq!(id.is_some(), by_api, "{name}");
        let retry_after = header(&response, "retry-after").map(str::to_owned);
        let limited = ["429", "429-acceleration"].contains(&name);
        assert_eq!(retry_after.is_some(), limited, "{name}");
        let text = response.text().await.unwrap();
        assert!(text.contains(row.fragment), "{name}: {text}");
        if !row.kind.is_empty() {
            let value: Value = serde_json::from_str(&text).unwrap();
            let kind = value
                .pointer("/error/type")
                .or_else(|| value.get("stop_reason"));
            assert_eq!(kind.unwrap(), row.kind, "{name}");
            if by_api && row.status != 200 {
                assert_eq!(value["type"], "error", "{name}");
                assert_eq!(value["request_id"].as_str(), id.as_deref(), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_case_of_batches_is_refused_elsewhere() {
    let simulator = start(SimulatorSettings::default());
    for case in Case::all().filter(|case| case.needs_batch()) {
        let response = ask(&simulator, &format!("[[sim: {case}]]")).await.unwrap();
        assert_eq!(response.status(), 400, "{case}");
        let text = response.text().await.unwrap();
        assert!(text.contains("batch"), "{text}");
    }
}

#[tokio::test]
async fn errors_before_the_stream_are_plain_answers() {
    let simulator = start(SimulatorSettings::default());
    let response = stream(&simulator, "[[sim: 529]]").await.unwrap();
    assert_eq!(response.status(), 529);
    assert_eq!(header(&response, "content-type"), Some(JSON));
}

/// Bytes that an oddly written answer has, which a plain one has not.
const ODD: [(&str, &[u8]); 8] = [
    (
        "odd-repeated-key",
        b"{\"content\":[],\"stop_reason\":\"refusal\",\"id\":",
    ),
    ("odd-half-character", b"\"text\":\"\\ud83eThis is"),
    ("odd-not-utf8", b"\"text\":\"\xFFThis is"),
    ("odd-deep", b"[[[[[[[[[["),
    ("odd-bom", b"\xEF\xBB\xBF{"),
    ("odd-padded", b"}\n\0\0\0\0"),
    ("odd-events", b"event: message_stop\n"),
    ("odd-trailing-text", b"}{\"id\":"),
];

#[tokio::test]
async fn an_oddly_written_answer_is_a_good_one_in_other_bytes() {
    let simulator = start(SimulatorSettings::default());
    for (name, bytes) in ODD {
        let response = ask(&simulator, &format!("[[sim: {name}]]")).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.bytes().await.unwrap();
        let is_there = body.windows(bytes.len()).any(|window| window == bytes);
        assert!(is_there, "{name}: {}", String::from_utf8_lossy(&body));
    }
    let mut response = ask(&simulator, "[[sim: odd-open-end]]").await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    let message: Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(message["stop_reason"], "end_turn");
    // Nothing more comes, and no end either.
    let more = tokio::time::timeout(std::time::Duration::from_millis(50), response.chunk());
    assert!(more.await.is_err());
}
