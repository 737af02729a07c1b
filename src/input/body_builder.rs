//! What both forms of a line need to become a request body: defaults, checks, and the body's first
//! members.

use super::line_error::Fault;
use super::note::{LineNotes, NoteKind};
use super::values::Value;
use crate::model::{RequestBody, Shaping};

/// `max_tokens` where neither the line nor a flag says it.
pub const DEFAULT_MAX_TOKENS: u64 = 4096;

/// Longest request body that the Messages API takes
/// (32 MB, <https://platform.claude.com/docs/en/api/errors>).
pub const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// What fills the gaps of a line, as JSON text.
#[derive(Debug)]
pub(super) struct Defaults {
    model: Option<String>,
    pub(super) model_json: String,
    max_tokens: u64,
    pub(super) max_tokens_json: String,
    pub(super) system_json: Option<String>,
    pub(super) temperature_json: Option<String>,
}

impl Defaults {
    pub(super) fn new(shaping: &Shaping) -> Self {
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let max_tokens = shaping.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
        Self {
            model: shaping.model.clone(),
            model_json: json(shaping.model.as_deref().unwrap_or_default()),
            max_tokens,
            max_tokens_json: max_tokens.to_string(),
            system_json: shaping.system.as_deref().map(json),
            temperature_json: shaping
                .temperature
                .map(|number| serde_json::Value::from(number).to_string()),
        }
    }
}

/// A request that is ready to be stored.
#[derive(Debug)]
pub(super) struct CheckedRequest {
    pub(super) model: String,
    pub(super) body: RequestBody,
}

/// What both forms have checked before the body is built.
pub(super) struct Checked {
    model: String,
}

impl Checked {
    pub(super) fn new(
        model: Option<&Value<'_>>,
        max_tokens: Option<&Value<'_>>,
        start: usize,
        remedy: &str,
        defaults: &Defaults,
        notes: &mut LineNotes,
    ) -> Result<Self, Fault> {
        let model = match (model, &defaults.model) {
            (Some(model), _) => model.model_id()?.into_owned(),
            (None, Some(model)) => model.clone(),
            (None, None) => return Err(Fault::at(start, format!("no model: {remedy}"))),
        };
        let (tokens, offset) = match max_tokens {
            Some(value) => (value.whole_number()?, value.key_offset),
            None => (defaults.max_tokens, start),
        };
        // Zero only warms the cache, which a batch refuses.
        if tokens == 0 {
            notes.push(offset, NoteKind::NotInBatch("max_tokens"));
        }
        Ok(Self { model })
    }

    pub(super) fn into_request(self, text: &str, start: usize) -> Result<CheckedRequest, Fault> {
        // Checked on the body that is sent, defaults included.
        if text.len() > MAX_BODY_BYTES {
            let (size, most) = (text.len(), MAX_BODY_BYTES / (1024 * 1024));
            return Err(Fault::at(
                start,
                format!("the request has {size} bytes, the API takes at most {most} MB: split it"),
            ));
        }
        Ok(CheckedRequest {
            model: self.model,
            body: RequestBody::from_json(text),
        })
    }
}

/// The start of a body: an opening brace and members that are each followed by a comma. At least
/// `messages` always follows.
pub(super) struct Head {
    pub(super) text: String,
}

impl Head {
    pub(super) fn new(rest_bytes: usize) -> Self {
        const MEMBERS_BYTES: usize = 160;
        // One allocation for the body: defaults hardly ever take more than this.
        let mut text = String::with_capacity(rest_bytes + MEMBERS_BYTES);
        text.push('{');
        Self { text }
    }

    pub(super) fn member(&mut self, key: &str, json: Option<&str>) {
        if let Some(json) = json {
            self.text.push('"');
            self.text.push_str(key);
            self.text.push_str("\":");
            self.text.push_str(json);
            self.text.push(',');
        }
    }
}
