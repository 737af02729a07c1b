//! The key and the prompts go only where their owner sent them: not where a folder that somebody else
//! made says, neither by its config file nor by its store.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::Value;

use crate::harness::{Desk, Output, plain_jobs};

/// A host of somebody else's: whoever connects to it has gone where nobody sent them.
struct Trap(TcpListener);

impl Trap {
    fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn place(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    fn url(&self) -> String {
        format!("http://{}", self.place())
    }

    /// Asserts that nobody has connected.
    #[track_caller]
    fn assert_untouched(&self) {
        let came = self.0.accept().map(|_| ()).map_err(|error| error.kind());
        assert_eq!(came, Err(ErrorKind::WouldBlock), "somebody came");
    }
}

/// A desk with one job, whose environment names no endpoint.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.unset("ANTHROPIC_BASE_URL");
    desk.set("XDG_STATE_HOME", &desk.path("state").display().to_string());
    desk.write("jobs.jsonl", plain_jobs(1));
    desk
}

/// From now on somebody else sits at the desk: a user of the same key who has said nothing yet.
fn somebody_else(desk: &mut Desk) {
    let other = desk.path("other-state").display().to_string();
    desk.set("XDG_STATE_HOME", &other);
}

fn place(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

/// The lines that say where requests go.
fn lines(output: &Output) -> Vec<&str> {
    let all = output.stderr.lines();
    all.filter(|line| line.contains("requests go to")).collect()
}

const CERTIFICATE: &str = include_str!("../../src/provider/http/test_ca.pem");

const SUBMIT: [&str; 3] = ["submit", "jobs.jsonl", "--new-run"];

#[test]
fn a_found_config_file_sends_the_key_nowhere() {
    let mut desk = desk();
    let trap = Trap::set();
    desk.set("AWS_SECRET_ACCESS_KEY", "wJalr-PLANTED");
    let second = format!(
        "[fallback.endpoint]\napi_key_env = \"AWS_SECRET_ACCESS_KEY\"\nallow_foreign_key_env = true\nbase_url = \"{}\"\nafter = \"0s\"\n",
        trap.url()
    );
    for text in [
        format!("[api]\nbase_url = \"{}\"\n", trap.url()),
        format!("[status]\nurl = \"{}\"\n", trap.url()),
        second,
    ] {
        desk.write("claude-run.toml", text);
        for args in [
            &SUBMIT[..],
            &["submit", "jobs.jsonl", "--simulate"],
            &["resume"],
            &["check", "jobs.jsonl", "--exact"],
            &["batches", "adopt", "msgbatch_1"],
            &["status"],
            &["config"],
        ] {
            let output = desk.run(args).expect(2).clear_error();
            output.says(&["./claude-run.toml:2:1: ", "merely found", "config trust"]);
        }
        let doctor = desk.run(&["doctor", "--send"]).expect(1);
        assert!(
            doctor.stdout.contains("./claude-run.toml:2:1: "),
            "{doctor}"
        );
    }
    trap.assert_untouched();
    assert!(!desk.path("claude-run.db").exists());
}

#[test]
fn a_file_that_the_user_names_or_keeps_may_say_where_requests_go() {
    let mut desk = desk();
    let url = desk.simulator.base_url();
    let text = format!("[api]\nbase_url = \"{url}\"\n");
    let said = |output: Output, file: &str| {
        let line = format!("note: requests go to {}, from file {file}", place(&url));
        assert_eq!(lines(&output), [line]);
    };
    desk.write("named.toml", &text);
    let named = [&SUBMIT[..], &["--config", "named.toml"]].concat();
    said(desk.run(&named).expect(0), "named.toml:2");
    desk.set("CLAUDE_RUN_CONFIG", "named.toml");
    said(desk.run(&SUBMIT).expect(0), "named.toml:2");
    let rows = desk.run(&["config"]).expect(0).stdout;
    assert!(rows.contains("environment CLAUDE_RUN_CONFIG"), "{rows}");
    desk.set("CLAUDE_RUN_CONFIG", "missing.toml");
    desk.run(&SUBMIT).expect(2).says(&["missing.toml"]);
    desk.unset("CLAUDE_RUN_CONFIG");
    let own = desk.path(".config/claude-run");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("config.toml"), &text).unwrap();
    said(
        desk.run(&SUBMIT).expect(0),
        &format!("{}:2", own.join("config.toml").display()),
    );
    assert_eq!(desk.simulator.stats().requests, 3);
}

