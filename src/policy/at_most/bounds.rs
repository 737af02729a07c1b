//! What a request body allows, read from its text.

use serde_json::value::RawValue;

use super::server_tools::{Kind, ServerTools, TOKENS_OF_A_SEARCH};
use super::unbounded::Unbounded;
use crate::model::RequestBody;
use crate::model::raw_object::{Member, members, unquote};
use crate::policy::prices::Written;

/// What every request costs beyond its text.
const REQUEST: u64 = 100;
/// What is put before a prompt that is to be answered by a schema.
const SCHEMA: u64 = 1_000;
/// What the use of tools adds: a system prompt of its own, of 530 tokens at most by the docs.
const TOOLS: u64 = 1_000;
/// What a client tool whose definition is Anthropic's adds (`computer_*`, the largest, 735).
const DEFINED_ELSEWHERE: u64 = 1_500;
/// What a server tool adds. It is not published; a few thousand have been seen.
const SERVER_TOOL: u64 = 5_000;
/// A picture in the highest resolution that any model takes (4,784 tokens).
const IMAGE: u64 = 5_000;
/// Blocks stand in blocks less deep than this; deeper ones are refused by the API.
const MAX_DEPTH: u32 = 8;
/// Tools with definitions of Anthropic's that the caller runs.
const CLIENT_TOOLS: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// The most that a request's own text allows of everything that is billed.
///
/// Text is counted by its bytes: no tokenizer makes more tokens of a text than it has bytes, whatever
/// the text is. A picture has its documented maximum, wherever it stands. A PDF file has as many
/// tokens as fit into the model: neither its pages nor their text can be told from its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Tokens of the prompt without what follows.
    tokens: u64,
    /// It may fill the model's window.
    fills_window: bool,
    pub(super) max_tokens: Option<u64>,
    pub(super) written: Written,
    pub(super) server_tools: ServerTools,
    pub(super) fast: bool,
    pub(super) us_geo: bool,
    pub(super) unbounded: Option<Unbounded>,
}

impl Bounds {
    /// Reads a body as it is sent. What is not as the API wants it is counted as text.
    #[must_use]
    pub fn read(body: &RequestBody) -> Self {
        let mut reader = BoundsReader {
            bounds: Self {
                tokens: REQUEST.saturating_add(body.len() as u64),
                ..Self::default()
            },
        };
        match members(body.as_str()) {
            Ok(members) => reader.body(&members),
            Err(_) => reader.refuse(Unbounded::Unreadable),
        }
        reader.bounds
    }

    /// Tokens of the prompt at most, for a model with such a window: a longer one is refused unpaid.
    pub(super) fn prompt(&self, window: u64) -> u64 {
        if self.fills_window {
            window
        } else {
            self.tokens.min(window)
        }
    }

    /// Searches that its answer is likely to make.
    #[must_use]
    pub fn likely_searches(&self) -> u64 {
        self.server_tools.likely_searches()
    }

    /// The most that its answer may have, if the request says.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        self.max_tokens
    }

    /// The same request with that bound of its answer.
    #[must_use]
    pub fn with_max_tokens(&self, max_tokens: u64) -> Self {
        Self {
            max_tokens: Some(max_tokens),
            ..self.clone()
        }
    }
}

struct BoundsReader {
    bounds: Bounds,
}

