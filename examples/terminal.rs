//! Draws `docs/terminal.svg`: what a terminal shows in the middle of a simulated run.
//!
//!     cargo build && cargo run --example terminal > docs/terminal.svg
//!
//! The program runs in a pseudo-terminal, what it writes goes through a terminal emulator, and the screen is
//! drawn when a bit more than half of the jobs are done. The colours follow the reader's light or dark scheme.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a small program for the people who work on this one"
)]

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use vt100::{Cell, Color, Parser, Screen};

const COLUMNS: u16 = 110;
const ROWS: u16 = 18;
const PROMPT: &str = "\x1b[1m$\x1b[0m claude-run submit examples/prompts.jsonl --simulate\r\n";
/// How many of the 200 jobs are done in the picture, at least.
const DONE: u32 = 120;
const CELL_WIDTH: f32 = 8.4;
const LINE_HEIGHT: f32 = 20.0;
const MARGIN: f32 = 20.0;
const TITLE_BAR: f32 = 34.0;

fn main() {
    let mut screen = Parser::new(
        NonZero::new(ROWS).unwrap(),
        NonZero::new(COLUMNS).unwrap(),
        0,
    );
    screen.process(PROMPT.as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    symlink(root.join("examples"), folder.path().join("examples")).unwrap();
    let (mut ours, theirs) = terminal();
    let mut child = Command::new(program())
        .args([
            "submit",
            "examples/prompts.jsonl",
            "--simulate",
            "--seed",
            "7",
        ])
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .env("TERM", "xterm-256color")
        .stdin(Stdio::null())
        .stdout(theirs.try_clone().unwrap())
        .stderr(theirs)
        .spawn()
        .unwrap();
    let mut picture = None;
    let mut buffer = [0; 4096];
    // Reading fails when the program has ended and its side of the terminal is closed.
    while let Ok(count @ 1..) = ours.read(&mut buffer) {
        screen.process(&buffer[..count]);
        if picture.is_none() && done(screen.screen()) >= DONE {
            picture = Some(svg(screen.screen()));
        }
    }
    child.wait().unwrap();
    println!("{}", picture.unwrap());
}

/// The binary beside this example's folder.
fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    this.parent()
        .and_then(Path::parent)
        .unwrap()
        .join("claude-run")
}

/// Both sides of a pseudo-terminal of the picture's size.
fn terminal() -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let size = Winsize {
        ws_row: ROWS,
        ws_col: COLUMNS,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&theirs, size).unwrap();
    (File::from(ours), theirs.into())
}

/// How many jobs the bars say are done: the number before `/200`.
fn done(screen: &Screen) -> u32 {
    let text = screen.contents();
    let before = text
        .split("/200")
        .next()
        .filter(|before| before.len() < text.len());
    let digits = before.and_then(|before| before.rsplit(|c: char| !c.is_ascii_digit()).next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn svg(screen: &Screen) -> String {
    let rows = screen.rows(0, COLUMNS).collect::<Vec<_>>();
    let used = rows
        .iter()
        .rposition(|row| !row.trim().is_empty())
        .map_or(0, |last| last + 1);
    let width = f32::from(COLUMNS).mul_add(CELL_WIDTH, 2.0 * MARGIN);
    let used = u16::try_from(used).unwrap();
    let height = f32::from(used).mul_add(LINE_HEIGHT, TITLE_BAR + MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"claude-run at work in a terminal\" xml:space=\"preserve\">\n<desc>Generated: cargo build; cargo run --example terminal; see CONTRIBUTING.md</desc>\n{STYLE}<rect class=\"page\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\"/>\n"
    );
    for (at, color) in ["#ff5f57", "#febc2e", "#28c840"].iter().enumerate() {
        let x = 20 + 20 * at;
        writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"17\" r=\"6\" fill=\"{color}\"/>"
        )
        .unwrap();
    }
    for row in 0..used {
        let y = f32::from(row).mul_add(LINE_HEIGHT, TITLE_BAR + 14.0);
        line(&mut svg, screen, row, y);
    }
    svg + "</svg>"
}

/// One row, a piece of text for each stretch of one style.
fn line(svg: &mut String, screen: &Screen, row: u16, y: f32) {
    let mut column = 0;
    while column < COLUMNS {
        let first = screen.cell(row, column).unwrap();
        let from = column;
        let mut text = String::new();
        while column < COLUMNS && style(screen.cell(row, column).unwrap()) == style(first) {
            let contents = screen.cell(row, column).unwrap().contents();
            text += if contents.is_empty() { " " } else { contents };
            column += 1;
        }
        let shown = text.trim();
        if shown.is_empty() {
            continue;
        }
        let indent = text.chars().take_while(|c| *c == ' ').count();
        let x = f32::from(from + u16::try_from(indent).unwrap()).mul_add(CELL_WIDTH, MARGIN);
        // The width is given, so that columns stay columns whatever font the reader has.
        let length = f32::from(u16::try_from(shown.chars().count()).unwrap()) * CELL_WIDTH;
        let shown = shown
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        writeln!(
            svg,
            "<text class=\"{}\" x=\"{x:.1}\" y=\"{y:.0}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\">{shown}</text>",
            style(first)
        )
        .unwrap();
    }
}

/// The classes of a cell's colour and weight.
fn style(cell: &Cell) -> String {
    let color = match cell.fgcolor() {
        Color::Idx(index @ 1..=6) => format!("c{index}"),
        Color::Idx(index @ 9..=14) => format!("c{}", index - 8),
        _ => "plain".to_owned(),
    };
    let bold = if cell.bold() { " bold" } else { "" };
    let dim = if cell.dim() || cell.fgcolor() == Color::Idx(8) {
        " dim"
    } else {
        ""
    };
    format!("{color}{bold}{dim}")
}

const STYLE: &str = "<style>
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre; }
.page { fill: #f6f8fa; stroke: #d0d7de; } .plain { fill: #1f2328; } .bold { font-weight: bold; } .dim { opacity: .65; }
.c1 { fill: #cf222e; } .c2 { fill: #116329; } .c3 { fill: #7d4e00; } .c4 { fill: #0969da; } .c5 { fill: #8250df; } .c6 { fill: #1b7c83; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; stroke: #30363d; } .plain { fill: #e6edf3; }
.c1 { fill: #ff7b72; } .c2 { fill: #3fb950; } .c3 { fill: #d29922; } .c4 { fill: #58a6ff; } .c5 { fill: #bc8cff; } .c6 { fill: #39c5cf; }
}
</style>
";
