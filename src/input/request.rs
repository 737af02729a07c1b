//! Builds the request body of a line, of either form, and checks what could never work.
//!
//! What the user wrote goes into the body byte for byte; defaults are put in front of it.

use super::body_builder::{Checked, CheckedRequest, Defaults, Head};
use super::fields::{Fields, LineKey};
use super::line_error::Fault;
use super::note::LineNotes;
use super::params::from_params;
use super::values::Value;

/// Builds the request of a line; `start` is where the line's object begins.
pub(super) fn request(
    fields: &Fields<'_>,
    start: usize,
    defaults: &Defaults,
    notes: &mut LineNotes,
) -> Result<CheckedRequest, Fault> {
    match (fields.get(LineKey::Params), fields.get(LineKey::Prompt)) {
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
    notes: &mut LineNotes,
) -> Result<CheckedRequest, Fault> {
    check_prompt(fields, prompt)?;
    let checked = Checked::new(
        fields.get(LineKey::Model),
        fields.get(LineKey::MaxTokens),
        start,
        "put `model` on the line, or give --model",
        defaults,
        notes,
    )?;
    let mut head = Head::new(prompt.raw.len());
    let mut put = |name: &str, key: LineKey, default: Option<&str>| {
        head.member(name, fields.get(key).map(|value| value.raw).or(default));
    };
    put("model", LineKey::Model, Some(&defaults.model_json));
    put(
        "max_tokens",
        LineKey::MaxTokens,
        Some(&defaults.max_tokens_json),
    );
    put("system", LineKey::System, defaults.system_json.as_deref());
    put(
        "temperature",
        LineKey::Temperature,
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
    if let Some(system) = fields.get(LineKey::System)
        && !system.is_string()
        && !system.is_array()
    {
        return Err(system.wrong("a string or an array of text blocks"));
    }
    fields
        .get(LineKey::Temperature)
        .map_or(Ok(()), Value::check_number)
}
