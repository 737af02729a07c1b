//! One dispatcher a store: a lock file beside it that names its holder.
//!
//! The operating system lets go of the lock when the process dies, however it dies, so a resume
//! after a kill starts at once. The file itself stays: removing it would let two processes lock
//! two files of the same name.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::RunId;
use crate::store::{Result, StoreError};

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
        let path = beside(store, ".lock");
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
            Err(TryLockError::Error(error)) => Err(cannot_lock(&path, &error)),
        }
    }

    /// Whether some process dispatches from the store now.
    #[must_use]
    pub fn is_held(store: &Path) -> bool {
        let Ok(file) = File::open(beside(store, ".lock")) else {
            return false;
        };
        // A shared lock, so that two onlookers do not take each other for a dispatcher.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
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
    /// Takes the lock of one load; none if the loader is alive.
    pub fn acquire(store: &Path, run: RunId) -> Result<Option<Self>> {
        let path = beside(store, &format!(".load-{run}.lock"));
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { path, _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(cannot_lock(&path, &error)),
        }
    }
}

impl Drop for LoadLock {
    fn drop(&mut self) {
        // A file left behind is harmless: the next sweep finds it unlocked.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// An onlooker ([`DispatchLock::is_held`]) has the lock for an instant: one refusal proves nothing.
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

fn beside(store: &Path, ending: &str) -> PathBuf {
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
        .map_err(|error| cannot_lock(path, &error))
}

fn cannot_lock(path: &Path, error: &std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::ReadOnly {
                path: path.to_path_buf(),
                why: error.to_string(),
            }
        }
        std::io::ErrorKind::StorageFull => StoreError::DiskFull {
            path: path.to_path_buf(),
        },
        _ => StoreError::CannotOpen {
            path: path.to_path_buf(),
            why: error.to_string(),
        },
    }
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
}
