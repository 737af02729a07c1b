//! What can go wrong with an input as a whole: opening it, and reading on in it.

use std::fmt;
use std::io;

use crate::model::Problem;

/// How an input is packed, told by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, of one or more members.
    Gzip,
    /// Zstandard, of one or more frames.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Why an input could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// No such file.
    Missing {
        /// The path as the user wrote it.
        name: String,
    },
    /// A folder.
    Folder {
        /// The path as the user wrote it.
        name: String,
    },
    /// The user may not read it.
    Denied {
        /// The path as the user wrote it.
        name: String,
    },
    /// Opening it or reading its first bytes failed in another way.
    Unreadable {
        /// The path as the user wrote it.
        name: String,
        /// What the system said.
        cause: io::Error,
    },
    /// It is in a format that is not read here.
    Foreign {
        /// The path as the user wrote it.
        name: String,
        /// What it seems to be: `an xz file`.
        format: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Its name says that it is compressed, and there is nothing in it.
    EmptyArchive {
        /// The path as the user wrote it.
        name: String,
    },
}

impl OpenError {
    pub(super) fn from_io(name: String, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::NotFound => Self::Missing { name },
            io::ErrorKind::IsADirectory => Self::Folder { name },
            io::ErrorKind::PermissionDenied => Self::Denied { name },
            _ => Self::Unreadable { name, cause },
        }
    }

    /// What happened, and what to do next.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Missing { name } => Problem::new(
                format!("no such file: {name}"),
                "check the path (`-` reads standard input)",
            ),
            Self::Folder { name } => {
                Problem::new(format!("{name} is a folder"), "name a JSONL file in it")
            }
            Self::Denied { name } => Problem::new(
                format!("no permission to read {name}"),
                "change the file's permissions or run as its owner",
            ),
            Self::Unreadable { name, cause } => Problem::new(
                format!("cannot read {name}: {cause}"),
                "check the file and its disk",
            ),
            Self::Foreign {
                name,
                format,
                remedy,
            } => Problem::new(format!("{name} is {format}"), *remedy),
            Self::EmptyArchive { name } => Problem::new(
                format!("{name} is empty, and an empty file is no compressed file"),
                "make or fetch it again",
            ),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for OpenError {}

/// Reading broke off before the input's end. What was read until then is not the whole input.
#[derive(Debug)]
pub struct ReadError {
    /// The input, as the user named it.
    pub name: String,
    /// How it is packed.
    pub compression: Compression,
    /// The line that could not be read whole, from 1.
    pub line: u64,
    /// What the decoder or the system said.
    pub cause: io::Error,
}

impl ReadError {
    /// Whether the packed data is at fault, not the disk or the pipe it came from.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        self.compression != Compression::Plain && self.cause.raw_os_error().is_none()
    }

    /// The decoder keeps to a window of 128 MB, so that memory stays bounded.
    fn wants_too_much_memory(&self) -> bool {
        let words = "too much memory";
        self.compression == Compression::Zstd && self.cause.to_string().contains(words)
    }

    /// What happened, and what to do next.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let Self {
            name, line, cause, ..
        } = self;
        if self.wants_too_much_memory() {
            Problem::new(
                format!(
                    "{name}: it was packed with a window of more than 128 MB (`zstd --long` or `--ultra`), which is not read here"
                ),
                "unpack it (`zstd -d --long=31 FILE`) and give the JSONL file",
            )
        } else if self.is_damage() {
            let packing = self.compression;
            Problem::new(
                format!(
                    "{name}: the {packing} data is damaged or cut off in line {line} ({cause})"
                ),
                "make or fetch the file again",
            )
        } else {
            Problem::new(
                format!("{name}: reading failed in line {line} ({cause})"),
                "check the disk or the pipe it comes from, then try again",
            )
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for ReadError {}
