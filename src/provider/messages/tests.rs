//! The client against raw sockets: what no mock server can do (reset, cut, hang, flood).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::MessagesClient;
use crate::model::{Endpoint, ErrorClass as C, RequestBody};
use crate::provider::{ClientSettings, Credentials, Provider, Reply, Request};

const BODY: &str = r#"{"model":"m",  "max_tokens":1,"messages":[]}"#;
const STREAMED_BODY: &str = r#"{"stream":true,"model":"m",  "max_tokens":1,"messages":[]}"#;
const MESSAGE: &str = r#"{"type":"message","content":[],"model":"m-1","stop_reason":"end_turn","usage":{"input_tokens":2,"output_tokens":1}}"#;

/// What the server does with the connection once the request is read.
#[derive(Clone)]
enum Then {
    /// Sends this and closes.
    Say(Vec<u8>),
    /// Sends this and resets the connection.
    SayAndReset(Vec<u8>),
    /// Sends this and then nothing more.
    SayAndHang(Vec<u8>),
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// A server for one connection; returns its address and, later, the request that came.
async fn serve(then: Then) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let request = read_request(&mut socket).await;
        match then {
            Then::Say(bytes) => {
                // A client that has read enough may hang up first.
                let _ = socket.write_all(&bytes).await;
            }
            Then::SayAndReset(bytes) => {
                socket.write_all(&bytes).await.unwrap();
                socket.set_zero_linger().unwrap();
            }
            Then::SayAndHang(bytes) => {
                socket.write_all(&bytes).await.unwrap();
                // Until the client gives up.
                let _ = socket.read(&mut [0; 1]).await;
            }
        }
        request
    });
    (address, task)
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = socket.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&seen);
        if n == 0 || text.ends_with(BODY) || text.ends_with(STREAMED_BODY) {
            return text.into_owned();
        }
    }
}

fn client(base_url: &str) -> MessagesClient {
    let credentials = Credentials::new(Some("gateway-hidden"), None).unwrap();
    MessagesClient::new(&ClientSettings::new(base_url, credentials)).unwrap()
}

async fn send_within(client: &MessagesClient, timeout: Duration) -> Reply {
    let body = RequestBody::from_json(BODY);
    let request = Request {
        body,
        timeout,
        stream: false,
        endpoint: Endpoint::First,
    };
    client.send(request).await
}

/// Sends the request as a stream; `idle` is the longest silence that is taken.
async fn stream(address: &str, idle: Duration, timeout: Duration) -> Reply {
    let mut settings = ClientSettings::new(address, Credentials::default());
    settings.idle_timeout = idle;
    let request = Request {
        body: RequestBody::from_json(BODY),
        timeout,
        stream: true,
        endpoint: Endpoint::First,
    };
    let client = MessagesClient::new(&settings).unwrap();
    client.send(request).await
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

async fn send(client: &MessagesClient) -> Reply {
    send_within(client, Duration::from_secs(20)).await
}

async fn class_after(then: Then) -> C {
    let (address, _server) = serve(then).await;
    let failure = send(&client(&address)).await.result.unwrap_err();
    assert!(failure.evidence.message.unwrap().len() > 10);
    failure.class
}

#[tokio::test]
async fn a_message_comes_back_with_its_limits_and_the_body_left_unchanged() {
    let headers = "request-id: req_1\r\nanthropic-ratelimit-requests-limit: 50\r\n\
        anthropic-ratelimit-requests-remaining: 49\r\n";
    let (address, server) = serve(Then::Say(answer("200 OK", headers, MESSAGE))).await;
    let reply = send(&client(&format!("{address}/gateway/v1/"))).await;
    let message = reply.result.unwrap();
    assert_eq!(message.raw, MESSAGE);
    assert_eq!(message.request_id.as_deref(), Some("req_1"));
    assert_eq!(reply.limits.requests.unwrap().remaining, 49);
    let request = server.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, BODY);
    assert!(
        head.starts_with("POST /gateway/v1/messages HTTP/1.1"),
        "{head}"
    );
    let head = head.to_ascii_lowercase();
    for line in [
        "x-api-key: gateway-hidden",
        "anthropic-version: 2023-06-01",
        "user-agent: claude-run/",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert!(!head.contains("\r\norigin:"), "{head}");
}

#[tokio::test]
async fn an_error_reply_keeps_limits_and_hides_the_credential_in_use() {
    let body = r#"{"type":"error","error":{"type":"authentication_error","message":"bad key gateway-hidden"}}"#;
    let headers =
        "anthropic-ratelimit-requests-limit: 50\r\nanthropic-ratelimit-requests-remaining: 0\r\n";
    let (address, _server) = serve(Then::Say(answer("401 Unauthorized", headers, body))).await;
    let client = client(&address);
    let reply = send(&client).await;
    assert_eq!(reply.limits.requests.unwrap().remaining, 0);
    let failure = reply.result.unwrap_err();
    assert_eq!(failure.class, C::Authentication);
    assert!(
        failure
            .evidence
            .raw_error
            .as_deref()
            .unwrap()
            .contains("[redacted]")
    );
    let shown = format!("{failure:?}{client:?}");
    assert!(!shown.contains("hidden"), "{shown}");
}

#[tokio::test]
async fn a_refused_port_is_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = send(&client(&address)).await.result.unwrap_err();
    assert_eq!(failure.class, C::Connect);
    let words = failure.evidence.message.unwrap();
    assert!(words.contains("onnection refused"), "{words}");
    assert!(!words.contains("http"), "{words}");
}

