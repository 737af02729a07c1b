//! Turns in tables: what a batch may do, given how it and the others stand.

use super::{BatchTurn, Decision, MOST_HARVESTS};
use crate::engine::batches::batch::{Disband, LocalBatch};
use crate::engine::batches::coordinator::{Coordinator, left_by_earlier};
use crate::engine::batches::signals::{LiveView, Mode};
use crate::engine::batches::testing::{after, coordinator, failure, queued, routed, row, start};
use crate::model::{
    BatchId, BatchState, CancelReason, ErrorClass, Halt, Lane, OnHalt, Pico, RemoteBatch,
    RemoteStatus, RequestCounts, ShortResults,
};
use crate::store::{BatchQueue, BatchRow};

/// The act that its state asks for.
const ACT: Decision<BatchTurn> = Decision::Now(BatchTurn::Act);

fn plain() -> Coordinator {
    coordinator(&routed(None, None))
}

/// A batch that is found in this state, and shown to the others.
fn found(coordinator: &mut Coordinator, state: BatchState) -> LocalBatch {
    numbered(coordinator, 1, state)
}

fn numbered(coordinator: &mut Coordinator, id: i64, state: BatchState) -> LocalBatch {
    let id = BatchId(id);
    let batch = LocalBatch::found(BatchRow { id, ..row(state) }, false);
    coordinator.show(&batch);
    batch
}

fn waits(decision: &Decision<BatchTurn>) -> bool {
    matches!(decision, Decision::Later(_))
}

#[test]
fn whatever_state_a_batch_is_found_in_it_acts_by_it_at_once() {
    for state in [
        BatchState::Filling,
        BatchState::Ready,
        BatchState::Sending,
        BatchState::Uncertain,
        BatchState::Open,
        BatchState::Canceling,
        BatchState::Ended,
    ] {
        let mut coordinator = plain();
        let mut batch = found(&mut coordinator, state);
        assert_eq!(coordinator.turn(&mut batch, start()), ACT, "{state}");
        assert!(coordinator.is_busy(), "{state}");
    }
    let over = [BatchState::Harvested, BatchState::Lost].map(row);
    assert!(left_by_earlier(&over, &routed(None, None)).is_empty());
}

#[test]
fn a_user_s_cancel_disbands_what_was_not_sent_and_cancels_what_was() {
    let disband = BatchTurn::Disband(Disband {
        lane: Lane::Live,
        keep_attempts: false,
    });
    for (state, turn) in [
        (BatchState::Ready, disband),
        (BatchState::Open, BatchTurn::Cancel(CancelReason::User)),
        // Nobody knows which batch it is: it is searched for.
        (BatchState::Uncertain, BatchTurn::Act),
    ] {
        let mut coordinator = plain();
        let mut batch = found(&mut coordinator, state);
        coordinator.on_orders(Mode::Cancel, LiveView::default());
        let found = coordinator.turn(&mut batch, start());
        assert_eq!(found, Decision::Now(turn), "{state}");
    }
}

#[test]
fn a_batch_that_was_not_sent_is_disbanded_if_there_is_a_budget_or_the_user_wants_the_live_lane() {
    for (has_budget, lane, state, disbands) in [
        (true, None, BatchState::Filling, true),
        (true, None, BatchState::Ready, true),
        (true, None, BatchState::Open, false),
        (false, Some(Lane::Live), BatchState::Ready, true),
        (false, None, BatchState::Ready, false),
    ] {
        let mut settings = routed(lane, None);
        settings.limits.budget = has_budget.then_some(Pico::USD);
        let mut coordinator = coordinator(&settings);
        let mut batches = left_by_earlier(&[row(state)], &settings);
        let turn = coordinator.turn(&mut batches[0], start());
        let how = Disband {
            lane: Lane::Batch,
            keep_attempts: false,
        };
        let disbanded = turn == Decision::Now(BatchTurn::Disband(how));
        assert_eq!(
            disbanded, disbands,
            "{has_budget} {lane:?} {state}: {turn:?}"
        );
    }
}

#[test]
fn nothing_is_created_outside_the_hours_and_polls_go_on() {
    let mut settings = routed(None, None);
    settings.limits.only_between = Some("00:00-01:00@UTC".parse().unwrap());
    for (minutes, state, turn) in [
        (30, BatchState::Ready, ACT),
        (60, BatchState::Ready, Decision::Later(Some(after(24 * 60)))),
        (60, BatchState::Open, ACT),
    ] {
        let mut coordinator = coordinator(&settings);
        let mut batch = found(&mut coordinator, state);
        let found = coordinator.turn(&mut batch, after(minutes));
        assert_eq!(found, turn, "{state} {minutes}");
    }
}

