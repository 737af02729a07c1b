//! How much of answers may be in memory at the same time: one budget of bytes for all that are read.
//!
//! A few kilobytes on the wire unpack to many megabytes, so the number of requests in flight bounds
//! nothing. Each answer reserves room as its bytes come, in steps, and gives it back once it is
//! recorded. What finds no room waits, and its server with it; nothing fails for it. Promises that
//! answers that are half read never wait for each other: the oldest of those that wait may go over the
//! budget, one at a time, as far as a single answer may go.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes of large answers that are in memory at the same time, each of which takes up to four times as
/// much while it is unpacked, read and stored. As much as the largest answer; hundreds of ordinary ones
/// need none of it.
const LIMIT: usize = 64 * 1024 * 1024;

/// This much of each answer is never counted: ordinary answers must not wait behind monstrous ones. Their
/// number is bounded by the concurrency.
const FREE_PER_ANSWER: usize = 256 * 1024;

/// The same of a line of a batch's results, of which hundreds wait to be recorded.
const FREE_PER_LINE: usize = 32 * 1024;

/// Room is reserved in steps of this much: to ask for each piece would take longer than to read it.
const STEP: usize = 256 * 1024;

/// A budget of bytes that all clients of a process share. Cloning it shares it.
#[derive(Clone)]
pub struct ReadBudget(Arc<Shared>);

struct Shared {
    limit: usize,
    state: Mutex<State>,
    /// Something changed for those that wait.
    changed: Notify,
}

#[derive(Default)]
struct State {
    reserved: usize,
    /// The number of the next answer that reserves something.
    next: u64,
    /// Answers that wait for room, oldest first.
    waiting: BTreeSet<u64>,
    /// The answer that may go over the limit, until there is room for all again.
    over: Option<u64>,
}

impl Default for ReadBudget {
    fn default() -> Self {
        Self::of(LIMIT)
    }
}

impl ReadBudget {
    /// A budget of this many bytes.
    #[must_use]
    pub fn of(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            state: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Bytes that are reserved now.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.state().reserved
    }

    /// The room of one answer; it holds none yet.
    pub(super) fn answer(&self) -> Reading {
        self.reading(FREE_PER_ANSWER)
    }

    /// The room of one line of a batch's results; it holds none yet.
    pub(super) fn line(&self) -> Reading {
        self.reading(FREE_PER_LINE)
    }

    fn reading(&self, free: usize) -> Reading {
        let mut state = self.state();
        state.next += 1;
        Reading {
            budget: self.clone(),
            number: state.next,
            free,
            reserved: 0,
            stall: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes this much, if it is there, or if the answer is the one that may go over the limit.
    fn take(&self, number: u64, bytes: usize) -> bool {
        let mut state = self.state();
        // Oldest first: a young answer that fits must not starve an old one that does not.
        let is_next = state.waiting.first().is_none_or(|first| *first >= number);
        let fits = state.reserved + bytes <= self.0.limit;
        let is_over = state.over == Some(number);
        // One may exceed the limit: if each waited for the others' room, none would ever end.
        let may_go_over = is_next && state.over.is_none();
        if !(is_over || (is_next && fits) || may_go_over) {
            return false;
        }
        if !fits {
            state.over = Some(number);
        }
        state.reserved += bytes;
        true
    }

    fn give_back(&self, number: u64, bytes: usize) {
        let mut state = self.state();
        state.reserved -= bytes;
        // The right passes on when its answer ends, or when there is room for all.
        if state.over == Some(number) || state.reserved <= self.0.limit {
            state.over = None;
        }
        // Those that are woken ask for the lock at once.
        drop(state);
        self.0.changed.notify_waiters();
    }
}

impl fmt::Debug for ReadBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBudget")
            .field("limit", &self.0.limit)
            .finish_non_exhaustive()
    }
}

/// The room of one answer while it comes. Dropping it gives the room back.
#[derive(Debug)]
pub(super) struct Reading {
    budget: ReadBudget,
    /// Answers are numbered in the order in which they began.
    number: u64,
    free: usize,
    reserved: usize,
    stall: Arc<Stall>,
}

impl Reading {
    /// Waits until there is room for this many bytes of the answer, those that have come included.
    pub(super) async fn grow(&mut self, bytes: usize) {
        // Ordinary answers stay within what is free, and never reach the lock.
        let wanted = bytes.saturating_sub(self.free).next_multiple_of(STEP);
        let Some(more) = wanted.checked_sub(self.reserved).filter(|more| *more > 0) else {
            return;
        };
        if !self.budget.take(self.number, more) {
            let _waiting = Waiting::begin(self);
            loop {
                // Made before the look, so that no change between the two is missed.
                let changed = self.budget.0.changed.notified();
                if self.budget.take(self.number, more) {
                    break;
                }
                changed.await;
            }
        }
        self.reserved += more;
    }

    /// How long it has waited for room: no fault of the server, so no limit of time counts it.
    pub(super) fn stall(&self) -> Arc<Stall> {
        Arc::clone(&self.stall)
    }

    /// Keeps the room of this many bytes until the answer is let go of, and gives back the rest.
    pub(super) fn keep(mut self, bytes: usize) -> Reserved {
        let kept = bytes.saturating_sub(self.free).min(self.reserved);
        let rest = self.reserved - kept;
        self.reserved = kept;
        if rest > 0 {
            self.budget.give_back(self.number, rest);
        }
        Reserved((kept > 0).then(|| Arc::new(self)))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if self.reserved > 0 {
            self.budget.give_back(self.number, self.reserved);
        }
    }
}

/// The room that an answer holds after it was read, until it is recorded. Whoever lets the last clone
/// go gives it back. A provider that reads within no budget gives [`Reserved::default`].
#[derive(Clone, Debug, Default)]
pub struct Reserved(Option<Arc<Reading>>);

impl Reserved {
    /// Bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |reading| reading.reserved)
    }
}

impl PartialEq for Reserved {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

/// Stands among those that wait, until it is dropped: a wait may be broken off.
struct Waiting {
    budget: ReadBudget,
    number: u64,
    stall: Arc<Stall>,
}

impl Waiting {
    fn begin(reading: &Reading) -> Self {
        reading.budget.state().waiting.insert(reading.number);
        reading.stall.begin();
        Self {
            budget: reading.budget.clone(),
            number: reading.number,
            stall: reading.stall(),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.stall.end();
        self.budget.state().waiting.remove(&self.number);
        self.budget.0.changed.notify_waiters();
    }
}

/// How long an answer has waited for room.
#[derive(Debug, Default)]
pub(super) struct Stall(Mutex<(Duration, Option<Instant>)>);

impl Stall {
    /// All waits together, the one at hand included.
    pub(super) fn waited(&self) -> Duration {
        let (before, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        before + since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn begin(&self) {
        let mut stall = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stall.1 = Some(Instant::now());
    }

    fn end(&self) {
        let mut stall = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = stall
            .1
            .take()
            .map_or(Duration::ZERO, |since| since.elapsed());
        stall.0 += last;
    }
}

#[cfg(test)]
mod tests;
