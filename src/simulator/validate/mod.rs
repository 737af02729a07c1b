//! What the API refuses before it does any work, in the API's words.
//!
//! - [`params`]: fields and parameters, alone and by model;
//! - [`turns`]: roles, empty texts, tool pairing, prefilled answers;
//! - [`breakpoints`]: cache breakpoints.
//!
//! Where a wording is not publicly known, a comment says so.

mod breakpoints;
mod params;
mod turns;

use super::errors::ApiError;
use super::request::{Ask, Endpoint, Fields};
use super::tokens;

/// The API version of 2026, which took the sampling parameters away.
pub(super) const VERSION_WITHOUT_SAMPLING: &str = "2026-10-21";
/// The first one.
const VERSION_OF_2023: &str = "2023-06-01";

/// The headers that change what is valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect<'a> {
    /// `anthropic-version`.
    pub(super) version: &'a str,
    /// Whether any beta is asked for.
    pub(super) beta: bool,
}

impl<'a> Dialect<'a> {
    pub(super) fn of(version: Option<&'a str>, beta: bool) -> Result<Self, ApiError> {
        match version {
            None => Err(ApiError::invalid("anthropic-version: header is required")),
            Some(version @ (VERSION_OF_2023 | VERSION_WITHOUT_SAMPLING)) => {
                Ok(Self { version, beta })
            }
            // The wording is not publicly known.
            Some(other) => Err(ApiError::invalid(format!(
                "anthropic-version: `{other}` is not a valid version"
            ))),
        }
    }
}

/// Refuses fields that the endpoint does not know.
pub(super) fn known_fields(
    fields: &Fields<'_>,
    endpoint: Endpoint,
    dialect: Dialect<'_>,
) -> Result<(), ApiError> {
    params::known_fields(fields, endpoint, dialect)
}

/// Everything else, once the request has been read.
pub(super) fn check(ask: &Ask<'_>, dialect: Dialect<'_>) -> Result<(), ApiError> {
    params::check(ask, dialect)?;
    turns::check(ask)?;
    breakpoints::check(ask)?;
    let tokens = tokens::of_prompt(ask);
    if tokens > ask.model.context {
        return Err(ApiError::invalid(format!(
            "prompt is too long: {tokens} tokens > {} maximum",
            ask.model.context
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
