//! What the tally shows after a story of events.

use std::time::Duration;

use proptest::prelude::*;

use super::{NextTry, Phase, Tally};
use crate::model::{AttemptOutcome, ErrorClass, Event, EventKind, JobState, Pico};
use crate::progress::samples::{
    answered, at, busy_run, circuit_opened, event, halted, job_ended, overloaded, run_ended,
    run_started, run_started_anew, started, tally_of,
};

#[test]
fn a_busy_run_adds_up() {
    let tally = tally_of(&busy_run());
    assert_eq!(
        (tally.total, tally.succeeded, tally.failed, tally.canceled),
        (200, 118, 2, 0)
    );
    assert_eq!((tally.in_flight(), tally.waiting()), (64, 3));
    assert_eq!((tally.attempts, tally.retries), (187, 0));
    assert_eq!((tally.input_tokens, tally.output_tokens), (14_160, 5_310));
    assert_eq!(tally.cost, Pico(118 * 34_500_000));
    assert_eq!(tally.errors.get(&ErrorClass::Overloaded), Some(&5));
    assert_eq!(tally.percent(), 60);
    assert!(tally.simulated);
}

#[test]
fn the_first_of_the_waits_is_shown() {
    let wait = NextTry {
        next_try_at: at(21_500),
        class: Some(ErrorClass::Overloaded),
        http_status: Some(529),
    };
    assert_eq!(tally_of(&busy_run()).next_wait(), Some(wait));
}

#[test]
fn a_retry_ends_the_wait_and_is_counted() {
    let mut events = vec![run_started(1), started(0, "a", 1)];
    events.push(overloaded(10, "a", 1, Some(5_000)));
    let tally = tally_of(&events);
    assert_eq!((tally.in_flight(), tally.waiting()), (0, 1));
    events.push(started(5_000, "a", 2));
    let tally = tally_of(&events);
    assert_eq!(
        (tally.in_flight(), tally.waiting(), tally.retries),
        (1, 0, 1)
    );
    events.extend([
        answered(5_100, "a", 2),
        job_ended(5_100, "a", JobState::Succeeded),
    ]);
    let tally = tally_of(&events);
    assert_eq!(
        (tally.ended(), tally.open(), tally.next_wait()),
        (1, 0, None)
    );
}

#[test]
fn cancelling_a_job_that_waits_ends_its_wait() {
    let tally = tally_of(&[
        run_started(2),
        started(0, "a", 1),
        overloaded(10, "a", 1, Some(5_000)),
        job_ended(20, "a", JobState::Canceled),
        job_ended(20, "never-sent", JobState::Canceled),
    ]);
    assert_eq!((tally.canceled, tally.waiting(), tally.open()), (2, 0, 0));
}

#[test]
fn a_mark_on_a_success_is_no_error() {
    let mut truncated = answered(10, "a", 1);
    if let EventKind::AttemptEnded { error_class, .. } = &mut truncated.kind {
        *error_class = Some(ErrorClass::Truncated);
    }
    let tally = tally_of(&[run_started(1), started(0, "a", 1), truncated]);
    assert!(tally.errors.is_empty());
}

#[test]
fn what_was_done_before_counts_but_gives_no_pace() {
    let tally = tally_of(&[run_started_anew()]);
    assert_eq!(
        (tally.succeeded, tally.failed, tally.open()),
        (93, 7, 1_100)
    );
    assert_eq!(tally.cost, Pico(1_250_000_000_000));
    assert_eq!((tally.rate(at(5_000)), tally.eta(at(5_000))), (0.0, None));
}

#[test]
fn a_new_start_forgets_the_run_before() {
    let mut events = busy_run();
    events.push(run_ended(10_000));
    assert_eq!(tally_of(&events).phase, Phase::Ended);
    events.push(run_started(5));
    let tally = tally_of(&events);
    assert_eq!((tally.total, tally.ended(), tally.in_flight()), (5, 0, 0));
    assert_eq!((tally.cost, tally.phase), (Pico::ZERO, Phase::Running));
}

#[test]
fn phases_follow_the_events() {
    assert_eq!(tally_of(&[]).phase, Phase::Before);
    let draining = event(1, EventKind::Draining { in_flight: 3 });
    let tally = tally_of(&[run_started(5), draining]);
    assert_eq!(tally.phase, Phase::Draining);
    let tally = tally_of(&[run_started(5), halted(ErrorClass::Billing, "no credit")]);
    let expected = Phase::Halted {
        class: ErrorClass::Billing,
        message: "no credit".to_owned(),
    };
    assert_eq!(tally.phase, expected);
}

#[test]
fn rate_and_eta_follow_the_last_ten_seconds() {
    let mut events = busy_run();
    let waits = |event: &Event| matches!(&event.kind, EventKind::AttemptEnded { next_try_at, .. } if next_try_at.is_some());
    events.retain(|event| !waits(event));
    let tally = tally_of(&events);
    assert!((tally.rate(at(10_000)) - 12.0).abs() < f64::EPSILON);
    assert_eq!(tally.eta(at(10_000)), Some(Duration::from_secs(7)));
    // In a stall the rate falls to nothing; the estimate goes by the whole dispatch.
    assert!(tally.rate(at(60_000)).abs() < f64::EPSILON);
    assert_eq!(tally.eta(at(60_000)), Some(Duration::from_secs(40)));
}

