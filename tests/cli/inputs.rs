//! What is said of an input: by `check` and by `submit` alike, all of it, and so that it helps.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStringExt;

use claude_run::simulator::SimulatorSettings;
use serde_json::Value;

use crate::harness::{Desk, Output, plain_jobs};

const FLAGS: [&str; 2] = ["--model", "claude-haiku-4-5"];

fn run(desk: &Desk, command: &str, file: &str) -> Output {
    desk.run(&[&[command, file], &FLAGS[..]].concat())
}

/// The bad lines that a message lists.
fn listed(output: &Output) -> Vec<String> {
    let lines = output.stderr.lines();
    lines
        .filter(|line| line.starts_with("  line ") || line.starts_with("  ... and"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn submit_and_check_list_the_same_problems_and_all_of_them() {
    let desk = Desk::new();
    let good = |id: &str| format!("{{\"custom_id\":\"{id}\",\"prompt\":\"p\"}}\n");
    let text = [
        good("a").as_str(),
        "{\n",
        good("b").as_str(),
        // Doubled with a line before the broken one, with one behind it, and once more.
        good("a").as_str(),
        good("b").as_str(),
        good("b").as_str(),
        "{\"custom_id\":\"c\",\"prompt\":7}\n",
        // The id of a line that is no job is free.
        good("c").as_str(),
    ]
    .concat();
    desk.write("jobs.jsonl", text);
    let (checked, submitted) = (
        run(&desk, "check", "jobs.jsonl"),
        run(&desk, "submit", "jobs.jsonl"),
    );
    let (checked, submitted) = (checked.expect(2), submitted.expect(2));
    let expected = ["line 2", "line 4", "line 5", "line 6", "line 7"];
    let found = listed(&checked);
    assert_eq!(found, listed(&submitted));
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found}");
    }
    desk.assert_no_run();
    let skipped = [
        &["submit", "jobs.jsonl", "--skip-invalid", "--no-run"],
        &FLAGS[..],
    ]
    .concat();
    let skipped = desk.run(&skipped).expect(0);
    assert_eq!(listed(&skipped), found);
    assert_eq!(desk.only_run()["jobs"]["total"], 3);
}

#[test]
fn check_lists_twenty_errors_and_twenty_warnings_then_counts_and_json_a_thousand() {
    let desk = Desk::new();
    let mut text = String::new();
    for n in 0..1_100 {
        writeln!(text, "{{\"prompt\":{n}}}").unwrap();
        writeln!(text, "{{\"params\":{{\"messages\":[1],\"stream\":true}}}}").unwrap();
    }
    desk.write("jobs.jsonl", text);
    let output = run(&desk, "check", "jobs.jsonl").expect(2);
    let errors = listed(&output);
    assert_eq!(errors.len(), 21, "{errors:?}");
    assert!(
        errors[20].contains("and 1,080 more") || errors[20].contains("and 1080 more"),
        "{}",
        errors[20]
    );
    let warnings = output
        .stderr
        .lines()
        .filter(|line| line.contains("`stream` is taken out"));
    let warnings: Vec<_> = warnings.collect();
    assert_eq!(warnings.len(), 21, "{warnings:?}");
    assert!(warnings[0].contains("line 2, column"), "{}", warnings[0]);
    assert!(warnings[20].contains("1,100 lines"), "{}", warnings[20]);
    let json = desk.run(&[&["check", "jobs.jsonl", "--json"], &FLAGS[..]].concat());
    let report: Value = serde_json::from_str(&json.expect(2).stdout).unwrap();
    for list in ["problems", "warnings"] {
        assert_eq!(report[list].as_array().unwrap().len(), 1_000, "{list}");
    }
    assert_eq!(
        (&report["invalid"], &report["notes"][0]["lines"]),
        (&1_100.into(), &1_100.into())
    );
    assert_eq!(report["warnings"][999]["line"], 2_000);
}

#[test]
fn null_at_the_top_level_of_a_line_is_left_out() {
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        concat!(
            r#"{"custom_id":null,"prompt":"p","params":null,"system":null,"model":null,"max_tokens":null,"temperature":null,"deadline":null,"lane":null,"metadata":null}"#,
            "\n",
            r#"{"params":{"messages":[{"role":"user","content":"q"}]},"prompt":null,"model":null}"#,
            "\n",
        ),
    );
    run(&desk, "submit", "jobs.jsonl").expect(0);
    let results = desk.results();
    assert_eq!(results[0]["custom_id"], "line-1");
    assert_eq!(results[1]["custom_id"], "line-2");
    desk.write(
        "none.jsonl",
        "{\"prompt\":null}\n{\"prompt\":\"p\",\"unknown\":null}\n",
    );
    run(&desk, "check", "none.jsonl")
        .expect(2)
        .says(&["neither `params` nor `prompt`", "unknown key `unknown`"]);
}

