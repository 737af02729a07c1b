//! A JSON object whose members can be set and merged while everything else stays as it was written.
//!
//! Values are raw JSON text and keys keep their order, so that what is put together out of a stream
//! reads like what a plain answer would have said. `serde_json::Value` is not enough: it refuses half a
//! surrogate pair, numbers beyond `f64` and nesting beyond 128 levels, any of which may be in an answer that
//! was paid for, and to keep order and numbers its features would have to be set for the whole crate.

use crate::model::raw_object::{Member, ObjectError, members};

/// An object: keys in order, each with its value's JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JsonObject(Vec<(String, String)>);

impl JsonObject {
    pub(super) fn parse(text: &str) -> Result<Self, ObjectError> {
        Ok(members(text)?.iter().collect())
    }

    /// Whether it has no member.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON text of that member.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    /// Sets a member: in place, or after all others.
    pub(super) fn set(&mut self, key: &str, value: String) {
        match self.place(key) {
            Some(at) => self.0[at].1 = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Takes over the members of `newer`. Null replaces nothing: it says that there is no news. A
    /// new key goes beside the neighbour that it has in `newer`.
    pub(super) fn merge(&mut self, newer: &Self) {
        for (index, (key, value)) in newer.0.iter().enumerate() {
            match self.place(key) {
                Some(_) if value == "null" => {}
                Some(at) => self.0[at].1.clone_from(value),
                None => {
                    let at = self.place_beside(&newer.0, index);
                    self.0.insert(at, (key.clone(), value.clone()));
                }
            }
        }
    }

    fn place(&self, key: &str) -> Option<usize> {
        self.0.iter().position(|(name, _)| name == key)
    }

    /// Where the member `index` of `newer` goes: after the nearest one before it that is known,
    /// else before the nearest one after it, else at the end.
    fn place_beside(&self, newer: &[(String, String)], index: usize) -> usize {
        let place = |(key, _): &(String, String)| self.place(key);
        let behind = newer[..index].iter().rev().find_map(place).map(|at| at + 1);
        behind
            .or_else(|| newer[index..].iter().find_map(place))
            .unwrap_or(self.0.len())
    }

    /// The object as JSON text.
    pub(super) fn to_json(&self) -> String {
        let mut text = String::from("{");
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&quoted(key));
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        text
    }
}

impl<'a> FromIterator<&'a Member<'a>> for JsonObject {
    /// Of members with the same key the last one counts.
    fn from_iter<I: IntoIterator<Item = &'a Member<'a>>>(members: I) -> Self {
        let mut object = Self::default();
        for member in members {
            object.set(&member.key, member.value.to_owned());
        }
        object
    }
}

/// Text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{JsonObject, quoted};

    fn object(text: &str) -> JsonObject {
        JsonObject::parse(text).unwrap()
    }

    #[test]
    fn setting_replaces_in_place_or_appends() {
        let mut it = object(r#"{"a": 1.50, "b\u0041":[ 2]}"#);
        assert_eq!(it.get("bA"), Some("[ 2]"));
        it.set("a", "2".to_owned());
        it.set("c", quoted("\"ü\n"));
        assert_eq!(it.to_json(), r#"{"a":2,"bA":[ 2],"c":"\"ü\n"}"#);
        assert_eq!(JsonObject::default().to_json(), "{}");
        assert_eq!(
            object(r#"{"a":1,"b":2,"a":3}"#).to_json(),
            r#"{"a":3,"b":2}"#
        );
    }

    #[test]
    fn merging_overrides_member_by_member_and_keeps_neighbours_together() {
        let cases = [
            (r#"{"a":1,"b":2}"#, r#"{"b":3}"#, r#"{"a":1,"b":3}"#),
            (r#"{"a":1,"b":2}"#, r#"{"b":null}"#, r#"{"a":1,"b":2}"#),
            (r#"{"a":null}"#, r#"{"a":null}"#, r#"{"a":null}"#),
            (
                r#"{"a":1,"b":2}"#,
                r#"{"a":0,"x":9}"#,
                r#"{"a":0,"x":9,"b":2}"#,
            ),
            (
                r#"{"a":1,"b":2}"#,
                r#"{"x":9,"y":8,"b":0}"#,
                r#"{"a":1,"x":9,"y":8,"b":0}"#,
            ),
            (r#"{"a":1}"#, r#"{"x":null}"#, r#"{"a":1,"x":null}"#),
            ("{}", r#"{"x":1,"y":2}"#, r#"{"x":1,"y":2}"#),
        ];
        for (old, new, expected) in cases {
            let mut merged = object(old);
            merged.merge(&object(new));
            assert_eq!(merged.to_json(), expected, "{old} {new}");
        }
    }
}
