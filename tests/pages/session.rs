//! Carries a page out: writes its files, runs its commands, and compares what they print.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{BINARY, Desk, wait_until};
use crate::page::{Block, Page, Step, root};
use crate::shape::{fits, shape, without_progress};

/// Set (to anything), it makes this test write into the pages what the commands print now.
const UPDATE: &str = "UPDATE_DOCS";
/// Longest that a command of a page may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// Answers that an interrupted run has at least.
const ANSWERS: u64 = 40;
/// The port that pages use for `claude-run simulate`; each session takes a free one instead.
const PORT: &str = "8080";

/// One page's folder, and what goes on in it.
pub(crate) struct Session {
    desk: Desk,
    port: String,
    /// Commands that the page left running with `&`.
    beside: Vec<Child>,
    /// The `export` lines so far, for every command that follows.
    exports: String,
}

/// What a command printed, on both streams as a terminal shows them, and its exit code.
struct Said {
    lines: Vec<String>,
    code: Option<i32>,
}

/// Runs every command of a page, in order, and asserts that the page shows what they print.
pub(crate) fn run_page(name: &str) {
    let page = Page::read(name);
    let update = std::env::var_os(UPDATE).is_some();
    let mut session = Session::new();
    let mut commands = 0;
    let mut written: Vec<(std::ops::Range<usize>, Vec<String>)> = Vec::new();
    for block in &page.blocks {
        if let Some(file) = block.value("file") {
            session.write(file, &page.text_of(block));
        }
        if !block.runs() {
            continue;
        }
        for step in page.steps(block) {
            commands += 1;
            let Some(said) = session.run(&page, &step) else {
                continue;
            };
            if let Some(lines) = differing(&page, block, &step, &said, update) {
                written.push((step.shown, lines));
            }
        }
    }
    assert!(commands > 0, "{name} shows no command that runs");
    if !written.is_empty() {
        rewrite(page, written);
    }
}

/// What the page should show instead, while pages are being written; else a difference is a failure.
fn differing(
    page: &Page,
    block: &Block,
    step: &Step,
    said: &Said,
    update: bool,
) -> Option<Vec<String>> {
    let vary = block.has("numbers-vary");
    let shown = page.lines[step.shown.clone()].to_vec();
    let place = format!("{}:{}: `{}`", page.name, step.shown.start, step.command);
    assert_eq!(
        said.code,
        Some(step.code),
        "{place} printed\n{}",
        said.lines.join("\n")
    );
    if shown.is_empty() {
        return None;
    }
    let shapes = |lines: &[String]| {
        let lines = without_progress(lines.to_vec());
        lines
            .iter()
            .filter(|line| *line != "^C")
            .map(|line| shape(line, vary))
            .collect::<Vec<_>>()
    };
    if fits(&shapes(&shown), &shapes(&said.lines)) {
        return None;
    }
    assert!(
        update,
        "{place} shows\n{}\nand printed\n{}\n\nIf the change is meant: {UPDATE}=1 cargo test --test pages, then shorten what it wrote",
        shown.join("\n"),
        said.lines.join("\n")
    );
    Some(without_progress(said.lines.clone()))
}

fn rewrite(page: Page, written: Vec<(std::ops::Range<usize>, Vec<String>)>) {
    let mut lines = page.lines;
    // From the end, so that the places before stay what they are.
    for (range, new) in written.into_iter().rev() {
        lines.splice(range, new);
    }
    fs::write(&page.path, lines.join("\n") + "\n").unwrap();
    eprintln!("{} was written anew: read what changed", page.name);
}

impl Session {
    fn new() -> Self {
        let mut desk = Desk::new();
        symlink(root().join("examples"), desk.path("examples")).unwrap();
        let bin = desk.path(".bin");
        fs::create_dir(&bin).unwrap();
        symlink(BINARY, bin.join("claude-run")).unwrap();
        let system = std::env::var("PATH").unwrap();
        desk.set("PATH", &format!("{}:{system}", bin.display()));
        fs::create_dir_all(desk.path(".config/claude-run")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        Self {
            desk,
            port,
            beside: Vec::new(),
            exports: String::new(),
        }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.desk.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace(PORT, &self.port)).unwrap();
    }

