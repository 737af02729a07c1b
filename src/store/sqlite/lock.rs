//! One dispatcher a store: a lock on the store's own file, and a lock file beside it that names its
//! holder.
//!
//! On Linux the first one decides: `flock` on the database, which SQLite's own locks (POSIX ones) do not
//! meet. It holds whatever name leads to the file, and whatever becomes of the lock file. Elsewhere the
//! two kinds of lock do meet, and the lock file decides. It is locked on Linux too, since an older
//! claude-run knows no other lock.
//!
//! The operating system lets go of both when the process dies, however it dies, so a resume
//! after a kill starts at once. The lock file itself stays: removing it would let two processes lock
//! two files of the same name. Its holder makes it anew if somebody removes it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::companion::{self, beside};
use super::errors::explain_io;
use super::file_system::folder_of;
use super::identity::{Held, StoreFile, identity_at, identity_of, links};
use crate::store::{Result, StoreError};

/// What the name of a lock file ends with.
pub(super) const ENDING: &str = ".lock";
pub(super) const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// Whether the lock on the store's own file is independent of SQLite's.
const LOCKS_THE_STORE: bool = cfg!(target_os = "linux");

/// Held while this process dispatches; let go when dropped.
#[derive(Debug)]
pub struct DispatchLock {
    store: StoreFile,
}

impl DispatchLock {
    /// Takes the lock of the store at `store`, which must be there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Held`] with the holder's pid if another process has it.
    pub fn acquire(store: &Path) -> Result<Self> {
        let found = StoreFile::find(store)?.ok_or_else(|| StoreError::Missing {
            path: store.to_path_buf(),
        })?;
        Self::of(found)
    }

    pub(super) fn of(store: StoreFile) -> Result<Self> {
        let mut held = store.anchor.held();
        if held.is_some() {
            return Err(held_by_another(&store, std::process::id().to_string()));
        }
        lock_the_store(&store)?;
        let lock_file = match Held::acquire(&store) {
            Ok(lock_file) => lock_file,
            Err(error) => {
                unlock_the_store(&store);
                return Err(error);
            }
        };
        *held = Some(lock_file);
        drop(held);
        Ok(Self { store })
    }

    /// Whether some process dispatches from the store now.
    #[must_use]
    pub fn is_held(store: &Path) -> bool {
        Self::held_by(store).is_some()
    }

    /// The pid of the process that dispatches from the store now, as it wrote itself down.
    #[must_use]
    pub fn held_by(store: &Path) -> Option<String> {
        holder(&StoreFile::find(store).ok()??)
    }
}

impl Drop for DispatchLock {
    fn drop(&mut self) {
        let mut held = self.store.anchor.held();
        // The lock file first: whoever has the store's lock next must not meet ours on it.
        *held = None;
        unlock_the_store(&self.store);
    }
}

impl StoreFile {
    /// A store that is reached by a second hard link has a second write-ahead log, which SQLite knows
    /// nothing of: what the one holds would be written over by the other. So it is opened by the name
    /// that has the log.
    pub(super) fn refuse_second_name(&self) -> Result<()> {
        if links(&self.path) < 2 || beside(&self.path, "-wal").exists() {
            return Ok(());
        }
        let folder = folder_of(&self.path);
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let others = entries.map(|entry| entry.path());
        let mut others = others.filter(|other| {
            *other != self.path && identity_at(other).as_ref() == Some(&self.anchor.identity)
        });
        // An empty log, as a reader leaves it, has nothing that could be missed.
        let has_log = |other: &PathBuf| {
            std::fs::metadata(beside(other, "-wal")).is_ok_and(|log| log.len() > 0)
        };
        let other = others.find(has_log);
        let held_by = holder(self);
        let other = match other {
            Some(other) => other.display().to_string(),
            None if held_by.is_some() => "in another folder".to_owned(),
            None => return Ok(()),
        };
        Err(StoreError::SecondName {
            path: self.named.clone(),
            other,
            held_by,
        })
    }
}

/// The pid of the process that dispatches from this store now.
pub(super) fn holder(store: &StoreFile) -> Option<String> {
    let held = store.anchor.held();
    if held.is_some() {
        return Some(std::process::id().to_string());
    }
    let path = beside(&store.path, ENDING);
    if LOCKS_THE_STORE && let Some(file) = store.anchor.file() {
        // A shared lock, so that two onlookers do not take each other for a dispatcher.
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => return Some(pid_of_holder(store)),
            Ok(()) => drop(file.unlock()),
            Err(TryLockError::Error(_)) => {}
        }
    }
    let mut file = companion::private().open(path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(pid_in(&mut file)),
        _ => None,
    }
}

