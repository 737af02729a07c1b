//! When a batch is polled.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::LocalBatch;
use crate::clock::add;
use crate::engine::batches::testing::{row, start, view};
use crate::model::BatchState;

const HINT: Option<Duration> = Some(Duration::from_secs(10));

/// The seconds from one poll to the next, of so many, each told to come later by `hint`.
fn waits(polls: usize, hint: Option<Duration>, seed: u64) -> Vec<f64> {
    let (view, mut rng) = (view(), Rng::with_seed(seed));
    let mut batch = LocalBatch::found(row(BatchState::Open), false);
    let mut now = start();
    batch.poll_anew(&view, now, &mut rng);
    let mut waits = Vec::new();
    for _ in 0..polls {
        waits.push(seconds_until(batch.due, now));
        now = batch.due;
        batch.poll_later(&view, hint, now, &mut rng);
    }
    waits
}

fn seconds_until(due: Timestamp, now: Timestamp) -> f64 {
    due.duration_since(now).as_secs_f64()
}

#[test]
fn a_batch_is_polled_early_and_then_rarer() {
    for seed in 0..20 {
        let waits = waits(40, None, seed);
        assert!((1.8..=2.2).contains(&waits[0]), "seed {seed}: {waits:?}");
        // Whenever it ends it is known after little more than half as long again, up to `poll_min`;
        let mut age = 0.0;
        for wait in &waits {
            let most = (age * 0.5_f64)
                .max(2.0)
                .max(if age > 15.0 { age } else { 0.0 });
            assert!(*wait <= 1.1 * most, "seed {seed}: {wait} s at {age} s");
            age += wait;
        }
        // and a batch of an hour costs few polls more than if the first had come after ten seconds.
        let mut age = 0.0;
        let of_an_hour = waits.iter().take_while(|wait| {
            age += *wait;
            age < 3_600.0
        });
        let polls = of_an_hour.count();
        assert!(polls <= 30, "seed {seed}: {polls} polls of an hour");
        assert!(waits[39] >= 270.0, "seed {seed}: {waits:?}");
    }
}

#[test]
fn what_the_api_asks_for_is_kept_to_by_the_early_polls_too() {
    let waits = waits(4, HINT, 1);
    assert!(waits[0] < 2.3, "nobody has been asked yet: {waits:?}");
    assert!(waits[1..].iter().all(|wait| *wait >= 10.0), "{waits:?}");
}

#[test]
fn a_poll_that_fails_is_not_repeated_early() {
    let (view, mut rng) = (view(), Rng::with_seed(1));
    let mut batch = LocalBatch::found(row(BatchState::Open), false);
    batch.poll_anew(&view, start(), &mut rng);
    let failed_at = batch.due;
    batch.back_off(&view, None, failed_at, &mut rng);
    assert!(seconds_until(batch.due, failed_at) >= 9.0);
    let next = batch.due;
    batch.poll_later(&view, None, next, &mut rng);
    assert!(
        seconds_until(batch.due, next) >= 9.0,
        "and it is not young again"
    );
}

#[test]
fn a_clock_that_was_set_back_keeps_no_batch_young() {
    let (view, mut rng) = (view(), Rng::with_seed(1));
    let mut batch = LocalBatch::found(row(BatchState::Open), false);
    batch.poll_anew(&view, add(start(), Duration::from_hours(1)), &mut rng);
    batch.poll_later(&view, None, start(), &mut rng);
    assert!(seconds_until(batch.due, start()) >= 9.0);
}

#[test]
fn a_batch_that_an_earlier_dispatch_left_is_polled_at_once_and_then_as_ever() {
    let (view, mut rng) = (view(), Rng::with_seed(1));
    let mut batch = LocalBatch::found(row(BatchState::Open), false);
    assert!(batch.due <= start());
    batch.poll_later(&view, None, start(), &mut rng);
    let later = add(start(), Duration::from_secs(9));
    assert!(batch.due >= later);
}
