//! The names of the settings, in the order of their declaration, and which config files may set them.
//! Nothing is declared here: the names and the order are those of the fields, the rest is in the schema.

use std::sync::LazyLock;

use schemars::{Schema, schema_for};
use serde_json::Value;

use super::options::Options;
use super::shown;

/// Which config files may set a key. A file that was merely found lies in a folder that somebody
/// else may have made: what says where keys, prompts and answers go is not taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFile {
    /// None: there is only the flag or the variable.
    Never,
    /// Any, a merely found one too.
    Any,
    /// A merely found one only with a path that stays in its own folder.
    Inside,
    /// Only one that the user named, that lies in the user's own config folder, or that
    /// `config trust` has accepted.
    Trusted,
}

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its dotted name.
    pub name: String,
    /// Which config files may set it.
    pub file: InFile,
}

impl Key {
    /// Whether the config file may set it.
    #[must_use]
    pub fn is_in_file(&self) -> bool {
        self.file != InFile::Never
    }
}

/// The keys whose names have a part that the user chooses, and their place: after these siblings.
const OF_CLASSES: [&str; 2] = ["retry.<class>.waits", "retry.<class>.max_attempts"];
const SIBLINGS: &str = "retry.";

/// The keyword of a property in the schema that says what a file that was merely found may do.
const FOUND_FILE: &str = "found_file";

static ALL: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let schema = schema_for!(Options);
    let names = shown::rows(&Options::default());
    let mut keys: Vec<_> = names
        .into_iter()
        .map(|(name, _)| Key {
            file: in_file(&schema, &name),
            name,
        })
        .collect();
    let last = keys.iter().rposition(|key| key.name.starts_with(SIBLINGS));
    let place = last.map_or(0, |last| last + 1);
    let of_classes = OF_CLASSES.map(|name| Key {
        name: name.to_owned(),
        file: InFile::Any,
    });
    keys.splice(place..place, of_classes);
    keys
});

/// Every setting.
#[must_use]
pub fn all() -> &'static [Key] {
    &ALL
}

/// The setting of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    all().iter().find(|key| key.name == name)
}

/// What the schema says of a key; what is not in it is no key of the file.
fn in_file(schema: &Schema, name: &str) -> InFile {
    let root = schema.as_value();
    let property = name.split('.').try_fold(root, |table, part| {
        let reference = table.get("$ref").and_then(Value::as_str);
        let table = match reference.and_then(|path| path.strip_prefix('#')) {
            Some(path) => root.pointer(path)?,
            None => table,
        };
        table.get("properties")?.get(part)
    });
    match property.map(|property| property.get(FOUND_FILE).and_then(Value::as_str)) {
        // What the schema does not have is a flag or a variable alone.
        None => InFile::Never,
        Some(None) => InFile::Any,
        Some(Some("inside")) => InFile::Inside,
        // A word that is not known must not open anything.
        Some(Some(_)) => InFile::Trusted,
    }
}

#[cfg(test)]
mod tests;
