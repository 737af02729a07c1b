//! One content block of a stream: how it began, and what its deltas added.

use std::borrow::Cow;

use super::json_object::{JsonObject, quoted};
use super::json_text::closed;
use crate::model::raw_object::{Member, unquote};

/// A content block in the making.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// As `content_block_start` told it.
    start: JsonObject,
    /// Text that grows piece by piece, by the key where it goes.
    texts: Vec<(&'static str, String)>,
    /// A tool's input as far as it came: JSON text, cut anywhere.
    input: Option<String>,
    /// Raw citations.
    citations: Vec<String>,
}

impl Block {
    pub(super) fn new(start: JsonObject) -> Self {
        Self {
            start,
            texts: Vec::new(),
            input: None,
            citations: Vec::new(),
        }
    }

    /// Adds a delta. False if its kind is not known: it is left out then, as every client does with
    /// what it does not know.
    pub(super) fn add(&mut self, delta: &[Member<'_>]) -> Result<bool, String> {
        let kind = text_of(delta, "type")?;
        match &*kind {
            "text_delta" => self.grow("text", delta)?,
            "thinking_delta" => self.grow("thinking", delta)?,
            "input_json_delta" => {
                let part = text_of(delta, "partial_json")?;
                self.input.get_or_insert_default().push_str(&part);
            }
            "citations_delta" => {
                self.citations.push(raw(delta, "citation")?.to_owned());
            }
            // These come whole: a signature once its thinking is over, a compaction's content.
            "signature_delta" | "compaction_delta" => {
                let news = delta.iter().filter(|member| member.key != "type");
                for member in news {
                    self.start.set(&member.key, member.value.to_owned());
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn grow(&mut self, key: &'static str, delta: &[Member<'_>]) -> Result<(), String> {
        let part = text_of(delta, key)?;
        if let Some((_, text)) = self.texts.iter_mut().find(|(grown, _)| *grown == key) {
            text.push_str(&part);
        } else {
            let start = self.start.get(key).and_then(|raw| unquote(raw).ok());
            let text = start.map_or_else(String::new, Cow::into_owned) + &part;
            self.texts.push((key, text));
        }
        Ok(())
    }

    /// The block as a plain answer would have told it.
    pub(super) fn to_json(&self) -> String {
        let mut block = self.start.clone();
        for (key, text) in &self.texts {
            block.set(key, quoted(text));
        }
        if let Some(input) = &self.input {
            let empty = || block.get("input").filter(|raw| raw.starts_with('{'));
            let whole = if input.trim_ascii().is_empty() {
                empty().unwrap_or("{}").to_owned()
            } else {
                tool_input(input)
            };
            block.set("input", whole);
        }
        if !self.citations.is_empty() {
            block.set("citations", self.all_citations());
        }
        block.to_json()
    }

    fn all_citations(&self) -> String {
        let first = self.start.get("citations").unwrap_or_default();
        let first = first
            .strip_prefix('[')
            .and_then(|raw| raw.strip_suffix(']'));
        let first = first.map(str::trim_ascii).filter(|raw| !raw.is_empty());
        let news = self.citations.iter().map(String::as_str);
        let all: Vec<&str> = first.into_iter().chain(news).collect();
        format!("[{}]", all.join(","))
    }
}

/// A tool's input: as it came if it is JSON, else as far as it is (`max_tokens` may have cut it),
/// else as text, so that nothing is lost.
fn tool_input(text: &str) -> String {
    if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() {
        return text.trim_ascii().to_owned();
    }
    closed(text.trim_ascii_start()).unwrap_or_else(|| quoted(text))
}

/// The JSON text of that member.
pub(super) fn raw<'a>(members: &[Member<'a>], key: &str) -> Result<&'a str, String> {
    let member = members.iter().find(|member| member.key == key);
    member
        .map(|member| member.value)
        .ok_or_else(|| format!("an event of the stream has no `{key}`"))
}

/// The text of that member.
pub(super) fn text_of<'a>(members: &[Member<'a>], key: &str) -> Result<Cow<'a, str>, String> {
    unquote(raw(members, key)?).map_err(|_| format!("`{key}` of an event is no text"))
}
