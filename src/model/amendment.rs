//! Amendments: how the next attempt of a job asks a little differently than its input line.
//!
//! A job's request never changes. What an answer makes us ask differently (another model, more
//! room for the answer, a paused turn to go on with) is kept beside it, and laid over the request
//! whenever the job is claimed. This module says what can be amended and lays it over; whether it
//! is done is decided in `policy`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::body::RequestBody;
use super::error_class::ErrorClass;
use super::raw_object::{self, ObjectError, ObjectFault, kind, members, unquote, with_raw_member};

/// What the next attempt of a job asks differently, and what has been used up by that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// The model that the input line asks for.
    pub original_model: String,
    /// The model that is asked instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How many of the fallback models, in their order, are used up.
    #[serde(default)]
    pub fallbacks_used: usize,
    /// `max_tokens` instead of the request's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// `max_tokens` was raised for a truncated answer: it is not raised twice.
    #[serde(default)]
    pub raised: bool,
    /// What the paused answers of this turn brought: of each the inside of its `content` array, as
    /// the API sent it. One for each continuation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<String>,
    /// The container in which the paused turn's code ran: it goes on there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What those paused answers cost together, in 10⁻¹² USD.
    #[serde(default)]
    pub paused_cost_pico: i128,
    /// The attempt whose answer is put aside, in case that no later one is better: a truncated one,
    /// or the parts of a turn that paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_aside: Option<u32>,
    /// What marks that answer; truncated, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_aside_mark: Option<ErrorClass>,
}

impl Amendment {
    /// None yet, for a job of that model.
    #[must_use]
    pub fn none(original_model: &str) -> Self {
        Self {
            original_model: original_model.to_owned(),
            ..Self::default()
        }
    }

    /// The model that the next attempt asks.
    #[must_use]
    pub fn model(&self) -> &str {
        self.model.as_deref().unwrap_or(&self.original_model)
    }

    /// How often the turn was continued.
    #[must_use]
    pub fn continuations(&self) -> usize {
        self.paused.len()
    }

    /// The request with this laid over it. What is not amended stays byte for byte.
    ///
    /// # Errors
    ///
    /// When the body is not one JSON object, or its `messages` no array.
    pub fn applied_to(&self, body: &RequestBody) -> Result<RequestBody, ObjectError> {
        let mut body = body.clone();
        if let Some(model) = &self.model {
            body = body.with_member("model", &model.as_str().into())?;
        }
        if let Some(max_tokens) = self.max_tokens {
            body = body.with_member("max_tokens", &max_tokens.into())?;
        }
        if !self.paused.is_empty() {
            let messages = body.member("messages")?.unwrap_or_default();
            let messages = with_turn(messages, &self.paused)?;
            body = body.with_raw_member("messages", &messages)?;
            if let Some(container) = &self.container {
                let asked = body.member("container")?.unwrap_or_default();
                let container = in_container(asked, container)?;
                body = body.with_raw_member("container", &container)?;
            }
        }
        Ok(body)
    }

    /// What marks the answer that is put aside.
    #[must_use]
    pub fn put_aside_mark(&self) -> ErrorClass {
        self.put_aside_mark.unwrap_or(ErrorClass::Truncated)
    }

    /// The message that ends a continued turn: the last one, with the content of all.
    ///
    /// # Errors
    ///
    /// When the message is not one JSON object, or its `content` no array.
    pub fn joined(&self, message: &str) -> Result<String, ObjectError> {
        if self.paused.is_empty() {
            return Ok(message.to_owned());
        }
        let last = content_of(message)?;
        let blocks: Vec<_> = self.paused.iter().map(String::as_str).chain(last).collect();
        with_raw_member(message, "content", &format!("[{}]", blocks.join(",")))
    }
}

/// An amendment on its way into the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amended {
    /// What the next attempt asks differently.
    pub amendment: Amendment,
    /// What this attempt brought, to be put aside.
    pub put_aside: Option<String>,
}

/// The inside of a message's `content`: its blocks without the brackets around them, byte for
/// byte. None if it has no block.
///
/// # Errors
///
/// When the message is not one JSON object, or its `content` no array.
pub fn content_of(message: &str) -> Result<Option<&str>, ObjectError> {
    let content = members(message)?
        .into_iter()
        .find(|member| member.key == "content");
    content
        .map(|content| inside(content.value))
        .transpose()
        .map(Option::flatten)
}

