//! What a throttle makes of requests that no wait lets pass, and of files that run out.

use jiff::Timestamp;

use super::{Sent, Throttle};
use crate::model::{ClaimedJob, EventKind, JobId, RateLimits};
use crate::policy::{ClassId, Demand, TooLarge, refused_though_full, surely_too_large};

impl Throttle {
    /// What a job needs of the limits: a request that no wait lets pass takes nothing of the one that
    /// refuses it, and keeps nobody waiting until its bucket is full.
    pub(super) fn counted_demand(
        &self,
        job: &ClaimedJob,
        class: ClassId,
        now: Timestamp,
    ) -> Demand {
        let want = self.demand(job, now);
        match self.larger_than_its_limit(job.job(), class, want) {
            Some(_) => Demand { input: 0, ..want },
            None => want,
        }
    }

    /// Whether no wait lets a job with that need pass, as far as is known.
    pub(super) fn larger_than_its_limit(
        &self,
        job: JobId,
        class: ClassId,
        want: Demand,
    ) -> Option<TooLarge> {
        let known = self.too_large.get(&job).copied();
        known.or_else(|| surely_too_large(want, self.budget.known(class).itpm))
    }

    /// The job on the wire whose request no wait lets pass, as far as is known.
    pub(in crate::engine) fn too_large(&self, job: JobId) -> Option<TooLarge> {
        let sent = self.sent.get(&job)?;
        self.larger_than_its_limit(job, sent.class, sent.want)
    }

    /// Keeps in mind, and tells once, that no wait lets this request pass.
    pub(super) fn note_too_large(&mut self, job: &ClaimedJob, found: TooLarge) {
        if self.too_large.insert(job.job(), found).is_none() {
            self.notes.push(EventKind::RequestOverLimit {
                custom_id: job.custom_id.clone(),
                model: job.model.clone(),
                input_tokens: found.tokens,
                limit_per_minute: found.limit,
            });
        }
    }

    /// What is to be told, once.
    pub(in crate::engine) fn take_notes(&mut self) -> Vec<EventKind> {
        std::mem::take(&mut self.notes)
    }

    /// Tells, once, that this machine lets the process open no more files.
    pub(super) fn note_files(&mut self, job: &ClaimedJob, message: Option<String>) {
        if !std::mem::replace(&mut self.told_files, true) {
            self.notes.push(EventKind::FilesExhausted {
                model: job.model.clone(),
                message: message.unwrap_or_default(),
                ceiling: self.concurrency.now(),
            });
        }
    }

    /// Whether a refusal was for the size of its own request.
    pub(super) fn is_found_too_large(&mut self, job: &ClaimedJob, limits: &RateLimits) -> bool {
        let Some(Sent { class, want, .. }) = self.sent.get(&job.job()) else {
            return false;
        };
        let told = limits.input_tokens.map(|limit| limit.limit);
        let found = self
            .larger_than_its_limit(job.job(), *class, *want)
            .or_else(|| surely_too_large(*want, told))
            .or_else(|| refused_though_full(*want, limits));
        if let Some(found) = found {
            self.note_too_large(job, found);
        }
        found.is_some()
    }
}
