//! The `claude-run` command.

fn main() {}
