//! Ctrl-C, SIGTERM, SIGHUP and the other signals, and kill -9.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Desk, Process, jobs, plain_jobs, stuck_jobs, wait_until};
use crate::onlookers::full_pipe;

fn count(desk: &Desk, outcome: &Value) -> usize {
    let attempts = desk.attempts();
    attempts
        .iter()
        .filter(|attempt| attempt["outcome"] == *outcome)
        .count()
}

#[test]
fn the_first_signal_drains_and_resume_completes() {
    for signal in [
        Signal::INT,
        Signal::TERM,
        Signal::HUP,
        Signal::USR1,
        Signal::USR2,
        Signal::XCPU,
    ] {
        let desk = Desk::new();
        let prompts = (0..30).map(|n| format!("{n} [[sim: ok delay=700ms]]"));
        desk.write("jobs.jsonl", jobs(prompts));
        let mut process = desk.spawn(&["submit", "jobs.jsonl", "--concurrency", "3"]);
        desk.wait_for_open(3);
        process.signal(signal);
        let ended = process.wait().expect(130);
        assert_eq!(ended.stdout, "");
        ended.says(&["claude-run resume"]);
        let sent = desk.simulator.stats().requests;
        assert!(sent < 30);
        let run = desk.only_run();
        assert_eq!(run["state"], "interrupted", "as the summary says");
        assert_eq!(run["jobs"]["in_flight"], 0);
        assert_eq!(run["jobs"]["succeeded"], sent, "what was in flight is kept");
        assert_eq!(count(&desk, &json!("succeeded")) as u64, sent);
        assert_eq!(count(&desk, &json!(null)), 0);
        desk.run(&["resume", "--concurrency", "30"]).expect(0);
        assert_eq!(desk.simulator.stats().requests, 30, "nothing is sent twice");
        assert_eq!(desk.report()["attempts"]["interrupted"], 0);
    }
}

#[test]
fn the_second_signal_leaves_at_once() {
    for (first, second) in [
        (Signal::INT, Signal::INT),
        (Signal::HUP, Signal::HUP),
        (Signal::TERM, Signal::HUP),
        (Signal::XCPU, Signal::TERM),
    ] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", stuck_jobs(4));
        let mut process = desk.spawn(&["submit", "jobs.jsonl"]);
        desk.wait_for_open(4);
        process.signal(first);
        process.wait_for("stopping");
        assert!(!process.has_ended());
        let began = Instant::now();
        process.signal(second);
        process.wait().expect(130);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
        desk.run(&["resume"]).expect(0);
        assert_eq!(count(&desk, &json!("interrupted")), 4);
        assert_eq!(count(&desk, &json!("succeeded")), 4);
        assert_eq!(desk.report()["attempts"]["maybe_billed"], 4);
    }
}

/// The system sends it each second once the limit of CPU time is reached.
#[test]
fn a_second_xcpu_is_no_second_wish() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: ok delay=1500ms]]"]));
    let mut process = desk.spawn(&["submit", "jobs.jsonl"]);
    desk.wait_for_open(1);
    process.signal(Signal::XCPU);
    process.wait_for("stopping");
    process.signal(Signal::XCPU);
    let ended = process.wait();
    assert!(matches!(ended.code, Some(0 | 130)), "{ended}");
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 1);
}

/// Starts a command as a shell does after these words.
fn spawn_from_shell(desk: &Desk, before: &str, args: &str) -> Process {
    let line = format!("{before} exec {} {args}", crate::harness::BINARY);
    let mut command = desk.command(&[]);
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", &line]).env_clear();
    shell.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    shell.current_dir(desk.path(""));
    std::mem::swap(&mut command, &mut shell);
    desk.start(command)
}

#[test]
fn a_hangup_that_was_ignored_from_the_start_stays_ignored() {
    for (signal, name) in [
        (Signal::HUP, "HUP"),
        (Signal::TERM, "TERM"),
        (Signal::USR1, "USR1"),
    ] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", jobs(["[[sim: ok delay=1s]]"]));
        let trap = format!("trap '' {name};");
        let mut process = spawn_from_shell(&desk, &trap, "submit jobs.jsonl");
        desk.wait_for_open(1);
        process.signal(signal);
        process.signal(signal);
        let ended = process.wait().expect(0);
        assert!(!ended.stderr.contains("stopping"), "{ended}");
    }
}

