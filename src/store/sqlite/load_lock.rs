//! A load's lock: a lock file of its own, by which a sweeper knows that its loader is alive.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::companion::beside;
use super::errors::explain_io;
use super::file_system::folder_of;
use super::lock::{ENDING, LOCK_TRIES, is_still_at, open, try_lock_patiently};
use crate::model::RunId;
use crate::store::{Result, StoreError};

/// What stands between the store's name and the run in the name of a load's lock file.
const INFIX: &str = ".load-";
/// What the name of a load's lock file ends with until it is locked.
const FRESH: &str = ".new";
/// How often a load's lock file is made: a sweeper may take each of them away before it is locked.
const FRESH_TRIES: u32 = 100;

/// Held while this process loads a run, so that nobody sweeps the load away. Unlike the dispatch
/// lock its name is used once, so the file is removed when it is dropped.
#[derive(Debug)]
pub struct LoadLock {
    pub(super) path: PathBuf,
    _file: File,
}

impl LoadLock {
    /// Takes the lock of a load that begins. The file gets its name when it is locked: before that a
    /// sweeper would take it for one of a load that was broken off.
    pub fn acquire(store: &Path, run: RunId) -> Result<Self> {
        let path = load_file(store, run);
        let fresh = beside(&path, FRESH);
        for _ in 0..FRESH_TRIES {
            let file = open(&fresh)?;
            let locked = try_lock_patiently(&file).is_ok() && is_still_at(&file, &fresh);
            if locked && std::fs::rename(&fresh, &path).is_ok() && is_still_at(&file, &path) {
                return Ok(Self { path, _file: file });
            }
        }
        Err(StoreError::Other {
            path: store.to_path_buf(),
            why: format!(
                "the lock file {} is taken away again and again",
                fresh.display()
            ),
        })
    }

    /// Takes the lock of a load that may be broken off; none if its loader is alive.
    pub fn acquire_if_abandoned(store: &Path, run: RunId) -> Result<Option<Self>> {
        let path = load_file(store, run);
        for _ in 0..LOCK_TRIES {
            let file = open(&path)?;
            match file.try_lock() {
                Ok(()) if is_still_at(&file, &path) => return Ok(Some(Self { path, _file: file })),
                // Whoever had it removed it meanwhile: a lock on it would tell nobody anything.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(explain_io(&path, &error)),
            }
        }
        Ok(None)
    }

    /// The runs that have a lock file beside the store, be their loads alive, broken off, or over
    /// (a process that is killed right behind its last commit leaves its file). Files that were never
    /// locked are removed.
    #[must_use]
    pub fn files(store: &Path) -> Vec<RunId> {
        let prefix = beside(&real(store), INFIX);
        let folder = folder_of(&prefix);
        let name_prefix = prefix.file_name().map(OsStr::as_encoded_bytes);
        let (Some(name_prefix), Ok(entries)) = (name_prefix, std::fs::read_dir(folder)) else {
            return Vec::new();
        };
        let mut runs = Vec::new();
        for name in entries.filter_map(|entry| Some(entry.ok()?.file_name())) {
            let bytes = name.as_encoded_bytes();
            if let Some(run) = run_between(bytes, name_prefix) {
                runs.push(run);
            } else if let Some(bytes) = bytes.strip_suffix(FRESH.as_bytes())
                && run_between(bytes, name_prefix).is_some()
            {
                remove_if_abandoned(&folder.join(&name));
            }
        }
        runs
    }
}

fn load_file(store: &Path, run: RunId) -> PathBuf {
    beside(&real(store), &format!("{INFIX}{run}{ENDING}"))
}

/// The store's path without links, so that its files stand beside it.
fn real(store: &Path) -> PathBuf {
    std::fs::canonicalize(store).unwrap_or_else(|_| store.to_path_buf())
}

/// Whoever is just making it makes it again.
fn remove_if_abandoned(fresh: &Path) {
    if let Ok(file) = File::open(fresh)
        && file.try_lock().is_ok()
        && is_still_at(&file, fresh)
    {
        let _ = std::fs::remove_file(fresh);
    }
}

/// The run that the name of a lock file speaks of.
fn run_between(name: &[u8], prefix: &[u8]) -> Option<RunId> {
    let run = name.strip_prefix(prefix)?.strip_suffix(ENDING.as_bytes())?;
    std::str::from_utf8(run).ok()?.parse().ok()
}

impl Drop for LoadLock {
    fn drop(&mut self) {
        // A file left behind is harmless: the next sweep finds it unlocked.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::LoadLock;
    use crate::model::RunId;
    use crate::store::sqlite::lock::DispatchLock;

    fn store_in(folder: &Path) -> PathBuf {
        let store = folder.join("store.db");
        std::fs::write(&store, "").unwrap();
        store
    }

    #[test]
    fn a_load_lock_leaves_no_file_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path());
        let run = RunId::generate();
        let lock = LoadLock::acquire(&store, run).unwrap();
        let sweeper = LoadLock::acquire_if_abandoned(&store, run).unwrap();
        assert!(sweeper.is_none());
        drop(lock);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// With 32 loads at once one of them once found that a sweeper had its new lock.
    #[test]
    fn a_load_that_begins_gets_its_lock_whoever_sweeps() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path());
        let (over, store) = (std::sync::atomic::AtomicBool::new(false), &store);
        std::thread::scope(|scope| {
            let sweepers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        while !over.load(std::sync::atomic::Ordering::Relaxed) {
                            for run in LoadLock::files(store) {
                                let swept = LoadLock::acquire_if_abandoned(store, run).unwrap();
                                assert!(swept.is_none(), "a load that is alive was swept");
                            }
                        }
                    })
                })
                .collect();
            let locks: Vec<_> = (0..200)
                .map(|_| LoadLock::acquire(store, RunId::generate()).unwrap())
                .collect();
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            for sweeper in sweepers {
                sweeper.join().unwrap();
            }
            assert_eq!(LoadLock::files(store).len(), locks.len());
        });
    }

    #[test]
    fn the_lock_files_of_a_store_are_found_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path());
        let (run, other) = (RunId::generate(), RunId::generate());
        let _dispatch = DispatchLock::acquire(&store).unwrap();
        let _load = LoadLock::acquire(&store, run).unwrap();
        let another_store = folder.path().join("another.db");
        let _other = LoadLock::acquire(&another_store, other).unwrap();
        std::fs::write(folder.path().join("store.db.load-notes.lock"), "").unwrap();
        let abandoned = folder
            .path()
            .join(format!("store.db.load-{other}.lock.new"));
        std::fs::write(&abandoned, "").unwrap();
        assert_eq!(LoadLock::files(&store), [run]);
        assert!(!abandoned.exists());
    }
}
