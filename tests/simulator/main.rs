//! The simulator, driven over real loopback sockets with an ordinary HTTP client.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests say what they expect by panicking"
)]

mod admission;
mod batches;
mod breaks;
mod cases;
mod endpoints;
mod records;
mod scripts;
mod streams;
mod support;
