//! What ends a command early, worded for the person who must act on it.
//!
//! Every failure says what happened, why, and what to do next, in that order, and knows its exit
//! code. The layers below have typed errors; this is where they become words on the terminal.

use std::fmt;
use std::io;

use crate::engine::EngineError;
use crate::model::Problem;
use crate::progress::plural;
use crate::provider::ClientError;
use crate::report::ReportError;
use crate::store::StoreError;

use super::exit::Exit;

/// A command that did not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened, in one sentence without a full stop.
    pub what: String,
    /// The reason, if `what` does not say it already.
    pub why: Option<String>,
    /// What to do next.
    pub next: String,
    /// How the process ends.
    pub exit: Exit,
    /// Nothing is printed: whoever read our output went away, which is no error.
    quiet: bool,
}

impl Failure {
    /// A failure that ends the process with `exit`.
    pub fn new(exit: Exit, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: None,
            next: next.into(),
            exit,
            quiet: false,
        }
    }

    /// The command line, the configuration or the input is wrong (exit code 2).
    pub fn usage(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, next)
    }

    /// Our own fault or the machine's (exit code 1).
    pub fn internal(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Exit::Internal, what, next)
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    fn with(self, more: &str) -> Self {
        let why = match &self.why {
            Some(why) => format!("{why}; {more}"),
            None => more.to_owned(),
        };
        self.because(why)
    }

    /// Writing the result failed. A reader that went away (`| head`) ends the command quietly,
    /// with success; everything else is a failure of the machine.
    #[must_use]
    pub fn from_output(error: &io::Error) -> Self {
        let failure = Self::internal(
            "the result could not be written",
            "check that there is room where the output goes, then run the command again",
        )
        .because(error.to_string());
        // `claude-run status | head` is no failure of ours.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                exit: Exit::Success,
                quiet: true,
                ..failure
            };
        }
        failure
    }

    /// Nothing is to be printed for it.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// The lines after the word `error: `.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(why) = &self.why {
            write!(f, "\n  because: {why}")?;
        }
        write!(f, "\n  next: {}", self.next)
    }
}

impl std::error::Error for Failure {}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match error {
            StoreError::Held { .. }
            | StoreError::TooOldInUse { .. }
            | StoreError::SecondName {
                held_by: Some(_), ..
            } => Exit::Halted,
            StoreError::Missing { .. } => Exit::Usage,
            _ => Exit::Internal,
        };
        Self::from_problem(exit, error.problem())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::Unrecorded {
                error,
                spooled,
                lost,
            } => Self::from(error).with(&unrecorded(spooled, lost)),
        }
    }
}

/// Where the answers are that the store did not take.
fn unrecorded(spooled: u64, lost: u64) -> String {
    let mut words = Vec::new();
    if spooled > 0 {
        let answers = plural(spooled, "answer");
        words.push(format!(
            "{answers} that the store did not take: kept in the spool beside it, and recorded by the next `claude-run resume`"
        ));
    }
    if lost > 0 {
        let answers = plural(lost, "answer");
        words.push(format!(
            "{answers} that neither the store nor its spool would take: asked for again if they are lost, and billed twice then"
        ));
    }
    words.join("; ")
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::Output(error) => Self::from_output(&error),
            ReportError::File { .. } | ReportError::NotJson { .. } => {
                Self::from_problem(Exit::Internal, error.problem())
            }
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::from_problem(Exit::Usage, error.problem())
    }
}

impl Failure {
    /// An error of the layers below.
    pub(super) fn from_problem(exit: Exit, problem: Problem) -> Self {
        let next = problem.next.unwrap_or_else(|| {
            "run the command again with -v, and report it if it fails again".to_owned()
        });
        Self {
            why: problem.why,
            ..Self::new(exit, problem.what, next)
        }
    }
}

/// What the system says of a file, where its own words say little.
pub(super) fn in_plain_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text: save it as UTF-8".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::{EngineError, Exit, Failure};
    use crate::store::StoreError;

    #[test]
    fn a_failure_says_what_why_and_what_next_in_that_order() {
        let failure = Failure::usage("the file is empty", "write a line").because("0 bytes");
        assert_eq!(
            failure.to_string(),
            "the file is empty\n  because: 0 bytes\n  next: write a line"
        );
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn store_errors_keep_their_words_and_get_the_contract_s_codes() {
        let path = PathBuf::from("./a.db");
        let pid = "7".to_owned();
        let why = "checksum".to_owned();
        for (error, exit, what, because) in [
            (
                StoreError::Held {
                    path: path.clone(),
                    pid,
                },
                Exit::Halted,
                "another claude-run (pid 7) is at work on ./a.db",
                None,
            ),
            (
                StoreError::Missing { path: path.clone() },
                Exit::Usage,
                "there is no store at ./a.db",
                None,
            ),
            (
                StoreError::Corrupt { path, why },
                Exit::Internal,
                "the store ./a.db is damaged",
                Some("checksum"),
            ),
            (
                StoreError::Closed,
                Exit::Internal,
                "the store's writer has stopped",
                None,
            ),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.exit, exit);
            assert_eq!(failure.what, what);
            assert_eq!(failure.why.as_deref(), because);
            assert!(!failure.next.is_empty());
        }
    }

    #[test]
    fn nothing_that_an_error_quotes_ends_its_sentence() {
        let failure = Failure::from(StoreError::CannotOpen {
            path: PathBuf::from("No. 1: a/:memory:"),
            why: "it is a folder".to_owned(),
        });
        assert_eq!(
            failure.to_string(),
            "the store No. 1: a/:memory: cannot be opened\n  because: it is a folder\n  next: check the path given with --store or CLAUDE_RUN_STORE"
        );
        let failure = Failure::from(StoreError::Other {
            path: PathBuf::from("a.db"),
            why: "near \"x\": no. Such; column".to_owned(),
        });
        assert_eq!(failure.what, "the store a.db failed");
        assert_eq!(failure.why.unwrap(), "near \"x\": no. Such; column");
    }

    #[test]
    fn a_broken_store_tells_where_the_answers_are() {
        let broken = |spooled, lost| {
            let path = PathBuf::from("./a.db");
            Failure::from(EngineError::Unrecorded {
                error: StoreError::DiskFull { path },
                spooled,
                lost,
            })
        };
        assert_eq!(broken(2, 1).exit, Exit::Internal);
        insta::assert_snapshot!(broken(2, 1), @r"
        the disk under ./a.db is full; nothing that was recorded is lost
          because: 2 answers that the store did not take: kept in the spool beside it, and recorded by the next `claude-run resume`; 1 answer that neither the store nor its spool would take: asked for again if they are lost, and billed twice then
          next: free some space, then `claude-run resume`
        ");
        assert!(!broken(1, 0).to_string().contains("neither"));
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let gone = Failure::from_output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(gone.is_quiet());
        assert_eq!(gone.exit, Exit::Success);

        let full = Failure::from_output(&io::Error::from(io::ErrorKind::StorageFull));
        assert!(!full.is_quiet());
        assert_eq!(full.exit, Exit::Internal);
    }
}
