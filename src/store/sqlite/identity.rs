//! Which file a store is: its device and inode, whatever name leads there.
//!
//! A symbolic link, a relative path, `..`, a bind mount and a hard link are other names of one store,
//! and a file that is put in its place is another store under its name. So the lock lies on the file
//! itself (`lock`), and every transaction looks whether the file is still the one (`Watch`).
//!
//! One file has one descriptor of ours in this process ([`Anchor`]), which stays open as long as any
//! connection to it: when a process closes any descriptor of a file, the system drops all POSIX locks
//! that it holds on it, SQLite's among them (<https://sqlite.org/howtocorrupt.html>, 2.2).

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::errors::explain_io;
use rusqlite::Connection;

use super::companion::{self, beside};
use super::imprint::Imprint;
use crate::store::{Result, StoreError};

/// Device and inode.
#[cfg(unix)]
pub(super) type Identity = (u64, u64);
/// Elsewhere there is no cheap way to tell two files apart but by their full name.
#[cfg(not(unix))]
pub(super) type Identity = PathBuf;

/// What stands beside a store while it is open, and is part of it.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// The files of this process, by identity.
static ANCHORS: Mutex<BTreeMap<Identity, Weak<Anchor>>> = Mutex::new(BTreeMap::new());

/// The lock file of a dispatch lock that this process has.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

/// The one descriptor that this process has of a store's file, besides SQLite's own.
#[derive(Debug)]
pub(super) struct Anchor {
    /// There until it is dropped.
    file: Option<File>,
    pub(super) identity: Identity,
    /// The dispatch lock, if this process has it.
    pub(super) held: Mutex<Option<Held>>,
}

impl Anchor {
    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        let mut anchors = anchors();
        anchors.remove(&self.identity);
        // Closed before anybody else opens it: see above.
        self.file = None;
    }
}

fn anchors() -> MutexGuard<'static, BTreeMap<Identity, Weak<Anchor>>> {
    ANCHORS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A store's file, found. Clones share one descriptor.
#[derive(Clone, Debug)]
pub(super) struct StoreFile {
    /// As the user wrote it: for words.
    pub(super) named: PathBuf,
    /// Absolute and without links: what SQLite is given (it would take `:memory:` and `file:a?mode=memory` for something else), and what the files
    /// beside the store are named after.
    pub(super) path: PathBuf,
    pub(super) anchor: Arc<Anchor>,
}

impl StoreFile {
    /// The file at this path; none if there is none.
    pub(super) fn find(named: &Path) -> Result<Option<Self>> {
        Self::opened(named, false)
    }

    /// The file at this path, made if there is none, and then readable by its owner alone, since it
    /// holds prompts and answers.
    pub(super) fn create(named: &Path) -> Result<Self> {
        Self::opened(named, true)?.ok_or_else(|| StoreError::Missing {
            path: named.to_path_buf(),
        })
    }

    fn opened(named: &Path, create: bool) -> Result<Option<Self>> {
        if named.as_os_str().is_empty() {
            return Err(StoreError::CannotOpen {
                path: named.to_path_buf(),
                why: "its name is empty".to_owned(),
            });
        }
        if create && companion::is_link(named) && !named.exists() {
            return Err(StoreError::CannotOpen {
                path: named.to_path_buf(),
                why: "it is a link to a file that is not there: name that file itself with --store"
                    .to_owned(),
            });
        }
        let found = anchor(named, create).and_then(|anchor| {
            Ok(Self {
                named: named.to_path_buf(),
                path: std::fs::canonicalize(named)?,
                anchor,
            })
        });
        match found {
            Err(error) if !create && error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some).map_err(|error| explain_io(named, &error)),
        }
    }

    /// SQLite writes into what stands beside the store under these names: a link would lead it elsewhere.
    pub(super) fn refuse_linked_companions(&self) -> Result<()> {
        let endings = COMPANIONS.iter().chain(&["-journal"]);
        let mut paths = endings.map(|ending| beside(&self.path, ending));
        let Some(link) = paths.find(|path| companion::is_link(path)) else {
            return Ok(());
        };
        Err(StoreError::CannotOpen {
            path: self.named.clone(),
            why: format!(
                "{} is a link: what is committed would go elsewhere. Remove it",
                link.display()
            ),
        })
    }

    /// What SQLite keeps beside the store, as it is now.
    pub(super) fn watch(&self, connection: &Connection) -> Watch {
        let companions = COMPANIONS.iter().filter_map(|ending| {
            let path = beside(&self.path, ending);
            let identity = identity_at(&path)?;
            Some((path, identity))
        });
        Watch {
            companions: companions.collect(),
            imprint: Imprint::of(connection),
            file: self.clone(),
        }
    }
}

