//! The `claude-run` command.

fn main() -> std::process::ExitCode {
    claude_run::cli::main()
}
