//! The order of requests that share a long cached prefix: one goes first, the rest after it.
//!
//! An entry of the prompt cache can be read only once the first answer has begun. If all went at
//! once, each would pay for writing the same entry. So the first request of a cold group goes alone.
//! If it fails the next one goes, and no wait is longer than [`LONGEST_WAIT`]: nothing is ever held
//! back for good. Groups do not wait for each other.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::estimate::Prefix;
use crate::clock::add;
use crate::model::JobId;

/// No request waits longer for another one to warm the cache. Pays for itself up to here: a prefix
/// costs ten times as much to write as to read.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Shorter prefixes are cached by no model; the bound is lower than the API's, since it is set
/// against an estimate.
pub const LEAST_TOKENS: f64 = 400.0;
/// An entry lives this long after its last use, less a little for the way.
const LIFE: Duration = Duration::from_secs(290);
/// And this long if an hour was asked for.
const LONG_LIFE: Duration = Duration::from_secs(3_590);
/// Groups that are remembered. Beyond it those whose entries have expired are forgotten, then all.
const MOST_GROUPS: usize = 20_000;

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It may: the cache is warm, or nobody warms it.
    Open,
    /// Not before another has warmed the cache, or this time has come.
    Wait(Timestamp),
}

/// What is known of the entries of one run.
#[derive(Clone, Debug, Default)]
pub struct CacheWarmer {
    groups: HashMap<u64, Group>,
}

#[derive(Clone, Copy, Debug)]
enum Group {
    /// This job's request is to write the entry.
    Warming { by: JobId, until: Timestamp },
    /// It can be read until then.
    Warm { until: Timestamp },
}

impl CacheWarmer {
    /// Whether a request with this prefix may go now.
    #[must_use]
    pub fn gate(&self, prefix: &Prefix, now: Timestamp) -> Gate {
        match self.groups.get(&prefix.hash) {
            // The warming request may hang: after this time nothing waits for it any more.
            Some(Group::Warming { until, .. }) if *until > now => Gate::Wait(*until),
            _ => Gate::Open,
        }
    }

    /// Whether this prefix can be read from the cache.
    #[must_use]
    pub fn is_warm(&self, prefix: &Prefix, now: Timestamp) -> bool {
        matches!(self.groups.get(&prefix.hash), Some(Group::Warm { until }) if *until > now)
    }

    /// A request with this prefix leaves: if the entry is cold, it is the one that warms it.
    pub fn started(&mut self, prefix: &Prefix, job: JobId, now: Timestamp) {
        if prefix.tokens < LEAST_TOKENS || self.is_warm(prefix, now) {
            return;
        }
        // Another job warms it already; its failure alone is to free what waits.
        if let Gate::Wait(_) = self.gate(prefix, now) {
            return;
        }
        self.make_room(now);
        let until = add(now, LONGEST_WAIT);
        self.groups
            .insert(prefix.hash, Group::Warming { by: job, until });
    }

    /// A request with this prefix was answered well, or came to nothing. True if what waited for
    /// it may go now.
    pub fn ended(&mut self, prefix: &Prefix, job: JobId, good: bool, now: Timestamp) -> bool {
        if prefix.tokens < LEAST_TOKENS {
            return false;
        }
        if good {
            let life = if prefix.for_an_hour { LONG_LIFE } else { LIFE };
            let warm = Group::Warm {
                until: add(now, life),
            };
            let before = self.groups.insert(prefix.hash, warm);
            // Where it was warm before, nothing waited.
            return !matches!(before, Some(Group::Warm { .. }));
        }
        match self.groups.get(&prefix.hash) {
            // Only the failure of the warming request frees the others; theirs says nothing.
            Some(Group::Warming { by, .. }) if *by == job => {
                self.groups.remove(&prefix.hash);
                true
            }
            _ => false,
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.groups.len() < MOST_GROUPS {
            return;
        }
        self.groups.retain(|_, group| match group {
            Group::Warming { until, .. } | Group::Warm { until } => *until > now,
        });
        // All are alive: forgetting costs a few writes, a growing map costs memory for good.
        if self.groups.len() >= MOST_GROUPS {
            self.groups.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(hash: u64) -> Prefix {
        Prefix {
            hash,
            tokens: 5_000.0,
            in_last_turn: false,
            for_an_hour: false,
        }
    }

    fn at(seconds: u64) -> Timestamp {
        add(
            "2026-11-22T00:00:00Z".parse().unwrap(),
            Duration::from_secs(seconds),
        )
    }

    #[test]
    fn the_first_of_a_cold_group_goes_alone_and_the_rest_after_its_answer() {
        let (mut warmer, group) = (CacheWarmer::default(), prefix(1));
        assert_eq!(warmer.gate(&group, at(0)), Gate::Open);
        warmer.started(&group, JobId(1), at(0));
        assert_eq!(warmer.gate(&group, at(1)), Gate::Wait(at(30)));
        assert_eq!(
            warmer.gate(&prefix(2), at(1)),
            Gate::Open,
            "another group does not wait"
        );
        assert!(!warmer.is_warm(&group, at(1)));
        assert!(warmer.ended(&group, JobId(1), true, at(2)));
        assert_eq!(warmer.gate(&group, at(2)), Gate::Open);
        assert!(warmer.is_warm(&group, at(2)));
        assert!(!warmer.is_warm(&group, at(2 + 290)), "an entry expires");
    }

    #[test]
    fn if_the_first_fails_the_next_one_warms() {
        let (mut warmer, group) = (CacheWarmer::default(), prefix(1));
        warmer.started(&group, JobId(1), at(0));
        assert!(
            !warmer.ended(&group, JobId(2), false, at(1)),
            "it was not the one"
        );
        assert!(warmer.ended(&group, JobId(1), false, at(1)));
        assert_eq!(warmer.gate(&group, at(1)), Gate::Open);
        warmer.started(&group, JobId(2), at(1));
        assert_eq!(warmer.gate(&group, at(2)), Gate::Wait(at(31)));
    }

    #[test]
    fn no_wait_is_endless() {
        let (mut warmer, group) = (CacheWarmer::default(), prefix(1));
        warmer.started(&group, JobId(1), at(0));
        assert_eq!(warmer.gate(&group, at(30)), Gate::Open);
        warmer.started(&group, JobId(2), at(30));
        assert_eq!(
            warmer.gate(&group, at(31)),
            Gate::Wait(at(60)),
            "one at a time even then"
        );
    }

    #[test]
    fn an_hour_is_an_hour_and_a_short_prefix_is_no_group() {
        let mut warmer = CacheWarmer::default();
        let long = Prefix {
            for_an_hour: true,
            ..prefix(1)
        };
        warmer.ended(&long, JobId(1), true, at(0));
        assert!(warmer.is_warm(&long, at(3_000)));
        let short = Prefix {
            tokens: 100.0,
            ..prefix(2)
        };
        warmer.started(&short, JobId(1), at(0));
        assert_eq!(warmer.gate(&short, at(1)), Gate::Open);
        warmer.ended(&short, JobId(1), true, at(1));
        assert!(!warmer.is_warm(&short, at(1)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut warmer = CacheWarmer::default();
        for hash in 0..3 * MOST_GROUPS as u64 {
            warmer.started(&prefix(hash), JobId(1), at(0));
        }
        assert!(warmer.groups.len() <= MOST_GROUPS);
    }
}
