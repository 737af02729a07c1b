//! The spool: a file beside the store for ends of attempts that the store would not take.
//!
//! An answer is paid for when it comes, and a full disk must not cost it. So before anything is
//! sent the file gets its size in real blocks, and what cannot be committed is written into them
//! and synced. Whoever takes up a run next records it from there. The file is private like the
//! store, since it holds answers, and says whose it is: another store that stands under the name of
//! this one, one day, does not touch it (`spool_files`).
//!
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::companion::{self, beside};
use super::errors::explain_io;
use super::file_system::folder_of;
use super::identity::{identity_at, identity_of};
use super::spool_files::{self, ENDING, read};
use super::spool_format::{self, BEGIN, StoreId};
use crate::model::RunId;
use crate::store::{Finish, Result, StoreError};

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

/// The spool of one store.
#[derive(Debug)]
pub(super) struct Spool {
    pub(super) path: PathBuf,
    pub(super) store: StoreId,
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

/// Where the first record stands.
const FIRST: u64 = BEGIN as u64;

impl Spool {
    /// The spool beside a store, by its path without links.
    pub(super) fn beside(store: &Path, id: StoreId, durable: bool) -> Self {
        Self {
            path: beside(store, ENDING),
            store: id,
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
        if open.as_ref().is_some_and(Open::is_deleted) {
            *open = None;
        }
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

    /// Forgets what was put aside; its room stays.
    pub(super) fn empty(&self) -> Result<()> {
        let mut open = self.state();
        let open = self.opened(&mut open)?;
        let size = open.end;
        open.end = FIRST;
        let emptied = write_zeros(&mut open.file, FIRST, size);
        emptied
            .and_then(|()| self.sync(&open.file))
            .map_err(|error| explain_io(&self.path, &error))
    }

    /// Gives the room back, unless something is in it. Whoever calls this holds the dispatch lock.
    pub(super) fn release(&self) {
        let mut open = self.state();
        let is_ours = |open: &Open| {
            let there = identity_at(&self.path);
            let ours = open
                .file
                .metadata()
                .and_then(|file| identity_of(&self.path, &file));
            ours.is_ok_and(|ours| there == Some(ours))
        };
        if open
            .as_ref()
            .is_some_and(|open| open.end == FIRST && is_ours(open))
        {
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
            let content = read(&self.path)?;
            let is_ours = content.current && content.store == Some(self.store);
            // What is damaged may still tell something to whoever looks at it: nothing is written over it.
            let goes_on = is_ours && content.damaged == 0;
            if !goes_on {
                spool_files::make_way(&self.path, &content)?;
            }
            let end = if goes_on { content.end as u64 } else { FIRST };
            *open = Some(
                self.begin(end)
                    .map_err(|error| explain_io(&self.path, &error))?,
            );
        }
        open.as_mut().ok_or(StoreError::Closed)
    }

    /// The folder may have been deleted with the store: what is put aside costs money, so it is made
    /// again.
    fn begin(&self, end: u64) -> io::Result<Open> {
        std::fs::create_dir_all(folder_of(&self.path))?;
        let mut file = companion::open(&self.path)?;
        // By this whoever has its name one day sees that it is in use.
        let _ = file.try_lock();
        file.write_all(&spool_format::begin(self.store))?;
        Ok(Open { file, end })
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.durable {
            file.sync_all()
        } else {
            Ok(())
        }
    }
}

impl Open {
    /// The file has no name any more: what is written into it is gone with the process.
    #[cfg(unix)]
    fn is_deleted(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        self.file.metadata().is_ok_and(|file| file.nlink() == 0)
    }

    #[cfg(not(unix))]
    fn is_deleted(&self) -> bool {
        false
    }

    fn put(&mut self, run: RunId, finish: &Finish) -> io::Result<()> {
        let record = spool_format::record(run, finish)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&record)?;
        self.end += record.len() as u64;
        Ok(())
    }
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
