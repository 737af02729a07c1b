//! A page as a list of fenced blocks, and a console block as a list of commands with what they print.

use std::fs;
use std::path::{Path, PathBuf};

/// A page of the repository.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    /// Relative to the repository, for messages.
    pub(crate) name: String,
    pub(crate) lines: Vec<String>,
    pub(crate) blocks: Vec<Block>,
}

/// A fenced block: ` ```language flag name=value `.
pub(crate) struct Block {
    /// Index of the first line behind the opening fence.
    pub(crate) start: usize,
    /// Index of the closing fence.
    pub(crate) end: usize,
    pub(crate) language: String,
    flags: Vec<String>,
}

/// A command of a console block.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) command: String,
    /// Lines of the page that show what the command prints.
    pub(crate) shown: std::ops::Range<usize>,
    /// The exit code that `echo $?` shows behind it; 0 without one.
    pub(crate) code: i32,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        let path = root().join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{name}: {why}"));
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        Self {
            blocks: blocks(name, &lines),
            path,
            name: name.to_owned(),
            lines,
        }
    }

    pub(crate) fn text_of(&self, block: &Block) -> String {
        let lines = &self.lines[block.start..block.end];
        lines
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect()
    }

    /// The commands of a block, with their places in the page.
    pub(crate) fn steps(&self, block: &Block) -> Vec<Step> {
        if block.language == "sh" {
            return self.lines_as_steps(block);
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut at = block.start;
        while at < block.end {
            let Some(first) = self.lines[at].strip_prefix("$ ") else {
                let step = steps.last_mut();
                let step = step.unwrap_or_else(|| {
                    panic!("{}:{}: output before any command", self.name, at + 1)
                });
                step.shown.end = at + 1;
                at += 1;
                continue;
            };
            let mut command = first.to_owned();
            while command.ends_with('\\') && at + 1 < block.end {
                at += 1;
                command = format!("{command}\n{}", self.lines[at]);
            }
            at += 1;
            steps.push(Step {
                command,
                shown: at..at,
                code: 0,
            });
        }
        self.with_codes(steps)
    }

    /// A block of commands alone, to be copied as it is.
    fn lines_as_steps(&self, block: &Block) -> Vec<Step> {
        let lines = (block.start..block.end).map(|at| Step {
            command: self.lines[at].clone(),
            shown: at + 1..at + 1,
            code: 0,
        });
        lines.collect()
    }

    /// Each `echo $?` becomes the exit code of the command before it.
    fn with_codes(&self, steps: Vec<Step>) -> Vec<Step> {
        let mut told: Vec<Step> = Vec::new();
        for step in steps {
            if step.command == "echo $?" {
                let shown = self.lines[step.shown.start].trim();
                let code = shown
                    .parse()
                    .unwrap_or_else(|_| panic!("{}: `echo $?` shows {shown}", self.name));
                told.last_mut().unwrap().code = code;
            } else {
                told.push(step);
            }
        }
        told
    }
}

impl Block {
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }

    /// Whether its commands are run.
    pub(crate) fn runs(&self) -> bool {
        matches!(self.language.as_str(), "console" | "sh") && !self.has("no-run")
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut pairs = self.flags.iter().filter_map(|flag| flag.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn flags(&self) -> &[String] {
        &self.flags
    }
}

fn blocks(page: &str, lines: &[String]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Vec<String>)> = None;
    for (at, line) in lines.iter().enumerate() {
        let Some(info) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        match open.take() {
            None => open = Some((at + 1, info.split_whitespace().map(str::to_owned).collect())),
            Some((start, mut flags)) => {
                assert!(info.is_empty(), "{page}:{}: a fence inside a fence", at + 1);
                assert!(
                    !flags.is_empty(),
                    "{page}:{start}: a fence without a language"
                );
                let language = flags.remove(0);
                blocks.push(Block {
                    start,
                    end: at,
                    language,
                    flags,
                });
            }
        }
    }
    assert!(open.is_none(), "{page}: a fence is not closed");
    blocks
}
