//! One file of prompts, each scripted to meet one row of the class table; the run ends as the table
//! says for every row, and the ledger shows the schedule that was really kept.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Desk, MODEL};

/// What our own waits are multiplied by here.
const SCALE: f64 = 0.1;
/// Waits are drawn between half and one and a half times the schedule's.
const LEAST_DRAWN: f64 = 0.5;
const MOST_DRAWN: f64 = 1.5;
/// What a retry may be late.
const LATE: f64 = 1.2;

/// How a job ends that meets a row.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// It is tried again and succeeds: first and longest wait of the class, in seconds.
    Retried(f64, f64),
    /// The server's hint decides when it is tried again: at least so many milliseconds, our own
    /// waits of up to 60 seconds notwithstanding.
    Hinted(u64),
    /// It fails at once.
    Failed,
    /// It succeeds, marked with the class.
    Marked,
    /// It waits: no job of its model can succeed.
    Held,
}

use End::{Failed, Held, Hinted, Marked, Retried};

/// Case of the simulator, class, end.
type Row = (&'static str, &'static str, End);

const LIMITS: End = Retried(1.0, 60.0);
const NETWORK: End = Retried(1.0, 60.0);

#[rustfmt::skip] // One row a line: the table is read by column.
const PLAIN: &[Row] = &[
    ("429 retry-after-ms=700",        "rate_limited",           Hinted(700)),
    ("429-bare",                      "rate_limited",           LIMITS),
    ("429-acceleration retry-after=1", "acceleration_limited",  Hinted(1_000)),
    ("429-concurrency",               "concurrency_limited",    LIMITS),
    ("403-model",                     "permission",             Held),
    ("403-challenge",                 "edge_error",             Retried(3.0, 120.0)),
    ("404-model",                     "model_not_found",        Held),
    ("529",                           "overloaded",             Retried(10.0, 300.0)),
    ("529 retry-after=1",             "overloaded",             Hinted(1_000)),
    ("200-overloaded-error-body",     "overloaded",             Retried(10.0, 300.0)),
    ("500",                           "server_error",           Retried(2.0, 60.0)),
    ("unknown-error-type",            "server_error",           Retried(2.0, 60.0)),
    ("502",                           "bad_gateway",            Retried(3.0, 120.0)),
    ("503",                           "unavailable",            Retried(5.0, 180.0)),
    ("503-upstream-connect",          "unavailable",            Retried(5.0, 180.0)),
    ("503-json",                      "unavailable",            Retried(5.0, 180.0)),
    ("504",                           "gateway_timeout",        Retried(5.0, 60.0)),
    ("504-html",                      "gateway_timeout",        Retried(5.0, 60.0)),
    ("520",                           "edge_error",             Retried(3.0, 120.0)),
    ("522",                           "edge_error",             Retried(3.0, 120.0)),
    ("524",                           "edge_error",             Retried(3.0, 120.0)),
    ("525",                           "edge_error",             Retried(3.0, 120.0)),
    ("hang",                          "timeout",                Retried(5.0, 60.0)),
    ("reset",                         "connection_cut",         NETWORK),
    ("reset-mid-body",                "connection_cut",         NETWORK),
    ("wrong-length",                  "connection_cut",         NETWORK),
    ("truncated-json",                "bad_response",           NETWORK),
    ("html-200",                      "bad_response",           NETWORK),
    ("empty-200",                     "bad_response",           NETWORK),
    ("408",                           "request_timeout",        NETWORK),
    ("409",                           "conflict",               NETWORK),
    ("prompt-too-long",               "prompt_too_long",        Failed),
    ("context-limit",                 "max_tokens_too_large",   Failed),
    ("413-html",                      "request_too_large",      Failed),
    ("413-json",                      "request_too_large",      Failed),
    ("max-tokens",                    "max_tokens_too_large",   Failed),
    ("tool-pairing",                  "tool_pairing",           Failed),
    ("tool-pairing-result",           "tool_pairing",           Failed),
    ("cache-control",                 "cache_control",          Failed),
    ("cache-control-ttl",             "cache_control",          Failed),
    ("image",                         "image",                  Failed),
    ("image-undecodable",             "image",                  Failed),
    ("file-missing",                  "file_missing",           Failed),
    ("tool-schema",                   "tool_schema",            Failed),
    ("422",                           "invalid_request",        Failed),
    ("422-detail",                    "invalid_request",        Failed),
    ("aws-throttled",                 "rate_limited",           LIMITS),
    ("aws-unable",                    "unavailable",            Retried(5.0, 180.0)),
    ("aws-too-long",                  "prompt_too_long",        Failed),
    ("aws-fault",                     "invalid_request",        Failed),
    ("google-limited",                "rate_limited",           LIMITS),
    ("litellm-overloaded",            "overloaded",             Retried(10.0, 300.0)),
    ("openrouter-raw",                "prompt_too_long",        Failed),
    ("404-reason",                    "invalid_request",        Failed),
    ("prefill",                       "prefill_unsupported",    Failed),
    ("thinking-unsupported",          "thinking_unsupported",   Failed),
    ("content-filter",                "content_filtered",       Failed),
    ("400",                           "invalid_request",        Failed),
    ("refusal",                       "refused",                Failed),
    ("refusal-with-output",           "refused",                Failed),
    ("max-tokens-stop",               "truncated",              Marked),
    ("context-window-stop",           "context_window_exceeded", Marked),
    ("unknown-stop",                  "unknown",                Marked),
];

