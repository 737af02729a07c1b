//! Those who watch a run (a terminal, a pipe, a FIFO, a reader of `--events`) and do not read, or
//! go away: the run goes on.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};
use serde_json::json;

use crate::harness::{Desk, jobs, json_lines, plain_jobs, wait_until};

/// A pipe into which nothing more goes.
pub(crate) fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

fn fifo(path: &Path) {
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn a_standard_error_that_nobody_reads_stops_nothing() {
    for args in [
        &["submit", "jobs.jsonl"][..],
        &["submit", "jobs.jsonl", "-vvv"],
        &["submit", "jobs.jsonl", "--quiet"],
        &["submit", "jobs.jsonl", "--quiet", "-v"],
    ] {
        let desk = Desk::new();
        desk.write("jobs.jsonl", plain_jobs(50));
        let (_reader, writer) = full_pipe();
        let status = desk.command(args).stderr(writer).status().unwrap();
        // The last one contradicts itself, and even that is not waited for.
        let refused = args.len() == 4;
        assert_eq!(status.code(), Some(if refused { 2 } else { 0 }), "{args:?}");
        if !refused {
            assert_eq!(desk.only_run()["jobs"]["succeeded"], 50);
        }
    }
}

/// The log's own library panics over a closed standard error if it is let.
#[test]
fn a_standard_error_that_was_closed_stops_nothing() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(50));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = desk.command(&["submit", "jobs.jsonl", "-vvv"]);
    let status = command.stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 50);
}

#[test]
fn events_to_a_fifo_that_nobody_opens_stop_nothing() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(5));
    fifo(&desk.path("events"));
    desk.run(&["submit", "jobs.jsonl", "--events", "events"])
        .expect(0)
        .says(&["warning: events was not read to its end"]);
}

#[test]
fn events_to_a_fifo_whose_reader_stalls_stop_nothing() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(500));
    fifo(&desk.path("events"));
    // Opened for both, so that it needs no second side; and never read.
    let path = desk.path("events");
    let _stalled = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    desk.run(&["submit", "jobs.jsonl", "--events", "events"])
        .expect(0)
        .says(&["warning: events was not read to its end"]);
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 500);
}

#[test]
fn events_to_a_fifo_reach_its_reader() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(500));
    fifo(&desk.path("events"));
    let path = desk.path("events");
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    });
    desk.run(&["submit", "jobs.jsonl", "--events", "events"])
        .expect(0);
    let events = json_lines(&reading.join().unwrap());
    let ended = events.iter().filter(|event| event["type"] == "job_ended");
    assert_eq!(ended.count(), 500);
    assert_eq!(events.last().unwrap()["type"], "run_ended");
}

#[test]
fn events_to_a_dash_are_standard_output() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(3));
    let ended = desk
        .run(&["submit", "jobs.jsonl", "--events", "-"])
        .expect(0);
    let events = ended.json_lines();
    assert_eq!(events[0]["type"], "run_started");
    assert_eq!(events.last().unwrap()["reason"], json!("completed"));
    assert!(!desk.path("-").exists());
}

#[test]
fn a_reader_of_events_that_goes_away_is_told_of_and_stops_nothing() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(300));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = desk.command(&["submit", "jobs.jsonl", "--events", "-"]);
    let output = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("no more events are written to standard output"),
        "{said}"
    );
}

/// A terminal of our own; what is written to it is kept.
struct Terminal {
    master: Arc<File>,
    slave: File,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn open() -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let mut options = OpenOptions::new();
        let slave = options.read(true).write(true).open(name.to_str().unwrap());
        let size = rustix::termios::Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let slave = slave.unwrap();
        rustix::termios::tcsetwinsize(&slave, size).unwrap();
        Self {
            master: Arc::new(File::from(master)),
            slave,
            seen: Arc::default(),
        }
    }

    /// Reads what is written, as a terminal does, until it is gone.
    fn read(&self) {
        let (master, seen) = (Arc::clone(&self.master), Arc::clone(&self.seen));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length) = (&*master).read(&mut piece) {
                seen.lock().unwrap().extend_from_slice(&piece[..length]);
            }
        });
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// The command as a shell's child on this terminal, in a session of its own.
    fn command(&self, desk: &Desk, line: &str) -> std::process::Command {
        let mut command = std::process::Command::new("setsid");
        let plain = desk.command(&[]);
        command
            .args(["--ctty", "/bin/sh", "-c", line])
            .env_clear()
            .envs(
                plain
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env("TERM", "xterm")
            .env("PATH", std::env::var_os("PATH").unwrap())
            .current_dir(desk.path(""))
            .stdin(self.slave.try_clone().unwrap())
            .stdout(self.slave.try_clone().unwrap())
            .stderr(self.slave.try_clone().unwrap());
        command
    }
}

