//! The planner in tables: what it wants, given what it found and heard.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::{Effect, Planner, View};
use crate::clock::add;
use crate::engine::batches::answer::{Answer, HarvestEnd, Harvested};
use crate::engine::batches::short::Lack;
use crate::engine::batches::signals::{LiveView, Mode};
use crate::engine::batches::testing::{self, run, start};
use crate::engine::batches::track::Sight;
use crate::engine::settings::{BatchOptions, EngineSettings};
use crate::model::{
    BatchId, BatchState, CancelReason, ErrorClass, EventKind, Evidence, Lane, Pico, RemoteBatch,
    RemoteStatus, RequestCounts, RunId, ShortResults,
};
use crate::provider::{Failure, Polled};
use crate::store::{BatchQueue, BatchRow};

fn after(minutes: u64) -> Timestamp {
    add(start(), Duration::from_mins(minutes))
}

pub(in crate::engine::batches) fn settings(
    lane: Option<Lane>,
    deadline: Option<Timestamp>,
) -> EngineSettings {
    testing::settings(BatchOptions {
        lane,
        deadline,
        ..BatchOptions::default()
    })
}

pub(in crate::engine::batches) fn view() -> View {
    found(BatchState::Open, None).view
}

pub(in crate::engine::batches) fn row(state: BatchState) -> BatchRow {
    BatchRow {
        id: BatchId(1),
        run: RunId::generate(),
        nonce: "k3x".to_owned(),
        state,
        remote_id: matches!(
            state,
            BatchState::Open | BatchState::Canceling | BatchState::Ended
        )
        .then(|| "msgbatch_1".to_owned()),
        requests: 100,
        bytes: 9_000,
        open_requests: 100,
        created_at: start(),
        sent_at: Some(start()),
        remote_created_at: None,
        expires_at: None,
        ended_at: None,
        counts: RequestCounts::default(),
        polled_at: None,
        cancel_reason: None,
        deadline: None,
        undated: true,
        short: None,
    }
}

fn failure(class: ErrorClass) -> Box<Failure> {
    Box::new(Failure {
        class,
        evidence: Evidence::default(),
        message: None,
        partial: None,
        unsent: false,
    })
}

/// A planner that finds a batch in this state and an empty queue.
fn found(state: BatchState, deadline: Option<Timestamp>) -> Planner {
    let mut planner = Planner::new(&run(), &settings(None, deadline), vec![row(state)]);
    planner.intake.begins_with(BatchQueue::default(), start());
    planner
}

fn plan(planner: &mut Planner, now: Timestamp) -> Vec<Effect> {
    let effects = planner.plan(now, &mut Rng::with_seed(1));
    effects
        .into_iter()
        .filter(|effect| !matches!(effect, Effect::Ask))
        .collect()
}

fn remote(status: RemoteStatus) -> RemoteBatch {
    RemoteBatch {
        id: "msgbatch_1".to_owned(),
        status,
        counts: RequestCounts {
            processing: 100,
            ..RequestCounts::default()
        },
        created_at: Some(start()),
        expires_at: None,
        ended_at: None,
        archived_at: None,
    }
}

#[test]
fn whatever_state_a_batch_is_found_in_there_is_one_thing_to_do() {
    for (state, effect) in [
        (BatchState::Ready, "Send"),
        (BatchState::Sending, "Move(BatchId(1), Uncertain)"),
        (BatchState::Uncertain, "Find"),
        (BatchState::Open, "Poll"),
        (BatchState::Canceling, "Poll"),
        (BatchState::Ended, "Harvest"),
    ] {
        let mut planner = found(state, None);
        let effects = plan(&mut planner, start());
        let [only] = effects.as_slice() else {
            panic!("{state}: {effects:?}");
        };
        assert!(format!("{only:?}").starts_with(effect), "{state}: {only:?}");
        assert_eq!(
            plan(&mut planner, after(9)),
            [],
            "{state}: one thing at a time"
        );
        assert!(planner.is_busy(), "{state}");
    }
    for over in [BatchState::Harvested, BatchState::Lost] {
        let mut planner = found(over, None);
        assert_eq!(plan(&mut planner, start()), [], "{over}");
        assert!(!planner.is_busy(), "{over}");
    }
}

#[test]
fn a_user_s_cancel_takes_apart_what_was_not_sent_and_cancels_what_was() {
    let disband = Effect::Disband {
        batch: BatchId(1),
        lane: Lane::Live,
        keep_attempts: false,
    };
    let cancel = Effect::Cancel {
        batch: BatchId(1),
        remote_id: "msgbatch_1".to_owned(),
        reason: CancelReason::User,
    };
    for (state, effect) in [(BatchState::Ready, disband), (BatchState::Open, cancel)] {
        let mut planner = found(state, None);
        planner.on_orders(Mode::Cancel, LiveView::default());
        assert_eq!(plan(&mut planner, start()), [effect], "{state}");
    }
    let mut planner = found(BatchState::Uncertain, None);
    planner.on_orders(Mode::Cancel, LiveView::default());
    let effects = plan(&mut planner, start());
    assert!(
        matches!(effects.as_slice(), [Effect::Find { .. }]),
        "{effects:?}"
    );
}

