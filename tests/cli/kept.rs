//! What was paid for is kept: peculiar streams, answers that strict readers refuse, turns that cannot
//! go on, and answers that nobody can read are not bought again and again.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use claude_run::simulator::SimulatorSettings;
use serde_json::{Value, json};

use crate::harness::{Desk, MODEL, jobs};

const FAST: [&str; 2] = ["--retry-scale", "0.001"];

/// A desk whose streams may be silent for so long, and may tell nothing but pings for five times that.
fn impatient() -> Desk {
    let desk = Desk::new();
    desk.write("claude-run.toml", "[dispatch]\nidle_timeout = \"200ms\"\n");
    desk
}

/// Runs a job that meets this case, and expects this exit code.
fn run_one(desk: &Desk, script: &str, stream: &str, code: i32) {
    desk.write("jobs.jsonl", jobs([format!("[[sim: {script}]]")]));
    let flags = ["submit", "jobs.jsonl", "--stream", stream];
    desk.run(&[&flags[..], &FAST].concat()).expect(code);
}

/// The text of the only result.
fn text(desk: &Desk) -> String {
    let result = desk.results().remove(0);
    assert_eq!(result["result"]["type"], "succeeded", "{result}");
    let content = result["result"]["message"]["content"].as_array().unwrap();
    let texts = content.iter().filter_map(|block| block["text"].as_str());
    texts.collect()
}

#[test]
fn a_whole_stream_without_its_stop_is_kept_and_paid_once() {
    for case in [
        "stream-no-stop",
        "stream-done",
        "stream-no-stop-pings",
        "stream-error-last",
    ] {
        let desk = impatient();
        run_one(&desk, case, "always", 0);
        let attempts = desk.attempts();
        assert_eq!(attempts.len(), 1, "{case}: {attempts:?}");
        assert_eq!(attempts[0]["maybe_billed"], false);
        assert!(
            text(&desk).starts_with("This is a simulated answer"),
            "{case}"
        );
        assert_eq!(
            desk.results()[0]["result"]["message"]["stop_reason"],
            "end_turn"
        );
    }
}

#[test]
fn a_repeated_beginning_of_a_stream_is_passed_over() {
    let desk = Desk::new();
    run_one(&desk, "stream-started-twice", "always", 0);
    assert_eq!(desk.attempts().len(), 1);
    assert!(text(&desk).starts_with("This is a simulated answer"));
}

#[test]
fn pings_alone_do_not_keep_a_stream_alive() {
    let desk = impatient();
    run_one(&desk, "stream-pings, ok", "always", 0);
    let first = &desk.attempts()[0];
    assert_eq!(first["error_class"], "stream_cut");
    assert_eq!(first["message"], "the stream told nothing but pings for 1s");
}

#[test]
fn content_that_comes_with_the_beginning_of_a_stream_is_never_lost() {
    let desk = Desk::new();
    run_one(&desk, "stream-content-first", "always", 0);
    let content = desk.results().remove(0)["result"]["message"]["content"].take();
    assert_eq!(content[0]["type"], "tool_use");
    assert_eq!(content[0]["input"], json!({"q": "x"}));
    assert_eq!(content[0]["caller"]["tool_id"], "srvtoolu_01SIMULATED");
    let text = content[1]["text"].as_str().unwrap();
    assert!(text.starts_with("This is a simulated answer"), "{text}");
}

#[test]
fn a_fallback_in_a_stream_names_the_model_that_answered() {
    let desk = Desk::new();
    run_one(&desk, "stream-fallback", "always", 0);
    let result = desk.results().remove(0);
    assert_eq!(result["result"]["message"]["model"], "claude-opus-5");
    assert_eq!(result["run"]["model"], "claude-opus-5");
    assert_eq!(
        result["result"]["message"]["content"][0]["type"],
        "fallback"
    );
    assert_eq!(desk.report()["by_model"][0]["model"], "claude-opus-5");
}

