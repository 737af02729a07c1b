//! The client against raw sockets: what is sent, and what comes of every way to break.

mod simulated;

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{BatchApi, BatchUpload, BatchesClient, ItemResult, ResultLine};
use crate::model::{ErrorClass as C, RemoteBatch, RemoteStatus};
use crate::provider::{
    ClientSettings, Credentials, Failure, is_missing, may_have_been_created, rejected_entry,
};

const BATCH: &str = r#"{"id":"msgbatch_1","type":"message_batch","processing_status":"in_progress","request_counts":{"processing":1},"created_at":"2026-09-24T18:37:24.1+00:00"}"#;
const A: &str = r#"{"custom_id":"k-1-1","result":{"type":"expired"}}"#;
const B: &str = r#"{"custom_id":"k-2-1","result":{"type":"canceled"}}"#;

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

fn error(status: &str, kind: &str, message: &str) -> Vec<u8> {
    let body = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#);
    answer(status, "", &body)
}

/// A server for one connection; returns its client and, later, the request that came.
async fn serve(reply: Vec<u8>) -> (BatchesClient, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let request = read_request(&mut socket).await;
        // A client that has read enough may hang up first.
        let _ = socket.write_all(&reply).await;
        request
    });
    (client(&address, Duration::from_secs(20)), task)
}

fn client(address: &str, idle: Duration) -> BatchesClient {
    let credentials = Credentials::new(Some("gateway-hidden"), None).unwrap();
    let mut settings = ClientSettings::new(address, credentials);
    settings.idle_timeout = idle;
    BatchesClient::new(&settings).unwrap()
}

/// The head and as much of the body as it announces, or as comes.
async fn read_request(socket: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= announced(head)
        {
            return text;
        }
        let mut buffer = [0; 4096];
        match socket.read(&mut buffer).await {
            Ok(n) if n > 0 => seen.extend_from_slice(&buffer[..n]),
            _ => return text,
        }
    }
}

fn announced(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1);
    length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap())
}

