//! Which route a job takes next, and when a batch is given up for the live lane. Pure; the rules are
//! `policy::routing`'s, and what is known of the run is kept here.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::add;
use crate::engine::settings::EngineSettings;
use crate::model::Lane;
use crate::policy::{LiveSpeed, Way, batch_from, rescue_at, way};

/// What decides on the ways of a run's jobs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ways {
    /// The lane that the user forced for jobs whose line names none.
    pub(super) forced: Option<Lane>,
    /// The deadline of jobs whose line names none.
    pub(super) deadline: Option<Timestamp>,
    /// No batch can be created at this endpoint.
    pub(super) no_batches: bool,
    scale: f64,
    assumed: LiveSpeed,
    /// Before a deadline so much time is kept for the live lane.
    margin: Duration,
}

impl Ways {
    pub(super) fn new(settings: &EngineSettings) -> Self {
        let mut ways = Self {
            forced: settings.batch.lane,
            deadline: settings.batch.deadline,
            no_batches: false,
            scale: settings.retry.scale,
            assumed: LiveSpeed::assumed(settings.concurrency),
            margin: Duration::ZERO,
        };
        ways.reckon(0, None, Timestamp::UNIX_EPOCH);
        ways
    }

    /// So much is left to do, at that measured speed. An assumed one is not trusted to say that the
    /// live lane must begin hours ahead: a batch that is left alone would most likely be faster.
    pub(super) fn reckon(&mut self, jobs: u64, measured: Option<LiveSpeed>, now: Timestamp) {
        let speed = measured.unwrap_or(self.assumed);
        let margin = now.duration_since(rescue_at(now, jobs, speed, self.scale));
        let margin = Duration::try_from(margin).unwrap_or_default();
        let most = batch_from(now, self.scale).duration_since(now);
        self.margin = match measured {
            Some(_) => margin,
            None => margin.min(Duration::try_from(most).unwrap_or_default()),
        };
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
        let (lane, deadline) = (lane.or(self.forced), deadline.or(self.deadline));
        if self.no_batches && lane != Some(Lane::Batch) {
            return Lane::Live;
        }
        match way(lane, deadline, now, self.scale) {
            Way::BatchThenLive if rescued => Lane::Live,
            way => way.lane(),
        }
    }

    /// What waits for a batch goes live, but for what its line or the user forces into one.
    pub(super) fn all_live(&self) -> bool {
        self.forced == Some(Lane::Live) || (self.no_batches && self.forced.is_none())
    }

    /// Jobs whose deadline is then or later may go to a batch.
    pub(super) fn batch_from(&self, now: Timestamp) -> Timestamp {
        batch_from(now, self.scale)
    }

    /// The deadlines that only the live lane still keeps are earlier than this.
    pub(super) fn only_live_before(&self, now: Timestamp) -> Timestamp {
        // The store compares by "earlier", we by "not later".
        add(now, self.margin + Duration::from_millis(1))
    }

    /// When what is in a batch must go live to be done by the deadline of its jobs: `named` is the
    /// earliest that a line names, the run's holds if some are `undated`. None if nothing must.
    pub(super) fn rescue_at(&self, named: Option<Timestamp>, undated: bool) -> Option<Timestamp> {
        let of_run = self.deadline.filter(|_| undated);
        let earliest = named.into_iter().chain(of_run).min()?;
        let at = earliest.checked_sub(self.margin).unwrap_or(Timestamp::MIN);
        (self.forced != Some(Lane::Batch)).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::Ways;
    use crate::clock::add;
    use crate::model::Lane;
    use crate::policy::LiveSpeed;

    fn now() -> Timestamp {
        "2026-11-22T00:00:00Z".parse().unwrap()
    }

    fn ways(forced: Option<Lane>, deadline_h: Option<u64>) -> Ways {
        Ways {
            forced,
            deadline: deadline_h.map(hours),
            no_batches: false,
            scale: 1.0,
            assumed: LiveSpeed::assumed(64),
            margin: Duration::ZERO,
        }
    }

    fn hours(hours: u64) -> Timestamp {
        add(now(), Duration::from_hours(hours))
    }

    #[test]
    fn a_line_outweighs_the_user_and_both_outweigh_the_deadline() {
        use Lane::{Batch, Live};
        for (line, forced, deadline, rescued, route) in [
            (None, None, None, false, Live),
            (None, None, Some(6), false, Batch),
            (None, None, Some(6), true, Live),
            (None, None, Some(48), true, Batch),
            (None, Some(Batch), None, false, Batch),
            (None, Some(Batch), Some(0), true, Batch),
            (Some(Live), Some(Batch), Some(48), false, Live),
            (Some(Batch), Some(Live), None, false, Batch),
        ] {
            let found = ways(forced, deadline).next(line, None, rescued, now());
            assert_eq!(found, route, "{line:?} {forced:?} {deadline:?} {rescued}");
        }
        let by_line = ways(None, Some(48)).next(None, Some(now()), false, now());
        assert_eq!(by_line, Live, "the line's own deadline holds");
    }

    #[test]
    fn a_measured_speed_moves_the_rescue_and_an_assumed_one_only_so_far() {
        let mut ways = ways(None, Some(10));
        ways.reckon(0, None, now());
        let least = Duration::from_mins(10);
        assert_eq!(
            ways.rescue_at(None, true),
            Some(add(hours(10), Duration::ZERO) - least)
        );
        ways.reckon(1_000_000, None, now());
        assert_eq!(ways.rescue_at(None, true), Some(hours(9)));
        let measured = LiveSpeed {
            jobs_per_s: 10.0,
            longest_latency: Duration::ZERO,
        };
        ways.reckon(48_000, Some(measured), now());
        assert_eq!(ways.rescue_at(None, true), Some(hours(8)));
    }

    #[test]
    fn nothing_is_rescued_that_the_user_forced_into_a_batch_or_that_has_no_deadline() {
        assert_eq!(ways(Some(Lane::Batch), Some(1)).rescue_at(None, true), None);
        assert_eq!(ways(None, None).rescue_at(None, true), None);
        assert_eq!(ways(None, Some(1)).rescue_at(None, false), None);
        let both = ways(None, Some(5)).rescue_at(Some(hours(3)), true);
        assert_eq!(both, Some(hours(3)), "the earlier one counts");
    }
}
