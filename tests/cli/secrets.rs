//! A key is used, and never shown or kept.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::harness::{Desk, Output, files_in, jobs, stuck_jobs};

pub(crate) const KEY: &str = "sk-ant-api03-PLANTED0123456789abcdefghijklmnopqrstuvwxyz-AA";
pub(crate) const TOKEN: &str = "sk-ant-oat01-PLANTED9876543210zyxwvutsrqponmlkjihgfedcba-AA";
/// What all of them have in common.
pub(crate) const MARK: &str = "PLANTED";

pub(crate) fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.set("ANTHROPIC_API_KEY", KEY);
    desk.set("ANTHROPIC_AUTH_TOKEN", TOKEN);
    desk.set("ANTHROPIC_CUSTOM_HEADERS", "X-Gate: PLANTED-header");
    desk
}

#[track_caller]
pub(crate) fn assert_clean(output: &Output) {
    assert!(!output.stdout.contains(MARK), "{output}");
    assert!(!output.stderr.contains(MARK), "{output}");
}

/// Asserts that no file of the desk holds a secret: store, its log, events, exports, output.
#[track_caller]
pub(crate) fn assert_no_trace(desk: &Desk) {
    for (name, bytes) in files_in(&desk.path("")) {
        let found = bytes
            .windows(MARK.len())
            .any(|window| window == MARK.as_bytes());
        assert!(!found, "{name} holds a secret");
    }
}

#[test]
fn no_command_shows_or_keeps_a_key() {
    let desk = desk();
    desk.write(
        "jobs.jsonl",
        jobs([
            "Hello",
            "[[sim: 500, ok]]",
            "[[sim: 400]]",
            "[[sim: reset, ok]]",
        ]),
    );
    let flags = ["--events", "events.jsonl", "--retry-scale", "0.001", "-vvv"];
    assert_clean(
        &desk
            .run(&[&["submit", "jobs.jsonl"], &flags[..]].concat())
            .expect(3),
    );
    for args in [
        &["status"][..],
        &["status", "--json", "-vv"],
        &["attempts", "-vvv"],
        &["attempts", "--json"],
        &["report", "-vv"],
        &["report", "--format", "json"],
        &["export", "-o", "out.jsonl", "-vv"],
        &["export", "-o", "-"],
        &["config"],
        &["config", "--json", "-vvv"],
        &["check", "jobs.jsonl"],
        &["retry", "-vv"],
        &["resume", "-vvv"],
        &["cancel"],
    ] {
        assert_clean(&desk.run(args));
    }
    assert_no_trace(&desk);
}

#[test]
fn a_store_at_work_holds_no_key_in_its_log_either() {
    let desk = desk();
    desk.write("jobs.jsonl", stuck_jobs(3));
    let process = desk.spawn(&["submit", "jobs.jsonl", "-vvv", "--events", "events.jsonl"]);
    desk.wait_for_open(3);
    assert!(desk.path("claude-run.db-wal").exists());
    assert_no_trace(&desk);
    assert_clean(&process.kill());
    assert_no_trace(&desk);
}

#[test]
fn a_refused_key_is_not_echoed() {
    let desk = desk();
    desk.write("jobs.jsonl", jobs(["[[sim: 401]]"]));
    assert_clean(&desk.run(&["submit", "jobs.jsonl", "-vvv"]).expect(4));
    assert_clean(&desk.run(&["status", "latest"]).expect(0));
    assert_no_trace(&desk);
}

/// An endpoint that says the request's credentials back, as some gateways do.
fn start_parrot() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 65_536];
            let _ = stream.read(&mut request);
            let message = format!("invalid x-api-key: {KEY} or bearer {TOKEN}");
            let body = serde_json::json!({"type": "error", "error": {"type": "authentication_error", "message": message}});
            let body = body.to_string();
            let _ = write!(
                stream,
                "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

#[test]
fn an_endpoint_that_says_the_key_back_does_not_get_it_stored() {
    let mut desk = desk();
    desk.set("ANTHROPIC_BASE_URL", &start_parrot());
    desk.write("jobs.jsonl", jobs(["Hello"]));
    let flags = ["--events", "events.jsonl", "-vvv"];
    assert_clean(
        &desk
            .run(&[&["submit", "jobs.jsonl"], &flags[..]].concat())
            .expect(4),
    );
    for args in [
        &["attempts", "--json"][..],
        &["attempts"],
        &["status", "latest"],
        &["status", "--json"],
        &["report"],
    ] {
        assert_clean(&desk.run(args).expect(0));
    }
    assert_no_trace(&desk);
}

#[test]
fn a_password_in_the_address_is_neither_shown_nor_stored() {
    let mut desk = desk();
    let url = desk.simulator.base_url().replace("//", "//me:PLANTED@");
    desk.write("jobs.jsonl", jobs(["Hello"]));
    assert_clean(&desk.run(&["submit", "jobs.jsonl", "--base-url", &url, "-vvv"]));
    desk.set("ANTHROPIC_BASE_URL", &url);
    assert_clean(&desk.run(&["submit", "jobs.jsonl", "-vvv"]));
    assert_clean(&desk.run(&["config"]));
    desk.set("HTTPS_PROXY", "http://me:PLANTED@127.0.0.1:9");
    assert_clean(&desk.run(&["config", "--json"]).expect(0));
    assert_no_trace(&desk);
}

#[test]
fn a_key_in_the_config_file_is_refused_without_being_repeated() {
    let desk = desk();
    desk.write("jobs.jsonl", jobs(["Hello"]));
    for text in [
        format!("[api]\nkey = \"{KEY}\"\n"),
        format!("api_key = \"{KEY}\"\n"),
        format!("[api]\napi_key = {KEY}\n"),
    ] {
        desk.write("claude-run.toml", text);
        let refused = desk.run(&["submit", "jobs.jsonl"]).expect(2);
        assert_clean(&refused.clear_error());
    }
    desk.write("claude-run.toml", "");
    assert_no_trace(&desk);
}

#[test]
fn a_key_that_no_header_can_carry_is_refused_without_being_repeated() {
    let mut desk = desk();
    desk.unset("ANTHROPIC_AUTH_TOKEN");
    desk.write("jobs.jsonl", jobs(["Hello"]));
    for key in [
        "sk-ant-PLANTED\nX-Evil: 1",
        "sk-ant-PLANTED-ä",
        "PLANTED\u{7}",
    ] {
        desk.set("ANTHROPIC_API_KEY", key);
        let refused = desk.run(&["submit", "jobs.jsonl", "-vvv"]).expect(2);
        assert_clean(&refused.clear_error());
    }
    desk.assert_no_run();
}
