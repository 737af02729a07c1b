//! Sums over all attempts of a run, however many there are: grouped by the database slice by slice,
//! and the slices added up here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::types::Type;
use rusqlite::{Result, Row};

use super::columns::columns;
use super::reader::SqliteReader;
use super::rows::{class, optional_word, sum, summed_cost, sums, time, tokens, unreadable, word};
use crate::model::{AttemptOutcome, CostBasis, ErrorClass, RunId};
use crate::store::{self, AttemptGroup, DayGroup, HourOfDay, MinuteGroup};

/// Attempts that are alike, which more of their kind can be added to.
trait Group {
    /// What makes them alike, by name; groups are told in its order.
    type Key: Ord;

    fn key(&self) -> Self::Key;
    fn add(&mut self, more: &Self);
}

impl SqliteReader {
    pub(super) fn sum_attempts(&self, run: RunId) -> store::Result<Vec<AttemptGroup>> {
        self.add_up(run, &days_of_slice(), |row| {
            read_day(row).map(|day| day.group)
        })
    }

    pub(super) fn sum_by_day(&self, run: RunId) -> store::Result<Vec<DayGroup>> {
        self.add_up(run, &days_of_slice(), read_day)
    }

    pub(super) fn sum_by_minute(&self, run: RunId) -> store::Result<Vec<MinuteGroup>> {
        self.add_up(run, BY_MINUTE, read_minute)
    }

    pub(super) fn sum_by_hour_of_day(&self, run: RunId) -> store::Result<Vec<HourOfDay>> {
        self.add_up(run, BY_HOUR_OF_DAY, read_hour)
    }

    /// `sql` groups the attempts between two job ids.
    fn add_up<G: Group>(
        &self,
        run: RunId,
        sql: &str,
        read: impl Fn(&Row<'_>) -> Result<G>,
    ) -> store::Result<Vec<G>> {
        let mut groups = BTreeMap::<G::Key, G>::new();
        for slice in self.slices(self.run_row(run)?)? {
            for group in self.query_all(sql, slice, &read)? {
                groups
                    .entry(group.key())
                    .and_modify(|sum| sum.add(&group))
                    .or_insert(group);
            }
        }
        Ok(groups.into_values().collect())
    }
}

columns! {
    /// All that tells the attempts of a day apart, and what is added up beside their [`sums`](super::sums).
    by_day:
    MODEL = "models.name",
    ANSWERED_BY = "answered_by",
    LANE = "a.lane",
    OUTCOME = "outcome",
    ERROR_CLASS = "a.error_class",
    MAYBE_BILLED = "maybe_billed",
    UNKNOWN_PRICE = "unknown_price",
    COST_BASIS = "cost_basis",
    PRICE_ROW = "price_row",
    AT_MOST_USD = "sum(at_most_pico / 1000000000000) FILTER (WHERE maybe_billed)",
    AT_MOST_REST = "sum(at_most_pico % 1000000000000) FILTER (WHERE maybe_billed)",
    UNBOUNDED = "count(*) FILTER (WHERE maybe_billed AND at_most_pico IS NULL)",
    // The last attempt of an ended job brought its result, but where a truncated answer was put aside
    // and nothing better came. That of a cancelled job did not.
    IS_RESULT = "(jobs.state IN (4, 5) AND a.n = iif(jobs.amended,
        coalesce((SELECT n FROM results WHERE job_id = jobs.id), jobs.attempts), jobs.attempts)) AS is_result",
    DAY = "coalesce(a.ended_at_ms, a.started_at_ms) / 86400000 AS day",
    ATTEMPTS = "count(*)",
}

/// By the days since 1970 (UTC) at which they ended, and all that tells them apart.
fn days_of_slice() -> String {
    format!(
        "SELECT {}, {}
         FROM attempts a JOIN jobs ON jobs.id = a.job_id JOIN models ON models.id = a.model_id
         WHERE a.job_id BETWEEN ?1 AND ?2
         GROUP BY a.model_id, answered_by, a.lane, outcome, a.error_class, maybe_billed, unknown_price, cost_basis, price_row,
            is_result, day",
        by_day::LIST,
        sums::LIST
    )
}

/// Those that ended, by the minute of their end.
const BY_MINUTE: &str =
    "SELECT ended_at_ms / 60000 * 60000 AS minute_ms, outcome, error_class, count(*) AS attempts
     FROM attempts WHERE job_id BETWEEN ?1 AND ?2 AND ended_at_ms IS NOT NULL
     GROUP BY minute_ms, outcome, error_class";

