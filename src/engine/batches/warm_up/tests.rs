//! The warm-up in tables: what goes first, what is marked then, and for how long others wait.

use super::*;
use crate::engine::batches::testing::{after, routed, row, start};
use crate::model::{BatchState, Lane};

fn prefix(hash: u64, jobs: u64, first: &[i64]) -> SharedPrefix {
    SharedPrefix {
        hash,
        model: "claude-sonnet-4-6".to_owned(),
        tokens: 5_000,
        jobs,
        first: first.to_vec(),
    }
}

fn warm_up(prefixes: Vec<SharedPrefix>) -> WarmUp {
    let mut settings = routed(Some(Lane::Batch), None);
    settings.limits.cache_prefixes = prefixes.into();
    WarmUp::new(&settings, start())
}

fn waits(job: i64) -> Warmer {
    Warmer {
        job: JobId(job),
        waits: true,
        batch: None,
        warmed_at: None,
    }
}

#[test]
fn one_job_of_each_prefix_goes_first_and_the_rest_is_marked_once_it_is_warm() {
    let mut warm_up = warm_up(vec![prefix(1, 50, &[11, 12]), prefix(2, 9, &[21])]);
    let ended = Warmer {
        waits: false,
        ..waits(11)
    };
    warm_up.begins_with(&[ended, waits(12), waits(21)], &[], start());
    let jobs = vec![JobId(12), JobId(21)];
    assert_eq!(warm_up.due(100, 20), Some(jobs.clone()));
    warm_up.begins();
    assert!(warm_up.holds(start()));
    warm_up.not_begun();
    assert_eq!(warm_up.due(100, 20), Some(jobs.clone()), "once more");
    warm_up.begins();
    assert_eq!(warm_up.begun(BatchId(7), start()), Some(jobs));
    assert_eq!(warm_up.marks(BatchId(7), start()), [1, 2]);
    assert_eq!(warm_up.begun(BatchId(8), start()), None, "an ordinary one");
    assert!(warm_up.marks(BatchId(8), start()).is_empty());
    assert_eq!(warm_up.asks(|_| true), None);
    assert!(warm_up.holds(after(5)));
    assert!(warm_up.asks(|_| false).is_some());
    assert!(warm_up.holds(after(5)), "until the store has told");
    let warmed = Warmer {
        waits: false,
        warmed_at: Some(start()),
        ..waits(12)
    };
    warm_up.told(&[warmed, waits(21)]);
    assert!(!warm_up.holds(after(5)));
    assert_eq!(warm_up.due(100, 20), None, "it is tried once");
    assert_eq!(warm_up.marks(BatchId(8), after(5)), [1]);
    assert!(warm_up.marks(BatchId(8), after(40)).is_empty(), "gone cold");
}

#[test]
fn nothing_goes_first_that_does_not_pay_or_leaves_too_few() {
    for (prefix, queued, least, is_due) in [
        (prefix(1, 50, &[11]), 50, 20, true),
        (prefix(1, 50, &[11]), 20, 20, false),
        (prefix(1, 50, &[11]), 20, 1, true),
        (prefix(1, 50, &[11]), 1, 1, false),
        (prefix(1, 2, &[11]), 50, 20, false),
        (prefix(1, 50, &[]), 50, 20, false),
        (prefix(1, 50, &[12]), 50, 20, false),
    ] {
        let mut warm_up = warm_up(vec![prefix.clone()]);
        warm_up.begins_with(&[waits(11)], &[], start());
        assert_eq!(warm_up.due(queued, least).is_some(), is_due, "{prefix:?}");
    }
}

#[test]
fn one_that_takes_too_long_is_not_waited_for() {
    let mut warm_up = warm_up(vec![prefix(1, 50, &[11])]);
    warm_up.begins_with(&[waits(11)], &[], start());
    warm_up.begins();
    warm_up.begun(BatchId(7), start());
    assert_eq!(warm_up.wakes_at(after(1)), Some(after(40)));
    assert!(!warm_up.holds(after(40)));
    assert!(warm_up.marks(BatchId(8), after(41)).is_empty());
}

#[test]
fn a_run_that_is_taken_up_again_knows_the_one_under_way_and_what_is_warm() {
    let in_batch = Warmer {
        waits: false,
        batch: Some(BatchId(1)),
        ..waits(11)
    };
    for (requests, holds) in [(1, true), (100, false)] {
        let mut warm_up = warm_up(vec![prefix(1, 50, &[11, 12])]);
        let small = BatchRow {
            requests,
            ..row(BatchState::Open)
        };
        warm_up.begins_with(&[in_batch, waits(12)], &[small], after(1));
        assert_eq!(warm_up.holds(after(1)), holds, "{requests}");
        assert_eq!(warm_up.due(90, 20).is_some(), !holds);
    }
    let mut warm_up = warm_up(vec![prefix(1, 50, &[11, 12])]);
    let warmed = Warmer {
        waits: false,
        warmed_at: Some(start()),
        ..waits(11)
    };
    warm_up.begins_with(&[warmed, waits(12)], &[], after(1));
    assert_eq!(warm_up.due(90, 20), None);
    assert_eq!(warm_up.marks(BatchId(3), after(1)), [1]);
    warm_up.begins_with(&[warmed, waits(12)], &[], after(45));
    assert_eq!(warm_up.due(90, 20), Some(vec![JobId(12)]), "cold again");
}
