//! `docs/reference/commands.md` and the man pages say what clap knows of the command line.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use clap::{Arg, Command, CommandFactory as _};
use claude_run::cli::args::Cli;

use crate::generated::{assert_generated, in_repository, is_updating};

const MAN: &str = "docs/reference/man";
const HEAD: &str = "\
# Commands

Generated from the command line's own definition (`src/cli/args/`): `claude-run COMMAND --help` says the same. To change it, change that and run
`UPDATE_DOCS=1 cargo test --test docs`. The man pages are in [`man/`](man/).

`RUN` is a run id, the beginning or the end of one, a name, or `latest`. Without it a command means the latest run; `resume` alone takes every
unfinished one. Durations are a number and a unit: `200ms`, `90s`, `15m`, `6h`.
";

/// The command line with every name, heading and default filled in.
fn built() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// Every command that does something, by its whole name (`claude-run batches adopt`).
fn all<'a>(command: &'a Command, name: &str, found: &mut Vec<(String, &'a Command)>) {
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        let name = format!("{name} {}", sub.get_name());
        found.push((name.clone(), sub));
        all(sub, &name, found);
    }
}

fn page() -> String {
    let command = built();
    let mut commands = Vec::new();
    all(&command, "claude-run", &mut commands);
    let mut page = HEAD.to_owned();
    page += "\n| command | what it does |\n|---|---|\n";
    for (name, sub) in &commands {
        let about = sub.get_about().unwrap();
        writeln!(
            page,
            "| [`{name}`](#{}) | {about} |",
            name.replace(' ', "-")
        )
        .unwrap();
    }
    page += "\n## Options of every command\n\n";
    page += &options(command.get_arguments().filter(|arg| arg.is_global_set()));
    for (name, sub) in commands {
        page += &section(&name, sub);
    }
    page
}

fn section(name: &str, command: &Command) -> String {
    let about = command.get_about().unwrap();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let mut text = format!("\n## {name}\n\n{about}.\n\n```text\n{usage}\n```\n");
    let own = |arg: &&Arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help";
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in command.get_arguments().filter(own) {
        let heading = arg.get_help_heading();
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        let args = command
            .get_arguments()
            .filter(own)
            .filter(|arg| arg.get_help_heading() == heading);
        if let Some(heading) = heading {
            write!(text, "\n{heading}:\n").unwrap();
        }
        text += "\n";
        text += &options(args);
    }
    if let Some(more) = command.get_after_long_help().or(command.get_after_help()) {
        write!(text, "\n```text\n{}\n```\n", more.to_string().trim_end()).unwrap();
    }
    text
}

fn options<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let mut table = "| option | meaning |\n|---|---|\n".to_owned();
    for arg in args {
        writeln!(table, "| `{}` | {} |", spelling(arg), meaning(arg)).unwrap();
    }
    table
}

/// `-o, --output FILE`, or `[RUN]`.
fn spelling(arg: &Arg) -> String {
    let value = value_name(arg).replace('|', "\\|");
    let Some(long) = arg.get_long() else {
        return if arg.is_required_set() {
            value
        } else {
            format!("[{value}]")
        };
    };
    let short = arg
        .get_short()
        .map(|short| format!("-{short}, "))
        .unwrap_or_default();
    let takes_value = arg.get_action().takes_values();
    let optional = arg
        .get_num_args()
        .is_some_and(|count| count.min_values() == 0);
    let value = match (takes_value, optional) {
        (false, _) => String::new(),
        (true, true) => format!("[={value}]"),
        (true, false) => format!(" {value}"),
    };
    format!("{short}--{long}{value}")
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().unwrap().to_string().replace('|', "\\|");
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        write!(text, " [default: {}]", defaults.join(" ")).unwrap();
    }
    text
}

#[test]
fn the_page_of_commands_is_what_clap_knows() {
    assert_generated("docs/reference/commands.md", &page());
}

#[test]
fn man_pages_are_what_clap_knows() {
    let command = built();
    let mut commands = vec![("claude-run".to_owned(), &command)];
    all(&command, "claude-run", &mut commands);
    let mut expected = BTreeSet::new();
    for (name, sub) in commands {
        let name = name.replace(' ', "-");
        let sub = sub.clone().version(env!("CARGO_PKG_VERSION"));
        let mut page = Vec::new();
        clap_mangen::Man::new(sub).render(&mut page).unwrap();
        assert_generated(
            &format!("{MAN}/{name}.1"),
            &String::from_utf8(page).unwrap(),
        );
        expected.insert(format!("{name}.1"));
    }
    for entry in fs::read_dir(in_repository(MAN)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if is_updating() && !expected.contains(&name) {
            fs::remove_file(entry.path()).unwrap();
        } else {
            assert!(expected.contains(&name), "{MAN}/{name} is of no command");
        }
    }
}

#[test]
fn every_command_has_an_example_and_a_short_help() {
    let command = built();
    let mut commands = Vec::new();
    all(&command, "claude-run", &mut commands);
    for (name, sub) in commands {
        let more = sub.get_after_long_help().or(sub.get_after_help());
        let more = more.map(ToString::to_string).unwrap_or_default();
        assert!(more.contains("Examples:"), "`{name} --help` has no example");
        assert!(
            more.contains(&format!("{name} ")) || more.contains(&format!("{name}\n")),
            "{name}: {more}"
        );
        let short = sub.clone().render_help().to_string().lines().count();
        assert!(short <= 40, "`{name} -h` has {short} lines");
    }
}
