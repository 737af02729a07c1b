//! Going on: which run, and what is never done twice.

use crate::harness::{Desk, jobs, plain_jobs};

/// A desk whose store holds an unfinished run `night` and, newer, one without a name.
fn two_runs() -> Desk {
    let desk = Desk::new();
    desk.write("one.jsonl", plain_jobs(2));
    desk.write("two.jsonl", plain_jobs(3));
    desk.run(&["submit", "one.jsonl", "--no-run", "--name", "night"])
        .expect(0);
    desk.run(&["submit", "two.jsonl", "--no-run"]).expect(0);
    desk
}

/// How many jobs of each run are pending, oldest run first.
fn pending(desk: &Desk) -> Vec<u64> {
    let runs = desk.status();
    let pending = runs.iter().map(|run| &run["jobs"]["pending"]);
    pending.map(|count| count.as_u64().unwrap()).collect()
}

#[test]
fn a_run_that_was_only_stored_is_run_by_resume() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(10));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    assert_eq!(desk.simulator.stats().requests, 0);
    assert_eq!(desk.attempts().len(), 0);
    desk.run(&["resume"]).expect(0);
    assert_eq!(desk.simulator.stats().requests, 10);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 10);
}

#[test]
fn storing_without_running_needs_no_key() {
    let mut desk = Desk::new();
    desk.unset("ANTHROPIC_API_KEY");
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    desk.run(&["resume"]).expect(2);
    desk.set("ANTHROPIC_API_KEY", "sk-ant-test");
    desk.run(&["resume"]).expect(0);
}

#[test]
fn when_all_have_ended_nothing_is_sent_and_the_latest_run_decides_the_exit_code() {
    let desk = Desk::new();
    desk.write("bad.jsonl", jobs(["[[sim: 400]]"]));
    desk.write("good.jsonl", plain_jobs(1));
    desk.run(&["submit", "bad.jsonl"]).expect(3);
    desk.run(&["resume"]).expect(3);
    desk.run(&["submit", "good.jsonl"]).expect(0);
    desk.run(&["resume"]).expect(0);
    desk.run(&["resume", "latest"]).expect(0);
    assert_eq!(desk.simulator.stats().requests, 2);
    desk.run(&["submit", "bad.jsonl"]).expect(3);
    desk.run(&["resume"]).expect(3);
    assert_eq!(desk.simulator.stats().requests, 3);
}

#[test]
fn resume_without_a_run_takes_every_unfinished_run() {
    let desk = two_runs();
    desk.run(&["resume"]).expect(0);
    assert_eq!(pending(&desk), [0, 0]);
}

#[test]
fn a_run_is_named_by_id_prefix_name_or_latest() {
    for (which, left) in [
        ("id", [0, 3]),
        ("prefix", [0, 3]),
        ("name", [0, 3]),
        ("latest", [2, 0]),
    ] {
        let desk = two_runs();
        let id = desk.status()[0]["run_id"].as_str().unwrap().to_owned();
        let run = match which {
            "id" => &id[..],
            // The two were made within one second: all but the last digits may be alike.
            "prefix" => &id[..id.len() - 1],
            "name" => "night",
            other => other,
        };
        desk.run(&["resume", run]).expect(0);
        assert_eq!(pending(&desk), left, "{which}");
        for command in ["status", "attempts", "report"] {
            desk.run(&[command, run]).expect(0);
        }
        desk.run(&["cancel", run]).expect(2).says(&["it has ended"]);
        desk.run(&["retry", run])
            .expect(2)
            .says(&["nothing to retry"]);
        desk.run(&["export", run, "-o", "-"]).expect(0);
    }
}

#[test]
fn left_out_the_latest_run_is_meant() {
    let desk = two_runs();
    desk.run(&["cancel"]).expect(0);
    assert_eq!(pending(&desk), [2, 0]);
    assert_eq!(desk.report()["jobs"]["total"], 3);
}

#[test]
fn a_run_that_is_not_there_is_an_error_of_usage() {
    let desk = two_runs();
    for args in [
        &["resume", "noon"][..],
        &["status", "noon"],
        &["attempts", "noon"],
        &["report", "noon"],
        &["export", "noon", "-o", "-"],
        &["retry", "noon"],
        &["cancel", "noon"],
    ] {
        desk.run(args).expect(2).clear_error().says(&["no run"]);
    }
    desk.run(&["resume", "0"])
        .expect(2)
        .says(&["ambiguous"])
        .clear_error();
}

