//! A light reading of request bodies.
//!
//! The body is parsed once into borrowed pieces: names and raw values of the top level, then the
//! messages down to their blocks. What a block holds beyond what the simulator acts on stays raw.
//! Reading finds shape errors only; which values are allowed is the business of `validate`.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::errors::ApiError;
use super::models::{self, Model};

/// The kind of block at which a turn pauses.
pub(super) const PAUSES_AT: &str = "server_tool_use";

/// Which endpoint a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Messages,
    CountTokens,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) model: &'static Model,
    /// 0 for a token count.
    pub(super) max_tokens: u32,
    pub(super) stream: bool,
    pub(super) system: Content<'a>,
    pub(super) turns: Vec<Turn<'a>>,
    pub(super) tools: Vec<&'a RawValue>,
    pub(super) fields: Fields<'a>,
}

#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) role: Cow<'a, str>,
    pub(super) content: Content<'a>,
}

/// The content of a message or the system prompt.
#[derive(Debug, Default)]
pub(super) enum Content<'a> {
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    Blocks(Vec<Block<'a>>),
}

#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) raw: &'a str,
    pub(super) known: BlockFields<'a>,
}

/// The fields of a block that the simulator looks at.
#[derive(Debug, Deserialize)]
pub(super) struct BlockFields<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) tool_use_id: Option<String>,
    #[serde(default)]
    pub(super) cache_control: Option<CacheControl>,
}

/// A cache breakpoint.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct CacheControl {
    #[serde(default)]
    pub(super) ttl: Ttl,
}

/// How long a cached prefix lives. Longer-lived ones come first, in a prompt and in this order.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ttl {
    #[serde(rename = "1h")]
    OneHour,
    #[default]
    #[serde(rename = "5m")]
    FiveMinutes,
}

/// The top-level fields: names in order, values raw.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A string that borrows from its document when it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    /// The value of a field; null counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
            .filter(|value| value.get() != "null")
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    /// The value of a field as `T`; an error names the field and what it should be.
    pub(super) fn read<T: Deserialize<'a>>(
        &self,
        name: &str,
        should_be: &str,
    ) -> Result<Option<T>, ApiError> {
        self.get(name)
            .map(|raw| {
                serde_json::from_str(raw.get())
                    .map_err(|_| ApiError::invalid(format!("{name}: Input should be {should_be}")))
            })
            .transpose()
    }

    pub(super) fn required<T: Deserialize<'a>>(
        &self,
        name: &str,
        should_be: &str,
    ) -> Result<T, ApiError> {
        self.read(name, should_be)?
            .ok_or_else(|| ApiError::invalid(format!("{name}: Field required")))
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Top;
        impl<'de> Visitor<'de> for Top {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &RawValue>()? {
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Top)
    }
}

/// Reads the top level of a body.
pub(super) fn fields(body: &[u8]) -> Result<Fields<'_>, ApiError> {
    serde_json::from_slice(body).map_err(|error| not_json(&error))
}

pub(super) fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::invalid(format!("The request body is not valid JSON: {error}"))
}

impl<'a> Ask<'a> {
    /// Reads what is asked for out of the top level.
    pub(super) fn read(fields: Fields<'a>, endpoint: Endpoint) -> Result<Self, ApiError> {
        let name: Text<'_> = fields.required("model", "a valid string")?;
        let turns = turns(&fields)?;
        let max_tokens = match endpoint {
            Endpoint::Messages => max_tokens(&fields)?,
            Endpoint::CountTokens => 0,
        };
        let model = models::find(&name.0)
            .ok_or_else(|| ApiError::not_found(format!("model: {}", name.0)))?;
        Ok(Self {
            model,
            max_tokens,
            stream: fields.read("stream", "a valid boolean")?.unwrap_or(false),
            system: match fields.get("system") {
                Some(raw) => content(raw, "system")?,
                None => Content::Nothing,
            },
            turns,
            tools: fields.read("tools", "a valid list")?.unwrap_or_default(),
            fields,
        })
    }

    /// The text of the last user message, which is what a short answer is about.
    pub(super) fn prompt(&self) -> &str {
        self.turns
            .iter()
            .rev()
            .filter(|turn| turn.role == "user")
            .find_map(|turn| turn.content.texts().last())
            .unwrap_or_default()
    }

    /// Whether the last message is a paused turn of the assistant, sent back to be continued: it
    /// ends where a server tool was about to be used.
    pub(super) fn continues_a_pause(&self) -> bool {
        self.pauses() > 0
    }

    /// How often the turn that is to be continued has paused; 0 if none is.
    pub(super) fn pauses(&self) -> u32 {
        let turn = self.turns.last().filter(|turn| turn.is_paused());
        let blocks = turn.map_or(&[][..], |turn| turn.content.blocks());
        let pauses_at = |block: &&Block<'_>| block.known.kind == PAUSES_AT;
        u32::try_from(blocks.iter().filter(pauses_at).count()).unwrap_or(u32::MAX)
    }

    /// Whether the last message answers a tool call.
    pub(super) fn brings_tool_results(&self) -> bool {
        self.turns.last().is_some_and(|turn| {
            turn.content
                .blocks()
                .iter()
                .any(|block| block.known.kind == "tool_result")
        })
    }
}

impl Turn<'_> {
    fn is_paused(&self) -> bool {
        let last = self.content.blocks().last();
        self.role == "assistant" && last.is_some_and(|block| block.known.kind == PAUSES_AT)
    }
}

