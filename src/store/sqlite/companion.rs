//! Files beside the store: named after it, private, and never reached through a link.
//!
//! A folder may come from somebody else, links and all: what we write beside a store would go wherever a
//! link under that name leads. And a pipe under such a name would make us wait for ever.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::errors::explain_io;
use crate::store::Result;

/// The file of that ending beside a store.
pub(super) fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(ending);
    name.into()
}

/// Opens a file for reading and writing; it is made if there is none.
pub(super) fn open(path: &Path) -> io::Result<File> {
    regular(
        private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?,
    )
}

/// What is in a file; none if there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = match private().open(path).and_then(regular) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// A file that is made is readable by its owner alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        // A flag of the system is as wide as a C int.
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    options
}

/// Makes an empty file, readable by its owner alone, since it will hold prompts and answers.
pub(super) fn create_private(path: &Path) -> Result<()> {
    private()
        .write(true)
        .create_new(true)
        .open(path)
        .map(drop)
        .map_err(|error| explain_io(path, &error))
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Why what stands under that name is not used, if it is a link.
pub(super) fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

#[cfg(all(test, unix))]
mod tests {
    use super::{beside, open, read};

    #[test]
    fn a_link_is_never_followed_and_a_pipe_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        let (elsewhere, link) = (folder.path().join("elsewhere"), beside(&store, ".lock"));
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        assert!(open(&link).is_err() && read(&link).is_err());
        assert!(!elsewhere.exists(), "nothing is made through it");
        std::fs::write(&elsewhere, "alias").unwrap();
        assert!(open(&link).is_err() && read(&link).is_err());
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "alias");
        let pipe = beside(&store, ".spool");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert!(open(&pipe).is_err() && read(&pipe).is_err());
    }
}
