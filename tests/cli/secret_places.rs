//! Endpoints, pages, proxies and bugs that say a key back: it is shown and kept nowhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Desk, Output, jobs, plain_jobs};
use crate::secrets::{KEY, MARK, TOKEN, assert_clean, assert_no_trace, desk};

const EVENTS: [&str; 5] = ["--events", "events.jsonl", "--retry-scale", "0.001", "-vvv"];

/// An outage lasts long enough to be looked up.
const SLOWER: [&str; 5] = ["--events", "events.jsonl", "--retry-scale", "0.01", "-vvv"];

/// What a client asked for.
struct Asked {
    path: String,
    body: Vec<u8>,
}

/// A server that answers every request with the bytes that `reply` makes. Gives its address.
fn serve(reply: impl Fn(&Asked) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let reply = Arc::new(reply);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (reply, stream) = (Arc::clone(&reply), stream.unwrap());
            std::thread::spawn(move || answer(stream, &*reply));
        }
    });
    url
}

fn answer(mut stream: TcpStream, reply: &dyn Fn(&Asked) -> String) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut path, mut length) = (String::new(), String::new(), 0);
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        let lower = line.to_ascii_lowercase();
        if let Some(number) = lower.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        } else if path.is_empty() {
            line.split(' ')
                .nth(1)
                .unwrap_or_default()
                .clone_into(&mut path);
        }
        line.clear();
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_ok() {
        // A client that has gone does not want it.
        let _ = stream.write_all(reply(&Asked { path, body }).as_bytes());
    }
}

fn http(status: &str, headers: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": format!("req_{KEY}")})
}

/// A credential in each place of an answer that we read: body, headers, and what is no JSON.
fn parroted(status: &str, kind: &str) -> String {
    let message = format!("no use for {KEY} nor Bearer {TOKEN} nor PLANTED-header");
    let headers = format!(
        "request-id: {KEY}\r\nretry-after: {KEY}\r\nx-should-retry: {TOKEN}\r\nanthropic-organization-id: {KEY}\r\nanthropic-ratelimit-requests-limit: {KEY}\r\ncf-ray: {TOKEN}\r\n"
    );
    http(
        status,
        &headers,
        "application/json",
        &error(kind, &message).to_string(),
    )
}

/// An answer that nobody can use is not waited for again and again.
const BRIEFLY: [&str; 4] = ["--max-attempts", "2", "--give-up-after", "1s"];

/// Runs `jobs.jsonl`, and finds the credentials nowhere.
#[track_caller]
fn submit_and_look(desk: &Desk, flags: &[&str]) {
    let submit = [&["submit", "jobs.jsonl"], flags, &EVENTS].concat();
    assert_clean(&desk.run(&submit));
    assert_nothing_tells(desk);
}

/// Everything that a person looks at afterwards.
#[track_caller]
fn assert_nothing_tells(desk: &Desk) {
    for args in [
        &["status", "-vvv"][..],
        &["status", "latest"],
        &["status", "--json"],
        &["attempts", "-vvv"],
        &["attempts", "--json"],
        &["report"],
        &["report", "--format", "json"],
        &["export", "-o", "out.jsonl", "-vvv"],
        &["export", "-o", "-"],
        &["export", "-o", "out.csv", "--format", "csv"],
        &["batches"],
        &["verify", "-vvv"],
        &["config", "--json"],
    ] {
        assert_clean(&desk.run(args));
    }
    assert_clean(&desk.run(&["doctor", "--bundle", "bundle.json", "-vvv"]));
    assert_clean(&desk.run(&["doctor", "--json"]));
    assert!(desk.path("bundle.json").exists());
    assert_no_trace(desk);
}

#[test]
fn an_error_that_quotes_the_credentials_leaves_none_of_them_behind() {
    for (status, kind) in [
        ("400 Bad Request", "invalid_request_error"),
        ("401 Unauthorized", "authentication_error"),
        ("404 Not Found", "not_found_error"),
        ("429 Too Many Requests", "rate_limit_error"),
        ("529 Overloaded", "overloaded_error"),
    ] {
        let mut desk = desk();
        desk.set(
            "ANTHROPIC_BASE_URL",
            &serve(move |_| parroted(status, kind)),
        );
        desk.write("jobs.jsonl", jobs(["Hello"]));
        submit_and_look(&desk, &BRIEFLY);
    }
}

