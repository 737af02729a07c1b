//! The rooms of `src` import each other in one direction only, and its files keep the house rules.
//!
//! The sources are read as text: a rule that the compiler does not know must not depend on what
//! it happens to compile.

#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]
#![allow(
    unreachable_pub,
    reason = "the modules of a test are public to it alone"
)]

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/paths.rs"]
mod paths;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/shape.rs"]
mod shape;
#[path = "architecture/tokens.rs"]
mod tokens;

use std::fs;
use std::path::Path;

use rules::{SourceFile, idle_exceptions, violations};

/// Every file of `src`, in the order of their paths.
fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut folders) = (Vec::new(), vec![root.join("src")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap();
                let path = path.to_str().unwrap().replace('\\', "/");
                files.push(SourceFile { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

#[test]
fn the_sources_keep_the_rules() {
    let files = sources();
    assert!(files.len() > 50, "only {} files were found", files.len());
    let found = violations(&files);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Clients of an endpoint carry the key. They are made where the gate of `cli/trust` is passed.
#[test]
fn every_client_of_an_endpoint_is_made_behind_the_gate() {
    const MAKERS: [&str; 2] = [
        "src/cli/commands/client_settings.rs",
        "src/cli/commands/second.rs",
    ];
    let cli = sources()
        .into_iter()
        .filter(|file| file.path.starts_with("src/cli/"));
    let makes = |file: &SourceFile| {
        let words = ["ClientSettings {", "ClientSettings::new("];
        words.iter().any(|words| file.text.contains(words))
    };
    let found: Vec<_> = cli.filter(makes).map(|file| file.path).collect();
    assert_eq!(found, MAKERS);
}

#[test]
fn no_exception_outlives_its_need() {
    assert_eq!(idle_exceptions(&sources()), Vec::<&str>::new());
}

/// What is found in one planted file.
fn planted(path: &str, code: &str) -> Vec<String> {
    violations(&[SourceFile {
        path: path.to_owned(),
        text: format!("//! A plant.\n{code}"),
    }])
}

#[test]
fn every_forbidden_edge_is_found() {
    for (path, code) in [
        ("src/model/a.rs", "use crate::clock::Clock;"),
        ("src/clock.rs", "use crate::model::Run;"),
        ("src/policy/a.rs", "use crate::store::Store;"),
        ("src/input/a.rs", "use crate::{model::Run, policy::Prices};"),
        ("src/provider/a.rs", "fn f() { crate::engine::dispatch() }"),
        ("src/store/sqlite/a.rs", "use super::super::super::policy;"),
        ("src/engine/a.rs", "use crate::store::sqlite::SqliteStore;"),
        ("src/engine/a.rs", "use crate::store::*;"),
        (
            "src/engine/a.rs",
            "use crate::store; fn f() { store::sqlite::g() }",
        ),
        ("src/engine/a.rs", "use crate::provider::MessagesClient;"),
        ("src/engine/a.rs", "use crate::provider;"),
        ("src/engine/a.rs", "use crate::report::Report;"),
        ("src/progress/a.rs", "use crate::engine::Stop;"),
        ("src/report/a.rs", "use crate::store::{Reader, sqlite};"),
        ("src/report/a.rs", "use crate::engine::Stop;"),
        ("src/simulator/a.rs", "use crate::model::ErrorClass;"),
        ("src/simulator.rs", "use crate::provider::Request;"),
        ("src/main.rs", "use claude_run::engine::dispatch;"),
        ("src/model/a.rs", "use crate::*;"),
        ("src/unheard_of/a.rs", ""),
    ] {
        assert_eq!(planted(path, code).len(), 1, "{path}: {code}");
    }
}

#[test]
fn allowed_edges_pass() {
    for (path, code) in [
        (
            "src/cli/a.rs",
            "use crate::store::sqlite::SqliteStore; use crate::simulator::serve;",
        ),
        (
            "src/engine/a.rs",
            "use crate::provider::{Provider, Reply}; use crate::store::Store;",
        ),
        ("src/report/a.rs", "use crate::store::Reader; use super::b;"),
        (
            "src/store/sqlite/a.rs",
            "use crate::store::sqlite::tx; use crate::model;",
        ),
        ("src/main.rs", "fn main() { claude_run::cli::main() }"),
        ("src/lib.rs", "pub mod cli; pub mod model;"),
        (
            "src/model/a.rs",
            "//! Speaks of crate::store.\nuse super::b;",
        ),
        (
            "src/model/a.rs",
            "#[cfg(test)]\nmod tests { use crate::store::Store; }",
        ),
    ] {
        assert_eq!(planted(path, code), Vec::<String>::new(), "{path}: {code}");
    }
}

#[test]
fn a_file_that_only_tests_see_may_import_anything() {
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: format!("//! A plant.\n{text}"),
    };
    let tests = file("src/model/a/tests.rs", "use crate::store::Store;");
    let marked = file("src/model/a.rs", "#[cfg(test)]\nmod tests;");
    assert_eq!(violations(&[marked, tests.clone()]), Vec::<String>::new());
    // The name alone does not make it a test.
    let unmarked = file("src/model/a.rs", "mod tests;");
    assert_eq!(violations(&[unmarked, tests]).len(), 1);
}

#[test]
fn a_violation_names_file_line_edge_and_rule() {
    assert_eq!(
        planted("src/report/a.rs", "\nuse crate::engine::Stop;"),
        [
            "src/report/a.rs:3: report → engine (crate::engine::Stop): report may import clock, \
          model, store (but not store::sqlite)"
        ]
    );
}

#[test]
fn sql_is_found_outside_the_store() {
    let code = r#"const Q: &str = "SELECT 1";"#;
    assert_eq!(planted("src/report/a.rs", code).len(), 1);
    assert_eq!(
        planted("src/cli/a.rs", "use rusqlite::Connection;").len(),
        1
    );
    assert_eq!(planted("src/store/sqlite/a.rs", code), Vec::<String>::new());
    let comment = "// SELECT is written elsewhere.";
    assert_eq!(planted("src/report/a.rs", comment), Vec::<String>::new());
}

#[test]
fn printing_is_found_outside_tests() {
    assert_eq!(planted("src/cli/a.rs", "fn f() { eprintln!(); }").len(), 1);
    let in_tests = "#[cfg(test)]\nmod tests { fn f() { println!(); } }";
    assert_eq!(planted("src/cli/a.rs", in_tests), Vec::<String>::new());
}

#[test]
fn files_open_with_what_they_are_for() {
    let file = SourceFile {
        path: "src/model/a.rs".to_owned(),
        text: "use std::fmt;\n".to_owned(),
    };
    assert_eq!(violations(&[file]).len(), 1);
}

#[test]
fn the_length_of_a_file_is_counted_to_the_line() {
    let lines = |n: usize| "\n".repeat(n);
    let path = "src/model/a.rs";
    assert_eq!(planted(path, &lines(599)), Vec::<String>::new());
    assert_eq!(planted(path, &lines(600)).len(), 1);
}

/// `cargo test --test architecture shape -- --nocapture` prints the figures; what has been reached is
/// held, so that it cannot grow again.
#[test]
#[allow(clippy::print_stdout, reason = "the figures are what it is for")]
fn shape() {
    let shape = shape::Shape::of(&sources());
    println!("{shape}");
    assert_eq!(shape.broken_limits(), Vec::<String>::new());
}
