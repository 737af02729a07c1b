//! A small store in memory and rows to fill it with, for the tests of this room.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    AttemptId, AttemptOutcome, Cost, DispatchOptions, ErrorClass, JobCounts, JobId, JobState, Lane,
    Pico, Run, RunId, RunState, Shaping, Tokens,
};
use crate::store::{
    AttemptGroup, AttemptRow, BatchRow, DayGroup, EstimateSums, HourOfDay, Only, OpenRequest,
    Reader, Result, ResultBody, ResultRow, StatusChange, StoreError, Waiting,
};

/// A store that gives pages of two jobs, and fails at a page if it is told to.
#[derive(Debug, Default)]
pub(super) struct MemoryReader {
    pub(super) results: Vec<ResultRow>,
    pub(super) attempts: Vec<AttemptRow>,
    pub(super) groups: Vec<AttemptGroup>,
    pub(super) days: Vec<DayGroup>,
    pub(super) hours: Vec<HourOfDay>,
    pub(super) batches: Vec<BatchRow>,
    pub(super) estimates: Vec<EstimateSums>,
    pub(super) status_changes: Vec<StatusChange>,
    /// The page (from 1) at which reading fails.
    pub(super) fails_at: Option<usize>,
    /// Pages asked for.
    pub(super) pages: AtomicUsize,
}

const PAGE: usize = 2;

impl MemoryReader {
    pub(super) fn of_results(results: Vec<ResultRow>) -> Self {
        Self {
            results,
            ..Self::default()
        }
    }

    fn turn_page(&self) -> Result<()> {
        let page = self.pages.fetch_add(1, Ordering::Relaxed) + 1;
        if self.fails_at == Some(page) {
            return Err(StoreError::Closed);
        }
        Ok(())
    }
}

impl Reader for MemoryReader {
    async fn runs(&self) -> Result<Vec<Run>> {
        Ok(vec![run()])
    }

    async fn unfinished_run(&self, _: &[u8; 32]) -> Result<Option<Run>> {
        Ok(None)
    }

    async fn attempts(
        &self,
        _: RunId,
        custom_id: Option<&str>,
        after_line: u64,
    ) -> Result<Vec<AttemptRow>> {
        self.turn_page()?;
        let wanted = |row: &&AttemptRow| {
            row.line > after_line && custom_id.is_none_or(|id| row.custom_id == id)
        };
        let mut lines: Vec<_> = self
            .attempts
            .iter()
            .filter(wanted)
            .map(|r| r.line)
            .collect();
        lines.dedup();
        let last = lines.get(PAGE - 1).or(lines.last()).copied().unwrap_or(0);
        let page = self.attempts.iter().filter(wanted);
        Ok(page.filter(|row| row.line <= last).cloned().collect())
    }

    async fn results(&self, _: RunId, only: Only, after_line: u64) -> Result<Vec<ResultRow>> {
        self.turn_page()?;
        let wanted = |row: &&ResultRow| {
            row.line > after_line
                && match only {
                    Only::All => true,
                    Only::Succeeded => row.state == JobState::Succeeded,
                    Only::Failed => row.state != JobState::Succeeded,
                }
        };
        Ok(self
            .results
            .iter()
            .filter(wanted)
            .take(PAGE)
            .cloned()
            .collect())
    }

    async fn open_requests(&self, _: RunId, _: JobId) -> Result<Vec<OpenRequest>> {
        Ok(Vec::new())
    }

    async fn hours_of_day(&self, _: RunId) -> Result<Vec<HourOfDay>> {
        Ok(self.hours.clone())
    }

    async fn estimates(&self, _: RunId) -> Result<Vec<EstimateSums>> {
        Ok(self.estimates.clone())
    }

    async fn status_changes(&self, _: RunId) -> Result<Vec<StatusChange>> {
        Ok(self.status_changes.clone())
    }

    async fn waiting(&self, _: RunId, _: Timestamp) -> Result<Option<Waiting>> {
        Ok(None)
    }

    async fn attempt_groups(&self, _: RunId) -> Result<Vec<AttemptGroup>> {
        Ok(self.groups.clone())
    }

    async fn day_groups(&self, _: RunId) -> Result<Vec<DayGroup>> {
        Ok(self.days.clone())
    }

    async fn batches(&self, _: RunId) -> Result<Vec<BatchRow>> {
        Ok(self.batches.clone())
    }
}

