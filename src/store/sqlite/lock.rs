//! One dispatcher a store: a lock file beside it that names its holder.
//!
//! The operating system lets go of the lock when the process dies, however it dies, so a resume
//! after a kill starts at once. The file itself stays: removing it would let two processes lock
//! two files of the same name.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::errors::explain_io;
use crate::model::RunId;
use crate::store::{Result, StoreError};

/// What the name of a lock file ends with.
const ENDING: &str = ".lock";
/// What stands between the store's name and the run in the name of a load's lock file.
const LOAD_INFIX: &str = ".load-";
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Held while this process dispatches; let go when dropped.
#[derive(Debug)]
pub struct DispatchLock {
    _file: File,
}

impl DispatchLock {
    /// Takes the lock of the store at `store`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Held`] with the holder's pid if another process has it.
    pub fn acquire(store: &Path) -> Result<Self> {
        let path = beside(store, ENDING);
        let mut file = open(&path)?;
        match try_lock_patiently(&file) {
            Ok(()) => {
                name_holder(&mut file);
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => Err(StoreError::Held {
                path: store.to_path_buf(),
                pid: holder(&mut file),
            }),
            Err(TryLockError::Error(error)) => Err(explain_io(&path, &error)),
        }
    }

    /// Whether some process dispatches from the store now.
    #[must_use]
    pub fn is_held(store: &Path) -> bool {
        Self::held_by(store).is_some()
    }

    /// The pid of the process that dispatches from the store now, as it wrote itself down.
    #[must_use]
    pub fn held_by(store: &Path) -> Option<String> {
        let mut file = File::open(beside(store, ENDING)).ok()?;
        // A shared lock, so that two onlookers do not take each other for a dispatcher.
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder(&mut file)),
            _ => None,
        }
    }
}

/// Held while this process loads a run, so that nobody sweeps the load away. Unlike the dispatch
/// lock its name is used once, so the file is removed when it is dropped.
#[derive(Debug)]
pub struct LoadLock {
    path: PathBuf,
    _file: File,
}

impl LoadLock {
    /// Takes the lock of one's own load; none if somebody else has it all the time.
    pub fn acquire(store: &Path, run: RunId) -> Result<Option<Self>> {
        Self::acquire_by(store, run, try_lock_patiently)
    }

    /// Takes the lock of a load that may be broken off; none if its loader is alive.
    pub fn acquire_if_abandoned(store: &Path, run: RunId) -> Result<Option<Self>> {
        Self::acquire_by(store, run, File::try_lock)
    }

    fn acquire_by(
        store: &Path,
        run: RunId,
        try_lock: impl Fn(&File) -> std::result::Result<(), TryLockError>,
    ) -> Result<Option<Self>> {
        let path = beside(store, &format!("{LOAD_INFIX}{run}{ENDING}"));
        for _ in 0..LOCK_TRIES {
            let file = open(&path)?;
            match try_lock(&file) {
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
    /// (a process that is killed right behind its last commit leaves its file).
    #[must_use]
    pub fn files(store: &Path) -> Vec<RunId> {
        let prefix = beside(store, LOAD_INFIX);
        let folder = match prefix.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let prefix = prefix.file_name().map(OsStr::as_encoded_bytes);
        let (Some(prefix), Ok(entries)) = (prefix, std::fs::read_dir(folder)) else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        names
            .filter_map(|name| run_between(name.as_encoded_bytes(), prefix))
            .collect()
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

/// Whether the path still leads to this very file.
#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Whether the path still leads to a file; elsewhere there is no cheap way to tell which.
#[cfg(not(unix))]
fn is_still_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// An onlooker ([`DispatchLock::is_held`]) or a sweeper has the lock for an instant: one refusal
/// proves nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "a few milliseconds before any runtime work begins"
)]
fn try_lock_patiently(file: &File) -> std::result::Result<(), TryLockError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            decided => return decided,
        }
    }
    file.try_lock()
}

pub(super) fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(ending);
    name.into()
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| explain_io(path, &error))
}

/// For people only; the lock holds whether or not the pid could be written.
fn name_holder(file: &mut File) {
    let _ = file.set_len(0);
    let _ = file.rewind();
    let _ = writeln!(file, "{}", std::process::id());
}

fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    let _ = file.read_to_string(&mut pid);
    match pid.trim() {
        "" => "unknown".to_owned(),
        pid => pid.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{DispatchLock, LoadLock};
    use crate::model::RunId;
    use crate::store::StoreError;

    #[test]
    fn one_holder_at_a_time_and_its_pid_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        assert!(!DispatchLock::is_held(&store));
        let held = DispatchLock::acquire(&store).unwrap();
        assert!(DispatchLock::is_held(&store));
        let pid = std::process::id().to_string();
        assert_eq!(DispatchLock::held_by(&store), Some(pid));
        let refused = DispatchLock::acquire(&store).unwrap_err();
        let me = std::process::id().to_string();
        assert!(matches!(refused, StoreError::Held { pid, .. } if pid == me));
        drop(held);
        assert!(!DispatchLock::is_held(&store));
        DispatchLock::acquire(&store).unwrap();
    }

    #[test]
    fn a_load_lock_leaves_no_file_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        let run = RunId::generate();
        let lock = LoadLock::acquire(&store, run).unwrap().unwrap();
        assert!(LoadLock::acquire(&store, run).unwrap().is_none());
        drop(lock);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_lock_files_of_a_store_are_found_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        let (run, other) = (RunId::generate(), RunId::generate());
        let _dispatch = DispatchLock::acquire(&store).unwrap();
        let _load = LoadLock::acquire(&store, run).unwrap().unwrap();
        let another_store = folder.path().join("another.db");
        let _other = LoadLock::acquire(&another_store, other).unwrap().unwrap();
        std::fs::write(folder.path().join("store.db.load-notes.lock"), "").unwrap();
        assert_eq!(LoadLock::files(&store), [run]);
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_on_a_file_that_was_removed_meanwhile_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = super::open(&path).unwrap();
        assert!(super::is_still_at(&file, &path));
        std::fs::remove_file(&path).unwrap();
        assert!(!super::is_still_at(&file, &path));
        super::open(&path).unwrap();
        assert!(!super::is_still_at(&file, &path));
    }
}