/// The anchor of the file at this path.
fn anchor(path: &Path, create: bool) -> io::Result<Arc<Anchor>> {
    loop {
        let mut anchors = anchors();
        if let Some(known) = identity_at(path).and_then(|identity| anchors.get(&identity)) {
            if let Some(anchor) = known.upgrade() {
                return Ok(anchor);
            }
            // Its last owner is just closing it.
            drop(anchors);
            std::thread::yield_now();
            continue;
        }
        let file = open(path, create)?;
        let identity = identity_of(path, &file.metadata()?)?;
        if anchors.contains_key(&identity) {
            // The path was led elsewhere meanwhile. The descriptor must not be closed: see above.
            std::mem::forget(file);
            continue;
        }
        #[cfg_attr(unix, expect(clippy::clone_on_copy, reason = "it is a path elsewhere"))]
        let anchor = Arc::new(Anchor {
            file: Some(file),
            identity: identity.clone(),
            held: Mutex::new(None),
        });
        anchors.insert(identity, Arc::downgrade(&anchor));
        return Ok(anchor);
    }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    match File::open(path) {
        Err(error) if create && error.kind() == io::ErrorKind::NotFound => companion::open(path),
        opened => opened,
    }
}

/// The file that the path leads to now.
pub(super) fn identity_at(path: &Path) -> Option<Identity> {
    identity_of(path, &std::fs::metadata(path).ok()?).ok()
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
pub(super) fn identity_of(_: &Path, metadata: &Metadata) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
pub(super) fn identity_of(path: &Path, _: &Metadata) -> io::Result<Identity> {
    std::fs::canonicalize(path)
}

#[cfg(unix)]
pub(super) fn links(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map_or(0, |found| found.nlink())
}

#[cfg(not(unix))]
pub(super) fn links(_: &Path) -> u64 {
    1
}

/// The files of an open store, as they were when it was opened.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) file: StoreFile,
    imprint: Option<Imprint>,
    companions: Vec<(PathBuf, Identity)>,
}

impl Watch {
    /// An error if one of the files was deleted, moved away or replaced: what is committed from now on
    /// would be lost with it.
    pub(super) fn check(&self) -> Result<()> {
        let file = (&self.file.path, &self.file.anchor.identity);
        let companions = self.companions.iter().map(|(path, was)| (path, was));
        let gone = std::iter::once(file)
            .chain(companions)
            .find(|(path, was)| identity_at(path).as_ref() != Some(was));
        let (what, how) = match gone {
            Some((path, _)) if path.exists() => (path, "replaced"),
            Some((path, _)) => (path, "deleted or moved away"),
            None if self.is_overwritten() => (&self.file.path, "overwritten with another store"),
            None => return Ok(()),
        };
        Err(StoreError::Gone {
            path: self.file.named.clone(),
            what: what.clone(),
            how,
        })
    }

    /// Another store was copied into the very file, as `cp` does.
    fn is_overwritten(&self) -> bool {
        let (Some(imprint), Some(file)) = (&self.imprint, self.file.anchor.file()) else {
            return false;
        };
        imprint.is_lost(file) && !imprint.is_elsewhere(&self.file.path)
    }

    /// The store's own file is in its place and its log is not, and nobody has made a new one: what is
    /// committed can still be folded back.
    pub(super) fn only_the_log_is_gone(&self) -> bool {
        identity_at(&self.file.path).as_ref() == Some(&self.file.anchor.identity)
            && !beside(&self.file.path, "-wal").exists()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::{StoreFile, identity_at};

    #[test]
    fn every_name_of_a_file_is_one_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let file = StoreFile::create(&path).unwrap();
        std::os::unix::fs::symlink("store.db", folder.path().join("link")).unwrap();
        std::fs::hard_link(&path, folder.path().join("hard")).unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        for name in ["link", "hard", "sub/../store.db", "./store.db"] {
            let other = StoreFile::create(&folder.path().join(name)).unwrap();
            assert!(
                std::sync::Arc::ptr_eq(&file.anchor, &other.anchor),
                "{name}"
            );
        }
        let link = StoreFile::find(&folder.path().join("link"))
            .unwrap()
            .unwrap();
        assert_eq!(link.path, file.path);
    }

    #[test]
    fn a_file_that_is_replaced_is_another_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let file = StoreFile::create(&path).unwrap();
        let watch = file.watch(&rusqlite::Connection::open_in_memory().unwrap());
        assert!(watch.check().is_ok());
        std::fs::rename(&path, folder.path().join("old.db")).unwrap();
        let told = watch.check().unwrap_err().to_string();
        assert!(told.contains("deleted or moved away"), "{told}");
        let other = StoreFile::create(&path).unwrap();
        assert_ne!(other.anchor.identity, file.anchor.identity);
        let told = watch.check().unwrap_err().to_string();
        assert!(told.contains("replaced"), "{told}");
    }

    #[test]
    fn a_descriptor_is_closed_with_its_last_owner_and_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let first = StoreFile::create(&path).unwrap();
        let identity = first.anchor.identity;
        drop(first);
        assert!(!super::anchors().contains_key(&identity));
        let second = StoreFile::find(&path).unwrap().unwrap();
        assert_eq!(Some(second.anchor.identity), identity_at(&path));
    }

    #[test]
    fn a_store_without_a_name_is_refused() {
        let told = StoreFile::create("".as_ref()).unwrap_err().to_string();
        assert!(told.contains("its name is empty"), "{told}");
    }
}
