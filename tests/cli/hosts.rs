//! The key goes to the base URL's host alone: no redirect is followed with it, and results are fetched
//! there wherever `results_url` points.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{Desk, plain_jobs, wait_until};

const KEY: &str = "sk-ant-test";
const FAST: [&str; 4] = ["--retry-scale", "0.001", "--max-attempts", "2"];
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// A request as it came.
#[derive(Clone, Debug)]
struct Asked {
    method: String,
    path: String,
    head: String,
    body: String,
}

/// An answer: status, a `location`, body.
type Answer = (u16, Option<String>, String);

/// A server that answers as it is told, and remembers what it was asked.
struct Host {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Host {
    fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::default();
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(socket, &seen, &*answer));
            }
        });
        Self { address, asked }
    }

    /// The host that must see nothing.
    fn other() -> Self {
        Self::start(|_| (200, None, "{}".to_owned()))
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn was_asked(&self, method: &str, end: &str) -> bool {
        let asked = self.asked();
        asked
            .iter()
            .any(|it| it.method == method && it.path.ends_with(end))
    }
}

fn serve(mut socket: TcpStream, seen: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Answer) {
    let Some(asked) = read(&socket) else { return };
    let (status, location, body) = answer(&asked);
    seen.lock().unwrap().push(asked);
    let location = location.map_or_else(String::new, |to| format!("location: {to}\r\n"));
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\n{location}content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let _ = socket.write_all(format!("{head}{body}").as_bytes());
}

fn read(socket: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let mut first = head.split_whitespace();
    Some(Asked {
        method: first.next()?.to_owned(),
        path: first.next()?.to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
        head,
    })
}

/// The steps of a batch's life, as far as the API is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    /// The list of batches, which is read when the answer of a create call was lost.
    List,
    Retrieve,
    Cancel,
    Results,
}

fn step(asked: &Asked) -> Option<Step> {
    let path = asked.path.split('?').next()?;
    Some(match (asked.method.as_str(), path) {
        ("POST", "/v1/messages/batches") => Step::Create,
        ("POST", path) if path.ends_with("/cancel") => Step::Cancel,
        ("GET", "/v1/messages/batches") => Step::List,
        ("GET", path) if path.ends_with("/results") => Step::Results,
        ("GET", path) if path.starts_with("/v1/messages/batches/") => Step::Retrieve,
        _ => return None,
    })
}

/// A Batches API that does one batch well, but for what `instead` says of a step.
fn batches_api(
    results_url: String,
    instead: impl Fn(Step, &Asked) -> Option<Answer> + Send + Sync + 'static,
) -> Host {
    let ids: Mutex<Vec<String>> = Mutex::default();
    Host::start(move |asked| {
        let Some(step) = step(asked) else {
            return (404, None, "{}".to_owned());
        };
        if step == Step::Create {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let requests = body["requests"].as_array().unwrap();
            let id = |it: &Value| it["custom_id"].as_str().unwrap().to_owned();
            *ids.lock().unwrap() = requests.iter().map(id).collect();
        }
        if let Some(answer) = instead(step, asked) {
            return answer;
        }
        let ids = ids.lock().unwrap();
        let ended = step != Step::Create;
        let (done, open) = if ended {
            (ids.len(), 0)
        } else {
            (0, ids.len())
        };
        let batch = json!({
            "id": "msgbatch_1", "type": "message_batch",
            "processing_status": if ended { "ended" } else { "in_progress" },
            "request_counts": {"processing": open, "succeeded": done, "errored": 0, "canceled": 0, "expired": 0},
            "results_url": ended.then_some(&results_url),
        });
        let body = match step {
            Step::Create | Step::Retrieve | Step::Cancel => batch.to_string(),
            Step::List => json!({"data": [batch], "has_more": false}).to_string(),
            Step::Results => ids.iter().map(|id| line(id)).collect(),
        };
        (200, None, body)
    })
}

fn line(id: &str) -> String {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": "well"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "output_tokens": 1, "service_tier": "batch"},
    });
    let result = json!({"type": "succeeded", "message": message});
    format!("{}\n", json!({"custom_id": id, "result": result}))
}

fn desk(base: &Host) -> Desk {
    let mut desk = Desk::new();
    desk.set("ANTHROPIC_BASE_URL", &base.address);
    desk.write("jobs.jsonl", plain_jobs(3));
    desk
}

fn submit(lane: &str) -> Vec<&str> {
    [&["submit", "jobs.jsonl", "--lane", lane], &FAST[..]].concat()
}

