//! When an answer that says that no job can succeed is believed.
//!
//! One job may get such an answer for its own sake (a firewall that dislikes its text), and one such
//! answer may pass (a gateway that is restarted). So it is first doubted: its job waits some seconds,
//! and so do all others of its way, but for a few that go and see. If one of those succeeds, the first
//! job goes again, and such an answer is then its own. If several of them get such an answer too, it
//! is true for all. What is in flight when the doubt begins may have been let in before, so it proves
//! nothing, unless nothing has ever succeeded: then it is enough that all of it agrees. A halt makes
//! everything unproven again. Pure: time is an argument.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::circuit::DIFFERENT_JOBS;
use crate::clock::add;
use crate::model::{ErrorClass, JobId};

/// After this long another job goes and sees, times the retry scale.
pub const CONFIRM_AFTER: Duration = Duration::from_secs(3);
/// This many jobs that went to see must agree where others have succeeded before: lines that offend
/// alike stand next to each other.
const CONFIRMED_BY: u32 = 3;
/// While nothing comes back, twice as many go each time, up to this power of two: who refuses does so
/// at once, and long answers are not waited for one by one.
const MOST_DOUBLINGS: u32 = 10;
/// A job that gets such an answer again while it is doubted waits twice as long, up to this power of
/// two.
const MOST_LONGER: u32 = 6;

/// What such an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// It is true for every job.
    All,
    /// It is true for the jobs of this model; others may succeed.
    Model,
    /// Not known yet.
    Doubted,
    /// It is about this job alone.
    Own,
}

/// What such an answer means, by what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beliefs {
    /// If it may be about what one request asks for.
    pub of_request: Belief,
    /// If it is about keys, money or certificates, which are everybody's.
    pub of_account: Belief,
    /// If it names the model.
    pub of_model: Belief,
}

impl Beliefs {
    /// The same for every class.
    #[must_use]
    pub fn all(belief: Belief) -> Self {
        Self {
            of_request: belief,
            of_account: belief,
            of_model: belief,
        }
    }

    /// These, where no job fails for what is its own: it waits instead.
    #[must_use]
    pub fn with_own_doubted(self) -> Self {
        let doubted = |belief| match belief {
            Belief::Own => Belief::Doubted,
            other => other,
        };
        Self {
            of_request: doubted(self.of_request),
            of_account: doubted(self.of_account),
            of_model: doubted(self.of_model),
        }
    }

    /// What an answer of this class means; it may name the model.
    #[must_use]
    pub fn of(self, class: ErrorClass, names_the_model: bool) -> Belief {
        if names_the_model {
            self.of_model
        } else if may_be_its_own(class) {
            self.of_request
        } else {
            self.of_account
        }
    }
}

/// Who is there besides the job that got such an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// Jobs of its model that have not ended, itself among them.
    pub left: u64,
    /// The run was halted, and this is the job that goes first to see whether that still holds.
    pub after_halt: bool,
    /// Some job of the run has succeeded, now or in an earlier dispatch.
    pub ever_succeeded: bool,
    /// Jobs of other models can still be tried.
    pub elsewhere: bool,
    /// When a job of another model succeeded last.
    pub elsewhere_succeeded_at: Option<Timestamp>,
}

/// What answers of one model's way to one endpoint have said of the others.
#[derive(Clone, Debug, Default)]
pub struct Doubt {
    /// A job has succeeded since the start, and since the last halt.
    proven: bool,
    on_wire: HashSet<JobId>,
    /// Jobs that got such an answer and have not ended, and how often they got it.
    suspects: HashMap<JobId, u32>,
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    since: Timestamp,
    step: Duration,
    /// Sent since.
    probes: HashSet<JobId>,
    /// Probes that got such an answer for the first time.
    refused: u32,
    doublings: u32,
    /// This many more probes may go now.
    left: u32,
    next_probe_at: Timestamp,
}

impl Doubt {
    /// Whether such an answer is being doubted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether a job has succeeded here since the start and the last halt.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// How many requests may be sent now.
    #[must_use]
    pub fn room(&self, now: Timestamp) -> u32 {
        match &self.open {
            None => u32::MAX,
            Some(open) if open.left > 0 => open.left,
            // Silence means slow answers and not refusals, so more go each time.
            Some(open) if open.next_probe_at <= now => 1 << open.doublings,
            Some(_) => 0,
        }
    }

    /// When more may be sent, if time is what is waited for.
    #[must_use]
    pub fn opens_at(&self) -> Option<Timestamp> {
        self.open.as_ref().map(|open| open.next_probe_at)
    }

    /// A request of this job was sent.
    pub fn sent(&mut self, job: JobId, now: Timestamp) {
        self.on_wire.insert(job);
        if let Some(open) = &mut self.open {
            // The first of a new round opens it for the others.
            if open.left == 0 {
                open.left = 1 << open.doublings;
                open.doublings = (open.doublings + 1).min(MOST_DOUBLINGS);
            }
            open.left -= 1;
            open.next_probe_at = add(now, open.step);
            open.probes.insert(job);
        }
    }