#[tokio::test]
async fn a_name_that_cannot_exist_is_dns() {
    // A label of a name has at most 63 bytes, so the resolver refuses it without asking anyone.
    let client = client(&format!("http://{}.invalid", "a".repeat(70)));
    let failure = send(&client).await.result.unwrap_err();
    assert_eq!(failure.class, C::Dns, "{:?}", failure.evidence.message);
}

#[tokio::test]
async fn breaks_after_the_request_are_connection_cut() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{\"type\":\"mess".to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{\"type\"".to_vec();
    for then in [
        Then::Say(Vec::new()),
        Then::SayAndReset(Vec::new()),
        Then::Say(b"HTTP/1.1 200 O".to_vec()),
        Then::Say(half.clone()),
        Then::SayAndReset(half),
        Then::Say(chunked),
    ] {
        assert_eq!(class_after(then).await, C::ConnectionCut);
    }
}

#[tokio::test]
async fn a_plain_answer_that_is_whole_stands_whatever_becomes_of_its_end() {
    let more = format!("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{MESSAGE}").into_bytes();
    let size = format!("{:x}", MESSAGE.len());
    let open =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{size}\r\n{MESSAGE}\r\n");
    for then in [
        Then::Say(more.clone()),
        Then::SayAndReset(more.clone()),
        Then::SayAndHang(more),
        Then::Say(open.clone().into_bytes()),
        Then::SayAndHang(open.into_bytes()),
    ] {
        let (address, _server) = serve(then).await;
        let message = send(&client(&address)).await.result.unwrap();
        assert_eq!(message.raw, MESSAGE);
    }
}

#[tokio::test]
async fn events_that_nobody_asked_for_or_announced_are_read() {
    let start = format!(
        "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{MESSAGE}}}\n\n"
    );
    let events = format!("{start}event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n");
    for kind in [
        "content-type: text/event-stream\r\n",
        "content-type: application/json\r\n",
        "",
    ] {
        let (address, _server) = serve(Then::Say(answer("200 OK", kind, &events))).await;
        let message = send(&client(&address)).await.result.unwrap();
        assert_eq!(message.raw, MESSAGE, "{kind}");
        let (address, _server) = serve(Then::Say(answer("200 OK", kind, &events))).await;
        let message = stream(&address, LONG, LONG).await.result.unwrap();
        assert_eq!(message.raw, MESSAGE, "{kind}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_bad_response() {
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "a".repeat(1 << 20));
    for answer in [b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), long.into_bytes()] {
        assert_eq!(class_after(Then::Say(answer)).await, C::BadResponse);
    }
}

#[tokio::test]
async fn a_body_shorter_than_its_message_is_bad_response() {
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{MESSAGE}");
    assert_eq!(
        class_after(Then::Say(cut.into_bytes())).await,
        C::BadResponse
    );
    let page = answer(
        "200 OK",
        "content-type: text/html\r\n",
        "<html><title>hi</title>",
    );
    assert_eq!(class_after(Then::Say(page)).await, C::BadResponse);
    let gzip = answer(
        "200 OK",
        "content-encoding: gzip\r\n",
        "this is no gzip stream",
    );
    assert_eq!(class_after(Then::Say(gzip)).await, C::BadResponse);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let moved = answer("301 Moved", "location: http://127.0.0.1:9/x\r\n", "");
    assert_eq!(class_after(Then::Say(moved)).await, C::WrongEndpoint);
}

#[tokio::test]
async fn silence_is_timeout_and_what_was_seen_is_kept() {
    let head = b"HTTP/1.1 200 OK\r\nrequest-id: req_9\r\ncontent-length: 90\r\n\r\n{".to_vec();
    for (sent, status, id) in [(Vec::new(), None, None), (head, Some(200), Some("req_9"))] {
        let (address, _server) = serve(Then::SayAndHang(sent)).await;
        let reply = send_within(&client(&address), Duration::from_millis(50)).await;
        assert!(reply.latency >= Duration::from_millis(50));
        let failure = reply.result.unwrap_err();
        assert_eq!(failure.class, C::Timeout);
        assert_eq!(failure.evidence.http_status, status);
        assert_eq!(failure.evidence.request_id.as_deref(), id);
    }
}

#[tokio::test]
async fn an_error_whose_body_hangs_is_classified_by_its_status() {
    let head = b"HTTP/1.1 503 X\r\nretry-after: 9\r\ncontent-length: 90\r\n\r\n{".to_vec();
    let (address, _server) = serve(Then::SayAndHang(head)).await;
    let reply = send_within(&client(&address), Duration::from_millis(50)).await;
    let failure = reply.result.unwrap_err();
    assert_eq!(failure.class, C::Unavailable);
    assert_eq!(failure.evidence.retry_after, Some(Duration::from_secs(9)));
}

#[tokio::test]
async fn an_answer_without_end_is_bounded() {
    let flood = vec![b'['; 3_000_000];
    for (status, class) in [(200, C::BadResponse), (529, C::Overloaded)] {
        let mut bytes = format!("HTTP/1.1 {status} X\r\n\r\n").into_bytes();
        bytes.extend_from_slice(&flood);
        let (address, _server) = serve(Then::Say(bytes)).await;
        let mut client = client(&address);
        client.api.max_response_bytes = 1_000_000;
        assert_eq!(send(&client).await.result.unwrap_err().class, class);
    }
}

#[tokio::test]
async fn tls_to_a_server_that_speaks_none_is_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 512]).await;
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    let mut settings = ClientSettings::new(format!("https://{address}"), Credentials::default());
    // Some certificate to trust, also where the system has none.
    settings.network.ca_bundle =
        Some(concat!(env!("CARGO_MANIFEST_DIR"), "/src/provider/http/test_ca.pem").into());
    let client = MessagesClient::new(&settings).unwrap();
    let failure = send(&client).await.result.unwrap_err();
    assert_eq!(failure.class, C::Connect, "{:?}", failure.evidence.message);
    server.await.unwrap();
}

