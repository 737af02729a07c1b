//! One content block of a stream: how it began, and what its deltas added.
//!
//! Each kind of delta belongs to certain kinds of blocks; to a block of another kind that is known it
//! adds nothing, as in the official SDKs. A block of a kind that is not known takes what comes.

use std::borrow::Cow;

use super::json_object::{JsonObject, quoted};
use super::json_text::closed;
use crate::model::half_pairs::half_pairs;
use crate::model::raw_object::{Member, unquote};

/// Blocks whose input comes in pieces.
const TOOLS: &[&str] = &["tool_use", "server_tool_use", "mcp_tool_use"];

/// Which blocks a delta belongs to.
const OWNERS: [(&str, &[&str]); 6] = [
    ("text_delta", &["text"]),
    ("citations_delta", &["text"]),
    ("thinking_delta", &["thinking"]),
    ("signature_delta", &["thinking"]),
    ("input_json_delta", TOOLS),
    ("compaction_delta", &["compaction"]),
];

/// A content block in the making.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// As `content_block_start` told it.
    start: JsonObject,
    /// Text that grows piece by piece, by the key where it goes: the insides of JSON strings as they
    /// are written, because a character may come in two halves.
    texts: Vec<(&'static str, String)>,
    /// A tool's input as far as it came, written in the same way: JSON text in a string, cut anywhere.
    input: Option<String>,
    /// Raw citations.
    citations: Vec<String>,
    /// More of it may come.
    is_open: bool,
}

impl Block {
    /// A block that begins like this.
    pub(super) fn open(start: JsonObject) -> Self {
        Self {
            is_open: true,
            ..Self::whole(start)
        }
    }

    /// A block that came as a whole.
    pub(super) fn whole(start: JsonObject) -> Self {
        Self {
            start,
            texts: Vec::new(),
            input: None,
            citations: Vec::new(),
            is_open: false,
        }
    }

    pub(super) fn close(&mut self) {
        self.is_open = false;
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Its type; empty if it has none.
    pub(super) fn kind(&self) -> Cow<'_, str> {
        let kind = self.start.get("type").and_then(|raw| unquote(raw).ok());
        kind.unwrap_or_default()
    }

    /// The model that a server-side fallback went over to, as JSON text, if this block tells of one.
    pub(super) fn falls_back_to(&self) -> Option<String> {
        let to = self.start.get("to").filter(|_| self.kind() == "fallback")?;
        let to = JsonObject::parse(to).ok()?;
        to.get("model").map(str::to_owned)
    }

    /// Adds a delta. False if its kind is not known here: it is left out then, as every client does
    /// with what it does not know.
    pub(super) fn add(&mut self, delta: &[Member<'_>]) -> Result<bool, String> {
        let kind = text_of(delta, "type")?;
        if !self.takes(&kind) {
            return Ok(false);
        }
        match &*kind {
            "text_delta" => self.grow("text", delta)?,
            "thinking_delta" => self.grow("thinking", delta)?,
            "input_json_delta" => {
                let part = inside(delta, "partial_json")?;
                self.input.get_or_insert_default().push_str(part);
            }
            "citations_delta" => {
                self.citations.push(raw(delta, "citation")?.to_owned());
            }
            // It comes whole, once its thinking is over.
            "signature_delta" => self.set_all(delta.iter()),
            _ => {
                if raw(delta, "content").is_ok_and(|content| content != "null") {
                    self.grow("content", delta)?;
                }
                self.set_all(delta.iter().filter(|member| member.key != "content"));
            }
        }
        Ok(true)
    }

    fn takes(&self, delta: &str) -> bool {
        let mine = self.kind();
        let owners = |kind: &str| OWNERS.iter().find(|(delta, _)| *delta == kind);
        let Some((_, owners)) = owners(delta) else {
            return false;
        };
        let is_known = OWNERS.iter().any(|(_, kinds)| kinds.contains(&&*mine));
        owners.contains(&&*mine) || !is_known
    }

    fn set_all<'a>(&mut self, members: impl Iterator<Item = &'a Member<'a>>) {
        for member in members.filter(|member| member.key != "type") {
            self.start.set(&member.key, member.value.to_owned());
        }
    }

    fn grow(&mut self, key: &'static str, delta: &[Member<'_>]) -> Result<(), String> {
        let part = inside(delta, key)?;
        if let Some((_, text)) = self.texts.iter_mut().find(|(grown, _)| *grown == key) {
            text.push_str(part);
        } else {
            let start = self.start.get(key).and_then(inside_of).unwrap_or_default();
            self.texts.push((key, format!("{start}{part}")));
        }
        Ok(())
    }

    /// The block as a plain answer would have told it.
    pub(super) fn to_json(&self) -> String {
        let mut block = self.start.clone();
        for (key, text) in &self.texts {
            block.set(key, string(text));
        }
        if let Some(input) = &self.input {
            let input = text_in(input);
            let empty = || block.get("input").filter(|raw| raw.starts_with('{'));
            let whole = if input.trim_ascii().is_empty() {
                empty().unwrap_or("{}").to_owned()
            } else {
                tool_input(&input)
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

/// The JSON string with this inside, written as a plain answer writes it. One with half a character
/// stays as it is; what becomes of that is for `tidy` to say.
fn string(inside: &str) -> String {
    let raw = format!("\"{inside}\"");
    unquote(&raw).map_or_else(|_| raw.clone(), |text| quoted(&text))
}

/// The JSON text that stands in a JSON string. Half a character can only stand in a string of it,
/// where its escape says the same.
fn text_in(inside: &str) -> String {
    let mut raw = format!("\"{inside}\"");
    for at in half_pairs(&raw).into_iter().rev() {
        raw.insert(at, '\\');
    }
    unquote(&raw).map(Cow::into_owned).unwrap_or_default()
}

/// The JSON text of that member; of several the last one counts.
pub(super) fn raw<'a>(members: &[Member<'a>], key: &str) -> Result<&'a str, String> {
    let member = members.iter().rfind(|member| member.key == key);
    member
        .map(|member| member.value)
        .ok_or_else(|| format!("an event of the stream has no `{key}`"))
}

/// The text of that member.
pub(super) fn text_of<'a>(members: &[Member<'a>], key: &str) -> Result<Cow<'a, str>, String> {
    unquote(raw(members, key)?).map_err(|_| no_text(key))
}

/// What stands between the quotes of that member.
fn inside<'a>(members: &[Member<'a>], key: &str) -> Result<&'a str, String> {
    inside_of(raw(members, key)?).ok_or_else(|| no_text(key))
}

fn inside_of(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"')
}

fn no_text(key: &str) -> String {
    format!("`{key}` of an event is no text")
}