/// A shell that runs a script lets everything behind a `&` ignore it, and nobody asked for that.
#[test]
fn an_interrupt_is_heard_although_it_was_ignored_from_the_start() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["1 [[sim: ok delay=500ms]]", "2"]));
    let mut process = spawn_from_shell(&desk, "trap '' INT;", "submit jobs.jsonl --concurrency 1");
    desk.wait_for_open(1);
    process.signal(Signal::INT);
    process.wait().expect(130).says(&["stopping"]);
}

#[test]
fn a_quit_ends_the_process_as_the_system_does_and_resume_owns_up() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", stuck_jobs(2));
    let mut process = spawn_from_shell(&desk, "ulimit -c 0;", "submit jobs.jsonl");
    desk.wait_for_open(2);
    process.signal(Signal::QUIT);
    assert_eq!(process.wait().code, None);
    desk.run(&["resume"]).expect(0);
    assert_eq!(count(&desk, &json!("interrupted")), 2);
}

/// Without the care for it the process would end by SIGXFSZ, with answers in its hands.
#[test]
fn a_limit_of_file_sizes_is_told_as_a_full_disk_is() {
    let desk = Desk::new();
    let long = "long ".repeat(2_000);
    desk.write("jobs.jsonl", jobs((0..200).map(|n| format!("{n} {long}"))));
    let mut process = spawn_from_shell(&desk, "ulimit -f 900;", "submit jobs.jsonl");
    process.wait().expect(1).clear_error();
    desk.run(&["resume"]).expect(0);
    let report = desk.report();
    assert_eq!(report["jobs"]["succeeded"], 200);
    assert_eq!(
        desk.simulator.stats().requests,
        200,
        "nothing is bought twice"
    );
}

/// With a pipe for standard error that is full, and that nobody reads.
#[test]
fn the_second_signal_ends_a_process_whose_standard_error_nobody_reads() {
    for args in [
        &["submit", "jobs.jsonl"][..],
        &["submit", "jobs.jsonl", "-vvv"],
        &["submit", "jobs.jsonl", "--quiet"],
    ] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", stuck_jobs(2));
        let (_reader, writer) = full_pipe();
        let mut command = desk.command(args);
        command.stderr(writer);
        let mut child = command.spawn().unwrap();
        wait_until("somebody to listen for signals", || {
            hears_interrupts(child.id())
        });
        let pid = rustix::process::Pid::from_child(&child);
        for _ in 0..2 {
            rustix::process::kill_process(pid, Signal::INT).unwrap();
            // The system merges signals that nobody has taken yet.
            wait_until("the signal to be taken", || !has_pending_signal(child.id()));
        }
        let mut status = None;
        wait_until("the end", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(130), "{args:?}");
    }
}

/// A mask of signals as the system tells it.
fn mask(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap())
}

fn hears_interrupts(pid: u32) -> bool {
    mask(pid, "SigCgt:") & 0b10 != 0
}

fn has_pending_signal(pid: u32) -> bool {
    mask(pid, "ShdPnd:") & 0b10 != 0
}

#[test]
fn the_grace_ends_the_wait_for_what_is_in_flight() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", stuck_jobs(2));
    let mut process = desk.spawn(&["submit", "jobs.jsonl", "--grace", "300ms"]);
    desk.wait_for_open(2);
    process.signal(Signal::TERM);
    process.wait().expect(130);
    assert_eq!(desk.only_run()["jobs"]["in_flight"], 0);
    assert_eq!(count(&desk, &json!("interrupted")), 2);
    desk.run(&["resume"]).expect(0);
}

#[test]
fn a_signal_ends_the_wait_for_a_retry() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: 429 retry-after=600, ok]]"]));
    let mut process = desk.spawn(&["submit", "jobs.jsonl"]);
    wait_until("the job to wait", || {
        desk.simulator.stats().requests == 1 && desk.only_run()["jobs"]["pending"] == 1
    });
    process.signal(Signal::INT);
    process.wait().expect(130);
}

