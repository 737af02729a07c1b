//! A walk over the keys of the file before its values are read: unknown keys and credentials are
//! found here, and what a file that was merely found may not say, with better words than a deserialiser
//! has, and the lines of all others are noted.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use clap::CommandFactory;
use toml::de::{DeTable, DeValue};

use super::Standing;
use super::position::Problem;
use super::standing::is_empty;
use crate::cli::settings::keys;
use crate::cli::settings::options::has_waits;
use crate::model::ErrorClass;

/// Names under which people would write a credential.
const SECRET_NAMES: [&str; 14] = [
    "anthropic_api_key",
    "anthropic_auth_token",
    "api_key",
    "apikey",
    "auth_token",
    "authorization",
    "credentials",
    "key",
    "password",
    "proxy_authorization",
    "secret",
    "token",
    "x_api_key",
    "bearer",
];

/// How Anthropic's keys begin.
const KEY_BEGINS: &str = "sk-ant-";

/// Where a key and its value stand, in bytes.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
    /// A table of which every line is commented out says nothing.
    pub(super) is_empty: bool,
}

/// What the walk found: places by dotted key, and mistakes.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) places: BTreeMap<String, Place>,
    pub(super) problems: Vec<Problem>,
    standing: Standing,
    folder: &'a Path,
}

impl<'a> Walk<'a> {
    /// Over a file in `folder` that stands like this.
    pub(super) fn over(table: &DeTable<'_>, standing: Standing, folder: &'a Path) -> Self {
        let mut walk = Self {
            places: BTreeMap::new(),
            problems: Vec::new(),
            standing,
            folder,
        };
        walk.table("", table);
        walk
    }

    /// The dotted key whose value holds this offset: the innermost one.
    pub(super) fn key_at(&self, offset: usize) -> Option<&str> {
        let holds = |place: &Place| place.value.contains(&offset) || place.key.contains(&offset);
        let found = self.places.iter().filter(|(_, place)| holds(place));
        found
            // Tables hold their keys, so the innermost is the one that is meant.
            .max_by_key(|(key, _)| key.matches('.').count())
            .map(|(key, _)| key.as_str())
    }

    fn untrusted(&self, path: &str, at: usize, value: &DeValue<'_>) -> Option<Problem> {
        self.standing.problem(self.folder, path, at, value)
    }

    fn table(&mut self, area: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let path = if area.is_empty() {
                name.to_owned()
            } else {
                format!("{area}.{name}")
            };
            let at = key.span().start;
            if name.contains(KEY_BEGINS) {
                self.problems
                    .push(secret(at, "a name that begins like a key"));
            } else if is_secret(name, value.get_ref()) {
                // Before anything else is said of the key: no other message may repeat its value.
                self.problems.push(secret(at, &format!("`{name}`")));
            } else if let Some(problem) = misplaced(at, area, name, &path) {
                self.problems.push(problem);
            } else if let Some(problem) = self.untrusted(&path, at, value.get_ref()) {
                self.problems.push(problem);
            } else if let DeValue::Table(inner) = value.get_ref() {
                self.table(&path, inner);
            }
            let place = Place {
                key: key.span(),
                value: value.span(),
                is_empty: is_empty(value.get_ref()),
            };
            self.places.insert(path, place);
        }
    }
}

/// A credential by its name, or by the way Anthropic's keys begin.
fn is_secret(name: &str, value: &DeValue<'_>) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    SECRET_NAMES.contains(&name.as_str())
        // A table is walked key by key.
        || (!value.is_table() && holds_key(value))
}

/// Whether it is a key, or holds one at any depth.
fn holds_key(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Array(items) => items.iter().any(|item| holds_key(item.get_ref())),
        DeValue::Table(table) => table
            .iter()
            .any(|(key, value)| key.get_ref().contains(KEY_BEGINS) || holds_key(value.get_ref())),
        _ => value.as_str().is_some_and(|text| text.contains(KEY_BEGINS)),
    }
}

fn secret(at: usize, shown: &str) -> Problem {
    let next = if shown == "`api_key_env`" {
        "write the name of the environment variable that holds the key, such as OTHER_API_KEY"
    } else {
        "remove it here and set ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN in the environment (ANTHROPIC_CUSTOM_HEADERS for headers of a gateway)"
    };
    Problem {
        at,
        what: format!("{shown} is a credential, and the config file takes none"),
        why: Some("files are copied and committed; the environment is not".to_owned()),
        next: next.to_owned(),
    }
}

