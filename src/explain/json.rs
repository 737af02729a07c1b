//! JSON in a text: bodies of the API, batch results, what SDKs print, our own lines.

use serde_json::{Value, json};

use super::reading::{Recognised, answer};
use super::word::{one_word, stop_reason};
use super::{exceptions, prose, status, synonyms};
use crate::model::ErrorClass;
use crate::provider::{ErrorFacts, classify_error, classify_pasted, python_to_json, status_of};

/// Braces that are tried as the beginning of JSON; log lines have a few before the real one.
const MAX_STARTS: usize = 20;
/// Wrappers inside wrappers that are looked into.
const MAX_DEPTH: usize = 6;
/// Where logs and libraries put the status.
const STATUS_KEYS: &[&str] = &["http_status", "status", "status_code", "statusCode"];
/// Where they put the body, as an object or as text.
const WRAPPERS: &[&str] = &[
    "raw_error",
    "body",
    "responseBody",
    "response",
    "data",
    "cause",
    "err",
];

/// Reads the first JSON object (or Python dictionary) of a text, with what stands before it.
pub(super) fn in_text(text: &str) -> Option<Recognised> {
    let starts = text.match_indices('{').map(|(at, _)| at);
    // A log line may have braces before the object that is meant.
    for at in starts.take(MAX_STARTS) {
        let Some(value) = parse(&text[at..]) else {
            continue;
        };
        let before = &text[..at];
        let status = status::in_text(before).or_else(|| exceptions::status_in(before));
        if let Some(found) = read(&value, status, MAX_DEPTH) {
            return Some(found);
        }
    }
    None
}

fn parse(text: &str) -> Option<Value> {
    let first = |text: &str| {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        values.next()?.ok()
    };
    first(text)
        .filter(Value::is_object)
        .or_else(|| first(&python_to_json(text)?))
}

fn read(value: &Value, status: Option<u16>, depth: usize) -> Option<Recognised> {
    // Wrappers in wrappers end somewhere.
    let depth = depth.checked_sub(1)?;
    let status = status.or_else(|| status_in(value));
    // From the surest reading to the vaguest.
    own_line(value)
        .or_else(|| batch_result(value, depth))
        .or_else(|| error(value, status))
        .or_else(|| message(value))
        .or_else(|| wrapped(value, status, depth))
        .or_else(|| foreign(value, status))
}

/// A line of `attempts`, `export`, `--events` or `status`: it names its class.
fn own_line(value: &Value) -> Option<Recognised> {
    let places = [
        &value["error_class"],
        &value["run"]["error_class"],
        &value["halt"]["error_class"],
    ];
    let class = places
        .iter()
        .find_map(|place| place.as_str()?.parse::<ErrorClass>().ok());
    if let Some(class) = class {
        return Some(Recognised::new("a line of claude-run", [class]));
    }
    let succeeded = value["outcome"] == "succeeded" || value["state"] == "succeeded";
    let is_ours = value.get("error_class").is_some_and(Value::is_null);
    // Others write `succeeded`, too; only our lines have an `error_class`.
    (succeeded && is_ours).then(|| Recognised::new("a line of claude-run, without an error", []))
}

/// A line of a batch's results, or the `result` of one.
fn batch_result(value: &Value, depth: usize) -> Option<Recognised> {
    let result = if value["result"].is_object() {
        &value["result"]
    } else {
        value
    };
    let found = match result["type"].as_str()? {
        "errored" => read(&result["error"], None, depth)?,
        "succeeded" => read(&result["message"], None, depth)?,
        kind @ ("expired" | "canceled") => {
            return Some(Recognised::new(
                format!("a batch result of type `{kind}`"),
                [kind.parse().ok()?],
            ));
        }
        _ => return None,
    };
    let reading = format!("a batch result with {}", found.reading);
    Some(Recognised { reading, ..found })
}

