//! Errors in the words of other platforms, through the binary: what they hold, what they fail, and what
//! the user is told to do.

use crate::harness::{Desk, MODEL, jobs};
use serde_json::json;

const QUICK: [&str; 2] = ["--retry-scale", "0.02"];

/// Jobs of two models: the first meets the case, the second is answered.
fn two_models(case: &str) -> String {
    let line = |n: u32, model: &str, prompt: String| {
        let id = format!("{model}-{n}");
        json!({"custom_id": id, "model": model, "prompt": prompt}).to_string() + "\n"
    };
    (0..20)
        .map(|n| {
            let other = line(n, MODEL, format!("{n} good"));
            let first = line(n, "claude-opus-4-6", format!("{n} [[sim: {case}]]"));
            first + &other
        })
        .collect()
}

#[test]
fn a_model_that_cannot_be_had_in_anybodys_words_holds_its_jobs_alone() {
    for (case, remedy) in [
        ("aws-model-invalid", "as Bedrock lists it"),
        ("aws-use-case", "form of use cases"),
        ("google-region", "Use a location"),
        ("openrouter-model", "as OpenRouter lists it"),
        ("litellm-model", "this key of your gateway may use"),
    ] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", two_models(case));
        desk.run(&[&["submit", "jobs.jsonl"][..], &QUICK].concat())
            .expect(4);
        let run = desk.only_run();
        assert_eq!(run["jobs"]["succeeded"], 20, "{case}: {run}");
        assert_eq!(run["jobs"]["failed"], 0, "{case}: {run}");
        assert_eq!(run["jobs"]["pending"], 20, "{case}: {run}");
        desk.run(&["status", "latest"]).expect(0);
        let classes: Vec<_> = desk
            .attempts()
            .into_iter()
            .filter(|row| row["outcome"] == "errored")
            .map(|row| row["error_class"].clone())
            .collect();
        assert!(
            classes.iter().all(|class| class == "model_not_found"),
            "{case}: {classes:?}"
        );
        let message = desk
            .attempts()
            .into_iter()
            .find_map(|row| row["message"].as_str().map(str::to_owned))
            .unwrap();
        let told = desk.run(&["explain", &message]).expect(0).stdout;
        assert!(
            told.contains("model_not_found") && told.contains(remedy),
            "{case}: {told}"
        );
    }
}

#[test]
fn foreign_words_that_the_prompt_holds_halt_and_hold_nothing() {
    for (quoted, case, class) in [
        (
            "ExceededBudget: User=u over budget. Spend=10.6",
            "litellm-budget",
            "invalid_request",
        ),
        (
            "The provided model identifier is invalid.",
            "aws-model-invalid",
            "invalid_request",
        ),
        (
            "You're out of extra usage",
            "extra-usage",
            "invalid_request",
        ),
    ] {
        let desk = Desk::new();
        let quoting = format!("What does \"{quoted}\" mean? [[sim: {case}]]");
        let other = (0..9).map(|n| n.to_string());
        desk.write("jobs.jsonl", jobs(other.chain([quoting])));
        let args = ["submit", "jobs.jsonl", "--max-attempts", "2"];
        desk.run(&[&args[..], &QUICK].concat()).expect(3);
        let run = desk.only_run();
        assert_eq!(run["jobs"]["succeeded"], 9, "{case}: {run}");
        let failed = desk.results().pop().unwrap();
        assert_eq!(failed["run"]["error_class"], class, "{failed}");
    }
}

#[test]
fn one_jobs_odd_answer_holds_up_no_other() {
    for case in [
        "404-reason",
        "country",
        "aws-denied",
        "litellm-denied",
        "aws-operation",
    ] {
        let desk = Desk::new();
        let other = (0..20).map(|n| format!("{n} good"));
        let odd = format!("odd [[sim: {case}]]");
        desk.write("jobs.jsonl", jobs(other.chain([odd])));
        desk.run(&[&["submit", "jobs.jsonl"][..], &QUICK].concat())
            .expect(3);
        let run = desk.only_run();
        assert_eq!(
            (&run["jobs"]["succeeded"], &run["jobs"]["failed"]),
            (&json!(20), &json!(1)),
            "{case}: {run}"
        );
    }
}

#[test]
fn a_class_of_its_own_attempts_fails_sooner_than_the_others() {
    let desk = Desk::new();
    let good = (0..10).map(|n| format!("{n} good"));
    let bad = ["a [[sim: 500*9]]", "b [[sim: 503*9]]"].map(str::to_owned);
    desk.write("jobs.jsonl", jobs(good.chain(bad)));
    desk.write(
        "claude-run.toml",
        "[retry.server_error]\nmax_attempts = 3\n",
    );
    let args = ["submit", "jobs.jsonl", "--max-attempts", "5"];
    desk.run(&[&args[..], &QUICK].concat()).expect(3);
    let attempts = desk.attempts();
    let count = |status: u64| {
        attempts
            .iter()
            .filter(|row| row["http_status"] == status)
            .count()
    };
    assert_eq!((count(500), count(503)), (3, 5));
}
