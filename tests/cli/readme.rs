//! What the README and the other pages show is what the program says.
//!
//! Each message that a test can bring about is brought about, and its words are compared: but for ids,
//! times, amounts and counts, and for how wide a table's columns are.

use serde_json::json;

use crate::harness::{Desk, MODEL, Output, jobs};

const README: &str = include_str!("../../README.md");
const PAGES: [(&str, &str); 6] = [
    ("README.md", README),
    ("CONTRIBUTING.md", include_str!("../../CONTRIBUTING.md")),
    (
        "docs/architecture.md",
        include_str!("../../docs/architecture.md"),
    ),
    (
        "docs/durability.md",
        include_str!("../../docs/durability.md"),
    ),
    ("docs/errors.md", include_str!("../../docs/errors.md")),
    (
        "docs/performance.md",
        include_str!("../../docs/performance.md"),
    ),
];

/// The lines of the block that begins with this text.
fn block(beginning: &str) -> Vec<&'static str> {
    let lines: Vec<_> = README.lines().collect();
    let is_first = |line: &&str| line.trim_start().starts_with(beginning);
    let first = lines.iter().position(is_first).unwrap_or_else(|| {
        panic!("the README has no block that begins with `{beginning}`");
    });
    let block = lines[first..]
        .iter()
        .take_while(|line| line.starts_with("    ") || line.is_empty());
    block.copied().filter(|line| !line.is_empty()).collect()
}

/// The words of a line. Where numbers stand, and what is made of them, is one and the same.
fn words(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let word = if word.starts_with("req_") {
            "req_0"
        } else {
            word
        };
        let id = word.trim_end_matches([':', '.', ',']);
        if id.len() == 36 && id.matches('-').count() == 4 {
            return format!("ID{}", &word[id.len()..]);
        }
        let mut shape = String::new();
        for c in word.chars() {
            // An id, an amount, a count with its commas.
            let is_number = c.is_ascii_digit();
            match shape.chars().last() {
                Some('0') if is_number || matches!(c, '.' | ',') => {}
                _ => shape.push(if is_number { '0' } else { c }),
            }
        }
        shape
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Every line that is shown is one that was said.
fn assert_said(shown: &[&str], said: &str) {
    let said: Vec<_> = said.lines().map(words).collect();
    for line in shown {
        let line = words(line);
        assert!(
            said.contains(&line),
            "the README shows\n  {line}\nand said was\n{said:#?}"
        );
    }
}

fn both(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

#[test]
fn every_command_that_a_page_shows_is_one() {
    let desk = Desk::new();
    let mut tried = 0;
    for (page, text) in PAGES {
        let blocks = text.lines().filter_map(|line| line.strip_prefix("    "));
        let quoted = text.split('`').skip(1).step_by(2);
        for line in blocks.chain(quoted) {
            let line = line.split('#').next().unwrap_or_default().trim();
            let Some(args) = line.strip_prefix("claude-run ") else {
                continue;
            };
            let is_whole = !args.contains(['|', '…', '<', '>', '[']) && !args.contains("...");
            let begins_well = args.starts_with(|c: char| c.is_ascii_lowercase());
            if !is_whole || !begins_well {
                continue;
            }
            let args: Vec<_> = args.split(' ').filter(|arg| !arg.is_empty()).collect();
            // A flag that is spoken of without its value, or a word that is no command line.
            let is_placeholder = |arg: &&str| {
                arg.len() > 1 && arg.chars().all(|c| c.is_ascii_uppercase() || c == '-')
            };
            let is_template = args.iter().any(is_placeholder);
            if is_template || args.last().is_some_and(|last| takes_value(last)) {
                continue;
            }
            let output = desk.run(&[&args[..], &["--help"]].concat());
            assert_eq!(output.code, Some(0), "{page}: `{line}`: {}", output.stderr);
            tried += 1;
        }
    }
    assert!(tried > 60, "only {tried} commands were found");
}

fn takes_value(flag: &str) -> bool {
    [
        "--store",
        "--batch",
        "--budget-usd",
        "--base-url",
        "--bundle",
        "--job",
        "--class",
        "--model",
    ]
    .contains(&flag)
}

#[test]
fn the_first_run_says_what_the_readme_shows() {
    let mut desk = Desk::new();
    desk.unset("ANTHROPIC_API_KEY");
    desk.unset("ANTHROPIC_BASE_URL");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    std::os::unix::fs::symlink(root, desk.path("examples")).unwrap();
    let output = desk.run(&["submit", "examples/prompts.jsonl", "--simulate"]);
    let shown = block("note: 200 jobs stored as run");
    // Whether something may have been billed is the dice's; that line has a test of its own.
    let (by_chance, shown): (Vec<_>, Vec<_>) = shown
        .into_iter()
        .partition(|line| line.contains("not counted"));
    assert_said(&shown, &both(&output));
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: 504, ok]]"]));
    let output = desk.run(&["submit", "jobs.jsonl", "--retry-scale", "0"]);
    assert_said(&by_chance, &both(&output.expect(0)));
}

