//! Which road a job takes next, by its lane and deadline. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::add;
use crate::engine::settings::BatchOptions;
use crate::model::Lane;

/// Batches mostly end within an hour (documented), so with less time than that none is begun.
const LEAST_TIME_FOR_A_BATCH: Duration = Duration::from_hours(1);
/// The least time that is kept for the live lane before a deadline.
const LEAST_MARGIN: Duration = Duration::from_mins(10);
/// The live lane is trusted with this much more time than its measured rate asks for.
const SAFETY: f64 = 1.5;
/// While no rate is measured each open request of the live lane is presumed to take so long.
const PRESUMED_LATENCY: Duration = Duration::from_secs(10);
/// Jobs that came out of a batch for their deadline go into another one only with so much time.
const TIME_FOR_ANOTHER_BATCH: Duration = Duration::from_hours(24);

/// Jobs a second that so many open requests are presumed to answer.
pub(super) fn presumed_rate(concurrency: u32) -> f64 {
    f64::from(concurrency.max(1)) / PRESUMED_LATENCY.as_secs_f64()
}

/// The time before a deadline that the live lane needs for so many jobs at this rate.
pub(super) fn margin(jobs: u64, rate: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let seconds = jobs as f64 / rate * SAFETY;
    let needed = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    needed.max(LEAST_MARGIN)
}

/// What decides on the roads of a run's jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Roads {
    /// The lane that the user forced for jobs whose line names none.
    pub(super) forced: Option<Lane>,
    /// The deadline of jobs whose line names none.
    pub(super) deadline: Option<Timestamp>,
    /// Before a deadline so much time is kept for the live lane.
    pub(super) margin: Duration,
}

impl Roads {
    pub(super) fn new(options: &BatchOptions) -> Self {
        Self {
            forced: options.lane,
            deadline: options.deadline,
            margin: LEAST_MARGIN,
        }
    }

    /// The lane of a job's next attempt; `rescued`: its batch was given up for a deadline. A lane
    /// that was forced stays, whatever the deadline.
    pub(super) fn next(
        &self,
        lane: Option<Lane>,
        deadline: Option<Timestamp>,
        rescued: bool,
        now: Timestamp,
    ) -> Lane {
        let from = if rescued {
            add(now, TIME_FOR_ANOTHER_BATCH)
        } else {
            self.batch_from(now)
        };
        let by_deadline = || match deadline.or(self.deadline) {
            Some(deadline) if deadline >= from => Lane::Batch,
            _ => Lane::Live,
        };
        lane.or(self.forced).unwrap_or_else(by_deadline)
    }

    /// Jobs whose deadline is then or later may go to a batch.
    pub(super) fn batch_from(&self, now: Timestamp) -> Timestamp {
        add(now, self.margin.max(LEAST_TIME_FOR_A_BATCH))
    }

    /// The deadlines that only the live lane still keeps are earlier than this.
    pub(super) fn only_live_before(&self, now: Timestamp) -> Timestamp {
        add(now, self.margin)
    }

    /// When what is in a batch must go live to be done by the deadline of its jobs: `named` is the
    /// earliest that a line names, the run's holds if some are `undated`. None while nothing must.
    pub(super) fn rescue_at(&self, named: Option<Timestamp>, undated: bool) -> Option<Timestamp> {
        if self.forced == Some(Lane::Batch) {
            return None;
        }
        let of_run = self.deadline.filter(|_| undated);
        let earliest = named.into_iter().chain(of_run).min()?;
        earliest.checked_sub(self.margin).ok()
    }
}
