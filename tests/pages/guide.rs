//! Which pages run, and what holds for all of them.

use std::collections::BTreeSet;
use std::fs;

use crate::harness::Desk;
use crate::page::{Page, root};
use crate::session::run_page;

/// Most words of the README, as `wc -w` counts them.
const README_WORDS: usize = 1_200;
/// Commands of these pages that are marked `no-run`. Each needs what a test has not: a key and the real
/// API, another machine's network, docker, systemd, or a long build. A new one is a decision: run it if
/// it can run.
const NO_RUN: usize = 9;
/// What else a fence may hold. A command belongs into a `console` or `sh` block, where it runs.
const LANGUAGES: [&str; 9] = [
    "console", "sh", "jsonl", "json", "toml", "csv", "yaml", "python", "text",
];

/// The README, the guide and the page of examples.
const PAGES: [&str; 13] = [
    "README.md",
    "docs/guide/first-run.md",
    "docs/guide/input.md",
    "docs/guide/results.md",
    "docs/guide/batches.md",
    "docs/guide/money.md",
    "docs/guide/retries-and-outages.md",
    "docs/guide/limits.md",
    "docs/guide/endpoints.md",
    "docs/guide/scripts-and-ci.md",
    "docs/guide/simulator.md",
    "docs/guide/faq.md",
    "examples/README.md",
];

#[test]
fn the_readme_shows_what_is_printed() {
    run_page("README.md");
}

#[test]
fn the_page_of_the_first_run_shows_what_is_printed() {
    run_page("docs/guide/first-run.md");
}

#[test]
fn the_page_of_input_shows_what_is_printed() {
    run_page("docs/guide/input.md");
}

#[test]
fn the_page_of_results_shows_what_is_printed() {
    run_page("docs/guide/results.md");
}

#[test]
fn the_page_of_batches_shows_what_is_printed() {
    run_page("docs/guide/batches.md");
}

#[test]
fn the_page_of_money_shows_what_is_printed() {
    run_page("docs/guide/money.md");
}

#[test]
fn the_page_of_retries_shows_what_is_printed() {
    run_page("docs/guide/retries-and-outages.md");
}

#[test]
fn the_page_of_limits_shows_what_is_printed() {
    run_page("docs/guide/limits.md");
}

#[test]
fn the_page_of_endpoints_shows_what_is_printed() {
    run_page("docs/guide/endpoints.md");
}

#[test]
fn the_page_of_scripts_shows_what_is_printed() {
    run_page("docs/guide/scripts-and-ci.md");
}

#[test]
fn the_page_of_the_simulator_shows_what_is_printed() {
    run_page("docs/guide/simulator.md");
}

#[test]
fn the_page_of_questions_shows_what_is_printed() {
    run_page("docs/guide/faq.md");
}

#[test]
fn the_page_of_examples_shows_what_is_printed() {
    run_page("examples/README.md");
}

#[test]
fn every_page_of_the_guide_has_a_test_here() {
    let known = BTreeSet::from(PAGES);
    for entry in fs::read_dir(root().join("docs/guide")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            known.contains(format!("docs/guide/{name}").as_str()),
            "{name}"
        );
    }
    // The list holds what the tests above run, each once.
    let source = include_str!("guide.rs");
    for page in PAGES {
        let ran = source.matches(&format!("run_page(\"{page}\")")).count();
        assert_eq!(ran, 1, "{page}");
    }
}

#[test]
fn the_readme_is_short() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let words = text.split_whitespace().count();
    assert!(words <= README_WORDS, "{words} words");
}

#[test]
fn the_picture_shows_a_run_at_work_in_either_scheme() {
    let picture = fs::read_to_string(root().join("docs/terminal.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"));
    for shown in [
        "prefers-color-scheme: dark",
        "claude-run submit examples/prompts.jsonl --simulate",
        "SIMULATED",
        "/200",
    ] {
        assert!(picture.contains(shown), "{shown}");
    }
    // A picture that a browser shows as an image may load nothing and run nothing.
    for foreign in ["<script", "href=", "url(", "/home", "/tmp", "<!--"] {
        assert!(!picture.contains(foreign), "{foreign}");
    }
}