fn upload(bytes: u64, chunks: &[&'static str]) -> BatchUpload {
    let (sender, receiver) = mpsc::channel(chunks.len().max(1));
    for chunk in chunks {
        sender
            .try_send(Bytes::from_static(chunk.as_bytes()))
            .unwrap();
    }
    BatchUpload {
        bytes,
        chunks: receiver,
    }
}

async fn create(reply: Vec<u8>) -> Result<RemoteBatch, Box<Failure>> {
    let (client, _server) = serve(reply).await;
    client.create(upload(15, &["{\"requests\":", "[]}"])).await
}

#[tokio::test]
async fn a_batch_is_created_by_one_body_of_the_announced_length() {
    let (client, server) = serve(answer("200 OK", "", BATCH)).await;
    let batch = client
        .create(upload(15, &["{\"reque", "sts\":", "[]}"]))
        .await
        .unwrap();
    assert_eq!(batch.id, "msgbatch_1");
    let request = server.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "{\"requests\":[]}");
    assert!(
        head.starts_with("POST /v1/messages/batches HTTP/1.1"),
        "{head}"
    );
    let head = head.to_ascii_lowercase();
    for line in [
        "content-length: 15",
        "x-api-key: gateway-hidden",
        "anthropic-version: 2023-06-01",
        "content-type: application/json",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert!(!format!("{client:?}").contains("hidden"));
}

#[tokio::test]
async fn a_body_that_does_not_keep_its_length_is_never_a_whole_one() {
    for (bytes, chunks) in [
        (15, &["{\"requests\":"][..]),
        (15, &[]),
        (10, &["{\"requests\":", "[]}"]),
    ] {
        let (client, server) = serve(answer("200 OK", "", BATCH)).await;
        let failure = client.create(upload(bytes, chunks)).await.unwrap_err();
        let words = failure.evidence.message.as_deref().unwrap();
        assert!(words.starts_with("the batch was not sent"), "{words}");
        assert!(!may_have_been_created(&failure));
        // The connection may be dropped before a byte of it left.
        drop(client);
        server.abort();
        if let Ok(request) = server.await
            && let Some((_, body)) = request.split_once("\r\n\r\n")
        {
            assert!((body.len() as u64) < bytes, "{request}");
        }
    }
}

#[tokio::test]
async fn a_create_call_whose_answer_is_lost_may_have_made_a_batch() {
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{BATCH}").into_bytes();
    for (reply, class) in [
        (Vec::new(), C::ConnectionCut),
        (cut, C::ConnectionCut),
        (answer("200 OK", "", "{}"), C::BadResponse),
        (answer("200 OK", "", "<html>hi"), C::BadResponse),
        (
            answer("200 OK", "", r#"{"type":"message","content":[]}"#),
            C::BadResponse,
        ),
        (answer("504 X", "", ""), C::GatewayTimeout),
        (answer("524 X", "", "<html>"), C::EdgeError),
        (error("500 X", "api_error", "x"), C::ServerError),
    ] {
        let failure = create(reply).await.unwrap_err();
        assert_eq!(failure.class, class);
        assert!(may_have_been_created(&failure), "{class}");
    }
}

#[tokio::test]
async fn a_create_call_that_is_refused_has_made_none() {
    let bad = "requests.1.custom_id: Field required";
    for (reply, class, entry) in [
        (
            error("400 X", "invalid_request_error", bad),
            C::BatchRejected,
            Some(1),
        ),
        (answer("413 X", "", "<html>"), C::RequestTooLarge, None),
        (
            error("401 X", "authentication_error", "bad gateway-hidden"),
            C::Authentication,
            None,
        ),
        (
            error("429 X", "rate_limit_error", "the queue is full"),
            C::BatchQueueFull,
            None,
        ),
    ] {
        let failure = create(reply).await.unwrap_err();
        assert_eq!(failure.class, class);
        assert_eq!(rejected_entry(&failure), entry);
        assert!(!may_have_been_created(&failure));
        assert!(!format!("{failure:?}").contains("hidden"));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = client(&address, Duration::from_secs(20));
    let failure = client.create(upload(1, &["x"])).await.unwrap_err();
    assert_eq!(failure.class, C::Connect);
    assert!(!may_have_been_created(&failure));
}

#[tokio::test]
async fn a_look_tells_the_batch_and_when_to_look_again() {
    let (client, server) = serve(answer("200 OK", "retry-after: 10\r\n", BATCH)).await;
    let polled = client.retrieve("msgbatch_1").await.unwrap();
    assert_eq!(polled.retry_after, Some(Duration::from_secs(10)));
    assert_eq!(polled.batch.status, RemoteStatus::InProgress);
    assert_eq!(
        polled.batch.created_at,
        Some("2026-09-24T18:37:24.1Z".parse().unwrap())
    );
    let request = server.await.unwrap();
    assert!(
        request.starts_with("GET /v1/messages/batches/msgbatch_1 HTTP"),
        "{request}"
    );
}

#[tokio::test]
async fn an_id_is_one_segment_of_the_path_whatever_it_is() {
    for (id, path) in [("a/../b?c#d", "a%2F..%2Fb%3Fc%23d"), ("é", "%C3%A9")] {
        let (client, server) = serve(answer("200 OK", "", BATCH)).await;
        client.retrieve(id).await.unwrap();
        let request = server.await.unwrap();
        let expected = format!("GET /v1/messages/batches/{path} HTTP");
        assert!(request.starts_with(&expected), "{request}");
    }
}

#[tokio::test]
async fn an_unknown_batch_and_results_that_are_not_there_are_missing() {
    let unknown = "Message Batch msgbatch_1 not found.";
    let (client, _server) = serve(error("404 X", "not_found_error", unknown)).await;
    let failure = client.retrieve("msgbatch_1").await.unwrap_err();
    assert!(is_missing(&failure), "{failure:?}");
    let early = "Message Batch msgbatch_1 has no available results.";
    let (failure, lines) = results(error("404 X", "not_found_error", early)).await;
    assert!(is_missing(&failure.unwrap_err()) && lines.is_empty());
    let (client, _server) = serve(answer("404 X", "", "<html>")).await;
    let failure = client.retrieve("msgbatch_1").await.unwrap_err();
    assert_eq!(failure.class, C::WrongEndpoint);
    assert!(!is_missing(&failure));
}

#[tokio::test]
async fn the_list_is_read_page_by_page() {
    let page = format!(r#"{{"data":[{BATCH}],"has_more":true,"last_id":"msgbatch_1"}}"#);
    for (after, path) in [
        (None, "batches?limit=100 "),
        (Some("b&1"), "batches?limit=100&after_id=b%261 "),
    ] {
        let (client, server) = serve(answer("200 OK", "", &page)).await;
        let page = client.list(after).await.unwrap();
        assert_eq!(
            (page.batches.len(), page.next.as_deref()),
            (1, Some("msgbatch_1"))
        );
        let request = server.await.unwrap();
        assert!(request.contains(path), "{request}");
    }
}

#[tokio::test]
async fn a_batch_is_cancelled_by_a_post_without_a_body() {
    let (client, server) = serve(answer("200 OK", "", BATCH)).await;
    assert_eq!(client.cancel("msgbatch_1").await.unwrap().id, "msgbatch_1");
    let request = server.await.unwrap();
    assert!(
        request.starts_with("POST /v1/messages/batches/msgbatch_1/cancel HTTP"),
        "{request}"
    );
    assert!(request.ends_with("\r\n\r\n"), "{request}");
}

async fn results(reply: Vec<u8>) -> (Result<u64, Box<Failure>>, Vec<ResultLine>) {
    let (client, _server) = serve(reply).await;
    download(&client, "msgbatch_1").await
}

async fn download(
    client: &BatchesClient,
    id: &str,
) -> (Result<u64, Box<Failure>>, Vec<ResultLine>) {
    // So small that the download waits for its reader.
    let (sender, mut receiver) = mpsc::channel(1);
    let read = async {
        let mut lines = Vec::new();
        while let Some(line) = receiver.recv().await {
            lines.push(line);
        }
        lines
    };
    tokio::join!(client.results(id, sender), read)
}

#[tokio::test]
async fn results_come_line_by_line() {
    let jsonl = "content-type: application/x-jsonl\r\n";
    let (count, lines) = results(answer("200 OK", jsonl, &format!("{A}\n{B}\nwhat\n"))).await;
    assert_eq!(count.unwrap(), 3);
    assert_eq!(lines[0].result, ItemResult::Expired);
    assert_eq!(lines[1].custom_id.as_deref(), Some("k-2-1"));
    assert!(matches!(lines[2].result, ItemResult::Unreadable(_)));
    let (count, lines) = results(answer("200 OK", jsonl, "")).await;
    assert_eq!((count.unwrap(), lines.len()), (0, 0));
}

#[tokio::test]
async fn a_download_that_breaks_is_a_failure_after_what_came() {
    let head = "HTTP/1.1 200 OK\r\n";
    let half = &B[..B.len() - 5];
    let gone = r#"{"type":"error","error":{"type":"api_error","message":"gone"}}"#;
    for (reply, words) in [
        (
            format!("{head}content-length: 900\r\n\r\n{A}\n{half}"),
            "the connection broke",
        ),
        (format!("{head}\r\n{A}\n{half}"), "in the middle of a line"),
        (format!("{head}\r\n{A}\n{gone}\n"), "gone"),
    ] {
        let (count, lines) = results(reply.into_bytes()).await;
        let failure = count.unwrap_err();
        assert_eq!((failure.class, lines.len()), (C::ConnectionCut, 1));
        let said = failure.evidence.message.unwrap();
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_download_that_falls_silent_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let _server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        let begun = format!("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{A}\n");
        socket.write_all(begun.as_bytes()).await.unwrap();
        // Until the client gives up.
        let _ = socket.read(&mut [0; 1]).await;
    });
    let (count, lines) = download(&client(&address, Duration::from_millis(50)), "msgbatch_1").await;
    assert_eq!((count.unwrap_err().class, lines.len()), (C::Timeout, 1));
}

#[tokio::test]
async fn what_is_no_results_file_is_a_failure() {
    let html = "content-type: text/html\r\n";
    for (reply, class) in [
        (
            answer("200 OK", html, "<html><title>Login</title>"),
            C::BadResponse,
        ),
        (
            error("401 X", "authentication_error", "x"),
            C::Authentication,
        ),
        (answer("503 X", "", "no healthy upstream"), C::Unavailable),
        (
            answer("302 X", "location: /login\r\n", ""),
            C::WrongEndpoint,
        ),
    ] {
        let (count, lines) = results(reply).await;
        assert_eq!((count.unwrap_err().class, lines.len()), (class, 0));
    }
    let portal = answer("200 OK", "", "Welcome\nPlease log in\n");
    let (count, lines) = results(portal).await;
    assert_eq!((count.unwrap_err().class, lines.len()), (C::BadResponse, 2));
}

#[tokio::test]
async fn lines_of_hundreds_of_kilobytes_pass_through() {
    let text = "x".repeat(700_000);
    let line = |id: &str| {
        format!(
            r#"{{"custom_id":"{id}","result":{{"type":"succeeded","message":{{"type":"message","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn"}}}}}}"#
        )
    };
    let body = format!("{}\n{}\n{A}\n", line("a"), line("b"));
    let (count, lines) = results(answer("200 OK", "", &body)).await;
    assert_eq!(count.unwrap(), 3);
    for line in &lines[..2] {
        let ItemResult::Succeeded(message) = &line.result else {
            panic!("{:?}", line.custom_id);
        };
        assert!(message.raw.len() > 700_000);
    }
}