#[test]
fn config_trust_accepts_a_found_file_until_it_changes() {
    let desk = desk();
    let url = desk.simulator.base_url();
    let text = format!("[api]\nbase_url = \"{url}\"\n");
    desk.write("claude-run.toml", &text);
    desk.run(&SUBMIT).expect(2);
    let words = format!("line 2: api.base_url = \"{url}\"");
    desk.run(&["config", "trust"])
        .expect(0)
        .says(&["claude-run.toml is trusted", &words]);
    let line = format!(
        "note: requests go to {}, from file ./claude-run.toml:2",
        place(&url)
    );
    assert_eq!(lines(&desk.run(&SUBMIT).expect(0)), [line]);
    let rows = desk.run(&["config"]).expect(0).stdout;
    assert!(rows.contains("trusted by `config trust`"), "{rows}");

    // Any other content wants a new word; the old content is still trusted.
    desk.write("claude-run.toml", format!("{text}# one more line\n"));
    desk.run(&SUBMIT).expect(2).clear_error().says(&[
        "./claude-run.toml:2:1: ",
        "has changed since it was trusted",
    ]);
    desk.write("claude-run.toml", &text);
    desk.run(&SUBMIT).expect(0);
    // Nor is the same content trusted elsewhere.
    fs::create_dir(desk.path("sub")).unwrap();
    fs::copy(
        desk.path("claude-run.toml"),
        desk.path("sub/claude-run.toml"),
    )
    .unwrap();
    let elsewhere = desk
        .command(&["config"])
        .current_dir(desk.path("sub"))
        .output()
        .unwrap();
    assert_eq!(elsewhere.status.code(), Some(2));

    let listed = desk
        .run(&["config", "trust", "--list", "--json"])
        .expect(0)
        .json_lines();
    let kinds: Vec<_> = listed
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["file", "host"]);
    assert_eq!(listed[1]["root"], url);
    desk.run(&["config", "trust", "--revoke"])
        .expect(0)
        .says(&["no longer trusted"]);
    desk.run(&SUBMIT).expect(2).says(&["merely found"]);
    desk.run(&["config", "trust", "--revoke", &url])
        .expect(0)
        .says(&["is forgotten"]);
    assert_eq!(
        desk.run(&["config", "trust", "--list"]).expect(0).stdout,
        ""
    );
}

#[cfg(unix)]
#[test]
fn trust_is_taken_back_from_the_file_that_had_it_though_a_link_stands_there_now() {
    let desk = Desk::new();
    desk.write(
        "claude-run.toml",
        "[status]\nurl = \"https://example.com\"\n",
    );
    desk.run(&["config", "trust"]).expect(0);
    desk.write("other.toml", "[dispatch]\n");
    std::fs::remove_file(desk.path("claude-run.toml")).unwrap();
    std::os::unix::fs::symlink(desk.path("other.toml"), desk.path("claude-run.toml")).unwrap();
    desk.run(&["config", "trust", "--revoke"])
        .expect(0)
        .says(&["no longer trusted"]);
    let listed = desk.run(&["config", "trust", "--list"]).expect(0);
    assert!(!listed.stdout.contains("claude-run.toml"), "{listed}");
}

#[test]
fn config_trust_of_what_cannot_be_trusted_says_why() {
    let mut desk = desk();
    desk.run(&["config", "trust"])
        .expect(2)
        .clear_error()
        .says(&["./claude-run.toml"]);
    desk.write("claude-run.toml", "[api]\nbase_url = 3\n");
    desk.run(&["config", "trust"])
        .expect(2)
        .clear_error()
        .says(&["claude-run.toml:2:12"]);
    desk.write("claude-run.toml", "[dispatch]\nconcurrency = 3\n");
    desk.run(&["config", "trust"])
        .expect(0)
        .says(&["needs no trust"]);
    assert!(!desk.path("state").exists());
    desk.write(
        "claude-run.toml",
        "[api]\nbase_url = \"https://gate.test\"\n",
    );
    desk.set("XDG_STATE_HOME", "/dev/null/state");
    desk.run(&["config", "trust"])
        .expect(1)
        .clear_error()
        .says(&["/dev/null/state"]);
    desk.unset("XDG_STATE_HOME");
    desk.unset("HOME");
    desk.run(&["config", "trust"])
        .expect(2)
        .clear_error()
        .says(&["HOME", "--config"]);
}

