//! What can be read of the reference.

use std::collections::BTreeMap;

use claude_run::model::{
    AttemptOutcome, Cost, JobCounts, JobId, JobState, Lane, Pico, Run, RunId, RunState, Tokens,
};
use claude_run::store::{
    AttemptGroup, AttemptRow, BatchRow, DayGroup, EstimateSums, HourOfDay, Only, OpenRequest,
    Reader, Result, ResultBody, ResultRow, StatusChange, Waiting,
};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Memory;
use super::state::{Job, State, StoredRun};

impl Reader for Memory {
    async fn runs(&self) -> Result<Vec<Run>> {
        self.read(|state| {
            let loaded = state
                .runs
                .iter()
                .filter(|it| it.run.state != RunState::Loading);
            Ok(loaded.map(counted).collect())
        })
    }

    async fn unfinished_run(&self, fingerprint: &[u8; 32]) -> Result<Option<Run>> {
        self.read(|state| {
            let mut wanted = state.runs.iter().rev().filter(|it| {
                let over = matches!(it.run.state, RunState::Loading | RunState::Ended);
                !over && it.fingerprint.as_ref() == Some(fingerprint)
            });
            Ok(wanted.next().map(counted))
        })
    }

    async fn attempts(
        &self,
        run: RunId,
        custom_id: Option<&str>,
        after_line: u64,
    ) -> Result<Vec<AttemptRow>> {
        self.read(|state| {
            let rows = state.run(run)?.jobs.values().flat_map(|job| &job.attempts);
            let wanted = |row: &AttemptRow| {
                row.line > after_line && custom_id.is_none_or(|id| row.custom_id == id)
            };
            Ok(rows
                .map(|attempt| attempt.row.clone())
                .filter(wanted)
                .collect())
        })
    }

    async fn results(&self, run: RunId, only: Only, after_line: u64) -> Result<Vec<ResultRow>> {
        self.read(|state| {
            let ended = state.run(run)?.jobs.values().filter(|job| {
                let wanted = match only {
                    Only::Succeeded => job.state == JobState::Succeeded,
                    Only::Failed => job.state.is_ended() && job.state != JobState::Succeeded,
                    Only::All => job.state.is_ended(),
                };
                wanted && job.new.line > after_line
            });
            Ok(ended.map(result_row).collect())
        })
    }

    async fn open_requests(&self, run: RunId, after: JobId) -> Result<Vec<OpenRequest>> {
        self.read(|state| {
            let jobs = state.run(run)?.jobs.values();
            let open = jobs.filter(|job| !job.state.is_ended() && job.id > after);
            Ok(open
                .map(|job| OpenRequest {
                    job: job.id,
                    model: job.model.clone(),
                    body: job.new.body.clone(),
                })
                .collect())
        })
    }

    async fn hours_of_day(&self, run: RunId) -> Result<Vec<HourOfDay>> {
        self.read(|state| {
            let mut hours: BTreeMap<u8, HourOfDay> = BTreeMap::new();
            for row in state.ledger(run)? {
                let hour = row.started_at.to_zoned(TimeZone::UTC).hour();
                let hour = u8::try_from(hour).unwrap();
                let sums = hours.entry(hour).or_default();
                sums.hour = hour;
                sums.attempts += 1;
                sums.service_failures += u64::from(row.http_status.is_some_and(|it| it >= 500));
            }
            Ok(hours.into_values().collect())
        })
    }

    async fn estimates(&self, run: RunId) -> Result<Vec<EstimateSums>> {
        self.read(|state| Ok(state.run(run)?.estimates.clone()))
    }

    async fn status_changes(&self, run: RunId) -> Result<Vec<StatusChange>> {
        self.read(|state| {
            let mut changes = state.run(run)?.status_changes.clone();
            changes.sort_by_key(|change| change.at);
            Ok(changes)
        })
    }

    async fn waiting(&self, run: RunId, now: Timestamp) -> Result<Option<Waiting>> {
        self.read(|state| Ok(state.run(run)?.waiting(now)))
    }

    async fn attempt_groups(&self, run: RunId) -> Result<Vec<AttemptGroup>> {
        self.read(|state| {
            let groups = state.groups(run, |_| Date::ZERO)?;
            Ok(groups.into_iter().map(|it| it.group).collect())
        })
    }

    async fn day_groups(&self, run: RunId) -> Result<Vec<DayGroup>> {
        self.read(|state| {
            state.groups(run, |row| {
                let moment = row.ended_at.unwrap_or(row.started_at);
                moment.to_zoned(TimeZone::UTC).date()
            })
        })
    }

    async fn batches(&self, run: RunId) -> Result<Vec<BatchRow>> {
        self.read(|state| state.batches_of(run))
    }
}

