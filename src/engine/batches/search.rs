//! Which remote batches may be one whose create answer was lost.
//!
//! The list of batches shows no `custom_id`s, so only count and time can be compared; the nonce in
//! the results has the last word. Pure.

use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::add;
use crate::model::RemoteBatch;

/// The API's clock and ours may differ by so much more than we know.
const CLOCK_DIFFERENCE: Duration = Duration::from_mins(5);
/// No create call takes longer than this, upload included.
const LONGEST_CREATE: Duration = Duration::from_hours(1);
/// Where our clock has been set back since the call left, every time of which results are still
/// there may be the one.
const RESULTS_STAY: Duration = Duration::from_hours(29 * 24);

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Search {
    /// Requests in the batch.
    pub(super) requests: u32,
    /// When its create call left.
    pub(super) sent_at: Timestamp,
    /// When its answer was missed.
    pub(super) lost_at: Timestamp,
    /// Remote batches that are known to be others.
    pub(super) others: HashSet<String>,
    /// How far the API's clock is ahead of ours, as far as it has said.
    pub(super) ahead: SignedDuration,
}

impl Search {
    /// The API's clock was so far ahead of ours when it answered.
    pub(super) fn by_the_server_s_clock(&mut self, server: Timestamp, ours: Timestamp) {
        self.ahead = server.duration_since(ours);
    }

    /// The earliest time at which it can have been created.
    fn from(&self) -> Timestamp {
        let earliest = if self.clock_was_set_back() {
            before(self.lost_at, RESULTS_STAY)
        } else {
            self.sent_at
        };
        before(earliest, CLOCK_DIFFERENCE)
    }

    fn until(&self) -> Timestamp {
        let longest = add(self.sent_at, LONGEST_CREATE);
        let latest = if self.clock_was_set_back() {
            longest
        } else {
            self.lost_at.min(longest)
        };
        add(latest, CLOCK_DIFFERENCE)
    }

    fn clock_was_set_back(&self) -> bool {
        self.lost_at < self.sent_at
    }

    /// Whether this may be the batch.
    pub(super) fn fits(&self, remote: &RemoteBatch) -> bool {
        let in_time = |at| self.from() <= at && at <= self.until();
        let is_in_time = |at| self.on_our_clock(at).into_iter().any(in_time);
        remote.counts.total() == u64::from(self.requests)
            && remote.created_at.is_none_or(is_in_time)
            && !self.others.contains(&remote.id)
    }

    /// Nothing that is listed after this one (they come newest first) can be the batch.
    pub(super) fn ends_with(&self, remote: &RemoteBatch) -> bool {
        let is_before = |at| at < self.from();
        let ends = |at| self.on_our_clock(at).into_iter().all(is_before);
        remote.created_at.is_some_and(ends)
    }

    /// What our clock showed at a time of the API's: what it would show now, or the same as the
    /// API's, since it may have been set right after the call left, or wrong.
    fn on_our_clock(&self, at: Timestamp) -> [Timestamp; 2] {
        [at, at.checked_sub(self.ahead).unwrap_or(at)]
    }
}

