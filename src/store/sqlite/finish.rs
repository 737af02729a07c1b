//! Finishing: the end of an attempt and what becomes of its job, in one transaction. The same for
//! both lanes: an attempt knows the batch that it is part of.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::params;

use super::amend::{self, PackedAmended};
use super::blob::pack;
use super::ended::{EndedAttempt, millis};
use super::tally::{Route, Tally};
use super::tx::Tx;
use crate::model::{
    AttemptId, AttemptRecord, CostBasis, ErrorClass, JobHistory, JobState, Pico, RunId, Tokens,
    WaitRule,
};
use crate::store::{Finish, JobEnd, Next, Result, ResultBody, StoreError};

/// A finish with its result packed beforehand, off the writer's thread.
pub(super) struct PackedFinish {
    record: AttemptRecord,
    history: JobHistory,
    next: Next,
    /// The queue of the job's next attempt, if it has one.
    route: Route,
    message: Option<Vec<u8>>,
    error: Option<Vec<u8>>,
    amended: Option<PackedAmended>,
}

impl PackedFinish {
    /// Packs the results of `finish`.
    pub(super) fn new(mut finish: Finish) -> Result<Self> {
        let amended = match &mut finish.next {
            Next::Amend { amended, .. } => Some(PackedAmended::pack(amended)?),
            _ => None,
        };
        let (message, error) = match &mut finish.next {
            Next::End(end) => pack_result(std::mem::replace(&mut end.result, ResultBody::Nothing)),
            _ => (None, None),
        };
        Ok(Self {
            record: finish.record,
            history: finish.history,
            next: finish.next,
            route: finish.lane.into(),
            message,
            error,
            amended,
        })
    }

    /// Where its job stands then.
    pub(super) fn state_after(&self) -> JobState {
        state_after(&self.next)
    }

    /// What the attempt cost, as it is kept.
    pub(super) fn cost(&self) -> Pico {
        Pico(self.record.cost.total.0.clamp(0, Pico::MOST.0))
    }
}

fn pack_result(result: ResultBody) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    match result {
        ResultBody::Message(message) => (Some(pack(&message)), None),
        ResultBody::Error(error) => (None, Some(pack(&error))),
        ResultBody::Refusal { error, message } => (Some(pack(&message)), Some(pack(&error))),
        ResultBody::Nothing => (None, None),
    }
}

/// Records ends of attempts, and says how many had not ended before.
pub(super) fn finish(tx: &mut Tx, run: RunId, finishes: &[PackedFinish]) -> Result<usize> {
    let run = tx.run_row(run)?;
    let mut ended = Vec::with_capacity(finishes.len());
    let mut ended_in_batch: HashMap<i64, u32> = HashMap::new();
    for finish in finishes {
        if let Some(ends) = end_attempt(tx, finish)? {
            move_job(tx, run, finish, ends)?;
            keep_result(tx, finish)?;
            ended.push(finish);
            if let Ends::InBatch(batch) = ends {
                *ended_in_batch.entry(batch).or_default() += 1;
            }
        }
    }
    for (batch, ended) in ended_in_batch {
        tx.execute(
            "UPDATE batches SET open_requests = open_requests - ?2 WHERE id = ?1",
            params![batch, ended],
        )?;
    }
    add_to_run(tx, run, &ended)?;
    Ok(ended.len())
}

/// Where an attempt was open that ends now.
#[derive(Clone, Copy)]
enum Ends {
    Live,
    InBatch(i64),
}

impl Ends {
    /// The state of its job until now.
    fn state_before(self) -> JobState {
        match self {
            Self::Live => JobState::InFlight,
            Self::InBatch(_) => JobState::InBatch,
        }
    }
}

/// What the run as a whole knows of its attempts. Its cost is kept in two parts, so that no sum of
/// attempts is too large for it.
fn add_to_run(tx: &Tx, run: i64, ended: &[&PackedFinish]) -> Result<()> {
    let answered = ended
        .iter()
        .any(|finish| finish.record.evidence.http_status.is_some());
    let cost: Pico = ended.iter().map(|finish| finish.cost()).sum();
    let (millions, rest) = (cost.0 / Pico::MOST.0, cost.0 % Pico::MOST.0);
    tx.execute(
        "UPDATE runs SET answered = max(answered, ?2),
           cost_millions = cost_millions + ?3 + (cost_pico + ?4) / ?5, cost_pico = (cost_pico + ?4) % ?5
         WHERE id = ?1",
        params![run, answered, within(millions), within(rest), within(Pico::MOST.0)],
    )?;
    Ok(())
}