    /// What such an answer to this job means.
    #[must_use]
    pub fn judge(&self, job: JobId, crowd: Crowd) -> Beliefs {
        // That others succeeded with another model says nothing of this one.
        let of_its_model = Crowd {
            ever_succeeded: crowd.ever_succeeded && self.proven,
            ..crowd
        };
        Beliefs {
            of_request: self.belief(job, true, crowd),
            of_account: self.belief(job, false, crowd),
            of_model: self.belief(job, true, of_its_model),
        }
    }

    /// `own`: it may be about the job alone.
    fn belief(&self, job: JobId, own: bool, crowd: Crowd) -> Belief {
        let again = self.suspects.contains_key(&job);
        let Some(open) = &self.open else {
            return match again {
                // The others have gone on since, and this job alone was refused again.
                true => Belief::Own,
                false if !self.proven && crowd.after_halt && crowd.left > 1 => {
                    self.believed(own, crowd)
                }
                false => self.while_nobody_tells(job, own, crowd),
            };
        };
        // A job that was refused before says nothing new when it is refused again.
        let is_news = open.probes.contains(&job) && !again;
        if open.refused + u32::from(is_news) >= CONFIRMED_BY {
            return self.believed(own, crowd);
        }
        self.while_nobody_tells(job, own, crowd)
    }

    /// No probe has decided it: whoever else there is decides, or another probe.
    fn while_nobody_tells(&self, job: JobId, own: bool, crowd: Crowd) -> Belief {
        let again = self.suspects.contains_key(&job);
        let said = self.suspects.len() + usize::from(!again);
        let others = crowd.left.saturating_sub(said as u64);
        if others == 0 {
            // Nobody else can be asked. A few of a run that went well are taken at their word.
            let is_few = said == 1 || (self.proven && said < DIFFERENT_JOBS);
            return match (own && is_few && crowd.ever_succeeded, again) {
                (true, true) => Belief::Own,
                (true, false) => Belief::Doubted,
                (false, false) if self.proven => Belief::Doubted,
                (false, _) => self.believed(own, crowd),
            };
        }
        let in_flight = self.on_wire.iter().any(|other| *other != job);
        // Two agree, nothing has ever worked, and no answer is to come that could say otherwise.
        if !self.proven && said > 1 && !in_flight {
            return self.believed(own, crowd);
        }
        Belief::Doubted
    }

    /// It is true for all, or for its model alone, if others can be tried or have succeeded since.
    fn believed(&self, own: bool, crowd: Crowd) -> Belief {
        let since = self.open.as_ref().map(|open| open.since);
        let times = crowd.elsewhere_succeeded_at.zip(since);
        let elsewhere_works = times.is_some_and(|(at, since)| at > since);
        // Another model works or may work, so only this one's jobs have to wait.
        if elsewhere_works || (crowd.elsewhere && own) {
            Belief::Model
        } else {
            Belief::All
        }
    }

    /// How long a job waits whose answer was not believed; `step` is the wait of the first one.
    #[must_use]
    pub fn wait(&self, job: JobId, step: Duration) -> Duration {
        let before = self.suspects.get(&job).copied().unwrap_or_default();
        // Bounded, since a shift of 32 would panic and a job must come back some day.
        step.saturating_mul(1 << before.min(MOST_LONGER))
    }

    /// An answer was not believed: its job waits, and others go and see. `step` is the wait.
    pub fn doubted(&mut self, job: JobId, step: Duration, now: Timestamp) {
        self.on_wire.remove(&job);
        let times = self.suspects.entry(job).or_default();
        let is_new = *times == 0;
        *times = times.saturating_add(1);
        let next_probe_at = add(now, step);
        let Some(open) = &mut self.open else {
            // Others have gone and seen already: this one's is its own.
            if !is_new {
                return;
            }
            self.open = Some(Open {
                since: now,
                step,
                probes: HashSet::new(),
                refused: 0,
                doublings: 0,
                left: 0,
                next_probe_at,
            });
            return;
        };
        // What left before the doubt began is no test of it.
        if open.probes.remove(&job) {
            open.refused += u32::from(is_new);
            open.doublings = 0;
            open.left = 0;
            open.next_probe_at = next_probe_at;
        }
    }

    /// A job succeeded. If it went to see, everybody else may go again.
    pub fn succeeded(&mut self, job: JobId) {
        self.proven = true;
        self.ended(job);
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.probes.contains(&job))
        {
            self.open = None;
        }
    }

    /// A request came to something that tells nothing of the others; `ends`: it was its job's last.
    pub fn answered(&mut self, job: JobId, ends: bool) {
        if ends {
            self.ended(job);
        }
        self.on_wire.remove(&job);
    }

    fn ended(&mut self, job: JobId) {
        self.on_wire.remove(&job);
        self.suspects.remove(&job);
    }

    /// The run halts, or the model is held: what comes then begins again.
    pub fn believed_at_last(&mut self) {
        self.proven = false;
        self.suspects.clear();
        self.open = None;
    }
}

/// Whether the class may be about what one request asks for. Keys, money and certificates are
/// everybody's.
fn may_be_its_own(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Permission | ErrorClass::WrongEndpoint)
}

#[cfg(test)]
#[path = "doubt_tests.rs"]
mod tests;
