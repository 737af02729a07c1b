//! Input lines and input files.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Told, shown};
use crate::harness::{Desk, plain_jobs};

/// Bad lines, told by `check` with line and column.
const LINES: [&str; 64] = [
    // Not one JSON object.
    "{",
    "[{\"prompt\":\"p\"}]",
    "\"text\"",
    "custom_id,prompt",
    "// a remark",
    "{\"prompt\":\"p\"},",
    "{\"prompt\":\"p\"}{\"prompt\":\"q\"}",
    "{\"prompt\":\"p\"} and so on",
    "{\n  \"prompt\": \"p\"\n}",
    // Broken JSON.
    "{'prompt':'p'}",
    "{prompt:\"p\"}",
    "{\"prompt\" \"p\"}",
    "{\"prompt\":\"p\" \"model\":\"m\"}",
    "{\"prompt\":\"p\",}",
    "{\"prompt\":\"p\",\"metadata\":{\"a\":1,}}",
    "{\"prompt\":\"p\",\"metadata\":[1,]}",
    "{\"prompt\":\"p\",\"metadata\":NaN}",
    "{\"prompt\":\"p\",\"metadata\":None}",
    "{\"prompt\":\"p\",\"metadata\":tru}",
    "{\"prompt\":\"a\tb\"}",
    "{\"prompt\":\"\\x\"}",
    "{\"custom_id\":\"\\ud800\",\"prompt\":\"p\"}",
    // What the grammar allows and no strict parser takes.
    "{\"prompt\":\"\\ud83d and no more\"}",
    "{\"prompt\":\"p\",\"metadata\":{\"\\udc00\":1}}",
    "{\"params\":{\"messages\":[1],\"tools\":[{\"input_schema\":{\"maximum\":1e400}}]}}",
    "{\"prompt\":\"p\",\"temperature\":1e400}",
    // Keys.
    "{}",
    "{\"prompt\":\"p\",\"params\":{}}",
    "{\"prompt\":\"p\",\"prompt\":\"q\"}",
    "{\"prompt\":\"p\",\"max_token\":1}",
    "{\"customId\":\"a\",\"prompt\":\"p\"}",
    "{\"id\":\"a\",\"prompt\":\"p\"}",
    "{\"text\":\"p\"}",
    "{\"prompt\":\"p\",\"row\":17}",
    "{\"model\":\"m\",\"messages\":[]}",
    "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/x\",\"body\":{}}",
    "{\"params\":{\"messages\":[1]},\"model\":\"m\"}",
    // Values.
    "{\"custom_id\":17,\"prompt\":\"p\"}",
    "{\"custom_id\":[],\"prompt\":\"p\"}",
    "{\"custom_id\":\"\",\"prompt\":\"p\"}",
    "{\"prompt\":7}",
    "{\"prompt\":[\"a\"]}",
    "{\"prompt\":\"\"}",
    "{\"prompt\":\"p\",\"system\":7}",
    "{\"prompt\":\"p\",\"model\":7}",
    "{\"prompt\":\"p\",\"model\":\" \"}",
    "{\"prompt\":\"p\",\"model\":\"claude haiku\"}",
    "{\"prompt\":\"p\",\"max_tokens\":\"9\"}",
    "{\"prompt\":\"p\",\"max_tokens\":-1}",
    "{\"prompt\":\"p\",\"max_tokens\":1.5}",
    "{\"prompt\":\"p\",\"max_tokens\":99999999999999999999}",
    "{\"prompt\":\"p\",\"temperature\":\"hot\"}",
    "{\"prompt\":\"p\",\"temperature\":-1}",
    "{\"prompt\":\"p\",\"deadline\":\"soon\"}",
    "{\"prompt\":\"p\",\"deadline\":6}",
    "{\"prompt\":\"p\",\"lane\":\"fast\"}",
    "{\"prompt\":\"p\",\"lane\":true}",
    "{\"params\":[1]}",
    "{\"params\":{}}",
    "{\"params\":{\"messages\":\"hi\"}}",
    "{\"params\":{\"messages\":[]}}",
    "{\"params\":{\"messages\":[1],\"max_tokens\":\"1\"}}",
    "{\"params\":{\"messages\":[1],\"stream\":true,\"stream\":false}}",
    "{\"custom_id\":\"a\",\"prompt\":\"p\"}\n\n{\"custom_id\":\"a\",\"prompt\":\"q\"}",
];

#[test]
fn a_bad_line_is_told_with_its_place() {
    let desk = Desk::new();
    let mut told = Told::at(&desk);
    let args = ["check", "jobs.jsonl", "--model", "claude-haiku-4-5"];
    for line in LINES {
        desk.write("jobs.jsonl", format!("{line}\n"));
        told.case(&shown(line.as_bytes()), &args, 2, desk.run(&args));
    }
    desk.write("jobs.jsonl", "{\"prompt\":\"p\"}\n");
    told.run(&desk, &["check", "jobs.jsonl"], 2);
    insta::assert_snapshot!(told.text());
}

