//! What the user trusts and what was said about it, for one process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::Memory;
use crate::cli::environment::Environment;

/// What the gate needs, for the whole process: the user's memory, and what was said already.
#[derive(Clone, Debug, Default)]
pub struct TrustState {
    memory: Memory,
    said: Arc<Mutex<BTreeSet<String>>>,
}

impl TrustState {
    /// With the memory of the user whose environment this is.
    #[must_use]
    pub fn of(env: &Environment) -> Self {
        Self {
            memory: Memory::of(env),
            said: Arc::default(),
        }
    }

    /// What the user has said.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// True the first time only.
    #[must_use]
    pub fn is_news(&self, words: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(words.to_owned())
    }
}
