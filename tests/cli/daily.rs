//! The daily use: submit, look, export; and the exit codes.

use serde_json::json;

use crate::harness::{Desk, MODEL, assert_keys, jobs, json_lines, plain_jobs};

/// Ids that would not pass the Batches API, quote characters, and text of several scripts.
const ODD_IDS: [&str; 6] = [
    "a b",
    "Größe/☺\u{1F600}",
    "\"quoted\", with comma",
    "line\nbreak\ttab",
    "[red]",
    "=1+1",
];

fn odd_lines() -> String {
    let lines = ODD_IDS.iter().enumerate().map(|(n, id)| {
        json!({"custom_id": id, "model": MODEL, "prompt": format!("Say {n}."), "metadata": {"row": n, "id": id}})
            .to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn both_line_forms_run_to_their_end_and_standard_output_stays_empty() {
    let desk = Desk::new();
    let lines = [
        json!({"custom_id": "whole", "params": {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}}),
        json!({"custom_id": "short", "prompt": "Hello", "system": "Be brief.", "model": MODEL, "max_tokens": 20}),
        json!({"prompt": "Hello again", "model": MODEL, "metadata": {"row": 17}}),
    ];
    desk.write("jobs.jsonl", lines.map(|line| line.to_string()).join("\n"));
    let submitted = desk.run(&["submit", "jobs.jsonl"]).expect(0);
    assert_eq!(submitted.stdout, "");
    let results = desk.results();
    let ids: Vec<_> = results.iter().map(|line| &line["custom_id"]).collect();
    assert_eq!(ids, ["whole", "short", "line-3"]);
    assert_eq!(results[2]["run"]["metadata"], json!({"row": 17}));
}

#[test]
fn flags_fill_what_a_line_leaves_out_and_nothing_else() {
    let desk = Desk::with(claude_run::simulator::SimulatorSettings {
        log_bodies: true,
        ..Default::default()
    });
    let lines = [
        json!({"prompt": "one"}),
        json!({"params": {"messages": [{"role": "user", "content": "two"}]}}),
        json!({"prompt": "three", "model": "claude-opus-4-6", "max_tokens": 7, "system": "Own.", "temperature": 0.25}),
    ];
    desk.write("jobs.jsonl", lines.map(|line| line.to_string()).join("\n"));
    let model = ["--model", MODEL, "--concurrency", "1"];
    let rest = ["--system", "Common.", "--temperature", "0.5"];
    let flags = ["submit", "jobs.jsonl", "--max-tokens", "33"];
    desk.run(&[&flags[..], &model, &rest].concat()).expect(0);
    let log = desk.simulator.log();
    // Models take turns, so the order on the wire is not that of the lines.
    let bodies = ["one", "two", "three"].map(|prompt| {
        let request = log.iter().find(|request| request.prompt == prompt);
        let body = request.unwrap().body.as_ref().unwrap();
        serde_json::from_str::<serde_json::Value>(body).unwrap()
    });
    for filled in &bodies[..2] {
        assert_eq!(filled["model"], MODEL);
        assert_eq!(filled["max_tokens"], 33);
        assert_eq!(filled["system"], "Common.");
        assert_eq!(filled["temperature"], 0.5);
    }
    assert_eq!(bodies[2]["model"], "claude-opus-4-6");
    assert_eq!(bodies[2]["max_tokens"], 7);
    assert_eq!(bodies[2]["system"], "Own.");
    assert_eq!(bodies[2]["temperature"], 0.25);
}

#[test]
fn without_max_tokens_anywhere_4096_are_asked_for() {
    let desk = Desk::with(claude_run::simulator::SimulatorSettings {
        log_bodies: true,
        ..Default::default()
    });
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    let body = desk.simulator.log().remove(0).body.unwrap();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["max_tokens"], 4096);
}

#[test]
fn odd_custom_ids_and_metadata_come_back_as_they_were() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", odd_lines());
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    for (n, (result, id)) in desk.results().iter().zip(ODD_IDS).enumerate() {
        assert_eq!(result["custom_id"], id);
        assert_eq!(result["run"]["metadata"], json!({"row": n, "id": id}));
    }
    for id in ODD_IDS {
        let attempts = desk.run(&["attempts", "--json", "--job", id]).expect(0);
        let attempts = attempts.json_lines();
        assert_eq!(attempts.len(), 1, "{id}");
        assert_eq!(attempts[0]["custom_id"], id);
    }
}

#[test]
fn status_has_one_object_per_run_with_every_key_of_the_contract() {
    let desk = Desk::new();
    desk.write("one.jsonl", plain_jobs(2));
    desk.write("two.jsonl", plain_jobs(3));
    desk.run(&["submit", "one.jsonl", "--name", "night"])
        .expect(0);
    desk.run(&["submit", "two.jsonl", "--no-run"]).expect(0);
    let runs = desk.status();
    assert_eq!(runs.len(), 2);
    for run in &runs {
        assert_keys(run, "run_id name file state simulated jobs");
    }
    assert_eq!(runs[0]["name"], "night");
    assert_eq!(runs[0]["file"], "one.jsonl");
    assert_eq!(runs[0]["state"], "ended");
    assert_eq!(runs[0]["simulated"], false);
    assert_eq!(runs[0]["jobs"]["succeeded"], 2);
    assert_eq!(runs[1]["name"], json!(null));
    assert_eq!(runs[1]["jobs"]["pending"], 3);
    let one = desk.run(&["status", "night", "--json"]).expect(0);
    assert_eq!(one.json_lines(), runs[..1]);
    let text = desk.run(&["status", "night"]).expect(0).stdout;
    assert!(text.contains("night") && text.contains("ended"), "{text}");
}

#[test]
fn attempts_are_ordered_by_line_then_n_and_have_every_key_of_the_contract() {
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs(["[[sim: 500*2, ok]]", "Hello", "[[sim: 400]]"]),
    );
    desk.run(&["submit", "jobs.jsonl", "--retry-scale", "0.001"])
        .expect(3);
    let attempts = desk.attempts();
    for attempt in &attempts {
        assert_keys(
            attempt,
            "custom_id n lane model started_at ended_at outcome error_class http_status error_type
             message request_id retry_after_ms next_try_at wait_rule cost_usd",
        );
        assert_eq!(attempt["lane"], "live");
        assert_eq!(attempt["model"], MODEL);
        assert!(attempt["request_id"].as_str().unwrap().starts_with("req_"));
        assert!(attempt["cost_usd"].is_string());
    }
    let rows: Vec<_> = attempts
        .iter()
        .map(|row| {
            json!([
                row["custom_id"],
                row["n"],
                row["outcome"],
                row["error_class"],
                row["http_status"],
                row["error_type"]
            ])
        })
        .collect();
    assert_eq!(
        rows,
        [
            json!(["job-1", 1, "errored", "server_error", 500, "api_error"]),
            json!(["job-1", 2, "errored", "server_error", 500, "api_error"]),
            json!(["job-1", 3, "succeeded", null, 200, null]),
            json!(["job-2", 1, "succeeded", null, 200, null]),
            json!([
                "job-3",
                1,
                "errored",
                "invalid_request",
                400,
                "invalid_request_error"
            ]),
        ]
    );
    assert!(attempts[0]["next_try_at"].is_string());
    assert_eq!(attempts[4]["next_try_at"], json!(null));
}