/// The id of the container that a message's code ran in, if it tells one.
#[must_use]
pub fn container_of(message: &str) -> Option<String> {
    let members = members(message).ok()?;
    let container = members.iter().rfind(|member| member.key == "container")?;
    let inner = raw_object::members(container.value).ok()?;
    let id = inner.iter().rfind(|member| member.key == "id")?;
    unquote(id.value).ok().map(Cow::into_owned)
}

/// The `container` of a request that goes on in this one; what it asks for besides (skills) stays.
fn in_container(asked: &str, id: &str) -> Result<String, ObjectError> {
    let id = serde_json::Value::from(id).to_string();
    // An object may ask for skills besides, which must stay.
    if asked.starts_with('{') {
        return with_raw_member(asked, "id", &id);
    }
    Ok(id)
}

/// The turns of `messages` and one of the assistant, which holds these blocks.
fn with_turn(messages: &str, blocks: &[String]) -> Result<String, ObjectError> {
    let turns = inside(messages)?;
    let comma = if turns.is_some() { "," } else { "" };
    Ok(format!(
        r#"[{}{comma}{{"role":"assistant","content":[{}]}}]"#,
        turns.unwrap_or_default(),
        blocks.join(",")
    ))
}

/// What stands between the brackets of an array; none if that is nothing.
fn inside(array: &str) -> Result<Option<&str>, ObjectError> {
    let inside = array
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or(ObjectError {
            offset: 0,
            fault: ObjectFault::OtherKind(kind(array).unwrap_or("nothing")),
        })?
        .trim_ascii();
    Ok((!inside.is_empty()).then_some(inside))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Amendment, container_of, content_of};
    use crate::model::RequestBody;

    const BODY: &str = r#"{ "model":"a", "max_tokens" : 100,"x":1.50, "messages":[ {"role":"user","content":"q"} ]}"#;

    fn amended(change: impl FnOnce(&mut Amendment)) -> String {
        let mut amendment = Amendment::none("a");
        change(&mut amendment);
        let body = amendment.applied_to(&RequestBody::from_json(BODY)).unwrap();
        body.as_str().to_owned()
    }

    #[test]
    fn only_what_is_amended_changes() {
        assert_eq!(amended(|_| {}), BODY);
        assert_eq!(
            amended(|a| a.model = Some("b".to_owned())),
            BODY.replace("\"a\"", "\"b\"")
        );
        assert_eq!(
            amended(|a| a.max_tokens = Some(200)),
            BODY.replace("100", "200")
        );
    }

    #[test]
    fn a_continued_turn_brings_its_blocks_back_byte_for_byte() {
        let paused = vec![
            r#"{"type":"text","text":"\u00e9","n":1.10}"#.to_owned(),
            r#"{ "type":"x" }, {"type":"y"}"#.to_owned(),
        ];
        let expected = BODY.replace(
            r#"[ {"role":"user","content":"q"} ]"#,
            r#"[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"text","text":"\u00e9","n":1.10},{ "type":"x" }, {"type":"y"}]}]"#,
        );
        assert_eq!(amended(|a| a.paused = paused), expected);
    }

    #[test]
    fn the_message_that_ends_a_turn_has_the_content_of_all() {
        let mut amendment = Amendment::none("a");
        let last = r#"{"id":"m","content" : [ {"c":3.0} ],"usage":{}}"#;
        assert_eq!(amendment.joined(last).unwrap(), last);
        amendment.paused = vec![r#"{"a":1},{"b":2}"#.to_owned()];
        assert_eq!(
            amendment.joined(last).unwrap(),
            r#"{"id":"m","content" : [{"a":1},{"b":2},{"c":3.0}],"usage":{}}"#
        );
        let empty = r#"{"content":[]}"#;
        assert_eq!(
            amendment.joined(empty).unwrap(),
            r#"{"content":[{"a":1},{"b":2}]}"#
        );
    }

    #[test]
    fn content_is_told_apart_from_none() {
        assert_eq!(content_of(r#"{"content":[ ]}"#), Ok(None));
        assert_eq!(content_of(r#"{"id":1}"#), Ok(None));
        assert_eq!(content_of(r#"{"content":[ 1, 2 ]}"#), Ok(Some("1, 2")));
        assert!(content_of(r#"{"content":"text"}"#).is_err());
        assert!(content_of("[").is_err());
    }

    #[test]
    fn a_continued_turn_stays_in_its_container() {
        let applied = |body: &str, paused: bool| {
            let mut amendment = Amendment::none("a");
            amendment.container = Some("container_1".to_owned());
            amendment.paused = if paused {
                vec!["1".to_owned()]
            } else {
                Vec::new()
            };
            let body = amendment.applied_to(&RequestBody::from_json(body)).unwrap();
            body.member("container").unwrap().map(str::to_owned)
        };
        let with = |container: &str| format!(r#"{{"messages":[],"container":{container}}}"#);
        for (asked, sent) in [
            (r#"{"messages":[]}"#.to_owned(), r#""container_1""#),
            (with("null"), r#""container_1""#),
            (with(r#""container_0""#), r#""container_1""#),
            (
                with(r#"{"skills":[ 1 ]}"#),
                r#"{"id":"container_1","skills":[ 1 ]}"#,
            ),
            (
                with(r#"{"id":null,"skills":[]}"#),
                r#"{"id":"container_1","skills":[]}"#,
            ),
        ] {
            assert_eq!(applied(&asked, true).as_deref(), Some(sent), "{asked}");
        }
        assert_eq!(applied(r#"{"messages":[]}"#, false), None);
    }

    #[test]
    fn the_container_of_a_message_is_known() {
        let told = r#"{"container":{"id":"container_\u0031","expires_at":"x"}}"#;
        assert_eq!(container_of(told).as_deref(), Some("container_1"));
        for none in [
            "{}",
            r#"{"container":null}"#,
            r#"{"container":{"id":null}}"#,
            "[",
        ] {
            assert_eq!(container_of(none), None, "{none}");
        }
    }

    #[test]
    fn a_body_without_messages_cannot_be_continued() {
        let mut amendment = Amendment::none("a");
        amendment.paused = vec!["1".to_owned()];
        for body in [r#"{"model":"a"}"#, r#"{"messages":"q"}"#, "7"] {
            assert!(amendment.applied_to(&RequestBody::from_json(body)).is_err());
        }
    }

    #[test]
    fn a_key_of_a_later_version_is_refused() {
        let read = |text: &str| serde_json::from_str::<Amendment>(text);
        assert!(read(r#"{"original_model":"a"}"#).is_ok());
        assert!(read(r#"{"original_model":"a","temperature":1}"#).is_err());
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(
            model in prop::option::of(".{0,9}"),
            max_tokens in prop::option::of(any::<u64>()),
            paused in prop::collection::vec(".{0,20}", 0..6),
            cost in any::<i64>(),
            (raised, put_aside) in (any::<bool>(), prop::option::of(any::<u32>())),
        ) {
            let amendment = Amendment {
                model, max_tokens, paused, raised, put_aside,
                paused_cost_pico: i128::from(cost),
                ..Amendment::none("original")
            };
            let text = serde_json::to_string(&amendment).unwrap();
            prop_assert_eq!(serde_json::from_str::<Amendment>(&text).unwrap(), amendment);
        }

        #[test]
        fn laying_over_does_to_the_text_what_it_would_do_to_the_value(
            texts in prop::collection::vec(".{0,12}", 1..4),
            pretty in any::<bool>(),
        ) {
            let blocks: Vec<Value> = texts.iter().map(|text| json!({"type": "text", "text": text})).collect();
            let value = json!({"messages": [{"role": "user", "content": texts}], "model": "a"});
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let mut amendment = Amendment::none("a");
            amendment.paused = blocks.iter().map(Value::to_string).collect();
            let body = amendment.applied_to(&RequestBody::from_json(text)).unwrap();
            let mut expected = value;
            let turn = json!({"role": "assistant", "content": blocks});
            expected["messages"].as_array_mut().unwrap().push(turn);
            prop_assert_eq!(serde_json::from_str::<Value>(body.as_str()).unwrap(), expected);
        }
    }
}
