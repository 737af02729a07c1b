//! Answers that deny what their server goes on giving.
//!
//! A gateway that fills a limit's headers with a fixed number, or with those of somebody else, says that
//! next to nothing is left and lets everything in. Read by the letter that means that others take it
//! all, and a run would crawl for their sake. A server that means it refuses. So a row of such answers
//! without one refusal is taken for what it is, and our own account alone paces the starts, at the rate
//! that was told. A single refusal ends that, and the next row must be longer.

use jiff::Timestamp;

use super::numbers::count;

/// So many answers in a row are no chance: a bucket that is truly empty refuses most of them. With ten, a
/// bucket of output that others share would be overrun now and then.
const NEEDED: u32 = 16;
/// Rows do not grow beyond this: a service may be both silly and refuse now and then.
const MOST_NEEDED: u32 = 160;
/// What is far below the part of a bucket that we leave alone would have been refused soon.
const FAR_BELOW: f64 = 0.25;

/// What an answer says is left, beside what we leave alone by our own belief.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// What is left,
    pub(super) remaining: u64,
    /// give or take this much.
    pub(super) rounding: f64,
    /// What we do not touch, for others and for estimates that are off.
    pub(super) withheld: f64,
    /// As much as that ever is.
    pub(super) most_withheld: f64,
    /// When its request left,
    pub(super) since: Timestamp,
    /// all that we had spent by then, itself included,
    pub(super) spent_then: f64,
    /// and all that we have spent by now.
    pub(super) spent: f64,
}

/// The row as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Denials {
    row: u32,
    needed: u32,
    /// When an answer first said that little is left, and what we had spent by then.
    began: Option<(Timestamp, f64)>,
    /// What the last answer of the row said.
    last: u64,
    passed_over: bool,
}

impl Default for Denials {
    fn default() -> Self {
        Self {
            row: 0,
            needed: NEEDED,
            began: None,
            last: 0,
            passed_over: false,
        }
    }
}

impl Denials {
    /// Whether what answers say is left is passed over.
    pub(super) fn are_passed_over(&self) -> bool {
        self.passed_over
    }

    /// An answer that was paid for says how much is left. `matters`: its word would slow us down.
    pub(super) fn answered(&mut self, word: &Word, matters: bool, now: Timestamp) {
        if count(word.remaining) >= word.most_withheld {
            // It lets us go on, so it does no harm, and it may be true.
            self.end_row();
            return;
        }
        let again = self.began.is_some() && word.remaining == self.last;
        self.last = word.remaining;
        let (began, spent) = *self.began.get_or_insert((now, word.spent));
        // A true count wanders: one that says the same again, whatever was sent meanwhile, does not.
        let denies = word.is_far_below() || (word.is_below() && again);
        // What left before the row began was not sent against anybody's word.
        if !denies || word.since < began {
            return;
        }
        self.row = self.row.saturating_add(1);
        // A true count has paid for what was let in since, but for what came in meanwhile.
        let is_more_than_there_was = word.spent_then - spent > count(word.remaining);
        self.passed_over |= matters && is_more_than_there_was && self.row >= self.needed;
    }

    /// A request was refused for a limit: their word may be true after all.
    pub(super) fn refused(&mut self) {
        if self.passed_over {
            self.needed = (self.needed * 2).min(MOST_NEEDED);
        }
        self.end_row();
    }

    fn end_row(&mut self) {
        self.row = 0;
        self.began = None;
        self.passed_over = false;
    }
}

impl Word {
    fn is_far_below(&self) -> bool {
        count(self.remaining) <= self.rounding.max(self.withheld * FAR_BELOW)
    }

    fn is_below(&self) -> bool {
        count(self.remaining) + self.rounding < self.withheld
    }
}
