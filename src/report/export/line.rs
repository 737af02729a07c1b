//! The shape of an exported line. Its first two keys are exactly a Message Batches result line.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::strict::strict_error;
use crate::model::{CostBasis, ErrorClass, Lane, Pico};
use crate::report::error::{ReportError, Result};
use crate::report::shape::millis;
use crate::store::{ResultBody, ResultRow};

/// One ended job, as `export --format jsonl` writes it.
// `J` is how JSON from outside is held: raw text while it is written, a parsed value for whoever
// reads lines back. (No docstring: users read those in the schema.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ResultLine")]
pub struct ResultLine<J = serde_json::Value> {
    /// The user's id of the job.
    pub custom_id: String,
    /// How it ended, and with what.
    pub result: ExportResult<J>,
    /// What claude-run knows of it besides.
    pub run: ResultRun<J>,
}

/// How a job ended, in the words of the Message Batches API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(rename = "ExportResult")]
pub enum ExportResult<J = serde_json::Value> {
    /// With a message.
    Succeeded {
        /// The message as the API sent it; where that was not valid, `run.note` says what was altered.
        message: J,
    },
    /// With an error.
    Errored {
        /// The error object: `{"type":"error","error":{"type":...,"message":...},"request_id":...}`. The
        /// inner type is always one of the API's own; if another was told, it stands beside it as
        /// `original_type`. What claude-run makes of the error is `run.error_class`.
        error: J,
        /// The message that a refusal came with; nothing else has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<J>,
    },
    /// By the user.
    Canceled,
}

/// What claude-run knows of a job besides its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ResultRun")]
pub struct ResultRun<J = serde_json::Value> {
    /// Its input line, from 1.
    pub line: u64,
    /// How many attempts it took.
    pub attempts: u32,
    /// The lane of the last attempt.
    pub lane: Lane,
    /// The model that answered, else the one asked.
    pub model: String,
    /// What went wrong, or what marks the success (`truncated`).
    pub error_class: Option<ErrorClass>,
    /// What all its attempts cost together, as far as prices are known; null where none is.
    pub cost_usd: Option<Pico>,
    /// Present and true if `cost_usd` leaves out attempts by a model without a known price.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown_price: bool,
    /// Present if the cost of an attempt does not rest on its answer's usage at the price of its
    /// model, and on what instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_basis: Option<CostBasis>,
    /// Time on the wire of the last attempt.
    pub latency_ms: Option<u64>,
    /// The input line's `metadata`, untouched.
    pub metadata: Option<J>,
    /// Present if the message was altered to be valid JSON and UTF-8, and says how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl<'a> ResultLine<Cow<'a, RawValue>> {
    /// The line of a row, with the row's JSON as it is, but for errors that are none of the API's.
    pub(super) fn of(row: &'a ResultRow) -> Result<Self> {
        let metadata = row.metadata.as_deref();
        let metadata = metadata.map(|json| raw(json, "metadata", row.line));
        Ok(Self {
            custom_id: row.custom_id.clone(),
            result: ExportResult::of(row)?,
            run: ResultRun {
                line: row.line,
                attempts: row.attempts,
                lane: row.lane,
                model: row.model.clone(),
                error_class: row.error_class,
                cost_usd: row.cost.known(),
                unknown_price: row.cost.unknown_price,
                cost_basis: row.cost_basis,
                latency_ms: row.latency.map(millis),
                metadata: metadata.transpose()?,
                note: row.note.clone(),
            },
        })
    }
}

impl<'a> ExportResult<Cow<'a, RawValue>> {
    fn of(row: &'a ResultRow) -> Result<Self> {
        let raw = |json: &'a str, what| raw(json, what, row.line);
        let error = |json: &'a str| -> Result<Cow<'a, RawValue>> {
            Ok(match raw(json, "error")? {
                Cow::Borrowed(error) => strict_error(error, row.error_class),
                owned @ Cow::Owned(_) => owned,
            })
        };
        Ok(match &row.result {
            ResultBody::Message(message) => Self::Succeeded {
                message: raw(message, "message")?,
            },
            ResultBody::Error(told) => Self::Errored {
                error: error(told)?,
                message: None,
            },
            ResultBody::Refusal {
                error: told,
                message,
            } => Self::Errored {
                error: error(told)?,
                message: Some(raw(message, "message")?),
            },
            ResultBody::Nothing => Self::Canceled,
        })
    }
}

/// Checks that stored text is one JSON value: a broken one must not break the line around it.
fn raw<'a>(json: &'a str, what: &'static str, line: u64) -> Result<Cow<'a, RawValue>> {
    let raw = serde_json::from_str::<&RawValue>(json);
    raw.map(Cow::Borrowed)
        .map_err(|why| ReportError::NotJson { line, what, why })
}
