//! What a dispatching process holds: the store, its lock, and an ear for signals.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::store::sqlite::{DispatchLock, LoadLock, SqliteReader, SqliteStore};
use crate::store::{Store, StoreError};

/// The store, opened for writing.
pub(super) struct Session {
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
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        let store = Arc::new(SqliteStore::open(&path)?);
        let sweep = tokio::spawn(sweep_broken_loads(Arc::clone(&store), path.clone()));
        Ok(Self {
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
        if tokio::time::timeout(UNREMARKED_SWEEP, &mut self.sweep)
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

/// Ctrl-C and SIGTERM.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on the signals no longer end the process by themselves.
    #[cfg(unix)]
    pub(super) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| cannot_listen(&error));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next of them.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// From now on Ctrl-C no longer ends the process by itself.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "listening can fail elsewhere")]
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the next Ctrl-C.
    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!("{}", cannot_listen(&error));
            std::future::pending::<()>().await;
        }
    }
}

fn cannot_listen(error: &std::io::Error) -> Failure {
    Failure::internal(
        "the process cannot listen for signals",
        "raise the limit of open files (ulimit -n), then try again",
    )
    .because(error.to_string())
}
