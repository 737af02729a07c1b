//! `claude-run completions`: a completion script for a shell.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::args::{Cli, CompletionsArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;

/// Needs no settings: it works however broken the config file is.
pub(crate) fn run(args: &CompletionsArgs, mut out: Out) -> Result<Exit, Failure> {
    // Into memory first, because the generator does not return write errors.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "claude-run", &mut script);
    let script = with_runs(args.shell, &String::from_utf8_lossy(&script));
    out.write_all(script.as_bytes())
        .map_err(|error| Failure::from_output(&error))?;
    out.finish()?;
    Ok(Exit::Success)
}

/// The script, mended where the generator errs, and with ids and names of runs where RUN stands.
fn with_runs(shell: Shell, script: &str) -> String {
    match shell {
        // It names the states of a program with a hyphen in two ways, and none is ever found.
        Shell::Bash => script.replace("claude__subcmd__run", "claude__run") + BASH_RUNS,
        Shell::Zsh => script.lines().map(of_zsh).collect(),
        Shell::Fish => script.to_owned() + FISH_RUNS,
        _ => script.to_owned(),
    }
}

/// A line of the script for zsh: the argument RUN is completed by our own function.
fn of_zsh(line: &str) -> String {
    if line.starts_with("'::run -- ") {
        return line.replace(":_default'", ":_claude-run_runs'") + "\n";
    }
    let before = if line == "_claude-run() {" {
        ZSH_RUNS
    } else {
        ""
    };
    format!("{before}{line}\n")
}

const BASH_RUNS: &str = r#"
_claude_run_with_runs() {
    _claude__run "$@"
    case "${COMP_WORDS[1]}" in
        attempts|batches|cancel|export|report|resume|retry|status|verify)
            if [[ "$2" != -* && "$3" != -* ]]; then
                # Never through `compgen -W`, which would carry out what a name says.
                local run
                while IFS= read -r run; do
                    [[ "$run" == "$2"* ]] && COMPREPLY+=("$(printf '%q' "$run")")
                done < <(
                    echo latest
                    "$1" status --json 2>/dev/null | sed -n -e h -e 's/.*"name":"\([^"\\]*\)".*/\1/p' -e g -e 's/.*"run_id":"\([^"]*\)".*/\1/p'
                )
            fi
            ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _claude_run_with_runs -o nosort -o bashdefault -o default claude-run
else
    complete -F _claude_run_with_runs -o bashdefault -o default claude-run
fi
"#;

const ZSH_RUNS: &str = r#"_claude-run_runs() {
    local -a runs
    runs=(latest ${(f)"$(claude-run status --json 2>/dev/null | sed -n -e h -e 's/.*"name":"\([^"\\]*\)".*/\1/p' -e g -e 's/.*"run_id":"\([^"]*\)".*/\1/p')"})
    compadd -a runs
}

"#;

const FISH_RUNS: &str = r#"
function __fish_claude_run_runs
    echo latest
    claude-run status --json 2>/dev/null | string replace -rf '.*"name":"([^"\\\\]*)".*' '$1'
    claude-run status --json 2>/dev/null | string replace -rf '.*"run_id":"([^"]*)".*' '$1'
end
complete -c claude-run -n "__fish_claude_run_using_subcommand attempts batches cancel export report resume retry status verify" -f -a "(__fish_claude_run_runs)"
"#;

#[cfg(test)]
mod tests {

    use super::*;
    use crate::cli::console::testing::Captured;

    #[test]
    fn every_shell_gets_a_script_that_knows_commands_and_flags() {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Elvish,
        ] {
            let captured = Captured::default();
            let out = Out::to(Box::new(captured.clone()));
            assert_eq!(run(&CompletionsArgs { shell }, out), Ok(Exit::Success));
            let script = captured.text();
            for word in ["claude-run", "submit", "completions", "retry-scale"] {
                assert!(script.contains(word), "{shell} lacks {word}");
            }
        }
    }
}