impl<'a> Content<'a> {
    pub(super) fn blocks(&self) -> &[Block<'a>] {
        match self {
            Self::Blocks(blocks) => blocks,
            Self::Nothing | Self::Text(_) => &[],
        }
    }

    /// Every text in it.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let whole = match self {
            Self::Text(text) => Some(text.as_ref()),
            Self::Nothing | Self::Blocks(_) => None,
        };
        let parts = self
            .blocks()
            .iter()
            .filter_map(|block| block.known.text.as_deref());
        whole.into_iter().chain(parts)
    }
}

fn max_tokens(fields: &Fields<'_>) -> Result<u32, ApiError> {
    let number: i64 = fields.required("max_tokens", "a valid integer")?;
    u32::try_from(number)
        .map_err(|_| ApiError::invalid("max_tokens: Input should be greater than or equal to 0"))
}

fn turns<'a>(fields: &Fields<'a>) -> Result<Vec<Turn<'a>>, ApiError> {
    let raw: Vec<&RawValue> = fields.required("messages", "a valid list")?;
    raw.into_iter()
        .enumerate()
        .map(|(index, raw)| turn(raw, index))
        .collect()
}

fn turn(raw: &RawValue, index: usize) -> Result<Turn<'_>, ApiError> {
    let fields: Fields<'_> = serde_json::from_str(raw.get()).map_err(|_| {
        ApiError::invalid(format!(
            "messages.{index}: Input should be a valid dictionary"
        ))
    })?;
    if let Some(extra) = fields
        .names()
        .find(|name| !["role", "content"].contains(name))
    {
        return Err(ApiError::invalid(format!(
            "messages.{index}.{extra}: Extra inputs are not permitted"
        )));
    }
    let missing =
        |name: &str| ApiError::invalid(format!("messages.{index}.{name}: Field required"));
    let role = fields.get("role").ok_or_else(|| missing("role"))?;
    let role: Text<'_> = serde_json::from_str(role.get()).map_err(|_| {
        ApiError::invalid(format!(
            "messages.{index}.role: Input should be a valid string"
        ))
    })?;
    let raw = fields.get("content").ok_or_else(|| missing("content"))?;
    Ok(Turn {
        role: role.0,
        content: content(raw, &format!("messages.{index}.content"))?,
    })
}

fn content<'a>(raw: &'a RawValue, place: &str) -> Result<Content<'a>, ApiError> {
    let text = raw.get();
    if text.starts_with('"') {
        return serde_json::from_str(text)
            .map(|Text(text)| Content::Text(text))
            .map_err(|_| ApiError::invalid(format!("{place}: Input should be a valid string")));
    }
    let blocks: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|_| ApiError::invalid(format!("{place}: Input should be a valid list")))?;
    blocks
        .into_iter()
        .enumerate()
        .map(|(index, raw)| block(raw, place, index))
        .collect::<Result<_, _>>()
        .map(Content::Blocks)
}

fn block<'a>(raw: &'a RawValue, place: &str, index: usize) -> Result<Block<'a>, ApiError> {
    serde_json::from_str(raw.get())
        .map(|known| Block {
            raw: raw.get(),
            known,
        })
        .map_err(|error| ApiError::invalid(format!("{place}.{index}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Ask<'_>, ApiError> {
        Ask::read(fields(body.as_bytes())?, Endpoint::Messages)
    }

    #[test]
    fn a_plain_prompt_borrows_its_text() {
        let ask = read(
            r#"{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#,
        )
        .unwrap();
        assert!(matches!(
            &ask.turns[0].content,
            Content::Text(Cow::Borrowed("Hi"))
        ));
        assert_eq!(ask.prompt(), "Hi");
        assert_eq!(ask.model.id, "claude-haiku-4-5-20251001");
    }

    #[test]
    fn the_prompt_is_the_last_text_of_the_last_user_message() {
        let ask = read(
            r#"{"model":"claude-haiku-4-5","max_tokens":9,"messages":[
                {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b\n"}]},
                {"role":"assistant","content":"c"}]}"#,
        )
        .unwrap();
        assert_eq!(ask.prompt(), "b\n");
    }

    #[test]
    fn shape_errors_are_worded_as_the_api_words_them() {
        let cases = [
            ("{", "The request body is not valid JSON: "),
            (r#"{"max_tokens":1,"messages":[]}"#, "model: Field required"),
            (
                r#"{"model":"claude-opus-5","max_tokens":1}"#,
                "messages: Field required",
            ),
            (
                r#"{"model":"claude-opus-5","messages":[]}"#,
                "max_tokens: Field required",
            ),
            (
                r#"{"model":"claude-opus-5","max_tokens":"x","messages":[]}"#,
                "max_tokens: Input should be a valid integer",
            ),
            (
                r#"{"model":"claude-opus-5","max_tokens":1,"messages":[{"role":"user"}]}"#,
                "messages.0.content: Field required",
            ),
            (
                r#"{"model":"claude-opus-5","max_tokens":1,"messages":[{"role":"user","content":"x","name":"y"}]}"#,
                "messages.0.name: Extra inputs are not permitted",
            ),
            (
                r#"{"model":"gpt","max_tokens":1,"messages":[]}"#,
                "model: gpt",
            ),
        ];
        for (body, message) in cases {
            let error = read(body).unwrap_err();
            assert!(
                error.message.starts_with(message),
                "{body}: {}",
                error.message
            );
        }
    }
}
