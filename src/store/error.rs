//! What can go wrong with the store, worded for the person who must repair it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::model::Problem;

/// Why a verb of the store did not do its work (or may have, see the trait).
#[derive(Clone, Debug)]
pub enum StoreError {
    /// The disk has no room left.
    DiskFull {
        /// The store's file.
        path: PathBuf,
    },
    /// The disk did not do what it was asked.
    DiskFailed {
        /// The store's file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// What the spool beside the store holds cannot be read.
    Spool {
        /// The spool's file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file or its folder cannot be written.
    ReadOnly {
        /// The store's file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// The file cannot be opened or made.
    CannotOpen {
        /// The store's file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// There is no such store.
    Missing {
        /// The store's file.
        path: PathBuf,
    },
    /// The file is no store of ours.
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// The file is damaged.
    Corrupt {
        /// The store's file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// A newer claude-run wrote it.
    TooNew {
        /// The store's file.
        path: PathBuf,
        /// The version it has.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// An older claude-run wrote it.
    TooOld {
        /// The store's file.
        path: PathBuf,
        /// The version it has.
        found: i64,
    },
    /// An older claude-run wrote it, and somebody is at work on it.
    TooOldInUse {
        /// The store's file.
        path: PathBuf,
        /// The process that holds it, as it wrote itself down.
        pid: String,
    },
    /// The file lies where SQLite's locks do not work.
    NetworkFileSystem {
        /// The store's file.
        path: PathBuf,
        /// Which one.
        kind: String,
    },
    /// It was deleted, moved away or replaced while it was open.
    Gone {
        /// The store's file.
        path: PathBuf,
        /// The file that is not there any more: the store's own, or its log.
        what: PathBuf,
        /// What happened to it, as far as can be seen.
        how: &'static str,
    },
    /// It is a hard link of a store whose log lies under another name.
    SecondName {
        /// The name that was used.
        path: PathBuf,
        /// The name that has the log, or where it is.
        other: String,
        /// The process that dispatches from it, as it wrote itself down.
        held_by: Option<String>,
    },
    /// The store works, and cannot hold this one value.
    Refused {
        /// The store's file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// A stored text is not what was stored.
    Damaged {
        /// The store's file.
        path: PathBuf,
        /// Which text.
        what: String,
        /// How it shows.
        why: String,
    },
    /// Another process dispatches from it.
    Held {
        /// The store's file.
        path: PathBuf,
        /// The process that holds it, as it wrote itself down.
        pid: String,
    },
    /// Another process kept it locked for too long.
    Busy {
        /// The store's file.
        path: PathBuf,
        /// How long we waited.
        seconds: u64,
    },
    /// A state was not the one that the change started from.
    IllegalTransition(String),
    /// The writer is gone.
    Closed,
    /// Anything else SQLite said.
    Other {
        /// The store's file.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
}

impl StoreError {
    /// What happened, why, and what to do next.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let store = self.path().map(|path| path.display().to_string());
        let store = store.unwrap_or_default();
        Problem {
            what: self.refused(&store).unwrap_or_else(|| self.failed(&store)),
            why: self.why(),
            next: self.next(&store),
        }
    }

    /// What happened, where a store is not taken up.
    fn refused(&self, store: &str) -> Option<String> {
        Some(match self {
            Self::ReadOnly { .. } => format!("{store} cannot be written"),
            Self::CannotOpen { .. } => format!("the store {store} cannot be opened"),
            Self::Missing { .. } => format!("there is no store at {store}"),
            Self::NotAStore { .. } => format!("{store} is no store of claude-run"),
            Self::TooNew { found, known, .. } => format!(
                "the store {store} has schema version {found}, and this claude-run knows up to {known}"
            ),
            Self::TooOld { found, .. } => {
                format!("the store {store} has the older schema version {found}")
            }
            Self::TooOldInUse { pid, .. } => format!(
                "the store {store} has an older schema version, and another claude-run (pid {pid}) is at work on it"
            ),
            Self::NetworkFileSystem { kind, .. } => format!(
                "{store} lies on a network file system ({kind}), where SQLite cannot protect it from corruption"
            ),
            Self::SecondName { other, held_by, .. } => {
                let at_work = held_by
                    .as_ref()
                    .map(|pid| format!(" (another claude-run, pid {pid}, is at work on it)"));
                format!(
                    "{store} is a second name (a hard link) of a store whose log lies under its first name, {other}{}",
                    at_work.unwrap_or_default()
                )
            }
            Self::Held { pid, .. } => {
                format!("another claude-run (pid {pid}) is at work on {store}")
            }
            Self::Busy { seconds, .. } => {
                format!("the store {store} stayed locked by another process for {seconds} s")
            }
            _ => return None,
        })
    }

    /// What happened, where a store fails at work.
    fn failed(&self, store: &str) -> String {
        match self {
            Self::DiskFull { .. } => {
                format!("the disk under {store} is full; nothing that was recorded is lost")
            }
            Self::DiskFailed { .. } => format!("the disk under {store} failed"),
            Self::Spool { .. } => format!("the spool {store} cannot be read"),
            Self::Corrupt { .. } | Self::Damaged { .. } => format!("the store {store} is damaged"),
            Self::Gone { .. } => {
                format!("the store {store} is no longer the one that this process works on")
            }
            Self::Refused { .. } => format!("the store {store} cannot hold a value"),
            Self::IllegalTransition(_) => "the store refused a change that does not fit".to_owned(),
            Self::Closed => "the store's writer has stopped".to_owned(),
            _ => format!("the store {store} failed"),
        }
    }

    fn why(&self) -> Option<String> {
        Some(match self {
            Self::DiskFailed { why, .. } => format!("{why}; nothing that was recorded is lost"),
            Self::Spool { why, .. }
            | Self::ReadOnly { why, .. }
            | Self::CannotOpen { why, .. }
            | Self::NotAStore { why, .. }
            | Self::Corrupt { why, .. }
            | Self::Refused { why, .. }
            | Self::IllegalTransition(why)
            | Self::Other { why, .. } => why.clone(),
            Self::Damaged { what, why, .. } => format!("{what}: {why}"),
            Self::Gone { what, how, .. } => {
                format!("{} was {how}. Nothing more is sent", what.display())
            }
            Self::SecondName { .. } => {
                "what is in that log would be missed here, and lost".to_owned()
            }
            _ => return None,
        })
    }

    /// What to do next.
    fn next(&self, store: &str) -> Option<String> {
        let next = match self {
            Self::DiskFull { .. } => "free some space, then `claude-run resume`",
            Self::DiskFailed { .. } => {
                "see the system's log for the cause, then `claude-run resume`"
            }
            Self::Spool { .. } => {
                "it holds answers that were paid for: update claude-run, or move the file away to go on without them"
            }
            Self::ReadOnly { .. } => {
                "correct the permissions (the folder must be writable too), or name another store with --store"
            }
            Self::CannotOpen { .. } => "check the path given with --store or CLAUDE_RUN_STORE",
            Self::Missing { .. } => "submit something first, or name the store with --store",
            Self::NotAStore { .. } => "name another file with --store",
            Self::Corrupt { .. } => {
                return Some(format!(
                    "keep a copy of the file and its -wal, and restore a backup, or recover what can be read with `sqlite3 {store} .recover`"
                ));
            }
            Self::TooNew { .. } => "update claude-run, or name another store with --store",
            Self::TooOld { .. } => "`claude-run resume` makes a backup and migrates it",
            Self::TooOldInUse { .. } => {
                "let that one end, then try again: a backup is made, then the store is migrated"
            }
            Self::NetworkFileSystem { .. } => "put the store on a local disk with --store",
            Self::Gone { .. } => {
                "put the file back under its name, with its -wal and .spool, then `claude-run resume`; what the store does not have is asked for again, and billed twice"
            }
            Self::SecondName { .. } => {
                "use that name with --store, and copy a store with `sqlite3 STORE \".backup COPY\"`, not with a link"
            }
            Self::Refused { .. } | Self::IllegalTransition(_) => {
                "this is a bug in claude-run: please report it"
            }
            Self::Damaged { .. } => {
                "`claude-run verify` tells what else is; restore a backup, or go on without it: the other jobs are not touched"
            }
            Self::Held { .. } => {
                "wait for it, stop it, or use another store; `status`, `attempts`, `export` and `report` work meanwhile"
            }
            Self::Busy { .. } => {
                "find out what holds it (a backup, an open sqlite3 shell?), then try again"
            }
            Self::Closed => "`claude-run resume` goes on",
            Self::Other { .. } => return None,
        };
        Some(next.to_owned())
    }

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

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for StoreError {}