#[test]
fn without_any_run_every_command_says_no_run() {
    let desk = Desk::new();
    for _ in 0..2 {
        for args in [
            &["resume"][..],
            &["resume", "latest"],
            &["status"],
            &["status", "--json"],
            &["attempts", "--json"],
            &["report", "--format", "json"],
            &["export", "-o", "out.jsonl"],
            &["retry"],
            &["cancel"],
        ] {
            let output = desk.run(args).expect(2).says(&["no run"]);
            assert_eq!(output.stdout, "", "{args:?}");
        }
        assert!(!desk.path("out.jsonl").exists());
        // The second time there is a store, but nothing in it.
        desk.write("bad.jsonl", "[]");
        desk.run(&["submit", "bad.jsonl"]).expect(2);
    }
}

#[test]
fn the_same_content_is_not_stored_twice_while_it_is_unfinished() {
    let desk = Desk::new();
    desk.write("one.jsonl", plain_jobs(4));
    desk.write("copy.jsonl", plain_jobs(4));
    desk.run(&["submit", "one.jsonl", "--no-run"]).expect(0);
    let id = desk.only_run()["run_id"].as_str().unwrap().to_owned();
    let again = ["submit", "copy.jsonl", "--no-run", "--concurrency", "3"];
    desk.run(&again).expect(0).says(&[&id]);
    let input = plain_jobs(4);
    desk.run_with_input(&["submit", "-", "--no-run"], input.as_bytes())
        .expect(0)
        .says(&[&id]);
    let flags = ["--stagger", "1ms", "--max-attempts", "3"];
    desk.run(&[&["submit", "copy.jsonl"], &flags[..]].concat())
        .expect(0)
        .says(&[&id]);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 4);
    assert_eq!(desk.simulator.stats().requests, 4);
}

#[test]
fn other_request_shaping_makes_another_run() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", "{\"prompt\": \"Hello\"}\n");
    let submit = ["submit", "jobs.jsonl", "--no-run", "--model"];
    for flags in [
        &["claude-haiku-4-5"][..],
        &["claude-opus-5"],
        &["claude-opus-5", "--max-tokens", "9"],
        &["claude-opus-5", "--system", "Be brief."],
        &["claude-opus-5", "--temperature", "0.1"],
    ] {
        desk.run(&[&submit[..], flags].concat()).expect(0);
    }
    assert_eq!(desk.status().len(), 5);
    desk.run(&[&submit[..], &["claude-opus-5"]].concat())
        .expect(0);
    assert_eq!(desk.status().len(), 5);
}

#[test]
fn new_run_makes_a_second_one() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(2));
    desk.run(&["submit", "jobs.jsonl", "--no-run"]).expect(0);
    desk.run(&["submit", "jobs.jsonl", "--no-run", "--new-run"])
        .expect(0);
    assert_eq!(pending(&desk), [2, 2]);
}

#[test]
fn a_run_that_has_ended_is_never_continued() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(2));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    assert_eq!(desk.status().len(), 2);
    assert_eq!(desk.simulator.stats().requests, 4);
}

#[test]
fn dispatch_options_are_kept_with_the_run_and_resume_overrides_them() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: 500*9, ok]]"]));
    let flags = ["--max-attempts", "2", "--retry-scale", "0.001"];
    desk.run(&[&["submit", "jobs.jsonl", "--no-run"], &flags[..]].concat())
        .expect(0);
    desk.run(&["resume"]).expect(3);
    assert_eq!(desk.simulator.stats().requests, 2);
    desk.run(&["retry"]).expect(0);
    desk.run(&["resume", "--max-attempts", "3"]).expect(3);
    assert_eq!(desk.simulator.stats().requests, 5);
}

#[test]
fn a_run_that_halts_does_not_keep_the_next_one_waiting() {
    let desk = Desk::new();
    desk.write("one.jsonl", jobs(["[[sim: 403]]"]));
    desk.write("two.jsonl", plain_jobs(2));
    for file in ["one.jsonl", "two.jsonl"] {
        desk.run(&["submit", file, "--no-run"]).expect(0);
    }
    desk.run(&["resume"]).expect(4);
    assert_eq!(pending(&desk), [1, 0]);
    desk.run(&["resume", "latest"]).expect(0);
}