/// The shell gets a hang-up, and the system sends one more when the shell has ended.
#[test]
fn a_terminal_that_goes_away_is_one_wish_to_stop() {
    let desk = Desk::new();
    let slow = (0..30).map(|n| format!("{n} [[sim: ok delay=700ms]]"));
    desk.write("jobs.jsonl", jobs(slow));
    let terminal = Terminal::open();
    let binary = crate::harness::BINARY;
    let line = format!("{binary} submit jobs.jsonl --concurrency 3; echo over");
    let mut shell = terminal.command(&desk, &line).spawn().unwrap();
    desk.wait_for_open(3);
    drop(terminal);
    shell.wait().unwrap();
    wait_until("the run to be left", || {
        desk.only_run()["state"] == "interrupted"
    });
    let sent = desk.simulator.stats().requests;
    assert!(sent < 30);
    let report = desk.report();
    assert_eq!(report["jobs"]["succeeded"], sent);
    assert_eq!(report["attempts"]["interrupted"], 0);
}

#[test]
fn a_run_that_ignores_the_hangup_goes_on_without_its_terminal() {
    for flags in ["", "-vvv"] {
        let desk = Desk::new();
        let slow = (0..6).map(|n| format!("{n} [[sim: ok delay=400ms]]"));
        desk.write("jobs.jsonl", jobs(slow));
        let terminal = Terminal::open();
        let binary = crate::harness::BINARY;
        let line = format!(
            "trap '' HUP; {binary} submit jobs.jsonl --concurrency 2 {flags}; echo $? > code"
        );
        let mut shell = terminal.command(&desk, &line).spawn().unwrap();
        desk.wait_for_open(2);
        drop(terminal);
        shell.wait().unwrap();
        assert_eq!(desk.read("code"), "0\n");
        assert_eq!(desk.only_run()["jobs"]["succeeded"], 6);
    }
}

