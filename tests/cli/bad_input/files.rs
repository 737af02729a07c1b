//! Input that cannot be used, and input that only looks odd.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::harness::{Desk, MODEL, jobs, plain_jobs};

const GOOD: &str = r#"{"prompt": "Hello", "model": "claude-haiku-4-5"}"#;

/// File content, and words that its refusal must hold.
#[allow(clippy::too_many_lines, reason = "a table, one case after the other")]
fn bad_files() -> Vec<(Vec<u8>, Vec<&'static str>)> {
    let text = |text: &str, words: &[&'static str]| (text.as_bytes().to_vec(), words.to_vec());
    let second = |line: &str, words: &[&'static str]| {
        let content = format!("{GOOD}\n{line}\n{GOOD}\n");
        (
            content.into_bytes(),
            [&["line 2", "column"], words].concat(),
        )
    };
    let long_id = format!(
        r#"{{"custom_id":"{}","prompt":"p","model":"m"}}"#,
        "x".repeat(257)
    );
    vec![
        text("", &["no job"]),
        text("\n\n  \n", &["no job"]),
        text("[\n", &["line 1", "JSON object", "array"]),
        text("custom_id,prompt\na,b\n", &["line 1", "JSON object"]),
        second("{", &["ends in the middle"]),
        second(r#"{"prompt":"p"},"#, &["comma"]),
        second(r#"{"prompt":"p"}{"prompt":"q"}"#, &["second object"]),
        second("{'prompt':'p'}", &["double quotes"]),
        second(r#"{"prompt":"p",}"#, &["trailing comma"]),
        second("{}", &["neither `params` nor `prompt`"]),
        second(r#"{"prompt":"p","params":{}}"#, &["not both"]),
        second(
            r#"{"prompt":"p","max_token":1}"#,
            &["`max_token`", "did you mean `max_tokens`"],
        ),
        second(
            r#"{"prompt":"p","row":17,"model":"m"}"#,
            &["unknown key `row`", "metadata"],
        ),
        second(
            r#"{"model":"m","messages":[]}"#,
            &["unknown key `messages`", "params"],
        ),
        second(r#"{"prompt":"p","prompt":"q"}"#, &["`prompt` stands twice"]),
        second(
            r#"{"custom_id":17,"prompt":"p"}"#,
            &["`custom_id` must be a string"],
        ),
        second(
            r#"{"custom_id":"","prompt":"p"}"#,
            &["`custom_id` is empty"],
        ),
        second(&long_id, &["256"]),
        second(
            r#"{"prompt":"p","model":"m","lane":"fast"}"#,
            &["`lane`", "batch"],
        ),
        second(
            r#"{"prompt":"p","model":"m","deadline":"soon"}"#,
            &["`deadline`", "6h"],
        ),
        second(r#"{"prompt":"","model":"m"}"#, &["`prompt` is empty"]),
        second(r#"{"prompt":"p"}"#, &["no model", "--model"]),
        second(r#"{"params":{"model":"m"}}"#, &["no `messages`"]),
        second(r#"{"params":[1]}"#, &["`params` must be an object"]),
        second(
            r#"{"prompt":"p","model":"m","max_tokens":"9"}"#,
            &["`max_tokens` must be a whole number"],
        ),
        second(
            r#"{"prompt":"p","model":"m","max_tokens":-1}"#,
            &["`max_tokens` must be a whole number"],
        ),
        text(
            "{\"custom_id\":\"a\",\"prompt\":\"p\",\"model\":\"m\"}\n\n{\"custom_id\":\"a\",\"prompt\":\"q\",\"model\":\"m\"}\n",
            &["line 3", "`a`", "line 1"],
        ),
        (
            b"{\"prompt\":\"\xE9\",\"model\":\"m\"}".to_vec(),
            vec!["line 1", "UTF-8"],
        ),
        (b"\x1F\x8B\x08\x00broken".to_vec(), vec!["gzip"]),
        (b"\x28\xB5\x2F\xFDbroken".to_vec(), vec!["zstd"]),
        (b"PK\x03\x04 and so on".to_vec(), vec!["zip"]),
        (b"\xFF\xFE{\x00}\x00".to_vec(), vec!["UTF-16"]),
    ]
}

#[test]
fn every_bad_file_is_explained_and_nothing_is_stored() {
    let desk = Desk::new();
    for (content, words) in bad_files() {
        desk.write("jobs.jsonl", &content);
        desk.run(&["submit", "jobs.jsonl"])
            .expect(2)
            .clear_error()
            .says(&words)
            .says(&["jobs.jsonl"]);
        let check = desk.run(&["check", "jobs.jsonl"]).expect(2);
        assert_eq!(check.stdout, "");
        check.clear_error().says(&words);
    }
    desk.assert_no_run();
    assert_eq!(desk.simulator.stats().requests, 0);
}

#[test]
fn the_first_twenty_bad_lines_are_shown_and_the_rest_is_counted() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", format!("{GOOD}\n{}", "[]\n".repeat(33)));
    let refused = desk.run(&["submit", "jobs.jsonl"]).expect(2);
    let shown = refused.stderr.matches("column 1").count();
    assert_eq!(shown, 20, "{refused}");
    refused.says(&["33 lines", "line 2,", "line 21,", "13 more"]);
    desk.assert_no_run();
}

#[test]
fn what_is_no_file_is_refused() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("folder")).unwrap();
    for file in ["missing.jsonl", "folder"] {
        for command in ["submit", "check"] {
            desk.run(&[command, file])
                .expect(2)
                .clear_error()
                .says(&[file]);
        }
    }
}

#[test]
fn skip_invalid_stores_the_good_lines_and_says_how_many_it_left_out() {
    let desk = Desk::new();
    let twice = r#"{"custom_id": "a", "prompt": "p", "model": "claude-haiku-4-5"}"#;
    let lines = [GOOD, "[]", twice, twice, "{", GOOD];
    desk.write("jobs.jsonl", lines.join("\n"));
    desk.run(&["submit", "jobs.jsonl", "--skip-invalid"])
        .expect(0)
        .says(&["left out 3 lines", "line 2", "line 4", "line 5"]);
    let results = desk.results();
    let ids: Vec<_> = results.iter().map(|line| &line["custom_id"]).collect();
    assert_eq!(ids, ["line-1", "a", "line-6"]);
    desk.write("jobs.jsonl", "[]\n{\n");
    desk.run(&["submit", "jobs.jsonl", "--skip-invalid"])
        .expect(2)
        .says(&["no job"]);
    assert_eq!(desk.status().len(), 1);
}

#[test]
fn check_reports_as_json_too() {
    let desk = Desk::new();
    desk.write("good.jsonl", plain_jobs(3));
    let good = desk.run(&["check", "good.jsonl", "--json"]).expect(0);
    let good: Value = serde_json::from_str(&good.stdout).unwrap();
    assert_eq!(good["jobs"], 3);
    assert_eq!(good["models"], json!({MODEL: 3}));
    assert_eq!(good["problems"], json!([]));
    desk.write("bad.jsonl", format!("{GOOD}\n[]\n"));
    let bad = desk.run(&["check", "bad.jsonl", "--json"]).expect(2);
    let bad: Value = serde_json::from_str(&bad.stdout).unwrap();
    assert_eq!(bad["invalid"], 1);
    assert_eq!(bad["problems"][0]["line"], 2);
    assert_eq!(bad["problems"][0]["column"], 1);
    assert!(bad["problems"][0]["reason"].is_string());
    desk.run(&["check", "good.jsonl"]).expect(0);
    assert!(!desk.path("claude-run.db").exists(), "check stores nothing");
    assert_eq!(desk.simulator.stats().requests, 0);
}

#[test]
fn packed_input_and_standard_input_are_read() {
    let plain = plain_jobs(3).into_bytes();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for (name, content) in [
        ("a.jsonl.gz", &gzip),
        ("a.jsonl.zst", &zstd),
        ("a.jsonl", &plain),
    ] {
        let desk = Desk::new();
        desk.write(name, content);
        desk.run(&["submit", name]).expect(0);
        assert_eq!(desk.results().len(), 3, "{name}");
        let desk = Desk::new();
        desk.run_with_input(&["submit", "-"], content).expect(0);
        assert_eq!(desk.results().len(), 3, "{name} as standard input");
        desk.run_with_input(&["check", "-"], content).expect(0);
    }
}

#[test]
fn a_packed_file_that_is_cut_is_refused() {
    let plain = plain_jobs(2_000).into_bytes();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for (name, content) in [("a.gz", gzip), ("a.zst", zstd)] {
        let desk = Desk::new();
        desk.write(name, &content[..content.len() / 2]);
        desk.run(&["submit", name]).expect(2).clear_error();
        desk.assert_no_run();
    }
}

#[test]
fn a_bom_crlf_blank_lines_and_a_missing_last_newline_are_fine() {
    let desk = Desk::new();
    let lines = plain_jobs(3).trim_end().replace('\n', "\r\n\r\n");
    desk.write("jobs.jsonl", format!("\u{FEFF}{lines}"));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    let lines: Vec<_> = desk
        .results()
        .iter()
        .map(|line| line["run"]["line"].clone())
        .collect();
    assert_eq!(lines, [1, 3, 5]);
}

#[test]
fn a_line_of_many_megabytes_is_fine_and_one_beyond_the_bound_is_not() {
    let desk = Desk::new();
    let of = |bytes: usize| jobs(["x".repeat(bytes)]);
    desk.write("large.jsonl", of(30 << 20));
    desk.run(&["submit", "large.jsonl", "--no-run"]).expect(0);
    desk.write("huge.jsonl", of(33 << 20));
    desk.run(&["submit", "huge.jsonl", "--no-run"])
        .expect(2)
        .says(&["line 1", "32 MB"]);
    assert_eq!(desk.status().len(), 1);
}
