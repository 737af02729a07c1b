//! What the scheduler knows of one model's jobs, and whether it may send them.

use std::collections::{HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::endpoints::EndpointRoutes;
use super::settings::SecondEndpoint;
use super::throttle::Verdict;
use crate::model::{ClaimedJob, Endpoint, EventKind, JobId};
use crate::policy::{DIFFERENT_JOBS, Others, Standing};
use crate::store::{Claimed, Finish, Next, QueueLoad};

/// What succeeded this long ago still shows that a limit lets jobs pass.
const LATELY: SignedDuration = SignedDuration::from_secs(30);

/// One model's jobs: what is believed to wait in the store, and what is claimed.
#[derive(Debug)]
pub(super) struct ModelQueue {
    pub(super) model: String,
    /// Jobs that wait in the store, as far as we know; corrected by every snapshot.
    pub(super) queued: u64,
    /// No job of this model can succeed now: nothing of it is started.
    pub(super) blocked: bool,
    /// Where its requests go.
    pub(super) routes: EndpointRoutes,
    /// Claimed and not yet sent.
    ready: VecDeque<ClaimedJob>,
    /// Jobs that have not ended. Unlike `queued` a claim does not change it, so a snapshot that is
    /// a moment old does not make it wrong.
    left: u64,
    /// Jobs that wait although the queue worked when they failed: what is wrong may be their own.
    suspects: HashSet<JobId>,
    /// Jobs of other models go on in it, a few at a time.
    takes_over: bool,
    /// Jobs asked for by a claim that is under way.
    claiming: u32,
    /// The last claim found all that was due, so that another one would find nothing.
    dry: bool,
    /// When the earliest retry is due.
    next_due: Option<Timestamp>,
    /// The earliest retry that was recorded while a claim was under way, which its answer may not
    /// know of.
    noted: Option<Timestamp>,
    /// A long wait that a server asked for was told, and lasts until then; whether it is everybody's.
    pub(super) long_wait_told: Option<(Timestamp, bool)>,
    /// When the next probe of the first endpoint goes, as it was told.
    probe_told: Option<Timestamp>,
}

impl ModelQueue {
    pub(super) fn new(load: QueueLoad, second: Option<&SecondEndpoint>) -> Self {
        Self {
            model: load.model,
            queued: load.queued,
            left: load.queued + load.in_flight,
            blocked: false,
            routes: EndpointRoutes::new(second),
            ready: VecDeque::new(),
            suspects: HashSet::new(),
            takes_over: false,
            claiming: 0,
            dry: false,
            next_due: None,
            noted: None,
            long_wait_told: None,
            probe_told: None,
        }
    }

    /// Whether a snapshot tells anything new of it: most queues of a run with many models are empty.
    pub(super) fn is_news(&self, load: &QueueLoad) -> bool {
        let left = load.queued + load.in_flight;
        (self.queued, self.left) != (load.queued, left) || (self.dry && self.queued > 0)
    }

    /// Takes over what a snapshot tells. A queue that was dry is asked again: another process may have
    /// put jobs back.
    pub(super) fn refresh(&mut self, load: &QueueLoad) {
        self.queued = load.queued;
        self.left = load.queued + load.in_flight;
        self.dry = false;
    }

    /// Whether a request of this queue may be sent now.
    pub(super) fn may_send(&self, now: Timestamp) -> bool {
        !self.blocked && self.routes.open_to(now).is_some()
    }

    /// Whether a claim would bring something that may be sent.
    pub(super) fn is_claimable(&self, now: Timestamp) -> bool {
        let due = self.next_due.is_some_and(|due| due <= now);
        self.may_send(now) && self.claiming == 0 && self.queued > 0 && (!self.dry || due)
    }

    /// When the first endpoint is probed next, if that has changed since the circuit opened or since
    /// this was asked last.
    pub(super) fn news_of_probes(&mut self) -> Option<EventKind> {
        let open = self.routes.to(Endpoint::First).circuit.open();
        let next = open.map(|open| open.next_probe_at);
        let before = std::mem::replace(&mut self.probe_told, next);
        let open = open.filter(|_| before.is_some() && before != next)?;
        Some(EventKind::CircuitProbed {
            model: self.model.clone(),
            error_class: open.class,
            next_probe_at: open.next_probe_at,
        })
    }

    /// Since when it has been failing, with nothing to take its place.
    pub(super) fn down_since(&self, now: Timestamp) -> Option<Timestamp> {
        let open = self.routes.to(Endpoint::First).circuit.open();
        open.filter(|_| !self.routes.second_serves(now))
            .map(|open| open.since)
    }

    /// When a queue that has nothing to send now may have something without any input: each time at
    /// which one of its routes opens.
    pub(super) fn wakes_at(&self) -> [Option<Timestamp>; 2] {
        let idle = self.queued == 0 && self.ready.is_empty();
        let waits = !self.blocked && self.claiming == 0 && !idle;
        let due = self.next_due.filter(|_| self.dry && self.ready.is_empty());
        let [first, second] = self.routes.open_at();
        // The second route is closed for good where no time is known.
        let second = second.map(|at| at.max(due.unwrap_or(at)));
        if waits {
            [first.max(due), second]
        } else {
            [None, None]
        }
    }

    /// Times at which [`ModelQueue::may_send`], [`ModelQueue::is_claimable`] or its endpoint may come out differently
    /// although nothing has happened.
    pub(super) fn turns_at(&self) -> impl Iterator<Item = Timestamp> + use<> {
        self.routes.turns_at().chain(self.next_due)
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The next claimed job that may go by that verdict; it is sent now, and its endpoint is settled.
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        mut verdict: impl FnMut(&ClaimedJob, Endpoint) -> Verdict,
    ) -> Option<ClaimedJob> {
        if !self.may_send(now) {
            return None;
        }
        let routes = &self.routes;
        let judged = self.ready.iter().enumerate().map(|(at, job)| {
            let (to, verdict) = routes.judge(job.job(), now, |to| verdict(job, to));
            (at, to, verdict)
        });
        let (at, to, found) = { judged }.find(|(.., verdict)| *verdict != Verdict::Pass)?;
        if found == Verdict::Wait {
            return None;
        }
        let mut job = self.ready.remove(at)?;
        job.endpoint = to;
        self.routes.sent(job.job(), to, now);
        Some(job)
    }

    /// Everything that was claimed and not sent.
    pub(super) fn take_ready(&mut self) -> impl Iterator<Item = ClaimedJob> + '_ {
        self.queued += self.ready.len() as u64;
        self.dry = false;
        self.ready.drain(..)
    }

    pub(super) fn claiming(&self) -> u32 {
        self.claiming
    }

    pub(super) fn claim_sent(&mut self, jobs: u32) {
        self.claiming = jobs;
        self.noted = None;
    }

    pub(super) fn claimed(&mut self, claimed: Claimed) {
        self.claiming = 0;
        self.queued = self.queued.saturating_sub(claimed.jobs.len() as u64);
        self.dry = !claimed.more;
        self.next_due = earliest(claimed.next_due, self.noted.take());
        self.ready.extend(claimed.jobs);
    }

    /// A claim came to nothing.
    pub(super) fn claim_failed(&mut self) {
        self.claiming = 0;
    }

    /// How this job stands: whether the queue works is told by the others. `elsewhere`: jobs of other
    /// models are left.
    pub(super) fn standing(&self, job: &ClaimedJob, now: Timestamp, elsewhere: bool) -> Standing {
        let since = job.previous_ended_at.unwrap_or(job.started_at);
        let last_success = self.routes.to(job.endpoint).last_success;
        let another_succeeded = last_success.is_some_and(|at| at >= since);
        let lately = |at| now.duration_since(at) <= LATELY;
        let age = now.duration_since(job.first_started_at);
        Standing {
            others: match another_succeeded {
                true => Others::Succeed,
                false if !self.can_tell(elsewhere) && !self.routes.is_spared(job, now) => {
                    Others::CannotTell
                }
                false => Others::Fail,
            },
            age: age.try_into().unwrap_or_default(),
            is_well: self.routes.to(job.endpoint).health.is_good(now),
            others_pass: another_succeeded || last_success.is_some_and(lately),
        }
    }

    /// Enough jobs are left, or may still come from other models, that are no suspects: should they
    /// all fail, they open the circuit.
    fn can_tell(&self, elsewhere: bool) -> bool {
        let unsuspected = self.left.saturating_sub(self.suspects.len() as u64);
        unsuspected >= DIFFERENT_JOBS as u64 || (self.takes_over && elsewhere)
    }

    /// How many jobs of it have not ended.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Jobs of it have not ended.
    pub(super) fn has_jobs_left(&self) -> bool {
        self.left > 0
    }

    /// Keeps in mind whose failures were held against them, in this process or one before it, as
    /// long as they wait here.
    pub(super) fn suspect(&mut self, job: JobId, finish: &Finish) {
        let waits = matches!(finish.next, Next::RetryAt(_) | Next::Requeue);
        if waits && finish.history.counted > 0 {
            self.suspects.insert(job);
        } else {
            self.suspects.remove(&job);
        }
    }

    /// A request was abandoned.
    pub(super) fn abandoned(&mut self, job: JobId) {
        self.routes.forgotten(job);
    }

    /// The end of an attempt is stored.
    pub(super) fn recorded(&mut self, next: &Next) {
        match next {
            Next::RetryAt(due) | Next::Amend { at: due, .. } => {
                self.queued += 1;
                self.next_due = earliest(self.next_due, Some(*due));
                self.noted = earliest(self.noted, Some(*due));
            }
            Next::Requeue => {
                self.queued += 1;
                self.dry = false;
            }
            Next::Hold | Next::End(_) | Next::EndPutAside => self.left_the_queue(),
        }
    }

    /// One job fewer is left: it ended, or goes on in another queue.
    pub(super) fn left_the_queue(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// A job of another queue goes on in this one.
    pub(super) fn joined(&mut self, next: &Next) {
        self.left += 1;
        self.takes_over = true;
        self.recorded(next);
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::ModelQueue;
    use crate::clock::add;
    use crate::model::{
        AttemptId, AttemptOutcome, AttemptRecord, ErrorClass, JobHistory, JobId, Lane,
    };
    use crate::store::{Claimed, Finish, Next, QueueLoad};

    fn queue(queued: u64, in_flight: u64) -> ModelQueue {
        let load = QueueLoad {
            model: "model".to_owned(),
            queued,
            in_flight,
            held: 0,
        };
        ModelQueue::new(load, None)
    }

    fn end(next: Next, counted: u32) -> Finish {
        let attempt = AttemptId {
            job: JobId(1),
            n: 1,
        };
        let (outcome, class) = (AttemptOutcome::Errored, ErrorClass::ServerError);
        Finish {
            record: AttemptRecord::unbilled(attempt, outcome, class, Timestamp::UNIX_EPOCH),
            next,
            lane: Lane::Live,
            history: JobHistory {
                counted,
                ..JobHistory::default()
            },
        }
    }

    #[test]
    fn a_job_is_a_suspect_while_it_waits_for_what_was_held_against_it() {
        let mut queue = queue(0, 1);
        let waits = || Next::RetryAt(Timestamp::UNIX_EPOCH);
        for (next, counted, suspects) in [
            (waits(), 0, 0),
            (waits(), 1, 1),
            (waits(), 2, 1),
            (Next::Hold, 2, 0),
            (waits(), 3, 1),
            (Next::EndPutAside, 3, 0),
        ] {
            queue.suspect(JobId(1), &end(next, counted));
            assert_eq!(queue.suspects.len(), suspects, "{counted}");
        }
    }

    /// The claim looked before the retry was there.
    #[test]
    fn a_retry_that_is_recorded_while_a_claim_is_under_way_is_woken_up_for() {
        let mut queue = queue(1, 1);
        let due = add(Timestamp::UNIX_EPOCH, Duration::from_secs(9));
        queue.claim_sent(1);
        queue.recorded(&Next::RetryAt(due));
        queue.claimed(Claimed {
            jobs: Vec::new(),
            next_due: None,
            more: false,
        });
        assert_eq!(queue.wakes_at(), [Some(due), None]);
    }
}
