//! The simulator, driven over real loopback sockets with an ordinary HTTP client.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::io;
use std::time::Duration;

use claude_run::simulator::{
    Case, ClassLimits, FaultRate, Indicator, LoggedRequest, RateLimits, Simulator,
    SimulatorSettings, StatusPage,
};
use reqwest::{Client, Response};
use serde_json::{Value, json};

fn start(settings: SimulatorSettings) -> Simulator {
    Simulator::start(settings).unwrap()
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn body(prompt: &str) -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 1000,
        "messages": [{"role": "user", "content": prompt}]})
}

async fn post(simulator: &Simulator, body: &Value) -> reqwest::Result<Response> {
    client()
        .post(format!("{}/v1/messages", simulator.base_url()))
        .header("x-api-key", "sk-ant-test")
        .header("anthropic-version", "2023-06-01")
        .json(body)
        .send()
        .await
}

async fn ask(simulator: &Simulator, prompt: &str) -> reqwest::Result<Response> {
    post(simulator, &body(prompt)).await
}

async fn stream(simulator: &Simulator, prompt: &str) -> reqwest::Result<Response> {
    let mut body = body(prompt);
    body["stream"] = json!(true);
    post(simulator, &body).await
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

/// The kind of the I/O error at the bottom of a failed request.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

/// Waits until the simulator has logged a request.
async fn one_request(simulator: &Simulator) -> LoggedRequest {
    loop {
        if let Some(request) = simulator.log().into_iter().next() {
            return request;
        }
        tokio::task::yield_now().await;
    }
}

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
const WHOLE: [Expected; 63] = [
    expect("ok", 200, JSON, "end_turn", "simulated answer"),
    expect("thinking", 200, JSON, "end_turn", "\"signature\""),
    expect("empty-answer", 200, JSON, "end_turn", "\"content\":[]"),
    expect("refusal", 200, JSON, "refusal", "\"content\":[]"),
    expect("refusal-with-output", 200, JSON, "refusal", "simulated answer"),
    expect("max-tokens-stop", 200, JSON, "max_tokens", "\"output_tokens\":1000"),
    expect("context-window-stop", 200, JSON, "model_context_window_exceeded", ""),
    expect("pause-turn", 200, JSON, "pause_turn", "server_tool_use"),
    expect("unknown-stop", 200, JSON, "ran_out_of_ink", ""),
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
    expect("401", 401, JSON, "authentication_error", "invalid x-api-key"),
    expect("401-expired", 401, JSON, "authentication_error", "OAuth token has expired"),
    expect("403", 403, JSON, "permission_error", "does not have permission to use the specified resource"),
    expect("403-model", 403, JSON, "permission_error", "claude-haiku-4-5-20251001"),
    expect("403-challenge", 403, HTML, "", "Just a moment..."),
    expect("404-model", 404, JSON, "not_found_error", "\"model: claude-haiku-4-5-20251001\""),
    expect("404-html", 404, HTML, "", "404 Not Found"),
    expect("408", 408, JSON, "timeout_error", ""),
    expect("409", 409, JSON, "conflict_error", ""),
    expect("413-html", 413, HTML, "", "Request Entity Too Large"),
    expect("413-json", 413, JSON, "request_too_large", "Request exceeds the maximum size"),
    expect("422", 422, JSON, INVALID, ""),
    expect("500", 500, JSON, "api_error", "Internal server error"),
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
    expect("200-overloaded-error-body", 200, JSON, "overloaded_error", "Overloaded"),
    expect("empty-200", 200, JSON, "", ""),
    expect("html-200", 200, HTML, "", "guest network"),
];

/// Cases with a test of their own, since they are no whole answers.
const BROKEN: [&str; 15] = [
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
async fn errors_before_the_stream_are_plain_answers() {
    let simulator = start(SimulatorSettings::default());
    let response = stream(&simulator, "[[sim: 529]]").await.unwrap();
    assert_eq!(response.status(), 529);
    assert_eq!(header(&response, "content-type"), Some(JSON));
}

#[tokio::test]
async fn truncated_json_arrives_whole_and_does_not_parse() {
    let simulator = start(SimulatorSettings::default());
    let response = ask(&simulator, "[[sim: truncated-json]]").await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    assert!(text.starts_with("{\"id\":\"msg_01"));
    assert!(serde_json::from_str::<Value>(&text).is_err());
}

#[tokio::test]
async fn a_wrong_length_ends_the_body_early() {
    let simulator = start(SimulatorSettings::default());
    let mut response = ask(&simulator, "[[sim: wrong-length]]").await.unwrap();
    assert_eq!(response.status(), 200);
    let promised = response.content_length().unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(u64::try_from(first.len()).unwrap() < promised);
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn a_reset_gives_no_answer() {
    let simulator = start(SimulatorSettings::default());
    let error = ask(&simulator, "[[sim: reset]]").await.unwrap_err();
    assert_eq!(
        io_kind(&error),
        Some(io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
    assert_eq!(simulator.stats().unanswered, 1);
    assert_eq!(simulator.log()[0].status, None);
}

#[tokio::test]
async fn a_reset_in_the_body_comes_after_some_bytes() {
    let simulator = start(SimulatorSettings::default());
    for streams in [false, true] {
        let prompt = "[[sim: reset-mid-body]]";
        let response = if streams {
            stream(&simulator, prompt).await
        } else {
            ask(&simulator, prompt).await
        };
        let mut response = response.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.chunk().await.unwrap().is_some());
        let error = response.chunk().await.unwrap_err();
        assert_eq!(
            io_kind(&error),
            Some(io::ErrorKind::ConnectionReset),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_request_that_hangs_is_open_until_the_client_leaves() {
    let simulator = start(SimulatorSettings::default());
    let url = simulator.base_url();
    let request = tokio::spawn(async move {
        client()
            .post(format!("{url}/v1/messages"))
            .header("x-api-key", "k")
            .header("anthropic-version", "2023-06-01")
            .json(&body("[[sim: hang]]"))
            .send()
            .await
    });
    assert_eq!(one_request(&simulator).await.case, "hang");
    assert_eq!(simulator.stats().open, 1);
    request.abort();
    while simulator.stats().open > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_shutdown_ends_what_hangs() {
    let simulator = start(SimulatorSettings::default());
    let asked = ask(&simulator, "[[sim: hang]]");
    tokio::pin!(asked);
    tokio::select! {
        answer = &mut asked => panic!("a hanging request was answered: {answer:?}"),
        _ = one_request(&simulator) => {}
    }
    let url = simulator.base_url();
    simulator.shutdown().await;
    assert!(client().get(url).send().await.is_err());
}

/// The events of a stream, as far as it comes, and whether it ended well.
async fn events(response: Response) -> (Vec<Value>, String) {
    let text = response.text().await.unwrap().replace("\r\n", "\n");
    let events = text
        .split("\n\n")
        .filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    (events, text)
}

fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn good_streams_tell_the_same_answer_as_a_plain_request() {
    let simulator = start(SimulatorSettings::default());
    for case in [
        "ok",
        "stream-crlf",
        "stream-split-utf8",
        "stream-unknown-events",
    ] {
        let response = stream(&simulator, &format!("[[sim: {case}]]"))
            .await
            .unwrap();
        assert!(
            header(&response, "content-type")
                .unwrap()
                .starts_with("text/event-stream")
        );
        let (events, _) = events(response).await;
        let types = types(&events);
        assert_eq!(types.first(), Some(&"message_start"), "{case}");
        assert_eq!(types.last(), Some(&"message_stop"), "{case}");
        let text: String = events
            .iter()
            .filter_map(|event| event["delta"]["text"].as_str())
            .collect();
        assert!(
            text.starts_with("This is a simulated answer to"),
            "{case}: {text}"
        );
    }
    let ledger = simulator.stats().ledger;
    assert_eq!(ledger["claude-haiku-4-5-20251001"].messages, 4);
}

#[tokio::test]
async fn broken_streams_end_without_their_stop() {
    let simulator = start(SimulatorSettings::default());
    let cases = [
        ("stream-error-first", 1, "overloaded_error"),
        ("stream-error-overloaded", 3, "overloaded_error"),
        ("stream-error-mid", 4, "api_error"),
        (
            "stream-content-filter",
            4,
            "Output blocked by content filtering policy",
        ),
        ("stream-bare-error", 4, "\n{\"error\":"),
        ("stream-eof", 4, "content_block_delta"),
    ];
    for (case, least, fragment) in cases {
        let response = stream(&simulator, &format!("[[sim: {case}]]"))
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{case}");
        let (events, text) = events(response).await;
        assert!(events.len() >= least, "{case}: {events:?}");
        assert!(text.contains(fragment), "{case}: {text}");
        assert!(!text.contains("message_stop"), "{case}");
    }
    assert!(simulator.stats().ledger.is_empty());
}

#[tokio::test]
async fn a_stalled_stream_stays_open() {
    let simulator = start(SimulatorSettings::default());
    let mut response = stream(&simulator, "[[sim: stream-stall]]").await.unwrap();
    let mut seen = String::new();
    while !seen.contains("text_delta") {
        let chunk = response.chunk().await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert_eq!(simulator.stats().open, 1);
    simulator.shutdown().await;
    while let Ok(chunk) = response.chunk().await {
        assert!(chunk.is_some(), "a stalled stream must not end well");
    }
}

#[tokio::test]
async fn a_stream_case_needs_a_stream() {
    let simulator = start(SimulatorSettings::default());
    let response = ask(&simulator, "[[sim: stream-eof]]").await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("\\\"stream\\\": true")
    );
}

#[tokio::test]
async fn a_script_is_played_once_for_each_body() {
    let simulator = start(SimulatorSettings::default());
    let script = "[[sim: 529*2, 500, ok]]";
    for expected in [529, 529, 500, 200, 200] {
        let response = ask(&simulator, script).await.unwrap();
        assert_eq!(response.status().as_u16(), expected);
    }
    let other = ask(&simulator, &format!("another {script}")).await.unwrap();
    assert_eq!(other.status(), 529);
    let log = simulator.log();
    let attempts: Vec<_> = log.iter().map(|request| request.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 1]);
    assert_eq!(log[0].body_hash, log[4].body_hash);
    assert_ne!(log[0].body_hash, log[5].body_hash);
}

#[tokio::test]
async fn a_bad_script_is_a_400_that_says_why() {
    let simulator = start(SimulatorSettings::default());
    let response = ask(&simulator, "[[sim: 529, explode]]").await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("there is no case `explode`")
    );
}

#[tokio::test]
async fn options_change_headers_and_bodies() {
    let simulator = start(SimulatorSettings::default());
    let cases = [
        ("429 retry-after=3", "retry-after", Some("3")),
        ("529 retry-after=0.5", "retry-after", Some("0.5")),
        ("429 retry-after=garbage", "retry-after", Some("garbage")),
        ("429 retry-after=-1", "retry-after", Some("-1")),
        ("429 retry-after=none", "retry-after", None),
        ("429 retry-after-ms=250", "retry-after-ms", Some("250")),
        ("529 should-retry=false", "x-should-retry", Some("false")),
        ("400 should-retry=true", "x-should-retry", Some("true")),
        ("500 no-request-id", "request-id", None),
    ];
    for (step, name, expected) in cases {
        let response = ask(&simulator, &format!("[[sim: {step}]]")).await.unwrap();
        assert_eq!(header(&response, name), expected, "{step}");
    }
    let dated = ask(&simulator, "[[sim: 429 retry-after=date:+2s]]")
        .await
        .unwrap();
    assert!(header(&dated, "retry-after").unwrap().ends_with(" GMT"));
    let text = |step: &'static str| {
        let asked = ask(&simulator, step);
        async move { asked.await.unwrap().text().await.unwrap() }
    };
    assert!(
        !text("[[sim: 500 no-request-id]]")
            .await
            .contains("request_id")
    );
    assert!(text("[[sim: 500 details]]").await.contains("\"details\":{"));
    let capped = text("[[sim: 429-spend-cap regain=2031-05-01]]").await;
    assert!(capped.contains("You will regain access on 2031-05-01 at 00:00 UTC."));
}

async fn send(simulator: &Simulator, headers: &[(&str, &str)], body: String) -> (u16, Value) {
    let mut request = client().post(format!("{}/v1/messages", simulator.base_url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.body(body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

#[tokio::test]
async fn credentials_and_headers_are_checked_first() {
    let simulator = start(SimulatorSettings::default());
    let version = ("anthropic-version", "2023-06-01");
    let cases = [
        (vec![version], 401, "x-api-key header is required"),
        (
            vec![version, ("x-api-key", "sk-invalid")],
            401,
            "invalid x-api-key",
        ),
        (
            vec![("x-api-key", "k")],
            400,
            "anthropic-version: header is required",
        ),
        (
            vec![version, ("authorization", "Bearer k")],
            400,
            "The request body is not valid JSON: ",
        ),
    ];
    for (headers, status, message) in cases {
        let (got, value) = send(&simulator, &headers, "{".into()).await;
        assert_eq!(got, status, "{headers:?}");
        let text = value["error"]["message"].as_str().unwrap();
        assert!(text.starts_with(message), "{text}");
    }
}

#[tokio::test]
async fn only_named_keys_are_accepted_when_there_are_any() {
    let simulator = start(SimulatorSettings {
        accepted_keys: vec!["sk-ant-right".to_owned().into()],
        ..SimulatorSettings::default()
    });
    for (key, status) in [("sk-ant-right", 200), ("sk-ant-wrong", 401)] {
        let headers = [("x-api-key", key), ("anthropic-version", "2023-06-01")];
        let (got, _) = send(&simulator, &headers, body("Hi").to_string()).await;
        assert_eq!(got, status);
    }
}

#[tokio::test]
async fn a_body_over_32_mb_is_refused_at_the_edge() {
    let simulator = start(SimulatorSettings::default());
    let response = ask(&simulator, &"x".repeat(33 * 1024 * 1024))
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(
        header(&response, "content-type"),
        Some("text/html; charset=UTF-8")
    );
}

#[tokio::test]
async fn limits_refuse_with_a_true_retry_after_and_full_headers() {
    let simulator = start(SimulatorSettings {
        limits: Some(RateLimits::same_for_all(ClassLimits {
            requests_per_minute: 2,
            ..ClassLimits::default()
        })),
        ..SimulatorSettings::default()
    });
    let first = ask(&simulator, "one").await.unwrap();
    assert_eq!(first.status(), 200);
    for family in ["requests", "tokens", "input-tokens", "output-tokens"] {
        for part in ["limit", "remaining", "reset"] {
            let name = format!("anthropic-ratelimit-{family}-{part}");
            assert!(header(&first, &name).is_some(), "{name}");
        }
    }
    assert_eq!(
        header(&first, "anthropic-ratelimit-requests-remaining"),
        Some("1")
    );
    assert_eq!(
        header(&first, "anthropic-ratelimit-input-tokens-remaining"),
        Some("2000000")
    );
    ask(&simulator, "two").await.unwrap();
    let refused = ask(&simulator, "three").await.unwrap();
    assert_eq!(refused.status(), 429);
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((28..=30).contains(&wait), "{wait}");
    assert_eq!(
        header(&refused, "anthropic-ratelimit-requests-remaining"),
        Some("0")
    );
    assert_eq!(simulator.stats().by_case["limited"], 1);
}

#[tokio::test]
async fn a_limited_request_does_not_use_up_a_step() {
    let simulator = start(SimulatorSettings {
        max_concurrent: Some(0),
        ..SimulatorSettings::default()
    });
    let refused = ask(&simulator, "[[sim: 529, ok]]").await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(
        refused
            .text()
            .await
            .unwrap()
            .contains("concurrent connections")
    );
}

#[tokio::test]
async fn random_faults_are_the_same_in_every_order() {
    let settings = SimulatorSettings {
        seed: 5,
        faults: vec![FaultRate {
            case: "529".parse().unwrap(),
            probability: 0.5,
        }],
        ..SimulatorSettings::default()
    };
    let prompts: Vec<_> = (0..20).map(|n| format!("prompt {n}")).collect();
    let mut runs = Vec::new();
    for backwards in [false, true] {
        let simulator = start(settings.clone());
        let mut statuses = vec![0; prompts.len()];
        let order: Vec<usize> = if backwards {
            (0..prompts.len()).rev().collect()
        } else {
            (0..prompts.len()).collect()
        };
        for n in order {
            statuses[n] = ask(&simulator, &prompts[n])
                .await
                .unwrap()
                .status()
                .as_u16();
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&529) && runs[0].contains(&200));
}

#[tokio::test]
async fn the_ledger_is_the_sum_of_the_answers() {
    let simulator = start(SimulatorSettings::default());
    let (mut input, mut output) = (0, 0);
    for n in 0..5 {
        let answer: Value = ask(&simulator, &format!("question {n}"))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        input += answer["usage"]["input_tokens"].as_u64().unwrap();
        output += answer["usage"]["output_tokens"].as_u64().unwrap();
    }
    ask(&simulator, "[[sim: 500]]").await.unwrap();
    ask(&simulator, "[[sim: truncated-json]]").await.unwrap();
    let stats = simulator.stats();
    let row = stats.ledger["claude-haiku-4-5-20251001"];
    assert_eq!(
        (row.messages, row.input_tokens, row.output_tokens),
        (5, input, output)
    );
    assert_eq!(stats.cut["claude-haiku-4-5-20251001"].messages, 1);
    assert_eq!(stats.requests, 7);
    assert_eq!((stats.by_status[&200], stats.by_status[&500]), (6, 1));
}

#[tokio::test]
async fn cached_prefixes_show_in_the_usage() {
    let simulator = start(SimulatorSettings::default());
    let mut cached = body("question");
    cached["system"] = json!([{"type": "text", "text": "s".repeat(20_000),
        "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    let mut usages = Vec::new();
    for question in ["a", "b"] {
        cached["messages"][0]["content"] = json!(question);
        let answer: Value = post(&simulator, &cached)
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        usages.push(answer["usage"].clone());
    }
    assert_eq!(
        usages[0]["cache_creation"]["ephemeral_1h_input_tokens"],
        5_000
    );
    assert_eq!(usages[0]["cache_read_input_tokens"], 0);
    assert_eq!(usages[1]["cache_creation_input_tokens"], 0);
    assert_eq!(usages[1]["cache_read_input_tokens"], 5_000);
    assert_eq!(usages[0]["input_tokens"], usages[1]["input_tokens"]);
}

async fn get(simulator: &Simulator, path: &str) -> (u16, Value) {
    let response = client()
        .get(format!("{}{path}", simulator.base_url()))
        .header("x-api-key", "k")
        .header("anthropic-version", "2023-06-01")
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

#[tokio::test]
async fn models_are_listed_and_aliases_resolved() {
    let simulator = start(SimulatorSettings::default());
    let (status, list) = get(&simulator, "/v1/models").await;
    assert_eq!(status, 200);
    assert_eq!(list["data"].as_array().unwrap().len(), 18);
    let (_, model) = get(&simulator, "/v1/models/claude-opus-4-5").await;
    assert_eq!(model["id"], "claude-opus-4-5-20251101");
    assert_eq!(model["max_tokens"], 64_000);
    let (status, error) = get(&simulator, "/v1/models/claude-3-haiku-20240307").await;
    assert_eq!(
        (status, &error["error"]["type"]),
        (404, &json!("not_found_error"))
    );
    let (status, error) = get(&simulator, "/v1/complete").await;
    assert_eq!(
        (status, &error["error"]["type"]),
        (404, &json!("not_found_error"))
    );
    assert_eq!(get(&simulator, "/v1/messages").await.0, 405);
}

#[tokio::test]
async fn tokens_are_counted_as_messages_count_them() {
    let simulator = start(SimulatorSettings::default());
    let mut question = body("How many tokens are these?");
    let answer: Value = post(&simulator, &question)
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    question.as_object_mut().unwrap().remove("max_tokens");
    let count: Value = client()
        .post(format!("{}/v1/messages/count_tokens", simulator.base_url()))
        .header("x-api-key", "k")
        .header("anthropic-version", "2023-06-01")
        .json(&question)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(count["input_tokens"], answer["usage"]["input_tokens"]);
}

#[tokio::test]
async fn the_status_page_says_what_it_is_told() {
    let simulator = start(SimulatorSettings::default());
    let (_, status) = get(&simulator, "/api/v2/status.json").await;
    assert_eq!(status["status"]["indicator"], "none");
    simulator.set_status_page(StatusPage {
        indicator: Indicator::Critical,
        challenge: false,
    });
    let (_, summary) = get(&simulator, "/api/v2/summary.json").await;
    assert_eq!(summary["components"][0]["status"], "major_outage");
    let told = client()
        .post(format!("{}/_simulator/status", simulator.base_url()))
        .body(r#"{"challenge": true}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(told.status(), 200);
    assert_eq!(get(&simulator, "/api/v2/status.json").await.0, 405);
}

#[tokio::test]
async fn another_process_can_read_and_clear_the_records() {
    let simulator = start(SimulatorSettings {
        log_bodies: true,
        ..SimulatorSettings::default()
    });
    ask(&simulator, "Hello there").await.unwrap();
    let (_, log) = get(&simulator, "/_simulator/log").await;
    assert_eq!(log["prompt"], "Hello there");
    assert_eq!(log["status"], 200);
    assert_eq!(log["headers"]["anthropic-version"], "2023-06-01");
    assert!(!log.to_string().contains("sk-ant-test"));
    assert_eq!(log["body"], body("Hello there").to_string());
    let (_, stats) = get(&simulator, "/_simulator/stats").await;
    assert_eq!(stats["by_status"]["200"], 1);
    let cleared = client()
        .post(format!("{}/_simulator/reset", simulator.base_url()))
        .send()
        .await
        .unwrap();
    assert_eq!(cleared.status(), 200);
    assert!(simulator.log().is_empty());
    assert_eq!(simulator.stats().requests, 0);
}

#[tokio::test]
async fn http2_is_spoken_too_and_a_reset_there_takes_one_stream() {
    let simulator = start(SimulatorSettings::default());
    let client = Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let ask = |prompt: &str| {
        client
            .post(format!("{}/v1/messages", simulator.base_url()))
            .header("x-api-key", "k")
            .header("anthropic-version", "2023-06-01")
            .json(&body(prompt))
            .send()
    };
    assert_eq!(ask("Hi").await.unwrap().status(), 200);
    assert!(ask("[[sim: reset]]").await.is_err());
    assert_eq!(ask("Hi again").await.unwrap().status(), 200);
    assert_eq!(simulator.stats().connections, 1);
}

#[tokio::test]
async fn a_delay_is_kept() {
    let simulator = start(SimulatorSettings::default());
    let started = tokio::time::Instant::now();
    ask(&simulator, "[[sim: ok delay=30ms]]").await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn a_restarted_simulator_gets_its_port_back() {
    let first = start(SimulatorSettings::default());
    let addr = first.addr();
    ask(&first, "Hi").await.unwrap();
    first.shutdown().await;
    let second = Simulator::start_on(addr, SimulatorSettings::default()).unwrap();
    assert_eq!(ask(&second, "Hi").await.unwrap().status(), 200);
}
