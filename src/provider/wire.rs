//! The shapes of the Messages API's answers, read tolerantly.
//!
//! Unknown fields, kinds and values survive: a field is looked at only when it is needed, and one
//! of an unexpected kind counts as absent. The text itself is changed only where not every reader
//! would take it (`tidy`).

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use serde_json::value::RawValue;

use super::error_body::{ErrorBody, read_error};
use super::model_output::ModelOutput;
use super::tidy::{Altered, MAX_DEPTH, tidy};

/// What a body turned out to be.
#[derive(Debug)]
pub(super) enum Body {
    /// A complete message object.
    Message(WireMessage),
    /// An error object as the API makes them: `$.error.type` is there.
    Error(ErrorBody),
    /// An error of another shape, as clouds and gateways make them.
    Foreign(ErrorBody),
    /// JSON of another kind.
    OtherJson,
    /// No complete JSON, and why: the same words for the same fault.
    NotJson(String),
}

/// What of a message is needed; the rest stays in the raw text.
#[derive(Debug)]
pub(super) struct WireMessage {
    /// The message's own text, fit for every reader.
    pub(super) text: String,
    /// What had to be altered for that.
    pub(super) altered: Altered,
    pub(super) model: Option<String>,
    pub(super) stop_reason: Option<String>,
    pub(super) stop_details: Value,
    pub(super) usage: Value,
    /// What stands in it that is to be paid for.
    pub(super) written: ModelOutput,
}

/// Top-level fields of messages and errors alike, unread.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// What tells an error of the API from others.
#[derive(Deserialize)]
struct ErrorFields<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
}

/// Most bytes of JSON that are read as a tree, which takes ten times as much. Receipts and details have
/// some hundreds.
const MAX_TREE: usize = 256 * 1024;

pub(super) fn read_body(body: &[u8]) -> Body {
    let tidy = tidy(body);
    if tidy.too_deep {
        return Body::NotJson(format!("it is nested deeper than {MAX_DEPTH} levels"));
    }
    let read = match serde_json::from_str::<Envelope<'_>>(&tidy.text) {
        Ok(envelope) => envelope.read(),
        // An array, string or number is JSON, but no message.
        Err(_) if serde_json::from_str::<&RawValue>(&tidy.text).is_ok() => None,
        Err(error) => return Body::NotJson(fault(&error)),
    };
    match read {
        Some(message) => Body::Message(WireMessage {
            altered: tidy.altered,
            text: tidy.text.into_owned(),
            ..message
        }),
        None => match read_error(&tidy.text) {
            Some(error) if error.is_typed => Body::Error(error),
            Some(error) => Body::Foreign(error),
            None => Body::OtherJson,
        },
    }
}

/// What is wrong with text that is no JSON, without the place: that differs from answer to answer.
fn fault(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let words = words.strip_suffix(&place).unwrap_or(&words);
    format!("it is no complete JSON: {words}")
}

impl Envelope<'_> {
    /// The message, if it is one and has no error of the API beside it.
    fn read(&self) -> Option<WireMessage> {
        let error: Option<ErrorFields<'_>> = borrowed(self.error);
        if error.is_some_and(|error| field::<String>(error.kind).is_some()) {
            return None;
        }
        // Some gateways leave `type` out; the content blocks are what makes a message.
        let is_message = field::<String>(self.kind).is_none_or(|kind| kind == "message");
        let has_content = self.content.is_some_and(|raw| raw.get().starts_with('['));
        if !is_message || !has_content {
            return None;
        }
        Some(WireMessage {
            text: String::new(),
            altered: Altered::default(),
            model: field(self.model),
            stop_reason: field(self.stop_reason),
            stop_details: small(self.stop_details).unwrap_or_default(),
            usage: small(self.usage).unwrap_or_default(),
            written: self.content.map(ModelOutput::read).unwrap_or_default(),
        })
    }
}

/// The field as a tree, if it is there and no larger than such fields are.
fn small(raw: Option<&RawValue>) -> Option<Value> {
    field(raw.filter(|raw| raw.get().len() <= MAX_TREE))
}

/// The field, if it is there and of that kind; what it borrows is not copied.
fn borrowed<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// The field, if it is there and of that kind.
fn field<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::{Body, MAX_DEPTH, read_body};

    #[test]
    fn a_message_needs_content_blocks_and_nothing_else() {
        for text in [
            r#"{"type":"message","content":[],"model":"m","stop_reason":"end_turn","usage":{}}"#,
            r#"{"type":"message","content":[{"type":"new_kind","x":[1]}],"future":{"a":1}}"#,
            r#"{"content":[]}"#,
            r#"{"type":"message","content":[],"model":7,"usage":"none","error":null}"#,
            "  {\"type\":\"message\",\n\"content\":[]}\n",
        ] {
            let body = read_body(text.as_bytes());
            assert!(matches!(body, Body::Message(_)), "{text}: {body:?}");
        }
    }

    #[test]
    fn an_error_needs_a_type_and_nothing_else() {
        for text in [
            r#"{"type":"error","error":{"type":"t","message":"m"},"request_id":"req_1"}"#,
            r#"{"error":{"type":"t"}}"#,
            r#"{"request_id":null,"error":{"details":null,"message":null,"type":"t"}}"#,
            r#"{"type":"message","content":[],"error":{"type":"t"}}"#,
        ] {
            let Body::Error(error) = read_body(text.as_bytes()) else {
                panic!("{text}");
            };
            assert_eq!(error.kind.as_deref(), Some("t"));
        }
    }

    #[test]
    fn foreign_json_gives_up_its_message() {
        for (text, expected) in [
            (r#"{"error":"nope"}"#, Some("nope")),
            (r#"{"error":{"message":"nope","code":[]}}"#, Some("nope")),
            (r#"{"message":"nope"}"#, Some("nope")),
            (r#"{"detail":"nope"}"#, Some("nope")),
            (r#"{"detail":[{"loc":1}]}"#, None),
            (r#"{"type":"message"}"#, None),
            (r#"{"type":"message","content":"text"}"#, None),
            (r#"{"type":"message_batch","content":[]}"#, None),
            ("[1]", None),
            ("null", None),
        ] {
            let message = match read_body(text.as_bytes()) {
                Body::Foreign(error) => error.message,
                Body::OtherJson => None,
                body => panic!("{text}: {body:?}"),
            };
            assert_eq!(message.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_no_message_and_no_overflow() {
        let nested = |depth: usize| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            read_body(format!(r#"{{"content":{open}{close}}}"#).as_bytes())
        };
        assert!(matches!(nested(MAX_DEPTH - 1), Body::Message(_)));
        assert!(matches!(nested(MAX_DEPTH), Body::NotJson(_)));
        assert!(matches!(nested(1_000_000), Body::NotJson(_)));
        let quoted = format!(r#"{{"content":["\"{}"]}}"#, "[".repeat(1000));
        assert!(matches!(read_body(quoted.as_bytes()), Body::Message(_)));
    }
}
