//! A long hunt: the whole engine on virtual time, everything at once, one seed after the other.
//!
//! `cargo bench --bench hunt -- --seeds 20000` plays as many seeds on all processors, the first
//! `--from` (0 if left out), and names every seed that fails with the line that replays it. It exits
//! with code 1 if one does. The stories are those of `tests/simulation/whole.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it expects by panicking"
)]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "the modules of a test are public to it alone, and shared"
)]

#[path = "../tests/world/mod.rs"]
mod world;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// After so many seeds a line says how far it is.
const STEP: u64 = 1_000;

fn main() -> ExitCode {
    let (from, seeds) = (number("--from", 0), number("--seeds", 2_000));
    let next = AtomicU64::new(from);
    let failed = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        break;
                    }
                    if catch_unwind(|| world::whole::play(seed)).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    if (seed + 1 - from).is_multiple_of(STEP) {
                        println!("{} seeds", seed + 1 - from);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("{seeds} seeds from {from}: {failed} failed");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a flag says, or else `usual`. Others, which `cargo bench` adds, are passed over.
fn number(flag: &str, usual: u64) -> u64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != flag);
    let told = arguments.nth(1);
    told.map_or(usual, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{flag} takes a number, not {text}"))
    })
}