/// A run that is ready, with two jobs that have succeeded.
pub(super) fn run() -> Run {
    let mut jobs = JobCounts::default();
    jobs.add(JobState::Succeeded, 2);
    Run {
        id: "01957a1c-6f00-7000-8000-000000000001".parse().unwrap(),
        name: None,
        file: "in.jsonl".to_owned(),
        state: RunState::Ready,
        simulated: false,
        created_at: "2026-03-01T12:00:00.250Z".parse().unwrap(),
        started_at: None,
        ended_at: None,
        shaping: Shaping::default(),
        options: DispatchOptions::default(),
        halt: None,
        cancel_requested: false,
        answered: false,
        jobs,
        cost: crate::model::Pico::ZERO,
    }
}

/// A job that brought this message.
pub(super) fn succeeded(line: u64, message: &str) -> ResultRow {
    ResultRow {
        line,
        custom_id: format!("a-{line}"),
        state: JobState::Succeeded,
        result: ResultBody::Message(message.to_owned()),
        attempts: 1,
        lane: Lane::Live,
        model: "claude-haiku-4-5".to_owned(),
        error_class: None,
        tokens: tokens(10, 5),
        cost: Cost {
            total: Pico(35_000_000),
            ..Cost::default()
        },
        cost_basis: None,
        latency: Some(Duration::from_millis(1_234)),
        metadata: None,
        note: None,
        damaged: None,
    }
}

/// A job that ended with this error object.
pub(super) fn failed(line: u64, class: ErrorClass, error: &str) -> ResultRow {
    ResultRow {
        state: JobState::Failed,
        result: ResultBody::Error(error.to_owned()),
        error_class: Some(class),
        tokens: Tokens::default(),
        cost: Cost::default(),
        ..succeeded(line, "")
    }
}

/// A job that the user ended before it was tried.
pub(super) fn canceled(line: u64) -> ResultRow {
    ResultRow {
        state: JobState::Canceled,
        result: ResultBody::Nothing,
        attempts: 0,
        latency: None,
        ..failed(line, ErrorClass::Canceled, "")
    }
}

/// A refusal: an error with the message that it came with.
pub(super) fn refused(line: u64) -> ResultRow {
    let message = r#"{"content":[{"type":"text","text":"I can"}],"stop_reason":"refusal"}"#;
    let error = r#"{"type":"error","error":{"type":"refused","message":"The model declined"},"request_id":"req_9"}"#;
    ResultRow {
        result: ResultBody::Refusal {
            error: error.to_owned(),
            message: message.to_owned(),
        },
        ..failed(line, ErrorClass::Refused, "")
    }
}

/// An attempt that succeeded in a second.
pub(super) fn attempt(line: u64, n: u32) -> AttemptRow {
    AttemptRow {
        attempt: AttemptId {
            job: JobId(i64::try_from(line).unwrap()),
            n,
        },
        line,
        custom_id: format!("a-{line}"),
        lane: Lane::Live,
        model: "claude-haiku-4-5".to_owned(),
        endpoint: None,
        answered_by: Some("claude-haiku-4-5-20251001".to_owned()),
        started_at: "2026-03-01T12:00:00Z".parse().unwrap(),
        ended_at: Some("2026-03-01T12:00:01.5Z".parse().unwrap()),
        outcome: Some(AttemptOutcome::Succeeded),
        error_class: None,
        http_status: Some(200),
        error_type: None,
        message: None,
        request_id: Some("req_1".to_owned()),
        retry_after: None,
        next_try_at: None,
        wait_rule: None,
        tokens: tokens(10, 5),
        cost: Cost {
            total: Pico(35_000_000),
            ..Cost::default()
        },
        cost_basis: None,
        price_row: None,
        at_most: None,
        maybe_billed: false,
        latency: Some(Duration::from_millis(1_500)),
    }
}

/// An attempt that the API was too busy for.
pub(super) fn overloaded(line: u64, n: u32) -> AttemptRow {
    AttemptRow {
        endpoint: None,
        answered_by: None,
        outcome: Some(AttemptOutcome::Errored),
        error_class: Some(ErrorClass::Overloaded),
        http_status: Some(529),
        error_type: Some("overloaded_error".to_owned()),
        message: Some("Overloaded".to_owned()),
        retry_after: Some(Duration::from_secs(2)),
        next_try_at: Some("2026-03-01T12:00:03.5Z".parse().unwrap()),
        tokens: Tokens::default(),
        cost: Cost::default(),
        ..attempt(line, n)
    }
}

/// Uncached tokens alone.
pub(super) fn tokens(input: u64, output: u64) -> Tokens {
    Tokens {
        input,
        output,
        ..Tokens::default()
    }
}
