//! Rows of the database as values of the store's traits: the queries and how each row is read.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Error, Row, RowIndex};

use super::blob::unpack;
use super::columns::columns;
use super::tally::state_of_tally;
use super::tx::line_of;
use crate::model::{
    AttemptId, AttemptOutcome, Cost, CostBasis, ErrorClass, Halt, HaltReason, Indicator, JobCounts,
    JobId, JobState, Lane, PageStatus, Pico, Run, RunId, RunState, Tokens, WaitRule,
};
use crate::store::{AttemptRow, ResultBody, ResultRow, StatusChange};

/// The head of every query for runs.
pub(super) const RUNS: &str =
    "SELECT id, uuid, name, file, state, simulated, created_at_ms AS created,
    started_at_ms AS started, ended_at_ms AS ended, shaping, options, halt_class, halt_reason,
    halt_message, halt_at_ms AS halted, cancel_requested, answered, cost_pico, cost_millions FROM runs";

columns! {
    /// What is read of an attempt.
    attempt:
    JOB = "attempts.job_id",
    N = "attempts.n",
    CUSTOM_ID = "custom_id",
    LANE = "attempts.lane",
    MODEL = "models.name",
    ENDPOINT = "endpoint",
    ANSWERED_BY = "answered_by",
    STARTED_AT = "started_at_ms",
    ENDED_AT = "ended_at_ms",
    OUTCOME = "outcome",
    ERROR_CLASS = "attempts.error_class",
    HTTP_STATUS = "http_status",
    ERROR_TYPE = "error_type",
    MESSAGE = "message",
    REQUEST_ID = "request_id",
    RETRY_AFTER = "retry_after_ms",
    NEXT_TRY_AT = "next_try_at_ms",
    WAIT_RULE = "wait_rule",
    // The five of `tokens`, in its order.
    TOKENS = "input_tokens",
    OUTPUT_TOKENS = "output_tokens",
    CACHE_READ_TOKENS = "cache_read_tokens",
    CACHE_WRITE_5M_TOKENS = "cache_write_5m_tokens",
    CACHE_WRITE_1H_TOKENS = "cache_write_1h_tokens",
    COST = "cost_pico",
    SAVED_BY_BATCH = "saved_by_batch_pico",
    SAVED_BY_CACHE = "saved_by_cache_pico",
    UNKNOWN_PRICE = "unknown_price",
    COST_BASIS = "cost_basis",
    PRICE_ROW = "price_row",
    AT_MOST = "at_most_pico",
    MAYBE_BILLED = "maybe_billed",
    LATENCY = "latency_ms",
}

columns! {
    /// What is read of a result, before the sums of its attempts.
    result:
    JOB = "page.id",
    CUSTOM_ID = "custom_id",
    STATE = "state",
    ATTEMPTS = "page.attempts",
    ERROR_CLASS = "page.error_class",
    ASKED = "models.name",
    MESSAGE = "message_blob",
    ERROR = "error_blob",
    METADATA = "metadata_blob",
    LANE = "last.lane",
    ANSWERED_BY = "last.answered_by",
    LATENCY = "last.latency_ms",
    NOTE = "iif(last.outcome = 'succeeded', last.message, NULL)",
    UNKNOWN_PRICE = "sums.unknown_price",
    COST_BASIS = "sums.cost_basis",
}

columns! {
    /// What attempts have used and cost together. Money is added up in whole dollars and what is beside
    /// them, so that no number of attempts is too many for SQLite's integers; [`summed_cost`](super::summed_cost)
    /// joins them.
    sums:
    // The five of `tokens`, in its order.
    TOKENS = "sum(input_tokens)",
    OUTPUT_TOKENS = "sum(output_tokens)",
    CACHE_READ_TOKENS = "sum(cache_read_tokens)",
    CACHE_WRITE_5M_TOKENS = "sum(cache_write_5m_tokens)",
    CACHE_WRITE_1H_TOKENS = "sum(cache_write_1h_tokens)",
    COST_USD = "sum(cost_pico / 1000000000000)",
    COST_REST = "sum(cost_pico % 1000000000000)",
    SAVED_BY_BATCH_USD = "sum(saved_by_batch_pico / 1000000000000)",
    SAVED_BY_BATCH_REST = "sum(saved_by_batch_pico % 1000000000000)",
    SAVED_BY_CACHE_USD = "sum(saved_by_cache_pico / 1000000000000)",
    SAVED_BY_CACHE_REST = "sum(saved_by_cache_pico % 1000000000000)",
}

