//! Answers of a few kilobytes that unpack to many megabytes, all at once: memory stays bounded, nobody
//! waits for ever, and what is a message is recorded.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Barrier};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::harness::{Desk, peak_memory, plain_jobs};

/// Answers that are read at the same time.
const OPEN: usize = 64;
/// What each unpacks to: 64 of them are half a gigabyte, and up to two once they are copied.
const UNPACKED: usize = 8 << 20;
/// Four copies of what the budget allows for all answers and of one answer beyond it, and the program.
const MOST: u64 = 400 << 20;

/// A server that waits until all requests have come, and then answers each with this, packed.
fn serve(status: &'static str, kind: &'static str, body: &str) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body.as_bytes()).unwrap();
    let packed: Arc<[u8]> = encoder.finish().unwrap().into();
    assert!(packed.len() < 100_000, "{} bytes", packed.len());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let all = Arc::new(Barrier::new(OPEN));
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (packed, all) = (Arc::clone(&packed), Arc::clone(&all));
            std::thread::spawn(move || {
                read_request(&socket)?;
                all.wait();
                answer(socket, status, kind, &packed)
            });
        }
    });
    address
}

fn read_request(socket: &TcpStream) -> std::io::Result<()> {
    let (mut reader, mut length) = (BufReader::new(socket), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(told) = line.to_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length])
}

fn answer(mut socket: TcpStream, status: &str, kind: &str, packed: &[u8]) -> std::io::Result<()> {
    let length = packed.len();
    write!(
        socket,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    socket.write_all(packed)
}

/// Sends all jobs at once to that server; the desk with what came of it.
fn bombed(status: &'static str, kind: &'static str, body: &str) -> Desk {
    let mut desk = Desk::new();
    desk.set("ANTHROPIC_BASE_URL", &serve(status, kind, body));
    desk.write("jobs.jsonl", plain_jobs(OPEN));
    let open = OPEN.to_string();
    let line = [
        "submit",
        "jobs.jsonl",
        "--concurrency",
        &open,
        "--max-attempts",
        "1",
        "-v",
    ];
    let mut process = desk.spawn(&line);
    let peak = peak_memory(&mut process);
    let output = process.wait();
    assert!(peak < MOST, "{peak} bytes for {status}, {kind}: {output}");
    desk
}

fn message(text: &str) -> String {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": crate::harness::MODEL,
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1}
    })
    .to_string()
}

#[test]
fn messages_that_unpack_to_half_a_gigabyte_are_all_recorded_in_bounded_memory() {
    let desk = bombed(
        "200 OK",
        "application/json",
        &message(&"a".repeat(UNPACKED)),
    );
    assert_eq!(desk.only_run()["jobs"]["succeeded"], OPEN);
}

#[test]
fn errors_that_unpack_to_half_a_gigabyte_fail_their_jobs_in_bounded_memory() {
    let words = "a".repeat(UNPACKED);
    let error =
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": words}});
    let desk = bombed("400 Bad Request", "application/json", &error.to_string());
    assert_eq!(desk.only_run()["jobs"]["failed"], OPEN);
}

#[test]
fn streams_that_unpack_to_half_a_gigabyte_are_all_recorded_in_bounded_memory() {
    let start = json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": crate::harness::MODEL,
        "content": [], "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": 1}
    }});
    let block = json!({"type": "content_block_start", "index": 0,
        "content_block": {"type": "text", "text": ""}});
    let delta = json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "text_delta", "text": "a".repeat(1 << 20)}});
    let end = [
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop"}),
    ];
    let deltas = std::iter::repeat_n(&delta, UNPACKED >> 20);
    let events = [&start, &block].into_iter().chain(deltas).chain(&end);
    let events: Vec<_> = events.map(|event| format!("data: {event}\n\n")).collect();
    let events = events.concat();
    let desk = bombed("200 OK", "text/event-stream", &events);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], OPEN);
}