const START_EVENT: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"type\":\"message\",\"content\":[],\"model\":\"m-1\",\"stop_reason\":null,\"usage\":{\"input_tokens\":2,\"output_tokens\":0}}}\n\n";
const DELTA_EVENT: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\n";
const LAST_EVENT: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// A stream with status 200 that says this; its end is the connection's.
fn events(text: &str) -> Vec<u8> {
    let head =
        "HTTP/1.1 200 OK\r\nrequest-id: req_1\r\ncontent-type: text/event-stream; charset=utf-8";
    format!("{head}\r\n\r\n{text}").into_bytes()
}

#[tokio::test]
async fn a_stream_brings_the_plain_message_and_adds_only_itself_to_the_body() {
    let (address, server) = serve(Then::Say(events(&format!(
        "{START_EVENT}{DELTA_EVENT}{LAST_EVENT}"
    ))))
    .await;
    let message = stream(&address, LONG, LONG).await.result.unwrap();
    assert_eq!(message.raw, MESSAGE);
    assert_eq!(message.request_id.as_deref(), Some("req_1"));
    let request = server.await.unwrap();
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, STREAMED_BODY);
}

#[tokio::test]
async fn what_breaks_within_a_stream_is_stream_cut_with_its_usage() {
    let garbage = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nzz";
    for (then, idle, timeout, words, began) in [
        (
            Then::Say(events(START_EVENT)),
            LONG,
            LONG,
            "before its message was whole",
            true,
        ),
        (
            Then::SayAndReset(events(START_EVENT)),
            LONG,
            LONG,
            "the connection broke",
            true,
        ),
        (
            Then::SayAndHang(events(START_EVENT)),
            SHORT,
            LONG,
            "silent for 50ms",
            true,
        ),
        // A silence longer than the timeout is too long, whatever the idle timeout.
        (
            Then::SayAndHang(events(START_EVENT)),
            LONG,
            SHORT,
            "silent for 50ms",
            true,
        ),
        (
            Then::Say(events("")),
            LONG,
            LONG,
            "before its message was whole",
            false,
        ),
        (Then::Say(garbage.into()), LONG, LONG, "broke", false),
    ] {
        let (address, _server) = serve(then).await;
        let failure = stream(&address, idle, timeout).await.result.unwrap_err();
        let said = failure.evidence.message.unwrap();
        assert_eq!(failure.class, C::StreamCut, "{said}");
        assert!(said.contains(words), "{said}");
        let used = failure.partial.map(|partial| partial.usage.tokens.input);
        assert_eq!(used, began.then_some(2), "{said}");
    }
}

