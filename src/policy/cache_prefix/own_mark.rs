//! Whether a request says itself what is to be cached.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

const KEY: &str = "cache_control";

/// Whether any object in this JSON has the key `cache_control`, at whatever depth. A text that
/// cannot be read to its end counts as one that has it: it is not ours to change.
pub(super) fn has_own_mark(json: &str) -> bool {
    // A key that is not written out has an escape in it.
    if !json.contains(KEY) && !json.contains("\\u") {
        return false;
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Finder.deserialize(&mut deserializer).unwrap_or(true)
}

/// Reads a value to its end, and tells whether the key was in it.
struct Finder;

impl<'de> DeserializeSeed<'de> for Finder {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Finder {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(in_item) = items.next_element_seed(Finder)? {
            found |= in_item;
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(key) = members.next_key::<Cow<'_, str>>()? {
            if key == KEY {
                found = true;
                members.next_value::<IgnoredAny>()?;
            } else {
                found |= members.next_value_seed(Finder)?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::has_own_mark;

    #[test]
    fn the_key_is_found_at_any_depth_and_in_any_spelling_but_not_in_texts() {
        for (json, found) in [
            (r#"{"a":1}"#, false),
            (r#"{"cache_control":null}"#, true),
            (r#"{"cache\u005fcontrol":{}}"#, true),
            (r#"{"a":[[{"b":{"cache_control":{"type":"x"}}}]]}"#, true),
            (r#"{"a":"\"cache_control\":1","n":[1,-2,1.5,true]}"#, false),
            (r#"{"a":"\u4e2d","b":null}"#, false),
            (r#"{"a":"cache_control""#, true),
        ] {
            assert_eq!(has_own_mark(json), found, "{json}");
        }
    }
}