impl BoundsReader {
    fn body(&mut self, body: &[Member<'_>]) {
        let get = |key| value(body, key).filter(|raw| *raw != "null");
        self.bounds.max_tokens = get("max_tokens").and_then(|raw| raw.parse().ok());
        self.bounds.fast = get("speed").is_some_and(|raw| raw != "\"standard\"");
        // A workspace may have a region of its own, which holds where the request names none.
        self.bounds.us_geo = get("inference_geo") != Some("\"global\"");
        self.marked(body);
        self.members_with_work_of_their_own(body);
        if get("output_config").is_some() {
            self.add(SCHEMA);
        }
        if let Some(tools) = get("tools") {
            self.add(TOOLS);
            self.items(tools, Self::tool);
        }
        if let Some(system) = get("system") {
            self.content(system, 0);
        }
        if let Some(messages) = get("messages") {
            self.items(messages, Self::turn);
        }
    }

    fn members_with_work_of_their_own(&mut self, body: &[Member<'_>]) {
        let get = |key| value(body, key).filter(|raw| !matches!(*raw, "null" | "[]"));
        for key in ["mcp_servers", "fallbacks", "previous_thread_event_id"] {
            if get(key).is_some() {
                self.refuse(Unbounded::Member { key });
            }
        }
        if get("container").is_some_and(has_skills) {
            self.refuse(Unbounded::Member { key: "container" });
        }
        let key = "context_management";
        if get(key).is_some_and(compacts) {
            self.refuse(Unbounded::Member { key });
        }
    }

    fn tool(&mut self, raw: &str) {
        let Ok(tool) = members(raw) else { return };
        self.marked(&tool);
        let kind = value(&tool, "type").filter(|raw| *raw != "null");
        let Some(name) = kind.map(|raw| unquote(raw).unwrap_or(raw.into())) else {
            return;
        };
        let is = |prefix: &str| name.starts_with(prefix);
        if name == "custom" {
            return;
        }
        if CLIENT_TOOLS.iter().any(|prefix| is(prefix)) {
            return self.add(DEFINED_ELSEWHERE);
        }
        self.add(SERVER_TOOL);
        let max_uses = value(&tool, "max_uses").and_then(|raw| raw.parse().ok());
        match Kind::of(&name) {
            Some(kind) => self.bounds.server_tools.add(&name, kind, max_uses),
            None => self.refuse(Unbounded::Tool {
                tool: name.into_owned(),
            }),
        }
    }

    fn turn(&mut self, raw: &str) {
        let Ok(turn) = members(raw) else { return };
        if let Some(content) = value(&turn, "content") {
            self.content(content, 0);
        }
    }

    /// A string, a block, or an array of blocks. Its text is in the body's length already.
    fn content(&mut self, raw: &str, depth: u32) {
        if depth >= MAX_DEPTH {
            return;
        }
        if raw.starts_with('[') {
            self.items(raw, |reader, block| reader.content(block, depth + 1));
        } else if raw.starts_with('{') {
            self.block(raw, depth);
        }
    }

    fn block(&mut self, raw: &str, depth: u32) {
        let Ok(block) = members(raw) else { return };
        self.marked(&block);
        // With citations a text is cut into numbered pieces, sentence by sentence.
        if value(&block, "citations").is_some_and(|raw| raw != "null") {
            self.add(raw.len() as u64);
        }
        let kind = value(&block, "type").and_then(|kind| unquote(kind).ok());
        match kind.as_deref() {
            Some("image") => self.image(&block),
            Some("document") => self.document(&block, depth),
            // What is sent back is sealed; its length need not tell that of what is in it.
            Some("web_search_tool_result") => self.add(TOKENS_OF_A_SEARCH),
            other => self.elsewhere(&block, other.unwrap_or_default()),
        }
        if kind.as_deref() != Some("document")
            && let Some(content) = value(&block, "content")
        {
            self.content(content, depth + 1);
        }
    }

    /// A block of another kind that refers to a file or an address, whose length is not in the
    /// request. What code has put out is told by its file too, and is not read.
    fn elsewhere(&mut self, block: &[Member<'_>], kind: &str) {
        let source = value(block, "source").and_then(|source| members(source).ok());
        let source = source.unwrap_or_default();
        let held = |raw: &str| matches!(raw, "\"text\"" | "\"base64\"" | "\"content\"");
        let by = value(&source, "type").filter(|raw| !held(raw));
        let by = by.and_then(|raw| unquote(raw).ok());
        let has =
            |members: &[Member<'_>], key| value(members, key).is_some_and(|raw| raw != "null");
        let file = has(&source, "file_id") || has(block, "file_id") && !kind.ends_with("_output");
        let source = match by {
            Some(by) => by.into_owned(),
            None if file => "file".to_owned(),
            None if has(&source, "url") => "url".to_owned(),
            None => return,
        };
        self.refuse(Unbounded::Document { source });
    }

    fn image(&mut self, image: &[Member<'_>]) {
        let source = value(image, "source").and_then(|raw| members(raw).ok());
        let data = source.as_deref().and_then(|source| value(source, "data"));
        let data = data.map_or(0, |data| data.len() as u64);
        self.bounds.tokens = self.bounds.tokens.saturating_sub(data);
        self.add(IMAGE);
    }

    fn document(&mut self, document: &[Member<'_>], depth: u32) {
        let source = value(document, "source").and_then(|source| members(source).ok());
        let source = source.unwrap_or_default();
        let kind = value(&source, "type").and_then(|kind| unquote(kind).ok());
        match kind.as_deref() {
            Some("text") => {}
            Some("content") => {
                if let Some(content) = value(&source, "content") {
                    self.content(content, depth + 1);
                }
            }
            Some("base64") => self.bounds.fills_window = true,
            other => self.refuse(Unbounded::Document {
                source: other.unwrap_or("reference").to_owned(),
            }),
        }
    }

    fn marked(&mut self, members: &[Member<'_>]) {
        let Some(mark) = value(members, "cache_control").filter(|raw| *raw != "null") else {
            return;
        };
        let written = if mark.contains("1h") {
            Written::AnHour
        } else {
            Written::FiveMinutes
        };
        self.bounds.written = self.bounds.written.max(written);
    }

    fn items(&mut self, raw: &str, mut each: impl FnMut(&mut Self, &str)) {
        if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw) {
            for item in items {
                each(self, item.get());
            }
        }
    }

    fn add(&mut self, tokens: u64) {
        self.bounds.tokens = self.bounds.tokens.saturating_add(tokens);
    }

    /// The first part without a bound is the one that is told.
    fn refuse(&mut self, unbounded: Unbounded) {
        self.bounds.unbounded.get_or_insert(unbounded);
    }
}

/// The id of a container alone costs nothing; skills are work in it.
fn has_skills(container: &str) -> bool {
    members(container).is_ok_and(|container| container.iter().any(|member| member.key != "id"))
}

/// Clearing what is old costs nothing; a compaction is an answer of its own.
fn compacts(management: &str) -> bool {
    let management = members(management).unwrap_or_default();
    let edits = value(&management, "edits").map(serde_json::from_str::<Vec<&RawValue>>);
    let clears = |edit: &&RawValue| {
        let edit = members(edit.get()).unwrap_or_default();
        let kind = value(&edit, "type").and_then(|kind| unquote(kind).ok());
        kind.is_some_and(|kind| kind.starts_with("clear_"))
    };
    edits.is_some_and(|edits| !edits.is_ok_and(|edits| edits.iter().all(clears)))
}

/// Of several members of a name the last holds, as the API reads it.
fn value<'a>(members: &[Member<'a>], key: &str) -> Option<&'a str> {
    let found = members.iter().rev().find(|member| member.key == key);
    found.map(|member| member.value)
}