#[rustfmt::skip]
const STREAMED: &[Row] = &[
    ("stream-error-overloaded", "overloaded",       Retried(10.0, 300.0)),
    ("stream-error-first",      "overloaded",       Retried(10.0, 300.0)),
    ("stream-error-mid",        "server_error",     Retried(2.0, 60.0)),
    ("stream-content-filter",   "content_filtered", Failed),
    ("stream-eof",              "stream_cut",       NETWORK),
    ("stream-bare-error",       "server_error",     Retried(2.0, 60.0)),
    ("stream-stall",            "stream_cut",       NETWORK),
    ("reset-mid-body",          "stream_cut",       NETWORK),
];

#[test]
fn every_row_of_the_table_ends_as_it_says() {
    // An unknown model holds its jobs, and so the run ends halted with everything else done.
    check(PLAIN, &["--timeout", "2s"], 4);
}

#[test]
fn every_row_that_streams_ends_as_the_table_says() {
    check(STREAMED, &["--timeout", "2s", "--stream", "always"], 3);
}

/// Runs the rows as one file, and looks at every job.
fn check(rows: &[Row], flags: &[&str], code: i32) {
    let desk = Desk::new();
    desk.write("jobs.jsonl", file_of(rows));
    let scale = SCALE.to_string();
    let submit = ["submit", "jobs.jsonl", "--retry-scale", &scale];
    desk.write("claude-run.toml", "[retry]\nby = \"table\"\n");
    let args = [&submit[..], &["--concurrency", "2"], flags].concat();
    desk.run(&args).expect(code);

    desk.run(&["verify"]).expect(0);

    let attempts = by_custom_id(desk.attempts());
    let results = by_custom_id(desk.results());
    let arrivals = arrivals(&desk);
    let none = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let id = format!("row-{index}");
        let result = results.get(&id).unwrap_or(&none).first();
        check_row(row, &attempts[&id], result, &arrivals[&id]);
    }
    let plain = results.keys().filter(|id| id.starts_with("plain-"));
    assert_eq!(plain.count(), rows.len(), "the jobs between are all done");
}

/// The rows' jobs, each followed by a plain one, so that no row of failures opens a circuit: this
/// is about single jobs.
fn file_of(rows: &[Row]) -> String {
    let lines = rows.iter().enumerate().flat_map(|(index, row)| {
        let (script, _, end) = row;
        let then = if matches!(end, Retried(..) | Hinted(_)) { ", ok" } else { "" };
        // What holds a model may hold no other row.
        let model = match *script {
            "403-model" => "claude-opus-4-6",
            "404-model" => "claude-sonnet-4-6",
            _ => MODEL,
        };
        let prompt = format!("row-{index} [[sim: {script}{then}]]");
        [
            json!({"custom_id": format!("row-{index}"), "model": model, "prompt": prompt}),
            json!({"custom_id": format!("plain-{index}"), "model": MODEL, "prompt": format!("plain-{index} ")}),
        ]
    });
    lines.map(|line| line.to_string() + "\n").collect()
}

