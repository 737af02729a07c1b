//! The real binary, driven as a person or a script drives it, against a simulator of the API.
//!
//! What is asserted here is what users rely on: commands, flags, exit codes, the shape of every
//! output, and that nothing is lost whatever happens to the process, its disk or its endpoint.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what it expects by panicking, and why it skips on standard error"
)]

#[path = "cli/amended.rs"]
mod amended;
#[path = "cli/bad_input/mod.rs"]
mod bad_input;
#[path = "cli/batches.rs"]
mod batches;
#[path = "cli/bombs.rs"]
mod bombs;
#[path = "cli/budget.rs"]
mod budget;
#[path = "cli/cache_prefix.rs"]
mod cache_prefix;
#[path = "cli/class_table.rs"]
mod class_table;
#[path = "cli/daily.rs"]
mod daily;
#[path = "cli/damage.rs"]
mod damage;
#[path = "cli/disks.rs"]
mod disks;
#[path = "cli/endpoint.rs"]
mod endpoint;
#[path = "cli/export.rs"]
mod export;
#[path = "cli/failed_classes.rs"]
mod failed_classes;
#[path = "cli/foreign_errors.rs"]
mod foreign_errors;
#[path = "cli/found_config.rs"]
mod found_config;
#[path = "cli/fuzz_corpus.rs"]
mod fuzz_corpus;
#[path = "cli/halts.rs"]
mod halts;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/hosts.rs"]
mod hosts;
#[path = "cli/inputs.rs"]
mod inputs;
#[path = "cli/kept.rs"]
mod kept;
#[path = "cli/money.rs"]
mod money;
#[path = "cli/network.rs"]
mod network;
#[path = "cli/no_batches.rs"]
mod no_batches;
#[path = "cli/onlookers.rs"]
mod onlookers;
#[path = "cli/paid_results.rs"]
mod paid_results;
#[path = "cli/panics.rs"]
mod panics;
#[path = "cli/preflight.rs"]
mod preflight;
#[path = "cli/program.rs"]
mod program;
#[path = "cli/proxy.rs"]
mod proxy;
#[path = "cli/receipts.rs"]
mod receipts;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/retries.rs"]
mod retries;
#[path = "cli/second_endpoint.rs"]
mod second_endpoint;
#[path = "cli/second_process.rs"]
mod second_process;
#[path = "cli/secret_places.rs"]
mod secret_places;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/signals.rs"]
mod signals;
#[path = "cli/status_page.rs"]
mod status_page;
#[path = "cli/stops.rs"]
mod stops;
#[path = "cli/store_files.rs"]
mod store_files;
#[path = "cli/store_identity.rs"]
mod store_identity;
#[path = "cli/streamed.rs"]
mod streamed;
#[path = "cli/streams.rs"]
mod streams;
#[path = "cli/strict_bodies.rs"]
mod strict_bodies;
#[path = "cli/tables.rs"]
mod tables;
#[path = "cli/take_out.rs"]
mod take_out;
#[path = "cli/trust.rs"]
mod trust;
#[path = "cli/trying_out.rs"]
mod trying_out;
#[path = "cli/waiting.rs"]
mod waiting;
#[path = "cli/ways_out.rs"]
mod ways_out;