#[tokio::test]
async fn a_message_that_is_whole_stands_whatever_comes_after_it() {
    for last in [LAST_EVENT, "data: [DONE]\n\n", ""] {
        let whole = events(&format!("{START_EVENT}{DELTA_EVENT}{last}"));
        for then in [
            Then::SayAndReset(whole.clone()),
            Then::SayAndHang(whole.clone()),
            Then::Say(whole.clone()),
            Then::Say([whole, b"data: {\n\n".to_vec()].concat()),
        ] {
            let (address, _server) = serve(then).await;
            let message = stream(&address, LONG, LONG).await.result.unwrap();
            assert_eq!(message.raw, MESSAGE);
        }
    }
}

#[tokio::test]
async fn a_packed_stream_is_read() {
    use std::io::Write as _;
    let text = format!("{START_EVENT}{DELTA_EVENT}{LAST_EVENT}");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n";
    let whole = [head.as_bytes(), &packer.finish().unwrap()].concat();
    let (address, _server) = serve(Then::Say(whole)).await;
    let message = stream(&address, LONG, LONG).await.result.unwrap();
    assert_eq!(message.raw, MESSAGE);
}

#[tokio::test]
async fn a_stream_that_does_not_begin_in_time_is_timeout() {
    let (address, _server) = serve(Then::SayAndHang(Vec::new())).await;
    let failure = stream(&address, LONG, SHORT).await.result.unwrap_err();
    assert_eq!(failure.class, C::Timeout);
    assert!(failure.evidence.message.unwrap().contains("within 50ms"));
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_read_as_a_plain_one() {
    let json = "content-type: application/json\r\n";
    let sse = "content-type: text/event-stream\r\n";
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#;
    for (status, headers, body, class) in [
        ("200 OK", json, MESSAGE, None),
        ("200 OK", sse, MESSAGE, None),
        ("200 OK", json, overloaded, Some(C::Overloaded)),
        ("200 OK", sse, overloaded, Some(C::Overloaded)),
        (
            "200 OK",
            sse,
            "<html><title>hi</title>",
            Some(C::BadResponse),
        ),
        ("200 OK", json, "", Some(C::BadResponse)),
        ("529 X", sse, overloaded, Some(C::Overloaded)),
        ("503 X", "", "no healthy upstream", Some(C::Unavailable)),
    ] {
        let (address, _server) = serve(Then::Say(answer(status, headers, body))).await;
        let result = stream(&address, LONG, LONG).await.result;
        assert_eq!(
            result.err().map(|failure| failure.class),
            class,
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_stream_without_end_is_bounded() {
    let flood = events(&": ping\n".repeat(500_000));
    let (address, _server) = serve(Then::Say(flood)).await;
    let mut client = client(&address);
    client.api.max_response_bytes = 1_000_000;
    let request = Request {
        body: RequestBody::from_json(BODY),
        timeout: LONG,
        stream: true,
        endpoint: Endpoint::First,
    };
    let failure = client.send(request).await.result.unwrap_err();
    assert_eq!(failure.class, C::StreamCut);
    assert!(
        failure
            .evidence
            .message
            .unwrap()
            .contains("longer than 1000000 bytes")
    );
}