#[test]
fn the_exit_code_tells_how_the_run_ended() {
    let desk = Desk::new();
    for (prompt, code) in [
        ("Hello", 0),
        ("[[sim: max-tokens-stop]]", 0),
        ("[[sim: 400]]", 3),
        ("[[sim: refusal]]", 3),
        ("[[sim: 401]]", 4),
        ("[[sim: 400-credit]]", 4),
        ("[[sim: 429-spend-cap]]", 4),
        ("[[sim: 403]]", 4),
    ] {
        desk.write("jobs.jsonl", jobs([prompt, prompt]));
        let submitted = desk.run(&["submit", "jobs.jsonl"]);
        assert_eq!(submitted.code, Some(code), "{prompt}: {submitted}");
    }
    desk.run(&["submit", "no-such-file.jsonl"])
        .expect(2)
        .clear_error()
        .says(&["no-such-file.jsonl"]);
    desk.run(&["submit", "jobs.jsonl", "--no-such-flag"])
        .expect(2);
    desk.run(&["no-such-command"]).expect(2);
}

#[test]
fn a_cancelled_run_ends_with_3_and_retry_brings_its_jobs_back() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(3));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    desk.run(&["cancel"]).expect(0);
    let run = desk.only_run();
    assert_eq!(run["state"], "ended");
    assert_eq!(run["jobs"]["canceled"], 3);
    desk.run(&["resume"]).expect(3);
    assert_eq!(desk.results()[0]["result"], json!({"type": "canceled"}));
    desk.run(&["retry", "--job", "job-1", "--job", "job-3"])
        .expect(0);
    assert_eq!(desk.only_run()["jobs"]["pending"], 2);
    desk.run(&["retry"]).expect(0);
    desk.run(&["resume"]).expect(0);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 3);
}