/// What becomes of one job of a generated run: failed tries, then an end or none.
#[derive(Clone, Debug)]
struct Fate {
    failures: u32,
    last: Last,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    Succeeds,
    Fails,
    IsCanceled,
    IsInFlight,
    Waits,
    IsQueued,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let last = prop_oneof![
        Just(Last::Succeeds),
        Just(Last::Fails),
        Just(Last::IsCanceled),
        Just(Last::IsInFlight),
        Just(Last::Waits),
        Just(Last::IsQueued),
    ];
    let fate = (0..4_u32, last).prop_map(|(failures, last)| Fate { failures, last });
    proptest::collection::vec(fate, 0..40)
}

/// The events of one job, in order.
fn story(id: &str, fate: &Fate) -> Vec<Event> {
    let mut events = Vec::new();
    if fate.last == Last::IsQueued {
        return events;
    }
    for n in 1..=fate.failures {
        events.extend([started(0, id, n), overloaded(0, id, n, Some(5_000))]);
    }
    let n = fate.failures + 1;
    match fate.last {
        Last::Succeeds => events.extend([
            started(0, id, n),
            answered(0, id, n),
            job_ended(0, id, JobState::Succeeded),
        ]),
        Last::Fails => events.extend([
            started(0, id, n),
            overloaded(0, id, n, None),
            job_ended(0, id, JobState::Failed),
        ]),
        Last::IsCanceled => events.push(job_ended(0, id, JobState::Canceled)),
        Last::IsInFlight => events.push(started(0, id, n)),
        Last::Waits => {
            events.extend([started(0, id, n), overloaded(0, id, n, Some(9_000))]);
        }
        Last::IsQueued => {}
    }
    events
}

/// Mixes the stories: `picks` says whose next event comes next.
fn interleave(stories: Vec<Vec<Event>>, picks: &[usize]) -> Vec<Event> {
    let mut queues: Vec<_> = stories.into_iter().map(Vec::into_iter).collect();
    let mut events = Vec::new();
    for pick in picks {
        if queues.is_empty() {
            break;
        }
        let i = pick % queues.len();
        match queues[i].next() {
            Some(event) => events.push(event),
            None => drop(queues.swap_remove(i)),
        }
    }
    events.extend(queues.into_iter().flatten());
    events
}

fn count(fates: &[Fate], last: Last) -> u64 {
    fates.iter().filter(|fate| fate.last == last).count() as u64
}

proptest! {
    #[test]
    fn every_job_is_counted_once_in_whatever_order_events_come(
        fates in fates(),
        picks in proptest::collection::vec(any::<usize>(), 0..300),
    ) {
        let stories = fates.iter().enumerate().map(|(i, fate)| story(&format!("j{i}"), fate));
        let mut events = vec![run_started(fates.len() as u64)];
        events.extend(interleave(stories.collect(), &picks));
        let tally = tally_of(&events);

        prop_assert_eq!(tally.succeeded, count(&fates, Last::Succeeds));
        prop_assert_eq!(tally.failed, count(&fates, Last::Fails));
        prop_assert_eq!(tally.canceled, count(&fates, Last::IsCanceled));
        prop_assert_eq!(tally.in_flight(), count(&fates, Last::IsInFlight));
        prop_assert_eq!(tally.waiting(), count(&fates, Last::Waits));
        let queued = count(&fates, Last::IsQueued);
        prop_assert_eq!(tally.open(), queued + tally.in_flight() + tally.waiting());
        prop_assert_eq!(tally.cost, Pico(i128::from(tally.succeeded) * 34_500_000));
        let errors: u64 = tally.errors.values().sum();
        let ended_attempts = tally.attempts - tally.in_flight();
        prop_assert_eq!(errors + tally.succeeded, ended_attempts);
    }

    #[test]
    fn a_senseless_sequence_breaks_nothing(
        steps in proptest::collection::vec((0..7_u8, 0..4_u8, -50_000..50_000_i64), 0..100),
    ) {
        let mut tally = Tally::default();
        for (what, id, ms) in steps {
            let id = id.to_string();
            tally.observe(&match what {
                0 => run_started(3),
                1 => started(ms, &id, 2),
                2 => overloaded(ms, &id, 2, Some(ms)),
                3 => answered(ms, &id, 1),
                4 => job_ended(ms, &id, JobState::Held),
                5 => run_ended(ms),
                _ => event(ms, EventKind::Draining { in_flight: 9 }),
            });
            prop_assert!(tally.percent() <= 100);
            prop_assert!(tally.rate(at(ms)).is_finite());
            prop_assert!(tally.eta(at(ms)).is_none() || tally.open() > 0);
        }
    }
}

