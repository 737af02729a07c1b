//! HTTP/1.1 with a pool against one, two, four and eight HTTP/2 connections.
//!
//! ```sh
//! cargo bench --bench http                  # 30,000 requests each, 64, 256 and 1,000 in flight: ~3 min
//! REQUESTS=10000 STREAMS=1000 cargo bench --bench http
//! ```
//!
//! A small server in this process speaks both (HTTP/2 without TLS, by prior knowledge) and answers
//! 700 bytes of JSON, at once or after 50 ms. The client is a process of its own: reqwest, as
//! claude-run uses it. reqwest opens one HTTP/2 connection for a host and client, so n connections
//! are n clients that take turns. `STREAMS` is how many requests the server takes on one HTTP/2
//! connection at a time: RFC 9113 (6.5.2) recommends no less than 100, and that is what servers
//! in front of APIs tell.
//!
//! In the last part the server takes 200 ms, and one connection dies while 256 requests are open:
//! how many requests fail by it?

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a benchmark prints, measures real time, and gives up by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use futures_util::StreamExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use reqwest::Client;
use support::{body, load, measure, number, runtime, this_program};

/// Connections: none means HTTP/1.1 with a pool.
const WAYS: [usize; 5] = [0, 1, 2, 4, 8];
const IN_FLIGHT: [usize; 3] = [64, 256, 1_000];
const LATENCIES_MS: [u64; 2] = [0, 50];

fn main() {
    if let (Ok(_), Ok(url)) = (std::env::var("ROLE"), std::env::var("URL")) {
        return client(&url);
    }
    let (requests, streams) = (number("REQUESTS", 30_000), number("STREAMS", 100));
    let runtime = runtime();
    println!("{requests} requests; the server takes {streams} at a time on an HTTP/2 connection\n");
    println!("latency  in flight   way           requests/s   us CPU   load");
    for latency_ms in LATENCIES_MS {
        let server = Server::start(&runtime, latency_ms, streams);
        for in_flight in IN_FLIGHT {
            for way in WAYS {
                let folder = tempfile::tempdir_in(".").unwrap();
                let told = folder.path().join("failed");
                let cost = measure(
                    this_program("client", &server.url)
                        .env("WAY", way.to_string())
                        .env("REQUESTS", requests.to_string())
                        .env("IN_FLIGHT", in_flight.to_string())
                        .env("TOLD", &told),
                );
                println!(
                    "{latency_ms:>4} ms {in_flight:>10}   {:<12} {:>11.0} {:>8.1} {:>6}",
                    name(way),
                    cost.per_second(requests),
                    cost.cpu_us_per(requests),
                    load()
                );
            }
        }
    }
    println!("\n256 requests open, and one connection dies:");
    for way in WAYS {
        let server = Server::start(&runtime, 200, 1_000);
        let folder = tempfile::tempdir_in(".").unwrap();
        let told = folder.path().join("failed");
        let killing = runtime.spawn(kill_one(Arc::clone(&server.state)));
        measure(
            this_program("client", &server.url)
                .env("WAY", way.to_string())
                .env("REQUESTS", "1024")
                .env("IN_FLIGHT", "256")
                .env("TOLD", &told),
        );
        killing.abort();
        let failed = std::fs::read_to_string(&told).unwrap();
        println!("  {:<12} {failed:>4} requests failed", name(way));
    }
}

fn name(way: usize) -> String {
    match way {
        0 => "HTTP/1.1".to_owned(),
        n => format!("HTTP/2 x {n}"),
    }
}

struct Server {
    url: String,
    state: Arc<State>,
    accepting: tokio::task::AbortHandle,
}

#[derive(Default)]
struct State {
    answered: AtomicUsize,
    connections: std::sync::Mutex<Vec<tokio::task::AbortHandle>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    fn start(runtime: &tokio::runtime::Runtime, latency_ms: u64, streams: usize) -> Self {
        let _guard = runtime.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let state = Arc::new(State::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state), latency_ms, streams));
        Self {
            url,
            state,
            accepting: accepting.abort_handle(),
        }
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    state: Arc<State>,
    latency_ms: u64,
    streams: usize,
) {
    let counter = Arc::clone(&state);
    let answer = move |_: bytes::Bytes| {
        let state = Arc::clone(&counter);
        async move {
            if latency_ms > 0 {
                tokio::time::sleep(Duration::from_millis(latency_ms)).await;
            }
            state.answered.fetch_add(1, Ordering::Relaxed);
            ANSWER
        }
    };
    let app = Router::new().route("/v1/messages", post(answer));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let service = TowerToHyperService::new(app.clone());
        let connection = tokio::spawn(async move {
            let mut server = auto::Builder::new(TokioExecutor::new());
            server
                .http2()
                .timer(TokioTimer::new())
                .max_concurrent_streams(streams as u32);
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
        state
            .connections
            .lock()
            .unwrap()
            .push(connection.abort_handle());
    }
}

/// Once all is in full swing.
async fn kill_one(state: Arc<State>) {
    while state.answered.load(Ordering::Relaxed) < 400 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Into the middle of an answer's 200 ms.
    tokio::time::sleep(Duration::from_millis(100)).await;
    state.connections.lock().unwrap()[0].abort();
}

/// 700 bytes, as a short message has.
const ANSWER: &str = r#"{"id":"msg_01VPqOp9gw7FcA6qUXU52fyn","type":"message","role":"assistant","model":"claude-haiku-5-5","content":[{"type":"text","text":"A durable queue is a queue whose entries are on the disk before anybody is told that they are in it, so that neither a crash nor a power cut can lose them or make them come twice."}],"stop_reason":"end_turn","stop_sequence":null,"stop_details":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":44,"output_tokens_details":{"thinking_tokens":0},"service_tier":"standard","inference_geo":"global"}}"#;

fn client(url: &str) {
    let (way, requests) = (number("WAY", 0), number("REQUESTS", 0));
    let in_flight = number("IN_FLIGHT", 0);
    let failed = runtime().block_on(async {
        let clients: Vec<Client> = (0..way.max(1)).map(|_| build(way, in_flight)).collect();
        let requests = futures_util::stream::iter(0..requests).map(|line| {
            let client = &clients[line % clients.len()];
            let request = client
                .post(format!("{url}/v1/messages"))
                .header("content-type", "application/json")
                .body(body(line));
            tokio::spawn(async move { request.send().await?.bytes().await })
        });
        let answers = requests.buffer_unordered(in_flight);
        answers
            .fold(0, async |failed, answer| {
                failed + usize::from(answer.unwrap().is_err())
            })
            .await
    });
    std::fs::write(std::env::var("TOLD").unwrap(), failed.to_string()).unwrap();
}

fn build(way: usize, in_flight: usize) -> Client {
    let builder = Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(in_flight)
        .tcp_nodelay(true);
    let builder = match way {
        0 => builder.http1_only(),
        _ => builder.http2_prior_knowledge(),
    };
    builder.build().unwrap()
}
