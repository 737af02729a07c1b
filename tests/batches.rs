//! The batch lane on virtual time: every run is a seed, and a seed always gives the same run.
//!
//! The real engine, the real policies and the real store, with a Batches API in memory that loses
//! answers, hides batches, cuts downloads and forgets lines, and a live lane that answers by script.
//! A day passes in a second. `SEEDS=5000 cargo test --test batches` hunts longer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]
#![allow(
    unreachable_pub,
    reason = "the modules of a test are public to it alone"
)]

#[path = "simulation/flaky.rs"]
#[allow(dead_code, reason = "shared with the simulation of the live lane")]
mod flaky;
#[path = "simulation/flaky_batches.rs"]
mod flaky_batches;
#[path = "batches/remote.rs"]
mod remote;
#[path = "simulation/scripted.rs"]
#[allow(dead_code, reason = "shared with the simulation of the live lane")]
mod scripted;
#[path = "batches/world.rs"]
mod world;

#[path = "batches/budget.rs"]
mod budget;
#[path = "batches/chaos.rs"]
mod chaos;
#[path = "batches/life.rs"]
mod life;
#[path = "batches/roads.rs"]
mod roads;
#[path = "batches/warm.rs"]
mod warm;

/// Seeds that a plain test run tries.
const SEEDS: u64 = 4;

fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("SEEDS")
        .ok()
        .and_then(|text| text.parse().ok());
    0..count.unwrap_or(SEEDS)
}