#[test]
fn an_interrupted_attempt_leaves_the_wire() {
    let mut cut = answered(10, "a", 1);
    if let EventKind::AttemptEnded {
        outcome,
        error_class,
        ..
    } = &mut cut.kind
    {
        *outcome = AttemptOutcome::Interrupted;
        *error_class = Some(ErrorClass::Interrupted);
    }
    let tally = tally_of(&[run_started(1), started(0, "a", 1), cut]);
    assert_eq!((tally.in_flight(), tally.open()), (0, 1));
    assert_eq!(tally.errors.get(&ErrorClass::Interrupted), Some(&1));
}

fn ten_done(last_ms: i64) -> Vec<Event> {
    let mut events = vec![run_started(100)];
    for n in 0..10 {
        let id = format!("ok-{n}");
        events.push(started(last_ms - 500, &id, 1));
        events.push(answered(last_ms, &id, 1));
        events.push(job_ended(last_ms, &id, JobState::Succeeded));
    }
    events
}

#[test]
fn no_eta_stands_beside_a_wait_that_is_longer() {
    let mut events = ten_done(1_000);
    let tally = tally_of(&events);
    assert_eq!(tally.eta(at(2_000)), Some(Duration::from_secs(18)));
    events.push(overloaded(1_500, "slow", 1, Some(10_000)));
    assert!(tally_of(&events).eta(at(2_000)).is_some(), "a shorter one");
    events.push(overloaded(1_600, "slower", 1, Some(602_000)));
    assert_eq!(tally_of(&events).eta(at(2_000)), None);
}

#[test]
fn no_eta_is_told_while_nothing_succeeds() {
    let mut events = ten_done(1_000);
    events.push(circuit_opened(1_500));
    assert_eq!(tally_of(&events).eta(at(2_000)), None, "an outage");
    let mut events = ten_done(1_000);
    for n in 0..5 {
        events.push(overloaded(2_000 + n, "a", 1, Some(2_500)));
    }
    let tally = tally_of(&events);
    assert!(tally.eta(at(3_000)).is_some(), "one succeeded just now");
    assert_eq!(tally.eta(at(12_000)), None);
    let failed: Vec<_> = (0..20)
        .map(|n| job_ended(n, "a", JobState::Failed))
        .collect();
    let events = [vec![run_started(100)], failed].concat();
    assert_eq!(tally_of(&events).eta(at(2_000)), None, "none ever did");
}

#[test]
fn what_waited_before_is_counted_until_it_goes_again() {
    let kind = EventKind::StillWaiting {
        jobs: 2,
        next_try_at: at(60_000),
        error_class: Some(ErrorClass::RateLimited),
        http_status: Some(429),
        message: Some("slow down".to_owned()),
    };
    let mut events = vec![run_started(5), event(1, kind)];
    let tally = tally_of(&events);
    assert_eq!(tally.waiting(), 2);
    assert_eq!(tally.next_wait().unwrap().next_try_at, at(60_000));
    events.push(started(2, "new", 1));
    assert_eq!(
        tally_of(&events).waiting(),
        2,
        "a first try is none of them"
    );
    events.push(started(60_000, "old", 2));
    assert_eq!(tally_of(&events).waiting(), 1);
    events.push(started(60_001, "older", 3));
    assert_eq!(tally_of(&events).next_wait(), None);
}

#[test]
fn what_waited_before_for_a_batch_is_counted_until_a_batch_goes_after_its_time() {
    let kind = EventKind::StillWaiting {
        jobs: 5,
        next_try_at: at(60_000),
        error_class: Some(ErrorClass::Overloaded),
        http_status: Some(529),
        message: None,
    };
    let created = |ms, requests| {
        let kind = EventKind::BatchCreated {
            batch: ms,
            remote_id: "msgbatch_1".to_owned(),
            requests,
            expires_at: None,
        };
        event(ms, kind)
    };
    let mut events = vec![run_started(9), event(1, kind)];
    events.push(created(59_999, 4));
    assert_eq!(tally_of(&events).waiting(), 5, "others were in that one");
    events.push(created(60_000, 3));
    assert_eq!(tally_of(&events).waiting(), 2);
    events.push(created(60_001, 100));
    assert_eq!(tally_of(&events).next_wait(), None);
}

#[test]
fn after_a_minute_of_the_same_failure_its_last_words_are_shown() {
    let mut events = vec![run_started(5), started(0, "a", 1)];
    events.push(overloaded(1_000, "a", 1, Some(100_000)));
    events.push(overloaded(50_000, "b", 1, Some(100_000)));
    let tally = tally_of(&events);
    assert_eq!(tally.stuck(at(60_999)), None);
    let said = tally.stuck(at(61_000)).unwrap();
    assert_eq!(
        (said.class, &*said.message),
        (ErrorClass::Overloaded, "Overloaded")
    );
    events.push(started(61_000, "c", 1));
    assert_eq!(
        tally_of(&events).stuck(at(70_000)),
        None,
        "one is on its way"
    );
    events.push(answered(62_000, "c", 1));
    assert_eq!(tally_of(&events).stuck(at(190_000)), None, "one succeeded");
}