#[test]
fn a_page_of_a_gateway_that_quotes_the_credentials_leaves_none_of_them_behind() {
    let mut desk = desk();
    let page = format!("<html>you sent {KEY}, Bearer {TOKEN} and PLANTED-header</html>");
    let url = serve(move |_| http("502 Bad Gateway", "", "text/html", &page));
    desk.set("ANTHROPIC_BASE_URL", &url);
    desk.write("jobs.jsonl", jobs(["Hello"]));
    submit_and_look(&desk, &BRIEFLY);
}

#[test]
fn a_stream_that_breaks_off_with_the_key_in_it_leaves_none_behind() {
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}});
    let told = error("overloaded_error", &format!("dropped {KEY}"));
    for end in [
        format!("event: error\ndata: {told}\n\n"),
        format!("event: error\ndata: {{\"type\":\"error\",\"error\":\"{KEY}"),
        format!("event: ping\ndata: {KEY}\n\n"),
        format!("{TOKEN}: {KEY}\n\n"),
    ] {
        let mut desk = desk();
        let body = format!("event: message_start\ndata: {start}\n\n{end}");
        let url = serve(move |_| http("200 OK", "", "text/event-stream", &body));
        desk.set("ANTHROPIC_BASE_URL", &url);
        desk.write("jobs.jsonl", jobs(["Hello"]));
        submit_and_look(&desk, &["--stream", "always", "--max-attempts", "2"]);
    }
}

/// The Batches API of one batch that ends at once; every result quotes the key.
fn batches_that_quote() -> String {
    let ids = std::sync::Mutex::new(Vec::<String>::new());
    let batch = |count: usize| {
        json!({
            "id": "msgbatch_1", "type": "message_batch", "processing_status": "ended",
            "request_counts": {"processing": 0, "succeeded": 0, "errored": count, "canceled": 0, "expired": 0},
            "created_at": "2026-11-22T00:00:00Z", "expires_at": "2999-11-23T00:00:00Z", "ended_at": "2026-11-22T00:01:00Z",
            "archived_at": null, "cancel_initiated_at": null, "results_url": "/v1/messages/batches/msgbatch_1/results",
        })
    };
    serve(move |asked| {
        let mut ids = ids.lock().unwrap();
        if asked.path.ends_with("/results") {
            let error = error(
                "invalid_request_error",
                &format!("no {KEY}, Bearer {TOKEN}"),
            );
            let result = json!({"type": "errored", "error": error});
            let lines = ids
                .iter()
                .map(|id| json!({"custom_id": id, "result": result}).to_string() + "\n");
            return http(
                "200 OK",
                "",
                "application/x-jsonl",
                &lines.collect::<String>(),
            );
        }
        if let Ok(body) = serde_json::from_slice::<Value>(&asked.body)
            && let Some(requests) = body["requests"].as_array()
        {
            let id = |request: &Value| request["custom_id"].as_str().unwrap().to_owned();
            *ids = requests.iter().map(id).collect();
        }
        http(
            "200 OK",
            "",
            "application/json",
            &batch(ids.len()).to_string(),
        )
    })
}

#[test]
fn a_batch_whose_results_quote_the_key_leaves_none_behind() {
    let mut desk = desk();
    desk.set("ANTHROPIC_BASE_URL", &batches_that_quote());
    desk.write("jobs.jsonl", plain_jobs(3));
    let submit = ["submit", "jobs.jsonl", "--lane", "batch"];
    assert_clean(&desk.run(&[&submit[..], &EVENTS].concat()).expect(3));
    let attempts = desk.attempts();
    assert_eq!(attempts.len(), 3);
    assert!(
        attempts[0]["message"].as_str().unwrap().starts_with("no "),
        "{attempts:?}"
    );
    assert_nothing_tells(&desk);
}

#[test]
fn a_status_page_that_quotes_the_key_does_not_get_it_kept() {
    let name = format!("Errors for {KEY}");
    let component = json!({"id": "k8w3r06qmzrp", "name": "Claude API (api.anthropic.com)", "status": "major_outage"});
    let summary = json!({
        "page": {"id": "p", "name": "Claude"},
        "status": {"indicator": "major", "description": name},
        "components": [component],
        "incidents": [{"id": "i", "name": name, "status": "investigating", "impact": "major",
            "components": [component], "incident_updates": [{"body": name}]}],
        "scheduled_maintenances": [],
    });
    let page = serve(move |_| http("200 OK", "", "application/json", &summary.to_string()));
    let mut desk = desk();
    desk.write("named.toml", format!("[status]\nurl = \"{page}\"\n"));
    desk.set("CLAUDE_RUN_CONFIG", "named.toml");
    desk.write(
        "jobs.jsonl",
        jobs((0..30).map(|n| format!("{n} [[sim: 529, ok]]"))),
    );
    // Twenty first tries fail before a second one succeeds.
    let scale = SLOWER.map(|flag| if flag == "0.01" { "0.03" } else { flag });
    assert_clean(
        &desk
            .run(&[&["submit", "jobs.jsonl"][..], &scale].concat())
            .expect(0),
    );
    assert!(desk.read("events.jsonl").contains("status_page"));
    assert_nothing_tells(&desk);
}