#[test]
fn where_requests_go_is_said_once_for_every_host_but_the_api_s_own() {
    let mut desk = desk();
    let url = desk.simulator.base_url();
    let from = |origin: &str| format!("note: requests go to {}, from {origin}", place(&url));
    let by_flag = [&SUBMIT[..], &["--base-url", &url]].concat();
    assert_eq!(
        lines(&desk.run(&by_flag).expect(0)),
        [from("flag --base-url")]
    );
    desk.set("ANTHROPIC_BASE_URL", &url);
    let by_variable = from("environment ANTHROPIC_BASE_URL");
    assert_eq!(lines(&desk.run(&SUBMIT).expect(0)), [by_variable.as_str()]);
    let exact = desk.run(&["check", "jobs.jsonl", "--exact"]).expect(0);
    assert_eq!(lines(&exact), [by_variable.as_str()]);
    assert_eq!(lines(&desk.run(&["doctor"])), [by_variable.as_str()]);
    // Two runs of one command are one line, and what sends nothing says nothing.
    for _ in 0..2 {
        assert_eq!(
            lines(&desk.run(&[&SUBMIT[..], &["--no-run"]].concat()).expect(0)),
            [""; 0]
        );
    }
    assert_eq!(
        lines(&desk.run(&["resume"]).expect(0)),
        [by_variable.as_str()]
    );
    for args in [
        &["status"][..],
        &["check", "jobs.jsonl"],
        &["submit", "jobs.jsonl", "--simulate"],
    ] {
        assert_eq!(lines(&desk.run(args).expect(0)), [""; 0]);
    }
    // --quiet is the user's own word; that of a file that was merely found is not.
    let quiet = desk.run(&[&SUBMIT[..], &["--quiet"]].concat()).expect(0);
    assert_eq!(quiet.stderr, "");
    desk.write("claude-run.toml", "[output]\nquiet = true\n");
    assert_eq!(
        desk.run(&SUBMIT).expect(0).stderr,
        format!("{by_variable}\n")
    );
}

#[test]
fn a_second_endpoint_is_said_as_well() {
    let mut desk = desk();
    let url = desk.simulator.base_url();
    desk.set("ANTHROPIC_BASE_URL", &url);
    desk.set("OTHER_API_KEY", "k");
    let trap = Trap::set();
    let text = format!(
        "[fallback.endpoint]\nbase_url = \"{}\"\napi_key_env = \"OTHER_API_KEY\"\n",
        trap.url()
    );
    desk.write("named.toml", text);
    let output = desk
        .run(&[&SUBMIT[..], &["--config", "named.toml"]].concat())
        .expect(0);
    let second = format!(
        "note: requests go to {}, from file named.toml:2 (second endpoint)",
        trap.place()
    );
    assert_eq!(lines(&output)[1..], [second]);
    trap.assert_untouched();
}

#[test]
fn a_host_once_named_is_remembered_and_a_stranger_s_store_sends_nothing() {
    let mut desk = desk();
    let url = desk.simulator.base_url();
    let from_run = format!("note: requests go to {}, from the run", place(&url));
    let store = [
        "submit",
        "jobs.jsonl",
        "--new-run",
        "--no-run",
        "--base-url",
        &url,
    ];
    desk.run(&store).expect(0);
    assert_eq!(lines(&desk.run(&["resume"]).expect(0)), [from_run.as_str()]);

    desk.run(&store).expect(0);
    somebody_else(&mut desk);
    let sent = desk.simulator.log().len();
    for args in [&["resume"][..], &["resume", "latest"]] {
        let refused = desk.run(args).expect(2).clear_error();
        refused.says(&[place(&url), "only the stored run names it", "--base-url"]);
    }
    desk.set("ANTHROPIC_BASE_URL", "https://gate.test");
    desk.run(&["resume"]).expect(2);
    assert_eq!(desk.simulator.log().len(), sent);
    assert_eq!(desk.status()[1]["state"], "ready");
    // What is in force now is named, and remembered from then on.
    desk.set("ANTHROPIC_BASE_URL", &url);
    desk.run(&["resume"]).expect(0);
    desk.run(&store).expect(0);
    // A run's own host comes before the variable, but not in silence.
    desk.set("ANTHROPIC_BASE_URL", "https://gate.test");
    let both =
        format!("{from_run} (and not to https://gate.test, from environment ANTHROPIC_BASE_URL)");
    assert_eq!(lines(&desk.run(&["resume"]).expect(0)), [both]);
}

