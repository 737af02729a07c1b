//! Finds the config file, reads it, and tells every mistake with its place.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::Standing;
use super::foreign_keys::is_foreign;
use super::position::{Problem, line_and_column};
use super::walk::Walk;
use crate::cli::environment::{self, Environment};
use crate::cli::failure::{Failure, in_plain_words as in_plain_words_of_io};
use crate::cli::settings::options::ClassRetry;
use crate::cli::settings::{Options, Origin, keys};
use crate::cli::trust::{self, Memory};
use crate::model::{ErrorClass, toml_kinds};

/// Far above any config file: what is longer is another file given by mistake.
const MAX_BYTES: u64 = 1024 * 1024;

/// A config file that was read without a mistake.
#[derive(Clone, Debug)]
pub struct LoadedFile {
    /// Where it is.
    pub path: PathBuf,
    /// How far it is believed.
    pub standing: Standing,
    /// What it says, over the defaults.
    pub options: Options,
    lines: BTreeMap<String, usize>,
}

impl LoadedFile {
    /// The dotted keys that it sets.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let is_waits = |name: &str| {
            let class = name.strip_prefix("retry.");
            class.is_some_and(|rest| rest.strip_suffix(".waits").is_some())
        };
        let is_key = move |name: &&str| keys::find(name).is_some() || is_waits(name);
        self.lines.keys().map(String::as_str).filter(is_key)
    }

    /// Whether it sets this dotted key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    /// Where this dotted key stands.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        let line = self.lines.get(key).copied().unwrap_or(1);
        Origin::File(self.path.clone(), line)
    }
}

/// Reads the file given with `--config`, or the one that `CLAUDE_RUN_CONFIG` names, or else
/// `claude-run.toml` in `folder`, or else `claude-run/config.toml` in the user's config folder. None
/// if there is none.
///
/// # Errors
///
/// The file given is missing; the file found cannot be read, is wrong, or says what a file that was
/// merely found may not say (exit code 2).
pub fn load(
    explicit: Option<&Path>,
    env: &Environment,
    folder: &Path,
) -> Result<Option<LoadedFile>, Failure> {
    let by_variable = env.path(environment::CONFIG);
    // A file that is named is the only one that is read, and must be there.
    if let Some(path) = explicit.or(by_variable.as_deref()) {
        let text = read(path)?;
        return parse_as(path, &text, Standing::Named).map(Some);
    }
    let beside = folder.join(FILE_NAME);
    // The folder's own file beats the user's general one.
    if beside.exists() {
        let text = read_found(&beside)?;
        let standing = trust::standing(&Memory::of(env), &beside, &text);
        return parse_as(&beside, &text, standing).map(Some);
    }
    let own = env
        .config_folder()
        .map(|folder| folder.join("claude-run").join("config.toml"))
        .filter(|path| path.exists());
    own.map(|path| read_found(&path).and_then(|text| parse_as(&path, &text, Standing::Own)))
        .transpose()
}

/// The config file that is looked for in the working folder.
pub const FILE_NAME: &str = "claude-run.toml";

/// The text of a config file that nobody named. What merely has its name (a folder, a pipe that
/// nobody writes to) is told, and not waited for.
///
/// # Errors
///
/// It is no file, cannot be read, is no text, or is far too long (exit code 2).
pub fn read_found(path: &Path) -> Result<String, Failure> {
    let kind = std::fs::metadata(path).map(|found| found.file_type());
    if kind.is_ok_and(|kind| !kind.is_file()) {
        return Err(Failure::usage(
            format!("{} cannot be read as a config file", path.display()),
            "move it away or give it another name; --config names a config file elsewhere",
        )
        .because("it is no file, but a folder, a pipe or a device of that name"));
    }
    read(path)
}

/// The text of a config file.
///
/// # Errors
///
/// It cannot be read, is no text, or is far too long (exit code 2).
fn read(path: &Path) -> Result<String, Failure> {
    let unreadable = |why: String| {
        Failure::usage(
            format!("the config file {} cannot be read", path.display()),
            "correct the path or the file, or name another one with --config",
        )
        .because(why)
    };
    let file =
        std::fs::File::open(path).map_err(|error| unreadable(in_plain_words_of_io(&error)))?;
    let mut text = String::new();
    // One byte more than allowed shows that there is more.
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| unreadable(in_plain_words_of_io(&error)))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(unreadable("it is longer than 1 MiB".to_owned()));
    }
    Ok(text)
}

/// Reads the text of a config file that the user named.
///
/// # Errors
///
/// Tells the first mistake with path, line, column and what is allowed.
pub fn parse(path: &Path, text: &str) -> Result<LoadedFile, Failure> {
    parse_as(path, text, Standing::Named)
}