#[test]
fn results_are_fetched_from_the_base_url_s_host_wherever_results_url_points() {
    let other = Host::other();
    let url = format!("{}/v1/messages/batches/msgbatch_1/results", other.address);
    let api = batches_api(url, |_, _| None);
    let desk = desk(&api);
    desk.run(&submit("batch")).expect(0);
    assert!(api.was_asked("GET", "/v1/messages/batches/msgbatch_1/results"));
    assert_eq!(other.asked().len(), 0, "{:?}", other.asked());
}

#[test]
fn no_step_of_a_batch_follows_a_redirect() {
    for status in REDIRECTS {
        for at in [Step::Create, Step::List, Step::Retrieve, Step::Results] {
            let other = Host::other();
            let target = other.address.clone();
            let api = batches_api(String::new(), move |step, asked| {
                let to = format!("{target}{}", asked.path);
                match step {
                    step if step == at => Some((status, Some(to), String::new())),
                    // Its answer is lost on the way, so the list is read.
                    Step::Create if at == Step::List => Some((504, None, String::new())),
                    _ => None,
                }
            });
            let desk = desk(&api);
            let output = desk.run(&submit("batch"));
            assert_eq!(output.code, Some(4), "{status} {at:?}: {}", output.stderr);
            output.says(&["redirect"]);
            assert!(api.asked().iter().any(|asked| step(asked) == Some(at)));
            assert_eq!(
                other.asked().len(),
                0,
                "{status} {at:?}: {:?}",
                other.asked()
            );
        }
    }
}

#[test]
fn the_cancel_call_of_a_batch_follows_no_redirect() {
    for status in REDIRECTS {
        let other = Host::other();
        let target = other.address.clone();
        let api = batches_api(String::new(), move |step, asked| match step {
            Step::Cancel => Some((
                status,
                Some(format!("{target}{}", asked.path)),
                String::new(),
            )),
            // It never ends by itself.
            Step::Retrieve => {
                let batch = json!({
                    "id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress",
                    "request_counts": {"processing": 3, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
                });
                Some((200, None, batch.to_string()))
            }
            _ => None,
        });
        let desk = desk(&api);
        desk.run(&[&submit("batch")[..], &["--no-wait"]].concat())
            .expect(0);
        desk.run(&["cancel"]).expect(0);
        let mut resumed = desk.spawn(&["resume", "--retry-scale", "0.001"]);
        wait_until("the cancel call", || {
            api.was_asked("POST", "/msgbatch_1/cancel")
        });
        // The next look at the batch comes after the answer: what was to be followed was followed.
        let looks = || {
            api.asked()
                .iter()
                .filter(|it| step(it) == Some(Step::Retrieve))
                .count()
        };
        let before = looks();
        wait_until("what follows", || looks() > before || resumed.has_ended());
        if !resumed.has_ended() {
            resumed.kill();
        }
        assert_eq!(other.asked().len(), 0, "{status}: {:?}", other.asked());
    }
}

#[test]
fn no_other_call_follows_a_redirect_either() {
    for status in REDIRECTS {
        for (line, path) in [
            (submit("live"), "/v1/messages"),
            (
                vec!["check", "jobs.jsonl", "--exact"],
                "/v1/messages/count_tokens",
            ),
            (vec!["doctor"], "/v1/models"),
        ] {
            let other = Host::other();
            let target = other.address.clone();
            let api = Host::start(move |asked| {
                let to = format!("{target}{}", asked.path);
                (status, Some(to), String::new())
            });
            let desk = desk(&api);
            let output = desk.run(&line);
            // A check that could count nothing at the API says so, and is a check all the same.
            let is_check = line[0] == "check";
            assert_eq!(
                output.code == Some(0),
                is_check,
                "{status} {line:?}: {}",
                output.stderr
            );
            let asked = api.asked();
            assert!(
                asked.iter().any(|it| it.path.starts_with(path)),
                "{status} {line:?}: {asked:?}"
            );
            assert_eq!(
                other.asked().len(),
                0,
                "{status} {line:?}: {:?}",
                other.asked()
            );
        }
    }
}

#[test]
fn the_status_page_may_move_and_is_asked_without_a_credential() {
    let other = Host::other();
    let target = other.address.clone();
    let page =
        Host::start(move |asked| (302, Some(format!("{target}{}", asked.path)), String::new()));
    let desk = Desk::new();
    desk.write(
        "claude-run.toml",
        format!("[status]\nurl = \"{}\"\n", page.address),
    );
    desk.run(&["doctor", "--config", "claude-run.toml"]);
    assert!(!page.asked().is_empty());
    for asked in page.asked().into_iter().chain(other.asked()) {
        let head = asked.head.to_lowercase();
        for secret in [KEY, "x-api-key", "authorization", "cookie"] {
            assert!(!head.contains(secret), "{head}");
        }
    }
}
