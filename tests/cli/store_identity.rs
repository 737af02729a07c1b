//! One store, whatever its name: one dispatcher, one spool, and nothing bought for a store that is gone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::harness::{Desk, Process, jobs, plain_jobs, stuck_jobs, wait_until};

/// A desk where a process waits for the answers of two jobs.
fn at_work() -> (Desk, Process) {
    let desk = Desk::new();
    desk.write("slow.jsonl", stuck_jobs(2));
    let process = desk.spawn(&["submit", "slow.jsonl"]);
    desk.wait_for_open(2);
    (desk, process)
}

/// A desk where a process has two of ten jobs in flight, for some seconds.
fn two_of_ten() -> (Desk, Process) {
    let desk = Desk::new();
    let prompts = (0..10).map(|n| format!("{n} [[sim: ok delay=3s]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let process = desk.spawn(&["submit", "jobs.jsonl", "--concurrency", "2"]);
    desk.wait_for_open(2);
    (desk, process)
}

fn move_store(desk: &Desk, from: &str, to: &str) {
    for ending in ["", "-wal", "-shm"] {
        let (from, to) = (format!("{from}{ending}"), format!("{to}{ending}"));
        let _ = fs::rename(desk.path(&from), desk.path(&to));
    }
}

/// Asserts that no second dispatcher comes in by this name, and that the store is what it was.
fn assert_held(desk: &Desk, process: &Process, name: &str) {
    let pid = process.pid().to_string();
    desk.write("other.jsonl", plain_jobs(1));
    for args in [
        &["resume", "--store", name][..],
        &["submit", "other.jsonl", "--store", name],
    ] {
        desk.run(args).expect(4).clear_error().says(&[&pid]);
    }
    assert_eq!(desk.simulator.stats().requests, 2, "{name}");
}

#[test]
fn a_store_has_one_dispatcher_whatever_path_leads_to_it() {
    let (desk, process) = at_work();
    symlink("claude-run.db", desk.path("link.db")).unwrap();
    symlink(desk.path(""), desk.path("folder")).unwrap();
    let absolute = desk.path("claude-run.db").display().to_string();
    for name in [
        "link.db",
        "folder/claude-run.db",
        "folder/../claude-run.db",
        &absolute,
    ] {
        if !desk.path(name).exists() {
            continue;
        }
        assert_held(&desk, &process, name);
    }
    // What stands beside a store stands beside the file, not beside a link.
    assert!(!desk.path("link.db.lock").exists() && !desk.path("link.db-wal").exists());
    drop(process);
    desk.run(&["resume", "--store", "link.db"]).expect(0);
    desk.run(&["verify"]).expect(0);
}

#[test]
fn a_hard_link_is_no_second_store() {
    let (desk, process) = at_work();
    fs::create_dir(desk.path("elsewhere")).unwrap();
    for name in ["hard.db", "elsewhere/hard.db"] {
        fs::hard_link(desk.path("claude-run.db"), desk.path(name)).unwrap();
        assert_held(&desk, &process, name);
        // Its log lies under the other name: what is read here would be wrong.
        let status = desk.run(&["status", "--store", name]).expect(4);
        status.clear_error().says(&["hard link"]);
        assert!(!desk.path(&format!("{name}-wal")).exists());
    }
    process.kill();
    let resume = desk.run(&["resume", "--store", "hard.db"]).expect(1);
    resume.clear_error().says(&["claude-run.db", "hard link"]);
    assert_eq!(desk.simulator.stats().requests, 2);
    desk.run(&["resume"]).expect(0);
    desk.run(&["verify"]).expect(0);
    // Tidy, with all in one file, it is one store by any name.
    desk.run(&["verify", "--store", "hard.db"]).expect(0);
}

#[test]
fn a_lock_file_that_was_tidied_away_lets_no_second_dispatcher_in() {
    let (desk, process) = at_work();
    let lock = desk.path("claude-run.db.lock");
    let mode = fs::metadata(&lock).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::remove_file(&lock).unwrap();
    assert_held(&desk, &process, "claude-run.db");
    let pid = process.pid().to_string();
    wait_until("the lock file to be made anew", || {
        fs::read_to_string(&lock).is_ok_and(|text| text.trim() == pid)
    });
    assert_held(&desk, &process, "claude-run.db");
}

#[test]
fn a_store_that_is_deleted_ends_the_run_and_what_was_in_flight_is_kept() {
    let (desk, mut process) = two_of_ten();
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(desk.path(&format!("claude-run.db{ending}"))).unwrap();
    }
    let ended = process.wait().expect(1).clear_error();
    ended.says(&["claude-run.db", "deleted", "2 answers", "spool"]);
    assert_eq!(desk.simulator.stats().requests, 2, "nothing more was sent");
    assert!(!desk.path("claude-run.db").exists());
    let spool = fs::metadata(desk.path("claude-run.db.spool")).unwrap();
    assert_eq!(spool.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_folder_that_is_deleted_does_not_take_the_answers_with_it() {
    let desk = Desk::new();
    fs::create_dir(desk.path("place")).unwrap();
    let prompts = (0..6).map(|n| format!("{n} [[sim: ok delay=3s]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let store = ["--store", "place/store.db", "--concurrency", "2"];
    let mut process = desk.spawn(&[&["submit", "jobs.jsonl"], &store[..]].concat());
    desk.wait_for_open(2);
    fs::remove_dir_all(desk.path("place")).unwrap();
    process.wait().expect(1).says(&["deleted", "2 answers"]);
    assert_eq!(desk.simulator.stats().requests, 2);
    assert!(desk.path("place/store.db.spool").exists());
}

#[test]
fn a_store_that_was_moved_away_and_put_back_goes_on_without_asking_twice() {
    let (desk, mut process) = two_of_ten();
    fs::rename(desk.path("claude-run.db"), desk.path("away.db")).unwrap();
    process.wait().expect(1).says(&["moved away", "2 answers"]);
    fs::rename(desk.path("away.db"), desk.path("claude-run.db")).unwrap();
    desk.run(&["status"]).expect(0).says(&["2 answers"]);
    desk.run(&["resume", "--concurrency", "10"]).expect(0);
    assert_eq!(desk.simulator.stats().requests, 10);
    desk.run(&["verify"]).expect(0);
}

#[test]
fn a_store_that_was_moved_takes_its_answers_from_the_spool_it_left_behind() {
    let (desk, mut process) = two_of_ten();
    move_store(&desk, "claude-run.db", "moved.db");
    process.wait().expect(1).says(&["moved away", "2 answers"]);
    let moved = ["--store", "moved.db", "--concurrency", "10"];
    desk.run(&[&["resume"], &moved[..]].concat()).expect(0);
    assert_eq!(desk.simulator.stats().requests, 10);
    desk.run(&["verify", "--store", "moved.db"]).expect(0);
}

#[test]
fn a_spool_is_never_replayed_into_the_store_that_took_the_place_of_its_own() {
    let (desk, mut process) = two_of_ten();
    move_store(&desk, "claude-run.db", "old.db");
    desk.write("other.jsonl", plain_jobs(3));
    // While the first one waits for its answers.
    desk.run(&["submit", "other.jsonl", "--no-run"]).expect(0);
    process.wait().expect(1).says(&["2 answers"]);
    desk.run(&["status"]).expect(0).says(&["another store"]);
    desk.run(&["resume"]).expect(0);
    assert_eq!(desk.simulator.stats().requests, 5);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 3);
    desk.run(&["verify"]).expect(0);
    let old = ["--store", "old.db", "--concurrency", "10"];
    desk.run(&[&["resume"], &old[..]].concat()).expect(0);
    assert_eq!(desk.simulator.stats().requests, 13, "each job once");
    desk.run(&["verify", "--store", "old.db"]).expect(0);
}

#[test]
fn a_copy_of_a_store_leaves_the_spool_to_the_one_it_stands_beside() {
    let (desk, mut process) = two_of_ten();
    fs::rename(desk.path("claude-run.db"), desk.path("away.db")).unwrap();
    process.wait().expect(1).says(&["2 answers"]);
    fs::rename(desk.path("away.db"), desk.path("claude-run.db")).unwrap();
    for ending in ["", "-wal"] {
        let from = desk.path(&format!("claude-run.db{ending}"));
        fs::copy(from, desk.path(&format!("copy.db{ending}"))).unwrap();
    }
    let copy = desk.run(&["status", "--store", "copy.db"]).expect(0);
    assert!(!copy.stderr.contains("answers"), "{copy}");
    desk.run(&["status"]).expect(0).says(&["2 answers"]);
}

#[test]
fn a_log_that_was_deleted_costs_nothing_that_was_recorded() {
    let desk = Desk::new();
    let prompts = [
        "quick",
        "[[sim: ok delay=3s]]",
        "third [[sim: ok delay=3s]]",
    ];
    desk.write("jobs.jsonl", jobs(prompts));
    let mut process = desk.spawn(&["submit", "jobs.jsonl", "--concurrency", "2"]);
    wait_until("the first job to end", || {
        desk.simulator.stats().requests == 3 && desk.only_run()["jobs"]["succeeded"] == 1
    });
    fs::remove_file(desk.path("claude-run.db-wal")).unwrap();
    process
        .wait()
        .expect(1)
        .says(&["-wal", "deleted", "2 answers"]);
    let _ = fs::remove_file(desk.path("claude-run.db-shm"));
    desk.run(&["resume"]).expect(0);
    assert_eq!(desk.simulator.stats().requests, 3);
    desk.run(&["verify"]).expect(0);
}

#[test]
fn the_same_file_submitted_four_times_at_once_is_one_run() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(60));
    let mut submits: Vec<_> = (0..4)
        .map(|_| desk.spawn(&["submit", "jobs.jsonl"]))
        .collect();
    let codes: Vec<_> = submits
        .iter_mut()
        .map(|submit| {
            let output = submit.wait();
            assert!(matches!(output.code, Some(0 | 4)), "{output}");
            output.code
        })
        .collect();
    assert!(codes.contains(&Some(0)), "{codes:?}");
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 60);
    assert_eq!(desk.simulator.stats().requests, 60);
}

/// Starting a program takes a busy machine longer than a short run lasts.
#[test]
#[cfg(target_os = "linux")]
fn a_submit_that_was_started_before_the_same_run_ended_buys_nothing() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(3));
    let slow = "until [ -e go ]; do sleep 0.01; done; exec \"$0\" submit jobs.jsonl";
    let mut command = desk.command(&[]);
    let program = command.get_program().to_owned();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", slow]).arg(program);
    shell.current_dir(desk.path("")).env_clear();
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    command = shell;
    let mut late = desk.start(command);
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    desk.write("go", "");
    late.wait()
        .expect(0)
        .says(&["which another process has run meanwhile"]);
    assert_eq!(desk.simulator.stats().requests, 3);
    assert_eq!(desk.status().len(), 1);
    // One that is started afterwards makes a run of its own.
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    assert_eq!(desk.simulator.stats().requests, 6);
}

