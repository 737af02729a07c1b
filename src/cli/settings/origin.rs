//! A value and where it came from.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from; each layer beats the ones before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The config file, at this line.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(&'static str),
    /// The options stored with the run.
    Run,
    /// A flag of this command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "file {}:{line}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Run => f.write_str("run"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A value and where it came from, for what judges both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value in force.
    pub value: T,
    /// The layer that set it.
    pub origin: Origin,
}
