//! The members of a JSON object as pieces of the text they stand in.
//!
//! Request bodies are carried byte for byte, so whoever wants to know or change one member of a
//! body must find it in the text. This module walks one object and says where each member stands.
//! It promises exact offsets and valid JSON around them; it neither interprets values nor looks
//! inside them. Duplicate keys are all given, in order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Most members of one object. The Messages API knows about forty keys; the bound keeps a hostile
/// 32 MB object from taking many times its size in memory.
pub const MAX_MEMBERS: usize = 1024;

/// One member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The key, with escapes resolved.
    pub key: Cow<'a, str>,
    /// Where the key's opening quote stands, in bytes from the start of the text.
    pub key_offset: usize,
    /// The value's JSON text, without white space around it.
    pub value: &'a str,
    /// Where the value starts, in bytes from the start of the text.
    pub value_offset: usize,
}

impl Member<'_> {
    /// Where the value ends, in bytes from the start of the text.
    #[must_use]
    pub fn end(&self) -> usize {
        self.value_offset + self.value.len()
    }
}

/// Why a text is not one JSON object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}, at byte {offset}")]
pub struct ObjectError {
    /// Where the fault stands, in bytes from the start of the text; at most the text's length.
    pub offset: usize,
    /// What is wrong.
    pub fault: ObjectFault,
}

/// What is wrong with a text that should be one JSON object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectFault {
    /// It starts as another kind of value, which is named here: `an array`, say.
    #[error("expected a JSON object, found {0}")]
    OtherKind(&'static str),
    /// It ends in the middle of a value.
    #[error("the JSON text ends too early")]
    EndsEarly,
    /// A complete object is followed by more text.
    #[error("text follows the JSON object")]
    TrailingText,
    /// It has more than [`MAX_MEMBERS`] members.
    #[error("the JSON object has more than {MAX_MEMBERS} keys")]
    TooManyMembers,
    /// It breaks the grammar of JSON in another way.
    #[error("not valid JSON: {0}")]
    Syntax(String),
}

/// The members of the object that `text` is, in the order of the text, in one pass.
pub fn members(text: &str) -> Result<Vec<Member<'_>>, ObjectError> {
    let start = text.len() - text.trim_ascii_start().len();
    if let Some(kind) = kind(&text[start..]).filter(|kind| *kind != "an object") {
        return Err(ObjectError {
            offset: start,
            fault: ObjectFault::OtherKind(kind),
        });
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let pairs = deserializer
        .deserialize_map(Pairs)
        .map_err(|error| located(text, &error))?;
    deserializer.end().map_err(|error| ObjectError {
        offset: offset_of(text, &error),
        fault: ObjectFault::TrailingText,
    })?;
    pairs
        .into_iter()
        .map(|(key, value)| member(text, key, value))
        .collect()
}

/// The object that `text` is with the member `key` set to this JSON: its value replaced in place, or
/// the member put right after the opening brace. Everything else stays byte for byte. Of several
/// members of that name the first is set.
///
/// # Errors
///
/// When `text` is not one JSON object.
pub fn with_raw_member(text: &str, key: &str, value: &str) -> Result<String, ObjectError> {
    let members = members(text)?;
    if let Some(member) = members.iter().find(|member| member.key == key) {
        let (before, after) = (&text[..member.value_offset], &text[member.end()..]);
        return Ok(format!("{before}{value}{after}"));
    }
    let inside = text.trim_ascii_start().strip_prefix('{').unwrap_or("}");
    let comma = if members.is_empty() { "" } else { "," };
    let key = serde_json::Value::from(key);
    Ok(format!("{{{key}:{value}{comma}{inside}"))
}

/// What kind of JSON value starts with this text, worded for a sentence: `a string`. None for
/// text that starts no value.
#[must_use]
pub fn kind(raw: &str) -> Option<&'static str> {
    match raw.as_bytes().first()? {
        b'{' => Some("an object"),
        b'[' => Some("an array"),
        b'"' => Some("a string"),
        b'-' | b'0'..=b'9' => Some("a number"),
        _ if raw.starts_with("null") => Some("null"),
        _ if raw.starts_with("true") || raw.starts_with("false") => Some("a boolean"),
        _ => None,
    }
}

