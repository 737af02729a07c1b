//! How far a config file is believed, by how it came to be read.
//!
//! A file that was merely found may have come with a folder that somebody else made. It may not say
//! where keys, prompts and answers go: which keys that are, is a property of each (`InFile`).

use std::path::{Component, Path};

use jiff::Timestamp;
use toml::de::DeValue;

use super::position::Problem;
use crate::cli::settings::{InFile, Key, keys};

/// How a config file came to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The user named it, by flag or by variable.
    Named,
    /// It lies in the user's own config folder.
    Own,
    /// It was found, and `config trust` has accepted its path with this content.
    Trusted,
    /// It was found in the working folder.
    Found,
    /// It was found, and has changed since `config trust` accepted it.
    Changed(Timestamp),
}

impl Standing {
    /// Whether it may set every key.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        matches!(self, Self::Named | Self::Own | Self::Trusted)
    }

    /// What `claude-run config` says of it.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Own => "in your own config folder",
            Self::Trusted => "trusted by `config trust`",
            Self::Found => "found; may not say where keys and prompts go",
            Self::Changed(_) => {
                "changed since `config trust`; may not say where keys and prompts go"
            }
        }
    }

    /// What is wrong with a key of a file in `folder` that stands like this; none if nothing is.
    pub(super) fn problem(
        self,
        folder: &Path,
        path: &str,
        at: usize,
        value: &DeValue<'_>,
    ) -> Option<Problem> {
        if self.is_trusted() || is_empty(value) {
            return None;
        }
        let key = keys::find(path)?;
        let refused = match key.file {
            InFile::Trusted => true,
            InFile::Inside => leads_out(folder, value),
            InFile::Any | InFile::Never => false,
        };
        refused.then(|| self.refusal(key, at))
    }

    fn refusal(self, key: &Key, at: usize) -> Problem {
        let what = match key.file {
            InFile::Inside => "leads out of the folder of a file that was merely found",
            _ => "is not taken from a file that was merely found",
        };
        let about = match key.file {
            InFile::Inside => "it says where prompts and answers are kept",
            _ => "it says where keys and prompts go, or with what",
        };
        let why = match self {
            Self::Changed(at) => format!(
                "{about}, and the file has changed since it was trusted on {}",
                at.strftime("%Y-%m-%d")
            ),
            _ => format!("{about}, and whoever made this folder may have written it"),
        };
        Problem {
            at,
            what: format!("`{}` {what}", key.name),
            why: Some(why),
            next: "read the file; if it is yours, accept it with `claude-run config trust`, or name it with --config or CLAUDE_RUN_CONFIG".to_owned(),
        }
    }
}

/// A table of which every line is commented out says nothing.
pub(super) fn is_empty(value: &DeValue<'_>) -> bool {
    matches!(value, DeValue::Table(table) if table.is_empty())
}

/// Whether a path is anything but one that stays within the folder, links followed. What is no text
/// is left to the reader of the values.
fn leads_out(folder: &Path, value: &DeValue<'_>) -> bool {
    let Some(path) = value.as_str().map(Path::new) else {
        return false;
    };
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !path.components().all(plain) {
        return true;
    }
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let Ok(root) = folder.canonicalize() else {
        return false;
    };
    let full = folder.join(path);
    // The part of it that exists already; what is made below stays below.
    let existing = full.ancestors().find_map(|part| part.canonicalize().ok());
    let dangling = full
        .ancestors()
        .any(|part| part.is_symlink() && !part.exists());
    dangling || existing.is_some_and(|existing| !existing.starts_with(root))
}