/// What is wrong with a key that nobody reads; none if somebody does.
fn misplaced(at: usize, area: &str, name: &str, path: &str) -> Option<Problem> {
    let siblings = children(area);
    if siblings.is_empty() || siblings.iter().any(|known| known == name) {
        // No children are known: the names are free (headers), or the value is no table at all,
        // which the reader of the values tells.
        return None;
    }
    // The class exists, so its name is no slip.
    if area == "retry" && name.parse::<ErrorClass>().is_ok() {
        return Some(Problem {
            at,
            what: format!("`{path}` has no effect"),
            why: Some(format!(
                "attempts that end as `{name}` are not repeated after a wait"
            )),
            next: "remove it".to_owned(),
        });
    }
    let table = if area.is_empty() {
        "the top level".to_owned()
    } else {
        format!("[{area}]")
    };
    Some(Problem {
        at,
        what: format!("unknown key `{name}` in {table}"),
        why: Some(format!("{table} takes {}", listed(area, &siblings))),
        next: suggestion(area, name, &siblings),
    })
}

/// The keys and tables that may stand in a table, by its dotted name.
fn children(area: &str) -> Vec<String> {
    if let Some(class) = area.strip_prefix("retry.") {
        let known = class.parse::<ErrorClass>().is_ok_and(has_waits);
        return if known {
            vec!["waits".to_owned(), "max_attempts".to_owned()]
        } else {
            Vec::new()
        };
    }
    let mut names: Vec<String> = Vec::new();
    for key in keys::all().iter().filter(|key| key.is_in_file()) {
        let inside = if area.is_empty() {
            Some(key.name.as_str())
        } else {
            key.name
                .strip_prefix(area)
                .and_then(|rest| rest.strip_prefix('.'))
        };
        let child = inside.and_then(|rest| rest.split('.').next());
        match child {
            Some("<class>") => {
                let classes = ErrorClass::all().filter(|class| has_waits(*class));
                let classes = classes.map(|class| class.to_string());
                // There is one such key for each setting of a class.
                let new: Vec<_> = classes.filter(|class| !names.contains(class)).collect();
                names.extend(new);
            }
            Some(child) if !names.iter().any(|name| name == child) => names.push(child.to_owned()),
            _ => {}
        }
    }
    names
}

/// The allowed names as a reader wants them: error classes are too many to list.
fn listed(area: &str, siblings: &[String]) -> String {
    if area != "retry" {
        return siblings.join(", ");
    }
    let plain: Vec<_> = siblings
        .iter()
        .filter(|name| name.parse::<ErrorClass>().is_err())
        .map(String::as_str)
        .collect();
    format!("{} and tables named after error classes", plain.join(", "))
}

fn suggestion(area: &str, name: &str, siblings: &[String]) -> String {
    let elsewhere = keys::all()
        .iter()
        .filter(|key| key.is_in_file())
        .filter_map(|key| key.name.rsplit_once('.'))
        .find(|(table, key)| *key == name && *table != area);
    let name_like_flag = name.replace('-', "_");
    // From the surest guess to the vaguest.
    if let Some((table, _)) = elsewhere {
        format!("write it under [{table}]")
    } else if let Some(near) = nearest(&name_like_flag, siblings) {
        format!("did you mean `{near}`?")
    } else if let Some(flag) = flag_alone(name) {
        format!("give it as the flag {flag}: the config file does not take it")
    } else if let Some((table, key)) = near_elsewhere(&name_like_flag) {
        format!("did you mean `{key}` under [{table}]?")
    } else {
        "remove it, or correct its name".to_owned()
    }
}

/// The flag of that name, which no key of the file stands for.
fn flag_alone(name: &str) -> Option<String> {
    let flag = name.replace('_', "-");
    let command = crate::cli::args::Cli::command();
    let has = |command: &clap::Command| {
        command
            .get_arguments()
            .any(|arg| arg.get_long() == Some(&flag))
    };
    let known = has(&command) || command.get_subcommands().any(has);
    known.then(|| format!("--{flag}"))
}

/// The table and key of another table that was probably meant.
fn near_elsewhere(name: &str) -> Option<(&'static str, &'static str)> {
    let keys = keys::all().iter().filter(|key| key.is_in_file());
    let pairs: Vec<_> = keys.filter_map(|key| key.name.rsplit_once('.')).collect();
    let names: Vec<_> = pairs.iter().map(|(_, key)| (*key).to_owned()).collect();
    let near = nearest(name, &names)?;
    pairs.into_iter().find(|(_, key)| *key == near)
}

/// The name that was probably meant: similar enough that the suggestion is no riddle.
fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    const SIMILAR: f64 = 0.8;
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known.as_str())
}
