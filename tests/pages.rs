//! The pages that people read say what the program does.
//!
//! Every command of the README, of `docs/guide/` and of `examples/README.md` runs against a simulator,
//! and what it prints is compared with what the page shows. A page is one session, in a folder of its own,
//! from its first block to its last. CONTRIBUTING says how to write one ("Pages that run").

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what it expects by panicking, and what it wrote on standard error"
)]

#[path = "pages/guide.rs"]
mod guide;
#[allow(dead_code, reason = "the command-line tests use what is not used here")]
#[path = "cli/harness.rs"]
mod harness;
#[path = "pages/links.rs"]
mod links;
#[path = "pages/names.rs"]
mod names;
#[path = "pages/page.rs"]
mod page;
#[path = "pages/session.rs"]
mod session;
#[path = "pages/shape.rs"]
mod shape;
