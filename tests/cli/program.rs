//! The commands about the program itself: config, help, completions, simulate.

use serde_json::Value;

use crate::harness::{Desk, jobs, plain_jobs};

#[test]
fn config_tells_every_setting_and_where_it_came_from() {
    let mut desk = Desk::new();
    desk.write(
        "claude-run.toml",
        "[dispatch]\nconcurrency = 7\n\n[retry]\nscale = 0.5\n",
    );
    desk.set("CLAUDE_RUN_STORE", "from-variable.db");
    let rows = |args: &[&str]| -> Vec<Value> {
        let output = desk.run(&[&["config", "--json"], args].concat()).expect(0);
        serde_json::from_str(&output.stdout).unwrap()
    };
    let of = |rows: &[Value], key: &str| {
        let row = rows.iter().find(|row| row["key"] == key).unwrap();
        (
            row["value"].to_string(),
            row["origin"].as_str().unwrap().to_owned(),
        )
    };
    let all = rows(&[]);
    let (value, origin) = of(&all, "dispatch.concurrency");
    assert_eq!(value, "7");
    assert!(
        origin.starts_with("file ") && origin.contains("claude-run.toml"),
        "{origin}"
    );
    assert_eq!(of(&all, "retry.scale").0, "0.5");
    let (value, origin) = of(&all, "store.path");
    assert_eq!(value, "\"from-variable.db\"");
    assert!(origin.contains("CLAUDE_RUN_STORE"), "{origin}");
    assert_eq!(of(&all, "dispatch.grace").1, "default");
    let (value, origin) = of(&rows(&["--store", "flag.db"]), "store.path");
    assert_eq!(value, "\"flag.db\"");
    assert!(origin.contains("--store"), "{origin}");
    desk.run(&["config"]).expect(0);
}

#[test]
fn the_config_file_works_and_a_wrong_one_is_refused_by_line() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: 500]]"]));
    desk.write("mine.toml", "[retry]\nmax_attempts = 2\nscale = 0.001\n");
    desk.run(&["submit", "jobs.jsonl", "--config", "mine.toml"])
        .expect(3);
    assert_eq!(desk.simulator.stats().requests, 2);
    for (text, words) in [
        ("[dispatch]\nconcurrencyy = 7\n", &["concurrencyy", "2"][..]),
        (
            "[dispatch]\nconcurrency = 0\n",
            &["concurrency", "1 to 10000"],
        ),
        ("[dispatch\n", &["claude-run.toml"]),
    ] {
        desk.write("claude-run.toml", text);
        desk.run(&["submit", "jobs.jsonl"])
            .expect(2)
            .clear_error()
            .says(words);
    }
    desk.run(&["status", "--config", "none.toml"])
        .expect(2)
        .says(&["none.toml"]);
}

#[test]
fn help_version_and_completions_go_to_standard_output() {
    let desk = Desk::new();
    let version = desk.run(&["--version"]).expect(0).stdout;
    assert_eq!(
        version,
        format!("claude-run {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = desk.run(&["--help"]).expect(0).stdout;
    assert_eq!(desk.run(&["help"]).expect(0).stdout, help);
    for command in [
        "submit",
        "resume",
        "status",
        "attempts",
        "export",
        "report",
        "retry",
        "cancel",
        "check",
        "simulate",
        "config",
        "completions",
    ] {
        assert!(help.contains(command), "{command}");
        let own = desk.run(&[command, "--help"]).expect(0);
        assert!(own.stdout.contains("Usage: claude-run"), "{own}");
        assert_eq!(own.stderr, "");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = desk.run(&["completions", shell]).expect(0).stdout;
        assert!(script.contains("retry-scale"), "{shell}");
    }
    desk.run(&["completions", "cobol"]).expect(2);
    let bare = desk.run(&[]).expect(2);
    assert_eq!(bare.stdout, "");
}

#[test]
fn simulate_serves_an_imitation_until_it_is_told_to_stop() {
    let mut desk = Desk::new();
    let mut server = desk.spawn(&[
        "simulate", "--port", "0", "--fault", "529=0.3", "--seed", "5",
    ]);
    server.wait_for("try: ");
    let stderr = server.stderr();
    let url = stderr
        .split_whitespace()
        .find_map(|word| word.find("http://127.0.0.1:").map(|at| &word[at..]))
        .unwrap()
        .trim_end_matches(|c: char| !c.is_ascii_digit());
    desk.set("ANTHROPIC_BASE_URL", url);
    desk.write("jobs.jsonl", plain_jobs(30));
    desk.run(&["submit", "jobs.jsonl", "--retry-scale", "0.001"])
        .expect(0);
    assert!(desk.attempts().len() > 30);
    server.signal(rustix::process::Signal::INT);
    server.wait().expect(0);
}

/// `-h` is for a first look, `--help` for everything.
#[test]
fn the_short_help_is_short_and_the_long_one_is_whole_and_has_an_example() {
    let desk = Desk::new();
    let flags = |text: &str| {
        let lines = text.lines().map(str::trim_start);
        lines.filter(|line| line.starts_with("--")).count()
    };
    for command in [
        "submit",
        "resume",
        "status",
        "batches",
        "attempts",
        "export",
        "report",
        "retry",
        "cancel",
        "check",
        "doctor",
        "verify",
        "simulate",
        "explain",
        "config",
        "completions",
    ] {
        let short = desk.run(&[command, "-h"]).expect(0).stdout;
        let long = desk.run(&[command, "--help"]).expect(0).stdout;
        assert!(flags(&short) <= 8, "{short}");
        assert!(short.len() < long.len(), "{command}");
        assert!(long.contains(&format!("claude-run {command}")), "{long}");
        assert!(long.contains("Examples:"), "{long}");
        assert!(long.contains("--store <PATH>"), "{long}");
    }
    let submit = desk.run(&["submit", "-h"]).expect(0).stdout;
    for flag in [
        "--name",
        "--no-run",
        "--model",
        "--concurrency",
        "--budget-usd",
        "--lane",
        "--deadline",
        "--simulate",
    ] {
        assert!(submit.contains(flag), "{submit}");
    }
    assert_eq!(flags(&submit), 8, "{submit}");
}

#[test]
fn the_settings_as_json_fit_their_schema() {
    let desk = Desk::new();
    let schema = include_str!("../../schemas/settings.schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    desk.write("claude-run.toml", "[retry]\nscale = 2.0\n");
    let printed = desk.run(&["config", "--json"]).expect(0).stdout;
    let rows: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!(rows.as_array().unwrap().len() > 30);
    assert!(validator.is_valid(&rows), "{rows}");
}
