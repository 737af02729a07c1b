//! Rows of the database as values of the store's traits: the queries and how each row is read.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::{FromSql, Type};
use rusqlite::{Error, Row};

use super::blob::unpack;
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

/// The attempts of a page of jobs; `{page}` chooses the jobs, and the caller bounds them.
pub(super) fn attempts_of_page(page: &str) -> String {
    format!(
        "WITH page AS MATERIALIZED (SELECT id, custom_id FROM jobs WHERE {page})
         SELECT page.id AS id, custom_id, models.name AS model, attempts.*
         FROM page JOIN attempts ON attempts.job_id = page.id JOIN models ON models.id = attempts.model_id
         ORDER BY page.id, attempts.n"
    )
}

/// The newest failures between two job ids. Job, then number of the try, settles ties.
pub(super) const LAST_FAILURES: &str = "SELECT attempts.job_id AS id, custom_id, models.name AS model, attempts.*
     FROM attempts JOIN jobs ON jobs.id = attempts.job_id JOIN models ON models.id = attempts.model_id
     WHERE attempts.job_id BETWEEN ?1 AND ?2 AND outcome <> 'succeeded'
     ORDER BY attempts.ended_at_ms DESC, attempts.job_id DESC, attempts.n DESC LIMIT ?3";

/// The results of a page of jobs, each with the sums of its attempts and what tells of the last one.
pub(super) fn results_of_page(page: &str) -> String {
    format!(
        "WITH page AS MATERIALIZED (SELECT id, custom_id, state, model_id, attempts, error_class FROM jobs WHERE {page}),
         sums AS MATERIALIZED (SELECT page.id AS id, {SUMS}, max(unknown_price) AS unknown_price,
            max(cost_basis) AS cost_basis
            FROM page JOIN attempts ON attempts.job_id = page.id GROUP BY page.id)
         SELECT page.id AS id, custom_id, state, page.attempts AS job_attempts, page.error_class AS job_class,
            models.name AS asked, message_blob, error_blob, metadata_blob, lane, answered_by, latency_ms,
            iif(last.outcome = 'succeeded', last.message, NULL) AS note, sums.*
         FROM page
         JOIN models ON models.id = page.model_id
         LEFT JOIN results ON results.job_id = page.id
         LEFT JOIN bodies ON bodies.job_id = page.id
         LEFT JOIN attempts last ON last.job_id = page.id AND last.n = coalesce(results.n, page.attempts)
         LEFT JOIN sums ON sums.id = page.id
         ORDER BY page.id"
    )
}

/// What attempts have used and cost together. Money is added up in whole dollars and what is beside
/// them, so that no number of attempts is too many for SQLite's integers; [`summed_cost`] joins them.
pub(super) const SUMS: &str = "sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
    sum(cache_read_tokens) AS cache_read_tokens, sum(cache_write_5m_tokens) AS cache_write_5m_tokens,
    sum(cache_write_1h_tokens) AS cache_write_1h_tokens,
    sum(cost_pico / 1000000000000) AS cost_usd, sum(cost_pico % 1000000000000) AS cost_rest,
    sum(saved_by_batch_pico / 1000000000000) AS saved_by_batch_usd,
    sum(saved_by_batch_pico % 1000000000000) AS saved_by_batch_rest,
    sum(saved_by_cache_pico / 1000000000000) AS saved_by_cache_usd,
    sum(saved_by_cache_pico % 1000000000000) AS saved_by_cache_rest";

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
    let job: i64 = row.get("id")?;
    Ok(AttemptRow {
        attempt: AttemptId {
            job: JobId(job),
            n: row.get("n")?,
        },
        line: line_of(job),
        custom_id: row.get("custom_id")?,
        lane: word(row, "lane", |name| name.parse().ok())?,
        model: row.get("model")?,
        endpoint: row.get("endpoint")?,
        answered_by: row.get("answered_by")?,
        started_at: time(row, "started_at_ms")?.unwrap_or(Timestamp::UNIX_EPOCH),
        ended_at: time(row, "ended_at_ms")?,
        outcome: optional_word(row, "outcome", AttemptOutcome::parse)?,
        error_class: class(row, "error_class")?,
        http_status: row.get("http_status")?,
        error_type: row.get("error_type")?,
        message: row.get("message")?,
        request_id: row.get("request_id")?,
        retry_after: duration(row, "retry_after_ms")?,
        next_try_at: time(row, "next_try_at_ms")?,
        wait_rule: row
            .get_ref("wait_rule")?
            .as_str_or_null()?
            // A rule of a later version is no reason not to show the attempt.
            .and_then(WaitRule::parse),
        tokens: tokens(row)?,
        cost: cost(row)?,
        cost_basis: optional_word(row, "cost_basis", CostBasis::parse)?,
        price_row: row.get("price_row")?,
        at_most: optional_amount(row, "at_most_pico")?,
        maybe_billed: row.get("maybe_billed")?,
        latency: duration(row, "latency_ms")?,
    })
}