/// An error object of the API, in either nesting, or the inner object alone.
fn error(value: &Value, status: Option<u16>) -> Option<Recognised> {
    let is_error = |value: &Value| value["error"]["type"].is_string();
    let body = if value["error"]["error"]["type"].is_string() {
        value["error"].clone()
    } else if is_error(value) {
        value.clone()
    } else if value["type"].as_str().is_some_and(is_error_type) {
        json!({ "type": "error", "error": value })
    } else {
        return None;
    };
    let kind = body["error"]["type"].as_str().unwrap_or_default();
    let word = [&body["error"]["code"], &body["error"]["type"]]
        .iter()
        .find_map(|word| synonyms::find(word.as_str()?));
    let shown = || format!("an error object of type `{kind}`");
    // The type of an API error names its status; of a gateway's it may not.
    let Some(status) = status.or_else(|| status_of(kind)) else {
        // A run always knows the status of such a stranger; here the word is all there is.
        return word.or_else(|| {
            let message = body["error"]["message"].as_str();
            let facts = ErrorFacts {
                kind: Some(kind),
                message,
                ..ErrorFacts::default()
            };
            Some(Recognised::new(shown(), [classify_error(&facts)]))
        });
    };
    let class = answer(status, &body.to_string())?;
    let found = Recognised::new(format!("{}, HTTP status {status}", shown()), [class]);
    Some(match word.and_then(|word| word.note) {
        Some(note) => found.with_note(note),
        None => found,
    })
}

fn is_error_type(kind: &str) -> bool {
    status_of(kind).is_some() || kind.ends_with("_error")
}

/// A message: its stop reason says whether anything is to be told.
fn message(value: &Value) -> Option<Recognised> {
    let reason = value["stop_reason"]
        .as_str()
        .or_else(|| value["delta"]["stop_reason"].as_str());
    if !value["content"].is_array() {
        return stop_reason(reason?);
    }
    let classes: Vec<_> = answer(200, &value.to_string()).into_iter().collect();
    let reading = match reason {
        Some(reason) => format!("a message with stop reason `{reason}`"),
        None => "a message without a stop reason".to_owned(),
    };
    Some(Recognised::new(reading, classes))
}

/// What holds a body under another name, or as text.
fn wrapped(value: &Value, status: Option<u16>, depth: usize) -> Option<Recognised> {
    WRAPPERS
        .iter()
        .chain(&["error"])
        .find_map(|key| match &value[*key] {
            inner @ Value::Object(_) if *key != "error" => read(inner, status, depth),
            Value::String(text) if text.starts_with('{') => read(&parse(text)?, status, depth),
            _ => None,
        })
}

/// JSON of a stranger: by its status as a run would, else by its words.
fn foreign(value: &Value, status: Option<u16>) -> Option<Recognised> {
    let text = value.to_string();
    // A success status beside an error says nothing of it.
    if let Some(status) = status.filter(|status| *status >= 300) {
        let class = answer(status, &text)?;
        let reading = format!("JSON that is no error of the API, HTTP status {status}");
        return Some(Recognised::new(reading, [class]));
    }
    if let Some(class) = classify_pasted(&text) {
        return Some(Recognised::new("JSON that is no error of the API", [class]));
    }
    let words = [
        &value["error"]["code"],
        &value["error"]["status"],
        &value["error"],
        &value["code"],
        &value["error"]["message"],
        &value["message"],
        &value["detail"],
    ];
    words.iter().find_map(|word| {
        let word = word.as_str()?;
        one_word(&word.to_ascii_lowercase()).or_else(|| prose::read(word))
    })
}

fn status_in(value: &Value) -> Option<u16> {
    let named = STATUS_KEYS.iter().find_map(|key| value[*key].as_u64());
    let code = || value["error"]["code"].as_u64();
    let status = u16::try_from(named.or_else(code)?).ok()?;
    (200..600).contains(&status).then_some(status)
}
