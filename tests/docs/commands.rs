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
            writeln!(text, "\n{heading}:").unwrap();
        }
        text += "\n";
        text += &options(args);
    }
    if let Some(more) = command.get_after_long_help().or(command.get_after_help()) {
        writeln!(text, "\n```text\n{}\n```", more.to_string().trim_end()).unwrap();
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

/// A man page. The short help leaves options out, and a page does not; examples keep their lines.
fn man_page(name: &str, command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let more = command.get_after_long_help().or(command.get_after_help());
    let more = more.map(ToString::to_string).unwrap_or_default();
    let command = command
        .clone()
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage(usage.trim_start_matches("Usage: ").to_owned())
        .disable_help_subcommand(true)
        .mut_args(|arg| {
            let arg = arg.hide_short_help(false);
            if arg.get_id() == "help" {
                arg.help("Print help").long_help("Print help")
            } else {
                arg
            }
        })
        .after_help("")
        .after_long_help("");
    let has_commands = command.get_subcommands().next().is_some();
    let source = format!("claude-run {}", env!("CARGO_PKG_VERSION"));
    let man = clap_mangen::Man::new(command).source(source);
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    if has_commands {
        man.render_subcommands_section(&mut page).unwrap();
    }
    let mut page = String::from_utf8(page).unwrap();
    // Every section of clap_mangen begins with these lines; once is enough.
    let (preamble, rest) = page.split_once(".TH").unwrap();
    page = format!("{preamble}.TH{}", rest.replace(preamble, ""));
    let (introduction, examples) = more.split_once("Examples:\n").unwrap_or(("", &more));
    page += &preformatted("NOTES", introduction);
    page += &preformatted("EXAMPLES", examples);
    page + ".SH SEE ALSO\n" + &see_also(name)
}

/// A section whose lines stay as they are.
fn preformatted(title: &str, text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() {
        return String::new();
    }
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        // A line that begins with a dot or an apostrophe would be a request to the formatter.
        let guard = if line.starts_with(['.', '\'']) {
            "\\&"
        } else {
            ""
        };
        format!("{guard}{line}\n")
    });
    format!(".SH {title}\n.nf\n{}.fi\n", lines.collect::<String>())
}

fn see_also(name: &str) -> String {
    let command = built();
    let mut commands = vec![("claude-run".to_owned(), &command)];
    all(&command, "claude-run", &mut commands);
    let pages = commands.into_iter().map(|(name, _)| name.replace(' ', "-"));
    let pages = pages.filter(|page| page != name);
    let names: Vec<_> = pages
        .map(|page| format!("\\fB{}\\fR(1)", page.replace('-', "\\-")))
        .collect();
    names.join(",\n") + "\n"
}

#[test]
fn man_pages_are_what_clap_knows() {
    let command = built();
    let mut commands = vec![("claude-run".to_owned(), &command)];
    all(&command, "claude-run", &mut commands);
    let mut expected = BTreeSet::new();
    for (name, sub) in commands {
        let name = name.replace(' ', "-");
        assert_generated(&format!("{MAN}/{name}.1"), &man_page(&name, sub));
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
fn a_man_page_explains_every_option() {
    let command = built();
    let submit = command.find_subcommand("submit").unwrap();
    let page = man_page("claude-run-submit", submit);
    let args = submit.get_arguments();
    for arg in args.filter(|arg| arg.get_id() != "help") {
        let help = arg.get_help().unwrap().to_string();
        let first = help.split(['-', '\'', '`', '.', '\\']).next().unwrap();
        assert!(page.contains(first), "{first}");
    }
    assert!(page.contains(".SH EXAMPLES\n.nf\n  claude\\-run submit jobs.jsonl"));
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