#[test]
fn nothing_to_retry_or_cancel_and_an_unknown_id_are_errors_of_usage_with_the_reason() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: 400, ok]]", "Hello"]));
    desk.run(&["submit", "jobs.jsonl"]).expect(3);
    let before = desk.attempts().len();
    for (args, words) in [
        (&["cancel"][..], "nothing to cancel"),
        (
            &["attempts", "--job", "nobody"],
            "no attempt of a job `nobody`",
        ),
        (
            &["attempts", "--job", "nobody", "--json"],
            "no attempt of a job",
        ),
        (&["retry", "--job", "nobody"], "has this class or id"),
        (&["retry", "--class", "overloaded"], "has this class or id"),
        (&["retry", "--job", "job-2"], "has this class or id"),
    ] {
        let output = desk.run(args).expect(2).clear_error().says(&[words]);
        assert_eq!(output.stdout, "", "{args:?}");
    }
    desk.run(&["retry"]).expect(0);
    desk.run(&["retry"])
        .expect(2)
        .says(&["has failed or was cancelled"]);
    desk.run(&["resume"]).expect(0);
    assert_eq!(desk.attempts().len(), before + 1);
}

#[test]
fn retry_takes_only_the_classes_that_are_named() {
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs(["[[sim: 400, ok]]", "[[sim: refusal, ok]]", "Hello"]),
    );
    desk.run(&["submit", "jobs.jsonl"]).expect(3);
    desk.run(&["retry", "--class", "refused"]).expect(0);
    desk.run(&["resume"]).expect(3);
    let jobs = &desk.only_run()["jobs"];
    assert_eq!(
        (&jobs["succeeded"], &jobs["failed"]),
        (&json!(2), &json!(1))
    );
    let attempts = desk.attempts();
    let refused = attempts.iter().filter(|row| row["custom_id"] == "job-2");
    assert_eq!(refused.count(), 2, "history is kept");
    desk.run(&["retry", "--class", "invalid_request"]).expect(0);
    desk.run(&["resume"]).expect(0);
}

#[test]
fn a_simulated_run_needs_no_key_and_is_marked_everywhere() {
    let mut desk = Desk::new();
    desk.unset("ANTHROPIC_API_KEY");
    desk.unset("ANTHROPIC_BASE_URL");
    desk.write("jobs.jsonl", plain_jobs(5));
    desk.run(&["submit", "jobs.jsonl", "--simulate", "--seed", "7"])
        .expect(0)
        .says(&["SIMULATED"]);
    assert_eq!(desk.simulator.stats().requests, 0);
    assert_eq!(desk.only_run()["simulated"], true);
    assert_eq!(desk.report()["simulated"], true);
    for command in [&["status"][..], &["report"]] {
        let text = desk.run(command).expect(0).stdout.to_lowercase();
        assert!(text.contains("simulated"), "{text}");
    }
    desk.run(&["export", "-o", "-"])
        .expect(0)
        .says(&["SIMULATED"]);
}

#[test]
fn a_simulated_run_is_only_ever_resumed_simulated() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(2));
    desk.run(&["submit", "jobs.jsonl", "--simulate", "--no-run"])
        .expect(0);
    let url = desk.simulator.base_url();
    desk.run(&["resume", "--base-url", &url]).expect(2);
    desk.run(&["resume"]).expect(0).says(&["SIMULATED"]);
    assert_eq!(desk.simulator.stats().requests, 0);
    desk.write("real.jsonl", plain_jobs(3));
    desk.run(&["submit", "real.jsonl", "--no-run"]).expect(0);
    desk.run(&["resume", "--simulate"]).expect(2);
}

#[test]
fn the_store_is_named_by_flag_or_variable_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let mut desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl", "--store", "flag.db"])
        .expect(0);
    desk.set("CLAUDE_RUN_STORE", "variable.db");
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    desk.set("CLAUDE_RUN_STORE", "");
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    for store in ["flag.db", "variable.db", "claude-run.db"] {
        let mode = desk.path(store).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{store}");
        let status = desk.run(&["status", "--json", "--store", store]).expect(0);
        assert_eq!(json_lines(&status.stdout).len(), 1);
    }
}
