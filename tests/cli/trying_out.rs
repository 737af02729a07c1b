//! Trying things out: simulated runs, names, the list of faults, and the shell's help.

use std::process::Command;

use crate::harness::{Desk, plain_jobs};

#[test]
fn a_simulated_run_with_batches_can_be_resumed() {
    let lines = [
        "claude-run submit examples/prompts.jsonl --simulate --lane batch --no-wait",
        "claude-run resume",
    ];
    let desk = Desk::new();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    std::os::unix::fs::symlink(root, desk.path("examples")).unwrap();
    let args = |line: &'static str| line.split(' ').skip(1).collect::<Vec<_>>();
    desk.run(&args(lines[0])).expect(0);
    // The simulator went with its process, and its batches with it: they are made again, and again.
    desk.run(&[args(lines[1]), vec!["--no-wait"]].concat())
        .expect(0);
    let output = desk.run(&args(lines[1]));
    assert!(matches!(output.code, Some(0 | 3)), "{output}");
    assert!(!output.stderr.contains("bug"), "{output}");
    let run = desk.only_run();
    assert_eq!(run["state"], "ended", "{run}");
    assert_eq!(run["jobs"]["pending"], 0);
    desk.run(&["verify"]).expect(0);
}

#[test]
fn a_name_given_to_an_unfinished_run_is_kept_and_a_shared_one_is_told() {
    let desk = Desk::new();
    desk.write("a.jsonl", plain_jobs(2));
    desk.write("b.jsonl", plain_jobs(3));
    desk.run(&["submit", "a.jsonl", "--no-run"]).expect(0);
    for name in ["night", "late"] {
        desk.run(&["submit", "a.jsonl", "--no-run", "--name", name])
            .expect(0)
            .says(&[&format!("is called `{name}` from now on")]);
        assert_eq!(desk.only_run()["name"], name);
    }
    let again = desk
        .run(&["submit", "a.jsonl", "--no-run", "--name", "late"])
        .expect(0);
    assert!(!again.stderr.contains("is called"), "{again}");
    let shared = desk
        .run(&["submit", "b.jsonl", "--no-run", "--name", "late"])
        .expect(0);
    let newest = desk.status()[1]["run_id"].as_str().unwrap().to_owned();
    assert!(
        shared
            .stderr
            .contains("another run is called `late` already: the name means the newest"),
        "{shared}"
    );
    assert!(shared.stderr.contains(&newest), "{shared}");
    desk.run(&["cancel", "late"]).expect(0);
    assert_eq!(desk.status()[1]["jobs"]["canceled"], 3);
}

#[test]
fn every_fault_of_the_simulator_is_listed() {
    let desk = Desk::new();
    let listed = desk.run(&["simulate", "--list-faults"]).expect(0).stdout;
    let cases: Vec<_> = claude_run::simulator::Case::all().collect();
    assert_eq!(listed.lines().count(), cases.len());
    for (line, case) in listed.lines().zip(cases) {
        let (name, about) = line.split_once("  ").unwrap();
        assert_eq!((name, about.trim()), (case.name(), case.about()));
    }
}

/// What bash offers at the end of this line.
fn offered(desk: &Desk, words: &[&str]) -> Vec<String> {
    let script = desk.run(&["completions", "bash"]).expect(0).stdout;
    desk.write("completions.bash", script);
    let (last, before) = words.split_last().unwrap();
    let quoted = words
        .iter()
        .map(|word| format!("'{word}'"))
        .collect::<Vec<_>>();
    let ask = format!(
        "claude-run() {{ {binary} \"$@\"; }}; source completions.bash; COMP_WORDS=({list}); COMP_CWORD={place}; _claude_run_with_runs claude-run '{last}' '{previous}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        binary = crate::harness::BINARY,
        list = quoted.join(" "),
        place = before.len(),
        previous = before.last().unwrap(),
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &ask])
        .current_dir(desk.path(""))
        .output();
    let output = output.unwrap();
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_behind_the_command_and_runs_by_name() {
    let desk = Desk::new();
    assert!(offered(&desk, &["claude-run", "su"]).contains(&"submit".to_owned()));
    assert_eq!(
        offered(&desk, &["claude-run", "submit", "--retry-sc"]),
        ["--retry-scale"]
    );
    assert_eq!(offered(&desk, &["claude-run", "batches", "ado"]), ["adopt"]);
    desk.write("a.jsonl", plain_jobs(1));
    desk.run(&["submit", "a.jsonl", "--no-run", "--name", "nightly"])
        .expect(0);
    assert_eq!(
        offered(&desk, &["claude-run", "resume", "nigh"]),
        ["nightly"]
    );
    assert_eq!(offered(&desk, &["claude-run", "status", "lat"]), ["latest"]);
    let id = desk.only_run()["run_id"].as_str().unwrap().to_owned();
    assert_eq!(offered(&desk, &["claude-run", "cancel", &id[..8]]), [id]);
    // A name is a word and nothing that a shell carries out.
    desk.run(&[
        "submit",
        "a.jsonl",
        "--no-run",
        "--name",
        "odd$(touch made)",
    ])
    .expect(0);
    assert_eq!(
        offered(&desk, &["claude-run", "resume", "odd"]),
        ["odd\\$\\(touch\\ made\\)"]
    );
    assert!(!desk.path("made").exists());
}
