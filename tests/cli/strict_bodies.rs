//! Requests that no strict JSON parser takes, in stores that an older version filled: the API refuses
//! a whole batch for one of them, and names none.

use claude_run::model::{DispatchOptions, NewJob, RequestBody, RunId, Shaping};
use claude_run::store::sqlite::SqliteStore;
use claude_run::store::{NewRun, Store};
use serde_json::json;

use crate::harness::{Desk, MODEL};

const JOBS: u64 = 40;
const BAD: u64 = 23;

/// Stores a run of which one line holds half a surrogate pair.
async fn store_an_old_run(desk: &Desk) {
    let store = SqliteStore::open(&desk.path("claude-run.db")).unwrap();
    let id = RunId::generate();
    let run = NewRun {
        id,
        name: None,
        file: "jobs.jsonl".to_owned(),
        simulated: false,
        created_at: "2026-11-22T12:00:00Z".parse().unwrap(),
        shaping: Shaping::default(),
        options: DispatchOptions::default(),
    };
    store.begin_load(run).await.unwrap();
    let jobs = (1..=JOBS).map(|line| {
        let text = if line == BAD { r"half \ud83d" } else { "whole" };
        let body = format!(
            r#"{{"model":"{MODEL}","max_tokens":9,"messages":[{{"role":"user","content":"{text} {line}"}}]}}"#
        );
        NewJob {
            line,
            custom_id: format!("line-{line}"),
            model: MODEL.to_owned(),
            body: RequestBody::from_json(body),
            lane: None,
            deadline: None,
            live_only: false,
            metadata: None,
        }
    });
    let doubled = store.add_jobs(id, jobs.collect()).await.unwrap();
    assert!(doubled.is_empty());
    store.finish_load(id, [7; 32]).await.unwrap();
    store.close().await;
}

#[test]
fn a_stored_line_that_the_api_cannot_read_fails_alone_in_either_lane() {
    for (lane, class) in [("batch", "batch_rejected"), ("live", "invalid_request")] {
        let desk = Desk::new();
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(store_an_old_run(&desk));
        let args = ["resume", "--lane", lane, "--retry-scale", "0.01"];
        desk.run(&args).expect(3);
        let results = desk.results();
        assert_eq!(results.len() as u64, JOBS);
        for result in results {
            let line = result["run"]["line"].as_u64().unwrap();
            let (end, said) = (&result["result"]["type"], &result["run"]["error_class"]);
            if line == BAD {
                assert_eq!((end, said), (&json!("errored"), &json!(class)), "{lane}");
                let message = result["result"]["error"]["error"]["message"].as_str();
                assert!(message.unwrap().contains("no low surrogate"), "{message:?}");
            } else {
                assert_eq!(end, "succeeded", "{lane}, line {line}");
            }
        }
        // Another start sends nothing.
        let sent = desk.simulator.stats().requests;
        desk.run(&args).expect(3);
        assert_eq!(desk.simulator.stats().requests, sent);
    }
}