#[test]
fn thirty_two_first_submits_at_once_are_all_stored() {
    let desk = Desk::new();
    let mut submits: Vec<_> = (0..32)
        .map(|n| {
            let file = format!("{n}.jsonl");
            desk.write(&file, plain_jobs(n + 1));
            desk.spawn(&["submit", &file, "--no-run"])
        })
        .collect();
    for submit in &mut submits {
        submit.wait().expect(0);
    }
    assert_eq!(desk.status().len(), 32);
    let locks = fs::read_dir(desk.path("")).unwrap().flatten();
    let left = locks.filter(|entry| entry.file_name().to_string_lossy().contains(".load-"));
    assert_eq!(left.count(), 0);
}

#[test]
fn whatever_the_store_is_called_it_is_a_file_of_that_name() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(2));
    for name in [
        ":memory:",
        "file:x.db?mode=memory",
        "file::memory:?cache=shared",
        "a name?with#odd%41letters&.db",
        "ünïcode",
    ] {
        let store = ["--store", name];
        desk.run(&[&["submit", "jobs.jsonl"], &store[..]].concat())
            .expect(0);
        assert!(desk.path(name).is_file(), "{name}");
        desk.run(&[&["verify"], &store[..]].concat()).expect(0);
        let export = desk.run(&[&["export", "-o", "-"], &store[..]].concat());
        assert_eq!(export.expect(0).json_lines().len(), 2, "{name}");
    }
    assert!(!desk.path("x.db").exists());
    let nameless = desk.run(&["submit", "jobs.jsonl", "--store", ""]);
    nameless.expect(2).says(&["--store"]);
}

