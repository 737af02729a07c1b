//! The lines of one download of results, each with the attempt that it ends.
//!
//! An answer is recorded as it comes. Everything else is held until the download is whole, because an
//! answer may still come for the same request, and an answer is paid for: of two lines for one id it
//! wins, whichever comes first. What is held is bounded; what exceeds the bound is left to one more
//! download, in which every answer is recorded already.

use std::collections::{BTreeMap, HashSet};

use super::short::{ResultDoubts, Seen};
use crate::model::batch::parse_item_id;
use crate::model::{AttemptId, ResultLines};
use crate::provider::{Failure, ItemResult, ResultLine};

/// Bytes of held lines, more or less: some ten thousand errors of usual length.
const MOST_HELD: usize = 16 << 20;
/// What an error holds beside its texts.
const FAILURE_BYTES: usize = 512;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Sorting {
    nonce: String,
    /// A whole download came before this one: the answers of it are recorded.
    again: bool,
    doubts: ResultDoubts,
    answered: HashSet<AttemptId>,
    // In order, so that a seed of a simulation gives the same run each time.
    held: BTreeMap<AttemptId, ItemResult>,
    held_bytes: usize,
    /// Errors that there was no room for.
    postponed: HashSet<AttemptId>,
    most_held: usize,
    /// What the lines were.
    pub(super) lines: ResultLines,
}

impl Sorting {
    pub(super) fn new(nonce: &str, again: bool, doubts: ResultDoubts) -> Self {
        Self {
            nonce: nonce.to_owned(),
            again,
            doubts,
            answered: HashSet::new(),
            held: BTreeMap::new(),
            held_bytes: 0,
            postponed: HashSet::new(),
            most_held: MOST_HELD,
            lines: ResultLines::default(),
        }
    }

    /// Takes a line; what of it is to be recorded now.
    pub(super) fn take(&mut self, line: ResultLine) -> Option<(AttemptId, ItemResult)> {
        let id = line.custom_id.as_deref();
        let is_unreadable = matches!(line.result, ItemResult::Unreadable(_));
        self.lines.unreadable += u64::from(is_unreadable && !self.again);
        let ours = id.and_then(parse_item_id);
        let ours = ours.filter(|(nonce, _)| *nonce == self.nonce);
        let Some((_, attempt)) = ours else {
            self.lines.unknown += u64::from(id.is_some());
            return None;
        };
        if is_answer(&line.result) {
            let is_first = self.answered.insert(attempt);
            let had_another = self.held.remove(&attempt).is_some();
            self.lines.repeated += u64::from(!is_first || had_another);
            return is_first.then_some((attempt, line.result));
        }
        self.hold(attempt, line.result)
    }

    fn hold(&mut self, attempt: AttemptId, result: ItemResult) -> Option<(AttemptId, ItemResult)> {
        let is_unreadable = matches!(result, ItemResult::Unreadable(_));
        let is_repeated = match self.held.get(&attempt) {
            Some(before) => is_unreadable || !matches!(before, ItemResult::Unreadable(_)),
            None => self.answered.contains(&attempt) || self.postponed.contains(&attempt),
        };
        if is_repeated {
            self.lines.repeated += 1;
            return None;
        }
        let bytes = size(&result);
        if self.held_bytes + bytes <= self.most_held {
            self.held_bytes += bytes;
            self.held.insert(attempt, result);
            return None;
        }
        self.postponed.insert(attempt);
        let stands = self.again && !self.doubts.contradicted && self.stays(&result);
        stands.then_some((attempt, result))
    }

    /// Lines of this batch, of whatever kind.
    pub(super) fn ours(&self) -> u64 {
        (self.answered.len() + self.held.len() + self.postponed.len()) as u64
    }

    /// The download is whole, but one more is needed for what could not be held.
    pub(super) fn wants_another(&self) -> bool {
        (!self.again || self.doubts.contradicted) && !self.postponed.is_empty()
    }

    /// What the whole download held.
    pub(super) fn seen(&self) -> Seen {
        let mut seen = Seen {
            paid: self.answered.len() as u64,
            errored: self.postponed.len() as u64,
            ..Seen::default()
        };
        for result in self.held.values() {
            match result {
                ItemResult::Canceled => seen.canceled += 1,
                ItemResult::Expired => seen.expired += 1,
                ItemResult::Unreadable(_) => seen.unreadable += 1,
                ItemResult::Succeeded(_) | ItemResult::Errored(_) => seen.errored += 1,
            }
        }
        seen
    }

    /// The download is whole: what was held can be recorded. What is unreadable may be readable in
    /// the next download, for hours.
    pub(super) fn take_held(&mut self) -> Vec<(AttemptId, ItemResult)> {
        let held = std::mem::take(&mut self.held);
        held.into_iter()
            .filter(|(_, result)| self.stays(result))
            .collect()
    }

    /// Whether what the line says holds for good.
    fn stays(&self, result: &ItemResult) -> bool {
        self.doubts.over || !matches!(result, ItemResult::Unreadable(_))
    }
}

/// The line brings an answer, which is paid for; a refusal is one.
fn is_answer(result: &ItemResult) -> bool {
    match result {
        ItemResult::Succeeded(_) => true,
        ItemResult::Errored(failure) => failure.message.is_some(),
        ItemResult::Canceled | ItemResult::Expired | ItemResult::Unreadable(_) => false,
    }
}

/// Bytes that a line holds, more or less.
pub(super) fn size(result: &ItemResult) -> usize {
    match result {
        ItemResult::Succeeded(message) => message.raw.len(),
        ItemResult::Errored(failure) => FAILURE_BYTES + text_of(failure),
        ItemResult::Unreadable(text) => text.len(),
        ItemResult::Canceled | ItemResult::Expired => 0,
    }
}

fn text_of(failure: &Failure) -> usize {
    let message = failure.message.as_ref();
    let raw = message.map_or(0, |message| message.raw.len());
    raw + failure.evidence.message.as_ref().map_or(0, String::len)
}

#[cfg(test)]
#[path = "sorting_tests.rs"]
mod tests;
