//! A file that appears whole or not at all.
//!
//! It is written beside its target under another name, synced, and renamed over it: a reader sees
//! the old file or the new one, never half of one, and neither a crash nor a full disk destroys
//! what was there. Devices and pipes (`/dev/null`, a shell's `>(...)`) cannot be replaced that way
//! and are written to directly.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::report::error::{FileStep, ReportError, Result};

/// A file on its way to its place. Dropped without [`TargetFile::commit`] it leaves nothing.
#[derive(Debug)]
pub struct TargetFile {
    /// As the user named it: for messages.
    shown: PathBuf,
    sink: BufWriter<Sink>,
}

#[derive(Debug)]
enum Sink {
    /// Beside the target (links followed), whose permissions it will take over.
    Beside {
        file: NamedTempFile,
        target: PathBuf,
        permissions: Option<Permissions>,
    },
    /// A device or a pipe.
    Direct(File),
}

impl TargetFile {
    /// Begins a file that is to replace whatever is at `path`.
    ///
    /// # Errors
    ///
    /// The folder is missing or cannot be written, or the path is a folder.
    pub fn create(path: &Path) -> Result<Self> {
        let sink = Sink::open(path).map_err(|why| file_error(path, FileStep::Created, why))?;
        Ok(Self {
            shown: path.to_owned(),
            sink: BufWriter::new(sink),
        })
    }

    /// Makes everything written durable and puts it in its place.
    ///
    /// # Errors
    ///
    /// The disk is full or the rename is refused; the old file is untouched then.
    pub fn commit(self) -> Result<()> {
        let Self { shown, sink } = self;
        let written = sink.into_inner().map_err(io::IntoInnerError::into_error);
        let sink = written.map_err(|why| file_error(&shown, FileStep::Written, why))?;
        let Sink::Beside {
            file,
            target,
            permissions,
        } = sink
        else {
            return Ok(());
        };
        let kept = permissions.map_or(Ok(()), |kept| file.as_file().set_permissions(kept));
        // On the disk before the rename: else a power cut could leave an empty file under the name.
        kept.and_then(|()| file.as_file().sync_all())
            .map_err(|why| file_error(&shown, FileStep::Written, why))?;
        fail::fail_point!("export-before-rename", |_| std::process::abort());
        file.persist(&target)
            .map_err(|failed| file_error(&shown, FileStep::Replaced, failed.error))?;
        fail::fail_point!("export-after-rename", |_| std::process::abort());
        sync_folder(&target);
        Ok(())
    }

    /// The error, with this file's name in it if the writing of it was what failed.
    pub(super) fn name_in(&self, error: ReportError) -> ReportError {
        match error {
            ReportError::Output(why) => file_error(&self.shown, FileStep::Written, why),
            other => other,
        }
    }
}

impl Write for TargetFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Sink {
    fn open(path: &Path) -> io::Result<Self> {
        let (target, permissions) = match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            // A pipe or a device cannot be replaced by a file.
            Ok(found) if !found.is_file() => {
                return Ok(Self::Direct(File::options().write(true).open(path)?));
            }
            // The file that a link leads to is replaced, not the link.
            Ok(found) => (fs::canonicalize(path)?, Some(found.permissions())),
            Err(why) if why.kind() == io::ErrorKind::NotFound => (path.to_owned(), None),
            Err(why) => return Err(why),
        };
        let file = new_file_beside(&target)?;
        Ok(Self::Beside {
            file,
            target,
            permissions,
        })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside { file, .. } => file.write(bytes),
            Self::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside { file, .. } => file.flush(),
            Self::Direct(file) => file.flush(),
        }
    }
}

/// The folder that holds the path.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A new file in the target's folder, so that the rename stays on one file system. Hidden, and
/// named after its target, so that a leftover of a killed process explains itself.
fn new_file_beside(target: &Path) -> io::Result<NamedTempFile> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut prefix = OsString::from(".");
    // Hidden, and with the target's name, so that a leftover shows what it was.
    prefix.push(name);
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".part");
    // What any new file gets: the umask takes its part away.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder_of(target))
}

/// Makes the rename itself durable. Some file systems cannot sync a folder; the file is complete
/// and in its place by then, so that is no failure of the export.
fn sync_folder(target: &Path) {
    // Some systems do not open folders; the rename stands without it but for a power cut.
    if let Ok(folder) = File::open(folder_of(target)) {
        let _ = folder.sync_all();
    }
}

