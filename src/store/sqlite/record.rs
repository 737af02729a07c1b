//! Recording ends of attempts: together, or one by one where the store cannot hold one of them.

use jiff::Timestamp;

use super::SqliteStore;
use super::finish::{PackedFinish, finish};
use super::tx::line_of;
use crate::model::{
    AttemptId, AttemptOutcome, AttemptRecord, ErrorClass, Evidence, JobHistory, JobState, Lane,
    RunId, error_object,
};
use crate::store::{Finish, JobEnd, Next, Result, ResultBody, StoreError};

impl SqliteStore {
    /// Records ends of attempts in one transaction. If one of them is refused, each gets its own, and
    /// what is refused by itself is recorded in a lesser form. Returns those, as they were recorded.
    pub(super) async fn record(&self, run: RunId, ends: Vec<Finish>) -> Result<Vec<Finish>> {
        match self.record_together(run, ends.clone()).await {
            Err(StoreError::Refused { .. }) => {}
            recorded => return recorded.map(|_| Vec::new()),
        }
        let mut lesser = Vec::new();
        for end in ends {
            lesser.extend(self.record_alone(run, end).await?);
        }
        Ok(lesser)
    }

    async fn record_together(&self, run: RunId, ends: Vec<Finish>) -> Result<usize> {
        let packed = ends.into_iter().map(PackedFinish::new);
        let packed: Vec<_> = packed.collect::<Result<_>>()?;
        self.writer.call(move |tx| finish(tx, run, &packed)).await
    }

    /// Records an end, or keeps it aside and records a lesser form of it, which is returned.
    async fn record_alone(&self, run: RunId, end: Finish) -> Result<Option<Finish>> {
        match self.record_one(run, end.clone()).await {
            Err(StoreError::Refused { why, .. }) => self.hold_back(run, end, &why).await.map(Some),
            recorded => recorded.map(|_| None),
        }
    }

    /// Keeps an end aside, and records in its place that there was one.
    pub(super) async fn hold_back(&self, run: RunId, end: Finish, why: &str) -> Result<Finish> {
        self.kept.keep(run, end.clone(), why)?;
        let instead = end.held_back(why, &self.kept.name());
        self.record_one(run, instead.clone()).await?;
        tracing::warn!(
            "an answer that the store cannot hold ({why}) is kept in {}",
            self.kept.name()
        );
        Ok(instead)
    }

    /// Ends a job whose stored request is not what was stored: it cannot be sent, and is no reason to keep
    /// the others back. Nothing was sent, so nothing was billed.
    pub(super) async fn fail_damaged(
        &self,
        run: RunId,
        attempt: AttemptId,
        now: Timestamp,
        why: &str,
    ) -> Result<()> {
        let message = format!(
            "the stored request is damaged and was not sent: {why}. Submit its line anew with --new-run, and see with `claude-run verify` what else is damaged"
        );
        tracing::warn!("line {}: {message}", line_of(attempt.job.0));
        let error = error_object("api_error", &message, None);
        let end = Finish {
            record: AttemptRecord {
                evidence: Evidence {
                    message: Some(message),
                    ..Evidence::default()
                },
                ..AttemptRecord::unbilled(
                    attempt,
                    AttemptOutcome::Errored,
                    ErrorClass::Unknown,
                    now,
                )
            },
            next: Next::End(JobEnd {
                state: JobState::Failed,
                result: ResultBody::Error(error),
            }),
            lane: Lane::Live,
            history: JobHistory::default(),
        };
        self.record_one(run, end).await.map(drop)
    }

    /// How many ends that recorded: none if the attempt had ended before.
    pub(super) async fn record_one(&self, run: RunId, end: Finish) -> Result<usize> {
        self.record_together(run, vec![end]).await
    }
}
