//! Pages that are generated say what the code says: error classes, cases of the simulator, commands, man
//! pages and configuration. `UPDATE_DOCS=1 cargo test --test docs` writes them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]

#[path = "docs/cases.rs"]
mod cases;
#[path = "docs/commands.rs"]
mod commands;
#[path = "docs/configuration.rs"]
mod configuration;
#[path = "docs/errors.rs"]
mod errors;
#[path = "docs/generated.rs"]
mod generated;
#[path = "docs/rules.rs"]
mod rules;
