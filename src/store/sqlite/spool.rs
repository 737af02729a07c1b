//! The spool: a file beside the store for ends of attempts that the store would not take.
//!
//! An answer is paid for when it comes, and a full disk must not cost it. So before anything is
//! sent the file gets its size in real blocks, and what cannot be committed is written into them
//! and synced. Whoever takes up a run next records it from there. The file is private like the
//! store, since it holds answers.
//!
//! Format: [`MAGIC`], then records: the length of the payload (four little-endian bytes), the
//! first [`SUM`] bytes of its blake3 hash, and the payload: the JSON of run and [`Finish`], packed
//! as the store packs texts. A length of zero, the end of the file, or a record whose hash is
//! wrong (a write that was broken off, and so never acknowledged) ends the list.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::blob;
use super::errors::explain_io;
use super::file_system::folder_of;
use super::lock::beside;
use crate::model::RunId;
use crate::store::{Finish, Result, StoreError};

/// What the name of the file ends with.
const ENDING: &str = ".spool";
/// How the file begins; the digit is the version of the format.
const MAGIC: &[u8; 8] = b"CLRSPL1\n";
/// Bytes of the hash that are kept: enough against accidents.
const SUM: usize = 16;
const HEAD: usize = 4 + SUM;

/// Room for one end of an attempt: an answer of 8,000 tokens is about 32 KiB.
const TYPICAL: u64 = 32 << 10;
/// What is open at once is at most twice the concurrency, and each may bring an answer.
const OPEN_PER_SLOT: u64 = 2;
/// Bounds of what is reserved; the upper one is written in a fraction of a second.
const LEAST: u64 = 1 << 20;
const MOST: u64 = 16 << 20;
/// On a disk that has no room for what is wanted a quarter of it may do, but less than this is
/// none.
const SMALLEST: u64 = 64 << 10;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// An end of an attempt, with its run.
pub(super) type Spooled = (RunId, Finish);

/// The spool of one store.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    /// Off for stores of tests, which reserve and sync nothing.
    durable: bool,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Where the next record goes.
    end: u64,
}

impl Spool {
    pub(super) fn beside(store: &Path, durable: bool) -> Self {
        Self {
            path: beside(store, ENDING),
            durable,
            open: Mutex::new(None),
        }
    }

    /// Sees to it that there is room for the ends of what so many slots have open.
    pub(super) fn reserve(&self, slots: u32) -> Result<()> {
        if !self.durable {
            return Ok(());
        }
        let mut open = self.state();
        let file = &mut self.opened(&mut open)?.file;
        let mut bytes = (u64::from(slots) * OPEN_PER_SLOT * TYPICAL).clamp(LEAST, MOST);
        loop {
            match fill(file, bytes) {
                Err(error) if is_full(&error) && bytes / 4 >= SMALLEST => bytes /= 4,
                filled => {
                    filled
                        .and_then(|()| file.sync_all())
                        .and_then(|()| sync_folder(&self.path))
                        .map_err(|error| explain_io(&self.path, &error))?;
                    return Ok(());
                }
            }
        }
    }

    /// Puts ends aside and returns those for which there was no room. What is not returned is on
    /// the disk.
    pub(super) fn append(&self, run: RunId, finishes: Vec<Finish>) -> Vec<Finish> {
        let mut open = self.state();
        let Ok(open) = self.opened(&mut open) else {
            return finishes;
        };
        let began = open.end;
        let (kept, mut left): (Vec<_>, Vec<_>) = finishes
            .into_iter()
            .partition(|finish| open.put(run, finish).is_ok());
        if self.durable && open.file.sync_all().is_err() {
            open.end = began;
            left.extend(kept);
        }
        left
    }

    /// Everything that was put aside.
    pub(super) fn read(&self) -> Result<Vec<Spooled>> {
        read(&self.path).map(|(spooled, _)| spooled)
    }

