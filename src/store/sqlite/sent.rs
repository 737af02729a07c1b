//! Marks of what was really sent: a file beside the store that costs no sync.
//!
//! Claims run ahead of the wire, so after a kill some open attempts were sent and others were not. Before
//! a request leaves, its attempt is written into a slot here with one `pwrite`. The kernel keeps the page when
//! the process dies, so the next start tells the two apart: what was never sent is given back as if it
//! had not been claimed, and what was sent is interrupted and may be billed. A slot is used again when
//! the end of its attempt is committed, so the file stays as small as what is open.
//!
//! The marks only ever take a doubt away, so whatever is wrong with them makes them void (`sent_format`): the
//! power failed, the file is gone, damaged, a copy or another dispatch's, the disk was full. Then every open attempt
//! counts as possibly sent. For the same reason nothing here fails a job: a mark that cannot be written
//! voids the file, and the request leaves.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::params;

use super::claim;
use super::companion::{self, beside};
use super::file_system;
use super::identity::{StoreFile, identity_at, identity_of};
use super::sent_format::{
    DispatchId, HEAD, MarkHead, SLOT, SentAttempts, Whereabouts, place_of, read,
};
use super::spool_format::StoreId;
use super::tx::Tx;
use crate::model::{AttemptId, JobId, RunId};
use crate::store::Result;

/// What the name of the file ends with.
pub(super) const ENDING: &str = ".sent";
/// The slots of the first page, behind the head.
const FIRST_SLOTS: u32 = 126;
/// The slots of every further page.
const MORE_SLOTS: u32 = 128;
/// No file of ours is longer: it would hold two million open requests.
const LONGEST: u64 = 64 << 20;

/// The marks beside one store.
#[derive(Debug)]
pub(super) struct SentMarks {
    path: PathBuf,
    store: StoreId,
    file: StoreFile,
    /// Off for stores of tests, which sync nothing.
    durable: bool,
    open: Mutex<Option<MarkFile>>,
}

/// The file of the dispatch that is under way.
#[derive(Debug)]
struct MarkFile {
    file: File,
    place: Whereabouts,
    head: MarkHead,
    used: HashMap<AttemptId, u32>,
    free: Vec<u32>,
    /// Slots from here on were never used.
    next: u32,
}