/// Files that people give by mistake, and the words that tell them what to do.
#[test]
fn a_file_of_another_kind_is_called_by_its_name() {
    let desk = Desk::new();
    let utf16 = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        plain_jobs(1).encode_utf16().flat_map(order).collect()
    };
    let mut packed = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    packed.window_log(28).unwrap();
    packed.long_distance_matching(true).unwrap();
    std::io::Write::write_all(&mut packed, plain_jobs(10).as_bytes()).unwrap();
    let long = packed.finish().unwrap();
    let array = format!("[{}]", "{\"prompt\":\"p\"},".repeat(2_400_000));
    let files: [(&str, Vec<u8>, &[&str]); 10] = [
        (
            "joined.jsonl",
            format!("{0}\u{feff}{0}", plain_jobs(1)).into_bytes(),
            &["line 2, column 1", "byte order mark", "joined"],
        ),
        (
            "le.jsonl",
            utf16(u16::to_le_bytes),
            &["UTF-16", "iconv -f UTF-16LE"],
        ),
        (
            "be.jsonl",
            utf16(u16::to_be_bytes),
            &["UTF-16", "iconv -f UTF-16BE"],
        ),
        (
            "long.jsonl.zst",
            long,
            &["zstd --long", "zstd -d --long=31"],
        ),
        (
            "call.jsonl",
            br#"{"requests":[{"custom_id":"a","params":{}}]}"#.to_vec(),
            &["one call of the Batches API", "jq -c '.requests[]'"],
        ),
        (
            "array.jsonl",
            array.into_bytes(),
            &["it is an array", "jq -c '.[]'"],
        ),
        (
            "jobs.xlsx",
            b"PK\x03\x04 and so on".to_vec(),
            &["is a spreadsheet", "one JSON object"],
        ),
        (
            "jobs.parquet",
            b"PAR1 and so on".to_vec(),
            &["is a Parquet file", "to_json"],
        ),
        (
            "jobs.csv",
            b"id,prompt\n1,\"Say yes\"\n".to_vec(),
            &["line 1", "what looks like CSV"],
        ),
        (
            "jobs.tsv",
            b"id\tthe prompt\n1\tSay yes\n".to_vec(),
            &["line 1", "what looks like CSV"],
        ),
    ];
    for (name, content, words) in files {
        desk.write(name, content);
        run(&desk, "submit", name)
            .expect(2)
            .clear_error()
            .says(words);
    }
    desk.assert_no_run();
}

#[test]
fn a_file_whose_name_is_no_utf8_is_read() {
    let desk = Desk::new();
    let name = std::ffi::OsString::from_vec(b"caf\xE9.jsonl".to_vec());
    std::fs::write(desk.path("").join(&name), plain_jobs(2)).unwrap();
    let output = desk.command(&["submit"]).arg(&name).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 2);
}

#[test]
fn a_store_s_path_is_taken_without_the_quotes_and_line_ends_around_it() {
    let mut desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl", "--store", "'mine.db'"])
        .expect(0);
    assert!(desk.path("mine.db").exists());
    for path in ["\"mine.db\"", "mine.db\r", " mine.db\r\n"] {
        desk.set("CLAUDE_RUN_STORE", path);
        assert_eq!(desk.status().len(), 1, "{path:?}");
    }
    desk.unset("CLAUDE_RUN_STORE");
    desk.write("claude-run.toml", "[store]\npath = \"'mine.db'\\r\"\n");
    assert_eq!(desk.status().len(), 1);
}

#[test]
fn base_url_and_headers_are_taken_without_the_quotes_and_line_ends_around_them() {
    let mut desk = Desk::with(SimulatorSettings {
        log_bodies: true,
        ..SimulatorSettings::default()
    });
    let url = desk.simulator.base_url();
    desk.write("jobs.jsonl", plain_jobs(1));
    for (url, headers) in [
        (format!("\"{url}\"\r"), "'x-team: blue'\r"),
        (
            format!(" '{url}/' \r\n"),
            "x-team: \"blue\"\r\nx-other: 1\r\n",
        ),
        (
            format!("\u{201c}{url}\u{201d}"),
            "\"x-team: blue\r\nx-other: 1\"",
        ),
    ] {
        desk.set("ANTHROPIC_BASE_URL", &url);
        desk.set("ANTHROPIC_CUSTOM_HEADERS", headers);
        desk.run(&["submit", "jobs.jsonl", "--new-run"]).expect(0);
        let seen = desk.simulator.log().pop().unwrap().headers.unwrap();
        assert_eq!(seen["x-team"], "blue", "{url:?} {headers:?}");
    }
    desk.set("ANTHROPIC_BASE_URL", "http://127.0.0.1:9");
    let flag = format!("'{url}'");
    desk.run(&["submit", "jobs.jsonl", "--new-run", "--base-url", &flag])
        .expect(0);
}

#[test]
fn a_store_that_is_a_folder_says_which_file_to_name() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("folder")).unwrap();
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl", "--store", "folder"])
        .expect(1)
        .clear_error()
        .says(&["it is a folder", "such as folder/claude-run.db"]);
}
