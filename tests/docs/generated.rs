//! Compares a generated file with what the code generates, or writes it.

use std::fs;
use std::path::{Path, PathBuf};

/// Set (to anything), it makes these tests write the files instead of comparing them.
const UPDATE: &str = "UPDATE_DOCS";

pub(crate) fn is_updating() -> bool {
    std::env::var_os(UPDATE).is_some()
}

pub(crate) fn in_repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Asserts that a file of the repository holds this text.
pub(crate) fn assert_generated(name: &str, text: &str) {
    let path = in_repository(name);
    if is_updating() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "{name} is not what the code says. If the change is meant, generate it again with\n  {UPDATE}=1 cargo test --test docs"
    );
}
