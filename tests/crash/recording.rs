//! What the real binary did to the files of a store, in order and with data, as the preloaded
//! library `shim/recorder.c` wrote it down; and that library itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The library, and the log that it writes. Both lie outside of the folder that is watched.
pub struct Recorder {
    folder: TempDir,
}

impl Recorder {
    /// Compiles the library. A machine without a C compiler fails the test: skipped, it would
    /// prove nothing in silence.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/shim/recorder.c");
        let compiled = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"])
            .arg("-o")
            .arg(folder.path().join("recorder.so"))
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .output();
        let compiled = compiled.unwrap_or_else(|error| panic!("cc, which this needs: {error}"));
        let said = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "{said}");
        Self { folder }
    }

    /// Lets `command` be recorded while it works on files of `folder`.
    pub fn watch(&self, mut command: Command, folder: &Path) -> Command {
        command
            .env("LD_PRELOAD", self.folder.path().join("recorder.so"))
            .env("RECORDER_FOLDER", folder.canonicalize().unwrap())
            .env("RECORDER_LOG", self.log());
        command
    }

    /// Where the log stands now.
    pub fn position(&self) -> usize {
        std::fs::metadata(self.log()).map_or(0, |found| usize::try_from(found.len()).unwrap())
    }

    /// Everything that was recorded.
    pub fn recorded(&self) -> Vec<Record> {
        parse(&std::fs::read(self.log()).unwrap())
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

/// One thing that was done to a file. Files are told apart by inode: a name can be given to
/// another file later.
#[derive(Debug)]
pub struct Record {
    /// Where it begins in the log.
    pub from: usize,
    /// Where it ends there.
    pub to: usize,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    Create {
        file: u64,
        name: String,
    },
    Write {
        file: u64,
        offset: usize,
        data: Vec<u8>,
    },
    Truncate {
        file: u64,
        size: usize,
    },
    /// A sync ended; what was done to the file before it began is on the disk.
    Sync {
        file: u64,
        began: usize,
    },
    /// A sync failed: what was done to the file before it began may be on the disk, and no later
    /// sync says anything of it.
    SyncFailed {
        file: u64,
        began: usize,
    },
    /// The names in the folder are on the disk.
    SyncFolder {
        began: usize,
    },
    Unlink {
        name: String,
    },
    Rename {
        from: String,
        to: String,
    },
}

fn parse(log: &[u8]) -> Vec<Record> {
    let (mut records, mut from) = (Vec::new(), 0);
    while from < log.len() {
        let small =
            |at: usize| u32::from_ne_bytes(log[from + at..from + at + 4].try_into().unwrap());
        let large =
            |at: usize| u64::from_ne_bytes(log[from + at..from + at + 8].try_into().unwrap());
        let to = from + HEAD + small(4) as usize;
        let data = &log[from + HEAD..to];
        let value = usize::try_from(large(16)).unwrap();
        let what = read(small(0), large(8), value, data);
        records.push(Record { from, to, what });
        from = to;
    }
    records
}

/// The size of a record without its data.
const HEAD: usize = 24;

/// The kinds are those of `enum kind` in the library.
fn read(kind: u32, file: u64, value: usize, data: &[u8]) -> What {
    let text = || String::from_utf8(data.to_vec()).unwrap();
    match kind {
        1 => What::Create { file, name: text() },
        2 => What::Write {
            file,
            offset: value,
            data: data.to_vec(),
        },
        3 => What::Truncate { file, size: value },
        4 => What::Sync { file, began: value },
        5 => What::SyncFailed { file, began: value },
        6 => What::SyncFolder { began: value },
        7 => What::Unlink { name: text() },
        8 => {
            let (from, to) = text()
                .split_once('\0')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .unwrap();
            What::Rename { from, to }
        }
        other => panic!("a record of kind {other}"),
    }
}
