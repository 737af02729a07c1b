//! `claude-run completions`: a completion script for a shell.

use std::io::Write;

use clap::CommandFactory;

use crate::cli::args::{Cli, CompletionsArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;

/// Needs no settings: it works however broken the config file is.
pub(crate) fn run(args: &CompletionsArgs, mut out: Out) -> Result<Exit, Failure> {
    // Into memory first, because the generator does not return write errors.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "claude-run", &mut script);
    out.write_all(&script)
        .map_err(|error| Failure::from_output(&error))?;
    out.finish()?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

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