/// git keeps links: what a folder brings with it must not lead what we write elsewhere.
#[test]
fn a_link_under_the_name_of_a_file_of_ours_is_never_followed() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(2));
    fs::create_dir(desk.path("home")).unwrap();
    desk.write("home/rc", "alias");
    fs::set_permissions(desk.path("home/rc"), fs::Permissions::from_mode(0o644)).unwrap();
    for (ending, to) in [
        ("", "home/new"),
        (".lock", "home/rc"),
        (".spool", "home/new"),
        ("-wal", "home/new"),
        ("-shm", "home/rc"),
    ] {
        let link = desk.path(&format!("claude-run.db{ending}"));
        symlink(to, &link).unwrap();
        let told = desk.run(&["submit", "jobs.jsonl"]).expect(1).clear_error();
        told.says(&["claude-run.db"]);
        fs::remove_file(&link).unwrap();
        assert!(!desk.path("home/new").exists(), "{ending}");
        let rc = desk.path("home/rc");
        assert_eq!(fs::read_to_string(&rc).unwrap(), "alias", "{ending}");
        let mode = fs::metadata(&rc).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{ending}");
    }
    assert_eq!(desk.simulator.stats().requests, 0);
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
}

#[test]
fn another_store_that_is_copied_into_the_file_ends_the_run() {
    let (desk, mut process) = two_of_ten();
    desk.write("other.jsonl", plain_jobs(40));
    let other = ["--store", "other.db", "--no-run"];
    desk.run(&[&["submit", "other.jsonl"], &other[..]].concat())
        .expect(0);
    // As `cp` does: the file stays, its content does not.
    let bytes = fs::read(desk.path("other.db")).unwrap();
    fs::write(desk.path("claude-run.db"), &bytes).unwrap();
    let ended = process.wait().expect(1).clear_error();
    ended.says(&[
        "claude-run.db",
        "overwritten with another store",
        "2 answers",
        "spool",
    ]);
    assert_eq!(desk.simulator.stats().requests, 2, "nothing more was sent");
    let left = fs::read(desk.path("claude-run.db")).unwrap();
    assert!(left == bytes, "nothing is written into another's file");
}

/// `current -> releases/a`, turned to `releases/b` while a run is at work.
#[test]
fn a_run_stays_with_its_store_when_a_link_in_its_path_is_turned() {
    let desk = Desk::new();
    for release in ["a", "b"] {
        fs::create_dir(desk.path(release)).unwrap();
    }
    symlink("a", desk.path("current")).unwrap();
    let prompts = (0..6).map(|n| format!("{n} [[sim: ok delay=1s]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let store = ["--store", "current/store.db", "--concurrency", "2"];
    let mut process = desk.spawn(&[&["submit", "jobs.jsonl"], &store[..]].concat());
    desk.wait_for_open(2);
    fs::remove_file(desk.path("current")).unwrap();
    symlink("b", desk.path("current")).unwrap();
    process.wait().expect(0).says(&["6 succeeded"]);
    assert!(!desk.path("b/store.db").exists());
    desk.run(&["verify", "--store", "a/store.db"]).expect(0);
}