/// A planner with jobs that wait, and a budget that has no room for one now.
fn short_of_money(no_wait: bool, rows: Vec<BatchRow>) -> Planner {
    let mut settings = settings(Some(Lane::Batch), None);
    settings.limits.budget = Some(Pico::USD);
    settings.batch.no_wait = no_wait;
    let mut planner = Planner::new(&run(), &settings, rows);
    let queue = BatchQueue {
        due: 100,
        ..BatchQueue::default()
    };
    planner.intake.begins_with(queue, start());
    planner.intake.short = true;
    planner.intake.counted(queue, start());
    planner
}

fn begins(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Begin(_)))
}

#[test]
fn what_waits_for_money_waits_for_the_end_of_a_batch_or_until_nothing_is_held() {
    let live = |holds_nothing| LiveView {
        holds_nothing,
        ..LiveView::default()
    };
    let mut planner = short_of_money(false, vec![row(BatchState::Open)]);
    planner.on_orders(Mode::Run, live(false));
    assert!(!begins(&plan(&mut planner, start())));
    planner.forget(BatchId(1));
    planner.intake.begins_with(
        BatchQueue {
            due: 100,
            ..BatchQueue::default()
        },
        start(),
    );
    let effects = plan(&mut planner, start());
    assert!(effects.contains(&Effect::Freed(BatchId(1))), "{effects:?}");
    assert!(!planner.intake.short);

    let mut planner = short_of_money(false, Vec::new());
    planner.on_orders(Mode::Run, live(false));
    assert!(!begins(&plan(&mut planner, start())));
    planner.on_orders(Mode::Run, live(true));
    assert!(begins(&plan(&mut planner, start())));
}

#[test]
fn jobs_that_wait_for_money_keep_nobody_who_does_not_wait_for_batches() {
    let mut open = row(BatchState::Open);
    open.polled_at = Some(start());
    for (no_wait, rows, busy) in [
        (false, vec![open.clone()], true),
        (true, Vec::new(), true),
        (true, vec![open], false),
    ] {
        let has_batch = !rows.is_empty();
        let mut planner = short_of_money(no_wait, rows);
        for track in planner.tracks.values_mut() {
            track.sight = Sight::Seen;
        }
        assert_eq!(planner.is_busy(), busy, "{no_wait} {has_batch}");
    }
}

#[test]
fn a_batch_that_was_not_sent_is_taken_apart_if_there_is_a_budget() {
    for (state, apart) in [
        (BatchState::Filling, true),
        (BatchState::Ready, true),
        (BatchState::Open, false),
    ] {
        let mut settings = settings(None, None);
        settings.limits.budget = Some(Pico::USD);
        let mut planner = Planner::new(&run(), &settings, vec![row(state)]);
        planner.intake.begins_with(BatchQueue::default(), start());
        let effects = plan(&mut planner, start());
        let lane = Lane::Batch;
        let is_apart = matches!(effects[..], [Effect::Disband { lane: to, keep_attempts: false, .. }] if to == lane);
        assert_eq!(is_apart, apart, "{state}: {effects:?}");
    }
}

#[test]
fn nothing_is_created_outside_the_hours_and_looks_go_on() {
    for (hours, now, open) in [
        ("00:00-01:00@UTC", 30, true),
        ("00:00-01:00@UTC", 60, false),
    ] {
        let mut settings = settings(None, None);
        settings.limits.only_between = Some(hours.parse().unwrap());
        for state in [BatchState::Ready, BatchState::Open] {
            let mut planner = Planner::new(&run(), &settings, vec![row(state)]);
            planner.intake.begins_with(BatchQueue::default(), start());
            let effects = plan(&mut planner, after(now));
            let does = state == BatchState::Open || open;
            assert_eq!(
                effects.len(),
                usize::from(does),
                "{state} {now}: {effects:?}"
            );
            if !does {
                let opens = planner.wakes_at(after(now)).unwrap();
                assert!(opens <= after(24 * 60), "{opens}");
            }
        }
    }
}

