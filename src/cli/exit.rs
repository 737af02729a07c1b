//! The exit codes, which scripts rely on.

use std::process::ExitCode;

/// How the command ended. The numbers never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done; for a run: every job succeeded.
    Success = 0,
    /// Our own fault or the machine's: the store is broken, the disk is full, a bug.
    Internal = 1,
    /// The command line, the configuration (no key included) or the input is wrong; no such run.
    Usage = 2,
    /// The run ended, and some jobs failed or were cancelled.
    JobsFailed = 3,
    /// The run was halted before its end, or its store is held by another process; `resume` goes on.
    Halted = 4,
    /// Interrupted by Ctrl-C, SIGTERM, SIGHUP or another wish to stop; `resume` goes on.
    Interrupted = 130,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
