//! Keys and addresses: what is wrong with them halts or refuses a run, and never fails a job.

use claude_run::simulator::SimulatorSettings;
use secrecy::SecretString;

use crate::harness::{Desk, MODEL, jobs, plain_jobs};

/// A simulator that takes this key alone.
fn locked(key: &str) -> Desk {
    Desk::with(SimulatorSettings {
        accepted_keys: vec![SecretString::from(key)],
        ..SimulatorSettings::default()
    })
}

/// Asserts that the only run is halted for this reason and has lost nothing.
fn assert_halted(desk: &Desk, class: &str) {
    let run = desk.only_run();
    assert_eq!(run["state"], "halted", "{run}");
    assert_eq!(run["halt"]["class"], class, "{run}");
    assert_eq!(run["jobs"]["failed"], 0, "{run}");
    assert_eq!(run["jobs"]["in_flight"], 0, "{run}");
}

#[test]
fn without_a_key_nothing_is_stored() {
    for key in [None, Some(""), Some("  "), Some("\"\"")] {
        let mut desk = Desk::new();
        desk.unset("ANTHROPIC_API_KEY");
        if let Some(key) = key {
            desk.set("ANTHROPIC_API_KEY", key);
        }
        desk.write("jobs.jsonl", plain_jobs(1));
        desk.run(&["submit", "jobs.jsonl"])
            .expect(2)
            .clear_error()
            .says(&["ANTHROPIC_API_KEY"]);
        desk.assert_no_run();
    }
}

#[test]
fn a_key_is_trimmed_of_white_space_and_quotes() {
    for key in [
        "sk-ant-good",
        "  sk-ant-good\n",
        "\"sk-ant-good\"",
        " 'sk-ant-good' ",
    ] {
        let mut desk = locked("sk-ant-good");
        desk.set("ANTHROPIC_API_KEY", key);
        desk.write("jobs.jsonl", plain_jobs(1));
        desk.run(&["submit", "jobs.jsonl"]).expect(0);
    }
}

#[test]
fn a_bearer_token_serves_as_well() {
    let mut desk = locked("token-of-a-gateway");
    desk.unset("ANTHROPIC_API_KEY");
    desk.set("ANTHROPIC_AUTH_TOKEN", "token-of-a-gateway");
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
}

#[test]
fn a_refused_key_halts_the_run_and_the_right_key_completes_it() {
    let mut desk = locked("sk-ant-good");
    desk.set("ANTHROPIC_API_KEY", "sk-ant-bad");
    desk.write("jobs.jsonl", plain_jobs(30));
    desk.run(&["submit", "jobs.jsonl", "--concurrency", "5"])
        .expect(4)
        .says(&["authentication", "ANTHROPIC_API_KEY", "claude-run resume"]);
    assert_halted(&desk, "authentication");
    let sent = desk.simulator.stats().requests;
    assert!(sent <= 10, "{sent} requests with a key that is refused");
    desk.run(&["resume"]).expect(4);
    assert_eq!(
        desk.simulator.stats().requests,
        sent + 1,
        "after a halt one request goes first"
    );
    assert_halted(&desk, "authentication");
    desk.set("ANTHROPIC_API_KEY", "sk-ant-good");
    desk.run(&["resume"]).expect(0);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 30);
    assert_eq!(desk.only_run()["halt"], serde_json::Value::Null);
}

#[test]
fn an_address_where_nobody_listens_halts_as_unreachable() {
    let mut desk = Desk::new();
    desk.close_simulator();
    desk.write("jobs.jsonl", plain_jobs(5));
    desk.run(&["submit", "jobs.jsonl", "--retry-scale", "0.02"])
        .expect(4)
        .says(&["unreachable"]);
    assert_halted(&desk, "unreachable");
    let other = Desk::new();
    desk.set("ANTHROPIC_BASE_URL", &other.simulator.base_url());
    desk.run(&["resume"]).expect(0);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 5);
}

#[test]
fn a_host_that_does_not_exist_halts_as_unreachable() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(2));
    let url = ["--base-url", "https://no-such-host.invalid"];
    let submit = ["submit", "jobs.jsonl", "--retry-scale", "0.02"];
    desk.run(&[&submit[..], &url].concat()).expect(4);
    assert_halted(&desk, "unreachable");
}

#[test]
fn a_404_that_is_no_answer_of_the_api_halts_as_wrong_endpoint() {
    let desk = Desk::new();
    let prompts = (0..30).map(|n| format!("{n} [[sim: 404-html, ok]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    desk.run(&["submit", "jobs.jsonl", "--concurrency", "3"])
        .expect(4)
        .says(&["wrong_endpoint"]);
    assert_halted(&desk, "wrong_endpoint");
    desk.run(&["resume"]).expect(4);
    // Each job's first answer is the page; what is repaired is repaired for all at once.
    for _ in 0..30 {
        if desk.run(&["resume", "--concurrency", "30"]).code == Some(0) {
            return assert_eq!(desk.only_run()["jobs"]["succeeded"], 30);
        }
        assert_halted(&desk, "wrong_endpoint");
    }
    panic!("resume does not go on: {:?}", desk.only_run());
}

#[test]
fn what_no_job_can_get_past_halts_the_run() {
    for (case, class) in [
        ("401", "authentication"),
        ("403", "permission"),
        ("400-credit", "billing"),
        ("402-billing", "billing"),
        ("429-spend-cap", "spend_limit"),
        ("400-spend-limit", "spend_limit"),
        ("400-workspace-spend-limit", "spend_limit"),
        ("400-org-disabled", "organization_disabled"),
    ] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", jobs([format!("[[sim: {case}, ok]]")]));
        desk.run(&["submit", "jobs.jsonl"]).expect(4).says(&[class]);
        assert_halted(&desk, class);
        desk.run(&["resume"]).expect(0);
    }
}

#[test]
fn an_unknown_model_holds_its_own_jobs_alone() {
    let desk = Desk::new();
    let of = |id: String, model: &str| {
        let line = serde_json::json!({"custom_id": id, "model": model, "prompt": id});
        line.to_string() + "\n"
    };
    let lines = (0..20).flat_map(|n| {
        [
            of(format!("good-{n}"), MODEL),
            of(format!("bad-{n}"), "claude-nonesuch-9"),
        ]
    });
    desk.write("jobs.jsonl", lines.collect::<String>());
    desk.run(&["submit", "jobs.jsonl", "--concurrency", "4"])
        .expect(4)
        .says(&["model_not_found"]);
    assert_halted(&desk, "model_not_found");
    let run = desk.only_run();
    assert_eq!(run["jobs"]["succeeded"], 20);
    assert_eq!(run["jobs"]["pending"], 20);
    assert!(desk.results().iter().all(|line| {
        let id = line["custom_id"].as_str().unwrap();
        id.starts_with("good-")
    }));
}

#[test]
fn an_address_that_is_none_is_refused_before_anything_is_stored() {
    for url in ["nonsense", "ftp://127.0.0.1", ""] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", plain_jobs(1));
        let output = desk.run(&["submit", "jobs.jsonl", "--base-url", url]);
        output.expect(2);
        desk.assert_no_run();
    }
}

#[test]
fn a_ca_bundle_that_is_none_is_refused() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl", "--ca-bundle", "none.pem"])
        .expect(2)
        .clear_error()
        .says(&["none.pem"]);
    desk.assert_no_run();
}