fn file_error(path: &Path, step: FileStep, why: io::Error) -> ReportError {
    let remedy = match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or name a place on another disk with -o"
        }
        io::ErrorKind::NotFound => "make its folder first, or name another place with -o",
        io::ErrorKind::IsADirectory => "name a file in it with -o",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "correct the permissions of its folder, or name another place with -o"
        }
        _ => "try again, or name another place with -o",
    };
    ReportError::File {
        path: path.to_owned(),
        step,
        why: in_plain_words(why),
        remedy,
    }
}

/// Without the name of our file beside the target, which says nothing to the reader.
fn in_plain_words(why: io::Error) -> io::Error {
    let kind = why.kind();
    match kind {
        io::ErrorKind::NotFound => io::Error::new(kind, "its folder does not exist"),
        io::ErrorKind::IsADirectory => io::Error::new(kind, "it is a folder"),
        io::ErrorKind::PermissionDenied => io::Error::new(kind, "permission denied"),
        _ => why,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use tempfile::TempDir;

    use super::TargetFile;
    use crate::report::export::{ExportFormat, export_to_file};
    use crate::report::testing::{MemoryReader, run, succeeded};
    use crate::store::Only;

    fn names_in(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    async fn export(reader: &MemoryReader, path: &Path) -> Result<u64, String> {
        export_to_file(reader, run().id, Only::All, ExportFormat::Jsonl, path)
            .await
            .map(|counts| counts.total)
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_complete_export_replaces_the_old_file() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("out.jsonl");
        fs::write(&path, "old").unwrap();
        let reader = MemoryReader::of_results((1..=5).map(|n| succeeded(n, "{}")).collect());
        assert_eq!(export(&reader, &path).await, Ok(5));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 5);
        assert_eq!(names_in(folder.path()), ["out.jsonl"]);
    }

    #[tokio::test]
    async fn an_export_that_breaks_off_leaves_the_old_file_and_nothing_else() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("out.jsonl");
        fs::write(&path, "old").unwrap();
        let mut reader = MemoryReader::of_results((1..=5).map(|n| succeeded(n, "{}")).collect());
        reader.fails_at = Some(3);
        assert!(export(&reader, &path).await.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names_in(folder.path()), ["out.jsonl"]);
    }

    #[test]
    fn nobody_sees_the_file_before_it_is_complete() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("out.jsonl");
        let mut target = TargetFile::create(&path).unwrap();
        target.write_all(&vec![b'x'; 100_000]).unwrap();
        target.flush().unwrap();
        assert!(!path.exists());
        target.commit().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 100_000);
    }

    #[cfg(unix)]
    #[test]
    fn the_permissions_of_the_target_are_kept() {
        use std::os::unix::fs::PermissionsExt;

        let folder = TempDir::new().unwrap();
        let path = folder.path().join("out.jsonl");
        for mode in [0o600, 0o640, 0o664] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            TargetFile::create(&path).unwrap().commit().unwrap();
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                mode
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_permissions_that_any_new_file_gets() {
        use std::os::unix::fs::PermissionsExt;

        let folder = TempDir::new().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let (ordinary, ours) = (folder.path().join("ordinary"), folder.path().join("ours"));
        fs::write(&ordinary, "").unwrap();
        TargetFile::create(&ours).unwrap().commit().unwrap();
        assert_eq!(mode(&ours), mode(&ordinary));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_its_file_is_replaced() {
        let folder = TempDir::new().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        let mut target = TargetFile::create(&link).unwrap();
        target.write_all(b"new").unwrap();
        target.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt;

        let null = Path::new("/dev/null");
        let mut target = TargetFile::create(null).unwrap();
        target.write_all(b"gone").unwrap();
        target.commit().unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device());
    }

    #[test]
    fn what_cannot_be_made_is_named_with_a_way_out() {
        let folder = TempDir::new().unwrap();
        let missing = folder.path().join("no/out.jsonl");
        for (path, way_out) in [
            (missing.as_path(), "make its folder first"),
            (folder.path(), "name a file in it"),
        ] {
            let said = TargetFile::create(path).unwrap_err().to_string();
            assert!(said.starts_with(&*path.to_string_lossy()), "{said}");
            assert!(said.contains(way_out), "{said}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_said_with_the_name_of_the_file() {
        let reader = MemoryReader::of_results(vec![succeeded(1, "{}")]);
        let said = export(&reader, Path::new("/dev/full")).await.unwrap_err();
        assert!(said.starts_with("/dev/full could not be written"), "{said}");
        assert!(said.contains("free some space"), "{said}");
    }
}