fn lock_the_store(store: &StoreFile) -> Result<()> {
    let (true, Some(file)) = (LOCKS_THE_STORE, store.anchor.file()) else {
        return Ok(());
    };
    match try_lock_patiently(file) {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(held_by_another(store, pid_of_holder(store))),
        Err(TryLockError::Error(error)) => Err(explain_io(&store.named, &error)),
    }
}

fn unlock_the_store(store: &StoreFile) {
    if let (true, Some(file)) = (LOCKS_THE_STORE, store.anchor.file()) {
        // What fails here is let go with the process.
        let _ = file.unlock();
    }
}

fn held_by_another(store: &StoreFile, pid: String) -> StoreError {
    StoreError::Held {
        path: store.named.clone(),
        pid,
    }
}

impl Held {
    fn acquire(store: &StoreFile) -> Result<Self> {
        let path = beside(&store.path, ENDING);
        for _ in 0..LOCK_TRIES {
            let mut file = open(&path)?;
            match try_lock_patiently(&file) {
                Ok(()) if is_still_at(&file, &path) => {
                    name_holder(&mut file);
                    return Ok(Self { file, path });
                }
                // Somebody removed it meanwhile: a lock on it would tell nobody anything.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(held_by_another(store, pid_in(&mut file)));
                }
                Err(TryLockError::Error(error)) => return Err(explain_io(&path, &error)),
            }
        }
        Err(held_by_another(store, UNKNOWN.to_owned()))
    }
}

/// Makes the lock file anew if this process has the lock and somebody removed the file.
///
/// # Errors
///
/// [`StoreError::Held`] if another process has locked a new one meanwhile.
pub(super) fn renew(store: &StoreFile) -> Result<()> {
    let mut held = store.anchor.held();
    match &mut *held {
        Some(lock) if !is_still_at(&lock.file, &lock.path) => {
            *lock = Held::acquire(store)?;
            tracing::warn!(
                "the lock file {} was removed while this process has the lock: it is made anew",
                lock.path.display()
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether the path still leads to this very file.
pub(super) fn is_still_at(file: &File, path: &Path) -> bool {
    let ours = file.metadata().and_then(|found| identity_of(path, &found));
    ours.is_ok_and(|ours| identity_at(path).is_some_and(|there| there == ours))
}

/// An onlooker ([`DispatchLock::is_held`]) or a sweeper has the lock for an instant: one refusal
/// proves nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "a few milliseconds before any runtime work begins"
)]
pub(super) fn try_lock_patiently(file: &File) -> std::result::Result<(), TryLockError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            decided => return decided,
        }
    }
    file.try_lock()
}

pub(super) fn open(path: &Path) -> Result<File> {
    let file = companion::open(path).map_err(|error| explain_io(path, &error))?;
    make_private(&file);
    Ok(file)
}

/// Whoever can open a lock file can keep it locked. An older claude-run made it open to all.
#[cfg(unix)]
fn make_private(file: &File) {
    use std::os::unix::fs::PermissionsExt;
    let others = file
        .metadata()
        .map_or(0, |found| found.permissions().mode() & 0o077);
    if others != 0 {
        // It may be somebody else's file, who shares the store with us.
        let _ = file.set_permissions(std::fs::Permissions::from_mode(0o600));
    }
}

#[cfg(not(unix))]
fn make_private(_: &File) {}

/// For people only; the lock holds whether or not the pid could be written.
fn name_holder(file: &mut File) {
    let _ = file.set_len(0);
    let _ = file.rewind();
    let _ = writeln!(file, "{}", std::process::id());
}

const UNKNOWN: &str = "unknown";

/// The pid of the process that has the lock on the store's file. The system knows it; what the lock
/// file says may be of an earlier holder, or the file may be gone.
fn pid_of_holder(store: &StoreFile) -> String {
    if let Some(pid) = pid_by_the_system(store) {
        return pid;
    }
    match companion::private().open(beside(&store.path, ENDING)) {
        Ok(mut file) => pid_in(&mut file),
        Err(_) => UNKNOWN.to_owned(),
    }
}

#[cfg(target_os = "linux")]
fn pid_by_the_system(store: &StoreFile) -> Option<String> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    pid_among(&locks, store.anchor.identity.1)
}

#[cfg(not(target_os = "linux"))]
fn pid_by_the_system(_: &StoreFile) -> Option<String> {
    None
}