    /// None if the machine lacks a tool that the command uses.
    fn run(&mut self, page: &Page, step: &Step) -> Option<Said> {
        if step.command.starts_with("export ") {
            self.exports.push_str(&step.command);
            self.exports.push('\n');
        }
        if let Some(tool) = missing_tool(&step.command) {
            eprintln!("{tool} is not installed: `{}` did not run", step.command);
            return None;
        }
        self.shorten_waits(&step.command);
        // The pages are for people who have built it already, but for the first command of all.
        let command = step
            .command
            .replace("cargo run --release -- ", "claude-run ");
        let command = command.replace(PORT, &self.port);
        if let Some(command) = command.strip_suffix('&') {
            return Some(self.start_beside(command, step.shown.len().max(1)));
        }
        let shown = &page.lines[step.shown.clone()];
        let Some(interrupt) = shown.iter().position(|line| line == "^C") else {
            return Some(self.wait(self.shell(&command), None));
        };
        // Without a shell in between, which would take the signal for itself.
        let awaited = shape(&shown[interrupt - 1], true);
        Some(self.wait(self.shell(&format!("exec {command}")), Some(&awaited)))
    }

    /// Real waits before retries would make the test slow. What only reads shows the real ones.
    fn shorten_waits(&self, command: &str) {
        let file = self.desk.path(".config/claude-run/config.toml");
        if command.contains("submit") || command.contains("resume") {
            fs::write(file, "[retry]\nscale = 0.01\n").unwrap();
        } else if file.exists() {
            fs::remove_file(file).unwrap();
        }
    }

    fn shell(&self, command: &str) -> Command {
        let bare = self.desk.command(&[]);
        let variables = bare
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        let mut shell = Command::new("bash");
        let both = format!("exec 2>&1\n{}{command}", self.exports);
        shell
            .args(["--norc", "-c", &both])
            .current_dir(self.desk.path(""))
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null());
        shell
    }

    /// Runs a command to its end, and interrupts it when it has printed a line of this shape.
    fn wait(&self, mut shell: Command, awaited: Option<&str>) -> Said {
        let mut child = shell.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (sender, pieces) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                let _ = sender.send(buffer[..count].to_vec());
            }
        });
        let mut bytes = Vec::new();
        let mut awaited = awaited;
        while let Ok(piece) = pieces.recv_timeout(PATIENCE) {
            bytes.extend(piece);
            let text = String::from_utf8_lossy(&bytes);
            if awaited.is_some_and(|line| text.lines().any(|said| shape(said, true) == line)) {
                awaited = None;
                self.wait_for_answers(&mut child);
                interrupt(&child);
            }
        }
        reader.join().unwrap();
        let code = child.wait().unwrap().code();
        let text = String::from_utf8(bytes).unwrap();
        Said {
            lines: self.lines(&text),
            code,
        }
    }

    /// Until some jobs have their answer: an interruption before that would show little.
    fn wait_for_answers(&self, child: &mut Child) {
        wait_until("answers", || {
            let running = self
                .desk
                .status()
                .into_iter()
                .find(|run| run["state"] == "running");
            let answers = running.and_then(|run| run["jobs"]["succeeded"].as_u64());
            answers.is_some_and(|count| count >= ANSWERS) || child.try_wait().unwrap().is_some()
        });
    }

    /// What a reader of the page would see: no line about the test's simulator, and the page's port.
    fn lines(&self, text: &str) -> Vec<String> {
        let ours = self.desk.simulator.base_url();
        let ours = ours.trim_start_matches("http://");
        let is_ours = |line: &&str| line.contains("requests go to") && line.contains(ours);
        let folder = self.desk.path("").display().to_string();
        let lines = text.lines().filter(|line| !is_ours(line));
        lines
            .map(|line| {
                line.replace(&self.port, PORT)
                    .replace(folder.trim_end_matches('/'), "/home/you")
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    fn start_beside(&mut self, command: &str, lines: usize) -> Said {
        let mut shell = self.shell(&format!("exec {command}"));
        let mut child = shell.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut text = String::new();
        let mut byte = [0];
        // It says where it listens; what it prints later is nobody's.
        while text.matches('\n').count() < lines && stdout.read(&mut byte).unwrap() == 1 {
            text.push(char::from(byte[0]));
        }
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        self.beside.push(child);
        Said {
            lines: self.lines(&text),
            code: Some(0),
        }
    }
}

/// A program beside ours that the command uses and that is not installed here.
fn missing_tool(command: &str) -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap();
    let is_there =
        |tool: &str| std::env::split_paths(&path).any(|folder| folder.join(tool).exists());
    let mut tools = ["jq", "curl", "gzip"].into_iter();
    tools.find(|tool| command.split_whitespace().any(|word| word == *tool) && !is_there(tool))
}

fn interrupt(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}

impl Drop for Session {
    fn drop(&mut self) {
        for child in &mut self.beside {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
