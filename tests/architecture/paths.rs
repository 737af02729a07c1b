//! Every path of a file that leads into our own crate, imports and code alike.

use std::collections::{HashMap, HashSet};

use super::tokens::Token;

/// A path from the root of the crate, and the line it is used on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub line: usize,
    pub path: Vec<String>,
    /// What it is called here, if it is an import.
    pub name: Option<String>,
    /// It is passed on (`pub use`).
    pub is_passed_on: bool,
}

/// The paths into our crate that these tokens of the module `module` name. A module that was
/// imported and is then used (`use crate::a; a::b()`) counts with the full path.
pub fn paths(tokens: &[Token], module: &[String]) -> Vec<Use> {
    let (imports, plain) = written(tokens);
    let children = child_modules(tokens);
    let mut names = HashMap::new();
    let mut found = Vec::new();
    for import in imports {
        let Some(path) = from_root(&import.path, module, &children) else {
            continue;
        };
        let last = path.last().cloned().unwrap_or_default();
        let name = import.renamed.unwrap_or(last);
        names.insert(name.clone(), path.clone());
        found.push(Use {
            line: import.line,
            path,
            name: Some(name),
            is_passed_on: import.is_passed_on,
        });
    }
    for (line, written) in plain {
        let imported = names.get(&written[0]);
        let path = match imported {
            Some(start) => Some([start, &written[1..]].concat()),
            None => from_root(&written, module, &children),
        };
        found.extend(path.map(|path| Use {
            line,
            path,
            name: None,
            is_passed_on: false,
        }));
    }
    found.sort();
    found.dedup();
    found
}

struct Import {
    is_passed_on: bool,
    line: usize,
    path: Vec<String>,
    renamed: Option<String>,
}

/// Imports, and the other paths of two words and more, as they are written.
fn written(tokens: &[Token]) -> (Vec<Import>, Vec<(usize, Vec<String>)>) {
    let (mut imports, mut plain, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        let is_import =
            tokens[at].text == "use" && tokens.get(at + 1).is_some_and(|next| next.text != "<");
        if is_import {
            let before = at.checked_sub(1).map(|before| tokens[before].text.as_str());
            let known = imports.len();
            at = import_tree(tokens, at + 1, &[], &mut imports);
            for import in &mut imports[known..] {
                import.is_passed_on = matches!(before, Some("pub" | ")"));
            }
        } else if tokens[at].is_word() {
            let line = tokens[at].line;
            let (path, behind) = plain_path(tokens, at);
            if path.len() > 1 {
                plain.push((line, path));
            }
            at = behind;
        } else {
            at += 1;
        }
    }
    (imports, plain)
}

/// The words from here that `::` joins, and where they end.
fn plain_path(tokens: &[Token], mut at: usize) -> (Vec<String>, usize) {
    let mut path = vec![tokens[at].text.clone()];
    at += 1;
    while let [joint, word, ..] = &tokens[at..] {
        if joint.text != "::" || !word.is_word() {
            break;
        }
        path.push(word.text.clone());
        at += 2;
    }
    (path, at)
}

/// Reads what stands behind `use`, or behind a `{` or `,` in it; returns where it ends.
fn import_tree(
    tokens: &[Token],
    mut at: usize,
    start: &[String],
    found: &mut Vec<Import>,
) -> usize {
    let mut path = start.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut renamed = None;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => return import_group(tokens, at + 1, &path, found),
            "as" => {
                renamed = tokens.get(at + 1).map(|name| name.text.clone());
                at += 1;
            }
            "::" => {}
            "," | "}" | ";" => break,
            // `{self}` imports what stands before the brace.
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    if path.len() > start.len() || tokens[at - 1].text == "self" || renamed.is_some() {
        found.push(Import {
            is_passed_on: false,
            line,
            path,
            renamed,
        });
    }
    at
}

fn import_group(
    tokens: &[Token],
    mut at: usize,
    start: &[String],
    found: &mut Vec<Import>,
) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "}" => return at + 1,
            "," => at += 1,
            _ => at = import_tree(tokens, at, start, found),
        }
    }
    at
}

/// The names in `mod name;`.
fn child_modules(tokens: &[Token]) -> HashSet<&str> {
    let declared = tokens
        .windows(3)
        .filter(|words| words[0].text == "mod" && words[2].text == ";");
    declared.map(|words| words[1].text.as_str()).collect()
}

/// The path from the crate's root; none if it does not lead into our crate by itself.
fn from_root(
    written: &[String],
    module: &[String],
    children: &HashSet<&str>,
) -> Option<Vec<String>> {
    let (mut base, rest) = match written.first()?.as_str() {
        "crate" | "claude_run" => return Some(written[1..].to_vec()),
        "self" => (module.to_vec(), &written[1..]),
        "super" => (module.to_vec(), written),
        child if children.contains(child) => (module.to_vec(), written),
        _ => return None,
    };
    let ups = rest.iter().take_while(|word| *word == "super").count();
    base.truncate(base.len().saturating_sub(ups));
    base.extend_from_slice(&rest[ups..]);
    Some(base)
}

#[cfg(test)]
mod tests {
    use super::paths;
    use crate::tokens::tokens;

    /// The paths of a file in `crate::room::part`.
    fn found(code: &str) -> Vec<String> {
        let module = ["room", "part"].map(str::to_owned);
        let uses = paths(&tokens(code), &module);
        uses.iter().map(|used| used.path.join("::")).collect()
    }

    #[test]
    fn imports_are_read_in_every_form() {
        for (code, expected) in [
            ("use crate::a;", vec!["a"]),
            ("pub use crate::a::B as C;", vec!["a::B"]),
            (
                "use crate::a::{B, c::{D, E}, F};",
                vec!["a::B", "a::F", "a::c::D", "a::c::E"],
            ),
            ("use crate::{a::B, c};", vec!["a::B", "c"]),
            ("use crate::a::{self, B};", vec!["a", "a::B"]),
            ("use crate::a::*;", vec!["a::*"]),
            ("use claude_run::a::B;", vec!["a::B"]),
            ("use super::a;", vec!["room::a"]),
            ("use super::super::a;", vec!["a"]),
            ("use self::a::B;", vec!["room::part::a::B"]),
            ("mod a; pub use a::B;", vec!["room::part::a::B"]),
            ("use std::fmt; use serde::Serialize;", vec![]),
            ("fn f<'a>() -> impl Fn() + use<'a> {} ", vec![]),
        ] {
            assert_eq!(found(code), expected, "{code}");
        }
    }

    #[test]
    fn paths_in_code_count() {
        assert_eq!(found("fn f(x: crate::a::B) {}"), ["a::B"]);
        assert_eq!(found("let x = crate::a::b::<u8>();"), ["a::b"]);
        assert_eq!(found("super::super::a::b()"), ["a::b"]);
        assert_eq!(found("#[derive(crate::a::B)] struct S;"), ["a::B"]);
    }

    #[test]
    fn what_an_imported_module_gives_counts_with_its_full_path() {
        assert_eq!(found("use crate::a; a::b::C::new()"), ["a", "a::b::C::new"]);
        assert_eq!(found("use crate::a as x; x::b()"), ["a", "a::b"]);
        assert_eq!(found("a::b()"), Vec::<String>::new());
    }

    #[test]
    fn code_behind_an_import_is_read() {
        let code = "use crate::{a::{B}, c}; fn f() { crate::d::e() }";
        assert_eq!(found(code), ["a::B", "c", "d::e"]);
    }
}
