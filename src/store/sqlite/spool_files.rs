//! Which spools are a store's: they are found by what they say of themselves, since names change.
//!
//! A spool stands beside its store under the store's name. If the store was moved or replaced meanwhile,
//! the spool stays behind: whoever has the name now moves it out of its way and never replays it, and
//! its own store finds it in the folder by the uuid in it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::companion::{self, beside};
use super::errors::{explain, explain_io};
use super::file_system::folder_of;
use super::kept;
use super::open::open_reader;
use super::spool_format::{self, Content, StoreId};
use crate::store::{Result, StoreError};

/// What the name of a spool ends with.
pub(super) const ENDING: &str = ".spool";

/// What stands between the name of a spool that was moved out of the way and its number.
const MOVED: &str = "-";
/// The same of a spool of which something was damaged, and the rest is recorded.
const DAMAGED: &str = "-damaged-";
/// Numbers of such files; with all of them in use the last one must be looked at by hand.
const MOST_MOVED: u32 = 10_000;

/// The store's own name. (Of a version that has none: zeros.)
pub(super) fn id_of(connection: &rusqlite::Connection, path: &Path) -> Result<StoreId> {
    connection
        .query_row("SELECT uuid FROM store", [], |row| row.get(0))
        .map_err(|error| explain(path, &error))
}

/// Moves a spool that is not ours out of the way; one with nothing in it is removed, unless its owner
/// has it open and may put something into it.
pub(super) fn make_way(path: &Path, content: &Content) -> Result<()> {
    let in_use = match companion::private().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(explain_io(path, &error)),
        Ok(file) => file.try_lock().is_err(),
    };
    let moved = if content.is_empty() && !in_use {
        std::fs::remove_file(path)
    } else {
        std::fs::rename(path, free_name(path, MOVED))
    };
    moved.map_err(|error| explain_io(path, &error))
}

/// Puts a spool with damaged records out of the way when what can be read of it is recorded: nobody replays it
/// again, and whoever wants to see what is left of it still can. `own` is the spool under the store's name. Says where it is.
pub(super) fn put_away_damaged(path: &Path, own: &Path) -> Result<PathBuf> {
    let away = free_name(own, DAMAGED);
    std::fs::rename(path, &away).map_err(|error| explain_io(path, &error))?;
    Ok(away)
}

fn free_name(path: &Path, infix: &str) -> PathBuf {
    let names = (1..MOST_MOVED).map(|n| beside(path, &format!("{infix}{n}")));
    let mut free = names.filter(|name| !name.exists());
    free.next()
        .unwrap_or_else(|| beside(path, &format!("{infix}{MOST_MOVED}")))
}

/// A spool with something in it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) content: Content,
}

/// The spools of this store that hold something: the one under its own name first. `path` is that one.
pub(super) fn of_store(path: &Path, store: StoreId) -> Result<Vec<Found>> {
    let own = read(path)?;
    let mut found = Vec::new();
    if !own.is_empty() && own.store.is_none_or(|whose| whose == store) {
        found.push(Found {
            path: path.to_path_buf(),
            content: own,
        });
    }
    for other in others(path) {
        // What cannot be read is another store's affair.
        let Ok(content) = read(&other) else { continue };
        let is_ours = match content.store {
            Some(whose) => whose == store && !belongs_to_a_copy(&other, path, store),
            None => name_of_store(&other) == name_of_store(path),
        };
        if is_ours && !content.is_empty() {
            found.push(Found {
                path: other,
                content,
            });
        }
    }
    Ok(found)
}

/// Spools in the folder that stand under another name.
fn others(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder_of(path)).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut others: Vec<_> = paths
        .filter(|other| other != path && name_of_store(other).is_some())
        .collect();
    others.sort();
    others
}

/// What [`put_away_damaged`] has put away of this spool.
fn put_away(path: &Path) -> Vec<PathBuf> {
    let names = (1..MOST_MOVED).map(|n| beside(path, &format!("{DAMAGED}{n}")));
    names.take_while(|name| name.exists()).collect()
}

/// The name of the store that a spool stands beside; none if it is no name of a spool.
fn name_of_store(path: &Path) -> Option<&[u8]> {
    let name = path.file_name().map(OsStr::as_encoded_bytes)?;
    let at = name
        .windows(ENDING.len())
        .rposition(|part| part == ENDING.as_bytes())?;
    let behind = &name[at + ENDING.len()..];
    let number = behind.strip_prefix(MOVED.as_bytes());
    let is_one =
        behind.is_empty() || number.is_some_and(|number| number.iter().all(u8::is_ascii_digit));
    is_one.then(|| &name[..at])
}

/// A copy of a store has its uuid, and its own spool.
fn belongs_to_a_copy(spool: &Path, own: &Path, store: StoreId) -> bool {
    let name = name_of_store(spool);
    if name == name_of_store(own) {
        return false;
    }
    let Some(name) = name.and_then(|name| std::str::from_utf8(name).ok()) else {
        return false;
    };
    let copy = folder_of(spool).join(name);
    let id = open_reader(&copy).and_then(|opened| id_of(&opened.connection, &copy));
    id.is_ok_and(|id| id == store)
}

/// What lies beside a store because the store could not take it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aside {
    /// Spools of this store, with how many ends of attempts each holds: the next start records them.
    pub spooled: Vec<(PathBuf, u64)>,
    /// The spool under this store's name is another store's: it is left alone.
    pub of_another_store: Option<(PathBuf, u64)>,
    /// Files of this store with records that cannot be read any more.
    pub damaged: Vec<PathBuf>,
    /// Answers that the store cannot hold or has no place for, and the file that keeps them.
    pub kept: Option<(PathBuf, u64)>,
}

/// What lies beside that store.
///
/// # Errors
///
/// When there is a spool, and it cannot be read.
pub fn aside(store: &Path) -> Result<Aside> {
    let id = match open_reader(store) {
        Ok(opened) => id_of(&opened.connection, store).ok(),
        Err(StoreError::Missing { .. }) => None,
        Err(error) => return Err(error),
    };
    let store = std::fs::canonicalize(store).unwrap_or_else(|_| store.to_path_buf());
    let path = beside(&store, ENDING);
    let own = read(&path)?;
    let count = |content: &Content| content.ends.len() as u64;
    let of_another_store = (own.store.is_some() && own.store != id && !own.ends.is_empty())
        .then(|| (path.clone(), count(&own)));
    let found = of_store(&path, id.unwrap_or_default())?;
    let has_damage = found.iter().filter(|found| found.content.damaged > 0);
    let damaged = has_damage.map(|found| found.path.clone());
    let damaged = damaged.chain(put_away(&path)).collect();
    let (kept, file) = kept::count(&store)?;
    Ok(Aside {
        spooled: found
            .into_iter()
            .map(|found| (found.path, found.content.ends.len() as u64))
            .filter(|(_, ends)| *ends > 0)
            .collect(),
        of_another_store,
        damaged,
        kept: (kept > 0).then_some((file, kept)),
    })
}

/// How many ends of attempts wait in the spools of that store.
///
/// # Errors
///
/// As [`aside`].
pub fn spooled(store: &Path) -> Result<u64> {
    Ok(aside(store)?.spooled.iter().map(|(_, ends)| ends).sum())
}

/// What is in the file; nothing if there is none.
pub(super) fn read(path: &Path) -> Result<Content> {
    let unreadable = |why: String| StoreError::Spool {
        path: path.to_path_buf(),
        why,
    };
    let bytes = companion::read(path).map_err(|error| unreadable(error.to_string()))?;
    spool_format::read(&bytes.unwrap_or_default()).map_err(unreadable)
}
