//! Tables for people: they fit what they are shown on, and the short ids in them are ids.

use std::fs::OpenOptions;
use std::io::Read;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::harness::{Desk, jobs, plain_jobs};

/// Three runs with long names everywhere, one of them with attempts of every length.
fn desk() -> Desk {
    let desk = Desk::new();
    let long = "a-file-of-jobs-with-a-name-that-goes-on-and-on.jsonl";
    desk.write(long, plain_jobs(12));
    desk.write(
        "jobs.jsonl",
        jobs([
            "Hello",
            "[[sim: 529*2, ok]]",
            "[[sim: refusal]]",
            "[[sim: 504, ok]]",
        ])
        .replace(
            "job-2",
            "the-second-job-of-a-file-whose-ids-are-rather-long",
        ),
    );
    let name = "the-run-of-the-night-before-last";
    desk.run(&["submit", long, "--no-run", "--name", name])
        .expect(0);
    desk.run(&["submit", long, "--no-run", "--new-run"])
        .expect(0);
    desk.run(&["submit", "jobs.jsonl", "--retry-scale", "0.01"])
        .expect(3);
    desk
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn tables_fit_eighty_columns() {
    let desk = desk();
    for line in [
        &["status"][..],
        &["attempts"],
        &["report", "--all", "--by", "run"],
        &["report", "--all", "--by", "model"],
    ] {
        let shown = desk.run(line).expect(0).stdout;
        assert!(widest(&shown) <= 80, "{line:?}\n{shown}");
    }
    // Nothing is lost: what has no room in its row stands below it.
    let attempts = desk.run(&["attempts"]).expect(0).stdout;
    for attempt in desk.attempts() {
        let request = attempt["request_id"].as_str().unwrap_or("-");
        assert!(attempts.contains(request), "{request}\n{attempts}");
    }
}

/// What the command shows on a terminal of that width.
fn on_terminal(desk: &Desk, args: &[&str], width: u16) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let mut options = OpenOptions::new();
    let slave = options
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&slave, size).unwrap();
    let mut child = desk.command(args).stdout(slave).spawn().unwrap();
    let mut shown = Vec::new();
    // It ends with an error when nobody has the other side any more.
    let _ = std::fs::File::from(master).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_wide_terminal_is_made_use_of_and_a_narrow_one_is_fitted() {
    let desk = desk();
    let wide = on_terminal(&desk, &["attempts"], 250);
    let head = wide.lines().next().unwrap();
    assert!(head.contains("CLASS") && head.contains("REQUEST"), "{wide}");
    assert!(
        wide.contains("the-second-job-of-a-file-whose-ids"),
        "{wide}"
    );
    let usual = on_terminal(&desk, &["status"], 80);
    assert!(widest(&usual) <= 80, "{usual}");
    let wide = on_terminal(&desk, &["status"], 250);
    assert!(widest(&wide) > 80 && wide.contains("CANCELED"), "{wide}");
    assert!(wide.contains("the-run-of-the-night-before-last"), "{wide}");
}

#[test]
fn the_short_id_of_a_run_is_taken_wherever_an_id_is() {
    let desk = desk();
    let shown = desk.run(&["status"]).expect(0).stdout;
    let is_row = |line: &&str| !line.starts_with([' ', 'R']);
    let short: Vec<_> = shown.lines().filter(is_row).collect();
    let short: Vec<_> = short
        .iter()
        .map(|row| row.split(' ').next().unwrap())
        .collect();
    let whole: Vec<_> = desk
        .status()
        .iter()
        .map(|run| run["run_id"].to_string())
        .collect();
    assert_eq!(short.len(), whole.len());
    for (short, whole) in short.iter().zip(&whole) {
        assert!(short.len() < 12, "{short}");
        let told = desk
            .run(&["status", short, "--json"])
            .expect(0)
            .json_lines();
        assert_eq!(told[0]["run_id"].to_string(), *whole);
    }
    let ended = short[2];
    for line in [
        &["attempts", ended][..],
        &["report", ended],
        &["export", ended, "-o", "results.jsonl"],
        &["batches", ended],
        &["verify", ended],
        &["retry", ended],
        &["resume", ended],
    ] {
        let output = desk.run(line);
        assert!(
            matches!(output.code, Some(0 | 3)),
            "{line:?}: {}",
            output.stderr
        );
    }
    desk.run(&["cancel", short[0]]).expect(0);
    assert_eq!(desk.status()[0]["jobs"]["canceled"], 12);
    assert_eq!(desk.status()[1]["jobs"]["pending"], 12);
    desk.run(&["status", "fffffff"])
        .expect(2)
        .says(&["its beginning or end"]);
}
