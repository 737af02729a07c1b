//! Batches of one request that were refused without a word about which entry is at fault. Pure.
//!
//! One that is refused alone may be a bad entry, or the API takes no batch at all. So it is put aside
//! and the next is tried, until there is something to judge them by (`narrowing`).

use std::collections::BTreeMap;

use crate::model::BatchId;
use crate::provider::Failure;

/// Entries refused one by one while nothing at all is accepted: then it is no entry's fault.
const MOST_SUSPECTS: usize = 10;

/// What a batch that wants to be created is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judgement {
    /// It is no suspect, or not any more.
    Free,
    /// Nothing tells yet.
    Waits,
    /// The entry is at fault, and fails for this.
    AtFault(Box<Failure>),
    /// The API takes no batch at all, for this reason.
    NoneAccepted(Box<Failure>),
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    waiting: BTreeMap<BatchId, Box<Failure>>,
    at_fault: BTreeMap<BatchId, Box<Failure>>,
}

impl Suspects {
    pub(super) fn put_aside(&mut self, batch: BatchId, failure: Box<Failure>) {
        self.waiting.insert(batch, failure);
    }

    /// It waits for its verdict.
    pub(super) fn holds(&self, batch: BatchId) -> bool {
        self.waiting.contains_key(&batch)
    }

    pub(super) fn forget(&mut self, batch: BatchId) {
        self.waiting.remove(&batch);
        self.at_fault.remove(&batch);
    }

    /// Judges them all, and says what it means for this one. `is_proven`: a batch was accepted since the
    /// search began; `nothing_else_can_tell`: no other batch is left to try.
    pub(super) fn judge(
        &mut self,
        batch: BatchId,
        is_proven: bool,
        nothing_else_can_tell: bool,
    ) -> Judgement {
        if let Some(failure) = self.at_fault.remove(&batch) {
            return Judgement::AtFault(failure);
        }
        if !self.holds(batch) {
            return Judgement::Free;
        }
        if is_proven {
            // Each is sent once more: what is refused now is its own fault.
            self.waiting.clear();
            return Judgement::Free;
        }
        if self.waiting.len() >= MOST_SUSPECTS {
            let last = self.waiting.pop_last();
            self.waiting.clear();
            return last.map_or(Judgement::Free, |(_, failure)| {
                Judgement::NoneAccepted(failure)
            });
        }
        if !nothing_else_can_tell {
            return Judgement::Waits;
        }
        self.at_fault.append(&mut self.waiting);
        self.at_fault
            .remove(&batch)
            .map_or(Judgement::Free, Judgement::AtFault)
    }
}

#[cfg(test)]
mod tests {
    use super::{Judgement, MOST_SUSPECTS, Suspects};
    use crate::engine::batches::testing::failure;
    use crate::model::{BatchId, ErrorClass};

    fn suspects(count: usize) -> Suspects {
        let mut suspects = Suspects::default();
        for n in (1..).take(count) {
            suspects.put_aside(BatchId(n), failure(ErrorClass::BatchRejected));
        }
        suspects
    }

    #[test]
    fn all_are_sent_again_once_a_batch_was_accepted() {
        let mut some = suspects(3);
        assert_eq!(some.judge(BatchId(2), false, false), Judgement::Waits);
        for n in [2, 1, 3] {
            assert_eq!(some.judge(BatchId(n), true, false), Judgement::Free, "{n}");
        }
        assert!(!some.holds(BatchId(1)));
    }

    #[test]
    fn all_fail_when_nothing_else_can_tell() {
        let mut some = suspects(2);
        let at_fault = Judgement::AtFault(failure(ErrorClass::BatchRejected));
        assert_eq!(some.judge(BatchId(1), false, true), at_fault);
        // The other is at fault too, although the first one's failing is something under way.
        assert_eq!(some.judge(BatchId(2), false, false), at_fault);
        assert_eq!(some.judge(BatchId(2), false, false), Judgement::Free);
    }

    #[test]
    fn where_too_many_are_refused_one_halts_the_run_and_all_are_free() {
        let mut many = suspects(MOST_SUSPECTS);
        let none = Judgement::NoneAccepted(failure(ErrorClass::BatchRejected));
        assert_eq!(many.judge(BatchId(4), false, true), none);
        for n in [4, 1, 10] {
            assert_eq!(many.judge(BatchId(n), false, true), Judgement::Free, "{n}");
        }
        let mut fewer = suspects(MOST_SUSPECTS - 1);
        assert_eq!(fewer.judge(BatchId(4), false, false), Judgement::Waits);
        fewer.forget(BatchId(4));
        assert_eq!(fewer.judge(BatchId(4), false, true), Judgement::Free);
    }
}