#[test]
fn a_resume_of_several_runs_stops_at_the_first_signal() {
    let desk = Desk::new();
    desk.write("one.jsonl", jobs(["[[sim: ok delay=1s]]"]));
    desk.write("two.jsonl", plain_jobs(2));
    for file in ["one.jsonl", "two.jsonl"] {
        desk.run(&["submit", file, "--no-run"]).expect(0);
    }
    let mut process = desk.spawn(&["resume"]);
    desk.wait_for_open(1);
    process.signal(Signal::INT);
    // The one job in flight ends its run, but what the user asked for is not done.
    process.wait().expect(130);
    assert_eq!(desk.simulator.stats().requests, 1);
    assert_eq!(desk.status()[1]["jobs"]["pending"], 2);
}

#[test]
fn after_kill_9_resume_starts_at_once_and_owns_up_to_what_was_open() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", stuck_jobs(5) + &plain_jobs_after(5, 5));
    let process = desk.spawn(&["submit", "jobs.jsonl"]);
    wait_until("five to end and five to be open", || {
        desk.simulator.stats().requests == 10 && desk.only_run()["jobs"]["succeeded"] == 5
    });
    process.kill();
    assert_eq!(desk.only_run()["state"], "interrupted");
    assert_eq!(desk.results().len(), 5);
    let began = Instant::now();
    desk.run(&["resume"]).expect(0);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(desk.simulator.stats().requests, 15);
    let report = desk.report();
    assert_eq!(report["attempts"]["interrupted"], 5);
    assert_eq!(report["attempts"]["maybe_billed"], 5);
    assert_eq!(report["jobs"]["succeeded"], 10);
    let interrupted: Vec<_> = desk
        .attempts()
        .into_iter()
        .filter(|attempt| attempt["outcome"] == "interrupted")
        .collect();
    assert_eq!(interrupted.len(), 5);
    for attempt in interrupted {
        assert_eq!(attempt["error_class"], "interrupted");
        assert_eq!(attempt["n"], 1);
        assert_eq!(attempt["maybe_billed"], true);
        assert!(attempt["ended_at"].is_string());
    }
}

/// Plain jobs whose names begin after those of `before` others.
fn plain_jobs_after(before: usize, count: usize) -> String {
    let lines = (before + 1..=before + count).map(|n| {
        let line = json!({"custom_id": format!("job-{n}"), "model": crate::harness::MODEL, "prompt": format!("Say {n}.")});
        line.to_string() + "\n"
    });
    lines.collect()
}

#[test]
fn a_signal_during_a_load_stores_nothing() {
    let desk = Desk::new();
    for flags in [&[][..], &["--no-run"]] {
        let mut command = desk.command(&[&["submit", "-"], flags].concat());
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, plain_jobs(5_000).as_bytes()).unwrap();
        wait_until("the load to begin", || {
            let loads = crate::harness::files_in(&desk.path(""));
            loads.iter().any(|(name, _)| name.contains(".load-"))
        });
        let pid = i32::try_from(child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        // The lock stands an instant before somebody listens for signals.
        let mut status = None;
        wait_until("the end", || {
            let _ = rustix::process::kill_process(pid, Signal::INT);
            status = child.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        drop(input);
        // Before that instant the signal ends it as it ends any program: nothing is stored either.
        assert!(matches!(status.code(), Some(130) | None), "{status:?}");
        desk.assert_no_run();
    }
}

#[test]
fn kill_9_during_a_load_leaves_no_run() {
    let desk = Desk::new();
    let mut command = desk.command(&["submit", "-", "--no-run"]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, plain_jobs(5_000).as_bytes()).unwrap();
    wait_until("the load to begin", || {
        desk.path("claude-run.db-wal").exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    desk.assert_no_run();
    desk.write("jobs.jsonl", plain_jobs(2));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    assert_eq!(desk.only_run()["jobs"]["total"], 2);
}