/// The text that the JSON string `raw` stands for; borrowed where it has no escapes.
///
/// # Errors
///
/// The offset, in bytes from the start of `raw`, and the reason, when `raw` is no string or has an
/// escape that stands for no character.
pub fn unquote(raw: &str) -> Result<Cow<'_, str>, ObjectError> {
    if !raw.contains('\\')
        && let Some(text) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'))
    {
        return Ok(Cow::Borrowed(text));
    }
    serde_json::from_str(raw)
        .map(Cow::Owned)
        .map_err(|error| located(raw, &error))
}

fn member<'a>(
    text: &'a str,
    key: &'a RawValue,
    value: &'a RawValue,
) -> Result<Member<'a>, ObjectError> {
    let key_offset = offset_in(text, key.get());
    let name = unquote(key.get()).map_err(|error| ObjectError {
        offset: key_offset + error.offset,
        ..error
    })?;
    Ok(Member {
        key: name,
        key_offset,
        value: value.get(),
        value_offset: offset_in(text, value.get()),
    })
}

/// Where `part`, a slice of `text`, starts in it, in bytes.
#[must_use]
pub fn offset_in(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

fn located(text: &str, error: &serde_json::Error) -> ObjectError {
    if error.is_eof() {
        return ObjectError {
            offset: text.len(),
            fault: ObjectFault::EndsEarly,
        };
    }
    let offset = offset_of(text, error);
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    // The place is told as a byte offset, which the caller turns into a column of the line.
    let message = message.strip_suffix(&position).unwrap_or(&message);
    let fault = if message == TOO_MANY {
        ObjectFault::TooManyMembers
    } else {
        ObjectFault::Syntax(message.to_owned())
    };
    ObjectError { offset, fault }
}

/// Turns `serde_json`'s line and column (in bytes, from 1) into a byte offset.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    (line_start + error.column().saturating_sub(1)).min(text.len())
}

/// How the visitor says that there are too many members.
const TOO_MANY: &str = "too many members";

/// Collects the raw keys and values of an object.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(8);
        while let Some(key) = map.next_key()? {
            // Counted while it is read, so that the memory is never taken.
            if pairs.len() == MAX_MEMBERS {
                return Err(A::Error::custom(TOO_MANY));
            }
            pairs.push((key, map.next_value()?));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_MEMBERS, ObjectError, ObjectFault, members};

    fn fault(text: &str) -> (usize, ObjectFault) {
        let ObjectError { offset, fault } = members(text).unwrap_err();
        (offset, fault)
    }

    #[test]
    fn members_are_found_where_they_stand() {
        let text = " {\"a\" : [1, 2],\n \"b\\u0041\":\"ü\" } ";
        let found = members(text).unwrap();
        let seen: Vec<_> = found.iter().map(|m| (&*m.key, m.value)).collect();
        assert_eq!(seen, [("a", "[1, 2]"), ("bA", "\"ü\"")]);
        for member in &found {
            assert!(text[member.key_offset..].starts_with('"'));
            assert_eq!(&text[member.value_offset..member.end()], member.value);
        }
        assert_eq!(members("{}"), Ok(vec![]));
    }

    #[test]
    fn faults_are_told_apart_and_located() {
        assert_eq!(fault("  [1]"), (2, ObjectFault::OtherKind("an array")));
        assert_eq!(fault("null"), (0, ObjectFault::OtherKind("null")));
        assert_eq!(fault("{\"a\": [1"), (8, ObjectFault::EndsEarly));
        assert_eq!(fault(""), (0, ObjectFault::EndsEarly));
        assert_eq!(fault("{\"a\": 1} x"), (9, ObjectFault::TrailingText));
        let syntax = |text: &str| ObjectFault::Syntax(text.to_owned());
        assert_eq!(fault("{\n\"a\": 1,\n}"), (10, syntax("trailing comma")));
        assert_eq!(fault("{'a': 1}"), (1, syntax("key must be a string")));
    }

    #[test]
    fn the_number_of_members_is_bounded() {
        let object = |n: usize| {
            let members: Vec<_> = (0..n).map(|i| format!("\"{i}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(members(&object(MAX_MEMBERS)).unwrap().len(), MAX_MEMBERS);
        assert_eq!(
            fault(&object(MAX_MEMBERS + 1)).1,
            ObjectFault::TooManyMembers
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_walk_panic(text in ".{0,60}") {
            if let Err(error) = members(&text) {
                prop_assert!(error.offset <= text.len());
            }
        }
    }
}
