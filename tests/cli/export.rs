//! Exported results, as other programs read them.

use serde_json::{Value, json};

use crate::harness::{Desk, MODEL, assert_keys, jobs, json_lines};

/// One job of every end: succeeded, failed, refused, truncated, and succeeded after a retry.
const PROMPTS: [&str; 5] = [
    "[[sim: ok delay=300ms]]",
    "[[sim: 400]]",
    "[[sim: refusal-with-output]]",
    "[[sim: max-tokens-stop]]",
    "[[sim: 529, ok]]",
];

fn ended() -> Desk {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(PROMPTS));
    desk.run(&["submit", "jobs.jsonl", "--retry-scale", "0.001"])
        .expect(3);
    desk
}

#[test]
fn jsonl_is_in_input_order_and_the_same_in_a_file_and_on_standard_output() {
    let desk = ended();
    let exported = desk.run(&["export", "-o", "out.jsonl"]).expect(0);
    assert_eq!(exported.stdout, "");
    let text = desk.run(&["export", "-o", "-"]).expect(0).stdout;
    assert_eq!(desk.read("out.jsonl"), text);
    let lines = json_lines(&text);
    let ids: Vec<_> = lines.iter().map(|line| line["custom_id"].clone()).collect();
    assert_eq!(ids, ["job-1", "job-2", "job-3", "job-4", "job-5"]);
    for line in &lines {
        let keys: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys.len(), 3);
        assert_keys(
            &line["run"],
            "line attempts lane model error_class cost_usd latency_ms metadata",
        );
    }
    assert!(text.starts_with(r#"{"custom_id":"job-1","result":{"type":"succeeded","message":{"#));
}

#[test]
fn the_first_two_keys_are_a_message_batches_result_line() {
    let lines = ended().results();
    let message = &lines[0]["result"]["message"];
    assert_eq!(lines[0]["result"]["type"], "succeeded");
    assert_keys(message, "id type role model content stop_reason usage");
    let failed = &lines[1]["result"];
    assert_eq!(failed["type"], "errored");
    assert_eq!(failed["error"]["type"], "error");
    assert_eq!(failed["error"]["error"]["type"], "invalid_request_error");
    assert!(failed["error"]["error"]["message"].is_string());
    let request_id = failed["error"]["request_id"].as_str().unwrap();
    assert!(request_id.starts_with("req_"), "{request_id}");
    assert!(failed.get("message").is_none());
    assert_eq!(lines[4]["result"]["type"], "succeeded");
    assert_eq!(lines[4]["run"]["attempts"], 2);
}

#[test]
fn a_refusal_is_an_error_that_keeps_its_message() {
    let lines = ended().results();
    let refused = &lines[2];
    assert_eq!(refused["result"]["type"], "errored");
    assert_eq!(
        refused["result"]["error"]["error"]["type"],
        "invalid_request_error"
    );
    let message = &refused["result"]["message"];
    assert_eq!(message["stop_reason"], "refusal");
    assert!(!message["content"].as_array().unwrap().is_empty());
    assert_eq!(refused["run"]["error_class"], "refused");
    assert_ne!(refused["run"]["cost_usd"], "0.00", "what came was billed");
}

#[test]
fn a_truncated_answer_is_a_success_that_says_so() {
    let lines = ended().results();
    assert_eq!(lines[3]["result"]["type"], "succeeded");
    assert_eq!(lines[3]["result"]["message"]["stop_reason"], "max_tokens");
    assert_eq!(lines[3]["run"]["error_class"], "truncated");
    assert_eq!(lines[0]["run"]["error_class"], json!(null));
}

#[test]
fn only_chooses_among_the_ended_jobs() {
    let desk = ended();
    for (only, ids) in [
        ("succeeded", &["job-1", "job-4", "job-5"][..]),
        ("failed", &["job-2", "job-3"]),
        ("all", &["job-1", "job-2", "job-3", "job-4", "job-5"]),
    ] {
        let export = desk.run(&["export", "-o", "-", "--only", only]).expect(0);
        let found: Vec<Value> = export
            .json_lines()
            .iter()
            .map(|line| line["custom_id"].clone())
            .collect();
        assert_eq!(found, ids, "--only {only}");
    }
}

#[test]
fn what_has_not_ended_is_not_exported_and_cancelled_jobs_count_as_failed() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["one", "[[sim: 401]]", "[[sim: 401]]"]));
    desk.run(&["submit", "jobs.jsonl", "--concurrency", "1"])
        .expect(4);
    assert!(desk.results().len() < 3);
    desk.run(&["cancel"]).expect(0);
    let only = |which| {
        let export = desk.run(&["export", "-o", "-", "--only", which]).expect(0);
        export.json_lines()
    };
    let (failed, succeeded) = (only("failed"), only("succeeded"));
    assert_eq!(failed.len() + succeeded.len(), 3);
    assert!(!failed.is_empty());
    for line in failed {
        assert_eq!(line["result"], json!({"type": "canceled"}));
    }
}

