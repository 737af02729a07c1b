//! Request bodies, carried as the raw JSON that the user wrote.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::json_view::JsonView;
use super::raw_object::{Member, ObjectError, members, with_raw_member};

/// A complete Messages API request body: one JSON object, kept byte for byte. Cheap to clone.
///
/// Its top-level keys are unique (the input refuses others); where they are not, the methods here
/// see the first.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestBody(Arc<str>);

impl RequestBody {
    /// Wraps text that is known to be one JSON object.
    #[must_use]
    pub fn from_json(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A view of it, to be made once and handed to everything that reads it.
    #[must_use]
    pub fn view(&self) -> JsonView<'_> {
        JsonView::of(&self.0)
    }

    /// Its length in bytes, as it goes over the wire.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true of a valid body; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON text of the top-level member `key`, if the body has it.
    ///
    /// # Errors
    ///
    /// When the body is not one JSON object.
    pub fn member(&self, key: &str) -> Result<Option<&str>, ObjectError> {
        let members = members(&self.0)?;
        Ok(position(&members, key).map(|i| members[i].value))
    }

    /// This body with the top-level member `key` set: its value replaced in place, or the member
    /// put right after the opening brace. Everything else stays byte for byte.
    ///
    /// # Errors
    ///
    /// When the body is not one JSON object.
    pub fn with_member(&self, key: &str, value: &Value) -> Result<Self, ObjectError> {
        self.with_raw_member(key, &value.to_string())
    }

    /// The same with a value that is JSON text already.
    ///
    /// # Errors
    ///
    /// When the body is not one JSON object.
    pub fn with_raw_member(&self, key: &str, value: &str) -> Result<Self, ObjectError> {
        with_raw_member(&self.0, key, value).map(Self::from_json)
    }

    /// This body without the top-level member `key`; the same body if it has none. Everything
    /// else stays byte for byte, but for the comma that parted the member from its neighbour.
    ///
    /// # Errors
    ///
    /// When the body is not one JSON object.
    pub fn without_member(&self, key: &str) -> Result<Self, ObjectError> {
        let members = members(&self.0)?;
        Ok(match position(&members, key) {
            Some(i) => {
                let (from, to) = span_with_comma(&members, i);
                Self::from_json(format!("{}{}", &self.0[..from], &self.0[to..]))
            }
            None => self.clone(),
        })
    }
}

impl fmt::Debug for RequestBody {
    /// Shows the size alone: prompts do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestBody({} bytes)", self.0.len())
    }
}

/// The bytes to cut out so that member `i` is gone and the rest is valid JSON: up to the next
/// member, or from the end of the one before.
#[must_use]
pub fn span_with_comma(members: &[Member<'_>], i: usize) -> (usize, usize) {
    match members.get(i + 1) {
        Some(next) => (members[i].key_offset, next.key_offset),
        // The last member takes the comma before it along.
        None if i > 0 => (members[i - 1].end(), members[i].end()),
        None => (members[i].key_offset, members[i].end()),
    }
}

fn position(members: &[Member<'_>], key: &str) -> Option<usize> {
    members.iter().position(|member| member.key == key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::RequestBody;

    #[test]
    fn setting_a_member_leaves_the_rest_byte_for_byte() {
        let cases = [
            ("{}", "{\"k\":1}"),
            ("{ }", "{\"k\":1 }"),
            (" { \"a\" : 0}", "{\"k\":1, \"a\" : 0}"),
            ("{\"k\" : [2, 3] , \"a\":0}", "{\"k\" : 1 , \"a\":0}"),
            (
                "{\"a\":{\"k\":5},\"\\u006b\":null}",
                "{\"a\":{\"k\":5},\"\\u006b\":1}",
            ),
        ];
        for (before, after) in cases {
            let body = RequestBody::from_json(before);
            assert_eq!(
                body.with_member("k", &json!(1)).unwrap().as_str(),
                after,
                "{before}"
            );
        }
    }

    #[test]
    fn removing_a_member_leaves_the_rest_byte_for_byte() {
        let cases = [
            ("{}", "{}"),
            ("{\"a\":{\"k\":5}}", "{\"a\":{\"k\":5}}"),
            ("{ \"k\" : 1 }", "{  }"),
            ("{ \"k\":1, \"a\":2 }", "{ \"a\":2 }"),
            ("{\"a\":2 , \"k\":1 }", "{\"a\":2 }"),
            ("{\"a\":2,  \"k\":[1,2],\t\"b\":3}", "{\"a\":2,  \"b\":3}"),
        ];
        for (before, after) in cases {
            let body = RequestBody::from_json(before);
            assert_eq!(
                body.without_member("k").unwrap().as_str(),
                after,
                "{before}"
            );
        }
    }

    #[test]
    fn a_member_is_read_as_raw_text() {
        let body = RequestBody::from_json("{\"a\": 1.50, \"b\":\"x\"}");
        assert_eq!(body.member("a"), Ok(Some("1.50")));
        assert_eq!(body.member("c"), Ok(None));
    }

    #[test]
    fn a_body_that_is_no_object_cannot_be_edited() {
        let body = RequestBody::from_json("[1]");
        assert!(body.with_member("k", &json!(1)).is_err());
        assert!(body.without_member("k").is_err());
    }

    proptest! {
        #[test]
        fn edits_do_to_the_text_what_they_would_do_to_the_value(
            object in prop::collection::hash_map("[a-d]", any::<i32>(), 0..5),
            key in "[a-d]",
            value in any::<i32>(),
        ) {
            let object: Map<String, Value> =
                object.into_iter().map(|(key, value)| (key, value.into())).collect();
            for text in [
                Value::from(object.clone()).to_string(),
                serde_json::to_string_pretty(&object).unwrap(),
            ] {
                let body = RequestBody::from_json(text);
                let parse = |body: &RequestBody| -> Map<String, Value> {
                    serde_json::from_str(body.as_str()).unwrap()
                };
                let mut set = object.clone();
                set.insert(key.clone(), value.into());
                prop_assert_eq!(parse(&body.with_member(&key, &json!(value)).unwrap()), set);
                let mut unset = object.clone();
                unset.remove(&key);
                prop_assert_eq!(parse(&body.without_member(&key).unwrap()), unset);
            }
        }
    }
}
