//! Which line counts for a request, and what is held.

use super::{ResultDoubts, Sorting};
use crate::model::{AttemptId, ErrorClass, Evidence, JobId, Usage};
use crate::provider::{Failure, ItemResult, Message, Reserved, ResultLine};

const ID: &str = "n1-7-1";

fn attempt() -> AttemptId {
    AttemptId {
        job: JobId(7),
        n: 1,
    }
}

fn line(result: ItemResult) -> ResultLine {
    ResultLine {
        custom_id: Some(ID.to_owned()),
        result,
        reserved: Reserved::default(),
    }
}

fn answer() -> ItemResult {
    ItemResult::Succeeded(Box::new(message()))
}

fn message() -> Message {
    Message {
        note: None,
        raw: "{}".to_owned(),
        model: None,
        stop_reason: Some("end_turn".to_owned()),
        mark: None,
        usage: Usage::default(),
        request_id: None,
    }
}

fn errored(message: Option<Message>) -> ItemResult {
    ItemResult::Errored(Box::new(Failure {
        unsent: false,
        revision: None,
        class: ErrorClass::Overloaded,
        evidence: Evidence {
            message: Some("x".repeat(100)),
            ..Evidence::default()
        },
        message,
        partial: None,
    }))
}

fn unreadable() -> ItemResult {
    ItemResult::Unreadable("odd".to_owned())
}

/// What is recorded of these lines: at once, and when the download is whole.
fn sorted(again: bool, lines: Vec<ItemResult>) -> (Vec<ItemResult>, Vec<ItemResult>, Sorting) {
    let over = again;
    let doubts = ResultDoubts {
        over,
        ..ResultDoubts::default()
    };
    let mut sorting = Sorting::new("n1", again, doubts);
    let lines = lines.into_iter().map(line);
    let at_once: Vec<_> = lines.filter_map(|line| sorting.take(line)).collect();
    let held = sorting.take_held();
    let results = |taken: Vec<(AttemptId, ItemResult)>| {
        taken
            .into_iter()
            .map(|(id, result)| {
                assert_eq!(id, attempt());
                result
            })
            .collect()
    };
    (results(at_once), results(held), sorting)
}

#[test]
fn of_two_lines_for_one_id_the_paid_answer_wins_whichever_comes_first() {
    let others = [
        errored(None),
        ItemResult::Canceled,
        ItemResult::Expired,
        unreadable(),
    ];
    for other in others {
        for lines in [
            vec![answer(), other.clone()],
            vec![other.clone(), answer()],
            vec![other.clone(), other.clone(), answer()],
        ] {
            let (at_once, held, sorting) = sorted(true, lines.clone());
            assert_eq!((at_once, held), (vec![answer()], vec![]), "{lines:?}");
            assert_eq!(sorting.lines.repeated, lines.len() as u64 - 1);
        }
    }
    let refusal = errored(Some(message()));
    let (at_once, ..) = sorted(true, vec![ItemResult::Expired, refusal.clone()]);
    assert_eq!(at_once, [refusal], "a refusal is paid for");
    let (at_once, ..) = sorted(true, vec![answer(), answer()]);
    assert_eq!(at_once.len(), 1);
    let (_, held, _) = sorted(true, vec![unreadable(), ItemResult::Expired, errored(None)]);
    assert_eq!(
        held,
        [ItemResult::Expired],
        "then the first that can be read"
    );
}

#[test]
fn what_is_unreadable_counts_when_the_time_is_over_in_which_it_may_become_readable() {
    let (_, held, sorting) = sorted(false, vec![unreadable()]);
    assert!(held.is_empty());
    assert_eq!(
        (sorting.seen().unreadable, sorting.lines.unreadable),
        (0, 1)
    );
    let (_, held, sorting) = sorted(true, vec![unreadable()]);
    assert_eq!(held, [unreadable()]);
    assert_eq!(sorting.lines.unreadable, 0, "told once");
}

#[test]
fn what_cannot_be_held_is_left_to_one_more_download() {
    let of = |again: bool| {
        let mut sorting = Sorting::new("n1", again, ResultDoubts::default());
        sorting.most_held = 1_500;
        let lines = (0..5).map(|job| ResultLine {
            custom_id: Some(format!("n1-{job}-1")),
            result: errored(None),
            reserved: Reserved::default(),
        });
        let at_once = lines.filter_map(|line| sorting.take(line)).count();
        (at_once, sorting)
    };
    let (at_once, mut first) = of(false);
    assert_eq!((at_once, first.seen().errored), (0, 5));
    assert!(first.wants_another());
    assert_eq!(first.take_held().len(), 2);
    let (at_once, mut second) = of(true);
    assert_eq!((at_once, second.take_held().len()), (3, 2));
    assert!(!second.wants_another());
}