/// The attempts of a page of jobs; `{page}` chooses the jobs, and the caller bounds them.
pub(super) fn attempts_of_page(page: &str) -> String {
    format!(
        "WITH page AS MATERIALIZED (SELECT id, custom_id FROM jobs WHERE {page})
         SELECT {}
         FROM page JOIN attempts ON attempts.job_id = page.id JOIN models ON models.id = attempts.model_id
         ORDER BY page.id, attempts.n",
        attempt::LIST
    )
}

/// The newest failures between two job ids. Job, then number of the try, settles ties.
pub(super) fn last_failures() -> String {
    format!(
        "SELECT {}
         FROM attempts JOIN jobs ON jobs.id = attempts.job_id JOIN models ON models.id = attempts.model_id
         WHERE attempts.job_id BETWEEN ?1 AND ?2 AND outcome <> 'succeeded'
         ORDER BY attempts.ended_at_ms DESC, attempts.job_id DESC, attempts.n DESC LIMIT ?3",
        attempt::LIST
    )
}

/// The results of a page of jobs, each with what tells of its last attempt and, behind [`result`], the
/// [`sums`] of all.
pub(super) fn results_of_page(page: &str) -> String {
    format!(
        "WITH page AS MATERIALIZED (SELECT id, custom_id, state, model_id, attempts, error_class FROM jobs WHERE {page}),
         sums AS MATERIALIZED (SELECT {}, max(unknown_price) AS unknown_price,
            max(cost_basis) AS cost_basis, page.id AS id
            FROM page JOIN attempts ON attempts.job_id = page.id GROUP BY page.id)
         SELECT {}, sums.*
         FROM page
         JOIN models ON models.id = page.model_id
         LEFT JOIN results ON results.job_id = page.id
         LEFT JOIN bodies ON bodies.job_id = page.id
         LEFT JOIN attempts last ON last.job_id = page.id AND last.n = coalesce(results.n, page.attempts)
         LEFT JOIN sums ON sums.id = page.id
         ORDER BY page.id",
        sums::LIST,
        result::LIST
    )
}

/// What the status page said during a run.
pub(super) const STATUS_CHANGES: &str = "SELECT at_ms, indicator, incident, component
     FROM status_changes WHERE run_id = ?1 ORDER BY at_ms";

pub(super) fn read_status_change(row: &Row<'_>) -> rusqlite::Result<StatusChange> {
    let indicator: String = row.get("indicator")?;
    Ok(StatusChange {
        at: time(row, "at_ms")?.unwrap_or(Timestamp::UNIX_EPOCH),
        status: PageStatus {
            indicator: Indicator::from_name(&indicator),
            incident: row.get("incident")?,
            component: row.get("component")?,
        },
    })
}

pub(super) fn read_run(row: &Row<'_>) -> rusqlite::Result<(i64, Run)> {
    let run = Run {
        id: RunId::from_bytes(row.get("uuid")?),
        name: row.get("name")?,
        file: row.get("file")?,
        state: word(row, "state", RunState::parse)?,
        simulated: row.get("simulated")?,
        created_at: time(row, "created")?.unwrap_or(Timestamp::UNIX_EPOCH),
        started_at: time(row, "started")?,
        ended_at: time(row, "ended")?,
        shaping: json(row, "shaping")?,
        options: json(row, "options")?,
        halt: read_halt(row)?,
        cancel_requested: row.get("cancel_requested")?,
        answered: row.get("answered")?,
        jobs: JobCounts::default(),
        cost: amount(row, "cost_pico")?
            + Pico(Pico::MOST.0 * i128::from(row.get::<_, i64>("cost_millions")?)),
    };
    Ok((row.get("id")?, run))
}

fn read_halt(row: &Row<'_>) -> rusqlite::Result<Option<Halt>> {
    let Some(class) = class(row, "halt_class")? else {
        return Ok(None);
    };
    Ok(Some(Halt {
        class,
        reason: optional_word(row, "halt_reason", HaltReason::parse)?.unwrap_or_default(),
        message: row
            .get::<_, Option<String>>("halt_message")?
            .unwrap_or_default(),
        at: time(row, "halted")?.unwrap_or(Timestamp::UNIX_EPOCH),
    }))
}