#[test]
fn bad_lines_are_told_as_the_readme_shows() {
    let desk = Desk::new();
    let lines = [
        r#"{"custom_id": "a-1", "prompt": "x"}"#,
        r#"{"custom_id": "a-1", "prompt": "x"}"#,
        r#"{"custom_id": "a-3", "promt": "x"}"#,
        r#"{"custom_id": "a-4", "messages": []}"#,
        r#"{"custom_id": "a-5", "prompt": "Hell"#,
        r#"{"custom_id": "a-6", "prompt": "x", "max_tokens": "10"}"#,
        r#"{"custom_id": "a-7"}"#,
    ];
    desk.write("bad.jsonl", lines.join("\n"));
    let output = desk.run(&["submit", "bad.jsonl", "--model", "claude-haiku-5-5"]);
    let shown = block("error: bad.jsonl: 6 lines are invalid:");
    let said = output.expect(2).stderr;
    for line in shown {
        // Here the numbers are what it is about.
        assert!(said.contains(line.trim()), "{line}\n{said}");
    }
}

#[test]
fn doctor_says_what_the_readme_shows() {
    let mut desk = Desk::new();
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    desk.set("ANTHROPIC_BASE_URL", &format!("http://127.0.0.1:{port}/v1"));
    desk.set(
        "ANTHROPIC_API_KEY",
        "\"sk-ant-admin01-abcdefghijklmnopqrstuvwxyz\"",
    );
    let said = desk.run(&["doctor"]).expect(1).stdout;
    assert_said(&block("failed   credential"), &said);
}

#[test]
fn attempts_and_report_say_what_the_readme_shows() {
    let desk = Desk::new();
    let mut file = jobs([
        "Hello",
        "[[sim: 529*2, ok]]",
        "Hello",
        "[[sim: refusal-with-output]]",
    ]);
    file += &json!({"custom_id": "job-5", "prompt": "[[sim: prompt-too-long]]", "model": "claude-sonnet-5-5"}).to_string();
    desk.write("jobs.jsonl", file.replace(MODEL, "claude-haiku-5-5"));
    desk.run(&["submit", "jobs.jsonl", "--retry-scale", "0.01"])
        .expect(3);
    let attempts = desk.run(&["attempts"]).expect(0).stdout;
    let shown = block("LINE  JOB");
    assert!(
        attempts.lines().all(|line| line.chars().count() <= 80),
        "{attempts}"
    );
    // The README's job has another name.
    let shown: Vec<_> = shown
        .iter()
        .map(|line| line.replace("a-2", "job-2"))
        .collect();
    assert_said(
        &shown.iter().map(String::as_str).collect::<Vec<_>>(),
        &attempts,
    );
    let report = desk.run(&["report"]).expect(0).stdout;
    assert_said(&block("5 jobs"), &report);
}

#[test]
fn where_requests_go_is_said_as_the_readme_quotes_it() {
    assert!(README.contains("`requests go to HOST, from ORIGIN`"));
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["Hello"]));
    let url = desk.simulator.base_url();
    let host = url.trim_start_matches("http://");
    desk.run(&["submit", "jobs.jsonl", "--base-url", &url])
        .expect(0)
        .says(&[&format!("requests go to {host}, from flag --base-url")]);
}
