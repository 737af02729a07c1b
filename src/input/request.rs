//! Builds the request body of a line, of either form, and checks what could never work.
//!
//! What the user wrote goes into the body byte for byte; defaults are put in front of it.

use super::fields::{Fields, Key};
use super::line_error::Fault;
use super::note::{NoteKind, Notes};
use super::params::from_params;
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
pub(super) struct Request {
    pub(super) model: String,
    pub(super) body: RequestBody,
}

/// Builds the request of a line; `start` is where the line's object begins.
pub(super) fn request(
    fields: &Fields<'_>,
    start: usize,
    defaults: &Defaults,
    notes: &mut Notes,
) -> Result<Request, Fault> {
    match (fields.get(Key::Params), fields.get(Key::Prompt)) {
        (Some(params), _) => from_params(params, defaults, notes),
        (None, Some(prompt)) => from_prompt(fields, prompt, start, defaults, notes),
        (None, None) => Err(Fault::at(
            start,
            "neither `params` nor `prompt`: a line needs one of them",
        )),
    }
}

fn from_prompt(
    fields: &Fields<'_>,
    prompt: &Value<'_>,
    start: usize,
    defaults: &Defaults,
    notes: &mut Notes,
) -> Result<Request, Fault> {
    check_prompt(fields, prompt)?;
    let checked = Checked::new(
        fields.get(Key::Model),
        fields.get(Key::MaxTokens),
        start,
        "put `model` on the line, or give --model",
        defaults,
        notes,
    )?;
    let mut head = Head::new(prompt.raw.len());
    let mut put = |name: &str, key: Key, default: Option<&str>| {
        head.member(name, fields.get(key).map(|value| value.raw).or(default));
    };
    put("model", Key::Model, Some(&defaults.model_json));
    put(
        "max_tokens",
        Key::MaxTokens,
        Some(&defaults.max_tokens_json),
    );
    put("system", Key::System, defaults.system_json.as_deref());
    put(
        "temperature",
        Key::Temperature,
        defaults.temperature_json.as_deref(),
    );
    let mut text = head.text;
    text.push_str("\"messages\":[{\"role\":\"user\",\"content\":");
    text.push_str(prompt.raw);
    text.push_str("}]}");
    checked.into_request(&text, start)
}

/// Checks the values of the short form that are put into the body as they are.
fn check_prompt(fields: &Fields<'_>, prompt: &Value<'_>) -> Result<(), Fault> {
    if !prompt.is_string() {
        return Err(prompt.wrong("a string in double quotes"));
    }
    if prompt.raw == "\"\"" {
        return Err(prompt.fault("is empty: the API refuses an empty message"));
    }
    if let Some(system) = fields.get(Key::System)
        && !system.is_string()
        && !system.is_array()
    {
        return Err(system.wrong("a string or an array of text blocks"));
    }
    fields
        .get(Key::Temperature)
        .map_or(Ok(()), Value::check_number)
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
        notes: &mut Notes,
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
        if tokens == 0 {
            notes.push(offset, NoteKind::NotInBatch("max_tokens"));
        }
        Ok(Self { model })
    }

    pub(super) fn into_request(self, text: &str, start: usize) -> Result<Request, Fault> {
        if text.len() > MAX_BODY_BYTES {
            let (size, most) = (text.len(), MAX_BODY_BYTES / (1024 * 1024));
            return Err(Fault::at(
                start,
                format!("the request has {size} bytes, the API takes at most {most} MB: split it"),
            ));
        }
        Ok(Request {
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