#[test]
fn one_batch_is_created_at_a_time_where_there_is_room_for_it() {
    let mut coordinator = plain();
    let mut first = numbered(&mut coordinator, 1, BatchState::Ready);
    let mut second = numbered(&mut coordinator, 2, BatchState::Ready);
    assert_eq!(coordinator.turn(&mut first, start()), ACT);
    assert!(waits(&coordinator.turn(&mut second, start())));
    first.moved(BatchState::Open);
    first.due = after(5);
    assert!(waits(&coordinator.turn(&mut first, start())));
    assert_eq!(coordinator.turn(&mut second, start()), ACT);

    coordinator.view.settings.queue_limit = 199;
    let mut third = numbered(&mut coordinator, 3, BatchState::Ready);
    second.moved(BatchState::Ready);
    coordinator.show(&second);
    assert!(waits(&coordinator.turn(&mut third, start())), "no room");
    coordinator.forget(BatchId(1));
    assert_eq!(coordinator.turn(&mut third, start()), ACT);
}

#[test]
fn after_a_refusal_the_next_create_call_waits_its_time() {
    let mut coordinator = plain();
    let mut batch = found(&mut coordinator, BatchState::Ready);
    let view = coordinator.view;
    let due = coordinator.pace.refused(&view, None, start());
    let later = Decision::Later(Some(due));
    assert_eq!(coordinator.turn(&mut batch, start()), later);
    assert_eq!(coordinator.turn(&mut batch, due), ACT);
}

#[test]
fn two_batches_are_harvested_at_a_time() {
    let mut coordinator = plain();
    let mut batches: Vec<_> = (1..)
        .take(MOST_HARVESTS + 1)
        .map(|id| numbered(&mut coordinator, id, BatchState::Ended))
        .collect();
    let (last, first) = batches.split_last_mut().unwrap();
    for batch in first.iter_mut() {
        assert_eq!(coordinator.turn(batch, start()), ACT);
    }
    assert!(waits(&coordinator.turn(last, start())));
    // One that asks again later makes room meanwhile.
    first[0].due = after(1);
    assert!(waits(&coordinator.turn(&mut first[0], start())));
    assert_eq!(coordinator.turn(last, start()), ACT);
}

#[test]
fn a_batch_is_given_up_when_only_the_margin_is_left() {
    let mut coordinator = coordinator(&routed(None, Some(after(65))));
    let mut batch = found(&mut coordinator, BatchState::Open);
    batch.due = after(59);
    // 100 long answers by 64 at once: less than the ten minutes that are kept at least.
    let rescue = Decision::Later(Some(after(55)));
    assert_eq!(coordinator.turn(&mut batch, after(54)), rescue);
    let cancel = Decision::Now(BatchTurn::Cancel(CancelReason::Deadline));
    assert_eq!(coordinator.turn(&mut batch, after(55)), cancel);
}

/// Its jobs are cancelled as they were by whoever cancelled it; a cancel of ours would send them live.
#[test]
fn what_somebody_else_cancels_is_not_cancelled_by_us_for_a_deadline() {
    let late = after(60);
    let polled = |status| RemoteBatch {
        id: "msgbatch_1".to_owned(),
        status,
        counts: RequestCounts::default(),
        created_at: None,
        expires_at: None,
        ended_at: None,
        archived_at: None,
    };
    let ours = Decision::Now(BatchTurn::Cancel(CancelReason::Deadline));
    for (found_in, status, expected) in [
        (BatchState::Open, RemoteStatus::InProgress, &ours),
        (BatchState::Open, RemoteStatus::Canceling, &ACT),
        (BatchState::Canceling, RemoteStatus::Canceling, &ACT),
    ] {
        let mut coordinator = coordinator(&routed(None, Some(after(65))));
        let mut batch = found(&mut coordinator, found_in);
        batch.noted(&polled(status), start());
        let turn = coordinator.turn(&mut batch, late);
        assert_eq!(turn, *expected, "{found_in} {status:?}");
    }
}

#[test]
fn a_lost_batch_is_searched_for_among_those_that_are_none_of_ours() {
    let mut coordinator = plain();
    numbered(&mut coordinator, 1, BatchState::Uncertain);
    numbered(&mut coordinator, 2, BatchState::Open);
    let ours: Vec<_> = coordinator.remote_ids().collect();
    assert_eq!(ours, ["msgbatch_1"]);
    coordinator.forget(BatchId(2));
    assert_eq!(coordinator.remote_ids().count(), 0);
}

