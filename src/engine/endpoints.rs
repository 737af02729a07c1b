//! Where one model's requests go: to the first endpoint, or, while that does not work, to the second.
//!
//! Each endpoint is a route with a circuit and a pause of its own. When the first route's circuit has
//! been open for a set time, the second takes the requests, and one probe at a time still goes to
//! the first: its first success turns everything back. Pure: time is an argument.

use std::time::Duration;

use jiff::Timestamp;

use super::settings::SecondEndpoint;
use super::throttle::Verdict;
use crate::clock::add;
use crate::model::{ClaimedJob, Endpoint, JobId};
use crate::policy::{Circuit, Doubt, Health};

/// One model's way to one endpoint.
#[derive(Debug, Default)]
pub(super) struct EndpointRoute {
    /// Opens when everything fails.
    pub(super) circuit: Circuit,
    /// Holds back what an answer says that no job can get past, until that is confirmed.
    pub(super) doubt: Doubt,
    /// A limit was reached: nothing is sent before.
    paused_until: Option<Timestamp>,
    /// Since when a limit has been reached at which nothing has succeeded.
    pub(super) limited_since: Option<Timestamp>,
    /// What came back lately.
    pub(super) health: Health,
    /// When a job succeeded here last.
    pub(super) last_success: Option<Timestamp>,
}

impl EndpointRoute {
    fn lets_through(&self, now: Timestamp) -> bool {
        self.circuit.lets_through(now)
            && self.paused_until.is_none_or(|until| until <= now)
            && self.doubt.room(now) > 0
    }

    /// Whether it may be used for more than a probe.
    fn is_free(&self, now: Timestamp) -> bool {
        self.circuit.open().is_none() && self.lets_through(now)
    }

    /// When it lets something through again, if a time is what it waits for.
    fn opens_at(&self) -> Option<Timestamp> {
        let probe = self.circuit.open().map(|open| open.next_probe_at);
        probe.max(self.paused_until).max(self.doubt.opens_at())
    }

    fn turns_at(&self) -> [Option<Timestamp>; 3] {
        let probe = self.circuit.open().map(|open| open.next_probe_at);
        [probe, self.paused_until, self.doubt.opens_at()]
    }

    /// Sends nothing before `until`; false if it was paused already.
    pub(super) fn pause(&mut self, until: Timestamp, now: Timestamp) -> bool {
        let was_paused = self.paused_until.is_some_and(|at| at > now);
        self.paused_until = self.paused_until.max(Some(until));
        !was_paused
    }
}

/// Both routes, and which of them is taken.
#[derive(Debug, Default)]
pub(super) struct EndpointRoutes {
    first: EndpointRoute,
    second: EndpointRoute,
    /// The second is taken when the first has failed for so long. None: there is no second, or it
    /// was switched off.
    after: Option<Duration>,
    /// Which one the requests went to when somebody looked last.
    taken: Endpoint,
    /// The job that probed the first route last.
    prober: Option<JobId>,
}

impl EndpointRoutes {
    pub(super) fn new(second: Option<&SecondEndpoint>) -> Self {
        Self {
            after: second.map(|second| second.after),
            ..Self::default()
        }
    }

    pub(super) fn to(&self, endpoint: Endpoint) -> &EndpointRoute {
        match endpoint {
            Endpoint::First => &self.first,
            Endpoint::Second => &self.second,
        }
    }

    pub(super) fn to_mut(&mut self, endpoint: Endpoint) -> &mut EndpointRoute {
        match endpoint {
            Endpoint::First => &mut self.first,
            Endpoint::Second => &mut self.second,
        }
    }

    /// Since when the second route may be taken, or from when on.
    fn second_from(&self) -> Option<Timestamp> {
        let open = self.first.circuit.open()?;
        Some(add(open.since, self.after?))
    }

    /// Whether the first endpoint has failed for so long that the second takes its place.
    pub(super) fn is_diverted(&self, now: Timestamp) -> bool {
        self.second_from().is_some_and(|from| from <= now)
    }

    /// Where a request may be sent now; probes of the first endpoint come first, or none would.
    pub(super) fn open_to(&self, now: Timestamp) -> Option<Endpoint> {
        if self.first.lets_through(now) {
            return Some(Endpoint::First);
        }
        let second = self.is_diverted(now) && self.second.lets_through(now);
        second.then_some(Endpoint::Second)
    }

    /// Where this job may be sent now. No job probes the first endpoint twice in a row while the
    /// second works: the last job of a run would never get there.
    pub(super) fn open_to_job(&self, job: JobId, now: Timestamp) -> Option<Endpoint> {
        let open = self.open_to(now);
        let again = open == Some(Endpoint::First) && self.prober == Some(job);
        if again && self.second_serves(now) {
            return Some(Endpoint::Second);
        }
        open
    }