#[test]
fn another_customer_of_a_known_gateway_is_a_stranger() {
    let mut desk = desk();
    let gateway = desk.simulator.base_url();
    let store = |desk: &Desk, customer: &str| {
        let url = format!("{gateway}/customer/{customer}");
        let by_flag = ["--no-run", "--base-url", &url, "--name", customer];
        desk.run(&[&SUBMIT[..], &by_flag].concat()).expect(0);
    };
    store(&desk, "theirs");
    somebody_else(&mut desk);
    // The user knows the gateway by their own path.
    store(&desk, "mine");
    let refused = desk.run(&["resume", "theirs"]).expect(2).clear_error();
    refused.says(&["/customer/theirs", "only the stored run names it"]);
    assert_eq!(desk.simulator.log().len(), 0);
    let line = format!(
        "note: requests go to {}/customer/mine, from the run",
        place(&gateway)
    );
    assert_eq!(lines(&desk.run(&["resume", "mine"])), [line]);
}

#[test]
fn a_stranger_s_certificates_are_not_trusted() {
    let mut desk = desk();
    desk.set("ANTHROPIC_BASE_URL", &desk.simulator.base_url());
    desk.write("ca.pem", CERTIFICATE);
    let store = [
        "submit",
        "jobs.jsonl",
        "--new-run",
        "--no-run",
        "--ca-bundle",
        "ca.pem",
    ];
    desk.run(&store).expect(0);
    desk.run(&["resume"]).expect(0);
    desk.run(&store).expect(0);
    somebody_else(&mut desk);
    let sent = desk.simulator.log().len();
    desk.run(&["resume"]).expect(2).clear_error().says(&[
        "ca.pem",
        "only the stored run names",
        "--ca-bundle",
    ]);
    assert_eq!(desk.simulator.log().len(), sent);
    desk.run(&["resume", "--ca-bundle", "ca.pem"]).expect(0);
    desk.run(&store).expect(0);
    desk.run(&["resume"]).expect(0);
}

#[test]
fn where_nothing_can_be_remembered_a_named_host_is_used_all_the_same() {
    let mut desk = desk();
    let url = desk.simulator.base_url();
    let by_flag = [&SUBMIT[..], &["--base-url", &url]].concat();
    desk.set("XDG_STATE_HOME", "/dev/null/state");
    desk.run(&by_flag)
        .expect(0)
        .says(&["could not be remembered", &url]);
    desk.unset("XDG_STATE_HOME");
    desk.unset("HOME");
    desk.run(&by_flag)
        .expect(0)
        .says(&["could not be remembered", "HOME"]);
    // A container with a store of its own: the variable is enough, each time.
    desk.run(&[&by_flag[..], &["--no-run"]].concat()).expect(0);
    desk.run(&["resume"])
        .expect(2)
        .says(&["ANTHROPIC_BASE_URL"]);
    desk.set("ANTHROPIC_BASE_URL", &url);
    desk.run(&["resume"]).expect(0);
}

#[test]
fn unencrypted_requests_stay_on_this_machine() {
    let mut desk = desk();
    // An address that no network has: a connection would be noticed by how long it takes.
    let clear = "http://192.0.2.1";
    let words = ["192.0.2.1", "not encrypted", "--insecure-http"];
    for args in [
        &["submit", "jobs.jsonl", "--base-url", clear][..],
        &["submit", "jobs.jsonl", "--no-run", "--base-url", clear],
        &[
            "submit",
            "jobs.jsonl",
            "--base-url",
            "http://localhost.evil.test",
        ],
        &[
            "submit",
            "jobs.jsonl",
            "--base-url",
            "http://api.anthropic.com",
        ],
    ] {
        desk.run(args)
            .expect(2)
            .clear_error()
            .says(&["not encrypted", "--insecure-http"]);
    }
    let doctor = desk.run(&["doctor", "--base-url", clear]).expect(1).stdout;
    for word in words {
        assert!(doctor.contains(word), "{doctor}");
    }
    assert!(!doctor.contains("name_resolution"), "{doctor}");
    desk.write(
        "named.toml",
        format!("[fallback.endpoint]\nbase_url = \"{clear}\"\n"),
    );
    let url = desk.simulator.base_url();
    let second = [
        "submit",
        "jobs.jsonl",
        "--config",
        "named.toml",
        "--base-url",
        &url,
    ];
    desk.run(&second).expect(2).clear_error().says(&words);
    desk.set("ANTHROPIC_BASE_URL", clear);
    desk.run(&["submit", "jobs.jsonl"])
        .expect(2)
        .clear_error()
        .says(&words);
    desk.run(&["check", "jobs.jsonl", "--exact"])
        .expect(2)
        .says(&words);
    desk.assert_no_run();
    assert_eq!(desk.simulator.log().len(), 0);
}