#[test]
fn what_the_official_sdks_read_is_bought_once() {
    let cases = [
        ("odd-repeated-key", "never", "2 keys", "This is"),
        (
            "odd-half-character",
            "never",
            "1 character",
            "\u{fffd}This is",
        ),
        ("odd-not-utf8", "never", "1 character", "\u{fffd}This is"),
        ("odd-bom", "never", "", "This is"),
        ("odd-padded", "never", "", "This is"),
        ("odd-open-end", "never", "", "This is"),
        ("odd-events", "never", "", "This is"),
        ("stream-no-names", "always", "", "This is"),
        ("stream-halves", "always", "", "🦀This is"),
        (
            "stream-half-character",
            "always",
            "1 character",
            "\u{fffd}This is",
        ),
    ];
    for (case, stream, note, begins) in cases {
        let desk = Desk::new();
        run_one(&desk, case, stream, 0);
        let attempts = desk.attempts();
        assert_eq!(attempts.len(), 1, "{case}");
        assert!(text(&desk).starts_with(begins), "{case}: {}", text(&desk));
        let run = desk.results().remove(0)["run"].take();
        let told = [&run["note"], &attempts[0]["message"]];
        for told in told {
            assert_eq!(told.is_null(), note.is_empty(), "{case}: {told}");
            assert!(
                told.as_str().unwrap_or_default().contains(note),
                "{case}: {told}"
            );
        }
        // Other readers take the whole line, whatever the answer looked like.
        let csv = desk
            .run(&["export", "--format", "csv", "-o", "-"])
            .expect(0);
        assert!(csv.stdout.contains(begins), "{case}: {csv:?}");
        desk.run(&["verify"]).expect(0);
    }
}

#[test]
fn an_answer_that_is_nested_deeply_is_bought_once() {
    let desk = Desk::new();
    run_one(&desk, "odd-deep", "never", 0);
    assert_eq!(desk.attempts().len(), 1);
    // Our own tests read no such line: a strict reader.
    let lines = desk.run(&["export", "-o", "-"]).expect(0).stdout;
    let deep = "[".repeat(400) + &"]".repeat(400);
    assert!(
        lines.contains(&format!("\"message\":{{\"deep\":{deep},\"id\":")),
        "{lines}"
    );
    let csv = desk
        .run(&["export", "--format", "csv", "-o", "-"])
        .expect(0);
    assert!(csv.stdout.contains("This is a simulated answer"), "{csv:?}");
    desk.run(&["verify"]).expect(0);
}

#[test]
fn the_same_fault_of_a_complete_answer_twice_in_a_row_fails_the_job_and_keeps_the_answer() {
    for (case, stream, kept) in [
        ("odd-trailing-text", "never", "This is a simulated answer"),
        ("truncated-json", "never", "\"type\":\"message\""),
        ("stream-stray", "always", "\"type\":\"message\""),
    ] {
        let desk = Desk::new();
        run_one(&desk, case, stream, 3);
        let attempts = desk.attempts();
        assert_eq!(attempts.len(), 2, "{case}: {attempts:?}");
        assert_eq!(attempts[1]["error_class"], "bad_response", "{case}");
        assert_eq!(attempts[0]["message"], attempts[1]["message"]);
        let result = desk.results().remove(0);
        assert_eq!(result["run"]["error_class"], "bad_response");
        let raw = result["result"]["error"]["raw_body"].as_str().unwrap();
        assert!(raw.contains(kept), "{case}: {raw}");
    }
}

#[test]
fn another_fault_in_between_or_a_good_answer_ends_the_row() {
    let desk = Desk::new();
    run_one(
        &desk,
        "truncated-json, odd-trailing-text, 500, truncated-json, ok",
        "never",
        0,
    );
    assert_eq!(desk.attempts().len(), 5);
}

#[test]
fn pages_and_empty_bodies_may_heal_and_are_tried_on() {
    for case in ["html-200*4, ok", "empty-200*4, ok"] {
        let desk = Desk::new();
        run_one(&desk, case, "never", 0);
        assert_eq!(desk.attempts().len(), 5, "{case}");
    }
}

/// A desk that logs what was sent.
fn logging() -> Desk {
    Desk::with(SimulatorSettings {
        log_bodies: true,
        ..SimulatorSettings::default()
    })
}

fn containers(desk: &Desk) -> Vec<Value> {
    let log = desk.simulator.log().into_iter();
    log.filter_map(|request| request.body)
        .map(|body| serde_json::from_str::<Value>(&body).unwrap()["container"].take())
        .collect()
}