fn by_custom_id(rows: Vec<Value>) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in rows {
        let id = row["custom_id"].as_str().unwrap().to_owned();
        found.entry(id).or_default().push(row);
    }
    found
}

/// When each job's requests arrived, by the simulator's clock, in milliseconds.
fn arrivals(desk: &Desk) -> BTreeMap<String, Vec<u64>> {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for request in desk.simulator.log() {
        let id = request.prompt.split(' ').next().unwrap().to_owned();
        found.entry(id).or_default().push(request.at_ms);
    }
    found
}

fn check_row(row: &Row, attempts: &[Value], result: Option<&Value>, arrivals: &[u64]) {
    let (_, class, end) = *row;
    let told = format!("{row:?}: {attempts:?} {result:?} {arrivals:?}");
    assert_eq!(attempts[0]["error_class"], class, "{told}");
    assert_eq!(attempts.len(), arrivals.len(), "{told}");
    let kind = result.map(|result| result["result"]["type"].as_str().unwrap().to_owned());
    let (kind, tries) = (kind.as_deref(), attempts.len());
    match end {
        Failed => {
            assert_eq!((kind, tries), (Some("errored"), 1), "{told}");
            assert_strict(&result.unwrap()["result"]["error"]);
        }
        Held => assert_eq!((kind, tries), (None, 1), "{told}"),
        Marked => {
            assert_eq!((kind, tries), (Some("succeeded"), 1), "{told}");
            assert_eq!(result.unwrap()["run"]["error_class"], class, "{told}");
        }
        Retried(first, longest) => {
            assert_eq!((kind, tries), (Some("succeeded"), 2), "{told}");
            let waited = seconds_between(arrivals);
            assert!(waited >= first * LEAST_DRAWN * SCALE, "too early: {told}");
            assert!(
                waited <= longest * MOST_DRAWN * SCALE * LATE,
                "too late: {told}"
            );
            check_planned(attempts, &told);
        }
        Hinted(hint_ms) => {
            assert_eq!((kind, tries), (Some("succeeded"), 2), "{told}");
            let waited = seconds_between(arrivals);
            #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
            let hint = hint_ms as f64 / 1_000.0;
            assert!(waited >= hint, "earlier than the hint: {told}");
            assert!(
                waited <= hint + 60.0 * MOST_DRAWN * SCALE * LATE,
                "too late: {told}"
            );
            assert_eq!(attempts[0]["retry_after_ms"], hint_ms, "{told}");
            check_planned(attempts, &told);
        }
    }
}

/// What a strict reader of the official SDKs takes for an error of a result line: `ErrorResponse` of
/// their types, with its union of errors.
fn assert_strict(error: &Value) {
    const TYPES: [&str; 9] = [
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "rate_limit_error",
        "timeout_error",
        "api_error",
        "overloaded_error",
    ];
    assert_eq!(error["type"], "error", "{error}");
    assert!(
        TYPES.iter().any(|kind| error["error"]["type"] == *kind),
        "{error}"
    );
    assert!(error["error"]["message"].is_string(), "{error}");
    let id = &error["request_id"];
    assert!(id.is_null() || id.is_string(), "{error}");
}

/// The ledger's own times agree: no attempt began before the time that was planned for it.
fn check_planned(attempts: &[Value], told: &str) {
    let time = |row: &Value, key: &str| {
        row[key]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let planned = time(&attempts[0], "next_try_at");
    assert!(
        time(&attempts[1], "started_at") >= planned,
        "before its time: {told}"
    );
}

fn seconds_between(arrivals: &[u64]) -> f64 {
    std::time::Duration::from_millis(arrivals[1] - arrivals[0]).as_secs_f64()
}