pub(super) fn read_result(row: &Row<'_>) -> rusqlite::Result<ResultRow> {
    let job: i64 = row.get("id")?;
    let answered_by: Option<String> = row.get("answered_by")?;
    let mut damaged = None;
    let mut text = |what: &str, column: &str| -> rusqlite::Result<Option<String>> {
        let packed: Option<Vec<u8>> = row.get(column)?;
        Ok(packed.and_then(|packed| match unpack(&packed) {
            Ok(text) => Some(text),
            Err(why) => {
                damaged.get_or_insert_with(|| format!("its {what}: {why}"));
                None
            }
        }))
    };
    let (message, error) = (
        text("answer", "message_blob")?,
        text("error", "error_blob")?,
    );
    let metadata = text("metadata", "metadata_blob")?;
    Ok(ResultRow {
        line: line_of(job),
        custom_id: row.get("custom_id")?,
        state: JobState::from_code(row.get("state")?)
            .ok_or_else(|| unreadable(0, Type::Integer, "an unknown job state"))?,
        result: match (message, error) {
            (Some(message), None) => ResultBody::Message(message),
            (None, Some(error)) => ResultBody::Error(error),
            (Some(message), Some(error)) => ResultBody::Refusal { error, message },
            (None, None) => ResultBody::Nothing,
        },
        attempts: row.get("job_attempts")?,
        lane: optional_word(row, "lane", |name| name.parse().ok())?.unwrap_or(Lane::Live),
        model: match answered_by {
            Some(model) => model,
            None => row.get("asked")?,
        },
        error_class: class(row, "job_class")?,
        tokens: tokens(row)?,
        cost: summed_cost(row)?,
        cost_basis: optional_word(row, "cost_basis", CostBasis::parse)?,
        latency: duration(row, "latency_ms")?,
        note: row.get("note")?,
        metadata,
        damaged,
    })
}

pub(super) fn tokens(row: &Row<'_>) -> rusqlite::Result<Tokens> {
    let count = |column: &str| -> rusqlite::Result<u64> {
        Ok(row.get::<_, Option<u64>>(column)?.unwrap_or_default())
    };
    Ok(Tokens {
        input: count("input_tokens")?,
        output: count("output_tokens")?,
        cache_read: count("cache_read_tokens")?,
        cache_write_5m: count("cache_write_5m_tokens")?,
        cache_write_1h: count("cache_write_1h_tokens")?,
    })
}

fn cost(row: &Row<'_>) -> rusqlite::Result<Cost> {
    Ok(Cost {
        total: amount(row, "cost_pico")?,
        saved_by_batch: amount(row, "saved_by_batch_pico")?,
        saved_by_cache: amount(row, "saved_by_cache_pico")?,
        unknown_price: row
            .get::<_, Option<bool>>("unknown_price")?
            .unwrap_or_default(),
    })
}

/// What several attempts cost together, added up as [`SUMS`] does it.
pub(super) fn summed_cost(row: &Row<'_>) -> rusqlite::Result<Cost> {
    Ok(Cost {
        total: sum(row, "cost_usd", "cost_rest")?,
        saved_by_batch: sum(row, "saved_by_batch_usd", "saved_by_batch_rest")?,
        saved_by_cache: sum(row, "saved_by_cache_usd", "saved_by_cache_rest")?,
        unknown_price: row
            .get::<_, Option<bool>>("unknown_price")?
            .unwrap_or_default(),
    })
}

/// A sum of money out of its dollars and what is beside them.
pub(super) fn sum(row: &Row<'_>, dollars: &str, rest: &str) -> rusqlite::Result<Pico> {
    let part = |column| -> rusqlite::Result<i128> {
        let part: Option<i64> = row.get(column)?;
        Ok(i128::from(part.unwrap_or_default()))
    };
    Ok(Pico(part(dollars)? * Pico::USD.0 + part(rest)?))
}

fn amount(row: &Row<'_>, column: &str) -> rusqlite::Result<Pico> {
    Ok(optional_amount(row, column)?.unwrap_or_default())
}

fn optional_amount(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Pico>> {
    let pico: Option<i64> = row.get(column)?;
    Ok(pico.map(|pico| Pico(i128::from(pico))))
}

pub(super) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    let ms: Option<i64> = row.get(column)?;
    ms.map(|ms| {
        Timestamp::from_millisecond(ms)
            .map_err(|error| unreadable(0, Type::Integer, &error.to_string()))
    })
    .transpose()
}

fn duration(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Duration>> {
    Ok(row
        .get::<_, Option<u64>>(column)?
        .map(Duration::from_millis))
}

pub(super) fn class(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<ErrorClass>> {
    optional_word(row, column, |name| name.parse().ok())
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(0, Type::Text, &error.to_string()))
}

pub(super) fn word<T>(
    row: &Row<'_>,
    column: &str,
    read: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    optional_word(row, column, read)?
        .ok_or_else(|| unreadable(0, Type::Null, &format!("no {column}")))
}

pub(super) fn optional_word<T>(
    row: &Row<'_>,
    column: &str,
    read: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let value = row.get_ref(column)?;
    let Some(name) = Option::<String>::column_result(value)? else {
        return Ok(None);
    };
    read(&name)
        .map(Some)
        .ok_or_else(|| unreadable(0, Type::Text, &format!("`{name}` is no {column}")))
}

pub(super) fn unreadable(index: usize, kind: Type, why: &str) -> Error {
    Error::FromSqlConversionFailure(index, kind, why.into())
}
