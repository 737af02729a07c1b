//! `claude-run explain` as the shell sees it: streams and exit codes.

#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs the binary in an empty folder, so that no config file of this one is read.
fn explain(args: &[&str], input: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_claude-run"))
        .arg("explain")
        .args(args)
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_STATE_HOME")
        .env_remove("CLAUDE_RUN_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read everything; what it says then is what counts.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_known_is_explained_on_standard_output() {
    let body = br"anthropic.InternalServerError: Error code: 529 - {'type': 'error', 'error': {'details': None, 'type': 'overloaded_error', 'message': 'Overloaded'}, 'request_id': 'req_011C'}";
    for (args, input) in [
        (&["529"][..], &b""[..]),
        (&["HTTP", "529"], b""),
        (&["overloaded_error"], b""),
        (&["-"], body),
    ] {
        let output = explain(args, input);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let out = text(&output.stdout);
        assert!(out.contains("\noverloaded\n"), "{args:?}: {out}");
        assert!(output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn json_comes_on_one_line() {
    let output = explain(&["429", "--json"], b"");
    let out = text(&output.stdout);
    assert_eq!(out.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(out).unwrap();
    assert_eq!(value["classes"][0]["class"], "rate_limited");
    assert!(value["classes"].as_array().unwrap().len() > 1);
}

#[test]
fn what_is_unknown_ends_with_code_2_and_an_empty_standard_output() {
    let long = vec![b' '; (1 << 20) + 1];
    for (args, input) in [
        (&["hello world"][..], &b""[..]),
        (&["-"], b"just words\n"),
        (&["-"], b""),
        (&["-"], &long),
        (&[], b""),
    ] {
        let output = explain(args, input);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(text(&output.stderr).contains("error: "), "{args:?}");
    }
}

#[test]
fn the_waits_are_those_of_the_settings_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    std::fs::write(&config, "[retry.dns]\nwaits = [\"7s\"]\n").unwrap();
    let config = config.to_str().unwrap();
    let output = explain(&["ENOTFOUND", "--config", config], b"");
    let out = text(&output.stdout);
    assert!(out.contains("after about 7s each time"), "{out}");
}
