//! Stores that cannot be used: a clear error, the right exit code, and the file left as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use crate::harness::{BINARY, Desk, jobs, plain_jobs, stuck_jobs, wait_until};

/// Every command that opens a store.
const OPENERS: [&[&str]; 9] = [
    &["submit", "jobs.jsonl"],
    &["resume"],
    &["status", "--json"],
    &["attempts"],
    &["export", "-o", "-"],
    &["report"],
    &["retry"],
    &["cancel"],
    &["verify"],
];

/// Asserts that every command refuses the store with code 1 and these words, and leaves it alone.
fn assert_refused(desk: &Desk, store: &Path, words: &[&str]) {
    desk.write("jobs.jsonl", plain_jobs(1));
    let (before, sent) = (fs::read(store).unwrap(), desk.simulator.stats().requests);
    for args in OPENERS {
        let output = desk.run(args).expect(1).clear_error().says(words);
        assert_eq!(output.stdout, "", "{args:?}");
    }
    assert!(fs::read(store).unwrap() == before, "the file was changed");
    assert_eq!(desk.simulator.stats().requests, sent);
}

#[test]
fn a_text_file_is_no_store() {
    for text in ["hello", &"a longer text than one page ".repeat(400)] {
        let desk = Desk::new();
        desk.write("claude-run.db", text);
        assert_refused(
            &desk,
            &desk.path("claude-run.db"),
            &["claude-run.db", "no store of claude-run"],
        );
    }
}

#[test]
fn another_program_s_database_is_no_store() {
    for pragma in [
        "user_version = 0",
        "user_version = 3",
        "application_id = 77",
    ] {
        let desk = Desk::new();
        let store = desk.path("claude-run.db");
        let connection = Connection::open(&store).unwrap();
        connection
            .execute_batch(&format!("CREATE TABLE theirs (a); PRAGMA {pragma};"))
            .unwrap();
        drop(connection);
        assert_refused(&desk, &store, &["another program"]);
    }
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let desk = Desk::new();
    desk.write("first.jsonl", plain_jobs(1));
    desk.run(&["submit", "first.jsonl", "--no-run"]).expect(0);
    let store = desk.path("claude-run.db");
    let connection = Connection::open(&store).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    drop(connection);
    assert_refused(&desk, &store, &["version 999", "update claude-run"]);
}

/// A store with an ended run of some size, all of it in one file.
fn with_store() -> (Desk, PathBuf) {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(600));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    let store = desk.path("claude-run.db");
    let connection = Connection::open(&store).unwrap();
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(connection);
    (desk, store)
}

/// Makes these bytes the whole store: what is beside it belongs to another content.
fn put(store: &Path, bytes: &[u8]) {
    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(store.with_file_name(format!("claude-run.db{ending}")));
    }
    fs::write(store, bytes).unwrap();
}

/// Runs what reads everything. Each command may succeed or fail, but clearly; tells how many failed.
fn failures(desk: &Desk) -> usize {
    let failed = OPENERS.iter().filter(|args| {
        let output = desk.run(args);
        assert!(!output.stderr.contains("panicked"), "{output}");
        assert!(matches!(output.code, Some(0..=2)), "{output}");
        match output.code {
            Some(1) => {
                output.clear_error().says(&["claude-run.db"]);
                true
            }
            _ => false,
        }
    });
    failed.count()
}

#[test]
fn a_damaged_store_is_told_and_never_a_panic() {
    let (desk, store) = with_store();
    let whole = fs::read(&store).unwrap();
    let pages = whole.len() / 4_096;
    assert!(pages > 20);
    let mut failed = 0;
    for first in [1, 5, pages / 2, pages - 6] {
        let mut bytes = whole.clone();
        bytes[first * 4_096..(first + 5) * 4_096].fill(0xA5);
        put(&store, &bytes);
        failed += failures(&desk);
    }
    assert!(failed > 4, "{failed}");
    put(&store, &whole[..whole.len() / 2]);
    let export = desk.run(&["export", "-o", "-"]).expect(1);
    export.clear_error().says(&["damaged", "backup"]);
    assert!(failures(&desk) > 1);
}

#[test]
fn a_header_that_is_overwritten_makes_it_no_store() {
    let (desk, store) = with_store();
    let mut bytes = fs::read(&store).unwrap();
    bytes[..100].fill(0);
    fs::write(&store, bytes).unwrap();
    assert_refused(&desk, &store, &["no store of claude-run"]);
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    let store = ["--store", "no/such/folder/store.db"];
    desk.run(&[&["submit", "jobs.jsonl"], &store[..]].concat())
        .expect(1)
        .clear_error()
        .says(&["no/such/folder/store.db", "--store"]);
    desk.run(&[&["status"], &store[..]].concat())
        .expect(2)
        .says(&["no run"]);
}

#[test]
fn a_folder_is_no_store() {
    let desk = Desk::new();
    fs::create_dir(desk.path("claude-run.db")).unwrap();
    desk.write("jobs.jsonl", plain_jobs(1));
    for args in OPENERS {
        desk.run(args).expect(1).clear_error();
    }
}