    /// Where this job may be sent now by that verdict. A probe of the first endpoint that must wait
    /// holds nothing up while the second works.
    pub(super) fn judge(
        &self,
        job: JobId,
        now: Timestamp,
        mut verdict: impl FnMut(Endpoint) -> Verdict,
    ) -> (Endpoint, Verdict) {
        let Some(to) = self.open_to_job(job, now) else {
            return (Endpoint::First, Verdict::Wait);
        };
        let judged = verdict(to);
        if to == Endpoint::First && judged != Verdict::Go && self.second_serves(now) {
            return (Endpoint::Second, verdict(Endpoint::Second));
        }
        (to, judged)
    }

    /// The second endpoint takes requests, and answers them as far as we know.
    pub(super) fn second_serves(&self, now: Timestamp) -> bool {
        self.is_diverted(now) && self.second.is_free(now)
    }

    /// Where most requests go now.
    pub(super) fn mostly_to(&self, now: Timestamp) -> Endpoint {
        if self.second_serves(now) {
            Endpoint::Second
        } else {
            Endpoint::First
        }
    }

    /// A failure of a probe says nothing of its job while others go another way.
    pub(super) fn is_spared(&self, job: &ClaimedJob, now: Timestamp) -> bool {
        job.endpoint == Endpoint::First && self.second_serves(now)
    }

    /// The most jobs that make sense in one claim: a probe is one.
    pub(super) fn most_per_claim(&self, now: Timestamp) -> u32 {
        if self.second_serves(now) {
            u32::MAX
        } else if self.first.circuit.open().is_some() {
            1
        } else {
            self.first.doubt.room(now)
        }
    }

    /// When each route opens, as far as that is a matter of time.
    pub(super) fn open_at(&self) -> [Option<Timestamp>; 2] {
        let second = self.second_from();
        [
            self.first.opens_at(),
            second.and_then(|from| self.second.opens_at().max(Some(from))),
        ]
    }

    /// Every time at which a route opens or the other one is taken.
    pub(super) fn turns_at(&self) -> impl Iterator<Item = Timestamp> + use<> {
        let both = self
            .first
            .turns_at()
            .into_iter()
            .chain(self.second.turns_at());
        both.chain([self.second_from()]).flatten()
    }

    /// A request of this job was sent.
    pub(super) fn sent(&mut self, job: JobId, to: Endpoint, now: Timestamp) {
        let route = self.to_mut(to);
        route.circuit.sent(job, now);
        route.doubt.sent(job, now);
        if to == Endpoint::First {
            self.prober = self.first.circuit.open().map(|_| job);
        }
    }

    /// A request came to nothing that says anything.
    pub(super) fn forgotten(&mut self, job: JobId) {
        for route in [&mut self.first, &mut self.second] {
            route.circuit.forgotten(job);
            route.doubt.answered(job, false);
        }
    }

    /// The second endpoint cannot serve: it is not tried again. False if it was off already.
    pub(super) fn switch_second_off(&mut self) -> bool {
        self.after.take().is_some()
    }

