//! What cannot be used, and how that is told: each message says what happened, where, and what to
//! do. One snapshot a group holds commands, exit codes and messages as the user sees them.

mod config;
mod environment;
mod files;
mod flags;
mod lines;
mod stores;
mod targets;

use std::fmt::Write as _;

use crate::harness::{Desk, Output};

/// Internals that no message may show: forms of `Debug`, types, words of the standard library.
const INTERNALS: [&str; 14] = [
    "Some(",
    "None",
    "Err(",
    "Ok(",
    "Os {",
    "kind:",
    "{ ",
    "::",
    "PathBuf",
    "panicked",
    "unwrap",
    "invalid digit",
    "expected ident",
    "relative URL",
];

/// What was told of each case so far.
struct Told {
    text: String,
    /// Places and ports of this test alone, and what stands for them.
    shown: Vec<(String, &'static str)>,
}

impl Told {
    fn at(desk: &Desk) -> Self {
        let folder = desk.path("");
        let folder = folder.display().to_string();
        let port = desk.simulator.base_url();
        let port = port.rsplit(':').next().unwrap().to_owned();
        Self {
            text: String::new(),
            shown: vec![
                (format!("{folder}."), "FOLDER/."),
                (folder, "FOLDER/"),
                (format!(":{port}"), ":PORT"),
            ],
        }
    }

    /// One case: it ends with this code, and its message is one.
    #[track_caller]
    fn case(&mut self, about: &str, args: &[&str], code: i32, output: Output) {
        let output = output.expect(code);
        assert!(output.stdout.is_empty(), "{output}");
        assert!(output.stderr.contains("error: "), "{output}");
        let has_remedy = ["\n  next: ", "try '--help'", "[possible values: "]
            .iter()
            .any(|remedy| output.stderr.contains(remedy));
        assert!(has_remedy, "{output}");
        for internal in INTERNALS {
            assert!(
                !output.stderr.contains(internal),
                "`{internal}` in {output}"
            );
        }
        let mut told = output
            .stderr
            .replace("\nFor more information, try '--help'.\n", "");
        for (own, shown) in &self.shown {
            told = told.replace(own, shown);
        }
        let args = args.iter().map(|arg| quoted(arg)).collect::<Vec<_>>();
        let about = if about.is_empty() {
            String::new()
        } else {
            format!("   # {about}")
        };
        let (args, told) = (args.join(" "), told.trim_end());
        writeln!(self.text, "$ claude-run {args}{about}\n[{code}] {told}\n").unwrap();
    }

    /// A case that needs nothing else than these arguments.
    #[track_caller]
    fn run(&mut self, desk: &Desk, args: &[&str], code: i32) {
        self.case("", args, code, desk.run(args));
    }

    fn text(&self) -> &str {
        self.text.trim_end()
    }
}

/// An argument as one would type it.
fn quoted(arg: &str) -> String {
    if arg.is_empty() || arg.contains(|c: char| c.is_whitespace() || "$'\"".contains(c)) {
        format!("{arg:?}")
    } else {
        arg.to_owned()
    }
}

/// Content as it may stand in a snapshot: on one line, and not for long.
fn shown(content: &[u8]) -> String {
    const MOST: usize = 70;
    let text = content.escape_ascii().to_string();
    let text = text.replace("\\\"", "\"").replace("\\'", "'");
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