/// By the hour of day (UTC) in which they began.
const BY_HOUR_OF_DAY: &str = "SELECT started_at_ms / 3600000 % 24 AS hour, count(*) AS attempts,
       count(*) FILTER (WHERE http_status >= 500) AS service_failures
     FROM attempts WHERE job_id BETWEEN ?1 AND ?2 GROUP BY hour";

fn read_day(row: &Row<'_>) -> Result<DayGroup> {
    let days: i64 = row.get(by_day::DAY)?;
    let midnight = Timestamp::from_second(days.saturating_mul(86_400))
        .map_err(|error| unreadable(0, Type::Integer, &error.to_string()))?;
    let group = AttemptGroup {
        model: row.get(by_day::MODEL)?,
        answered_by: row.get(by_day::ANSWERED_BY)?,
        lane: word(row, by_day::LANE, |name| name.parse().ok())?,
        outcome: optional_word(row, by_day::OUTCOME, AttemptOutcome::parse)?,
        error_class: class(row, by_day::ERROR_CLASS)?,
        maybe_billed: row.get(by_day::MAYBE_BILLED)?,
        is_result: row.get(by_day::IS_RESULT)?,
        unknown_price: row.get(by_day::UNKNOWN_PRICE)?,
        cost_basis: optional_word(row, by_day::COST_BASIS, CostBasis::parse)?,
        price_row: row.get(by_day::PRICE_ROW)?,
        attempts: row.get(by_day::ATTEMPTS)?,
        tokens: tokens(row, by_day::COUNT + sums::TOKENS)?,
        cost: summed_cost(row, by_day::COUNT, by_day::UNKNOWN_PRICE)?,
        at_most: sum(row, by_day::AT_MOST_USD, by_day::AT_MOST_REST)?,
        unbounded: row.get(by_day::UNBOUNDED)?,
    };
    Ok(DayGroup {
        day: midnight.to_zoned(TimeZone::UTC).date(),
        group,
    })
}

fn read_minute(row: &Row<'_>) -> Result<MinuteGroup> {
    Ok(MinuteGroup {
        minute: time(row, "minute_ms")?.unwrap_or(Timestamp::UNIX_EPOCH),
        outcome: word(row, "outcome", AttemptOutcome::parse)?,
        error_class: class(row, "error_class")?,
        attempts: row.get("attempts")?,
    })
}

fn read_hour(row: &Row<'_>) -> Result<HourOfDay> {
    Ok(HourOfDay {
        hour: row.get("hour")?,
        attempts: row.get("attempts")?,
        service_failures: row.get("service_failures")?,
    })
}

impl Group for AttemptGroup {
    type Key = (
        (String, Option<String>, &'static str),
        (Option<&'static str>, Option<&'static str>),
        (bool, bool, bool),
        (Option<CostBasis>, Option<String>),
    );

    fn key(&self) -> Self::Key {
        (
            (
                self.model.clone(),
                self.answered_by.clone(),
                self.lane.as_str(),
            ),
            (
                self.outcome.map(AttemptOutcome::as_str),
                self.error_class.map(ErrorClass::as_str),
            ),
            (self.maybe_billed, self.unknown_price, self.is_result),
            (self.cost_basis, self.price_row.clone()),
        )
    }

    fn add(&mut self, more: &Self) {
        self.attempts += more.attempts;
        self.tokens = self.tokens.plus(&more.tokens);
        self.cost.total += more.cost.total;
        self.cost.saved_by_batch += more.cost.saved_by_batch;
        self.cost.saved_by_cache += more.cost.saved_by_cache;
        self.at_most += more.at_most;
        self.unbounded += more.unbounded;
    }
}

impl Group for DayGroup {
    type Key = (<AttemptGroup as Group>::Key, Date);

    fn key(&self) -> Self::Key {
        (self.group.key(), self.day)
    }

    fn add(&mut self, more: &Self) {
        self.group.add(&more.group);
    }
}

impl Group for MinuteGroup {
    type Key = (Timestamp, &'static str, Option<&'static str>);

    fn key(&self) -> Self::Key {
        (
            self.minute,
            self.outcome.as_str(),
            self.error_class.map(ErrorClass::as_str),
        )
    }

    fn add(&mut self, more: &Self) {
        self.attempts += more.attempts;
    }
}

impl Group for HourOfDay {
    type Key = u8;

    fn key(&self) -> Self::Key {
        self.hour
    }

    fn add(&mut self, more: &Self) {
        self.attempts += more.attempts;
        self.service_failures += more.service_failures;
    }
}
