//! The queue's turns in tables: when a batch is begun.

use super::QueueTurn;
use crate::engine::batches::batch::{LocalBatch, Sight};
use crate::engine::batches::coordinator::Coordinator;
use crate::engine::batches::intake::Step;
use crate::engine::batches::signals::{LiveView, Mode};
use crate::engine::batches::testing::{after, coordinator, queued, routed, row, start};
use crate::engine::batches::turn::Decision;
use crate::model::{BatchId, BatchState, Lane, Pico};
use crate::store::BatchQueue;

const BEGIN: Decision<QueueTurn> = Decision::Now(QueueTurn::Step(Step::Begin));

fn due(due: u64) -> BatchQueue {
    BatchQueue {
        due,
        ..BatchQueue::default()
    }
}

#[test]
fn a_batch_is_begun_when_enough_is_due_and_the_api_has_room() {
    for (due, waiting, min_jobs, queue_limit, begins) in [
        (100, 0, 20, 1_000, true),
        (100, 50, 20, 1_000, true),
        (0, 100, 20, 1_000, false),
        (19, 81, 20, 1_000, false),
        (100, 0, 20, 100, true),
        (100, 0, 20, 99, false),
    ] {
        let mut settings = routed(Some(Lane::Batch), None);
        settings.batch.settings.min_jobs = min_jobs;
        settings.batch.settings.queue_limit = queue_limit;
        let mut coordinator = coordinator(&settings);
        let queue = BatchQueue {
            due,
            waiting,
            next_due: (waiting > 0).then(|| after(1)),
            ..BatchQueue::default()
        };
        queued(&mut coordinator, queue);
        let turn = coordinator.queue_turn(start());
        assert_eq!(
            turn == BEGIN,
            begins,
            "{due} {waiting} {queue_limit}: {turn:?}"
        );
    }
}

#[test]
fn no_batch_is_begun_while_another_is_filled_or_waits_to_be_sent_or_the_run_is_left() {
    for state in [BatchState::Filling, BatchState::Ready, BatchState::Open] {
        let mut coordinator = coordinator(&routed(Some(Lane::Batch), None));
        queued(&mut coordinator, due(100));
        coordinator.show(&LocalBatch::begun(row(state), None));
        let begins = coordinator.queue_turn(start()) == BEGIN;
        assert_eq!(begins, state == BatchState::Open, "{state}");
        coordinator.on_orders(Mode::Leave, LiveView::default());
        let turn = coordinator.queue_turn(start());
        assert_eq!(turn, Decision::Now(QueueTurn::Leave));
    }
}

/// Jobs that wait, and a budget that has no room for one now.
fn short_of_money(no_wait: bool, has_batch: bool) -> Coordinator {
    let mut settings = routed(Some(Lane::Batch), None);
    settings.limits.budget = Some(Pico::USD);
    settings.batch.no_wait = no_wait;
    let mut coordinator = coordinator(&settings);
    queued(&mut coordinator, due(100));
    coordinator.intake.short = true;
    if has_batch {
        let mut batch = LocalBatch::begun(row(BatchState::Open), None);
        batch.sight = Sight::Seen;
        coordinator.show(&batch);
    }
    coordinator
}

#[test]
fn what_waits_for_money_waits_for_the_end_of_a_batch_or_until_nothing_is_held() {
    let live = |holds_nothing| LiveView {
        holds_nothing,
        ..LiveView::default()
    };
    let mut with_batch = short_of_money(false, true);
    with_batch.on_orders(Mode::Run, live(false));
    assert_ne!(with_batch.queue_turn(start()), BEGIN);
    with_batch.forget(BatchId(1));
    queued(&mut with_batch, due(100));
    assert_eq!(with_batch.queue_turn(start()), BEGIN);

    let mut without = short_of_money(false, false);
    without.on_orders(Mode::Run, live(false));
    assert_ne!(without.queue_turn(start()), BEGIN);
    without.on_orders(Mode::Run, live(true));
    assert_eq!(without.queue_turn(start()), BEGIN);
}

#[test]
fn jobs_that_wait_for_money_keep_nobody_who_does_not_wait_for_batches() {
    for (no_wait, has_batch, busy) in [
        (false, true, true),
        (true, false, true),
        (true, true, false),
    ] {
        let coordinator = short_of_money(no_wait, has_batch);
        assert_eq!(coordinator.is_busy(), busy, "{no_wait} {has_batch}");
    }
}
