//! What an ended attempt says, and the sum over it by which a changed bit is seen.
//!
//! Numbers and short texts stand in columns, so that reports can add them up; no other copy of them is in the
//! file. The sum is written once, with the end, and held against the row by `verify`.

use rusqlite::Row;
use serde::Serialize;

use super::blob;
use crate::model::{AttemptRecord, ErrorClass, Tokens};
use crate::store::Result;

/// The columns that are summed, in this order.
pub(super) const SUMMED: &str = "outcome, error_class, http_status, error_type, message, request_id,
    answered_by, endpoint, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens,
    cache_write_1h_tokens, web_searches, cost_pico, saved_by_batch_pico, saved_by_cache_pico, latency_ms";
const TEXTS: usize = 7;
const NUMBERS: usize = 11;

/// The values of those columns: the texts, then the numbers.
#[derive(Serialize)]
pub(super) struct EndedAttempt {
    texts: [Option<String>; TEXTS],
    numbers: [Option<i64>; NUMBERS],
}

/// A duration as it is stored.
pub(super) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl EndedAttempt {
    /// As the record is stored, with these numbers.
    pub(super) fn of(
        record: &AttemptRecord,
        tokens: &Tokens,
        searches: u64,
        money: [i64; 3],
    ) -> Self {
        let evidence = &record.evidence;
        let text = |text: &Option<String>| text.clone();
        let number = |number: u64| i64::try_from(number).ok();
        let latency = record.latency.map(millis);
        Self {
            texts: [
                Some(record.outcome.as_str().to_owned()),
                record
                    .error_class
                    .map(|class| ErrorClass::as_str(class).to_owned()),
                text(&evidence.error_type),
                text(&evidence.message),
                text(&evidence.request_id),
                text(&record.answered_by),
                text(&record.endpoint),
            ],
            numbers: [
                evidence.http_status.map(i64::from),
                number(tokens.input),
                number(tokens.output),
                number(tokens.cache_read),
                number(tokens.cache_write_5m),
                number(tokens.cache_write_1h),
                number(searches),
                Some(money[0]),
                Some(money[1]),
                Some(money[2]),
                latency,
            ],
        }
    }

    /// Reads [`SUMMED`] from this column on.
    pub(super) fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        let text = |index: usize| row.get::<_, Option<String>>(from + index);
        let number = |index: usize| row.get::<_, Option<i64>>(from + index);
        Ok(Self {
            texts: [
                text(0)?,
                text(1)?,
                text(3)?,
                text(4)?,
                text(5)?,
                text(6)?,
                text(7)?,
            ],
            numbers: [
                number(2)?,
                number(8)?,
                number(9)?,
                number(10)?,
                number(11)?,
                number(12)?,
                number(13)?,
                number(14)?,
                number(15)?,
                number(16)?,
                number(17)?,
            ],
        })
    }

    /// The sum over all of it.
    pub(super) fn sum(&self) -> Result<Vec<u8>> {
        let text = super::load::json(self)?;
        Ok(blob::sum(text.as_bytes(), b"").to_vec())
    }
}