impl SentMarks {
    pub(super) fn beside(file: &StoreFile, store: StoreId, durable: bool) -> Self {
        Self {
            path: beside(&file.path, ENDING),
            store,
            file: file.clone(),
            durable,
            open: Mutex::new(None),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What an earlier dispatch has left; none if it is not to be believed.
    pub(super) fn left(&self) -> Option<SentAttempts> {
        let file = companion::private().open(&self.path).ok()?;
        let place = self.place(&file)?;
        // A page that the system could not write shows itself here, and only here.
        if self.durable && file.sync_all().is_err() {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).ok()?;
        read(&bytes, &place)
    }

    /// Begins the marks of a dispatch, in a file of their own; without an effect where the system does not
    /// say what a boot is. Nothing of the run is open yet.
    pub(super) fn begin(&self, run: RunId, dispatch: DispatchId) -> io::Result<()> {
        let mut open = self.state();
        *open = None;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if boot().is_none() || file_system::is_in_a_process(&self.path) {
            return Ok(());
        }
        let file = companion::private()
            .write(true)
            .create_new(true)
            .open(&self.path)?;
        let Some(place) = self.place(&file) else {
            return Ok(());
        };
        let head = MarkHead {
            run,
            dispatch,
            slots: FIRST_SLOTS,
        };
        let mut page = head.bytes(&place).to_vec();
        page.resize(HEAD + FIRST_SLOTS as usize * SLOT, 0);
        write_at(&file, &page, 0)?;
        *open = Some(MarkFile {
            file,
            place,
            head,
            used: HashMap::new(),
            free: Vec::new(),
            next: 0,
        });
        Ok(())
    }

    /// Writes down that the attempt's request is about to leave.
    pub(super) fn mark(&self, attempt: AttemptId) {
        let mut open = self.state();
        let Some(marks) = open.as_mut() else { return };
        if let Err(error) = marks.put(attempt) {
            // An older mark must not tell of an attempt that it does not know.
            marks.void();
            let _ = self.remove(marks);
            *open = None;
            warn(&self.path, &error);
        }
    }

    /// The ends of these attempts are committed: their slots may be used again.
    pub(super) fn recorded(&self, attempts: &[AttemptId]) {
        let mut open = self.state();
        let Some(marks) = open.as_mut() else { return };
        for attempt in attempts {
            let slot = marks.used.remove(attempt);
            marks.free.extend(slot);
        }
    }

    /// Removes the file of a dispatch that has left nothing open.
    pub(super) fn end(&self) {
        let mut open = self.state();
        if let Some(marks) = open.take_if(|marks| marks.used.is_empty()) {
            // A file that stays is void for the next dispatch.
            let _ = self.remove(&marks);
        }
    }

    /// Removes the file, unless another one has its name by now.
    fn remove(&self, marks: &MarkFile) -> io::Result<()> {
        let ours = identity_of(&self.path, &marks.file.metadata()?)?;
        if identity_at(&self.path) == Some(ours) {
            std::fs::remove_file(&self.path)?;
        }
        Ok(())
    }

    #[cfg(unix)]
    fn place(&self, marks: &File) -> Option<Whereabouts> {
        Some(Whereabouts {
            store: self.store,
            boot: boot()?,
            files: [
                self.file.anchor.identity,
                identity_of(&self.path, &marks.metadata().ok()?).ok()?,
            ],
        })
    }

    /// Elsewhere a copy cannot be told from its original.
    #[cfg(not(unix))]
    fn place(&self, _: &File) -> Option<Whereabouts> {
        None
    }

    fn state(&self) -> MutexGuard<'_, Option<MarkFile>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MarkFile {
    fn put(&mut self, attempt: AttemptId) -> io::Result<()> {
        fail::fail_point!("mark-sent", |_| Err(io::Error::other("a failpoint")));
        if self.used.contains_key(&attempt) {
            return Ok(());
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.unused()?,
        };
        write_at(&self.file, &self.head.slot(slot, attempt), place_of(slot))?;
        self.used.insert(attempt, slot);
        Ok(())
    }

    /// A slot that was never used; the file gets another page for it where it is full.
    fn unused(&mut self) -> io::Result<u32> {
        let slot = self.next;
        if slot == self.head.slots {
            let page = vec![0; MORE_SLOTS as usize * SLOT];
            write_at(&self.file, &page, place_of(slot))?;
            // The slots first: a head that counts more of them than there are is void.
            let slots = self.head.slots.saturating_add(MORE_SLOTS);
            let head = MarkHead { slots, ..self.head };
            write_at(&self.file, &head.bytes(&self.place), 0)?;
            self.head = head;
        }
        self.next += 1;
        Ok(slot)
    }

    /// Makes the file say nothing any more, by whichever way still works.
    fn void(&self) {
        let _ = write_at(&self.file, &[0; HEAD], 0);
        let _ = self.file.set_len(0);
    }
}

/// Says why no mark can be made.
pub(super) fn warn(path: &Path, error: &io::Error) {
    tracing::warn!(
        "{} cannot be written ({error}): should this process be killed, every claimed request will count as possibly billed",
        path.display()
    );
}

/// The system's name of this boot: pages that were written are kept until it ends, whoever wrote them.
#[cfg(target_os = "linux")]
fn boot() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(boot.trim().to_owned()).filter(|boot| !boot.is_empty())
}

/// Elsewhere none is asked for.
#[cfg(not(target_os = "linux"))]
fn boot() -> Option<String> {
    None
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

/// Elsewhere no marks are begun.
#[cfg(not(unix))]
fn write_at(_: &File, _: &[u8], _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Gives back what an earlier dispatch had claimed and never sent, whichever run it was of, and lets go of
/// its marks: from now on no run believes any. Says how many jobs of `run` that were.
pub(super) fn give_back(tx: &mut Tx, run: i64, sent: Option<&SentAttempts>) -> Result<u64> {
    let mut given_back = 0;
    if let Some(sent) = sent
        && let Some(row) = run_of(tx, sent)?
    {
        let unsent: Vec<_> = open_attempts(tx, row)?
            .into_iter()
            .filter(|attempt| !sent.attempts.contains(attempt))
            .collect();
        claim::release(tx, sent.run, &unsent)?;
        given_back = if row == run { unsent.len() as u64 } else { 0 };
    }
    tx.execute("UPDATE runs SET marks = NULL WHERE marks IS NOT NULL", [])?;
    Ok(given_back)
}

/// The run that believes these marks.
fn run_of(tx: &Tx, sent: &SentAttempts) -> Result<Option<i64>> {
    tx.query(
        "SELECT id FROM runs WHERE uuid = ?1 AND marks = ?2",
        params![sent.run.as_bytes(), sent.dispatch],
        |row| row.get(0),
    )
}

fn open_attempts(tx: &Tx, run: i64) -> Result<Vec<AttemptId>> {
    tx.query_all(
        "SELECT id, attempts FROM jobs INDEXED BY jobs_in_flight WHERE run_id = ?1 AND state = 1",
        [run],
        |row| {
            Ok(AttemptId {
                job: JobId(row.get(0)?),
                n: row.get(1)?,
            })
        },
    )
}

/// Has the run, and no other, believe the marks of this dispatch.
pub(super) fn believe(tx: &mut Tx, run: RunId, dispatch: DispatchId) -> Result<()> {
    let row = tx.run_row(run)?;
    tx.execute(
        "UPDATE runs SET marks = iif(id = ?1, ?2, NULL) WHERE id = ?1 OR marks IS NOT NULL",
        params![row, dispatch],
    )?;
    Ok(())
}
