//! A hundred kills over all phases of a run, by seed.
//!
//! A seed tells one story: a run is loaded, sent (live or in batches), perhaps retried or cancelled,
//! and exported, or a store of version 1 is brought up to date and goes on. In every phase the
//! process is struck a few times (see `strike.rs`) and started again, then left to finish. At the
//! end nothing may be lost, doubled or paid unseen. Stories are told until there were enough kills.

use std::collections::BTreeMap;

use super::setting;
use super::stories::{PHASES, tell};

/// Kills of the plain suite; `ROUNDS=n` asks for more.
const ROUNDS: u64 = 100;

/// Says how to see the same story again if it ends badly.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!("replay: SEED={seed} ROUNDS=1 cargo test --test crash a_hundred_kills");
        }
    }
}

#[test]
fn a_hundred_kills_over_all_phases_lose_nothing_and_double_nothing() {
    let rounds = setting("ROUNDS", ROUNDS);
    let mut seed = setting("SEED", fastrand::u64(..=u64::from(u32::MAX)));
    eprintln!("SEED={seed}");
    let mut kills: BTreeMap<&str, u64> = BTreeMap::new();
    let mut stories = 0;
    while kills.values().sum::<u64>() < rounds {
        let _replay = Replay(seed);
        tell(seed, &mut kills);
        seed += 1;
        stories += 1;
    }
    eprintln!("{stories} stories, kills: {kills:?}");
    if rounds >= ROUNDS {
        let spared = PHASES.iter().find(|phase| !kills.contains_key(phase.name));
        assert!(spared.is_none(), "no kill in {spared:?}");
    }
}
