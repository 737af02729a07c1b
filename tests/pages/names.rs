//! `docs/internals/` names files, functions and types; each of them is in the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::page::root;

const PAGES: [&str; 3] = [
    "docs/internals/architecture.md",
    "docs/internals/durability.md",
    "CONTRIBUTING.md",
];

/// Every file of the sources and tests, relative to the repository, and every name that they declare.
struct Code {
    files: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Code {
    fn read() -> Self {
        let mut code = Self {
            files: BTreeSet::new(),
            names: BTreeSet::new(),
        };
        for folder in ["src", "tests", "schemas", "examples", "benches", "fuzz"] {
            code.walk(&root().join(folder));
        }
        code
    }

    fn walk(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.walk(&path);
                continue;
            }
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
            self.files.insert(name.to_owned());
            if path.extension().is_some_and(|ending| ending == "rs") {
                self.declared(&fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// Functions, types, variants, fields, constants: any word that a declaration can begin with.
    fn declared(&mut self, source: &str) {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = source
            .split(|c| !is_word(c))
            .filter(|word| !word.is_empty());
        self.names.extend(words.map(str::to_owned));
    }

    /// A file by its path, or by the end of it: `store/sqlite/claim.rs`, `claim.rs`, `benches/`.
    fn has_file(&self, name: &str) -> bool {
        let end = format!("/{name}");
        let folder = format!("{}/", name.trim_end_matches('/'));
        self.files.iter().any(|file| {
            file == name
                || file.ends_with(&end)
                || file.contains(&format!("/{folder}"))
                || file.starts_with(&folder)
        })
    }
}

/// The words between backticks, outside fences.
fn quoted(text: &str) -> Vec<String> {
    let mut inside = false;
    let outside: Vec<_> = text
        .lines()
        .filter(|line| {
            let is_fence = line.trim_start().starts_with("```");
            inside ^= is_fence;
            !inside && !is_fence && !line.starts_with("    ")
        })
        .collect();
    let text = outside.join("\n");
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_file_that_the_internals_name_is_there() {
    let code = Code::read();
    let mut found = 0;
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for name in quoted(&text) {
            let is_path = Path::new(&name).extension().is_some_and(|end| end == "rs")
                || (name.ends_with('/') && name.len() > 2 && !name.contains([' ', '*', '~']));
            // A word in capitals stands for whatever one puts there.
            let is_template = name
                .split('/')
                .any(|part| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase()));
            if is_path && !is_template && !name.contains(['*', '<', ' ']) {
                let known = code.has_file(&name) || root().join(&name).exists();
                assert!(known, "{page} names `{name}`");
                found += 1;
            }
        }
    }
    assert!(found > 80, "only {found} were found");
}

#[test]
fn every_function_and_type_that_the_internals_name_is_in_the_code() {
    let code = Code::read();
    let mut found = 0;
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for name in quoted(&text) {
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
            let is_path = name.contains("::") && name.chars().all(is_word) && !name.ends_with("::");
            let is_function = name.contains('_')
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            let is_type = name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.chars().skip(1).any(|c| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_alphanumeric());
            if is_path || is_function || is_type {
                for part in name.split("::").filter(|part| !part.is_empty()) {
                    assert!(code.names.contains(part), "{page} names `{name}`");
                }
                found += 1;
            }
        }
    }
    assert!(found > 60, "only {found} were found");
}
