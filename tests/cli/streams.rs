//! Standard output, standard error, and events.

use claude_run::model::{Event, EventKind, JobState, RunEnd};

use crate::harness::{Desk, jobs, plain_jobs};

fn events(desk: &Desk) -> Vec<Event> {
    let text = desk.read("events.jsonl");
    assert!(text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect()
}

fn count(events: &[Event], is: impl Fn(&EventKind) -> bool) -> usize {
    events.iter().filter(|event| is(&event.kind)).count()
}

#[test]
fn every_event_is_a_line_that_fits_the_type() {
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs([
            "Hello",
            "[[sim: 529*2, ok]]",
            "[[sim: 400]]",
            "[[sim: refusal]]",
        ]),
    );
    let flags = ["--events", "events.jsonl", "--retry-scale", "0.001"];
    desk.run(&[&["submit", "jobs.jsonl"], &flags[..]].concat())
        .expect(3);
    let events = events(&desk);
    let id = desk.only_run()["run_id"].as_str().unwrap().to_owned();
    assert!(events.iter().all(|event| event.run_id == id));
    assert!(events.is_sorted_by_key(|event| event.at));
    assert!(matches!(
        events[0].kind,
        EventKind::RunStarted {
            total: 4,
            ended: 0,
            ..
        }
    ));
    let last = &events.last().unwrap().kind;
    assert!(matches!(last, EventKind::RunEnded { reason, .. } if *reason == RunEnd::Completed));
    assert_eq!(
        count(&events, |kind| matches!(
            kind,
            EventKind::AttemptStarted { .. }
        )),
        6
    );
    assert_eq!(
        count(&events, |kind| matches!(
            kind,
            EventKind::AttemptEnded { .. }
        )),
        6
    );
    assert_eq!(
        count(&events, |kind| matches!(kind, EventKind::JobEnded { .. })),
        4
    );
    let failed = |kind: &EventKind| matches!(kind, EventKind::JobEnded { state, .. } if *state == JobState::Failed);
    assert_eq!(count(&events, failed), 2);
}

#[test]
fn a_halt_is_an_event_and_a_later_dispatch_appends() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: 401, ok]]"]));
    desk.run(&["submit", "jobs.jsonl", "--events", "events.jsonl"])
        .expect(4);
    desk.run(&["resume", "--events", "events.jsonl"]).expect(0);
    let events = events(&desk);
    assert_eq!(
        count(&events, |kind| matches!(kind, EventKind::RunStarted { .. })),
        2
    );
    assert_eq!(
        count(&events, |kind| matches!(kind, EventKind::RunHalted { .. })),
        1
    );
    assert_eq!(
        count(&events, |kind| matches!(kind, EventKind::RunEnded { .. })),
        2
    );
}

#[test]
fn an_events_file_that_cannot_be_written_is_refused() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl", "--events", "no/such/events.jsonl"])
        .expect(2)
        .clear_error()
        .says(&["no/such/events.jsonl"]);
    assert_eq!(desk.simulator.stats().requests, 0);
}

#[test]
fn quiet_prints_nothing_on_success() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(3));
    for args in [
        &["submit", "jobs.jsonl", "--quiet"][..],
        &["resume", "--quiet"],
        &["export", "-o", "out.jsonl", "--quiet"],
    ] {
        let output = desk.run(args).expect(0);
        assert_eq!((&*output.stdout, &*output.stderr), ("", ""), "{args:?}");
    }
    let data = desk.run(&["status", "--json", "--quiet"]).expect(0);
    assert_eq!(data.json_lines().len(), 1);
    assert_eq!(data.stderr, "");
    desk.run(&["status", "nonesuch", "--quiet"])
        .expect(2)
        .clear_error();
}

#[test]
fn standard_output_is_data_only() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(3));
    for args in [
        &["submit", "jobs.jsonl", "-vvv", "--color", "always"][..],
        &["resume", "-v"],
        &["export", "-o", "out.jsonl", "-v"],
    ] {
        let output = desk.run(args).expect(0);
        assert_eq!(output.stdout, "", "{args:?}");
        assert_ne!(output.stderr, "", "{args:?}");
    }
    for args in [
        &["status", "--json", "-vvv"][..],
        &["attempts", "--json", "-vvv"],
        &["report", "--json", "-vvv"],
        &["export", "-o", "-", "-vvv"],
        &["check", "jobs.jsonl", "--json", "-vvv"],
    ] {
        assert!(!desk.run(args).expect(0).json_lines().is_empty());
    }
}

#[test]
fn each_v_says_more_on_standard_error() {
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs(["Hello", "[[sim: 529, ok]]", "[[sim: 400]]"]),
    );
    let words = [
        "run left: completed",
        "attempt errored: Overloaded",
        "attempt succeeded",
    ];
    for (flag, said) in [
        (None, 0),
        (Some("-v"), 1),
        (Some("-vv"), 2),
        (Some("-vvv"), 3),
    ] {
        let submit = ["submit", "jobs.jsonl", "--retry-scale", "0.001"];
        let submit = desk.run(&[&submit[..], flag.as_slice()].concat()).expect(3);
        assert_eq!(submit.stdout, "");
        let found = words.iter().filter(|word| submit.stderr.contains(**word));
        assert_eq!(found.count(), said, "{submit}");
        // A script that has failed once goes on: start it anew.
        desk.simulator.reset();
    }
}

#[test]
fn where_there_is_no_terminal_there_are_no_bars_and_no_colour() {
    let desk = Desk::new();
    desk.write(
        "jobs.jsonl",
        jobs(["[[sim: 500, ok delay=300ms]]", "[[sim: 400]]"]),
    );
    let submit = ["submit", "jobs.jsonl", "--retry-scale", "0.001"];
    let plain = desk.run(&submit).expect(3);
    assert!(!plain.stderr.contains(['\r', '\u{1B}']), "{plain}");
    let coloured = desk.run(&["status", "nonesuch", "--color", "always"]);
    assert!(coloured.stderr.contains('\u{1B}'), "{coloured}");
    let never = desk.run(&["status", "nonesuch", "--color", "never"]);
    assert!(!never.stderr.contains('\u{1B}'), "{never}");
}

#[test]
fn the_summary_names_the_next_commands_which_work_as_they_stand() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(2));
    let submit = desk.run(&["submit", "jobs.jsonl", "--store", "my runs.db"]);
    let submit = submit.expect(0);
    let commands: Vec<_> = submit
        .stderr
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("claude-run "))
        .filter_map(|line| line.split("   #").next())
        .collect();
    assert!(commands.len() >= 2, "{submit}");
    for command in commands {
        let shell = format!("{} {command}", crate::harness::BINARY);
        let ended = std::process::Command::new("/bin/sh")
            .args(["-c", &shell])
            .current_dir(desk.path(""))
            .output()
            .unwrap();
        assert!(ended.status.success(), "{command}: {ended:?}");
    }
    assert_eq!(desk.read("results.jsonl").lines().count(), 2);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(500));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    for args in [
        &["export", "-o", "-"][..],
        &["attempts", "--json"],
        &["attempts"],
    ] {
        let mut command = desk.command(args);
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{args:?}: {stderr}");
        assert!(!stderr.contains("error"), "{args:?}: {stderr}");
    }
}