#[test]
fn csv_has_the_contract_s_columns_and_one_row_a_job() {
    let desk = ended();
    let csv = ["export", "--format", "csv", "-o"];
    let text = desk.run(&[&csv[..], &["-"]].concat()).expect(0).stdout;
    desk.run(&[&csv[..], &["out.csv"]].concat()).expect(0);
    assert_eq!(desk.read("out.csv"), text);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head: Vec<_> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        head.join(","),
        "custom_id,status,error_class,text,stop_reason,model,lane,attempts,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cost_usd,latency_ms,line,error_message,metadata"
    );
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let of = |n: usize, column: &str| {
        let place = head.iter().position(|name| name == column).unwrap();
        rows[n][place].to_owned()
    };
    let all = |column: &str| (0..rows.len()).map(|n| of(n, column)).collect::<Vec<_>>();
    assert_eq!(
        all("custom_id"),
        ["job-1", "job-2", "job-3", "job-4", "job-5"]
    );
    assert_eq!(
        all("status"),
        ["succeeded", "failed", "failed", "succeeded", "succeeded"]
    );
    assert_eq!(
        all("error_class"),
        ["", "invalid_request", "refused", "truncated", ""]
    );
    assert_eq!(all("attempts"), ["1", "1", "1", "1", "2"]);
    assert!(all("lane").iter().all(|lane| lane == "live"));
    assert!(of(0, "model").starts_with(MODEL));
    let message = &desk.results()[0]["result"]["message"];
    assert_eq!(
        of(0, "text"),
        message["content"][0]["text"].as_str().unwrap()
    );
    assert_eq!(of(0, "stop_reason"), "end_turn");
    assert_eq!(
        of(0, "input_tokens"),
        message["usage"]["input_tokens"].to_string()
    );
    assert!(of(0, "latency_ms").parse::<u64>().unwrap() >= 300);
}

#[test]
fn an_export_that_fails_leaves_the_old_file_as_it_was() {
    let desk = ended();
    desk.write("out.jsonl", "old");
    desk.run(&["export", "no-such-run", "-o", "out.jsonl"])
        .expect(2);
    assert_eq!(desk.read("out.jsonl"), "old");
    desk.run(&["export", "-o", "no/such/folder/out.jsonl"])
        .expect(1)
        .clear_error();
    desk.run(&["export", "-o", "out.jsonl"]).expect(0);
    assert_eq!(json_lines(&desk.read("out.jsonl")).len(), 5);
    let beside = std::fs::read_dir(desk.path("")).unwrap();
    let left: Vec<_> = beside
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("out") && name != "out.jsonl")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn export_and_report_end_well_whatever_the_jobs_ends() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: 401]]"]));
    desk.run(&["submit", "jobs.jsonl"]).expect(4);
    let export = desk.run(&["export", "-o", "-"]).expect(0);
    assert_eq!(export.stdout, "");
    desk.run(&["report"]).expect(0);
}

#[test]
fn a_table_for_a_spreadsheet_has_its_mark_and_no_formula() {
    let desk = Desk::new();
    let line = json!({"custom_id": "=cmd|' /C calc'!A0", "model": MODEL, "prompt": "[[sim: 400]]", "metadata": {"row": 7}});
    desk.write("jobs.jsonl", format!("{line}\n"));
    desk.run(&["submit", "jobs.jsonl"]).expect(3);
    let args = [
        "export",
        "-o",
        "out.csv",
        "--format",
        "csv",
        "--csv-safe",
        "--csv-bom",
    ];
    desk.run(&args).expect(0);
    let table = desk.read("out.csv");
    let rows = table.strip_prefix('\u{feff}').unwrap();
    let mut reader = csv::Reader::from_reader(rows.as_bytes());
    let row = reader.records().next().unwrap().unwrap();
    assert_eq!(&row[0], "'=cmd|' /C calc'!A0");
    assert_eq!((&row[14], &row[16]), ("1", r#"{"row":7}"#));
    assert!(!row[15].is_empty(), "why it failed");
    for flag in ["--csv-safe", "--csv-bom"] {
        desk.run(&["export", "-o", "out.jsonl", flag])
            .expect(2)
            .clear_error()
            .says(&["--format csv"]);
    }
}
