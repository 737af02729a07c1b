//! How long runs take as a whole, on virtual time: beside what their limits allow, and beside a loop over
//! an official SDK that is tuned by hand.
//!
//! `cargo bench --bench tail` plays the stories of `tests/simulation/tail.rs` with five seeds each and
//! prints the medians; `-- --seeds 20` takes more of them. The engine, its policies and its store are the
//! real ones, the service is `tests/simulation/metered.rs`, and the rival `tests/simulation/rival.rs`.

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

#[path = "../tests/simulation/metered.rs"]
mod metered;
#[path = "../tests/simulation/rival.rs"]
mod rival;
#[path = "../tests/simulation/tail.rs"]
mod tail;
#[path = "../tests/world/mod.rs"]
mod world;

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--seeds");
    let seeds = arguments.nth(1).map_or(5, |text| text.parse().unwrap());
    println!(
        "{:<45} {:>9} {:>8} {:>8} {:>8} {:>8}",
        "medians", "makespan", "/ least", "/ rival", "429s", "rival's"
    );
    for story in tail::stories() {
        let mut seen: Vec<_> = (1..=seeds).map(|seed| tail::play(&story, seed)).collect();
        seen.sort_by(|a, b| a.took_s.total_cmp(&b.took_s));
        println!("{}", story.row(&seen[seen.len() / 2]));
    }
}