#[test]
fn a_batch_that_is_sent_again_hours_later_is_looked_for_where_it_was_sent_last() {
    let mut planner = found(BatchState::Ready, None);
    let rng = &mut Rng::with_seed(1);
    for minutes in [0, 200] {
        let sent = plan(&mut planner, after(minutes));
        assert!(matches!(sent[..], [Effect::Send { .. }]), "{sent:?}");
        let lost = failure(ErrorClass::ConnectionCut);
        let answer = Answer::Sent(BatchId(1), Some(Err(lost)));
        planner.on_answer(answer, after(minutes + 1), rng);
        let looked_for = plan(&mut planner, after(minutes + 1));
        let Some(Effect::Find { search, .. }) = looked_for.last() else {
            panic!("{looked_for:?}");
        };
        assert_eq!(search.sent_at, after(minutes));
        let mut remote = remote(RemoteStatus::InProgress);
        remote.created_at = Some(after(minutes));
        assert!(search.fits(&remote), "{search:?}");
        // Nothing is found until it can be created again.
        let nothing = || Answer::Found(BatchId(1), Ok(Vec::new()));
        planner.on_answer(nothing(), after(minutes + 100), rng);
    }
}

#[test]
fn a_batch_is_given_up_when_only_the_margin_is_left() {
    let mut planner = found(BatchState::Open, Some(after(65)));
    let rng = &mut Rng::with_seed(1);
    assert!(matches!(
        plan(&mut planner, start())[..],
        [Effect::Poll { .. }]
    ));
    let polled = Polled {
        batch: remote(RemoteStatus::InProgress),
        retry_after: Some(Duration::from_mins(59)),
    };
    planner.on_answer(Answer::Polled(BatchId(1), Ok(polled)), start(), rng);
    let told = plan(&mut planner, after(1));
    assert!(matches!(
        told[..],
        [Effect::Tell(EventKind::BatchProgress { .. })]
    ));
    // 100 long answers by 64 at once: less than the ten minutes that are kept at least.
    assert_eq!(plan(&mut planner, after(54)), []);
    let effects = plan(&mut planner, after(55));
    let [Effect::Cancel { reason, .. }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(*reason, CancelReason::Deadline);
}

#[test]
fn nothing_is_begun_any_more_when_the_run_is_left() {
    for mode in [Mode::Leave, Mode::Abandon] {
        let mut planner = found(BatchState::Ready, None);
        planner.on_orders(mode, LiveView::default());
        assert_eq!(plan(&mut planner, start()), []);
        assert!(planner.is_quiet() && planner.is_leaving());
        assert_eq!(planner.wakes_at(start()), None);
        planner.on_orders(Mode::Run, LiveView::default());
        assert!(planner.is_leaving(), "what was said is not taken back");
    }
}

#[test]
fn a_download_that_is_whole_but_lacks_lines_is_repeated_before_they_are_called_missing() {
    let mut planner = found(BatchState::Ended, None);
    let rng = &mut Rng::with_seed(1);
    for downloads in 0..2 {
        let effects = plan(&mut planner, after(10 * downloads));
        let Some(Effect::Harvest {
            downloads: told, ..
        }) = effects.last()
        else {
            panic!("{effects:?}");
        };
        assert_eq!(u64::from(*told), downloads);
        let harvested = Harvested {
            end: HarvestEnd::Incomplete,
            ours: 90,
            ..Harvested::default()
        };
        let answer = Answer::Harvested(BatchId(1), harvested);
        planner.on_answer(answer, after(10 * downloads), rng);
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
        let mut settings = settings(Some(Lane::Batch), None);
        settings.batch.settings.min_jobs = min_jobs;
        settings.batch.settings.queue_limit = queue_limit;
        let mut planner = Planner::new(&run(), &settings, Vec::new());
        let queue = BatchQueue {
            due,
            waiting,
            next_due: (waiting > 0).then(|| after(1)),
            ..BatchQueue::default()
        };
        planner.intake.begins_with(queue, start());
        let effects = plan(&mut planner, start());
        let begun = matches!(effects[..], [Effect::Begin(_)]);
        assert_eq!(begun, begins, "{due} {waiting} {queue_limit}: {effects:?}");
    }
}

/// A planner that finds so many batches in this state and an empty queue.
fn found_many(state: BatchState, count: i64, deadline: Option<Timestamp>) -> Planner {
    let rows = (1..=count).map(|id| BatchRow {
        id: BatchId(id),
        remote_id: row(state).remote_id.map(|_| format!("msgbatch_{id}")),
        ..row(state)
    });
    let mut planner = Planner::new(&run(), &settings(None, deadline), rows.collect());
    planner.intake.begins_with(BatchQueue::default(), start());
    planner
}

#[test]
fn one_create_call_and_two_downloads_are_under_way_at_a_time() {
    for (state, most) in [(BatchState::Ready, 1), (BatchState::Ended, 2)] {
        let mut planner = found_many(state, 4, None);
        let begun = plan(&mut planner, start());
        assert_eq!(begun.len(), most, "{state}: {begun:?}");
        assert_eq!(plan(&mut planner, after(1)), [], "{state}");
    }
    let mut planner = found_many(BatchState::Ended, 4, None);
    plan(&mut planner, start());
    let answer = Answer::Harvested(BatchId(1), Harvested::default());
    planner.on_answer(answer, after(1), &mut Rng::with_seed(1));
    let effects = plan(&mut planner, after(1));
    let begun = effects
        .iter()
        .filter(|it| matches!(it, Effect::Harvest { .. }));
    assert_eq!(begun.count(), 1, "{effects:?}");
}

#[test]
fn a_lost_batch_is_looked_for_among_those_that_are_none_of_ours() {
    let rows = vec![
        row(BatchState::Uncertain),
        BatchRow {
            id: BatchId(2),
            remote_id: Some("msgbatch_2".to_owned()),
            ..row(BatchState::Open)
        },
    ];
    let mut planner = Planner::new(&run(), &settings(None, None), rows);
    planner.intake.begins_with(BatchQueue::default(), start());
    let effects = plan(&mut planner, start());
    let Some(Effect::Find { search, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    assert!(search.others.contains("msgbatch_2"), "{search:?}");
}

fn is_send(effect: &Effect) -> bool {
    matches!(effect, Effect::Send { .. })
}

/// A limit refuses the create call of this batch, and asks for so long a wait.
fn refuse(planner: &mut Planner, batch: i64, hint: Option<Duration>, now: Timestamp) {
    let mut refused = failure(ErrorClass::RateLimited);
    refused.evidence.http_status = Some(429);
    refused.evidence.retry_after = hint;
    let answer = Answer::Sent(BatchId(batch), Some(Err(refused)));
    planner.on_answer(answer, now, &mut Rng::with_seed(1));
}

#[test]
fn a_create_call_that_a_limit_refused_keeps_to_the_time_that_it_named() {
    let mut planner = found(BatchState::Ready, None);
    assert!(plan(&mut planner, start()).iter().any(is_send));
    refuse(&mut planner, 1, Some(Duration::from_mins(40)), start());
    assert!(!plan(&mut planner, after(39)).iter().any(is_send));
    assert_eq!(planner.wakes_at(after(39)), Some(after(40)));
    assert!(plan(&mut planner, after(40)).iter().any(is_send));
}

/// Its patience is for a limit that lets nothing through.
#[test]
fn a_limit_that_let_a_batch_through_is_waited_for_anew() {
    let mut planner = found_many(BatchState::Ready, 2, None);
    let rng = &mut Rng::with_seed(1);
    assert!(plan(&mut planner, start()).iter().any(is_send));
    refuse(&mut planner, 1, None, start());
    assert!(plan(&mut planner, after(5)).iter().any(is_send));
    let created = remote(RemoteStatus::Ended);
    let answer = Answer::Sent(BatchId(1), Some(Ok(created)));
    planner.on_answer(answer, after(6), rng);
    assert!(plan(&mut planner, after(6)).iter().any(is_send));
    refuse(&mut planner, 2, None, after(20));
    let effects = plan(&mut planner, after(20));
    let halts = |effect: &Effect| matches!(effect, Effect::Halt(_));
    assert!(!effects.iter().any(halts), "{effects:?}");
    assert!(!planner.is_leaving());
}

#[test]
fn what_somebody_else_cancels_is_not_cancelled_by_us_for_a_deadline() {
    let mut planner = found(BatchState::Open, Some(after(65)));
    plan(&mut planner, start());
    let polled = Polled {
        batch: remote(RemoteStatus::Canceling),
        retry_after: None,
    };
    let answer = Answer::Polled(BatchId(1), Ok(polled));
    planner.on_answer(answer, start(), &mut Rng::with_seed(1));
    let effects = plan(&mut planner, after(60));
    let cancels = |effect: &Effect| matches!(effect, Effect::Cancel { .. });
    assert!(!effects.iter().any(cancels), "{effects:?}");
    assert!(effects.iter().any(|it| matches!(it, Effect::Poll { .. })));
}

/// Nothing of it comes back any more, so what waits for money must not wait for it.
#[test]
fn what_is_held_for_a_batch_that_is_given_up_is_kept() {
    let mut planner = found(BatchState::Ended, None);
    plan(&mut planner, start());
    let harvested = Harvested {
        end: HarvestEnd::Short(Lack::default()),
        short: Some(ShortResults {
            since: start(),
            downloads: 9,
        }),
        ..Harvested::default()
    };
    let answer = Answer::Harvested(BatchId(1), harvested);
    planner.on_answer(answer, after(99_999), &mut Rng::with_seed(1));
    let effects = plan(&mut planner, after(99_999));
    assert!(effects.contains(&Effect::Kept(BatchId(1))), "{effects:?}");
    assert!(effects.iter().any(|it| matches!(it, Effect::Held(_))));
}
