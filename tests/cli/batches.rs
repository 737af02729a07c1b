//! Remote batches as a person sees them, and the two commands that set one right by hand.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use claude_run::model::{BatchState, Lane, RunId};
use claude_run::simulator::{BatchSettings, SimulatorSettings};
use claude_run::store::sqlite::SqliteStore;
use claude_run::store::{BatchStore, Fill, NewBatch, RouteRule, Store};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Desk, jobs, plain_jobs, wait_until};

/// A desk with a run of five jobs, all in a batch whose create call had no answer.
fn desk_in_doubt() -> (Desk, RunId) {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(5));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    let run: RunId = desk.only_run()["run_id"].as_str().unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(lose_a_create_call(&desk, run));
    (desk, run)
}

async fn lose_a_create_call(desk: &Desk, run: RunId) {
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let store = SqliteStore::open(&desk.path("claude-run.db")).unwrap();
    store.start_run(run, now, 20).await.unwrap();
    let rule = RouteRule {
        lane: Some(Lane::Batch),
        deadline: None,
        batch_from: now,
    };
    let routed = store.route(run, rule, 0).await.unwrap();
    assert_eq!(routed.to_batch, 5);
    let nonce = "k3x9z0".to_owned();
    let batch = store.begin_batch(NewBatch { run, nonce, now }).await;
    let batch = batch.unwrap();
    let fill = Fill {
        batch,
        max_requests: 100,
        max_bytes: 1_000_000,
        now,
        only: None,
    };
    while !store.fill_batch(fill.clone()).await.unwrap().complete {}
    for state in [
        BatchState::Ready,
        BatchState::Sending,
        BatchState::Uncertain,
    ] {
        store.move_batch(batch, state, now).await.unwrap();
    }
    store.leave_run(run, now, None).await.unwrap();
    store.close().await;
}

/// A server that answers one request with this batch; its address.
fn batches_server(status: &'static str, body: &Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let body = body.to_string();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let n = socket.read(&mut request).unwrap();
        assert!(request[..n].starts_with(b"GET /v1/messages/batches/msgbatch_1 "));
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
        socket
            .write_all(format!("{head}{body}").as_bytes())
            .unwrap();
    });
    address
}

