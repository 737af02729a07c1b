//! Everything at once; see `world/whole.rs`.

use crate::world;

#[test]
fn a_run_comes_to_its_end_whatever_happens_on_the_way() {
    for seed in world::seeds(2_000) {
        world::whole::play(seed);
    }
}
