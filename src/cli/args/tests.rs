//! The command line takes what the contract names, and refuses the rest in plain words.

use clap::{CommandFactory, Parser};

use super::{Cli, Command, ReportFormat};
use crate::model::ErrorClass;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("claude-run").chain(line.split_whitespace()))
}

const DISPATCH: &[&str] = &[
    "--concurrency",
    "--stagger",
    "--max-attempts",
    "--retry-scale",
    "--timeout",
    "--stream",
    "--grace",
    "--base-url",
    "--ca-bundle",
    "--simulate",
    "--events",
    "--seed",
    "--lane",
    "--deadline",
    "--batch-size",
    "--no-wait",
];
const SHAPING: &[&str] = &["--model", "--max-tokens", "--system", "--temperature"];
const GLOBAL: &[&str] = &["--store", "--config", "--quiet", "-v", "--color"];

/// Every command of this stage, with the flags of its own.
const COMMANDS: &[(&str, &[&[&str]])] = &[
    (
        "submit",
        &[
            &["FILE", "--name", "--skip-invalid", "--no-run", "--new-run"],
            SHAPING,
            DISPATCH,
        ],
    ),
    ("resume", &[&["RUN"], DISPATCH]),
    ("status", &[&["RUN", "--json"]]),
    ("batches", &[&["RUN", "--json"]]),
    ("attempts", &[&["RUN", "--job", "--json"]]),
    (
        "export",
        &[&["RUN", "-o", "--output", "--format", "--only"]],
    ),
    ("report", &[&["RUN", "--format", "--json"]]),
    ("retry", &[&["RUN", "--class", "--job"]]),
    ("cancel", &[&["RUN"]]),
    (
        "check",
        &[&["FILE", "--json", "--lane", "--deadline"], SHAPING],
    ),
    (
        "doctor",
        &[&["--json", "--send", "--bundle", "--base-url", "--ca-bundle"]],
    ),
    ("verify", &[&["RUN", "--json"]]),
    (
        "simulate",
        &[&[
            "--port",
            "--seed",
            "--latency",
            "--rpm",
            "--itpm",
            "--otpm",
            "--batch-takes",
            "--batch-clock",
            "--batch-stall",
            "--batch-queue",
            "--batch-script",
            "--fault",
            "--lively",
        ]],
    ),
    ("explain", &[&["WHAT", "--json"]]),
    ("config", &[&["--json"]]),
    ("completions", &[&["SHELL"]]),
];

#[test]
fn clap_finds_no_fault_in_the_command_line() {
    Cli::command().debug_assert();
}

#[test]
fn exactly_the_commands_of_this_stage_exist() {
    let command = Cli::command();
    let found: Vec<_> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let listed: Vec<_> = COMMANDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, listed);
}

#[test]
fn the_help_of_every_command_names_every_flag_of_the_contract() {
    for (name, groups) in COMMANDS {
        let help = parse(&format!("{name} --help")).unwrap_err().to_string();
        for flag in groups.iter().copied().flatten().chain(GLOBAL) {
            let named = help
                .split(|c: char| !(c.is_alphanumeric() || c == '-'))
                .any(|word| word == *flag);
            assert!(named, "`{name} --help` does not name {flag}:\n{help}");
        }
    }
}

#[test]
fn every_flag_says_in_one_line_what_it_is_for() {
    let mut command = Cli::command();
    command.build();
    for sub in command.get_subcommands() {
        for arg in sub.get_arguments() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!help.is_empty(), "{} {}", sub.get_name(), arg.get_id());
            assert!(!help.contains('\n'), "{} {}", sub.get_name(), arg.get_id());
        }
    }
}

/// 100 columns are what help is wrapped to where there is no terminal.
#[test]
fn every_flag_fits_on_one_line_of_help() {
    let mut command = Cli::command().term_width(100);
    command.build();
    for sub in command.get_subcommands_mut() {
        let name = sub.get_name().to_owned();
        let help = sub.render_help().to_string();
        let options = help.split("\nExamples:").next().unwrap_or_default();
        for line in options.lines().filter(|line| line.starts_with("     ")) {
            let is_flag = line.trim_start().starts_with('-');
            assert!(is_flag, "a wrapped line in `{name} --help`: {line}");
        }
    }
}

#[test]
fn flags_of_later_stages_are_absent() {
    let error = parse("submit f --priority 5").unwrap_err();
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn values_out_of_range_are_refused() {
    for line in [
        "submit f --concurrency 0",
        "submit f --concurrency 10001",
        "submit f --concurrency many",
        "submit f --max-attempts 0",
        "submit f --lane fast",
        "submit f --deadline 0s",
        "submit f --deadline tomorrow",
        "submit f --deadline 2020-01-01T00:00:00Z",
        "submit f --batch-size 0",
        "submit f --batch-size 100001",
        "batches adopt",
        "batches night forget msgbatch_1",
        "submit f --retry-scale -1",
        "submit f --retry-scale inf",
        "submit f --timeout 0s",
        "submit f --stagger 5",
        "submit f --max-tokens 0",
        "submit f --temperature NaN",
        "submit f --name latest",
        "submit f --simulate --base-url http://127.0.0.1:1",
        "submit",
        "export latest",
        "export -o f --format xml",
        "report --json --format text",
        "retry --class overlaoded",
        "simulate --port 70000",
        "simulate --batch-clock 0",
        "simulate --batch-stall 1.5",
        "simulate --batch-script explode",
        "status --quiet -v",
        "submit f --stream sometimes",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn bounds_themselves_are_taken() {
    for line in [
        "submit - --concurrency 1 --max-attempts 1 --retry-scale 0 --stagger 0s --grace 0s",
        "submit - --concurrency 10000 --timeout 1ms --temperature 0 --max-tokens 1",
        "status -vvv --store s.db --color never",
        "--quiet status",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn either_flag_asks_for_a_json_report() {
    for (line, format) in [
        ("report", ReportFormat::Text),
        ("report --json", ReportFormat::Json),
        ("report --format json", ReportFormat::Json),
    ] {
        let Command::Report(args) = parse(line).unwrap().command else {
            panic!("{line}");
        };
        assert_eq!(args.format(), format, "{line}");
    }
}

#[test]
fn a_misspelt_error_class_gets_a_suggestion() {
    let error = parse("retry --class overlaoded").unwrap_err().to_string();
    assert!(error.contains("'overloaded'"), "{error}");
    let Command::Retry(args) = parse("retry --class timeout --class dns --job a --job b")
        .unwrap()
        .command
    else {
        panic!("retry");
    };
    assert_eq!(args.classes, [ErrorClass::Timeout, ErrorClass::Dns]);
    assert_eq!(args.jobs, ["a", "b"]);
}

#[test]
fn a_base_url_is_not_echoed_by_debug() {
    let cli = parse("submit f --base-url https://me:hunter2@h.test").unwrap();
    assert!(!format!("{cli:?}").contains("hunter2"));
}
