//! Bits that a disk changed: no changed text leaves the store unnoticed, and one of them keeps no other
//! answer back.

use std::fs;

use fastrand::Rng;
use rusqlite::Connection;
use serde_json::json;

use crate::harness::{Desk, MODEL, Output, jobs, plain_jobs};

/// Experiments. Each one is a seed.
const SEEDS: u64 = 100;

/// A store with an ended run, all of it in one file.
fn with_store() -> Desk {
    let desk = Desk::new();
    let line = |n: u32| {
        let prompt = format!("{n} {}", "tell me more ".repeat(n as usize));
        let id = format!("row-{n}");
        let line =
            json!({"custom_id": id, "model": MODEL, "prompt": prompt, "metadata": {"row": n}});
        line.to_string() + "\n"
    };
    desk.write("jobs.jsonl", (1..=120).map(line).collect::<String>());
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    fold(&desk);
    desk
}

fn fold(desk: &Desk) {
    let connection = Connection::open(desk.path("claude-run.db")).unwrap();
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
}

fn put(desk: &Desk, bytes: &[u8]) {
    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(desk.path(&format!("claude-run.db{ending}")));
    }
    fs::write(desk.path("claude-run.db"), bytes).unwrap();
}

fn export(desk: &Desk) -> Output {
    let export = desk.run(&["export", "-o", "-"]);
    assert!(!export.stderr.contains("panicked"), "{export}");
    export
}

#[test]
fn of_a_hundred_flipped_bits_no_changed_text_is_exported_unnoticed() {
    let desk = with_store();
    let whole = fs::read(desk.path("claude-run.db")).unwrap();
    let sound = export(&desk).expect(0).stdout;
    let (mut noticed, mut harmless) = (0, 0);
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let mut bytes = whole.clone();
        let at = rng.usize(..bytes.len());
        bytes[at] ^= 1 << rng.u8(..8);
        put(&desk, &bytes);
        let exported = export(&desk);
        if exported.code == Some(0) && exported.stdout == sound {
            harmless += 1;
            continue;
        }
        let verify = desk.run(&["verify"]);
        assert!(!verify.stderr.contains("panicked"), "{verify}");
        assert!(
            exported.code != Some(0) || verify.code != Some(0),
            "seed {seed}, byte {at}: changed and unnoticed\n{exported}\n{verify}"
        );
        noticed += 1;
    }
    assert!(
        noticed > 5 && harmless > 5,
        "{noticed} noticed, {harmless} harmless"
    );
}

/// Changes one bit in the middle of a packed text.
fn damage(desk: &Desk, table: &str, column: &str, line: i64) {
    let connection = Connection::open(desk.path("claude-run.db")).unwrap();
    let key = format!("job_id & 0xFFFFFFFFFF = {line}");
    let read = format!("SELECT {column} FROM {table} WHERE {key}");
    let mut text: Vec<u8> = connection.query_row(&read, [], |row| row.get(0)).unwrap();
    let middle = text.len() / 2;
    text[middle] ^= 4;
    let write = format!("UPDATE {table} SET {column} = ?1 WHERE {key}");
    assert_eq!(connection.execute(&write, [text]).unwrap(), 1);
}

#[test]
fn a_damaged_answer_is_named_and_all_others_are_exported() {
    let desk = with_store();
    damage(&desk, "results", "message_blob", 7);
    damage(&desk, "bodies", "metadata_blob", 9);
    for format in ["jsonl", "csv"] {
        let args = ["export", "-o", "out", "--format", format];
        let export = desk.run(&args).expect(1).clear_error();
        export.says(&["2 results", "row-7 (line 7)", "row-9 (line 9)", "verify"]);
        let written = desk.read("out");
        assert_eq!(written.lines().count(), 118 + usize::from(format == "csv"));
        assert!(!written.contains("row-7\"") && !written.contains("row-7,"));
        assert!(written.contains("row-8") && written.contains("row-120"));
    }
    let verify = desk.run(&["verify"]).expect(1);
    assert!(verify.stdout.contains("the message of line 7"), "{verify}");
    assert!(verify.stdout.contains("the metadata of line 9"), "{verify}");
}

#[test]
fn numbers_and_words_of_an_attempt_are_summed_too() {
    let desk = with_store();
    let connection = Connection::open(desk.path("claude-run.db")).unwrap();
    let change =
        "UPDATE attempts SET output_tokens = output_tokens + 1 WHERE job_id & 0xFFFFFFFFFF = 5";
    connection.execute_batch(change).unwrap();
    drop(connection);
    let verify = desk.run(&["verify"]).expect(1);
    assert!(verify.stdout.contains("attempt 1 of line 5"), "{verify}");
}

#[test]
fn a_damaged_request_fails_alone_live_and_in_batches() {
    for lane in ["live", "batch"] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", jobs(["one", "two", "three"]));
        desk.run(&["submit", "jobs.jsonl", "--no-run", "--lane", lane])
            .expect(0);
        damage(&desk, "bodies", "body_blob", 2);
        let resume = desk.run(&["resume"]).expect(3);
        resume.says(&["line 2", "damaged", "verify"]);
        let run = desk.only_run();
        assert_eq!(run["jobs"]["succeeded"], 2, "{lane}: {run}");
        assert_eq!(run["jobs"]["failed"], 1, "{lane}: {run}");
        let failed = desk.results().remove(1);
        assert_eq!(failed["custom_id"], "job-2");
        let told = failed["result"]["error"]["error"]["message"].as_str();
        assert!(told.unwrap().contains("damaged"), "{failed}");
        assert_eq!(desk.attempts()[1]["cost_usd"], "0.00", "nothing was sent");
    }
}

/// One finish that is refused by the store fails alone.
#[test]
fn an_answer_that_the_store_refuses_is_kept_and_bought_once() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(30));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    let connection = Connection::open(desk.path("claude-run.db")).unwrap();
    connection
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON results
             WHEN NEW.message_blob IS NOT NULL AND NEW.job_id & 0xFFFFFFFFFF = 3
             BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        .unwrap();
    drop(connection);
    let resume = desk.run(&["resume"]).expect(3);
    resume.says(&["claude-run.db.kept.jsonl", "1 answer"]);
    assert_eq!(desk.simulator.stats().requests, 30);
    let run = desk.only_run();
    assert_eq!(run["jobs"]["succeeded"], 29);
    assert_eq!(run["jobs"]["failed"], 1);
    let kept = desk.read("claude-run.db.kept.jsonl");
    assert!(
        kept.contains("not this one") && kept.contains("msg_"),
        "{kept}"
    );
    for args in [&["status"][..], &["verify"], &["resume"]] {
        let told = desk.run(args);
        told.says(&["1 answer", "kept.jsonl"]);
    }
    // Neither a retry nor a start buys it again while it lies there.
    desk.run(&["retry"]).expect(2).says(&["nothing to retry"]);
    desk.run(&["resume"]).expect(3);
    assert_eq!(desk.simulator.stats().requests, 30);
    fs::remove_file(desk.path("claude-run.db.kept.jsonl")).unwrap();
    desk.run(&["retry"]).expect(0).says(&["1 job put back"]);
}
