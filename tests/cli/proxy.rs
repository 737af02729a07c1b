//! A bad line between the program and the simulator: it delays, dribbles, cuts, resets, falls silent,
//! or answers with something monstrous of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

/// What the line does to each piece of an answer that comes along.
#[derive(Clone)]
pub(crate) enum Line {
    Good,
    /// Each piece comes so much later.
    Slow(Duration),
    /// Each byte is a packet of its own.
    Dribble,
    /// After so many bytes of a piece the connection is closed in order.
    Cut(usize),
    /// After so many bytes of a piece the connection is reset.
    Reset(usize),
    /// Nothing comes any more, and nobody hangs up.
    Silent,
    /// The head, and then so many times the chunk; the server is not asked.
    Monster(Arc<str>, Arc<[u8]>, usize),
}

/// For how many pieces the line is how, the last first. Good where nothing is said.
type Plan = Arc<Mutex<Vec<(usize, Line)>>>;

/// Listens on an address of its own and passes on to the simulator, as well as the line allows.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    upstream: SocketAddr,
    plan: Plan,
    listening: Option<AbortHandle>,
    runtime: Runtime,
}

impl Proxy {
    pub(crate) fn before(upstream: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut proxy = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            upstream,
            plan: Plan::default(),
            listening: None,
            runtime,
        };
        proxy.listen();
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How the line is from now on.
    pub(crate) fn set(&self, line: Line) {
        *self.plan.lock().unwrap() = vec![(usize::MAX, line)];
    }

    /// The next connections, so many, get this.
    pub(crate) fn set_monsters(&self, connections: usize, monster: Line) {
        *self.plan.lock().unwrap() = vec![(connections, monster)];
    }

    /// The line lets one piece through, then it is bad for so many, and then good.
    pub(crate) fn set_for(&self, pieces: usize, line: Line) {
        *self.plan.lock().unwrap() = vec![(pieces, line), (1, Line::Good)];
    }

    /// Nobody listens any more, and what was open is gone.
    pub(crate) fn refuse(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
        }
    }

    /// Listens, again at the same address if there was one.
    pub(crate) fn listen(&mut self) {
        let bound = self.runtime.block_on(TcpListener::bind(self.address));
        let listener = bound.unwrap();
        self.address = listener.local_addr().unwrap();
        let upstream = self.upstream;
        let plan = Arc::clone(&self.plan);
        let task = self.runtime.spawn(async move {
            // Dropped with this task: every connection ends with the listener.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, upstream, Arc::clone(&plan)));
            }
        });
        self.listening = Some(task.abort_handle());
    }
}

/// How the line is for the next piece.
fn peek(plan: &Plan) -> Line {
    let plan = plan.lock().unwrap();
    plan.last().map_or(Line::Good, |(_, line)| line.clone())
}

/// The same, and that piece is counted.
fn next(plan: &Plan) -> Line {
    let line = peek(plan);
    let mut plan = plan.lock().unwrap();
    if let Some((left, _)) = plan.last_mut() {
        *left -= 1;
    }
    plan.retain(|(left, _)| *left > 0);
    line
}

async fn carry(client: TcpStream, upstream: SocketAddr, plan: Plan) -> Option<()> {
    if let Line::Monster(head, chunk, count) = peek(&plan) {
        next(&plan);
        monster(client, &head, &chunk, count).await;
        return None;
    }
    let server = TcpStream::connect(upstream).await.ok()?;
    client.set_nodelay(true).ok()?;
    let (mut from_server, mut to_server) = server.into_split();
    let (mut from_client, mut to_client) = client.into_split();
    let requests = tokio::spawn(async move {
        tokio::io::copy(&mut from_client, &mut to_server).await.ok();
        from_client
    });
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = from_server.read(&mut piece).await.ok()?;
        let piece = &piece[..length];
        if piece.is_empty() {
            return None;
        }
        match next(&plan) {
            Line::Good | Line::Monster(..) => to_client.write_all(piece).await.ok()?,
            Line::Slow(by) => {
                tokio::time::sleep(by).await;
                to_client.write_all(piece).await.ok()?;
            }
            Line::Dribble => {
                for byte in piece.chunks(1) {
                    to_client.write_all(byte).await.ok()?;
                    tokio::task::yield_now().await;
                }
            }
            Line::Cut(after) => return pass(&mut to_client, piece, after).await,
            Line::Reset(after) => {
                pass(&mut to_client, piece, after).await?;
                requests.abort();
                to_client.as_ref().set_zero_linger().ok()?;
                return None;
            }
            Line::Silent => std::future::pending().await,
        }
    }
}

async fn pass(
    to_client: &mut tokio::net::tcp::OwnedWriteHalf,
    piece: &[u8],
    most: usize,
) -> Option<()> {
    to_client
        .write_all(&piece[..most.min(piece.len())])
        .await
        .ok()
}

async fn monster(mut client: TcpStream, head: &str, chunk: &[u8], count: usize) {
    let mut request = vec![0; 64 * 1024];
    let _ = client.read(&mut request).await;
    let _ = client.write_all(head.as_bytes()).await;
    for _ in 0..count {
        if client.write_all(chunk).await.is_err() {
            break;
        }
    }
    let _ = client.shutdown().await;
}
