//! The search for an entry that the API refuses a whole batch for without naming it. Pure.
//!
//! A refused batch goes back into the queue and the next is half as large, so the entry is cornered
//! in about twice log₂(n) calls: what stands before it is accepted, what holds it is refused, down to
//! a batch of one. That one fails alone if another batch was accepted since the search began. Until
//! then nobody can tell a bad entry from an API that takes no batch at all: the entry is put aside
//! and the next is tried (`suspects`). After ten of them the run halts, and nothing has failed.

/// Batches accepted in a row after which the entry is not in the queue any more (it went live, say).
const LOST_AFTER: u32 = 2;

/// How far the search has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Narrowing {
    /// Requests in the next batch, at most. `None`: nothing is looked for.
    most: Option<u32>,
    accepted_in_row: u32,
    /// A batch was accepted since the search began, so a refusal is the entry's own fault.
    proven: bool,
}

impl Narrowing {
    /// Requests that the next batch may hold, of so many.
    pub(super) fn limit(self, ceiling: u32) -> u32 {
        self.most.map_or(ceiling, |most| most.min(ceiling))
    }

    pub(super) fn refused(&mut self, requests: u32) {
        self.proven &= self.most.is_some();
        self.most = Some((requests / 2).max(1));
        self.accepted_in_row = 0;
    }

    /// A batch was accepted since the search began.
    pub(super) fn is_proven(self) -> bool {
        self.proven
    }

    /// A batch was accepted. When the entry must be elsewhere, batches grow back.
    pub(super) fn accepted(&mut self, ceiling: u32) {
        let Some(most) = self.most else {
            return;
        };
        self.proven = true;
        self.accepted_in_row += 1;
        if self.accepted_in_row >= LOST_AFTER {
            self.most = Some(most.saturating_mul(2)).filter(|most| *most < ceiling);
        }
    }

    pub(super) fn found(&mut self) {
        self.most = None;
        self.accepted_in_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Narrowing;

    #[test]
    fn batches_shrink_to_the_entry_and_are_whole_again_behind_it() {
        let mut search = Narrowing::default();
        assert_eq!(search.limit(100), 100);
        for (requests, limit) in [(100, 50), (50, 25)] {
            search.refused(requests);
            assert_eq!(search.limit(100), limit);
        }
        search.accepted(100);
        assert_eq!(search.limit(100), 25);
        search.refused(25);
        search.refused(1);
        assert_eq!((search.limit(100), search.proven), (1, true));
        search.found();
        assert_eq!(search.limit(100), 100);
    }

    #[test]
    fn an_entry_that_is_not_there_any_more_is_not_looked_for() {
        let mut search = Narrowing::default();
        search.refused(16);
        let mut limits = Vec::new();
        for _ in 0..4 {
            search.accepted(50);
            limits.push(search.limit(50));
        }
        assert_eq!(limits, [8, 16, 32, 50]);
    }

    #[test]
    fn what_was_accepted_before_the_search_proves_nothing() {
        let mut search = Narrowing::default();
        search.accepted(100);
        search.refused(2);
        assert!(!search.proven);
        search.accepted(100);
        assert!(search.proven);
        search.found();
        search.refused(2);
        assert!(!search.proven);
    }
}
