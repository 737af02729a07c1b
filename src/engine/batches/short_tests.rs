//! What may be missing, and when it is asked for again, in tables.

use super::{Missing, Seen, after_download, missing, next_download};
use crate::clock::add;
use crate::engine::batches::testing::{start as now, view};
use crate::model::{AttemptOutcome, RequestCounts, ShortResults};
use std::time::Duration;

fn counts([succeeded, errored, canceled, expired]: [u64; 4]) -> RequestCounts {
    RequestCounts {
        processing: 0,
        succeeded,
        errored,
        canceled,
        expired,
    }
}

/// Answers, and lines that say errored, canceled, expired, or cannot be read.
fn seen([paid, errored, canceled, expired, unreadable]: [u64; 5]) -> Seen {
    Seen {
        paid,
        errored,
        canceled,
        expired,
        unreadable,
    }
}

#[test]
fn only_what_the_counts_call_unpaid_may_go_again() {
    let (canceled, expired) = (AttemptOutcome::Canceled, AttemptOutcome::Expired);
    #[rustfmt::skip]
    let table = [
        // An empty body, and half of one.
        ([30, 0, 0, 0], [0, 0, 0, 0, 0], 30, Missing::Answers),
        ([30, 0, 0, 0], [20, 0, 0, 0, 0], 10, Missing::Answers),
        // Zeros say nothing.
        ([0, 0, 0, 0], [0, 0, 0, 0, 0], 30, Missing::Answers),
        // Exactly those that the counts call unpaid.
        ([20, 10, 0, 0], [20, 0, 0, 0, 0], 10, Missing::Unpaid),
        ([20, 0, 10, 0], [20, 0, 0, 0, 0], 10, Missing::Unprocessed(canceled)),
        ([20, 0, 0, 10], [20, 0, 0, 0, 0], 10, Missing::Unprocessed(expired)),
        ([20, 4, 3, 3], [20, 4, 0, 0, 0], 6, Missing::Unpaid),
        ([20, 4, 3, 3], [20, 4, 3, 0, 0], 3, Missing::Unprocessed(expired)),
        // More than those: nobody knows which.
        ([20, 9, 0, 0], [20, 0, 0, 0, 0], 10, Missing::Answers),
        ([20, 10, 0, 0], [20, 1, 0, 0, 0], 10, Missing::Answers),
        // Fewer answers than the counts tell of.
        ([21, 10, 0, 0], [20, 0, 0, 0, 0], 10, Missing::Answers),
        ([30, 30, 0, 0], [0, 0, 0, 0, 0], 30, Missing::Answers),
        // An unreadable line may be the one that is called errored.
        ([1, 1, 0, 0], [0, 0, 0, 0, 1], 1, Missing::Answers),
        ([1, 1, 0, 0], [1, 0, 0, 0, 1], 1, Missing::Answers),
        // Lines of another kind than the counts say use up their room all the same.
        ([0, 2, 0, 0], [0, 0, 2, 0, 0], 1, Missing::Answers),
    ];
    for (counted, lines, open, expected) in table {
        let found = missing(&counts(counted), &seen(lines), open);
        assert_eq!(found, expected, "{counted:?} {lines:?} {open}");
    }
}

#[test]
fn results_are_asked_for_rarer_and_rarer_for_six_hours() {
    let view = view();
    let (mut short, mut at, mut waits) = (None, now(), Vec::new());
    loop {
        let after = after_download(short, false, at);
        short = Some(after);
        let Some(next) = next_download(after, false, &view, at) else {
            break;
        };
        waits.push(next.duration_since(at).as_secs());
        at = next;
    }
    let expected = [10, 20, 40, 80, 160, 320, 640, 1280, 2560];
    assert_eq!(waits[..9], expected);
    assert_eq!(waits[9..], [3600, 3600, 3600, 3600, 2090]);
    assert_eq!(at, add(now(), Duration::from_hours(6)));
}

#[test]
fn hours_in_which_nobody_asked_prove_nothing_and_news_begin_them_anew() {
    let view = view();
    let late = add(now(), Duration::from_hours(10));
    let asked = |downloads| ShortResults {
        since: now(),
        downloads,
    };
    assert!(next_download(asked(2), false, &view, late).is_some());
    assert!(next_download(asked(4), false, &view, late).is_none());
    assert!(
        next_download(asked(4), true, &view, late).is_some(),
        "who waits, waits"
    );
    let news = after_download(Some(asked(9)), true, late);
    assert_eq!((news.since, news.downloads), (late, 1));
}