/// `0.0.0.0` leads to this machine on Linux, and counts as another one.
#[cfg(target_os = "linux")]
#[test]
fn unencrypted_requests_go_out_by_the_user_s_word_which_is_kept_for_that_host() {
    let url = |desk: &Desk| desk.simulator.base_url().replace("127.0.0.1", "0.0.0.0");
    for allow in 0..3 {
        let mut desk = desk();
        let clear = url(&desk);
        desk.set("ANTHROPIC_BASE_URL", &clear);
        desk.run(&SUBMIT).expect(2);
        let mut args = SUBMIT.to_vec();
        match allow {
            0 => args.push("--insecure-http"),
            1 => desk.set("CLAUDE_RUN_INSECURE_HTTP", "1"),
            _ => {
                desk.write("named.toml", "[api]\ninsecure_http = true\n");
                args.extend(["--config", "named.toml"]);
            }
        }
        let said = desk.run(&args).expect(0);
        let line = format!(
            "note: requests go to {}, from environment ANTHROPIC_BASE_URL; they are not encrypted",
            place(&clear)
        );
        assert_eq!(lines(&said), [line]);
        desk.unset("CLAUDE_RUN_INSECURE_HTTP");
        desk.run(&SUBMIT).expect(0);
        // Not for another host, and not for another user.
        let trap = Trap::set();
        let other = trap.url().replace("127.0.0.1", "0.0.0.0");
        desk.run(&[&SUBMIT[..], &["--base-url", &other]].concat())
            .expect(2);
        trap.assert_untouched();
        somebody_else(&mut desk);
        desk.run(&SUBMIT).expect(2);
    }
}

#[test]
fn what_is_remembered_holds_no_secret_and_is_the_owner_s_alone() {
    let mut desk = desk();
    desk.set("ANTHROPIC_API_KEY", "sk-ant-PLANTED");
    let url = desk.simulator.base_url();
    desk.run(&[&SUBMIT[..], &["--base-url", &url]].concat())
        .expect(0);
    let hosts = desk.path("state/claude-run/hosts");
    let files: Vec<_> = fs::read_dir(&hosts)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1);
    let text = fs::read_to_string(&files[0]).unwrap();
    let entry: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(entry["root"], url);
    assert_eq!(entry["insecure_http"], false);
    assert!(!text.contains("PLANTED"));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&files[0]).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_run_that_is_refused_holds_back_no_other() {
    let mut desk = desk();
    let url = desk.simulator.base_url();
    let store = ["submit", "jobs.jsonl", "--new-run", "--no-run"];
    let theirs = Trap::set();
    desk.run(&[&store[..], &["--base-url", &theirs.url()]].concat())
        .expect(0);
    somebody_else(&mut desk);
    desk.set("ANTHROPIC_BASE_URL", &url);
    desk.run(&store).expect(0);
    desk.run(&["resume"])
        .expect(2)
        .clear_error()
        .says(&[&theirs.place()]);
    let states: Vec<_> = desk
        .status()
        .iter()
        .map(|run| run["state"].clone())
        .collect();
    assert_eq!(states, ["ready", "ended"]);
    theirs.assert_untouched();
}

/// No name server is asked: it could lead the key, unencrypted, to wherever it likes.
#[test]
fn names_of_this_machine_lead_to_this_machine() {
    let desk = desk();
    for name in ["localhost", "localhost.", "gate.claude-run.localhost"] {
        let url = desk.simulator.base_url().replace("127.0.0.1", name);
        let output = desk.run(&[&SUBMIT[..], &["--base-url", &url]].concat());
        let line = format!("note: requests go to {}, from flag --base-url", place(&url));
        assert_eq!(lines(&output.expect(0)), [line]);
    }
}
