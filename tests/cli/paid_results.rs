//! What a batch was billed for is fetched, however long it takes, and never bought again by itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use claude_run::simulator::{BatchSettings, ShortAs, SimulatorSettings, ToldCounts};
use serde_json::json;

use crate::harness::{Desk, jobs, plain_jobs, wait_until};

/// All waits are short: hours become a few tenths of a second.
const FAST: [&str; 4] = ["--lane", "batch", "--retry-scale", "0.00001"];

fn desk(batches: BatchSettings) -> Desk {
    let desk = Desk::with(SimulatorSettings {
        batches,
        ..SimulatorSettings::default()
    });
    desk.write("jobs.jsonl", plain_jobs(30));
    desk
}

fn created(desk: &Desk) -> u64 {
    desk.simulator.stats().batches_created
}

fn submit(desk: &Desk) -> crate::harness::Output {
    desk.run(&[&["submit", "jobs.jsonl"], &FAST[..]].concat())
}

const ALL: [ShortAs; 5] = [
    ShortAs::Empty,
    ShortAs::Part,
    ShortAs::Missing,
    ShortAs::Page,
    ShortAs::HalfLine,
];

#[test]
fn an_ended_batch_whose_results_come_late_is_bought_once() {
    for (short_as, told_counts) in ALL
        .map(|short_as| (short_as, ToldCounts::True))
        .into_iter()
        .chain([(ShortAs::Empty, ToldCounts::Zero)])
    {
        let desk = desk(BatchSettings {
            short_downloads: 3,
            short_as,
            told_counts,
            ..BatchSettings::default()
        });
        submit(&desk).expect(0).says(&[
            "the results of batch msgbatch_",
            "they are downloaded again, which costs nothing",
        ]);
        assert_eq!(created(&desk), 1, "{short_as:?}");
        assert_eq!(desk.attempts().len(), 30, "{short_as:?}");
        desk.run(&["verify"]).expect(0);
    }
}

#[test]
fn an_ended_batch_whose_results_never_come_halts_the_run_and_only_forget_buys_again() {
    // The others bring other lines with each download, so that all come in the end.
    for short_as in [ShortAs::Empty, ShortAs::Missing, ShortAs::Page] {
        let desk = desk(BatchSettings {
            short_downloads: u32::MAX,
            short_as,
            ..BatchSettings::default()
        });
        let halted = submit(&desk).expect(4).says(&[
            "result_missing",
            "Nothing is bought again by itself",
            "`claude-run resume` asks again",
            "claude-run batches forget msgbatch_",
        ]);
        assert!(!halted.stderr.contains("panicked"), "{}", halted.stderr);
        let run = desk.only_run();
        assert_eq!(run["halt"]["class"], "result_missing");
        assert!(run["jobs"]["in_batch"].as_u64().unwrap() >= 1);
        let batch = &desk.run(&["batches", "--json"]).expect(0).json_lines()[0];
        assert_eq!(batch["state"], "ended");
        assert!(batch["results_short_since"].is_string(), "{batch}");
        for line in [&["batches"][..], &["status", "latest"]] {
            let shown = desk.run(line).expect(0).stdout;
            assert!(shown.contains("of its results have not come"), "{shown}");
        }
        desk.run(&["resume", "--retry-scale", "0.00001"]).expect(4);
        assert_eq!(created(&desk), 1, "{short_as:?}");
        assert_eq!(desk.report()["jobs"]["pending"], 0, "{short_as:?}");

        let id = batch["remote_id"].as_str().unwrap();
        desk.run(&["batches", "forget", id])
            .expect(0)
            .says(&["went back to the queue", "may be billed"]);
        desk.run(&["resume", "--retry-scale", "0.00001"]).expect(4);
        assert_eq!(created(&desk), 2, "{short_as:?}");
    }
}

#[test]
fn results_that_come_after_a_kill_are_recorded_for_nothing() {
    let desk = desk(BatchSettings {
        short_downloads: 4,
        ..BatchSettings::default()
    });
    let slow = [
        "submit",
        "jobs.jsonl",
        "--lane",
        "batch",
        "--retry-scale",
        "0.01",
    ];
    let process = desk.spawn(&slow);
    process.wait_for("they are downloaded again");
    process.kill();
    desk.run(&["resume", "--retry-scale", "0.01"]).expect(0);
    assert_eq!(created(&desk), 1);
    assert_eq!(desk.attempts().len(), 30);
}

#[test]
fn of_two_lines_for_one_request_the_answer_counts() {
    let desk = Desk::new();
    let twice = (0..25).map(|_| "[[sim: item-contradicted]]");
    desk.write("jobs.jsonl", jobs(twice));
    submit(&desk).expect(0);
    assert_eq!((created(&desk), desk.attempts().len()), (1, 25));
}

#[test]
fn an_answer_whose_line_stays_unreadable_fails_its_job_and_is_not_bought_again() {
    let desk = Desk::new();
    let mut prompts = vec!["a good one"; 24];
    prompts.push("[[sim: item-unreadable]]");
    desk.write("jobs.jsonl", jobs(prompts));
    desk.write("claude-run.toml", "[batch]\nshort_for = \"10m\"\n");
    submit(&desk).expect(3).says(&["bad_response"]);
    assert_eq!((created(&desk), desk.attempts().len()), (1, 25));
}

/// Somebody cancels the only batch, in the Console.
fn cancel_elsewhere(desk: &Desk) {
    let base = desk.simulator.base_url();
    let address = base.strip_prefix("http://").unwrap();
    let ask = |method: &str, path: &str| {
        let mut socket = TcpStream::connect(address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: sk-ant-other\r\nanthropic-version: 2023-06-01\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    };
    let listed = ask("GET", "/v1/messages/batches");
    let at = listed.find("msgbatch_").unwrap();
    let id: String = listed[at..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    ask("POST", &format!("/v1/messages/batches/{id}/cancel"));
}

#[test]
fn a_batch_cancelled_by_somebody_else_ends_its_jobs_as_canceled_and_says_how_to_put_them_back() {
    let desk = desk(BatchSettings {
        takes: Duration::from_hours(20),
        cancel_takes: Duration::ZERO,
        ..BatchSettings::default()
    });
    let mut process = desk.spawn(&[
        "submit",
        "jobs.jsonl",
        "--lane",
        "batch",
        "--retry-scale",
        "0.001",
    ]);
    wait_until("a batch", || created(&desk) == 1);
    process.wait_for("created with 30 requests");
    cancel_elsewhere(&desk);
    process.wait().expect(3).says(&[
        "somebody else cancelled it, so 30 jobs ended cancelled",
        "`claude-run retry --class canceled` puts them back",
    ]);
    assert_eq!(created(&desk), 1);
    let exported = desk.results();
    assert!(
        exported
            .iter()
            .all(|line| line["result"] == json!({"type": "canceled"}))
    );

    desk.run(&["retry", "--class", "canceled"]).expect(0);
    assert_eq!(desk.only_run()["jobs"]["pending"], 30);
    let mut process = desk.spawn(&["resume", "--retry-scale", "0.001"]);
    wait_until("another batch", || created(&desk) == 2);
    process.signal(rustix::process::Signal::TERM);
    process.wait().expect(130);
}