/// The run with what its jobs and attempts add up to.
fn counted(stored: &StoredRun) -> Run {
    let mut run = stored.run.clone();
    run.jobs = JobCounts::default();
    run.cost = Pico::ZERO;
    for job in stored.jobs.values() {
        run.jobs.add(job.state, 1);
        run.cost += job.attempts.iter().map(|it| it.row.cost.total).sum();
    }
    run
}

fn sum<'a>(rows: impl Iterator<Item = &'a AttemptRow>) -> (Tokens, Cost) {
    let (mut tokens, mut cost) = (Tokens::default(), Cost::default());
    for row in rows {
        tokens = tokens.plus(&row.tokens);
        cost.total += row.cost.total;
        cost.saved_by_batch += row.cost.saved_by_batch;
        cost.saved_by_cache += row.cost.saved_by_cache;
        cost.unknown_price |= row.cost.unknown_price;
    }
    (tokens, cost)
}

fn result_row(job: &Job) -> ResultRow {
    let (tokens, cost) = sum(job.attempts.iter().map(|it| &it.row));
    let n = job.result.as_ref().map(|(n, _)| *n as usize);
    let attempt = match n {
        Some(n) => job.attempts.get(n - 1),
        None => job.attempts.last(),
    };
    let row = attempt.map(|attempt| &attempt.row);
    let result = job.result.as_ref().map(|(_, result)| result.clone());
    ResultRow {
        line: job.new.line,
        custom_id: job.new.custom_id.clone(),
        state: job.state,
        result: result.unwrap_or(ResultBody::Nothing),
        attempts: u32::try_from(job.attempts.len()).unwrap(),
        lane: row.map_or(Lane::Live, |row| row.lane),
        model: row
            .and_then(|row| row.answered_by.clone())
            .unwrap_or_else(|| job.model.clone()),
        error_class: job.class,
        tokens,
        cost,
        cost_basis: job
            .attempts
            .iter()
            .filter_map(|it| it.row.cost_basis)
            .max_by_key(|it| it.as_str()),
        latency: row.and_then(|row| row.latency),
        metadata: job.new.metadata.clone(),
        note: row
            .filter(|row| row.outcome == Some(AttemptOutcome::Succeeded))
            .and_then(|row| row.message.clone()),
        damaged: None,
    }
}

impl State {
    fn ledger(&self, run: RunId) -> Result<impl Iterator<Item = &AttemptRow>> {
        let jobs = self.run(run)?.jobs.values();
        Ok(jobs.flat_map(|job| job.attempts.iter().map(|it| &it.row)))
    }

    fn groups(&self, run: RunId, day: impl Fn(&AttemptRow) -> Date) -> Result<Vec<DayGroup>> {
        let mut groups: Vec<DayGroup> = Vec::new();
        for job in self.run(run)?.jobs.values() {
            for row in job.attempts.iter().map(|it| &it.row) {
                let result_n = job.result.as_ref().map(|(n, _)| *n);
                let alone = alone(row, result_n == Some(row.attempt.n));
                let day = day(row);
                match groups
                    .iter_mut()
                    .find(|it| it.day == day && alike(&it.group, &alone))
                {
                    Some(found) => add(&mut found.group, &alone),
                    None => groups.push(DayGroup { day, group: alone }),
                }
            }
        }
        Ok(groups)
    }
}

fn alone(row: &AttemptRow, is_result: bool) -> AttemptGroup {
    AttemptGroup {
        model: row.model.clone(),
        answered_by: row.answered_by.clone(),
        lane: row.lane,
        outcome: row.outcome,
        error_class: row.error_class,
        maybe_billed: row.maybe_billed,
        is_result,
        unknown_price: row.cost.unknown_price,
        cost_basis: row.cost_basis,
        price_row: row.price_row.clone(),
        attempts: 1,
        tokens: row.tokens,
        cost: row.cost,
        at_most: row.at_most.filter(|_| row.maybe_billed).unwrap_or_default(),
        unbounded: u64::from(row.maybe_billed && row.at_most.is_none()),
    }
}

fn alike(a: &AttemptGroup, b: &AttemptGroup) -> bool {
    let key = |it: &AttemptGroup| {
        let AttemptGroup {
            lane,
            outcome,
            error_class,
            maybe_billed,
            is_result,
            unknown_price,
            ..
        } = it.clone();
        let models = (
            it.model.clone(),
            it.answered_by.clone(),
            it.price_row.clone(),
            it.cost_basis,
        );
        (
            models,
            lane,
            outcome,
            error_class,
            maybe_billed,
            is_result,
            unknown_price,
        )
    };
    key(a) == key(b)
}

fn add(to: &mut AttemptGroup, one: &AttemptGroup) {
    to.attempts += one.attempts;
    to.tokens = to.tokens.plus(&one.tokens);
    to.cost.total += one.cost.total;
    to.cost.saved_by_batch += one.cost.saved_by_batch;
    to.cost.saved_by_cache += one.cost.saved_by_cache;
    to.at_most += one.at_most;
    to.unbounded += one.unbounded;
}
