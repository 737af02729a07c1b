//! The shapes of the Messages API's answers, read tolerantly.
//!
//! Unknown fields, kinds and values survive: a field is looked at only when it is needed, and one
//! of an unexpected kind counts as absent. The text itself is never changed.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use serde_json::value::RawValue;

/// Nesting that every JSON reader takes; `serde_json` itself stops at 128 levels. A message nested
/// deeper could not be read again by anything that comes after us.
const MAX_DEPTH: usize = 127;

/// What a body turned out to be.
#[derive(Debug)]
pub(super) enum Body {
    /// A complete message object.
    Message(WireMessage),
    /// An error object as the API makes them: `$.error.type` is there.
    Error(WireError),
    /// JSON of another kind, with the message that it carries if there is one in a usual place.
    OtherJson(Option<String>),
    /// No complete JSON, and why.
    NotJson(String),
}

/// What of a message is needed; the rest stays in the raw text.
#[derive(Debug)]
pub(super) struct WireMessage {
    pub(super) model: Option<String>,
    pub(super) stop_reason: Option<String>,
    pub(super) stop_details: Value,
    pub(super) usage: Value,
}

/// An error object. Only the type is sure to be there: bodies made by the edge have neither the
/// top-level `type` nor a request id.
#[derive(Clone, Debug, Default)]
pub(super) struct WireError {
    pub(super) kind: String,
    pub(super) message: Option<String>,
    pub(super) code: Option<String>,
    pub(super) request_id: Option<String>,
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
    #[serde(borrow, default)]
    request_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
}

/// Reads a whole body.
pub(super) fn read_body(body: &[u8]) -> Body {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return Body::NotJson(format!("it is no UTF-8: {error}")),
    };
    if nests_too_deep(text) {
        return Body::NotJson(format!("it is nested deeper than {MAX_DEPTH} levels"));
    }
    match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) => envelope.read(),
        // An array, string or number is JSON, but nothing of the API's.
        Err(_) if serde_json::from_str::<&RawValue>(text).is_ok() => Body::OtherJson(None),
        Err(error) => Body::NotJson(format!("it is no complete JSON: {error}")),
    }
}

impl Envelope<'_> {
    fn read(&self) -> Body {
        if let Some(error) = self.read_error() {
            return Body::Error(error);
        }
        // Some gateways leave `type` out; the content blocks are what makes a message.
        let is_message = field::<String>(self.kind).is_none_or(|kind| kind == "message");
        let has_content = self.content.is_some_and(|raw| raw.get().starts_with('['));
        if is_message && has_content {
            return Body::Message(WireMessage {
                model: field(self.model),
                stop_reason: field(self.stop_reason),
                stop_details: field(self.stop_details).unwrap_or_default(),
                usage: field(self.usage).unwrap_or_default(),
            });
        }
        Body::OtherJson(self.foreign_message())
    }

    fn read_error(&self) -> Option<WireError> {
        let error: Value = field(self.error)?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(WireError {
            kind: text(&error["type"])?,
            message: text(&error["message"]),
            code: text(&error["details"]["error_code"]),
            request_id: field(self.request_id),
        })
    }

    /// The message of an error that is not in the API's shape: `error` as text or with a `message`
    /// (many gateways), `message` (AWS), `detail` (`FastAPI`).
    fn foreign_message(&self) -> Option<String> {
        let error: Option<Value> = field(self.error);
        let nested = error.and_then(|error| {
            let text = error.as_str().or_else(|| error["message"].as_str());
            text.map(str::to_owned)
        });
        nested
            .or_else(|| field(self.message))
            .or_else(|| field(self.detail))
    }
}

/// The field, if it is there and of that kind.
fn field<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// Whether brackets outside of strings nest deeper than [`MAX_DEPTH`]. Right for JSON; for other
/// text it does not matter, because that is refused anyway.
fn nests_too_deep(text: &str) -> bool {
    // Most messages have few brackets at all, and to count them is many times faster.
    let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{'));
    if brackets.count() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
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
            assert_eq!(error.kind, "t");
        }
    }

    #[test]
    fn foreign_json_gives_up_its_message() {
        for (text, expected) in [
            (r#"{"error":"nope"}"#, Some("nope")),
            (r#"{"error":{"message":"nope","code":400}}"#, Some("nope")),
            (r#"{"message":"nope"}"#, Some("nope")),
            (r#"{"detail":"nope"}"#, Some("nope")),
            (r#"{"detail":[{"loc":1}]}"#, None),
            (r#"{"type":"message"}"#, None),
            (r#"{"type":"message","content":"text"}"#, None),
            (r#"{"type":"message_batch","content":[]}"#, None),
            ("[1]", None),
            ("null", None),
        ] {
            let Body::OtherJson(message) = read_body(text.as_bytes()) else {
                panic!("{text}");
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
