//! Everything at once; see `world/whole.rs`. The seeds are shared out among tests that run side by
//! side.

use crate::world;

/// Seeds that a plain test run tries; `SEEDS=40000` hunts for an hour.
const SEEDS: u64 = 200;

fn play_every_second(first: usize) {
    for seed in world::seeds(SEEDS).skip(first).step_by(2) {
        world::whole::play(seed);
    }
}

#[test]
fn a_run_comes_to_its_end_whatever_happens_by_even_seeds() {
    play_every_second(0);
}

#[test]
fn a_run_comes_to_its_end_whatever_happens_by_odd_seeds() {
    play_every_second(1);
}
