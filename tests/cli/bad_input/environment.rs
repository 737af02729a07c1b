//! Environment variables.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::Told;
use crate::harness::{Desk, Output, plain_jobs};

#[test]
fn a_bad_variable_is_told_by_its_name_and_its_value_is_not_repeated() {
    let mut desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    let mut told = Told::at(&desk);
    let args = ["submit", "jobs.jsonl"];
    for (name, value) in [
        ("ANTHROPIC_API_KEY", ""),
        ("ANTHROPIC_API_KEY", "hidden key"),
        ("ANTHROPIC_API_KEY", "hidden\nkey"),
        ("ANTHROPIC_AUTH_TOKEN", "hidden\u{e4}"),
        ("ANTHROPIC_BASE_URL", "api.hidden.example"),
        ("ANTHROPIC_BASE_URL", "ftp://hidden"),
        ("ANTHROPIC_CUSTOM_HEADERS", "hidden"),
        ("ANTHROPIC_CUSTOM_HEADERS", "X-A: b\nX B: hidden"),
        ("ANTHROPIC_CUSTOM_HEADERS", "Content-Length: 7"),
        ("ANTHROPIC_CUSTOM_HEADERS", "X-A: hidden\u{e4}"),
        ("ANTHROPIC_WORKSPACE_ID", "hidden\u{e4}"),
        ("CLAUDE_RUN_STORE", "no/such/folder.db"),
    ] {
        let before = desk.variable(name);
        desk.set(name, value);
        let output = desk.run(&args);
        assert!(!output.stderr.contains("hidden"), "{output}");
        let code = if name == "CLAUDE_RUN_STORE" { 1 } else { 2 };
        told.case(&format!("{name}={value:?}"), &args, code, output);
        desk.unset(name);
        if let Some(before) = before {
            desk.set(name, &before);
        }
    }
    for name in [
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_CUSTOM_HEADERS",
    ] {
        let mut command = desk.command(&args);
        command.env(name, OsStr::from_bytes(b"\xFF\xFE"));
        let output = Output::of(&args, &command.output().unwrap());
        told.case(&format!("{name}='\\xFF\\xFE'"), &args, 2, output);
    }
    desk.assert_no_run();
    insta::assert_snapshot!(told.text());
}
