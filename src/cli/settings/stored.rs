//! The flags that are kept with a run, so that `resume` goes on by them.
//!
//! A setting is kept under its dotted name. Those that older versions knew are kept as they kept them, so
//! that their stores and ours are read by both.

use std::ffi::OsString;
use std::time::Duration;

use serde_json::{Value, json};

use super::flags::{self, Flags};
use super::options::Options;
use super::{InFile, keys, shown};
use crate::cli::failure::Failure;
use crate::cli::values::{Scale, Wait};
use crate::model::DispatchOptions;

/// Settings that were kept before they had dotted names.
const OLD_NAMES: [(&str, &str); 25] = [
    ("concurrency", "dispatch.concurrency"),
    ("stagger", "dispatch.stagger"),
    ("timeout", "dispatch.timeout"),
    ("stream", "dispatch.stream"),
    ("grace", "dispatch.grace"),
    ("on_halt", "dispatch.on_halt"),
    ("on_truncated", "dispatch.on_truncated"),
    ("lane", "dispatch.lane"),
    ("seed", "dispatch.seed"),
    ("batch_size", "batch.size"),
    ("max_attempts", "retry.max_attempts"),
    ("retry_scale", "retry.scale"),
    ("give_up_after", "retry.give_up_after"),
    ("fallback_models", "fallback.models"),
    ("rpm", "limits.rpm"),
    ("itpm", "limits.itpm"),
    ("otpm", "limits.otpm"),
    ("budget_usd", "limits.budget_usd"),
    ("budget_strict", "limits.budget_strict"),
    ("budget_assume_searches", "limits.budget_assume_searches"),
    ("only_between", "limits.only_between"),
    ("cache_warm", "limits.cache_warm"),
    ("cache_prefix", "limits.cache_prefix"),
    ("base_url", "api.base_url"),
    ("ca_bundle", "api.ca_bundle"),
];

/// Of these, those that were kept as seconds and nanoseconds.
const OLD_DURATIONS: [&str; 4] = ["stagger", "timeout", "grace", "give_up_after"];

/// What needs trust and is kept all the same, because the gate judges it (`cli::trust::gate`).
pub(in crate::cli) const JUDGED: [&str; 2] = ["api.base_url", "api.ca_bundle"];

/// Whether a setting that a flag gave is kept with the run: a store that somebody else made must not say
/// where keys and prompts go.
pub(in crate::cli) fn is_kept(key: &str) -> bool {
    let needs_trust = keys::find(key).is_none_or(|key| key.file == InFile::Trusted);
    !needs_trust || JUDGED.contains(&key)
}

/// What flags gave, as it is kept.
pub(super) fn to_keep(flags: &Flags, in_force: &Options) -> DispatchOptions {
    let rows = shown::rows(in_force);
    let kept = rows
        .into_iter()
        .filter(|(key, _)| flags.has(key) && is_kept(key))
        .map(|(key, value)| match old_name(&key) {
            Some(name) if OLD_DURATIONS.contains(&name) => (name.to_owned(), old_duration(value)),
            Some(name) => (name.to_owned(), value),
            None => (key, value),
        });
    kept.collect()
}

/// The layer of what is kept with a run.
///
/// # Errors
///
/// A value cannot be used (exit code 2).
pub(super) fn flags_of(run: &DispatchOptions) -> Result<Flags, Failure> {
    let given = run.kept().filter_map(|(name, value)| {
        let known = OLD_NAMES.iter().find(|(old, _)| *old == name);
        let key = known.map_or(name.as_str(), |(_, key)| key);
        // A key of a newer version is left to that.
        // The store may be somebody else's work: what needs trust is not taken from it.
        (is_kept(key) && flags::find(key).is_some()).then(|| (key.to_owned(), texts(&name, value)))
    });
    Flags::read(given.collect()).map_err(|error| unusable(&error))
}

fn old_name(key: &str) -> Option<&'static str> {
    let row = OLD_NAMES.iter().find(|(_, known)| *known == key);
    row.map(|(old, _)| *old)
}

fn old_duration(value: Value) -> Value {
    match serde_json::from_value::<Wait>(value.clone()) {
        Ok(wait) => json!(wait.0),
        Err(_) => value,
    }
}

/// What would be written after the flag.
fn texts(name: &str, value: Value) -> Vec<OsString> {
    match value {
        Value::Array(items) => items.into_iter().map(text).collect(),
        Value::Object(_) if OLD_DURATIONS.contains(&name) => {
            let wait = serde_json::from_value::<Duration>(value).unwrap_or_default();
            vec![String::from(Wait(wait)).into()]
        }
        // Older versions kept any number.
        Value::Number(scale) if name == "retry_scale" => {
            let scale = scale.as_f64().unwrap_or_default().min(Scale::MAX);
            vec![scale.to_string().into()]
        }
        value => vec![text(value)],
    }
}

fn text(value: Value) -> OsString {
    match value {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

fn unusable(error: &clap::Error) -> Failure {
    let flag = error.get(clap::error::ContextKind::InvalidArg);
    let flag = flag.map(|flag| format!(" of {flag}")).unwrap_or_default();
    let failure = Failure::usage(
        format!("the value{flag} that is stored with the run cannot be used"),
        "give the flag anew with `claude-run resume`",
    );
    match std::error::Error::source(error) {
        // Whoever made the store may have written it: no control sequence of it reaches the terminal.
        Some(why) => failure.because(format!("it {why}").replace(char::is_control, "\u{fffd}")),
        None => failure,
    }
}
