//! The server: listening, accepting, shutting down.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::batches::{BatchItemRecord, BatchRecord};
use super::log::{LoggedRequest, SimulatorStats};
use super::routes;
use super::settings::SimulatorSettings;
use super::shared::Shared;
use super::status_page::ImitatedPage;
use super::wire::{Cutter, Wire};

/// Connections that wait to be accepted: more than any client here opens at once.
const BACKLOG: u32 = 4096;
/// Pause after a failed accept (out of file descriptors), so that the loop does not spin.
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(20);

/// A running simulator. It stops when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    addr: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Simulator {
    /// Starts a simulator on a free port of 127.0.0.1. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When no socket can be opened.
    pub fn start(settings: SimulatorSettings) -> io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), settings)
    }

    /// Starts a simulator on the given address. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn start_on(addr: SocketAddr, settings: SimulatorSettings) -> io::Result<Self> {
        let socket = match addr {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A restarted simulator gets its port back at once.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        let listener = socket.listen(BACKLOG)?;
        let simulator = Self {
            addr: listener.local_addr()?,
            shared: Arc::new(Shared::new(settings)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let accepting = accept(
            listener,
            Arc::clone(&simulator.shared),
            simulator.stop.clone(),
            simulator.tasks.clone(),
        );
        simulator.tasks.spawn(accepting);
        Ok(simulator)
    }

    /// Where to send requests: `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The logged requests, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<LoggedRequest> {
        self.shared.records.logged()
    }

    /// The counters, those of batches up to this moment.
    #[must_use]
    pub fn stats(&self) -> SimulatorStats {
        self.shared.stats()
    }

    /// Every batch that was created, the oldest first, deleted ones included.
    #[must_use]
    pub fn batches(&self) -> Vec<BatchRecord> {
        self.shared.batches.records(&self.shared)
    }

    /// Every request of every batch and what has become of it so far, in the order in which they
    /// were sent. It reads all of them again: ask for it when the work is done.
    #[must_use]
    pub fn batch_items(&self) -> Vec<BatchItemRecord> {
        self.shared.batches.item_records(&self.shared)
    }

    /// Forgets the log, the counters, how often each body came, the prompt cache, every batch and
    /// what was taken from the limits.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Changes what the status page says.
    pub fn set_status_page(&self, page: ImitatedPage) {
        self.shared.set_status_page(page);
    }

    /// Closes the listener and every connection, and returns when they are closed.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, Arc::clone(&shared));
                let stop = stop.clone();
                tasks.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = connection => {}
                    }
                });
            }
            // Mostly too many open files: at once it would fail again, and spin.
            Err(_) => tokio::time::sleep(AFTER_FAILED_ACCEPT).await,
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    shared.records.connected();
    // Without it small answers wait for acknowledgements; if it fails, they do.
    let _ = stream.set_nodelay(true);
    let cutter = Cutter::default();
    let wire = TokioIo::new(Wire::new(stream, cutter.clone()));
    let service =
        service_fn(move |request| routes::serve(Arc::clone(&shared), cutter.clone(), request));
    // An error here is a client that left or a cut on purpose: neither is news.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(wire, service)
        .await;
}