/// Begins a transaction that keeps every other writer out.
fn write_lock(store: &Path) -> Connection {
    let connection = Connection::open(store).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

/// Waits until the process has the store open, and then a while, so that it meets the lock.
fn let_it_wait(pid: u32) {
    let fds = format!("/proc/{pid}/fd");
    wait_until("the store to be opened", || {
        let entries = fs::read_dir(&fds).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|path| path.ends_with("claude-run.db"))
    });
    let began = Instant::now();
    wait_until("a second", || began.elapsed() > Duration::from_secs(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_writer_waits_for_the_lock_of_another_program() {
    let desk = Desk::new();
    desk.write("one.jsonl", plain_jobs(2));
    desk.write("two.jsonl", plain_jobs(3));
    desk.run(&["submit", "one.jsonl", "--no-run"]).expect(0);
    let store = desk.path("claude-run.db");
    for args in [&["submit", "two.jsonl", "--no-run"][..], &["resume"]] {
        let lock = write_lock(&store);
        let mut process = desk.spawn(args);
        let_it_wait(process.pid());
        assert!(!process.has_ended(), "{args:?}");
        assert_eq!(desk.simulator.stats().requests, 0);
        desk.run(&["status"]).expect(0);
        lock.execute_batch("COMMIT").unwrap();
        process.wait().expect(0);
    }
    assert_eq!(desk.simulator.stats().requests, 5);
}

#[test]
fn a_run_under_way_waits_for_the_lock_of_another_program() {
    let desk = Desk::new();
    let prompts = (0..40).map(|n| format!("{n} [[sim: ok delay=50ms]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let mut process = desk.spawn(&["submit", "jobs.jsonl", "--concurrency", "2"]);
    desk.wait_for_requests(6);
    let lock = write_lock(&desk.path("claude-run.db"));
    let began = Instant::now();
    wait_until("a second", || began.elapsed() > Duration::from_secs(1));
    assert!(!process.has_ended());
    assert!(desk.simulator.stats().requests < 40);
    lock.execute_batch("COMMIT").unwrap();
    process.wait().expect(0);
    assert_eq!(desk.simulator.stats().requests, 40);
}

#[test]
fn a_store_copied_with_its_log_after_a_crash_goes_on() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", stuck_jobs(2));
    let process = desk.spawn(&["submit", "jobs.jsonl"]);
    desk.wait_for_open(2);
    process.kill();
    let mut other = Desk::new();
    other.set("ANTHROPIC_BASE_URL", &desk.simulator.base_url());
    for ending in ["", "-wal"] {
        let name = format!("claude-run.db{ending}");
        fs::copy(desk.path(&name), other.path(&name)).unwrap();
    }
    other.run(&["resume"]).expect(0);
    assert_eq!(other.report()["attempts"]["interrupted"], 2);
}

#[test]
fn a_user_without_rights_is_told_so() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(desk.path(""), everyone).unwrap();
    let as_nobody = |args: &[&str]| {
        Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", BINARY])
            .args(args)
            .current_dir(desk.path(""))
            .env_clear()
            .env("ANTHROPIC_API_KEY", "k")
            .output()
    };
    let can_run = as_nobody(&["--version"]).is_ok_and(|output| output.status.success());
    if !can_run {
        return eprintln!("skipped: only root may become somebody else");
    }
    for args in [
        &["status"][..],
        &["resume"],
        &["submit", "jobs.jsonl", "--store", "new.db"],
    ] {
        let output = as_nobody(args).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.contains("\n  next: "), "{args:?}: {stderr}");
    }
}

#[test]
fn a_store_of_an_older_version_is_copied_brought_up_to_date_and_read() {
    for args in [
        &["status"][..],
        &["resume", "first"],
        &["export", "first", "-o", "-"],
    ] {
        let desk = Desk::new();
        let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/v1.db");
        fs::copy(stored, desk.path("claude-run.db")).unwrap();
        let output = desk.run(args);
        let copied = output.stderr.contains("claude-run.db.v1.backup");
        assert!(copied, "{args:?}: {}", output.stderr);
        assert!(desk.path("claude-run.db.v1.backup").exists(), "{args:?}");
        assert_eq!(desk.status().len(), 3, "{args:?}");
    }
}

#[test]
fn verify_says_what_is_sound_and_what_is_not() {
    let desk = Desk::new();
    desk.run(&["verify"]).expect(2).says(&["no run"]);
    desk.write("jobs.jsonl", plain_jobs(3));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    let sound = desk.run(&["verify"]).expect(0);
    assert!(!sound.stdout.contains("broken"), "{sound}");

    let connection = Connection::open(desk.path("claude-run.db")).unwrap();
    let damage = "UPDATE runs SET cost_pico = cost_pico + 1";
    connection.execute(damage, []).unwrap();
    let broken = desk.run(&["verify", "latest"]).expect(1).clear_error();
    assert!(broken.stdout.contains("broken  money"), "{broken}");
    let told = desk.run(&["verify", "--json"]).expect(1).json_lines();
    assert_eq!(told[0]["ok"], false);
}
