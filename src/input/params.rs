//! Builds the request body of a line that has `params`: checks it lightly, puts defaults in front,
//! takes `stream` out, and leaves everything else byte for byte.

use super::body_builder::{Checked, CheckedRequest, Defaults, Head};
use super::line_error::{Fault, LONE_SURROGATE_HINT, shown};
use super::note::{LineNotes, NoteKind};
use super::values::Value;
use crate::model::body::span_with_comma;
use crate::model::raw_object::{Member, ObjectFault, members};

/// Most keys of one request. The API knows about forty and refuses what it does not know.
pub const MAX_PARAMS_KEYS: usize = 256;

/// Keys that no request in a batch may have
/// (<https://platform.claude.com/docs/en/build-with-claude/batch-processing>).
const REFUSED_IN_BATCH: [&str; 6] = [
    "speed",
    "fallbacks",
    "store",
    "previous_thread_event_id",
    "cache_hint",
    "context_hint",
];

/// A key that a batch ignores (same source).
const IGNORED_IN_BATCH: &str = "fallback_credit_token";

/// Builds the request of a line that has `params`.
pub(super) fn from_params(
    params: &Value<'_>,
    defaults: &Defaults,
    notes: &mut LineNotes,
) -> Result<CheckedRequest, Fault> {
    let members = members_of(params)?;
    let find = |name, key| value_of(params, &members, name, key);
    check_messages(find("params.messages", "messages").as_ref(), params.offset)?;
    let checked = Checked::new(
        find("params.model", "model").as_ref(),
        find("params.max_tokens", "max_tokens").as_ref(),
        params.offset,
        "put `model` inside `params`, or give --model",
        defaults,
        notes,
    )?;
    note_batch_keys(&members, params.offset, notes);
    let mut text = head(&members, params.raw.len(), defaults).text;
    match members.iter().position(|member| member.key == "stream") {
        Some(i) => {
            notes.push(
                params.offset + members[i].key_offset,
                NoteKind::StreamTakenOut,
            );
            let (from, to) = span_with_comma(&members, i);
            // `stream` is ours to decide for each attempt, and a batch refuses it.
            text.push_str(&params.raw[1..from]);
            text.push_str(&params.raw[to..]);
        }
        // From after the brace, which the head has written already.
        None => text.push_str(&params.raw[1..]),
    }
    checked.into_request(&text, params.offset)
}

/// The defaults for what `params` leaves out, as the start of the body.
fn head(members: &[Member<'_>], rest_bytes: usize, defaults: &Defaults) -> Head {
    let mut head = Head::new(rest_bytes);
    let mut fill = |key: &str, json: Option<&str>| {
        // A key whose value is `null` counts as given: the body goes out as it was written.
        if members.iter().all(|member| member.key != key) {
            head.member(key, json);
        }
    };
    fill("model", Some(&defaults.model_json));
    fill("max_tokens", Some(&defaults.max_tokens_json));
    fill("system", defaults.system_json.as_deref());
    fill("temperature", defaults.temperature_json.as_deref());
    head
}

/// The value of one key of `params`, placed in the line.
fn value_of<'a>(
    params: &Value<'a>,
    members: &[Member<'a>],
    name: &'static str,
    key: &str,
) -> Option<Value<'a>> {
    let member = members.iter().find(|member| member.key == key)?;
    Some(Value {
        name,
        key_offset: params.offset + member.key_offset,
        raw: member.value,
        offset: params.offset + member.value_offset,
    })
}

/// The members of `params`; their offsets count from its start.
fn members_of<'a>(params: &Value<'a>) -> Result<Vec<Member<'a>>, Fault> {
    let found = members(params.raw).map_err(|error| match error.fault {
        ObjectFault::OtherKind(_) => params.wrong("an object, the body of a Messages API request"),
        ObjectFault::TooManyMembers => too_many(params),
        // The line was walked already, escapes included.
        _ => Fault::at(
            params.offset + error.offset,
            format!("a key of `params` has a broken escape: {LONE_SURROGATE_HINT}"),
        ),
    })?;
    if found.len() > MAX_PARAMS_KEYS {
        return Err(too_many(params));
    }
    for (i, member) in found.iter().enumerate() {
        // Parsers disagree on which of two keys holds, so what was checked might not be what is
        // asked.
        if found[..i].iter().any(|earlier| earlier.key == member.key) {
            let key = shown(&member.key);
            return Err(Fault::at(
                params.offset + member.key_offset,
                format!("`{key}` stands twice in `params`: keep one"),
            ));
        }
    }
    Ok(found)
}

fn too_many(params: &Value<'_>) -> Fault {
    params.fault(&format!(
        "has more than {MAX_PARAMS_KEYS} keys: the API refuses keys that it does not know"
    ))
}

fn check_messages(messages: Option<&Value<'_>>, params_offset: usize) -> Result<(), Fault> {
    let Some(messages) = messages else {
        return Err(Fault::at(
            params_offset,
            "`params` has no `messages`: give it an array with at least one message",
        ));
    };
    if !messages.is_array() {
        return Err(messages.wrong("an array of messages"));
    }
    // An empty array may have white space in it.
    if messages.raw[1..].trim_ascii_start().starts_with(']') {
        return Err(messages.fault("is empty: the API wants at least one message"));
    }
    Ok(())
}

fn note_batch_keys(members: &[Member<'_>], params_offset: usize, notes: &mut LineNotes) {
    for member in members {
        let offset = params_offset + member.key_offset;
        if let Some(key) = REFUSED_IN_BATCH.iter().find(|key| **key == member.key) {
            notes.push(offset, NoteKind::NotInBatch(key));
        } else if member.key == IGNORED_IN_BATCH {
            notes.push(offset, NoteKind::IgnoredInBatch(IGNORED_IN_BATCH));
        }
    }
}
