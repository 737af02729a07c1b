//! Config files that the user has accepted, by path and content.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Entry, Memory};
use crate::cli::config_file::Standing;

/// A config file that may say where keys and prompts go, as long as it stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedFile {
    /// Its path without links.
    pub path: String,
    /// The hash of its content.
    pub blake3: String,
    /// When it was accepted.
    pub at: Timestamp,
}

impl Entry for TrustedFile {
    const KIND: &'static str = "files";

    fn about(&self) -> &str {
        &self.path
    }
}

/// The hash by which a content is known.
#[must_use]
pub fn fingerprint(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The name by which a file is remembered: its path without links, in letters that any path can be
/// written with and told apart.
#[must_use]
pub fn remembered_as(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    Some(match path.to_str() {
        Some(text) => text.to_owned(),
        None => path
            .as_os_str()
            .as_encoded_bytes()
            .escape_ascii()
            .to_string(),
    })
}

/// How a file stands that was found here with this content.
#[must_use]
pub fn standing(memory: &Memory, path: &Path, text: &str) -> Standing {
    let known = remembered_as(path).and_then(|name| memory.recall::<TrustedFile>(&name));
    match known {
        None => Standing::Found,
        Some(known) if known.blake3 == fingerprint(text) => Standing::Trusted,
        Some(known) => Standing::Changed(known.at),
    }
}