#[test]
fn a_paused_turn_goes_on_in_its_container() {
    for stream in ["never", "always"] {
        let desk = logging();
        run_one(&desk, "pause-turn-container, ok", stream, 0);
        let sent = containers(&desk);
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], Value::Null);
        assert!(
            sent[1].as_str().unwrap().starts_with("container_01"),
            "{sent:?}"
        );
        let message = desk.results().remove(0)["result"]["message"].take();
        assert_eq!(message["stop_reason"], "end_turn");
        assert_eq!(message["content"][1]["name"], "code_execution");
    }
}

#[test]
fn a_paused_turn_keeps_the_skills_of_its_container() {
    let desk = logging();
    let params = json!({"model": MODEL, "max_tokens": 100, "container": {"skills": [{"skill_id": "x"}]},
        "messages": [{"role": "user", "content": "[[sim: pause-turn-container, ok]]"}]});
    desk.write(
        "jobs.jsonl",
        json!({"custom_id": "a", "params": params}).to_string(),
    );
    desk.run(&[&["submit", "jobs.jsonl"], &FAST[..]].concat())
        .expect(0);
    let sent = containers(&desk);
    assert_eq!(sent[1]["skills"], json!([{"skill_id": "x"}]));
    assert!(sent[1]["id"].as_str().unwrap().starts_with("container_01"));
}

#[test]
fn a_turn_that_cannot_go_on_keeps_the_parts_before_and_tells_all_they_cost() {
    for script in ["pause-turn*2, 400", "pause-turn*2, 529*9"] {
        let desk = Desk::new();
        run_one(&desk, script, "never", 0);
        let result = desk.results().remove(0);
        assert_eq!(result["run"]["error_class"], "paused", "{script}");
        let message = &result["result"]["message"];
        assert_eq!(message["stop_reason"], "pause_turn");
        let content = message["content"].as_array().unwrap();
        let pauses = content.iter().filter(|b| b["type"] == "server_tool_use");
        assert_eq!(pauses.count(), 2, "{script}: {message}");
        let report = desk.report();
        assert_eq!(report["cost_usd"]["total"], result["run"]["cost_usd"]);
        assert_eq!(report["cost_usd"]["wasted_on_retries"], "0.00");
        assert_eq!(report["jobs"]["succeeded"], 1);
        desk.run(&["verify"]).expect(0);
    }
}

#[test]
fn a_turn_that_is_refused_in_the_end_is_refused_with_all_its_parts() {
    let desk = Desk::new();
    run_one(&desk, "pause-turn, refusal-with-output", "never", 3);
    let result = desk.results().remove(0);
    assert_eq!(result["result"]["type"], "errored");
    assert_eq!(result["run"]["error_class"], "refused");
    let content = result["result"]["message"]["content"].as_array().unwrap();
    assert_eq!(content.len(), 3, "{content:?}");
    assert_eq!(content[1]["type"], "server_tool_use");
}

/// An endpoint that answers each request as soon as it has read some of it, and then reads no more.
/// With bytes unread, closing is a reset.
fn hasty(answer: String, closes: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let _ = socket.read_exact(&mut [0; 1000]);
            let _ = socket.write_all(answer.as_bytes());
            held.push(socket);
            if closes {
                held.clear();
            }
        }
    });
    address
}

#[test]
fn an_answer_before_the_body_was_read_is_read_and_not_maybe_billed() {
    let message = "Request exceeds the maximum size";
    let body = format!(
        r#"{{"type":"error","error":{{"type":"request_too_large","message":"{message}"}}}}"#
    );
    let length = body.len();
    let head = format!("HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: {length}");
    let answer = format!("{head}\r\n\r\n{body}");
    for closes in [false, true] {
        let mut desk = Desk::new();
        desk.set("ANTHROPIC_BASE_URL", &hasty(answer.clone(), closes));
        desk.write("jobs.jsonl", jobs(["x".repeat(20 << 20)]));
        let submit = [&["submit", "jobs.jsonl"], &FAST[..]].concat();
        let ended = desk.run(&submit);
        let attempts = desk.attempts();
        let billed = attempts
            .iter()
            .any(|attempt| attempt["maybe_billed"] == true);
        assert!(!billed, "{attempts:?}");
        // A reset may overtake the answer; then it is a cut, of a request that had not left.
        let last = attempts.last().unwrap();
        if closes && last["error_class"] == "connection_cut" {
            continue;
        }
        ended.expect(3);
        assert_eq!(last["error_class"], "request_too_large", "{attempts:?}");
        assert_eq!(last["message"], message);
        assert!(closes || attempts.len() == 1, "{attempts:?}");
    }
}