/// What a terminal of 80 columns shows after all that, without the lines that are empty.
fn screen(text: &str) -> Vec<String> {
    let (mut lines, mut row, mut column) = (vec![Vec::new()], 0_usize, 0_usize);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "{text:?}");
                let mut number = String::new();
                while rest.peek().is_some_and(|c| !c.is_ascii_alphabetic()) {
                    number.extend(rest.next());
                }
                let n = number.parse().unwrap_or(1);
                match rest.next().unwrap() {
                    'A' => row = row.saturating_sub(n),
                    'B' => row += n,
                    'K' => lines[row].clear(),
                    _ => {}
                }
            }
            c => {
                if column == 80 {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line: &mut Vec<char> = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    let lines = lines
        .into_iter()
        .map(|line| line.into_iter().collect::<String>());
    lines.filter(|line| !line.trim().is_empty()).collect()
}

#[test]
fn ctrl_c_leaves_no_dead_copy_of_the_bar() {
    let desk = Desk::new();
    let slow = (0..8).map(|n| format!("{n} [[sim: ok delay=1500ms]]"));
    desk.write("jobs.jsonl", jobs(slow));
    let terminal = Terminal::open();
    terminal.read();
    let binary = crate::harness::BINARY;
    // The keyboard reaches the shell, too, which must live to tell.
    let line = format!("trap : INT; {binary} submit jobs.jsonl --concurrency 2; echo code $?");
    let mut shell = terminal.command(&desk, &line).spawn().unwrap();
    desk.wait_for_open(2);
    wait_until("a bar", || terminal.text().contains("in flight 2"));
    // What the keyboard sends: the terminal shows it, and makes a signal of it.
    (&*terminal.master).write_all(b"\x03").unwrap();
    wait_until("the end", || terminal.text().contains("code "));
    let _ = shell.wait();
    let shown = screen(&terminal.text());
    let told = shown.join("\n");
    assert!(terminal.text().contains("^C"), "{told}");
    assert!(told.contains("stopping: no new request starts"), "{told}");
    assert!(told.contains("code 130"), "{told}");
    assert!(!told.contains(" · "), "no line of a bar is left: {told}");
}

/// Ctrl-S: the terminal takes nothing until Ctrl-Q.
#[test]
fn a_terminal_that_was_stopped_stops_nothing() {
    let desk = Desk::new();
    let slow = (0..40).map(|n| format!("{n} [[sim: ok delay=100ms]]"));
    desk.write("jobs.jsonl", jobs(slow));
    let terminal = Terminal::open();
    let binary = crate::harness::BINARY;
    let line = format!("{binary} submit jobs.jsonl --concurrency 2 -vvv; echo $? > code");
    let mut shell = terminal.command(&desk, &line).spawn().unwrap();
    desk.wait_for_requests(1);
    (&*terminal.master).write_all(b"\x13").unwrap();
    wait_until("the end", || {
        std::fs::read_to_string(desk.path("code")).is_ok_and(|code| code == "0\n")
    });
    shell.wait().unwrap();
    assert_eq!(desk.only_run()["jobs"]["succeeded"], 40);
}

#[test]
fn a_quiet_run_says_why_it_was_halted_and_nothing_else() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", jobs(["[[sim: 401]]"]));
    let ended = desk
        .run(&["submit", "jobs.jsonl", "--quiet"])
        .expect(4)
        .clear_error();
    let first = ended.stderr.lines().next().unwrap();
    assert!(first.contains("was halted: authentication"), "{ended}");
    assert_eq!(ended.stderr.lines().count(), 3, "{ended}");
    desk.write("good.jsonl", plain_jobs(1));
    let ended = desk.run(&["submit", "good.jsonl", "--quiet"]).expect(0);
    assert_eq!(ended.stderr, "");
}

/// A log that was pasted, with the colours of the terminal that it came from and worse.
#[test]
fn explain_writes_out_what_a_terminal_would_obey() {
    let desk = Desk::new();
    let pasted = "\u{1b}[31mHTTP 529\u{1b}[0m {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"a\\u001b[2Jb\\u009b2Jc\\u202ed\"}}";
    for args in [&["explain", "-"][..], &["explain", "-", "--json"]] {
        let told = desk.run_with_input(args, pasted.as_bytes()).expect(0);
        assert!(told.stdout.contains("overloaded"), "{told}");
        assert!(!told.stdout.contains('\u{1b}'), "{told}");
        let is_text = args.len() == 2;
        assert!(
            !is_text || !told.stdout.contains(['\u{9b}', '\u{202e}']),
            "{told}"
        );
    }
}

/// On a terminal alone: a file gets every byte as it is.
#[test]
fn json_on_a_terminal_holds_nothing_that_it_obeys() {
    let desk = Desk::new();
    let id = "a\u{9b}2J\u{202e}b";
    let line = serde_json::json!({"custom_id": id, "model": crate::harness::MODEL, "prompt": "x"});
    desk.write("jobs.jsonl", format!("{line}\n"));
    desk.run(&["submit", "jobs.jsonl"]).expect(0);
    let piped = desk.run(&["attempts", "--json"]).expect(0);
    assert!(piped.stdout.contains(id));
    let terminal = Terminal::open();
    terminal.read();
    let binary = crate::harness::BINARY;
    let mut shell = terminal.command(
        &desk,
        &format!("{binary} attempts --json; {binary} attempts; echo over"),
    );
    let mut shell = shell.spawn().unwrap();
    wait_until("the end", || terminal.text().contains("over"));
    shell.wait().unwrap();
    let text = terminal.text();
    assert!(text.contains("a\\u009b2J\\u202eb"), "{text:?}");
    assert!(!text.contains(['\u{9b}', '\u{202e}']), "{text:?}");
}
