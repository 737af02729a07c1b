//! Results of an ended batch that come short: what may be missing of them, and how long it is asked
//! for again. Pure.
//!
//! The API keeps results for 29 days, and a download costs nothing. So what its counts call
//! succeeded is waited for, and only what they call errored, expired or canceled goes again without
//! a line.

use std::time::Duration;

use jiff::Timestamp;

use super::view::View;
use crate::clock::add;
use crate::model::{AttemptOutcome, RequestCounts, ShortResults};
use crate::provider::{Failure, is_missing};

/// The longest wait between two downloads. What has not come within an hour is not a matter of
/// seconds, and each download may be gigabytes.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// Each wait is this many times the one before.
const GROWTH: u32 = 2;
/// Fewer downloads prove nothing, however much time has passed: nobody asked while claude-run was
/// not running.
const LEAST_DOWNLOADS: u32 = 4;

/// What one whole download held, each request counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Requests with an answer, which is paid for.
    pub(super) paid: u64,
    pub(super) errored: u64,
    pub(super) canceled: u64,
    pub(super) expired: u64,
    /// Requests whose line cannot be read: they may be any of these.
    pub(super) unreadable: u64,
}

impl Seen {
    fn unpaid(&self) -> u64 {
        self.errored + self.canceled + self.expired
    }

    /// Whether the lines call more of the requests unpaid than the counts do, which call them
    /// succeeded. Which of the lines are wrong then, nothing tells.
    pub(super) fn contradicts(&self, counts: &RequestCounts) -> bool {
        let unpaid = counts.errored + counts.canceled + counts.expired;
        self.unpaid() > unpaid && self.paid < counts.succeeded
    }
}

/// Why an ended batch whose download was whole has requests without an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lack {
    /// Requests without an end.
    pub(super) open: u64,
    /// So many of them have a line that cannot be read.
    pub(super) unreadable: u64,
    /// Its lines contradict its counts.
    pub(super) contradicted: bool,
    /// All its lines are other requests' than ours.
    pub(super) strange: bool,
}

/// What downloads before this one said of the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ResultDoubts {
    /// The lines of the last one contradicted the counts.
    pub(super) contradicted: bool,
    /// The time is over in which what cannot be read may become readable.
    pub(super) over: bool,
}

/// What it means that requests of an ended batch have no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Their answers may be there, and paid for.
    Answers,
    /// The counts call each of them errored, expired or canceled: nothing was paid for them.
    Unpaid,
    /// The counts call each of them this, so they were never processed.
    Unprocessed(AttemptOutcome),
}

/// What is missing of a batch of which `open` requests have no end after a whole download.
pub(super) fn missing(counts: &RequestCounts, seen: &Seen, open: u64) -> Missing {
    let left = |counted: u64, seen: u64| counted.saturating_sub(seen);
    let unpaid = counts.errored + counts.canceled + counts.expired;
    let all_unpaid = open <= left(unpaid, seen.unpaid() + seen.unreadable);
    if !all_unpaid || seen.paid < counts.succeeded {
        return Missing::Answers;
    }
    let errored = left(counts.errored, seen.errored);
    let canceled = left(counts.canceled, seen.canceled);
    let expired = left(counts.expired, seen.expired);
    match (errored, canceled, expired) {
        (0, _, 0) => Missing::Unprocessed(AttemptOutcome::Canceled),
        (0, 0, _) => Missing::Unprocessed(AttemptOutcome::Expired),
        _ => Missing::Unpaid,
    }
}

/// Whether a failed download says something of the results, and not of the way to them: the API has
/// none, or what came is not theirs, or only a part of it.
pub(super) fn concerns_the_results(failure: &Failure) -> bool {
    let status = failure.evidence.http_status;
    is_missing(failure) || status.is_some_and(|status| (200..300).contains(&status))
}

/// The state after one more download that came short; `is_progress`: it brought something new.
pub(super) fn after_download(
    before: Option<ShortResults>,
    is_progress: bool,
    now: Timestamp,
) -> ShortResults {
    match before.filter(|_| !is_progress) {
        Some(ShortResults { since, downloads }) => ShortResults {
            since,
            downloads: downloads.saturating_add(1),
        },
        None => ShortResults {
            since: now,
            downloads: 1,
        },
    }
}

/// When the next download is due: rarer and rarer, and one at the end of the time that results are
/// asked for. None when that is over; never, if the user wants to wait rather
/// than to halt.
pub(super) fn next_download(
    short: ShortResults,
    waits: bool,
    view: &View,
    now: Timestamp,
) -> Option<Timestamp> {
    let ends = add(short.since, view.settings.short_for.mul_f64(view.scale));
    let due = add(now, wait(short.downloads, view));
    if short.downloads < LEAST_DOWNLOADS || waits {
        Some(due)
    } else {
        (ends > now).then(|| due.min(ends))
    }
}

/// The wait after so many downloads in a row.
fn wait(downloads: u32, view: &View) -> Duration {
    let grown = GROWTH.saturating_pow(downloads.saturating_sub(1));
    let wait = view.settings.poll_min.saturating_mul(grown);
    wait.min(LONGEST_WAIT.max(view.settings.poll_min))
        .mul_f64(view.scale)
}

#[cfg(test)]
#[path = "short_tests.rs"]
mod tests;