    /// Forgets what was put aside; its room stays.
    pub(super) fn empty(&self) -> Result<()> {
        let mut open = self.state();
        let open = self.opened(&mut open)?;
        let size = open.end;
        open.end = MAGIC.len() as u64;
        let emptied = write_zeros(&mut open.file, MAGIC.len() as u64, size);
        emptied
            .and_then(|()| self.sync(&open.file))
            .map_err(|error| explain_io(&self.path, &error))
    }

    /// Gives the room back, unless something is in it. Whoever calls this holds the dispatch lock.
    pub(super) fn release(&self) {
        let mut open = self.state();
        let is_empty = matches!(&*open, Some(open) if open.end == MAGIC.len() as u64);
        if is_empty {
            *open = None;
            // A file that stays is used by the next dispatch.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened<'a>(&self, open: &'a mut Option<Open>) -> Result<&'a mut Open> {
        if open.is_none() {
            let (_, end) = read(&self.path)?;
            let open_file = || -> io::Result<Open> {
                let mut file = open_private(&self.path)?;
                file.write_all(MAGIC)?;
                Ok(Open { file, end })
            };
            *open = Some(open_file().map_err(|error| explain_io(&self.path, &error))?);
        }
        open.as_mut().ok_or(StoreError::Closed)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.durable {
            file.sync_all()
        } else {
            Ok(())
        }
    }
}

/// How many ends of attempts wait in the spool of that store.
///
/// # Errors
///
/// When there is a spool, and it cannot be read.
pub fn spooled(store: &Path) -> Result<u64> {
    let store = std::fs::canonicalize(store).unwrap_or_else(|_| store.to_path_buf());
    read(&beside(&store, ENDING)).map(|(spooled, _)| spooled.len() as u64)
}

impl Open {
    fn put(&mut self, run: RunId, finish: &Finish) -> io::Result<()> {
        let json = serde_json::to_string(&(run, finish))?;
        let payload = blob::pack(&json);
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut record = Vec::with_capacity(HEAD + payload.len());
        record.extend(length.to_le_bytes());
        record.extend(sum(&payload));
        record.extend(payload);
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&record)?;
        self.end += record.len() as u64;
        Ok(())
    }
}

/// What is in the file, and where its next record goes; nothing if there is none.
fn read(path: &Path) -> Result<(Vec<Spooled>, u64)> {
    let unreadable = |why: String| StoreError::Spool {
        path: path.to_path_buf(),
        why,
    };
    let mut bytes = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => drop(read.map_err(|error| unreadable(error.to_string()))?),
    }
    let begun = bytes.len().min(MAGIC.len());
    let is_new = bytes[..begun].iter().all(|byte| *byte == 0);
    if !is_new && bytes[..begun] != MAGIC[..begun] {
        return Err(unreadable("another version wrote it".to_owned()));
    }
    let (mut spooled, mut end) = (Vec::new(), MAGIC.len());
    while let Some(payload) = bytes.get(end..).and_then(record) {
        let json = blob::unpack(payload).map_err(unreadable)?;
        let one = serde_json::from_str(&json).map_err(|error| unreadable(error.to_string()))?;
        spooled.push(one);
        end += HEAD + payload.len();
    }
    Ok((spooled, end as u64))
}

/// The payload of the record that the bytes begin with, if one is there whole.
fn record(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<SUM>()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    (!payload.is_empty() && sum(payload) == *expected).then_some(payload)
}

fn sum(payload: &[u8]) -> [u8; SUM] {
    let hash = blake3::hash(payload);
    std::array::from_fn(|index| hash.as_bytes()[index])
}

/// Gives the file that size, in blocks that are really there. What does not fit is given back.
fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    let before = file.metadata()?.len();
    let filled = write_zeros(file, before, bytes).and_then(|()| file.sync_data());
    if filled.is_err() {
        file.set_len(before)?;
    }
    filled
}

fn write_zeros(file: &mut File, from: u64, to: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    let mut left = to.saturating_sub(from);
    while left > 0 {
        let chunk = left.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..usize::try_from(chunk).unwrap_or(ZEROS.len())])?;
        left -= chunk;
    }
    Ok(())
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// The name of a new file is on the disk when its folder is synced.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Elsewhere folders cannot be synced.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
