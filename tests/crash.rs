//! Crash tests of the real binary: it is killed at random moments, and made to abort at named
//! failpoints, while a simulator in the test process keeps the log of what was really sent.
//!
//! Whatever happens, afterwards every job has ended exactly once, every request belongs to an
//! attempt in the ledger, every answer that was paid twice belongs to an attempt that the ledger
//! calls interrupted, and all sums are right. `sent.rs` counts those: they are what the server saw.
//!
//! `rounds.rs` strikes in every phase: load, live, batches, retry, cancel, export, migration. Each
//! of the others goes deep in one of them. More of either, with the numbers printed:
//!
//! ```text
//! ROUNDS=1000 cargo test --test crash a_hundred_kills -- --nocapture
//! KILLS=50 JOBS=2000 BATCH_KILLS=50 cargo test --test crash killed_again -- --nocapture
//! ```
//!
//! `BATCH_LARGE`, `INGEST_KILLS`, `START_KILLS`, `POWER_CUTS`, `POWER_JOBS` and `DISK_FAULTS` ask for more of the
//! other tests in the same way. `SEED=n` repeats a run that failed (as far as the machine repeats
//! its timing).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]
#![allow(
    clippy::print_stderr,
    reason = "the numbers of a full count are for people"
)]
#![allow(
    unreachable_pub,
    reason = "the modules of a test are public to it alone"
)]

#[path = "crash/batches.rs"]
mod batches;
#[path = "crash/bench.rs"]
mod bench;
#[cfg(target_os = "linux")]
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/endings.rs"]
mod endings;
#[cfg(target_os = "linux")]
#[path = "crash/faults.rs"]
mod faults;
#[path = "crash/files.rs"]
mod files;
#[path = "crash/ingest.rs"]
mod ingest;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/ledger.rs"]
mod ledger;
#[cfg(target_os = "linux")]
#[path = "crash/power.rs"]
mod power;
#[path = "crash/process.rs"]
mod process;
#[cfg(target_os = "linux")]
#[path = "crash/recording.rs"]
mod recording;
#[path = "crash/rounds.rs"]
mod rounds;
#[path = "crash/sent.rs"]
mod sent;
#[path = "crash/stories.rs"]
mod stories;
#[path = "crash/strike.rs"]
mod strike;
#[path = "crash/verdict.rs"]
mod verdict;

/// A number from the environment, for those who want more than the plain suite does.
fn setting(name: &str, plain: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(plain, |text| text.parse().unwrap())
}