/// Who has an exclusive `flock` on the file with that inode, by the words of `/proc/locks`. Holders in
/// another container have no pid here.
#[cfg(target_os = "linux")]
fn pid_among(locks: &str, inode: u64) -> Option<String> {
    locks.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, file, ..] = words.as_slice() else {
            return None;
        };
        let its_inode: u64 = file.rsplit(':').next()?.parse().ok()?;
        let pid: u32 = pid.parse().ok()?;
        (its_inode == inode && pid > 0).then(|| pid.to_string())
    })
}

fn pid_in(file: &mut File) -> String {
    let mut pid = String::new();
    let _ = file.read_to_string(&mut pid);
    match pid.trim() {
        "" => UNKNOWN.to_owned(),
        pid => pid.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::DispatchLock;
    use crate::model::RunId;
    use crate::store::StoreError;
    use crate::store::sqlite::LoadLock;
    use crate::store::sqlite::identity::StoreFile;

    fn store_in(folder: &Path) -> PathBuf {
        let store = folder.join("store.db");
        std::fs::write(&store, "").unwrap();
        store
    }

    #[test]
    fn one_holder_at_a_time_and_its_pid_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path());
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

    #[cfg(unix)]
    #[test]
    fn a_lock_is_of_the_file_by_every_name_and_without_its_lock_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path());
        let (link, hard) = (folder.path().join("link"), folder.path().join("hard"));
        std::os::unix::fs::symlink(&store, &link).unwrap();
        std::fs::hard_link(&store, &hard).unwrap();
        let _held = DispatchLock::acquire(&link).unwrap();
        let lock_file = folder.path().join("store.db.lock");
        assert!(
            lock_file.exists(),
            "it stands beside the store, not the link"
        );
        std::fs::remove_file(&lock_file).unwrap();
        for name in [&store, &link, &hard] {
            assert!(DispatchLock::is_held(name));
            assert!(DispatchLock::acquire(name).is_err());
        }
        super::renew(&StoreFile::find(&store).unwrap().unwrap()).unwrap();
        let pid = std::fs::read_to_string(&lock_file).unwrap();
        assert_eq!(pid.trim(), std::process::id().to_string());
    }

    /// The lock of an older claude-run counts.
    #[test]
    fn a_lock_file_that_is_locked_by_itself_is_respected() {
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path());
        // The store is open, so what this process has locked of it is not let go of by closing it.
        let _open = StoreFile::find(&store).unwrap().unwrap();
        let mut older = super::open(&folder.path().join("store.db.lock")).unwrap();
        older.try_lock().unwrap();
        std::io::Write::write_all(&mut older, b"4711\n").unwrap();
        let refused = DispatchLock::acquire(&store).unwrap_err();
        assert!(matches!(refused, StoreError::Held { pid, .. } if pid == "4711"));
        // Whoever did not get it keeps no part of it.
        let another = std::fs::File::open(&store).unwrap();
        another.try_lock().unwrap();
        drop(another);
        assert_eq!(DispatchLock::held_by(&store).as_deref(), Some("4711"));
        drop(older);
        DispatchLock::acquire(&store).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn lock_files_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = store_in(folder.path());
        let older = folder.path().join("store.db.lock");
        std::fs::write(&older, "1").unwrap();
        std::fs::set_permissions(&older, PermissionsExt::from_mode(0o666)).unwrap();
        let run = RunId::generate();
        let _dispatch = DispatchLock::acquire(&store).unwrap();
        let load = LoadLock::acquire(&store, run).unwrap();
        for file in [&older, &load.path] {
            let mode = std::fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
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
        let _another = super::open(&path).unwrap();
        assert!(!super::is_still_at(&file, &path));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_names_the_holder_of_an_exclusive_lock() {
        let locks = "1: POSIX  ADVISORY  READ  11 fd:01:7 128 128\n\
            2: FLOCK  ADVISORY  READ  12 fd:01:7 0 EOF\n\
            3: FLOCK  ADVISORY  WRITE 0 fd:01:8 0 EOF\n\
            4: FLOCK  ADVISORY  WRITE 14 fd:01:7 0 EOF\n\
            4: -> FLOCK  ADVISORY  WRITE 15 fd:01:7 0 EOF\n";
        assert_eq!(super::pid_among(locks, 7).as_deref(), Some("14"));
        assert_eq!(super::pid_among(locks, 8), None, "in another container");
        assert_eq!(super::pid_among("nonsense\n", 7), None);
    }
}
