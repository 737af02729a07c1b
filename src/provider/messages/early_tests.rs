//! Answers that come before the request has left, and requests that never left whole.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::MessagesClient;
use crate::model::{Endpoint, ErrorClass as C, RequestBody};
use crate::provider::{ClientSettings, Credentials, Failure, Http, Provider, Request};

/// More than sockets hold.
const LONG_PROMPT: usize = 20 * 1024 * 1024;

async fn send(address: &str, timeout: Duration) -> Box<Failure> {
    let settings = ClientSettings::new(address, Credentials::default());
    send_by(&settings, timeout).await
}

async fn send_by(settings: &ClientSettings, timeout: Duration) -> Box<Failure> {
    let client = MessagesClient::new(settings);
    let prompt = "x".repeat(LONG_PROMPT);
    let request = Request {
        body: RequestBody::from_json(format!(r#"{{"model":"m","messages":["{prompt}"]}}"#)),
        timeout,
        stream: false,
        endpoint: Endpoint::First,
    };
    client.unwrap().send(request).await.result.unwrap_err()
}

/// A server that says this as soon as it has read some of a request, and closes at once.
async fn closes_after(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                socket.read_exact(&mut [0; 1000]).await.unwrap();
                socket.write_all(answer.as_bytes()).await.unwrap();
                // With bytes unread, closing is a reset.
            });
        }
    });
    address
}

fn answer(status: &str, kind: &str, message: &str) -> String {
    let body = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#);
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_before_the_body_was_read_is_read_and_never_maybe_billed() {
    for (status, kind, message, class) in [
        (
            "413 Too Large",
            "request_too_large",
            "Request exceeds the maximum size",
            C::RequestTooLarge,
        ),
        (
            "529 Overloaded",
            "overloaded_error",
            "Overloaded",
            C::Overloaded,
        ),
        (
            "401 Unauthorized",
            "authentication_error",
            "invalid x-api-key",
            C::Authentication,
        ),
    ] {
        let address = closes_after(answer(status, kind, message)).await;
        for _ in 0..20 {
            let failure = send(&address, Duration::from_secs(20)).await;
            // The reset may overtake the answer: then it is a cut, but of a request that had not
            // left, and goes again.
            assert!(failure.unsent, "{failure:?}");
            if failure.class != C::ConnectionCut {
                assert_eq!(failure.class, class, "{failure:?}");
                assert_eq!(failure.evidence.message.as_deref(), Some(message));
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_never_left_whole_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // Nobody reads: the body does not fit into the sockets.
    let failure = send(&address, Duration::from_millis(200)).await;
    assert_eq!((failure.class, failure.unsent), (C::Timeout, true));
    drop(listener);
}

/// A server that speaks HTTP/2 and answers every request before it has read its body.
async fn early_http2(status: u16, body: String) -> String {
    let pem = |name: &str| format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let certificate = CertificateDer::from_pem_file(pem("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(pem("server.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, body) = (acceptor.clone(), body.clone());
            tokio::spawn(async move {
                let socket = TokioIo::new(acceptor.accept(socket).await.unwrap());
                let answer = service_fn(move |_unread| {
                    let answer = Response::builder().status(status);
                    let answer = answer.header("request-id", "req_early");
                    std::future::ready(answer.body(Body::from(body.clone())))
                });
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(socket, answer).await;
            });
        }
    });
    address
}

/// Through the client, because the program speaks HTTP/1.1 alone (see [`Http`]). Over HTTP/2 the answer
/// ends the stream, and the rest of the request is refused with a reset of the stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2_too_an_answer_before_the_body_was_read_is_read_and_never_maybe_billed() {
    for (status, kind, class) in [
        (413, "request_too_large", C::RequestTooLarge),
        (529, "overloaded_error", C::Overloaded),
    ] {
        let body = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"no"}}}}"#);
        let address = early_http2(status, body).await;
        let mut settings = ClientSettings::new(address, Credentials::default());
        settings.http = Http::Auto;
        settings.network.ca_bundle =
            Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/ca.pem").into());
        for _ in 0..20 {
            let failure = send_by(&settings, Duration::from_secs(20)).await;
            assert_eq!(failure.class, class, "{failure:?}");
            assert_eq!(failure.evidence.http_status, Some(status));
            assert_eq!(failure.evidence.request_id.as_deref(), Some("req_early"));
            assert!(failure.unsent, "{failure:?}");
        }
    }
}
