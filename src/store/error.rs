//! What can go wrong with the store, worded for the person who must repair it.

use std::path::{Path, PathBuf};

/// Why a verb of the store did not do its work (or may have, see the trait).
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk has no room left.
    #[error(
        "the disk under {path} is full; nothing that was recorded is lost. Free some space, then `claude-run resume`"
    )]
    DiskFull {
        /// The store's file.
        path: PathBuf,
    },
    /// The disk did not do what it was asked.
    #[error(
        "the disk under {path} failed: {why}; nothing that was recorded is lost. See the system's log for the cause, then `claude-run resume`"
    )]
    DiskFailed {
        /// The store's file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// What the spool beside the store holds cannot be read.
    #[error(
        "the spool {path} cannot be read: {why}. It holds answers that were paid for: update claude-run, or move the file away to go on without them"
    )]
    Spool {
        /// The spool's file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file or its folder cannot be written.
    #[error(
        "{path} cannot be written: {why}. Correct the permissions (the folder must be writable too), or name another store with --store"
    )]
    ReadOnly {
        /// The store's file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// The file cannot be opened or made.
    #[error(
        "the store {path} cannot be opened: {why}. Check the path given with --store or CLAUDE_RUN_STORE"
    )]
    CannotOpen {
        /// The store's file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// There is no such store.
    #[error("there is no store at {path}. Submit something first, or name the store with --store")]
    Missing {
        /// The store's file.
        path: PathBuf,
    },
    /// The file is no store of ours.
    #[error("{path} is no store of claude-run: {why}. Name another file with --store")]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// The file is damaged.
    #[error(
        "the store {path} is damaged: {why}. Keep a copy of the file and its -wal, and restore a backup, or recover what can be read with `sqlite3 {path} .recover`"
    )]
    Corrupt {
        /// The store's file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// A newer claude-run wrote it.
    #[error(
        "the store {path} has schema version {found}, and this claude-run knows up to {known}. Update claude-run, or name another store with --store"
    )]
    TooNew {
        /// The store's file.
        path: PathBuf,
        /// The version it has.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// An older claude-run wrote it.
    #[error(
        "the store {path} has the older schema version {found}; `claude-run resume` brings it up to date, behind a backup"
    )]
    TooOld {
        /// The store's file.
        path: PathBuf,
        /// The version it has.
        found: i64,
    },
    /// An older claude-run wrote it, and somebody is at work on it.
    #[error(
        "the store {path} has an older schema version, and another claude-run (pid {pid}) is at work on it. Let that one end, then try again: the store is brought up to date, behind a backup"
    )]
    TooOldInUse {
        /// The store's file.
        path: PathBuf,
        /// The process that holds it, as it wrote itself down.
        pid: String,
    },
    /// The file lies where SQLite's locks do not work.
    #[error(
        "{path} lies on a network file system ({kind}), where SQLite cannot protect it from corruption. Put the store on a local disk with --store"
    )]
    NetworkFileSystem {
        /// The store's file.
        path: PathBuf,
        /// Which one.
        kind: String,
    },
    /// It was deleted, moved away or replaced while it was open.
    #[error(
        "the store {path} is no longer the one that this process works on: {what} was {how}. Nothing more is sent. Put the file back under its name, with its -wal and .spool, then `claude-run resume`; what the store does not have is asked for again, and billed twice"
    )]
    Gone {
        /// The store's file.
        path: PathBuf,
        /// The file that is not there any more: the store's own, or its log.
        what: PathBuf,
        /// What happened to it, as far as can be seen.
        how: &'static str,
    },
    /// It is a hard link of a store whose log lies under another name.
    #[error(
        "{path} is a second name (a hard link) of a store whose log lies under its first name, {other}{}: what is in that log would be missed here, and lost. Use that name with --store, and copy a store with `sqlite3 STORE \".backup COPY\"`, not with a link",
        at_work(.held_by.as_deref())
    )]
    SecondName {
        /// The name that was used.
        path: PathBuf,
        /// The name that has the log, or where it is.
        other: String,
        /// The process that dispatches from it, as it wrote itself down.
        held_by: Option<String>,
    },
    /// The store works, and cannot hold this one value.
    #[error(
        "the store {path} cannot hold a value: {why}. This is a bug in claude-run: please report it"
    )]
    Refused {
        /// The store's file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// A stored text is not what was stored.
    #[error(
        "the store {path} is damaged: {what}: {why}. `claude-run verify` tells what else is; restore a backup, or go on without it: the other jobs are not touched"
    )]
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// Which text.
        what: String,
        /// How it shows.
        why: String,
    },
    /// Another process dispatches from it.
    #[error(
        "another claude-run (pid {pid}) is at work on {path}. Wait for it, stop it, or use another store; `status`, `attempts`, `export` and `report` work meanwhile"
    )]
    Held {
        /// The store's file.
        path: PathBuf,
        /// The process that holds it, as it wrote itself down.
        pid: String,
    },
    /// Another process kept it locked for too long.
    #[error(
        "the store {path} stayed locked by another process for {seconds} s. Find out what holds it (a backup, an open sqlite3 shell?), then try again"
    )]
    Busy {
        /// The store's file.
        path: PathBuf,
        /// How long we waited.
        seconds: u64,
    },
    /// A state was not the one that the change started from.
    #[error(
        "the store refused a change that does not fit: {0}. This is a bug in claude-run: please report it"
    )]
    IllegalTransition(String),
    /// The writer is gone.
    #[error("the store's writer has stopped; `claude-run resume` goes on")]
    Closed,
    /// Anything else SQLite said.
    #[error("the store {path} failed: {why}")]
    Other {
        /// The store's file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
}

fn at_work(pid: Option<&str>) -> String {
    match pid {
        Some(pid) => format!(" (another claude-run, pid {pid}, is at work on it)"),
        None => String::new(),
    }
}

impl StoreError {
    /// The file that it is about, if it is about one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::DiskFull { path }
            | Self::DiskFailed { path, .. }
            | Self::Spool { path, .. }
            | Self::ReadOnly { path, .. }
            | Self::CannotOpen { path, .. }
            | Self::Missing { path }
            | Self::NotAStore { path, .. }
            | Self::Corrupt { path, .. }
            | Self::TooNew { path, .. }
            | Self::TooOld { path, .. }
            | Self::TooOldInUse { path, .. }
            | Self::NetworkFileSystem { path, .. }
            | Self::Gone { path, .. }
            | Self::SecondName { path, .. }
            | Self::Refused { path, .. }
            | Self::Damaged { path, .. }
            | Self::Held { path, .. }
            | Self::Busy { path, .. }
            | Self::Other { path, .. } => Some(path),
            Self::IllegalTransition(_) | Self::Closed => None,
        }
    }
}