fn remote(requests: u64) -> Value {
    json!({
        "id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress",
        "request_counts": {"processing": requests, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": "2026-11-22T12:00:01Z", "expires_at": "2026-11-23T12:00:01Z",
    })
}

fn only_batch(desk: &Desk) -> Value {
    let shown = desk.run(&["batches", "--json"]).expect(0).json_lines();
    assert_eq!(shown.len(), 1, "{shown:?}");
    shown[0].clone()
}

#[test]
fn a_batch_in_doubt_is_shown_adopted_and_given_up() {
    let (mut desk, run) = desk_in_doubt();
    let batch = only_batch(&desk);
    assert_eq!(batch["state"], "uncertain");
    assert_eq!(batch["run_id"], run.to_string());
    assert_eq!(
        (&batch["requests"], &batch["open_requests"]),
        (&json!(5), &json!(5))
    );
    for line in [&["batches"][..], &["status", "latest"]] {
        let shown = desk.run(line).expect(0).stdout;
        assert!(
            shown.contains("k3x9z0") && shown.contains("it may exist"),
            "{shown}"
        );
    }

    desk.set("ANTHROPIC_BASE_URL", &batches_server("200 OK", &remote(6)));
    desk.run(&["batches", "adopt", "msgbatch_1"])
        .expect(2)
        .says(&["not the one in doubt", "6 requests"]);
    let unknown = json!({"type": "error", "error": {"type": "not_found_error", "message": "Message Batch msgbatch_1 not found."}});
    desk.set(
        "ANTHROPIC_BASE_URL",
        &batches_server("404 Not Found", &unknown),
    );
    desk.run(&["batches", "adopt", "msgbatch_1"])
        .expect(2)
        .says(&["the API knows no batch msgbatch_1"]);
    assert_eq!(only_batch(&desk)["state"], "uncertain");

    desk.set("ANTHROPIC_BASE_URL", &batches_server("200 OK", &remote(5)));
    desk.run(&["batches", "adopt", "msgbatch_1"]).expect(0);
    let batch = only_batch(&desk);
    assert_eq!(
        (&batch["state"], &batch["remote_id"]),
        (&json!("open"), &json!("msgbatch_1"))
    );
    desk.run(&["batches", "adopt", "msgbatch_2"])
        .expect(2)
        .says(&["no batch is in doubt"]);

    desk.run(&["batches", "forget", "msgbatch_1"])
        .expect(0)
        .says(&["5 jobs went back to the queue"]);
    assert_eq!(only_batch(&desk)["state"], "lost");
    assert_eq!(desk.only_run()["jobs"]["pending"], 5);
    desk.run(&["batches", "forget", "msgbatch_1"])
        .expect(2)
        .says(&["there is no open batch `msgbatch_1`"]);
}

#[test]
fn a_run_without_batches_says_so() {
    let desk = Desk::new();
    desk.run(&["batches"]).expect(2).says(&["no run"]);
    desk.run(&["batches", "forget", "x"])
        .expect(2)
        .says(&["no run"]);
    desk.write("jobs.jsonl", plain_jobs(2));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    let shown = desk.run(&["batches"]).expect(0).says(&["has no batches"]);
    assert_eq!(shown.stdout, "");
    assert_eq!(desk.run(&["batches", "--json"]).expect(0).stdout, "");
}

#[test]
fn what_no_batch_takes_is_refused_with_its_line_where_batches_are_forced() {
    let desk = Desk::new();
    let fast = r#"{"params":{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"x"}],"speed":"fast"}}"#;
    desk.write("jobs.jsonl", format!("{}{fast}\n", plain_jobs(1)));
    for command in ["check", "submit"] {
        desk.run(&[command, "jobs.jsonl", "--lane", "batch"])
            .expect(2)
            .says(&["line 2", "the batch lane refuses `speed`"]);
    }
    desk.assert_no_run();
    desk.run(&["check", "jobs.jsonl", "--deadline", "48h"])
        .expect(0)
        .says(&["1 line: goes live at the live price", "`speed`"]);
    let quiet = desk.run(&["check", "jobs.jsonl"]).expect(0);
    assert!(!quiet.stderr.contains("speed"), "{}", quiet.stderr);
}

#[test]
fn what_a_batch_answered_by_halves_is_gone_on_with_live() {
    let desk = Desk::new();
    let prompts = [
        "[[sim: pause-turn, ok]]",
        "[[sim: max-tokens-stop, ok]]",
        "Hello",
    ];
    desk.write("jobs.jsonl", jobs(prompts));
    let flags = ["--lane", "batch", "--on-truncated", "raise"];
    desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat())
        .expect(0);
    let lanes = |id: &str| -> Vec<String> {
        let attempts = desk.attempts().into_iter();
        let of_job = attempts.filter(|attempt| attempt["custom_id"] == id);
        of_job
            .map(|attempt| attempt["lane"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(lanes("job-1"), ["batch", "live"]);
    assert_eq!(lanes("job-2"), ["batch", "live"]);
    assert_eq!(lanes("job-3"), ["batch"]);
    desk.run(&["verify"]).expect(0);
}

/// A desk whose batches stand still after less than half.
fn desk_with_slow_batches() -> Desk {
    let desk = Desk::with(SimulatorSettings {
        batches: BatchSettings {
            takes: Duration::from_hours(20),
            cancel_takes: Duration::ZERO,
            ..BatchSettings::default()
        },
        ..SimulatorSettings::default()
    });
    desk.write("jobs.jsonl", plain_jobs(30));
    desk
}

const FLAGS: [&str; 4] = ["--lane", "batch", "--retry-scale", "0.001"];

fn remote_batches(desk: &Desk) -> u64 {
    desk.simulator.stats().batches_created
}

#[test]
fn a_cancel_says_what_becomes_of_batches_that_nobody_is_at_work_on() {
    let desk = desk_with_slow_batches();
    let submit = [&["submit", "jobs.jsonl", "--no-wait"], &FLAGS[..]].concat();
    desk.run(&submit).expect(0);
    desk.run(&["cancel"]).expect(0).says(&[
        "a batch with 30 jobs is still with the API",
        "`claude-run resume",
        "cancels them there and fetches what they have done",
    ]);
    assert_eq!(desk.only_run()["jobs"]["in_batch"], 30);
    desk.run(&["resume", "--retry-scale", "0.001"])
        .expect(3)
        .says(&["is being cancelled"]);
    assert_eq!(desk.only_run()["jobs"]["canceled"], 30);
    desk.run(&["cancel"]).expect(2).says(&["has ended"]);
    assert_eq!(desk.simulator.stats().calls["batches.cancel"], 1);
}

#[test]
fn a_cancel_beside_the_process_at_work_cancels_its_batches_too() {
    let desk = desk_with_slow_batches();
    let submit = [&["submit", "jobs.jsonl"], &FLAGS[..]].concat();
    let mut process = desk.spawn(&submit);
    wait_until("a batch", || remote_batches(&desk) == 1);
    desk.run(&["cancel"])
        .expect(0)
        .says(&["cancels its batches, fetches what they have done"]);
    process.wait().expect(3).says(&["is being cancelled"]);
    assert_eq!(desk.only_run()["jobs"]["canceled"], 30);
    desk.run(&["verify"]).expect(0);
}
