//! What is remembered for this user, in the state folder: one small file for each entry.
//!
//! A file of its own for each entry needs no lock: it is written whole and renamed, so that several
//! processes may write at once, and a broken file loses itself alone. Files are readable by their
//! owner only. A file that somebody else owns or may write is not believed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::environment::Environment;

/// Far above any entry.
const MAX_BYTES: u64 = 64 * 1024;

/// Something that is remembered.
pub trait Entry: Serialize + DeserializeOwned {
    /// The folder of its kind.
    const KIND: &'static str;

    /// What it is about: one entry for each.
    fn about(&self) -> &str;
}

/// The state folder of this user, if there is one. Nothing is made before something is written.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    folder: Option<PathBuf>,
}

impl Memory {
    /// That of the user whose environment this is.
    #[must_use]
    pub fn of(env: &Environment) -> Self {
        Self {
            folder: env.state_folder().map(|folder| folder.join("claude-run")),
        }
    }

    /// Where it is; none without a home.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// What is remembered about this. What cannot be read is not remembered.
    #[must_use]
    pub fn recall<E: Entry>(&self, about: &str) -> Option<E> {
        let entry: E = read(&self.file::<E>(about)?)?;
        // Half a hash names the file, so the entry itself says whom it is about.
        (entry.about() == about).then_some(entry)
    }

    /// Everything of a kind, in the order of what it is about.
    #[must_use]
    pub fn all<E: Entry>(&self) -> Vec<E> {
        let files = self.kind::<E>().and_then(|kind| fs::read_dir(kind).ok());
        let paths = files
            .into_iter()
            .flatten()
            .flatten()
            .map(|file| file.path());
        let is_entry = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
        let mut all: Vec<E> = paths
            .filter(is_entry)
            .filter_map(|path| read(&path))
            .collect();
        // A folder lists its files in any order.
        all.sort_by(|a, b| a.about().cmp(b.about()));
        all
    }

    /// Keeps an entry in place of the one about the same, if there is one.
    ///
    /// # Errors
    ///
    /// There is no state folder, or it cannot be written.
    pub fn keep<E: Entry>(&self, entry: &E) -> io::Result<()> {
        let (Some(kind), Some(file)) = (self.kind::<E>(), self.file::<E>(entry.about())) else {
            let why =
                "there is no state folder: neither HOME nor XDG_STATE_HOME is an absolute path";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        };
        make_private(&kind)?;
        // A file of `tempfile` is readable by its owner only.
        let mut part = tempfile::NamedTempFile::new_in(&kind)?;
        serde_json::to_writer(&mut part, entry)?;
        part.write_all(b"\n")?;
        // Before the rename: a power cut must not leave an empty entry under the name.
        part.as_file().sync_all()?;
        part.persist(&file).map_err(|error| error.error)?;
        Ok(())
    }

    /// Forgets what is remembered about this; whether there was anything.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn forget<E: Entry>(&self, about: &str) -> io::Result<bool> {
        let Some(file) = self.file::<E>(about) else {
            return Ok(false);
        };
        match fs::remove_file(file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn kind<E: Entry>(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(E::KIND))
    }

    fn file<E: Entry>(&self, about: &str) -> Option<PathBuf> {
        let name = blake3::hash(about.as_bytes()).to_hex();
        Some(self.kind::<E>()?.join(format!("{}.json", &name[..32])))
    }
}

fn read<E: Entry>(path: &Path) -> Option<E> {
    use std::io::Read;
    let file = fs::File::open(path).ok()?;
    // Asked of the open file and not of its path, which could be exchanged in between.
    if !is_our_own(&file.metadata().ok()?) {
        tracing::warn!(file = %path.display(), "not believed: somebody else owns it or may write it");
        return None;
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether nobody but this user (and root) can have written it.
#[cfg(unix)]
fn is_our_own(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    const OTHERS_WRITE: u32 = 0o002;
    let us = rustix::process::geteuid().as_raw();
    let trusted_owner = us == 0 || [us, 0].contains(&metadata.uid());
    metadata.is_file() && trusted_owner && metadata.mode() & OTHERS_WRITE == 0
}

#[cfg(not(unix))]
fn is_our_own(metadata: &fs::Metadata) -> bool {
    metadata.is_file()
}

/// Makes a folder that only its owner may enter, with the folders above it.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests;
