//! Which lane a job takes, and when a batch is given up so that its deadline is kept.
//!
//! A batch costs half and ends within 24 hours, mostly within one (Batches API page); the live lane
//! answers at once. So the cheapest way that still keeps a deadline follows from how far away it
//! is. Pure: all times are arguments.
//!
//! `scale` shortens the world: 1 against the API; in a simulated run, whose batches go by in
//! seconds, the retry scale.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::add;
use crate::model::Lane;

/// With less time than this a batch is not worth a try: most end within an hour.
const BATCH_FROM: Duration = Duration::from_hours(1);

/// With this much time a batch has run out of its own before the deadline comes.
const BATCH_ALONE_FROM: Duration = Duration::from_hours(24);

/// The least that is left for the live lane, however little there is to do: a cancel takes effect
/// after half a minute (seen live), the results must be fetched, and the API may be slow just then.
const LEAST_MARGIN: Duration = Duration::from_mins(10);

/// What the live lane is given of the time that it would need by its measured rate: it was measured
/// at another hour, and some answers will have to be asked for again.
const HEADROOM: f64 = 1.5;

/// What a job on the live lane is taken to need until one was measured: a long answer.
const ASSUMED_LATENCY: Duration = Duration::from_secs(30);

/// The way of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Live.
    Live,
    /// A batch first; what it has not done in time is finished live.
    BatchThenLive,
    /// A batch; the deadline is farther away than a batch can last.
    Batch,
    /// A batch, whatever the deadline: the user said so.
    BatchOnly,
}

impl Way {
    /// The lane of the next attempt.
    #[must_use]
    pub fn lane(self) -> Lane {
        match self {
            Self::Live => Lane::Live,
            Self::BatchThenLive | Self::Batch | Self::BatchOnly => Lane::Batch,
        }
    }
}

/// The cheapest way that keeps the deadline. `forced`: the lane that the line or the user names.
#[must_use]
pub fn way(forced: Option<Lane>, deadline: Option<Timestamp>, now: Timestamp, scale: f64) -> Way {
    match (forced, deadline) {
        // Without a deadline nobody said that the answers may wait a day.
        (Some(Lane::Live), _) | (None, None) => Way::Live,
        // The user's word beats the deadline: rescuing it live would cost twice as much.
        (Some(Lane::Batch), _) => Way::BatchOnly,
        (None, Some(deadline)) if deadline < batch_from(now, scale) => Way::Live,
        (None, Some(deadline)) if deadline < add(now, scaled(BATCH_ALONE_FROM, scale)) => {
            Way::BatchThenLive
        }
        (None, Some(_)) => Way::Batch,
    }
}

/// The earliest deadline that leaves time for a batch: jobs without a forced lane whose deadline is
/// at this time or later go to one.
#[must_use]
pub fn batch_from(now: Timestamp, scale: f64) -> Timestamp {
    add(now, scaled(BATCH_FROM, scale))
}

/// Whether so few jobs are worth a batch of their own. The live lane keeps every deadline that a
/// batch keeps, so only the user's word outweighs a small number.
#[must_use]
pub fn deserves_batch(jobs: u64, min_jobs: u32, forced: bool) -> bool {
    jobs > 0 && (forced || jobs >= u64::from(min_jobs))
}

/// How fast the live lane is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveSpeed {
    /// Jobs that it ends in a second; measured, or assumed.
    pub jobs_per_s: f64,
    /// The longest that one answer took.
    pub longest_latency: Duration,
}

impl LiveSpeed {
    /// What is assumed before anything was measured: this many long answers at once.
    #[must_use]
    pub fn assumed(concurrency: u32) -> Self {
        Self {
            jobs_per_s: f64::from(concurrency.max(1)) / ASSUMED_LATENCY.as_secs_f64(),
            longest_latency: ASSUMED_LATENCY,
        }
    }
}

/// When a batch must be cancelled at the latest, so that its remaining jobs are done live before the
/// deadline. A rate of zero, or none, means that no time is too early.
#[must_use]
pub fn rescue_at(
    deadline: Timestamp,
    remaining_jobs: u64,
    live: LiveSpeed,
    scale: f64,
) -> Timestamp {
    let least = scaled(LEAST_MARGIN, scale);
    let margin = least.max(work(remaining_jobs, live));
    SignedDuration::try_from(margin)
        .ok()
        .and_then(|margin| deadline.checked_sub(margin).ok())
        // No time before the calendar's first: rescue at once.
        .unwrap_or(Timestamp::MIN)
}

/// The time that the live lane is given for this many jobs.
fn work(jobs: u64, live: LiveSpeed) -> Duration {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a run has far fewer jobs than a float has exact integers"
    )]
    // Divided by zero this is infinite, which the conversion below turns into the longest wait.
    let sending = jobs as f64 / live.jobs_per_s.max(0.0);
    let needed = (sending + live.longest_latency.as_secs_f64()) * HEADROOM;
    // No jobs at a rate of zero is no number.
    let needed = if needed.is_nan() { 0.0 } else { needed };
    Duration::try_from_secs_f64(needed).unwrap_or(Duration::MAX)
}

