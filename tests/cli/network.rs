//! Bad lines and monstrous answers: the class is right, nothing is lost, and memory stays bounded.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Desk, jobs, peak_memory, plain_jobs};
use crate::proxy::{Line, Proxy};

/// A desk whose requests all pass through a proxy.
fn proxied() -> (Desk, Proxy) {
    let mut desk = Desk::new();
    let address = desk.simulator.base_url();
    let proxy = Proxy::before(address.strip_prefix("http://").unwrap().parse().unwrap());
    desk.set("ANTHROPIC_BASE_URL", &proxy.url());
    (desk, proxy)
}

const SUBMIT: [&str; 7] = [
    "submit",
    "jobs.jsonl",
    "--retry-scale",
    "0.01",
    "--timeout",
    "1s",
    "-v",
];

/// The classes of the attempts that did not succeed.
fn failures(desk: &Desk) -> Vec<String> {
    let attempts = desk.attempts();
    let failed = attempts
        .iter()
        .filter(|attempt| attempt["outcome"] != "succeeded");
    failed
        .map(|attempt| attempt["error_class"].as_str().unwrap().to_owned())
        .collect()
}

/// Every job has its one result.
#[track_caller]
fn assert_all_succeeded(desk: &Desk, jobs: usize) {
    let run = desk.only_run();
    assert_eq!(run["state"], "ended", "{run}");
    assert_eq!(run["jobs"]["succeeded"], jobs, "{run}");
    assert_eq!(desk.results().len(), jobs);
    desk.run(&["verify"]).expect(0);
}

#[test]
fn a_slow_and_a_dribbling_line_cost_nothing_but_time() {
    for line in [Line::Slow(Duration::from_millis(100)), Line::Dribble] {
        for mode in ["never", "always"] {
            let (desk, proxy) = proxied();
            proxy.set(line.clone());
            desk.write("jobs.jsonl", plain_jobs(20));
            desk.run(&["submit", "jobs.jsonl", "--stream", mode])
                .expect(0);
            assert_all_succeeded(&desk, 20);
            assert_eq!(failures(&desk), [""; 0]);
        }
    }
}

#[test]
fn whatever_breaks_on_the_way_is_classed_and_tried_again() {
    let cases: [(Line, &str); 7] = [
        (Line::Cut(0), "connection_cut"),
        (Line::Cut(30), "connection_cut"),
        (Line::Cut(500), "connection_cut"),
        (Line::Reset(0), "connection_cut"),
        (Line::Reset(30), "connection_cut"),
        (Line::Reset(500), "connection_cut"),
        (Line::Silent, "timeout"),
    ];
    for (line, class) in cases {
        let (desk, proxy) = proxied();
        proxy.set_for(5, line);
        desk.write("jobs.jsonl", plain_jobs(4));
        desk.run(&SUBMIT).expect(0);
        assert_all_succeeded(&desk, 4);
        let failures = failures(&desk);
        assert_eq!(failures, [class; 5]);
        // The request was on its way: whether it was served, nobody can tell.
        let attempts = desk.attempts();
        let doubtful = |attempt: &&serde_json::Value| attempt["maybe_billed"] == true;
        assert_eq!(attempts.iter().filter(doubtful).count(), failures.len());
    }
}

#[test]
fn a_stream_that_breaks_is_tried_again() {
    for line in [Line::Cut(900), Line::Reset(900)] {
        let (desk, proxy) = proxied();
        proxy.set_for(5, line);
        desk.write("jobs.jsonl", plain_jobs(3));
        let submit = [&SUBMIT[..], &["--stream", "always"]].concat();
        desk.run(&submit).expect(0);
        assert_all_succeeded(&desk, 3);
        let known = ["stream_cut", "connection_cut"];
        let failures = failures(&desk);
        assert!(
            failures.iter().all(|seen| known.contains(&seen.as_str())),
            "{failures:?}"
        );
    }
}

#[test]
fn thousands_of_refused_connections_cost_no_job_its_life() {
    let (desk, mut proxy) = proxied();
    let prompts = (0..10_000).map(|n| format!("{n}"));
    desk.write("jobs.jsonl", jobs(prompts));
    let mut process = desk.spawn(&["submit", "jobs.jsonl", "--retry-scale", "0.001", "-v"]);
    desk.wait_for_requests(200);
    proxy.refuse();
    process.wait_for("waiting (connect");
    proxy.listen();
    let peak = peak_memory(&mut process);
    process.wait().expect(0);
    assert_all_succeeded(&desk, 10_000);
    assert!(peak < 200 << 20, "{peak} bytes");
}

#[test]
fn monstrous_answers_are_refused_in_bounded_memory() {
    let head = |length: usize| -> Arc<str> {
        let text = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        text.into()
    };
    let megabyte = |byte: u8| -> Arc<[u8]> { vec![byte; 1 << 20].into() };
    let headers = format!(
        "HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n{{}}",
        "a".repeat(1 << 20)
    );
    let cases = [
        // 100 MB in one answer, with and without a length that says so.
        (head(100 << 20), megabyte(b' '), 100, "bad_response"),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".into(),
            megabyte(b' '),
            100,
            "bad_response",
        ),
        // A megabyte of headers.
        (headers.into(), megabyte(b' '), 0, "bad_response"),
        // A megabyte of brackets.
        (head(1 << 20), megabyte(b'['), 1, "bad_response"),
    ];
    for (head, chunk, count, class) in cases {
        let (desk, proxy) = proxied();
        let name = head.chars().take(60).collect::<String>();
        proxy.set_monsters(1, Line::Monster(head, chunk, count));
        desk.write("jobs.jsonl", plain_jobs(1));
        let mut process = desk.spawn(&["submit", "jobs.jsonl", "--retry-scale", "0.1", "-v"]);
        let peak = peak_memory(&mut process);
        process.wait().expect(0);
        assert_all_succeeded(&desk, 1);
        assert_eq!(failures(&desk), [class], "{name}");
        // The program itself, one answer of at most 64 MB, and what reading it takes.
        assert!(peak < 300 << 20, "{peak} bytes for {name}");
    }
}

#[test]
fn an_address_that_takes_connections_and_never_answers_halts_as_unreachable() {
    // Nothing at all, and a server hello that begins and does not go on.
    for (scheme, greeting) in [("http", &[][..]), ("https", &[0x16, 0x03, 0x03])] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            while let Ok((mut connection, _)) = listener.accept() {
                let _ = connection.write_all(greeting);
                held.push(connection);
            }
        });
        let mut desk = Desk::new();
        desk.set("ANTHROPIC_BASE_URL", &format!("{scheme}://{address}"));
        desk.write("jobs.jsonl", plain_jobs(3));
        desk.run(&SUBMIT)
            .expect(4)
            .says(&["unreachable", "claude-run resume"]);
        let run = desk.only_run();
        assert_eq!(run["jobs"]["failed"], 0, "{run}");
    }
}
