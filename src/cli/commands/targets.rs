//! Files that a command writes, and those that it must never write over: the store and the input.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;

/// What stands beside a store under its name.
const COMPANIONS: [&str; 7] = [
    "",
    "-wal",
    "-shm",
    ".lock",
    ".spool",
    ".sent",
    ".kept.jsonl",
];

/// Refuses a target that is the store, or one of the files beside it, or the input.
///
/// # Errors
///
/// Names the target and the flag that named it (exit code 2).
pub(super) fn refuse_ours(
    target: &Path,
    flag: &str,
    store: &Path,
    input: Option<&Path>,
) -> Result<(), Failure> {
    let Some(target_file) = file(target) else {
        return Ok(());
    };
    let is = |other: &Path| file(other).is_some_and(|other| other == target_file);
    // They stand beside the file itself, wherever a link to it lies.
    let real = fs::canonicalize(store).unwrap_or_else(|_| store.to_path_buf());
    let companion = |ending: &&str| {
        let mut name = real.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let why = if COMPANIONS.iter().map(companion).any(|other| is(&other)) {
        "it belongs to the store, which would be destroyed"
    } else if input.is_some_and(is) {
        "it is the run's input, which would be lost"
    } else {
        return Ok(());
    };
    let what = format!("{} cannot be written", target.display());
    Err(Failure::usage(what, format!("name another file with {flag}")).because(why))
}

/// The file that is there under any of its names.
fn file(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok().filter(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_store_nor_input_is_a_target_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.db", "a.db-wal", "in.jsonl", "other"] {
            fs::write(at(name), "").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(at("a.db"), at("link")).unwrap();
        let refused =
            |name: &str| refuse_ours(&at(name), "-o", &at("a.db"), Some(&at("in.jsonl"))).is_err();
        assert!(refused("a.db") && refused("a.db-wal") && refused("in.jsonl"));
        assert!(refused("./a.db"));
        #[cfg(unix)]
        {
            let by_link = |name: &str| refuse_ours(&at(name), "-o", &at("link"), None).is_err();
            assert!(by_link("a.db") && by_link("a.db-wal"));
        }
        #[cfg(unix)]
        assert!(refused("link"));
        assert!(!refused("other") && !refused("new") && !refused("a.db-shm"));
    }

    #[test]
    fn standard_input_is_no_file() {
        let refused = refuse_ours(
            Path::new("-"),
            "-o",
            Path::new("a.db"),
            Some(Path::new("-")),
        );
        assert_eq!(refused, Ok(()));
    }
}
