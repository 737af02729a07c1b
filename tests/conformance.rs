//! The conformance suite of stores: every promise of the traits of `store`, held against each store
//! that there is.
//!
//! `cases` has a named case for each promise. `sequences` carries out any sequence of verbs, some of
//! them with an error before or after the commit, and compares everything that can be read with what
//! a plain reference tells (`memory`). A new store implements `Fixture` and gets two tests below.
//! `PROPTEST_CASES=10000 cargo test --test conformance` tries more sequences; a failing one is shrunk
//! and printed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]
#![allow(
    unreachable_pub,
    reason = "the modules of a test are public to it alone"
)]

#[path = "conformance/call.rs"]
mod call;
#[path = "conformance/cases/mod.rs"]
mod cases;
#[path = "conformance/fixture.rs"]
mod fixture;
#[path = "world/flaky.rs"]
#[allow(dead_code, reason = "shared with the simulation")]
mod flaky;
#[path = "world/flaky_batches.rs"]
mod flaky_batches;
#[path = "conformance/memory/mod.rs"]
mod memory;
#[path = "world/new_store.rs"]
mod new_store;
#[path = "conformance/samples.rs"]
mod samples;
#[path = "conformance/sequences.rs"]
mod sequences;
#[path = "conformance/view.rs"]
mod view;

use std::future::Future;

use proptest::prelude::*;

use cases::hold_to_every_promise;
use fixture::{Reference, Sqlite};
use sequences::{compare, steps};

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(test);
}

#[test]
fn the_sqlite_store_keeps_every_promise() {
    hold_to_every_promise::<Sqlite>();
}

#[test]
fn the_reference_keeps_every_promise_too() {
    hold_to_every_promise::<Reference>();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_sqlite_store_does_as_the_reference_whatever_the_sequence(steps in steps()) {
        block_on(compare::<Sqlite>(steps));
    }
}