pub(super) fn read_tally(row: &Row<'_>) -> rusqlite::Result<(JobState, u64)> {
    let state = state_of_tally(row.get(0)?)
        .ok_or_else(|| unreadable(0, Type::Integer, "an unknown job state"))?;
    Ok((state, row.get(1)?))
}

pub(super) fn read_attempt(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    let job: i64 = row.get(attempt::JOB)?;
    Ok(AttemptRow {
        attempt: AttemptId {
            job: JobId(job),
            n: row.get(attempt::N)?,
        },
        line: line_of(job),
        custom_id: row.get(attempt::CUSTOM_ID)?,
        lane: word(row, attempt::LANE, |name| name.parse().ok())?,
        model: row.get(attempt::MODEL)?,
        endpoint: row.get(attempt::ENDPOINT)?,
        answered_by: row.get(attempt::ANSWERED_BY)?,
        started_at: time(row, attempt::STARTED_AT)?.unwrap_or(Timestamp::UNIX_EPOCH),
        ended_at: time(row, attempt::ENDED_AT)?,
        outcome: optional_word(row, attempt::OUTCOME, AttemptOutcome::parse)?,
        error_class: class(row, attempt::ERROR_CLASS)?,
        http_status: row.get(attempt::HTTP_STATUS)?,
        error_type: row.get(attempt::ERROR_TYPE)?,
        message: row.get(attempt::MESSAGE)?,
        request_id: row.get(attempt::REQUEST_ID)?,
        retry_after: duration(row, attempt::RETRY_AFTER)?,
        next_try_at: time(row, attempt::NEXT_TRY_AT)?,
        wait_rule: row
            .get_ref(attempt::WAIT_RULE)?
            .as_str_or_null()?
            // A rule of a later version is no reason not to show the attempt.
            .and_then(WaitRule::parse),
        tokens: tokens(row, attempt::TOKENS)?,
        cost: Cost {
            total: amount(row, attempt::COST)?,
            saved_by_batch: amount(row, attempt::SAVED_BY_BATCH)?,
            saved_by_cache: amount(row, attempt::SAVED_BY_CACHE)?,
            unknown_price: row.get(attempt::UNKNOWN_PRICE)?,
        },
        cost_basis: optional_word(row, attempt::COST_BASIS, CostBasis::parse)?,
        price_row: row.get(attempt::PRICE_ROW)?,
        at_most: optional_amount(row, attempt::AT_MOST)?,
        maybe_billed: row.get(attempt::MAYBE_BILLED)?,
        latency: duration(row, attempt::LATENCY)?,
    })
}

pub(super) fn read_result(row: &Row<'_>) -> rusqlite::Result<ResultRow> {
    let job: i64 = row.get(result::JOB)?;
    let answered_by: Option<String> = row.get(result::ANSWERED_BY)?;
    let mut damaged = None;
    let mut text = |what: &str, column: usize| -> rusqlite::Result<Option<String>> {
        let packed = row.get_ref(column)?.as_blob_or_null()?;
        Ok(packed.and_then(|packed| match unpack(packed) {
            Ok(text) => Some(text),
            Err(why) => {
                damaged.get_or_insert_with(|| format!("its {what}: {why}"));
                None
            }
        }))
    };
    let (message, error) = (
        text("answer", result::MESSAGE)?,
        text("error", result::ERROR)?,
    );
    let metadata = text("metadata", result::METADATA)?;
    Ok(ResultRow {
        line: line_of(job),
        custom_id: row.get(result::CUSTOM_ID)?,
        state: JobState::from_code(row.get(result::STATE)?)
            .ok_or_else(|| unreadable(0, Type::Integer, "an unknown job state"))?,
        result: match (message, error) {
            (Some(message), None) => ResultBody::Message(message),
            (None, Some(error)) => ResultBody::Error(error),
            (Some(message), Some(error)) => ResultBody::Refusal { error, message },
            (None, None) => ResultBody::Nothing,
        },
        attempts: row.get(result::ATTEMPTS)?,
        lane: optional_word(row, result::LANE, |name| name.parse().ok())?.unwrap_or(Lane::Live),
        model: match answered_by {
            Some(model) => model,
            None => row.get(result::ASKED)?,
        },
        error_class: class(row, result::ERROR_CLASS)?,
        tokens: tokens(row, result::COUNT + sums::TOKENS)?,
        cost: summed_cost(row, result::COUNT, result::UNKNOWN_PRICE)?,
        cost_basis: optional_word(row, result::COST_BASIS, CostBasis::parse)?,
        latency: duration(row, result::LATENCY)?,
        note: row.get(result::NOTE)?,
        metadata,
        damaged,
    })
}

