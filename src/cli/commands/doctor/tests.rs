//! Whole examinations: against the simulator, and against what is no API.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{
    DoctorReport, Finding, LIMITS, Level, TimeLimits, bundle, examine, show, without_settings,
};
use crate::cli::console::testing::Captured;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::cli::settings::tests::Given;
use crate::clock::Clock;
use crate::model::{
    AttemptOutcome, AttemptRecord, DispatchOptions, ErrorClass, Evidence, Indicator, JobHistory,
    Lane, NewJob, PageStatus, RequestBody, RunId, Shaping,
};
use crate::simulator::{self, Simulator, SimulatorSettings};
use crate::store::sqlite::{DispatchLock, SqliteStore};
use crate::store::{Claim, Finish, NewRun, Next, StatusChange, Store};

const KEY: &str = "sk-ant-api03-hidden-hidden-hidden-hidden-hidden-hidden";

/// A context with this endpoint, this key, and a store in this folder.
fn context(folder: &Path, base_url: &str, key: &str, file: &str) -> Context {
    let store = folder.join("store.db");
    let env = [("ANTHROPIC_API_KEY", key), ("ANTHROPIC_BASE_URL", base_url)];
    Given {
        line: &format!("doctor --store {}", store.display()),
        file: &format!("[dispatch]\nconcurrency = 1\n{file}"),
        env: &env,
    }
    .context()
}

async fn examined(base_url: &str, key: &str) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let context = context(folder.path(), base_url, key, "");
    Box::pin(examine(&context, false, LIMITS)).await
}

fn of<'a>(findings: &'a [Finding], name: &str) -> &'a Finding {
    let found = findings.iter().find(|finding| finding.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {findings:?}"))
}

fn assert_of(findings: &[Finding], name: &str, level: Level, words: &str) {
    let finding = of(findings, name);
    assert_eq!(finding.level, level, "{finding:?}");
    assert!(finding.found.contains(words), "{finding:?}");
    let needs_none = matches!(level, Level::Ok | Level::Skipped);
    assert_eq!(finding.remedy.is_none(), needs_none, "{finding:?}");
}

/// A server that gives every connection this answer; an empty one hangs.
async fn raw(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                if answer.is_empty() {
                    let _ = socket.read(&mut [0; 1]).await;
                }
            });
        }
    });
    format!("http://{address}")
}