/// Ends an attempt. None if it had ended already: an earlier call did this, and its word stands.
fn end_attempt(tx: &Tx, finish: &PackedFinish) -> Result<Option<Ends>> {
    let ends = open_attempt(tx, finish.record.attempt)?;
    if ends.is_some() {
        write_end(tx, finish)?;
    }
    Ok(ends)
}

/// Where the attempt is open. Asked beforehand and not by RETURNING: for that SQLite opens a
/// temporary table and a statement journal each time.
fn open_attempt(tx: &Tx, AttemptId { job, n }: AttemptId) -> Result<Option<Ends>> {
    let found = tx.query(
        "SELECT ended_at_ms IS NULL, batch_id FROM attempts WHERE job_id = ?1 AND n = ?2",
        params![job.0, n],
        |row| {
            let ends = row
                .get::<_, Option<i64>>(1)?
                .map_or(Ends::Live, Ends::InBatch);
            Ok(row.get::<_, bool>(0)?.then_some(ends))
        },
    )?;
    found.ok_or_else(|| {
        StoreError::IllegalTransition(format!("attempt {n} of job {} was never started", job.0))
    })
}

fn write_end(tx: &Tx, finish: &PackedFinish) -> Result<()> {
    let PackedFinish { record, next, .. } = finish;
    let AttemptId { job, n } = record.attempt;
    let (evidence, cost) = (&record.evidence, &record.cost);
    let tokens = kept_tokens(&record.usage.tokens);
    let searches = record.usage.web_searches.min(MOST_COUNTED);
    let money = [
        within(finish.cost().0),
        saved(cost.saved_by_batch),
        saved(cost.saved_by_cache),
    ];
    let sum = EndedAttempt::of(record, &tokens, searches, money).sum()?;
    tx.execute(
        "UPDATE attempts SET ended_at_ms = max(?3, started_at_ms), outcome = ?4, error_class = ?5, http_status = ?6,
           error_type = ?7, message = ?8, request_id = ?9, retry_after_ms = ?10, next_try_at_ms = ?11,
           answered_by = ?12, input_tokens = ?13, output_tokens = ?14, cache_read_tokens = ?15,
           cache_write_5m_tokens = ?16, cache_write_1h_tokens = ?17, web_searches = ?18,
           cost_pico = ?19, saved_by_batch_pico = ?20, saved_by_cache_pico = ?21,
           unknown_price = ?22, maybe_billed = ?23, latency_ms = ?24, endpoint = ?25,
           cost_basis = ?26, price_row = ?27, at_most_pico = ?28, sum_blob = ?29,
           wait_rule = ?30
         WHERE job_id = ?1 AND n = ?2 AND ended_at_ms IS NULL",
        params![
            job.0,
            n,
            record.ended_at.as_millisecond(),
            record.outcome.as_str(),
            record.error_class.map(ErrorClass::as_str),
            evidence.http_status,
            evidence.error_type,
            evidence.message,
            evidence.request_id,
            evidence.retry_after.map(millis),
            next.next_try_at().map(Timestamp::as_millisecond),
            record.answered_by,
            tokens.input,
            tokens.output,
            tokens.cache_read,
            tokens.cache_write_5m,
            tokens.cache_write_1h,
            searches,
            money[0],
            money[1],
            money[2],
            cost.unknown_price,
            record.maybe_billed,
            record.latency.map(millis),
            record.endpoint,
            basis_of(record).map(CostBasis::as_str),
            record.price_row,
            record.at_most.map(|most| within(most.0)),
            sum,
            record.wait_rule.map(WaitRule::as_str),
        ],
    )?;
    Ok(())
}

