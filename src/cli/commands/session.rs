//! What a dispatching process holds: the store and its lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::signals::Signals;
use crate::clock::Clock;
use crate::store::sqlite::{DispatchLock, LoadLock, SqliteReader, SqliteStore};
use crate::store::{Store, StoreError};

/// The store, opened for writing.
pub(super) struct Session {
    /// As the user wrote it: for words.
    pub(super) named: PathBuf,
    /// Of the store's own file, without links.
    pub(super) path: PathBuf,
    pub(super) store: Arc<SqliteStore>,
    pub(super) clock: Clock,
    sweep: JoinHandle<()>,
}

/// A sweep that takes no longer is not worth a word.
const UNREMARKED_SWEEP: Duration = Duration::from_millis(300);

impl Session {
    /// Opens the store, which is made or migrated as needed, and clears away in the background
    /// what broken-off loads have left.
    pub(super) fn open(named: &Path) -> Result<Self, Failure> {
        let store = Arc::new(SqliteStore::open(named)?);
        // Under the name that was given another store may stand one day.
        let path = store.path().to_path_buf();
        let sweep = tokio::spawn(sweep_broken_loads(Arc::clone(&store), path.clone()));
        Ok(Self {
            named: named.to_path_buf(),
            path,
            store,
            clock: Clock::system(),
            sweep,
        })
    }

    /// Ends the session of a command that ended like that: what broken-off loads have left is gone
    /// then, unless the user is in a hurry, and the store is one tidy file.
    pub(super) async fn close(mut self, console: &Console, ended: &Result<Exit, Failure>) {
        if !self.sweep.is_finished() && !matches!(ended, Ok(Exit::Interrupted)) {
            self.finish_sweep(console).await;
        }
        self.store.close().await;
    }

    async fn finish_sweep(&mut self, console: &Console) {
        // A short command may end before the sweep has even seen that there is nothing to do.
        if crate::clock::timeout(UNREMARKED_SWEEP, &mut self.sweep)
            .await
            .is_ok()
        {
            return;
        }
        console.note("clearing away what a broken-off load has left (Ctrl-C leaves it for later)");
        if let Ok(mut signals) = Signals::listen() {
            tokio::select! {
                _ = &mut self.sweep => {}
                () = signals.next() => {}
            }
        }
    }

    pub(super) fn reader(&self) -> Result<SqliteReader, StoreError> {
        SqliteReader::open(&self.path)
    }

    /// The right to dispatch; an error that names the holder if another process has it.
    pub(super) fn lock(&self) -> Result<DispatchLock, StoreError> {
        DispatchLock::acquire(&self.path)
    }
}

/// What fails here is tried again at the next start.
async fn sweep_broken_loads(store: Arc<SqliteStore>, path: PathBuf) {
    let mut runs = store.loading().await.unwrap_or_default();
    runs.extend(LoadLock::files(&path));
    for run in runs {
        if let Ok(Some(_lock)) = LoadLock::acquire_if_abandoned(&path, run) {
            tracing::info!(%run, "clearing away a load that was broken off");
            while store.sweep_load(run).await.unwrap_or(false) {}
        }
    }
}