fn scaled(wait: Duration, scale: f64) -> Duration {
    let seconds = wait.as_secs_f64() * scale.max(0.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(wait)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use super::{LiveSpeed, Way, batch_from, deserves_batch, rescue_at, way};
    use crate::clock::add;
    use crate::model::Lane;

    fn now() -> Timestamp {
        "2026-11-22T00:00:00Z".parse().unwrap()
    }

    fn in_minutes(minutes: u64) -> Timestamp {
        add(now(), Duration::from_mins(minutes))
    }

    #[test]
    fn the_cheapest_way_that_keeps_the_deadline_is_taken() {
        let day = 24 * 60;
        for (forced, minutes, expected) in [
            (None, None, Way::Live),
            (None, Some(0), Way::Live),
            (None, Some(59), Way::Live),
            (None, Some(60), Way::BatchThenLive),
            (None, Some(day - 1), Way::BatchThenLive),
            (None, Some(day), Way::Batch),
            (None, Some(30 * day), Way::Batch),
            (Some(Lane::Live), Some(30 * day), Way::Live),
            (Some(Lane::Live), None, Way::Live),
            (Some(Lane::Batch), None, Way::BatchOnly),
            (Some(Lane::Batch), Some(1), Way::BatchOnly),
        ] {
            let found = way(forced, minutes.map(in_minutes), now(), 1.0);
            assert_eq!(found, expected, "{forced:?} {minutes:?}");
        }
        // A world that goes by a hundred times as fast.
        let soon = Some(add(now(), Duration::from_secs(36)));
        assert_eq!(way(None, soon, now(), 0.01), Way::BatchThenLive);
        let past = add(now(), Duration::ZERO);
        assert_eq!(way(None, Some(past), in_minutes(5), 1.0), Way::Live);
    }

    #[test]
    fn few_jobs_make_no_batch_unless_the_user_says_so() {
        for (jobs, forced, expected) in [
            (0, false, false),
            (0, true, false),
            (1, true, true),
            (19, false, false),
            (20, false, true),
            (100_000, false, true),
        ] {
            assert_eq!(
                deserves_batch(jobs, 20, forced),
                expected,
                "{jobs} {forced}"
            );
        }
    }

    fn margin(jobs: u64, live: LiveSpeed, scale: f64) -> SignedDuration {
        in_minutes(600).duration_since(rescue_at(in_minutes(600), jobs, live, scale))
    }

    #[test]
    fn the_rescue_leaves_time_for_what_remains_and_ten_minutes_at_least() {
        let live = |jobs_per_s, secs| LiveSpeed {
            jobs_per_s,
            longest_latency: Duration::from_secs(secs),
        };
        for (jobs, live, scale, seconds) in [
            (0, live(10.0, 5), 1.0, 600),
            (100, live(10.0, 5), 1.0, 600),
            (10_000, live(10.0, 5), 1.0, 1_507),
            (10_000, live(10.0, 200), 1.0, 1_800),
            (100, live(10.0, 5), 0.01, 22),
            (0, live(10.0, 0), 0.01, 6),
            (0, live(0.0, 0), 1.0, 600),
            (6_400, LiveSpeed::assumed(64), 1.0, 4_545),
        ] {
            assert_eq!(
                margin(jobs, live, scale).as_secs(),
                seconds,
                "{jobs} {live:?}"
            );
        }
        let none = LiveSpeed {
            jobs_per_s: 0.0,
            longest_latency: Duration::ZERO,
        };
        assert_eq!(rescue_at(now(), 1, none, 1.0), Timestamp::MIN);
    }

    proptest! {
        #[test]
        fn a_rescue_begun_in_time_ends_in_time(
            jobs in 0_u64..1_000_000,
            rate in 0.01_f64..1_000.0,
            latency in 0_u64..3_600,
            scale in 0.0_f64..2.0,
        ) {
            let live = LiveSpeed { jobs_per_s: rate, longest_latency: Duration::from_secs(latency) };
            let left = margin(jobs, live, scale).as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let needed = jobs as f64 / rate + Duration::from_secs(latency).as_secs_f64();
            prop_assert!(left >= needed);
            prop_assert!(left + 0.001 >= 600.0 * scale);
        }

        #[test]
        fn more_work_or_a_slower_lane_is_rescued_earlier(
            jobs in 0_u64..1_000_000,
            more in 0_u64..1_000_000,
            rate in 0.01_f64..1_000.0,
            slower in 0.01_f64..1.0,
            latency in 0_u64..3_600,
        ) {
            let at = |jobs, jobs_per_s, secs| {
                let longest_latency = Duration::from_secs(secs);
                rescue_at(in_minutes(600), jobs, LiveSpeed { jobs_per_s, longest_latency }, 1.0)
            };
            let base = at(jobs, rate, latency);
            prop_assert!(at(jobs + more, rate, latency) <= base);
            prop_assert!(at(jobs, rate * slower, latency) <= base);
            prop_assert!(at(jobs, rate, latency + 60) <= base);
        }

        #[test]
        fn the_way_and_the_store_s_rule_agree(minutes in 0_u64..10_000, scale in 0.0_f64..2.0) {
            let deadline = in_minutes(minutes);
            let to_batch = deadline >= batch_from(now(), scale);
            let lane = way(None, Some(deadline), now(), scale).lane();
            prop_assert_eq!(lane == Lane::Batch, to_batch);
        }
    }
}