fn before(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::SignedDuration;

    use super::Search;
    use crate::model::{RemoteBatch, RemoteStatus, RequestCounts};

    fn remote(created_at: &str, processing: u64, errored: u64) -> RemoteBatch {
        RemoteBatch {
            id: "msgbatch_1".to_owned(),
            status: RemoteStatus::InProgress,
            counts: RequestCounts {
                processing,
                errored,
                ..RequestCounts::default()
            },
            created_at: Some(created_at.parse().unwrap()),
            expires_at: None,
            ended_at: None,
            archived_at: None,
        }
    }

    #[test]
    fn a_batch_fits_by_count_and_time() {
        let search = Search {
            requests: 10,
            sent_at: "2026-11-22T10:00:00Z".parse().unwrap(),
            lost_at: "2026-11-22T10:02:00Z".parse().unwrap(),
            others: ["msgbatch_2".to_owned()].into(),
            ahead: SignedDuration::ZERO,
        };
        for (at, processing, errored, fits) in [
            ("2026-11-22T10:01:00Z", 10, 0, true),
            ("2026-11-22T10:01:00Z", 7, 3, true),
            ("2026-11-22T10:01:00Z", 9, 0, false),
            ("2026-11-22T09:55:00Z", 10, 0, true),
            ("2026-11-22T09:54:59Z", 10, 0, false),
            ("2026-11-22T10:07:00Z", 10, 0, true),
            ("2026-11-22T10:07:01Z", 10, 0, false),
        ] {
            assert_eq!(search.fits(&remote(at, processing, errored)), fits, "{at}");
        }
        let mut known = remote("2026-11-22T10:01:00Z", 10, 0);
        known.id = "msgbatch_2".to_owned();
        assert!(!search.fits(&known), "it belongs to another batch of ours");
        known.created_at = None;
        known.id = "msgbatch_3".to_owned();
        assert!(search.fits(&known), "a missing time rules nothing out");
        assert!(search.ends_with(&remote("2026-11-22T09:54:59Z", 1, 0)));
        assert!(!search.ends_with(&remote("2026-11-22T09:55:00Z", 1, 0)));
    }

    #[test]
    fn after_the_clock_was_set_back_a_batch_of_either_time_fits() {
        let search = Search {
            requests: 10,
            sent_at: "2026-11-22T10:00:00Z".parse().unwrap(),
            lost_at: "2026-11-21T10:00:05Z".parse().unwrap(),
            others: HashSet::new(),
            ahead: SignedDuration::ZERO,
        };
        // The clock was right when the call left, or it is right now.
        assert!(search.fits(&remote("2026-11-22T10:00:01Z", 10, 0)));
        assert!(search.fits(&remote("2026-11-21T10:00:01Z", 10, 0)));
        assert!(!search.fits(&remote("2026-10-20T09:00:00Z", 10, 0)));
        assert!(!search.fits(&remote("2026-11-22T11:06:00Z", 10, 0)));
    }

    #[test]
    fn a_batch_that_is_looked_for_a_day_later_is_not_taken_for_one_of_that_day() {
        let search = Search {
            requests: 10,
            sent_at: "2026-11-22T10:00:00Z".parse().unwrap(),
            lost_at: "2026-11-23T10:00:00Z".parse().unwrap(),
            others: HashSet::new(),
            ahead: SignedDuration::ZERO,
        };
        assert!(search.fits(&remote("2026-11-22T11:05:00Z", 10, 0)));
        assert!(!search.fits(&remote("2026-11-22T11:06:00Z", 10, 0)));
    }

    #[test]
    fn the_server_s_clock_counts_where_ours_is_off() {
        let mut search = Search {
            requests: 10,
            sent_at: "2026-11-22T10:00:00Z".parse().unwrap(),
            lost_at: "2026-11-22T10:02:00Z".parse().unwrap(),
            others: HashSet::new(),
            ahead: SignedDuration::ZERO,
        };
        let (then, earlier) = ("2026-11-22T15:01:00Z", "2026-11-22T14:54:59Z");
        assert!(!search.fits(&remote(then, 10, 0)));
        search.by_the_server_s_clock(
            "2026-11-22T15:03:00Z".parse().unwrap(),
            "2026-11-22T10:03:00Z".parse().unwrap(),
        );
        assert!(search.fits(&remote(then, 10, 0)));
        assert!(!search.fits(&remote(earlier, 10, 0)));
        // Ours may have been right when the call left.
        assert!(search.fits(&remote("2026-11-22T10:01:00Z", 10, 0)));
        assert!(!search.ends_with(&remote(earlier, 10, 0)));
        assert!(search.ends_with(&remote("2026-11-22T09:54:59Z", 10, 0)));
    }
}