/// Names of files, and bytes in them.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let plain = plain_jobs(1_000).into_bytes();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    let mut wrong_sum = gzip.clone();
    let sum = wrong_sum.len() - 6;
    wrong_sum[sum] ^= 1;
    let long_id = format!("{{\"custom_id\":\"{}\",\"prompt\":\"p\"}}", "x".repeat(257));
    vec![
        ("empty.jsonl", Vec::new()),
        ("blank.jsonl", b"\r\n\n  \n".to_vec()),
        ("nul.jsonl", vec![0; 12]),
        ("nul-inside.jsonl", b"{\"prompt\":\"a\0b\"}\n".to_vec()),
        ("latin1.jsonl", b"{\"prompt\":\"caf\xE9\"}\n".to_vec()),
        ("bom-crlf.jsonl", b"\xEF\xBB\xBF{\"prompt\":1}\r\n".to_vec()),
        ("utf16.jsonl", b"\xFF\xFE{\0}\0".to_vec()),
        (
            "old-mac.jsonl",
            b"{\"prompt\":\"p\"}\r{\"prompt\":\"q\"}\r".to_vec(),
        ),
        ("long-id.jsonl", long_id.into_bytes()),
        ("empty.jsonl.gz", Vec::new()),
        ("cut.jsonl.gz", gzip[..gzip.len() / 2].to_vec()),
        ("sum.jsonl.gz", wrong_sum),
        ("tail.jsonl.gz", [&gzip[..], b"tail"].concat()),
        ("cut.jsonl.zst", zstd[..zstd.len() / 2].to_vec()),
        ("broken.jsonl.zst", b"\x28\xB5\x2F\xFDbroken".to_vec()),
        ("jobs.zip", b"PK\x03\x04 and so on".to_vec()),
        ("jobs.xz", b"\xFD7zXZ\0 and so on".to_vec()),
        ("jobs.pdf", b"%PDF-1.7 and so on".to_vec()),
        ("jobs.db", b"SQLite format 3\0 and so on".to_vec()),
    ]
}

#[test]
fn a_bad_file_is_told_by_its_name() {
    let desk = Desk::new();
    let mut told = Told::at(&desk);
    for (name, content) in files() {
        desk.write(name, &content);
        told.run(&desk, &["submit", name, "--model", "claude-haiku-4-5"], 2);
    }
    std::fs::create_dir(desk.path("folder")).unwrap();
    for name in ["folder", "missing.jsonl", "no; such: file. jsonl", ""] {
        told.run(&desk, &["submit", name], 2);
    }
    desk.write("huge.jsonl", "x".repeat(33 << 20));
    told.run(&desk, &["check", "huge.jsonl"], 2);
    desk.assert_no_run();
    assert_eq!(desk.simulator.stats().requests, 0);
    insta::assert_snapshot!(told.text());
}

#[test]
fn standard_input_is_called_so() {
    let desk = Desk::new();
    let mut told = Told::at(&desk);
    for (args, input) in [
        (&["check", "-"][..], ""),
        (&["submit", "-"], "[]\n"),
        (&["submit", "-", "--skip-invalid"], "[]\n{\n"),
        (&["submit", "-", "--no-run"], "{\"prompt\":\"p\"}\n"),
        (&["explain", "-"], ""),
        (&["explain", "-"], "a story that is no error\n"),
    ] {
        let output = desk.run_with_input(args, input.as_bytes());
        told.case(&shown(input.as_bytes()), args, 2, output);
    }
    desk.assert_no_run();
    insta::assert_snapshot!(told.text());
}

/// What makes sums overflow or a reader recurse is read, or refused, but never brings us down.
#[test]
fn extreme_values_are_carried() {
    let desk = Desk::new();
    let most =
        "{\"prompt\":\"p\",\"model\":\"claude-haiku-4-5\",\"max_tokens\":18446744073709551615}\n";
    desk.write("jobs.jsonl", most.repeat(3));
    desk.run(&["check", "jobs.jsonl"]).expect(0);
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!("{{\"prompt\":\"p\",\"model\":\"claude-haiku-4-5\",\"metadata\":{open}{close}}}\n")
    };
    desk.write("deep.jsonl", deep(100_000));
    desk.run(&["submit", "deep.jsonl"])
        .expect(2)
        .says(&["nested more than 500 levels"]);
    let (deep, open) = (deep(499), "[".repeat(499));
    desk.write("deep.jsonl", deep);
    desk.run(&["submit", "deep.jsonl"]).expect(0);
    desk.run(&["export", "-o", "out.jsonl"]).expect(0);
    assert!(desk.read("out.jsonl").contains(&open));
    desk.run(&["export", "-o", "out.csv", "--format", "csv"])
        .expect(0);
    desk.run(&["verify"]).expect(0);
}
