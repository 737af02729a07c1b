//! Finds ids that come twice where nothing is stored.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;

/// Remembers a 64-bit hash and a line for each `custom_id`, some 20 bytes each however long the
/// ids are. Two ids of a million have the same hash with a probability of 3 in 10⁸: good enough
/// for a warning; the store, which refuses duplicates, compares the ids themselves.
#[derive(Debug, Default)]
pub struct DuplicateFinder {
    state: RandomState,
    lines: HashMap<u64, u64>,
}

impl DuplicateFinder {
    /// One that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes the id of a line; gives the line that had it first, if there is one.
    pub fn see(&mut self, custom_id: &str, line: u64) -> Option<u64> {
        // Hashes instead of ids: a million lines would take hundreds of megabytes.
        match self.lines.entry(self.state.hash_one(custom_id)) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(place) => {
                place.insert(line);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DuplicateFinder;

    #[test]
    fn the_first_line_of_an_id_is_remembered() {
        let mut finder = DuplicateFinder::new();
        assert_eq!(finder.see("a", 1), None);
        assert_eq!(finder.see("b", 2), None);
        assert_eq!(finder.see("a", 3), Some(1));
        assert_eq!(finder.see("a", 4), Some(1));
    }
}
