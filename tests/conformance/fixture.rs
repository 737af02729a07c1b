//! What a store brings with it to be held to the suite.

use claude_run::model::RunId;
use claude_run::store::sqlite::{SqliteReader, SqliteStore};
use claude_run::store::{BatchStore, Reader, Store};

use crate::memory::Memory;
use crate::new_store::new_store;

/// A new, empty store, its reader, and what it says of itself. A store that implements this and is
/// named in `conformance.rs` is held to every promise of the traits.
pub trait Fixture {
    type Store: Store + BatchStore;
    type Reader: Reader;

    /// Makes an empty store, which lives as long as the fixture. Row numbers of runs and of batches
    /// count from 1; a job's id is `run << 40 | line`, since ids are part of the bytes of a batch.
    fn open() -> Self;

    fn store(&self) -> Self::Store;

    fn reader(&self) -> &Self::Reader;

    /// What contradicts itself in the store, in words.
    fn contradictions(&self, runs: &[RunId]) -> Vec<String>;
}

/// A SQLite store in a folder of its own.
pub struct Sqlite {
    store: SqliteStore,
    reader: SqliteReader,
    _folder: tempfile::TempDir,
}

impl Fixture for Sqlite {
    type Store = SqliteStore;
    type Reader = SqliteReader;

    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        Self {
            store: new_store(&path),
            reader: SqliteReader::open(&path).unwrap(),
            _folder: folder,
        }
    }

    fn store(&self) -> SqliteStore {
        self.store.clone()
    }

    fn reader(&self) -> &SqliteReader {
        &self.reader
    }

    fn contradictions(&self, runs: &[RunId]) -> Vec<String> {
        let verified = self.reader.verify(runs).unwrap();
        let of_runs = verified.runs.iter().flat_map(|(_, checks)| checks);
        let broken = verified.file.iter().chain(of_runs);
        broken
            .filter(|check| !check.holds())
            .map(|check| format!("{}: {:?}", check.promise, check.examples))
            .collect()
    }
}

/// The reference itself, so that the cases and the reference agree.
pub struct Reference(Memory);

impl Fixture for Reference {
    type Store = Memory;
    type Reader = Memory;

    fn open() -> Self {
        Self(Memory::default())
    }

    fn store(&self) -> Memory {
        self.0.clone()
    }

    fn reader(&self) -> &Memory {
        &self.0
    }

    fn contradictions(&self, _runs: &[RunId]) -> Vec<String> {
        self.0.contradictions()
    }
}