fn move_job(tx: &mut Tx, run: i64, finish: &PackedFinish, ends: Ends) -> Result<()> {
    let (from, to) = (ends.state_before(), state_after(&finish.next));
    let history = &finish.history;
    let goes_again = matches!(to, JobState::Queued | JobState::Held);
    let AttemptId { job, n } = finish.record.attempt;
    let class = match finish.next {
        Next::EndPutAside => amend::mark_of_what_was_put_aside(tx, job.0)?,
        _ => finish
            .record
            .error_class
            .map(|class| class.as_str().to_owned()),
    };
    let illegal = || {
        StoreError::IllegalTransition(format!(
            "job {} cannot become {to}: it is not {from}",
            job.0
        ))
    };
    let moved = tx.execute(
        "UPDATE jobs SET state = ?3, not_before_ms = ?4, error_class = ?5, counted = ?6,
           faults_in_row = ?7, rate_limits_in_row = ?8, interruptions_in_row = ?9,
           route = min(coalesce(?11, route), 1 - live_only, 1 - amended)
         WHERE id = ?1 AND attempts = ?2 AND state = ?10",
        params![
            job.0,
            n,
            to.code(),
            finish
                .next
                .next_try_at()
                .map_or(0, Timestamp::as_millisecond),
            class,
            history.counted,
            history.faults_in_row,
            history.rate_limits_in_row,
            history.interruptions_in_row,
            from.code(),
            goes_again.then_some(finish.route.code()),
        ],
    )?;
    if moved != 1 {
        return Err(illegal());
    }
    let (model, route, amended) = tx
        .query(
            "SELECT model_id, route, amended FROM jobs WHERE id = ?1",
            [job.0],
            |row| Ok((row.get(0)?, Route::read(row, 1)?, row.get(2)?)),
        )?
        .ok_or_else(illegal)?;
    let tally = Tally::of(to, route);
    tx.moved(run, model, Some(from.into()), Some(tally));
    if let Some(packed) = &finish.amended {
        amend::keep(tx, (run, job.0, n), (model, route), packed)?;
    }
    let put_aside = matches!(finish.next, Next::EndPutAside);
    if put_aside || (amended && finish.next.is_end()) {
        amend::settle(tx, job.0, put_aside)?;
    }
    Ok(())
}

fn keep_result(tx: &Tx, finish: &PackedFinish) -> Result<()> {
    if finish.message.is_none() && finish.error.is_none() {
        return Ok(());
    }
    let AttemptId { job, n } = finish.record.attempt;
    tx.execute(
        "INSERT INTO results (job_id, n, message_blob, error_blob) VALUES (?1, ?2, ?3, ?4)",
        params![job.0, n, finish.message, finish.error],
    )?;
    Ok(())
}

fn state_after(next: &Next) -> JobState {
    match next {
        Next::RetryAt(_) | Next::Requeue | Next::Amend { .. } => JobState::Queued,
        Next::Hold => JobState::Held,
        Next::End(JobEnd { state, .. }) => *state,
        Next::EndPutAside => JobState::Succeeded,
    }
}

/// More of anything than any answer has; so many attempts have it that their sum still fits.
const MOST_COUNTED: u64 = 1_000_000_000;

/// What the answer of an attempt used, as far as the store's integers hold it. A receipt is never a
/// reason not to record the answer that it came with.
fn kept_tokens(told: &Tokens) -> Tokens {
    Tokens {
        input: told.input.min(MOST_COUNTED),
        output: told.output.min(MOST_COUNTED),
        cache_read: told.cache_read.min(MOST_COUNTED),
        cache_write_5m: told.cache_write_5m.min(MOST_COUNTED),
        cache_write_1h: told.cache_write_1h.min(MOST_COUNTED),
    }
}

/// Why the cost is what it is: also that it was too large to be kept.
fn basis_of(record: &AttemptRecord) -> Option<CostBasis> {
    let too_large =
        record.cost.total > Pico::MOST || kept_tokens(&record.usage.tokens) != record.usage.tokens;
    if too_large {
        return Some(CostBasis::Saturated);
    }
    record.cost_basis
}

fn saved(amount: Pico) -> i64 {
    within(amount.0.clamp(-Pico::MOST.0, Pico::MOST.0))
}

/// The nearest of SQLite's integers.
fn within(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}
