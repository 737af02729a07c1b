//! A second endpoint in the config file, through the real binary and two simulators.

use claude_run::simulator::{Case, FaultRate, Simulator, SimulatorSettings};
use secrecy::SecretString;
use serde_json::Value;

use crate::harness::{Desk, MODEL, files_in, jobs, json_lines, plain_jobs};

const KEY: &str = "sk-second-PLANTED-0123456789";
const HEADER: &str = "gate-PLANTED-header";
/// What both secrets have in common.
const MARK: &str = "PLANTED";
/// What the second endpoint calls the model of the jobs.
const THEIRS: &str = "claude-sonnet-4-6";

const SUBMIT: [&str; 7] = [
    "submit",
    "jobs.jsonl",
    "--retry-scale",
    "0.005",
    "-vvv",
    "--events",
    "events.jsonl",
];

/// The file lies in a folder of its own, because it holds a header that is to be found nowhere else.
const CONFIG: [&str; 2] = ["--config", "conf/claude-run.toml"];

/// A desk with these settings of the first endpoint, and a second that takes this key alone.
fn desk(first: SimulatorSettings, accepted: &str) -> (Desk, Simulator) {
    let mut desk = Desk::with(first);
    let second = desk.start_simulator(SimulatorSettings {
        accepted_keys: vec![SecretString::from(accepted)],
        ..SimulatorSettings::default()
    });
    desk.set("OTHER_API_KEY", KEY);
    let config = format!(
        r#"[fallback.endpoint]
base_url = "{}"
api_key_env = "OTHER_API_KEY"
after = "0s"
models = {{ "{MODEL}" = "{THEIRS}" }}
headers = {{ x-gate = "{HEADER}" }}
"#,
        second.base_url()
    );
    std::fs::create_dir(desk.path("conf")).unwrap();
    desk.write("conf/claude-run.toml", &config);
    (desk, second)
}

/// An endpoint that is overloaded for good.
fn overloaded() -> SimulatorSettings {
    let case = Case::named("529").unwrap();
    SimulatorSettings {
        faults: vec![FaultRate {
            case,
            probability: 1.0,
        }],
        ..SimulatorSettings::default()
    }
}

fn events_of_type(desk: &Desk, kind: &str) -> Vec<Value> {
    let events = json_lines(&desk.read("events.jsonl"));
    let of_type = |event: &Value| event["type"] == kind;
    events.into_iter().filter(of_type).collect()
}

/// Asserts that no file but the configuration holds a secret.
#[track_caller]
fn assert_no_trace(desk: &Desk) {
    for (name, bytes) in files_in(&desk.path("")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(MARK), "{name} holds a secret");
    }
}

#[test]
fn what_the_first_endpoint_fails_is_answered_by_the_second_and_said_so() {
    let (desk, second) = desk(overloaded(), KEY);
    let url = second.base_url();
    desk.write("jobs.jsonl", plain_jobs(30));
    desk.run(&[&SUBMIT[..], &CONFIG].concat())
        .expect(0)
        .says(&[&format!("the rest goes to {url}")]);
    let asked = second.log();
    assert_eq!(asked.len(), 30);
    assert!(asked.iter().all(|request| request.model.contains(THEIRS)));

    let switched = events_of_type(&desk, "endpoint_switched");
    assert_eq!(switched.len(), 1, "{switched:?}");
    assert_eq!(switched[0]["endpoint"], url);
    let attempts = desk.attempts();
    let (there, here): (Vec<_>, Vec<_>) = attempts.iter().partition(|row| row["endpoint"] == url);
    assert_eq!(there.len(), 30);
    assert!(there.iter().all(|row| row["outcome"] == "succeeded"));
    assert!(there.iter().all(|row| row["model"] == MODEL));
    assert!(there.iter().all(|row| row["cost_usd"] != "0.00"));
    assert!(here.iter().all(|row| row["endpoint"] == Value::Null));
    assert_eq!(here.len() as u64, desk.simulator.stats().requests);
    let text = desk.run(&["attempts"]).expect(0).stdout;
    assert!(text.contains(&format!("sent to {url}")), "{text}");
    assert_eq!(desk.report()["by_model"].as_array().map(Vec::len), Some(2));
    assert_no_trace(&desk);
}

#[test]
fn a_second_endpoint_that_refuses_the_key_is_left_out_with_a_warning() {
    let (desk, second) = desk(SimulatorSettings::default(), "another key");
    let prompts = (0..30).map(|n| format!("{n} [[sim: 529*2, ok]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    desk.run(&[&SUBMIT[..], &CONFIG].concat())
        .expect(0)
        .says(&["warning: the second endpoint is off", "authentication"]);
    let off = events_of_type(&desk, "endpoint_off");
    assert_eq!(off.len(), 1, "{off:?}");
    assert_eq!(off[0]["error_class"], "authentication");
    assert!(second.stats().requests <= 30);
    assert_no_trace(&desk);
}

#[test]
fn its_key_must_be_there_before_anything_is_stored() {
    let (mut desk, second) = desk(SimulatorSettings::default(), KEY);
    desk.unset("OTHER_API_KEY");
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&[&SUBMIT[..], &CONFIG].concat())
        .expect(2)
        .clear_error()
        .says(&["second endpoint", "OTHER_API_KEY"]);
    desk.assert_no_run();
    assert_eq!(second.stats().requests, 0);
    // A simulated run needs no key, and no second endpoint.
    let simulated = [&SUBMIT[..], &CONFIG, &["--simulate"]].concat();
    desk.run(&simulated).expect(0);
}

#[test]
fn doctor_and_config_look_at_it_without_showing_its_secrets() {
    for (accepted, level) in [(KEY, "ok"), ("another key", "failed")] {
        let (desk, _second) = desk(SimulatorSettings::default(), accepted);
        let bundle = [
            &["doctor", "--json", "--bundle", "bundle.json"],
            &CONFIG[..],
        ]
        .concat();
        let doctor = desk.run(&bundle);
        let report: Value = serde_json::from_str(&doctor.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let check = checks
            .iter()
            .find(|check| check["name"] == "fallback_endpoint");
        assert_eq!(check.unwrap()["level"], level, "{report}");
        let config = desk.run(&[&["config"], &CONFIG[..]].concat()).expect(0);
        assert!(config.stdout.contains("OTHER_API_KEY"), "{config}");
        for output in [doctor, config] {
            assert!(!output.stdout.contains(MARK), "{output}");
            assert!(!output.stderr.contains(MARK), "{output}");
        }
        assert_no_trace(&desk);
    }
}

#[test]
fn a_key_in_place_of_its_variable_s_name_is_refused_and_not_repeated() {
    let desk = Desk::new();
    for line in [
        "base_url = 'https://h.test'\napi_key_env = 'sk-PLANTED'",
        "base_url = 'https://h.test'\napi_key = 'PLANTED'",
        "api_key_env = 'OTHER_API_KEY'",
    ] {
        desk.write("named.toml", format!("[fallback.endpoint]\n{line}\n"));
        let output = desk
            .run(&["config", "--config", "named.toml"])
            .expect(2)
            .clear_error();
        assert!(!output.stderr.contains(MARK), "{output}");
    }
}
