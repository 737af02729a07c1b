//! The rules of the house, and what breaks them.

use super::paths::paths;
use super::tokens::{Token, test_module_files, tokens, without_tests};

/// A file of `src`, by its path from the project's folder.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

/// What a room may import: paths from the crate's root, each with everything under it.
struct Room {
    name: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
}

const fn room(name: &'static str, may: &'static [&'static str]) -> Room {
    Room {
        name,
        may,
        never: &["store::sqlite"],
    }
}

/// Everything below the command line.
const ALL: &[&str] = &[
    "clock",
    "engine",
    "explain",
    "input",
    "model",
    "policy",
    "progress",
    "provider",
    "report",
    "simulator",
    "store",
];

/// Of the provider the engine knows the trait and the values that it takes and returns.
const ENGINE: &[&str] = &[
    "clock",
    "model",
    "policy",
    "provider::BatchApi",
    "provider::BatchPage",
    "provider::BatchUpload",
    "provider::Failure",
    "provider::ItemResult",
    "provider::Message",
    "provider::Partial",
    "provider::Polled",
    "provider::Provider",
    "provider::Reply",
    "provider::Reserved",
    "provider::Request",
    "provider::ResultLine",
    "provider::StatusSource",
    "provider::has_no_batches",
    "provider::is_missing",
    "provider::may_have_been_created",
    "provider::rejected_entry",
    "provider::take_back_what_a_request_holds",
    "provider::take_back_what_it_quotes",
    "store",
];

/// Arrows point down only. A room is a folder or a file right under `src`.
const ROOMS: &[Room] = &[
    room("main", &["cli"]),
    room("lib", &[]),
    Room {
        name: "cli",
        may: ALL,
        never: &[],
    },
    room("engine", ENGINE),
    room("explain", &["model", "policy", "provider"]),
    room("progress", &["clock", "model"]),
    room("report", &["clock", "model", "store"]),
    room("input", &["clock", "model"]),
    room("policy", &["clock", "model"]),
    room("provider", &["clock", "model"]),
    room("store", &["clock", "model"]),
    // It imitates the API. A type shared with `provider` could be wrong in both alike.
    room("simulator", &[]),
    room("model", &[]),
    room("clock", &[]),
];

const MAX_FILE_LINES: usize = 600;
/// Files that may be longer, each with its reason. What needs no exception must not have one.
const LONG_FILES: &[(&str, &str)] = &[];

/// Statements begin like this; nothing that is written for people does.
const SQL: [&str; 9] = [
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "UPDATE ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "CREATE INDEX ",
    "ALTER TABLE ",
    "PRAGMA ",
];

const PRINTING: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

/// The files that are compiled for tests only.
pub struct TestFiles(Vec<String>);

impl TestFiles {
    pub fn of(files: &[SourceFile]) -> Self {
        let marked = |file: &SourceFile| test_module_files(&file.path, &file.text);
        Self(files.iter().flat_map(marked).collect())
    }

    pub fn holds(&self, path: &str) -> bool {
        let holds =
            |found: &String| path == found || (found.ends_with('/') && path.starts_with(found));
        self.0.iter().any(holds)
    }
}

/// Everything that breaks a rule in these files, each worded with its place.
pub fn violations(files: &[SourceFile]) -> Vec<String> {
    let for_tests = TestFiles::of(files);
    let mut found = Vec::new();
    for file in files {
        let tokens = tokens(&file.text);
        found.extend(shape(file));
        found.extend(sql(file, &tokens));
        if !for_tests.holds(&file.path) {
            let tokens = without_tests(&tokens);
            found.extend(forbidden_edges(file, &tokens));
            found.extend(printing(file, &tokens));
        }
    }
    found
}

/// Exceptions that nothing needs any more.
pub fn idle_exceptions(files: &[SourceFile]) -> Vec<&'static str> {
    let is_needed = |path: &str| files.iter().any(|file| file.path == path && is_long(file));
    let excused = LONG_FILES.iter().map(|(path, _)| *path);
    excused.filter(|path| !is_needed(path)).collect()
}