#[test]
fn nothing_is_begun_any_more_when_the_run_is_left_but_what_is_over_is_told_of() {
    for mode in [Mode::Leave, Mode::Abandon] {
        let mut coordinator = plain();
        let mut batch = found(&mut coordinator, BatchState::Ready);
        coordinator.on_orders(mode, LiveView::default());
        coordinator.on_orders(Mode::Run, LiveView::default());
        let leave = Decision::Now(BatchTurn::Leave);
        assert_eq!(coordinator.turn(&mut batch, start()), leave, "{mode:?}");
        batch.moved(BatchState::Harvested);
        assert_eq!(coordinator.turn(&mut batch, start()), ACT, "{mode:?}");
    }
}

#[test]
fn a_halt_that_is_waited_out_holds_every_batch_back_and_another_one_leaves() {
    for on_halt in [OnHalt::Wait, OnHalt::Exit] {
        let mut settings = routed(None, None);
        settings.on_halt = on_halt;
        let mut coordinator = coordinator(&settings);
        let mut batch = found(&mut coordinator, BatchState::Open);
        let halt = Halt::new(ErrorClass::Billing, "no credit".to_owned(), start());
        let until = coordinator.halted(&halt, start());
        let turn = coordinator.turn(&mut batch, start());
        match until {
            None => assert_eq!(turn, Decision::Now(BatchTurn::Leave)),
            Some(until) => {
                assert_eq!(turn, Decision::Later(Some(until)));
                assert_eq!(coordinator.turn(&mut batch, until), ACT);
            }
        }
        assert_eq!(until.is_some(), on_halt == OnHalt::Wait);
    }
}

#[test]
fn a_batch_that_came_to_rest_is_news_once_and_what_stands_as_before_is_none() {
    let mut coordinator = plain();
    let mut batch = found(&mut coordinator, BatchState::Open);
    assert!(coordinator.take_news(), "it is shown");
    assert_eq!(coordinator.turn(&mut batch, start()), ACT);
    assert!(coordinator.take_news(), "it acts");
    batch.due = after(5);
    for is_news in [true, false] {
        assert!(waits(&coordinator.turn(&mut batch, start())));
        assert_eq!(coordinator.take_news(), is_news);
    }
}

#[test]
fn a_suspect_waits_until_nothing_else_can_tell() {
    let mut coordinator = plain();
    let mut batch = found(&mut coordinator, BatchState::Ready);
    let refused = failure(ErrorClass::BatchRejected);
    coordinator.suspects.put_aside(BatchId(1), refused.clone());
    let waiting = BatchQueue {
        due: 7,
        ..BatchQueue::default()
    };
    queued(&mut coordinator, waiting);
    assert!(!coordinator.is_one_pending(), "the next one may be begun");
    assert!(waits(&coordinator.turn(&mut batch, start())));
    queued(&mut coordinator, BatchQueue::default());
    let fails = Decision::Now(BatchTurn::FailEntry(refused));
    assert_eq!(coordinator.turn(&mut batch, start()), fails);
}

#[test]
fn a_batch_that_is_sent_again_hours_later_is_searched_for_where_it_was_sent_last() {
    let mut batch = LocalBatch::begun(row(BatchState::Ready), None);
    for minutes in [0, 200] {
        batch.leaves(after(minutes));
        batch.lost_at = Some(after(minutes + 1));
        let search = batch.search(after(minutes + 1));
        let mut remote = RemoteBatch {
            id: "msgbatch_1".to_owned(),
            status: RemoteStatus::InProgress,
            counts: RequestCounts {
                processing: 100,
                ..RequestCounts::default()
            },
            created_at: Some(after(minutes)),
            expires_at: None,
            ended_at: None,
            archived_at: None,
        };
        assert!(search.fits(&remote), "{search:?}");
        remote.created_at = Some(after(minutes + 60));
        assert!(!search.fits(&remote), "{search:?}");
    }
}

#[test]
fn a_batch_that_is_elsewhere_keeps_nobody_who_does_not_wait_unless_something_is_done_about_it() {
    let mut settings = routed(None, None);
    settings.batch.no_wait = true;
    let short = ShortResults {
        since: start(),
        downloads: 1,
    };
    for (state, was_asked, keeps) in [
        (BatchState::Ended, false, true),
        (BatchState::Ended, true, false),
    ] {
        let mut coordinator = coordinator(&settings);
        let mut batch = found(&mut coordinator, state);
        (batch.row.short, batch.was_asked) = (Some(short), was_asked);
        batch.due = after(5);
        assert!(waits(&coordinator.turn(&mut batch, start())));
        assert_eq!(coordinator.is_busy(), keeps, "{state} {was_asked}");
        assert_eq!(coordinator.turn(&mut batch, after(5)), ACT);
        assert!(coordinator.is_busy(), "it is being asked for");
    }
}
