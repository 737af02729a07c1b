//! What a check of the store's invariants found.

use crate::model::RunId;

/// One invariant, held against the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its stable name.
    pub name: &'static str,
    /// What must be true.
    pub promise: &'static str,
    /// How often it is not.
    pub violations: u64,
    /// The first few of those, for people.
    pub examples: Vec<String>,
}

impl Check {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations == 0
    }
}

/// Everything that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// What concerns the file as a whole.
    pub file: Vec<Check>,
    /// What concerns one run each.
    pub runs: Vec<(RunId, Vec<Check>)>,
}

impl Verification {
    /// Whether every invariant holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        let of_runs = self.runs.iter().flat_map(|(_, checks)| checks);
        self.file.iter().chain(of_runs).all(Check::holds)
    }
}