/// Reads the text of a config file that stands like this.
///
/// # Errors
///
/// Tells the first mistake with path, line, column and what is allowed.
pub fn parse_as(path: &Path, text: &str, standing: Standing) -> Result<LoadedFile, Failure> {
    let table =
        DeTable::parse(text).map_err(|error| syntax_problem(&error).into_failure(path, text))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let walk = Walk::over(table.get_ref(), standing, folder);
    // The first mistake of the file, since later ones may follow from it.
    if let Some(problem) = walk.problems.iter().min_by_key(|problem| problem.at) {
        return Err(problem.clone().into_failure(path, text));
    }
    let located = |error| value_problem(&error, &walk).into_failure(path, text);
    // Before the whole: these tables are flattened there, and lose their places.
    check_classes(table.get_ref()).map_err(located)?;
    let options: Options = toml::from_str(text).map_err(located)?;
    if let Some(problem) = foreign_key(&options, &walk) {
        return Err(problem.into_failure(path, text));
    }
    let lines = walk
        .places
        .iter()
        .filter(|(_, place)| !place.is_empty)
        .map(|(key, place)| (key.clone(), line_and_column(text, place.key.start).0));
    Ok(LoadedFile {
        path: path.to_owned(),
        standing,
        options,
        lines: lines.collect(),
    })
}

/// The tables of error classes by themselves: serde forgets where the values of what is flattened stand.
fn check_classes(table: &DeTable<'_>) -> Result<(), toml::de::Error> {
    let retry = table.get("retry").map(toml::Spanned::get_ref);
    let Some(DeValue::Table(retry)) = retry else {
        return Ok(());
    };
    for (name, value) in retry {
        if name.get_ref().parse::<ErrorClass>().is_ok() {
            ClassRetry::deserialize(ValueDeserializer::from(value.clone()))?;
        }
    }
    Ok(())
}

/// A variable of another service in the place of the endpoint's key.
fn foreign_key(options: &Options, walk: &Walk) -> Option<Problem> {
    const KEY: &str = "fallback.endpoint.api_key_env";
    let endpoint = &options.fallback.endpoint;
    let name = &endpoint.api_key_env.as_ref()?.0;
    if endpoint.allow_foreign_key_env || !is_foreign(name) {
        return None;
    }
    Some(Problem {
        at: walk.places.get(KEY).map_or(0, |place| place.value.start),
        what: format!("`{KEY}` names {name}, which holds another service's secret"),
        why: Some("its value would be sent to the second endpoint".to_owned()),
        next: "name the variable of that endpoint's own key, such as OTHER_API_KEY; if it is meant, write allow_foreign_key_env = true beside it".to_owned(),
    })
}

fn start(error: &toml::de::Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    Problem {
        at: start(error),
        what: "this is not TOML".to_owned(),
        why: Some(syntax_in_plain_words(error.message())),
        next: "correct the line (https://toml.io shows how TOML is written)".to_owned(),
    }
}

fn syntax_in_plain_words(message: &str) -> String {
    if message.starts_with("string values must be quoted") {
        return "a value is missing here, or text stands without double quotes".to_owned();
    }
    if message.contains("recursion") {
        return "it is nested too deeply".to_owned();
    }
    message.replace('\n', "; ")
}

fn value_problem(error: &toml::de::Error, walk: &Walk) -> Problem {
    let at = start(error);
    let key = walk.key_at(at);
    Problem {
        at,
        what: key.map_or_else(
            || "a value cannot be used".to_owned(),
            |key| format!("the value of `{key}` cannot be used"),
        ),
        why: Some(in_plain_words(error.message())),
        next: "correct the value; `claude-run config` shows every setting".to_owned(),
    }
}

/// What serde says, without the value (it could be a secret) and without names of Rust types.
fn in_plain_words(message: &str) -> String {
    if let Some(field) = message.strip_prefix("missing field ") {
        return format!("it lacks {field}");
    }
    if let Some((_, allowed)) = message.split_once(", expected one of ")
        && message.starts_with("unknown variant ")
    {
        return format!("it must be one of {allowed}");
    }
    let invalid = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = invalid.and_then(|text| text.rsplit_once(", expected ")) {
        let (found, expected) = (toml_kinds::found(found), toml_kinds::wanted(expected));
        return format!("it must be {expected}, not {found}");
    }
    if message == "wanted string or table" {
        return "it must be text in quotes".to_owned();
    }
    // Our own rules are predicates: "must be from 1 to 10000", "is no URL".
    if message.starts_with("must ") || message.starts_with("is ") || message.starts_with("holds ") {
        return format!("it {message}");
    }
    message.to_owned()
}