/// Five counts, from this column on.
pub(super) fn tokens(row: &Row<'_>, from: usize) -> rusqlite::Result<Tokens> {
    let count = |at: usize| -> rusqlite::Result<u64> {
        Ok(row.get::<_, Option<u64>>(from + at)?.unwrap_or_default())
    };
    Ok(Tokens {
        input: count(0)?,
        output: count(1)?,
        cache_read: count(2)?,
        cache_write_5m: count(3)?,
        cache_write_1h: count(4)?,
    })
}

/// What several attempts cost together: their [`sums`] begin at `from`.
pub(super) fn summed_cost(
    row: &Row<'_>,
    from: usize,
    unknown_price: usize,
) -> rusqlite::Result<Cost> {
    let sum = |dollars: usize, rest: usize| sum(row, from + dollars, from + rest);
    Ok(Cost {
        total: sum(sums::COST_USD, sums::COST_REST)?,
        saved_by_batch: sum(sums::SAVED_BY_BATCH_USD, sums::SAVED_BY_BATCH_REST)?,
        saved_by_cache: sum(sums::SAVED_BY_CACHE_USD, sums::SAVED_BY_CACHE_REST)?,
        unknown_price: row
            .get::<_, Option<bool>>(unknown_price)?
            .unwrap_or_default(),
    })
}

/// A sum of money out of its dollars and what is beside them.
pub(super) fn sum<C: RowIndex>(row: &Row<'_>, dollars: C, rest: C) -> rusqlite::Result<Pico> {
    let part = |column| -> rusqlite::Result<i128> {
        let part: Option<i64> = row.get(column)?;
        Ok(i128::from(part.unwrap_or_default()))
    };
    Ok(Pico(part(dollars)? * Pico::USD.0 + part(rest)?))
}

fn amount(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Pico> {
    Ok(optional_amount(row, column)?.unwrap_or_default())
}

fn optional_amount(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<Pico>> {
    let pico: Option<i64> = row.get(column)?;
    Ok(pico.map(|pico| Pico(i128::from(pico))))
}

pub(super) fn time(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<Timestamp>> {
    let ms: Option<i64> = row.get(column)?;
    ms.map(|ms| {
        Timestamp::from_millisecond(ms)
            .map_err(|error| unreadable(0, Type::Integer, &error.to_string()))
    })
    .transpose()
}

fn duration(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Duration>> {
    Ok(row
        .get::<_, Option<u64>>(column)?
        .map(Duration::from_millis))
}

pub(super) fn class(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<ErrorClass>> {
    optional_word(row, column, |name| name.parse().ok())
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(0, Type::Text, &error.to_string()))
}

pub(super) fn word<T>(
    row: &Row<'_>,
    column: impl RowIndex,
    read: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let column = column.idx(row.as_ref())?;
    optional_word(row, column, read)?
        .ok_or_else(|| unreadable(0, Type::Null, &format!("no {}", name_of(row, column))))
}

pub(super) fn optional_word<T>(
    row: &Row<'_>,
    column: impl RowIndex,
    read: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let column = column.idx(row.as_ref())?;
    let Some(name) = row.get_ref(column)?.as_str_or_null()? else {
        return Ok(None);
    };
    read(name).map(Some).ok_or_else(|| {
        let why = format!("`{name}` is no {}", name_of(row, column));
        unreadable(0, Type::Text, &why)
    })
}

/// What the database calls a column, for people.
fn name_of<'row>(row: &'row Row<'_>, column: usize) -> &'row str {
    row.as_ref().column_name(column).unwrap_or("word")
}

pub(super) fn unreadable(index: usize, kind: Type, why: &str) -> Error {
    Error::FromSqlConversionFailure(index, kind, why.into())
}