    /// Where requests go now, if that is news.
    pub(super) fn turned(&mut self, now: Timestamp) -> Option<Endpoint> {
        let taken = if self.is_diverted(now) {
            Endpoint::Second
        } else {
            Endpoint::First
        };
        (std::mem::replace(&mut self.taken, taken) != taken).then_some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ErrorClass;
    use crate::policy::{Belief, Crowd};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn fail(route: &mut EndpointRoute, job: i64, now: i64) {
        let (class, wait) = (ErrorClass::Unavailable, Duration::from_secs(20));
        route.circuit.failed(JobId(job), class, wait, 1.0, at(now));
    }

    fn break_route(route: &mut EndpointRoute, now: i64) {
        for job in 0..20 {
            fail(route, job, now);
        }
    }

    /// A first route that broke at second 0, and a second that is taken after five minutes.
    fn broken() -> EndpointRoutes {
        let mut routes = EndpointRoutes {
            after: Some(Duration::from_mins(5)),
            ..EndpointRoutes::default()
        };
        break_route(&mut routes.first, 0);
        routes
    }

    #[test]
    fn the_second_endpoint_is_taken_when_the_first_has_failed_for_its_time() {
        let mut routes = broken();
        routes.sent(JobId(50), Endpoint::First, at(0));
        assert_eq!(routes.open_to(at(299)), None);
        assert_eq!(routes.open_at()[1], Some(at(300)));
        assert_eq!(routes.open_to(at(300)), Some(Endpoint::Second));
        assert_eq!(routes.turned(at(300)), Some(Endpoint::Second));
        assert_eq!(routes.turned(at(301)), None);
        assert_eq!(routes.most_per_claim(at(300)), u32::MAX);
    }

    #[test]
    fn without_a_second_endpoint_only_probes_go() {
        let mut routes = broken();
        assert!(routes.switch_second_off() && !routes.switch_second_off());
        assert_eq!(routes.open_to(at(400)), Some(Endpoint::First));
        routes.sent(JobId(50), Endpoint::First, at(0));
        assert_eq!(routes.open_to(at(9_000)), None);
        assert_eq!(routes.most_per_claim(at(9_000)), 1);
        assert_eq!(routes.open_at()[1], None);
    }

    #[test]
    fn one_probe_at_a_time_still_goes_to_the_first_and_its_success_turns_back() {
        let mut routes = broken();
        routes.turned(at(400));
        assert_eq!(
            routes.open_to(at(400)),
            Some(Endpoint::First),
            "a probe is due"
        );
        routes.sent(JobId(50), Endpoint::First, at(0));
        assert_eq!(routes.open_to(at(400)), Some(Endpoint::Second));
        fail(&mut routes.first, 50, 401);
        assert_eq!(routes.open_to(at(402)), Some(Endpoint::Second));
        assert_eq!(routes.open_to(at(421)), Some(Endpoint::First));
        routes.sent(JobId(51), Endpoint::First, at(0));
        routes.first.circuit.answered(JobId(51));
        assert_eq!(routes.open_to(at(422)), Some(Endpoint::First));
        assert_eq!(routes.turned(at(422)), Some(Endpoint::First));
    }

    #[test]
    fn no_job_probes_twice_in_a_row_while_the_second_endpoint_works() {
        let mut routes = broken();
        routes.sent(JobId(50), Endpoint::First, at(0));
        fail(&mut routes.first, 50, 401);
        assert_eq!(
            routes.open_to_job(JobId(50), at(500)),
            Some(Endpoint::Second)
        );
        assert_eq!(
            routes.open_to_job(JobId(51), at(500)),
            Some(Endpoint::First)
        );
        break_route(&mut routes.second, 450);
        assert_eq!(
            routes.open_to_job(JobId(50), at(500)),
            Some(Endpoint::First)
        );
    }

    #[test]
    fn when_both_fail_both_are_probed() {
        let mut routes = broken();
        break_route(&mut routes.second, 310);
        assert_eq!(routes.most_per_claim(at(400)), 1);
        assert_eq!(routes.open_to(at(400)), Some(Endpoint::First));
        routes.sent(JobId(50), Endpoint::First, at(0));
        assert_eq!(routes.open_to(at(400)), Some(Endpoint::Second));
        routes.sent(JobId(51), Endpoint::Second, at(0));
        assert_eq!(routes.open_to(at(9_000)), None, "both probes are out");
        routes.forgotten(JobId(51));
        assert_eq!(routes.open_to(at(9_000)), Some(Endpoint::Second));
    }

    #[test]
    fn what_was_abandoned_is_not_waited_for_by_those_who_doubt() {
        let mut routes = EndpointRoutes::default();
        for job in 1..=3 {
            routes.sent(JobId(job), Endpoint::First, at(0));
        }
        for job in 1..=2 {
            let step = Duration::from_secs(3);
            routes.first.doubt.doubted(JobId(job), step, at(1));
        }
        let crowd = Crowd {
            left: 9,
            ..Crowd::default()
        };
        let judged = |routes: &EndpointRoutes| routes.first.doubt.judge(JobId(2), crowd).of_account;
        assert_eq!(judged(&routes), Belief::Doubted, "the third may succeed");
        routes.forgotten(JobId(3));
        assert_eq!(judged(&routes), Belief::All);
    }

    #[test]
    fn a_limit_pauses_its_own_road_alone() {
        let mut routes = broken();
        routes.sent(JobId(50), Endpoint::First, at(0));
        assert!(routes.to_mut(Endpoint::Second).pause(at(600), at(400)));
        assert!(!routes.to_mut(Endpoint::Second).pause(at(500), at(401)));
        assert_eq!(routes.open_to(at(599)), None);
        assert_eq!(routes.open_at()[1], Some(at(600)));
        assert_eq!(routes.open_to(at(600)), Some(Endpoint::Second));
    }

    #[test]
    fn a_probe_that_must_wait_holds_nothing_up_while_the_second_endpoint_works() {
        let routes = broken();
        let first_waits = |to| match to {
            Endpoint::First => Verdict::Wait,
            Endpoint::Second => Verdict::Go,
        };
        let judged = |now| routes.judge(JobId(50), at(now), first_waits);
        assert_eq!(judged(299), (Endpoint::First, Verdict::Wait));
        assert_eq!(judged(400), (Endpoint::Second, Verdict::Go));
        let go = routes.judge(JobId(50), at(400), |_| Verdict::Go);
        assert_eq!(go, (Endpoint::First, Verdict::Go));
    }
}