fn http(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn everything_is_ok_against_a_good_endpoint() {
    let simulator = Simulator::start(SimulatorSettings::default()).unwrap();
    let url = simulator.base_url();
    let folder = tempfile::tempdir().unwrap();
    let status = format!("[status]\nurl = \"{url}\"");
    let ctx = context(folder.path(), &url, KEY, &status);
    let findings = examine(&ctx, true, LIMITS).await;
    let wrong: Vec<_> = findings
        .iter()
        .filter(|finding| finding.level != Level::Ok)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let names: Vec<_> = findings.iter().map(|finding| finding.name).collect();
    assert_eq!(
        names,
        [
            "configuration",
            "credential",
            "base_url",
            "proxy",
            "name_resolution",
            "tcp",
            "tls",
            "clock",
            "authentication",
            "limits",
            "message",
            "status_page",
            "disk",
            "store",
            "open_files"
        ]
    );
    assert_of(&findings, "authentication", Level::Ok, "models listed");
    assert_of(
        &findings,
        "message",
        Level::Ok,
        "claude-haiku-5-5 answered; it cost $0.0",
    );
    assert_of(
        &findings,
        "status_page",
        Level::Ok,
        "none (the API: operational)",
    );
    assert_of(&findings, "store", Level::Ok, "none yet");
    assert!(!format!("{findings:?}").contains("hidden"));
    // Only `--send` costs money.
    let sent = |simulator: &Simulator| {
        let log = simulator.log();
        log.iter()
            .filter(|request| request.method == "POST")
            .count()
    };
    assert_eq!(sent(&simulator), 1);
    examine(&ctx, false, LIMITS).await;
    assert_eq!(sent(&simulator), 1);
}

#[tokio::test]
async fn a_refused_key_fails_and_says_where_to_get_another() {
    let simulator = Simulator::start(SimulatorSettings::default()).unwrap();
    let findings = examined(&simulator.base_url(), "invalid").await;
    assert_of(&findings, "authentication", Level::Failed, "HTTP 401");
    let remedy = of(&findings, "authentication").remedy.clone().unwrap();
    assert!(remedy.contains("ANTHROPIC_API_KEY"), "{remedy}");
}

#[tokio::test]
async fn an_account_without_credit_is_seen_by_the_message_alone() {
    let url = raw(http(
        "400 Bad Request",
        "",
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
    ))
    .await;
    let folder = tempfile::tempdir().unwrap();
    let findings = examine(&context(folder.path(), &url, KEY, ""), true, LIMITS).await;
    assert_of(&findings, "message", Level::Failed, "credit balance");
    assert!(
        of(&findings, "message")
            .remedy
            .as_ref()
            .unwrap()
            .contains("Billing")
    );
}

#[tokio::test]
async fn what_answers_but_is_no_api_fails_or_leaves_the_key_untested() {
    let error = r#"{"error":{"message":"nope","type":"not_found_error"}}"#;
    let html = "content-type: text/html\r\n";
    for (answer, level, words) in [
        (
            http("404 Not Found", html, "<html>"),
            Level::Failed,
            "wrong_endpoint",
        ),
        (
            http("200 OK", html, "<html>"),
            Level::Failed,
            "bad_response",
        ),
        (
            http("404 Not Found", "", error),
            Level::Warning,
            "no list of models",
        ),
        (
            http("503 Service Unavailable", "", "down"),
            Level::Warning,
            "not tested",
        ),
    ] {
        let findings = examined(&raw(answer).await, KEY).await;
        assert_of(&findings, "authentication", level, words);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_reached_fails_what_needs_it_and_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let findings = examined(&url, KEY).await;
    assert_of(&findings, "tcp", Level::Failed, "refused");
    for name in ["clock", "authentication", "limits"] {
        assert_of(&findings, name, Level::Skipped, "not checked");
    }
    for name in [
        "configuration",
        "credential",
        "base_url",
        "tls",
        "store",
        "disk",
    ] {
        assert_eq!(of(&findings, name).level, Level::Ok, "{name}");
    }
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_left_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = context(folder.path(), &raw(String::new()).await, KEY, "");
    let limits = TimeLimits {
        models: Duration::from_millis(100),
        ..LIMITS
    };
    let findings = examine(&ctx, false, limits).await;
    assert_of(&findings, "tcp", Level::Ok, "answers");
    assert_of(&findings, "authentication", Level::Failed, "timeout");
}

#[tokio::test]
async fn tls_that_is_none_fails() {
    let plain = raw(http("200 OK", "", ""))
        .await
        .replace("http://", "https://");
    let findings = examined(&plain, KEY).await;
    assert_of(
        &findings,
        "tls",
        Level::Failed,
        "no connection could be opened",
    );
}

#[tokio::test]
async fn the_server_s_time_is_compared_with_ours() {
    for (ahead, level, words) in [
        (0, Level::Ok, "within 5 s"),
        (30, Level::Warning, "s behind the server's"),
        (-30, Level::Warning, "s ahead of the server's"),
        (600, Level::Warning, "tokens may seem expired"),
        (7200, Level::Failed, "certificates"),
    ] {
        let date: Timestamp = Clock::system().now() + SignedDuration::from_secs(ahead);
        let date = date.strftime("date: %a, %d %b %Y %H:%M:%S GMT\r\n");
        let url = raw(http(
            "200 OK",
            &date.to_string(),
            r#"{"data":[{"id":"m"}]}"#,
        ))
        .await;
        assert_of(&examined(&url, KEY).await, "clock", level, words);
    }
}

#[tokio::test]
async fn trouble_of_the_api_s_own_is_told() {
    let simulator = Simulator::start(SimulatorSettings {
        status_page: simulator::ImitatedPage {
            indicator: simulator::Indicator::Major,
            challenge: false,
        },
        ..SimulatorSettings::default()
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = simulator.base_url();
    for (status, level, words) in [
        (
            format!("[status]\nurl = \"{url}\""),
            Level::Warning,
            "Elevated errors",
        ),
        (
            format!("[status]\nenabled = false\nurl = \"{url}\""),
            Level::Ok,
            "not asked",
        ),
        (String::new(), Level::Ok, "not asked"),
    ] {
        let ctx = context(folder.path(), &url, KEY, &status);
        assert_of(
            &examine(&ctx, false, LIMITS).await,
            "status_page",
            level,
            words,
        );
    }
}

#[tokio::test]
async fn a_base_url_with_a_password_fails_and_is_not_shown() {
    let findings = examined("https://me:hidden@127.0.0.1:1", KEY).await;
    assert_of(&findings, "base_url", Level::Failed, "user name");
    assert!(!format!("{findings:?}").contains("hidden"));
}

/// A store with one run of two jobs: one has failed once, the other waits.
async fn store_with_a_failure(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).unwrap();
    let (run, now) = (RunId::generate(), Clock::system().now());
    let new_run = NewRun {
        id: run,
        name: Some("prompt-name".to_owned()),
        file: "prompt-file.jsonl".to_owned(),
        simulated: false,
        created_at: now,
        shaping: Shaping {
            system: Some("prompt-system".to_owned()),
            ..Shaping::default()
        },
        options: DispatchOptions::default(),
    };
    store.begin_load(new_run).await.unwrap();
    let job = |line| NewJob {
        line,
        custom_id: format!("prompt-id-{line}"),
        model: "m".to_owned(),
        body: RequestBody::from_json(r#"{"messages":"prompt-text"}"#),
        lane: None,
        deadline: None,
        live_only: false,
        metadata: None,
    };
    store.add_jobs(run, vec![job(1), job(2)]).await.unwrap();
    store.finish_load(run, [0; 32]).await.unwrap();
    store.start_run(run, now, 20).await.unwrap();
    let claim = Claim {
        run,
        model: "m".to_owned(),
        max_jobs: 1,
        max_bytes: 1,
        new_first: false,
        now,
    };
    let claimed = store.claim(claim).await.unwrap();
    let evidence = Evidence {
        http_status: Some(529),
        message: Some("prompt-quoted by an error".to_owned()),
        request_id: Some("req_for_support".to_owned()),
        // The API never does this; a gateway in between might.
        error_type: Some(format!("echo of {KEY} and gate-secret")),
        ..Evidence::default()
    };
    let (attempt, class) = (claimed.jobs[0].attempt, ErrorClass::Overloaded);
    let record = AttemptRecord {
        evidence,
        ..AttemptRecord::unbilled(attempt, AttemptOutcome::Errored, class, now)
    };
    let finish = Finish {
        record,
        next: Next::RetryAt(now + SignedDuration::from_secs(60)),
        lane: Lane::Live,
        history: JobHistory::default(),
    };
    store.finish(run, vec![finish]).await.unwrap();
    store.note_status(run, major_outage(now)).await.unwrap();
    store
}

fn major_outage(at: Timestamp) -> StatusChange {
    let status = PageStatus {
        indicator: Indicator::Major,
        incident: Some("Elevated errors".to_owned()),
        component: None,
    };
    StatusChange { at, status }
}

#[tokio::test]
async fn a_store_at_work_is_told_with_its_holder_and_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let _store = store_with_a_failure(&path).await;
    let findings = super::store::check(&path, LIMITS.store).await;
    assert_of(&findings, "store", Level::Ok, "schema version ");
    assert_of(&findings, "lock", Level::Ok, "no process");
    assert_of(
        &findings,
        "runs",
        Level::Warning,
        "1 unfinished with 2 open jobs",
    );

    let _lock = DispatchLock::acquire(&path).unwrap();
    let findings = super::store::check(&path, LIMITS.store).await;
    let pid = format!("pid {}", std::process::id());
    assert_of(&findings, "lock", Level::Ok, &pid);
    assert_of(&findings, "runs", Level::Ok, "1 unfinished");
}

#[tokio::test]
async fn a_file_that_is_no_store_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(&path, "notes ".repeat(1000)).unwrap();
    let findings = super::store::check(&path, LIMITS.store).await;
    assert_of(&findings, "store", Level::Failed, "no store of claude-run");
}

#[tokio::test]
async fn a_bundle_has_what_support_needs_and_neither_secrets_nor_prompts() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_with_a_failure(&folder.path().join("store.db")).await;
    let path = folder.path().join("bundle.json");
    let mut ctx = context(folder.path(), "http://127.0.0.1:1", KEY, "");
    let headers = "[api.headers]\nx-gate = \"gate-secret\"";
    ctx.settings = context(folder.path(), "http://127.0.0.1:1", KEY, headers).settings;
    let found = format!("planted {KEY} and gate-secret");
    let report = DoctorReport::new(vec![Finding::ok("planted", found)]);
    bundle::write(&ctx, &report, &path).await.unwrap();

    let text = std::fs::read_to_string(&path).unwrap();
    for secret in ["hidden", "gate-secret", "prompt"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bundle["program"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(bundle["settings"][0]["key"], "config");
    let run = &bundle["latest_run"];
    assert_eq!(run["attempts_by_class"]["overloaded"], 1);
    assert_eq!(run["last_failures"][0]["request_id"], "req_for_support");
    assert_eq!(run["downtime"][0]["minutes_down"], 1);
    assert_eq!(run["jobs"]["total"], 2);
    let page = &run["status_page"][0];
    assert_eq!(
        (&page["indicator"], &page["incident"]),
        (&json!("major"), &json!("Elevated errors"))
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    store.close().await;
}

#[tokio::test]
async fn a_bundle_without_a_store_has_no_run_and_one_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = context(folder.path(), "http://127.0.0.1:1", KEY, "");
    let report = DoctorReport::new(Vec::new());
    let path = folder.path().join("bundle.json");
    bundle::write(&ctx, &report, &path).await.unwrap();
    let bundle: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(bundle["latest_run"], Value::Null);
    assert_eq!(bundle["store_error"], Value::Null);

    let nowhere = folder.path().join("no/bundle.json");
    let failure = bundle::write(&ctx, &report, &nowhere).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Internal);
    assert!(failure.next.contains("--bundle"));
}

fn shown(report: &DoctorReport, json: bool) -> (Exit, String) {
    let captured = Captured::default();
    let exit = show(report, json, Out::to(Box::new(captured.clone()))).unwrap();
    (exit, captured.text())
}

#[test]
fn a_failed_check_alone_makes_the_exit_code_one() {
    let warning = Finding::warning("a", "b", "c");
    let failed = Finding::failed("a", "b", "c");
    for (checks, exit) in [
        (vec![Finding::ok("a", "b")], Exit::Success),
        (vec![warning.clone()], Exit::Success),
        (vec![warning, failed], Exit::Internal),
    ] {
        assert_eq!(shown(&DoctorReport::new(checks), false).0, exit);
    }
}

#[test]
fn json_is_one_object_with_every_check() {
    let report = DoctorReport::new(vec![Finding::warning("a", "b", "c"), Finding::ok("d", "e")]);
    let (exit, text) = shown(&report, true);
    assert_eq!(exit, Exit::Success);
    let version = env!("CARGO_PKG_VERSION");
    let expected = serde_json::json!({
        "version": version,
        "level": "warning",
        "checks": [
            {"name": "a", "level": "warning", "found": "b", "remedy": "c"},
            {"name": "d", "level": "ok", "found": "e", "remedy": null},
        ],
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn settings_that_cannot_be_read_are_a_finding() {
    let failure = Failure::usage("c.toml:3:1: unknown key", "remove it");
    let (exit, text) = shown(&without_settings(&failure), false);
    assert_eq!(exit, Exit::Internal);
    assert!(text.starts_with("failed   configuration  c.toml:3:1: unknown key\n"));
}
