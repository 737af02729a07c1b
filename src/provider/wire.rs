//! The shapes of the Messages API's answers, read tolerantly.
//!
//! Unknown fields, kinds and values survive: a field is looked at only when it is needed, and one
//! of an unexpected kind counts as absent. The text itself is changed only where not every reader
//! would take it (`tidy`).

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use serde_json::value::RawValue;

use super::model_output::ModelOutput;
use super::tidy::{Altered, MAX_DEPTH, tidy};

/// What a body turned out to be.
#[derive(Debug)]
pub(super) enum Body {
    /// A complete message object.
    Message(WireMessage),
    /// An error object as the API makes them: `$.error.type` is there.
    Error(WireError),
    /// An error object without a type, but with a code, as gateways make them.
    BareError(BareError),
    /// JSON of another kind, with the message that it carries if there is one in a usual place.
    OtherJson(Option<String>),
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

/// An error object. Only the type is sure to be there: bodies made by the edge have neither the
/// top-level `type` nor a request id.
#[derive(Clone, Debug, Default)]
pub(super) struct WireError {
    pub(super) kind: String,
    pub(super) message: Option<String>,
    pub(super) code: Option<String>,
    pub(super) request_id: Option<String>,
}

/// An error object of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BareError {
    pub(super) message: Option<String>,
    /// A word, or a number in digits.
    pub(super) code: String,
}

impl BareError {
    /// What it says: its message, else its code.
    pub(super) fn words(&self) -> String {
        self.message.as_ref().unwrap_or(&self.code).clone()
    }
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

/// Fields of an error object, unread.
#[derive(Deserialize)]
struct ErrorFields<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    details: Option<&'a RawValue>,
}

/// What is needed of an error's `details`.
#[derive(Deserialize)]
struct DetailFields<'a> {
    #[serde(borrow, default)]
    error_code: Option<&'a RawValue>,
}

/// Most bytes of JSON that are read as a tree, which takes ten times as much. Receipts and details have
/// some hundreds.
const MAX_TREE: usize = 256 * 1024;

/// Most bytes of an error's message that are looked at. Real ones have some hundreds.
const MAX_WORDS: usize = 64 * 1024;

pub(super) fn read_body(body: &[u8]) -> Body {
    let tidy = tidy(body);
    if tidy.too_deep {
        return Body::NotJson(format!("it is nested deeper than {MAX_DEPTH} levels"));
    }
    match serde_json::from_str::<Envelope<'_>>(&tidy.text) {
        Ok(envelope) => match envelope.read() {
            Body::Message(message) => Body::Message(WireMessage {
                altered: tidy.altered,
                text: tidy.text.into_owned(),
                ..message
            }),
            body => body,
        },
        // An array, string or number is JSON, but nothing of the API's.
        Err(_) if serde_json::from_str::<&RawValue>(&tidy.text).is_ok() => Body::OtherJson(None),
        Err(error) => Body::NotJson(fault(&error)),
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
    fn read(&self) -> Body {
        if let Some(error) = self.read_error() {
            return Body::Error(error);
        }
        // Some gateways leave `type` out; the content blocks are what makes a message.
        let is_message = field::<String>(self.kind).is_none_or(|kind| kind == "message");
        let has_content = self.content.is_some_and(|raw| raw.get().starts_with('['));
        if is_message && has_content {
            return Body::Message(WireMessage {
                text: String::new(),
                altered: Altered::default(),
                model: field(self.model),
                stop_reason: field(self.stop_reason),
                stop_details: small(self.stop_details).unwrap_or_default(),
                usage: small(self.usage).unwrap_or_default(),
                written: self.content.map(ModelOutput::read).unwrap_or_default(),
            });
        }
        match self.read_bare_error() {
            Some(error) => Body::BareError(error),
            None => Body::OtherJson(self.foreign_message()),
        }
    }

    fn read_bare_error(&self) -> Option<BareError> {
        let error: ErrorFields<'_> = borrowed(self.error)?;
        Some(BareError {
            message: words(error.message),
            code: code_of(error.code)?,
        })
    }

    fn read_error(&self) -> Option<WireError> {
        let error: ErrorFields<'_> = borrowed(self.error)?;
        let message = words(error.message);
        let details: Option<DetailFields<'_>> = borrowed(error.details);
        // The code in `details` is the finer one, where both are there.
        let detailed = details.and_then(|details| field(details.error_code));
        Some(WireError {
            kind: field(error.kind)?,
            message: message.map(|message| unwrapped(&message).unwrap_or(message)),
            code: detailed.or_else(|| code_of(error.code)),
            request_id: field(self.request_id),
        })
    }

    /// The message of an error that is not in the API's shape: `error` as text or with a `message`
    /// (many gateways), `message` (AWS), `detail` (`FastAPI`).
    fn foreign_message(&self) -> Option<String> {
        let inside = || words(borrowed::<ErrorFields<'_>>(self.error)?.message);
        let nested = words(self.error).or_else(inside);
        nested
            .or_else(|| words(self.message))
            .or_else(|| words(self.detail))
    }
}

/// A code: a word, or a number.
fn code_of(code: Option<&RawValue>) -> Option<String> {
    let number = || field::<u64>(code).map(|number| number.to_string());
    let word = field::<String>(code).filter(|word| !word.is_empty());
    word.or_else(number)
}

/// What the API said, out of the words that a gateway wrapped it in (`LiteLLM`: `litellm.KIND:
/// AnthropicException - ` and the API's own answer).
fn unwrapped(message: &str) -> Option<String> {
    let (_, inner) = message
        .strip_prefix("litellm.")?
        .split_once("Exception - ")?;
    let inner = inner.strip_prefix("b'").unwrap_or(inner);
    let mut values = serde_json::Deserializer::from_str(inner).into_iter::<Value>();
    let said = values.next()?.ok()?;
    said["error"]["message"].as_str().map(str::to_owned)
}

/// The field's text, if it is one: as much of it as may matter. What is kept in the end is far less, and
/// each step on the way there takes a copy.
fn words(raw: Option<&RawValue>) -> Option<String> {
    let mut text: String = field(raw)?;
    if text.len() > MAX_WORDS {
        let cut = &text[..text.floor_char_boundary(MAX_WORDS)];
        // No half of a word, which may be half of a secret that is masked as a whole.
        let end = cut.rfind(char::is_whitespace).unwrap_or(cut.len());
        text.truncate(end);
        text.shrink_to_fit();
    }
    Some(text)
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
            assert_eq!(error.kind, "t");
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