#[test]
fn commands_that_no_test_runs_are_marked_and_counted() {
    let mut marked = Vec::new();
    for name in PAGES {
        let page = Page::read(name);
        for block in &page.blocks {
            if block.has("no-run") {
                let steps = page.steps(block);
                marked.extend(
                    steps
                        .into_iter()
                        .map(|step| format!("{name}: {}", step.command)),
                );
            }
        }
    }
    assert_eq!(marked.len(), NO_RUN, "{marked:#?}");
}

#[test]
fn a_command_stands_where_it_is_run() {
    for name in PAGES {
        let page = Page::read(name);
        let mut is_code = vec![false; page.lines.len()];
        for block in &page.blocks {
            let language = block.language.as_str();
            assert!(
                LANGUAGES.contains(&language),
                "{name}: a fence of `{language}`"
            );
            is_code[block.start - 1..=block.end].fill(true);
            for flag in block.flags() {
                let is_known = ["no-run", "numbers-vary"].contains(&flag.as_str())
                    || flag.starts_with("file=")
                    || flag.starts_with("schema=");
                assert!(is_known, "{name}: a fence with `{flag}`");
            }
        }
        for (line, is_code) in page.lines.iter().zip(is_code) {
            let is_indented_code = !is_code && line.starts_with("    ");
            assert!(!is_indented_code, "{name}: code without a fence: {line}");
        }
    }
}

#[test]
fn json_of_a_known_shape_fits_its_schema() {
    let mut checked = 0;
    for name in PAGES {
        let page = Page::read(name);
        for block in &page.blocks {
            let Some(schema) = block.value("schema") else {
                continue;
            };
            let path = root().join(format!("schemas/{schema}.schema.json"));
            let schema = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let text = page.text_of(block);
            let values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
            for value in values {
                let value = value.unwrap_or_else(|why| panic!("{name}:{}: {why}", block.start));
                let errors: Vec<_> = validator
                    .iter_errors(&value)
                    .map(|error| error.to_string())
                    .collect();
                assert!(errors.is_empty(), "{name}:{}: {errors:?}", block.start);
                checked += 1;
            }
        }
    }
    assert!(checked >= 4, "only {checked} values were found");
}

#[test]
fn every_piece_of_configuration_is_accepted() {
    let mut checked = 0;
    for name in PAGES {
        let page = Page::read(name);
        for block in page.blocks.iter().filter(|block| block.language == "toml") {
            // A price table, or a file that some command of the page reads anyway.
            if block.value("file").is_some() {
                continue;
            }
            let desk = Desk::new();
            desk.write("piece.toml", page.text_of(block));
            let output = desk.run(&["config", "--config", "piece.toml"]);
            assert_eq!(output.code, Some(0), "{name}:{}: {output}", block.start);
            checked += 1;
        }
    }
    assert!(checked >= 3, "only {checked} pieces were found");
}

/// Flags whose value a sentence may leave out.
const TAKE_VALUES: [&str; 8] = [
    "--store",
    "--batch",
    "--budget-usd",
    "--base-url",
    "--bundle",
    "--job",
    "--class",
    "--model",
];

#[test]
fn every_command_that_a_sentence_names_is_one() {
    let desk = Desk::new();
    let mut tried = 0;
    for name in crate::links::pages() {
        let text = fs::read_to_string(root().join(&name)).unwrap();
        for line in text.split('`').skip(1).step_by(2) {
            let Some(args) = line.strip_prefix("claude-run ") else {
                continue;
            };
            let args: Vec<_> = args.split_whitespace().collect();
            if !is_whole(&args) {
                continue;
            }
            let output = desk.run(&[&args[..], &["--help"]].concat());
            assert_eq!(output.code, Some(0), "{name}: `{line}`: {}", output.stderr);
            tried += 1;
        }
    }
    assert!(tried > 60, "only {tried} commands were found");
}

/// A command line as one can type it, not a template of one.
fn is_whole(args: &[&str]) -> bool {
    let is_placeholder = |arg: &&str| {
        arg.len() > 1
            && arg
                .chars()
                .all(|c| c.is_ascii_uppercase() || matches!(c, '-' | '_'))
    };
    let holds_no_sign =
        |arg: &&str| !arg.contains(['|', '…', '<', '>', '[', '"']) && !arg.contains("...");
    args.iter().all(holds_no_sign)
        && !args.iter().any(is_placeholder)
        && args
            .first()
            .is_some_and(|first| first.starts_with(|c: char| c.is_ascii_lowercase()))
        && args.last().is_some_and(|last| !TAKE_VALUES.contains(last))
}