/// The module that a file is, from the crate's root.
pub fn module(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let path = path.trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

fn forbidden_edges(file: &SourceFile, tokens: &[Token]) -> Vec<String> {
    let module = module(&file.path);
    let Some(room) = ROOMS.iter().find(|room| room.name == module[0]) else {
        return vec![format!(
            "{}: the room `{}` has no rule: say in tests/architecture/rules.rs what it may import",
            file.path, module[0]
        )];
    };
    // The crate's root is the parent of its rooms: what it names is its own.
    let own_module = if room.name == "lib" { &[] } else { &module[..] };
    let uses = paths(tokens, own_module);
    let forbidden = uses.iter().filter(|used| !may_use(room, &used.path));
    forbidden
        .map(|used| {
            format!(
                "{}:{}: {} → {} (crate::{}): {}",
                file.path,
                used.line,
                room.name,
                used.path.first().map_or("the whole crate", String::as_str),
                used.path.join("::"),
                rule_of(room),
            )
        })
        .collect()
}

fn may_use(room: &Room, path: &[String]) -> bool {
    let is_own = path.first().is_some_and(|first| first == room.name);
    let allowed = room.may.iter().any(|start| is_under(path, start));
    let never = room.never.iter().any(|start| {
        // A glob brings in the forbidden one with the rest.
        let all_of = path.split_last().filter(|(last, _)| *last == "*");
        let reaches_it = all_of.is_some_and(|(_, base)| is_under(&words(start), &base.join("::")));
        is_under(path, start) || reaches_it
    });
    is_own || (allowed && !never)
}

fn words(path: &str) -> Vec<String> {
    path.split("::").map(str::to_owned).collect()
}

fn is_under(path: &[String], start: &str) -> bool {
    path.starts_with(&words(start))
}

fn rule_of(room: &Room) -> String {
    let allowed = match room.may {
        [] => "nothing of ours".to_owned(),
        may => may.join(", "),
    };
    let never = match room.never {
        never if !never.is_empty() && room.may.contains(&"store") => {
            format!(" (but not {})", never.join(", "))
        }
        _ => String::new(),
    };
    format!("{} may import {allowed}{never}", room.name)
}

fn is_long(file: &SourceFile) -> bool {
    file.text.lines().count() > MAX_FILE_LINES
}

fn shape(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    let excused = LONG_FILES.iter().any(|(path, _)| *path == file.path);
    if is_long(file) && !excused {
        let lines = file.text.lines().count();
        found.push(format!(
            "{}:{lines}: {lines} lines; a file has at most {MAX_FILE_LINES}: part it by what it owns",
            file.path
        ));
    }
    if !file.text.starts_with("//!") {
        found.push(format!(
            "{}:1: a file opens with `//!`: what it owns, promises and does not do",
            file.path
        ));
    }
    found
}

fn sql(file: &SourceFile, tokens: &[Token]) -> Vec<String> {
    if file.path.starts_with("src/store/") {
        return Vec::new();
    }
    let rule = "SQL and the database's types live under src/store alone";
    let texts = tokens.iter().filter(|token| token.is_quoted);
    let statements = texts.filter_map(|text| {
        let statement = SQL.iter().find(|start| text.text.contains(**start))?;
        Some((text.line, statement.trim()))
    });
    let crates = tokens.iter().filter(|token| token.text == "rusqlite");
    let crates = crates.map(|token| (token.line, token.text.as_str()));
    let all = statements.chain(crates);
    all.map(|(line, what)| format!("{}:{line}: `{what}`: {rule}", file.path))
        .collect()
}

fn printing(file: &SourceFile, tokens: &[Token]) -> Vec<String> {
    let calls = tokens
        .windows(2)
        .filter(|pair| PRINTING.contains(&pair[0].text.as_str()) && pair[1].text == "!");
    calls
        .map(|pair| {
            format!(
                "{}:{}: `{}!`: output goes through cli::output and cli::console",
                file.path, pair[0].line, pair[0].text
            )
        })
        .collect()
}