#[test]
fn a_proxy_s_password_is_shown_and_kept_nowhere() {
    for proxy in [
        "http://me:PLANTED-pass@127.0.0.1:9",
        "me:PLANTED-pass@127.0.0.1:9",
        "nonsense://me:PLANTED-pass@127.0.0.1:9",
        "http://me:PLANTED/pass@127.0.0.1:9",
    ] {
        let mut desk = desk();
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
            desk.set(name, proxy);
        }
        desk.set("ANTHROPIC_BASE_URL", "http://api.invalid");
        desk.set("CLAUDE_RUN_INSECURE_HTTP", "1");
        desk.write("jobs.jsonl", jobs(["Hello"]));
        submit_and_look(&desk, &BRIEFLY);
    }
}

#[test]
fn a_password_in_an_address_of_the_config_file_is_shown_nowhere_else() {
    let desk = desk();
    let base = desk.simulator.base_url().replace("//", "//me:PLANTED@");
    std::fs::create_dir(desk.path("conf")).unwrap();
    let text = format!(
        "[api]\nbase_url = \"{base}\"\n[fallback.endpoint]\nbase_url = \"{base}/b?key=PLANTED\"\napi_key_env = \"ANTHROPIC_AUTH_TOKEN\"\n[status]\nurl = \"{base}/?q=PLANTED\"\n"
    );
    desk.write("conf/c.toml", text);
    desk.write("jobs.jsonl", plain_jobs(2));
    let mut desk = desk;
    desk.unset("ANTHROPIC_BASE_URL");
    let config = ["--config", "conf/c.toml"];
    assert_clean(&desk.run(&[&["submit", "jobs.jsonl"][..], &EVENTS, &config].concat()));
    for args in [
        &["config"][..],
        &["config", "--json"],
        &["doctor", "--bundle", "b.json"],
    ] {
        assert_clean(&desk.run(&[args, &config].concat()));
    }
    assert_nothing_tells(&desk);
}

#[test]
fn a_key_in_what_is_to_be_explained_is_not_repeated() {
    let desk = desk();
    let text = error("authentication_error", &format!("invalid x-api-key {KEY}")).to_string();
    for args in [
        &["explain", &text][..],
        &["explain", &text, "--json"],
        &["explain", &format!("401 {KEY}")],
        &["explain", KEY],
    ] {
        assert_clean(&desk.run(args));
    }
    assert_clean(
        &desk
            .run_with_input(&["explain", "-"], text.as_bytes())
            .expect(0),
    );
    assert_clean(&desk.run_with_input(&["explain", "-", "--json"], text.as_bytes()));
}

#[test]
fn a_key_given_as_a_flag_that_is_none_is_not_repeated() {
    let desk = desk();
    for flag in ["--api-key", "--key", "--token", "--header"] {
        let joined = format!("{flag}={KEY}");
        for args in [
            &["submit", "jobs.jsonl", flag, KEY][..],
            &["submit", "jobs.jsonl", &joined],
        ] {
            assert_clean(&without_line(desk.run(args).expect(2)));
        }
    }
}

/// The test's own output must not hold what was typed.
fn without_line(output: Output) -> Output {
    assert!(!output.stderr.contains(MARK), "{}", output.stderr);
    output
}

#[test]
fn a_bug_that_quotes_the_key_is_told_without_it() {
    let mut desk = desk();
    desk.write("jobs.jsonl", plain_jobs(5));
    for action in ["3*off->panic", "panic"] {
        let message = format!("store-before-commit={action}(it held {KEY} and {TOKEN})");
        desk.set("FAILPOINTS", &message);
        for args in [&["submit", "jobs.jsonl", "-vvv"][..], &["resume", "-vvv"]] {
            let output = desk.run(args);
            assert_clean(&output);
            assert_ne!(output.code, Some(101), "{output}");
        }
        let output = desk.run(&["submit", "jobs.jsonl", "--new-run"]).expect(1);
        output
            .clear_error()
            .says(&["a bug of its own", "[redacted]"]);
    }
    desk.unset("FAILPOINTS");
    assert_no_trace(&desk);
    desk.run(&["verify"]);
}
